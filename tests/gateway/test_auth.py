"""Who calls: the decision, and what a refusal says."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest

from turnout.core.clock import ManualClock
from turnout.core.errors import Forbidden, Unauthenticated
from turnout.core.keyformat import mint
from turnout.core.secret import Secret
from turnout.gateway.auth import Authenticator, Principal, authorise_route, require_admin
from turnout.ledger.keyring import KeyRing
from turnout.ledger.keys import KeyRow, KeySpec, digest

START = datetime(2026, 11, 20, tzinfo=UTC)
PEPPER = Secret("p" * 64)


class Door:
    """A ring with one key, and its authenticator."""

    def __init__(self) -> None:
        minted = mint(os.urandom)
        self.text = minted.text.encode()
        self.clock = ManualClock(START)
        self.row = self.stored(minted.id, None)
        self.ring = KeyRing(PEPPER, [self.row])
        self.authenticator = Authenticator(self.ring, self.clock)

    def stored(self, key_id: str, revoked: datetime | None, rpm: int = 5) -> KeyRow:
        spec = KeySpec(name="ci", routes=("smart",), rpm=rpm, expires_at=START + timedelta(days=1))
        return KeyRow(
            id=key_id,
            hash=digest(PEPPER, self.text.decode()),
            old_hash=None,
            old_until=None,
            spec=spec,
            created_at=START,
            revoked_at=revoked,
        )

    def ask(self, *headers: tuple[bytes, bytes]) -> Principal | str:
        try:
            return self.authenticator.authenticate([(b"host", b"a"), *headers])
        except Unauthenticated as error:
            assert (error.status, error.code) == (401, "invalid_api_key")
            return error.message


def forms(text: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"authorization", b"Bearer " + text),
        (b"authorization", b"bearer  " + text + b" "),
        (b"x-api-key", text),
        (b"x-api-key", b" " + text),
    ]


def test_both_headers_give_the_same_decision() -> None:
    """I7: a good, cut, unknown, expired and revoked key get one answer each, whichever header carries it."""
    door = Door()
    candidates = [door.text, door.text[:-1], mint(os.urandom).text.encode(), b"sk-abc", b"\xff" * 66, b"x" * 600]

    def answers() -> list[set[object]]:
        return [{door.ask(form) for form in forms(text)} for text in candidates]

    assert all(len(same) == 1 for same in answers())
    door.clock.advance(86400)
    assert [len(same) for same in answers()] == [1] * len(candidates)
    assert "expired" in str(door.ask(forms(door.text)[0]))
    door.ring.put(door.stored(door.row.id, START))
    assert {door.ask(form) for form in forms(door.text)} == {door.ask(forms(door.text)[0])}
    assert "revoked" in str(door.ask(forms(door.text)[0]))


def test_the_principal_is_the_key() -> None:
    """What the key allows is on the principal, and a changed key gives a changed principal at once."""
    door = Door()
    expected = Principal(key_id=door.row.id, name="ci", role="user", routes=frozenset({"smart"}), rpm=5)
    assert door.ask(forms(door.text)[0]) == expected
    door.ring.put(door.stored(door.row.id, None, rpm=9))
    changed = door.ask(forms(door.text)[0])

    assert isinstance(changed, Principal) and changed.rpm == 9


def test_the_same_key_twice_is_one_key_and_two_keys_are_none() -> None:
    """Clients that send both headers with one key work; two different keys are refused."""
    door = Door()
    bearer, _, plain, _ = forms(door.text)

    assert isinstance(door.ask(bearer, plain), Principal)
    assert isinstance(door.ask((b"authorization", b"Bearer "), plain), Principal)
    assert "Two different keys" in str(door.ask(bearer, (b"x-api-key", mint(os.urandom).text.encode())))
    assert "Two different keys" in str(door.ask(plain, (b"x-api-key", b"other")))


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ([], "No API key was sent"),
        ([(b"authorization", b"")], "No API key was sent"),
        ([(b"authorization", b"Bearer")], "No API key was sent"),
        ([(b"authorization", b"Basic dTpw")], "not of the form"),
        ([(b"authorization", b"tn_naked")], "not of the form"),
        ([(b"x-goog-api-key", b"abc")], "No API key was sent"),
        ([(b"x-api-key", b"sk-ant-123")], "no key of this server"),
        ([(b"x-api-key", b"a" * 513)], "longer than 512"),
        ([(b"x-api-key", b"a" * 512)], "no key of this server"),
    ],
)
def test_a_refusal_says_what_is_wrong(headers: list[tuple[bytes, bytes]], said: str) -> None:
    """Each way to send no key has its own words, and none repeats what was sent."""
    message = str(Door().ask(*headers))

    assert said in message
    assert all(value not in message.encode() for _, value in headers if len(value) > 8)


def test_an_unknown_key_and_a_wrong_secret_get_the_same_words() -> None:
    """Nobody learns from a refusal that a key id exists."""
    door = Door()
    guess = mint(os.urandom, key_id=door.row.id).text.encode()

    assert door.ask((b"x-api-key", guess)) == door.ask((b"x-api-key", mint(os.urandom).text.encode()))


def test_a_route_that_is_not_allowed_is_named_with_those_that_are() -> None:
    """The refusal lists what the key may use; a key without a list may use all; an empty list allows nothing."""
    some = Principal(key_id="k", name="ci", role="user", routes=frozenset({"smart", "fast"}))
    authorise_route(some, "fast")
    authorise_route(Principal(key_id="k", name="ci", role="user"), "anything")

    with pytest.raises(Forbidden, match=r"fast, smart\. Did you mean 'smart'") as caught:
        authorise_route(some, "smrt")
    assert (caught.value.status, caught.value.param) == (403, "model")
    with pytest.raises(Forbidden, match="nothing"):
        authorise_route(Principal(key_id="k", name="ci", role="user", routes=frozenset()), "smart")


def test_only_administrators_administer() -> None:
    """A user's key is refused with the role it has."""
    require_admin(Principal(key_id="k", name="root", role="admin"))
    with pytest.raises(Forbidden, match="role `user`"):
        require_admin(Principal(key_id="k", name="ci", role="user"))
