"""Virtual keys: stored, verified, revoked, rotated, swept, and audited."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import timedelta

import pytest
from ledger_records import START, record

from turnout.core.clock import ManualClock
from turnout.core.errors import ConfigError, InvalidField, NotFound
from turnout.core.keyformat import mint
from turnout.core.secret import Secret
from turnout.ledger import audit
from turnout.ledger.database import open_database
from turnout.ledger.datadir import DataDir
from turnout.ledger.keyring import KeyRing, KnownKey, StaticKey
from turnout.ledger.keys import KeySpec, issued_to_json, list_keys, row_to_json, spec_from_json, spec_to_json
from turnout.ledger.keystore import KeyStore
from turnout.ledger.retention import RULES, Retention, sweep
from turnout.ledger.writer import Writer

PEPPER = Secret("p" * 64)
SPEC = KeySpec(name="ci", routes=("smart", "a/b"), rpm=5, tpm=1000, concurrency=2, tags=("team:x",))


async def with_store(place: DataDir, clock: ManualClock, scenario) -> None:
    writer = Writer(open_database(place, os.urandom))
    store = KeyStore(writer=writer, ring=KeyRing(PEPPER), pepper=PEPPER, clock=clock, random_bytes=os.urandom)
    try:
        await scenario(store)
    finally:
        await writer.close()


def run(place: DataDir, scenario, clock: ManualClock | None = None) -> None:
    asyncio.run(with_store(place, clock or ManualClock(START), scenario))


def test_a_created_key_is_known_now_and_after_a_restart(held: DataDir) -> None:
    """The ring takes a new key at once, and a ring loaded from the database takes it too."""

    async def scenario(store: KeyStore) -> None:
        issued = await store.create(SPEC, actor="root")
        loaded = KeyRing(PEPPER, await store.list())
        for ring in (store.ring, loaded):
            known = ring.find(issued.text.reveal(), START)
            assert known == KnownKey(issued.row.id, SPEC)

    run(held, scenario)


def test_no_text_of_a_key_is_stored(held: DataDir) -> None:
    """Neither the secret nor the pepper is in the database files."""
    texts: list[str] = []

    async def scenario(store: KeyStore) -> None:
        issued = await store.create(SPEC, actor="root")
        texts.append(issued.text.reveal())

    run(held, scenario)
    stored = b"".join(file.read_bytes() for file in held.path.glob("turnout.db*"))
    assert texts[0].split("_")[2].encode() not in stored
    assert PEPPER.reveal().encode() not in stored


def test_another_pepper_knows_nobody(held: DataDir) -> None:
    """Without its pepper the table of hashes verifies nothing."""

    async def scenario(store: KeyStore) -> None:
        issued = await store.create(SPEC, actor="root")
        assert KeyRing(Secret("q" * 64), await store.list()).find(issued.text.reveal(), START) == "unknown"

    run(held, scenario)


def test_a_revoked_key_is_refused_at_once_and_for_good(held: DataDir) -> None:
    """Revoking reaches the ring, survives a restart, is idempotent and can't be rotated away."""

    async def scenario(store: KeyStore) -> None:
        issued = await store.create(SPEC, actor="root")
        first = await store.revoke(issued.row.id, actor="root")
        again = await store.revoke(issued.row.id, actor="root")
        assert first == again
        for ring in (store.ring, KeyRing(PEPPER, await store.list())):
            assert ring.find(issued.text.reveal(), START) == "revoked"
        with pytest.raises(InvalidField):
            await store.rotate(issued.row.id, actor="root")
        with pytest.raises(NotFound):
            await store.revoke("nobody", actor="root")

    run(held, scenario)


def test_a_rotated_key_keeps_its_id_and_the_old_text_for_its_grace(held: DataDir) -> None:
    """Both texts work during the grace, only the new one after it; a second rotation ends the first text."""

    async def scenario(store: KeyStore) -> None:
        old = await store.create(SPEC, actor="root")
        new = await store.rotate(old.row.id, actor="root", grace=timedelta(seconds=60))
        assert (new.row.id, new.row.spec) == (old.row.id, SPEC)
        late = START + timedelta(seconds=60)
        assert isinstance(store.ring.find(old.text.reveal(), START), KnownKey)
        assert store.ring.find(old.text.reveal(), late) == "unknown"
        assert isinstance(store.ring.find(new.text.reveal(), late), KnownKey)
        await store.rotate(old.row.id, actor="root")
        assert store.ring.find(new.text.reveal(), START) == "unknown"

    run(held, scenario)


def test_an_expired_key_says_so_to_its_holder_only(held: DataDir) -> None:
    """The holder of the text hears `expired`; a guess at the same id hears `unknown`."""

    async def scenario(store: KeyStore) -> None:
        issued = await store.create(replace(SPEC, expires_at=START + timedelta(days=1)), actor="root")
        later = START + timedelta(days=1)
        guess = mint(os.urandom, key_id=issued.row.id).text
        assert isinstance(store.ring.find(issued.text.reveal(), START), KnownKey)
        assert store.ring.find(issued.text.reveal(), later) == "expired"
        assert store.ring.find(guess, later) == store.ring.find(guess, START) == "unknown"

    run(held, scenario)


def test_static_keys_come_from_the_environment() -> None:
    """A text of 20 characters or a tn_ key works; shorter, cut or blank ones are refused at start."""
    minted = mint(os.urandom)
    static = [StaticKey(secret=Secret(text), spec=SPEC) for text in ("x" * 20, minted.text)]
    ring = KeyRing(PEPPER, static=static)

    assert ring.find("x" * 20, START) == KnownKey("ci", SPEC)
    assert ring.find(minted.text, START) == KnownKey(minted.id, SPEC)
    assert ring.find("x" * 21, START) == "malformed"
    for text in ("x" * 19, minted.text[:-1], "é" * 20, " " * 20):
        with pytest.raises(ConfigError):
            KeyRing(PEPPER, static=[StaticKey(secret=Secret(text), spec=SPEC)])


def test_every_change_is_in_the_audit_chain_and_tampering_shows(held: DataDir) -> None:
    """The chain verifies, and names the first entry that was changed or follows a removed one."""

    async def scenario(store: KeyStore) -> None:
        issued = await store.create(SPEC, actor="root")
        await store.rotate(issued.row.id, actor="root")
        await store.revoke(issued.row.id, actor="root")
        await store.revoke(issued.row.id, actor="root")
        actions = await store.writer.run(
            lambda c: [row[0] for row in c.execute("SELECT action FROM audit ORDER BY seq")]
        )
        assert actions == ["key.create", "key.rotate", "key.revoke"]
        assert await store.writer.run(audit.verify) is None
        for change, found in (
            ("UPDATE audit SET actor = 'me' WHERE seq = 2", 2),
            ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 1", 1),
            ("DELETE FROM audit WHERE seq = 2", 3),
        ):

            def tamper(connection, change=change):
                connection.execute("SAVEPOINT s")
                connection.execute(change)
                broken = audit.verify(connection)
                connection.execute("ROLLBACK TO s")
                return broken

            assert await store.writer.run(tamper) == found

    run(held, scenario)


def test_old_rows_are_swept_and_young_ones_stay(held: DataDir) -> None:
    """Each table loses what is past its days, attempts with their requests, active keys never."""
    clock = ManualClock(START)

    async def scenario(store: KeyStore) -> None:
        gone = await store.create(SPEC, actor="root")
        kept = await store.create(SPEC, actor="root")
        await store.revoke(gone.row.id, actor="root")
        await asyncio.gather(*(store.writer.write(record(0, attempts=2)) for _ in range(1200)))
        young = record(86400 * 399)
        await store.writer.write(young)
        clock.advance(86400 * 401)
        assert await sweep(store.writer, clock.now(), Retention()) == {
            **dict.fromkeys((rule.table for rule in RULES), 0),
            "requests": 1200,
            "audit": 3,
            "keys": 1,
        }
        left = await store.writer.run(lambda c: c.execute("SELECT request_id FROM attempts").fetchall())
        assert left == [(young.id,)]
        assert [row.id for row in await store.writer.run(list_keys)] == [kept.row.id]
        await store.revoke(kept.row.id, actor="root")
        assert await store.writer.run(audit.verify) is None

    run(held, scenario, clock)


def test_a_spec_goes_through_json_unchanged() -> None:
    """The command line's body is what the admin API reads."""
    for spec in (SPEC, KeySpec(name="a"), replace(SPEC, expires_at=START, role="admin")):
        assert spec_from_json(spec_to_json(spec)) == spec


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a", "role": "root"}, "role"),
        ({"name": "a", "rpm": 0}, "rpm"),
        ({"name": "a", "tpm": 1.5}, "tpm"),
        ({"name": "a", "concurrency": True}, "concurrency"),
        ({"name": "a", "routes": "smart"}, "routes"),
        ({"name": "a", "routes": [1]}, "routes"),
        ({"name": "a", "expires_at": "tomorrow"}, "expires_at"),
        ({"name": "a", "expires_at": "2027-01-01T00:00:00"}, "expires_at"),
        ({"name": "a", "rmp": 5}, "rmp"),
    ],
)
def test_a_wrong_body_names_its_field(body, param: str) -> None:
    """Each wrong field of a key is named."""
    with pytest.raises(InvalidField) as caught:
        spec_from_json(body)
    assert caught.value.param == param


def test_what_is_shown_of_a_key_has_no_hash(held: DataDir) -> None:
    """Only the answer to create and rotate holds the text; nothing shows the hash."""

    async def scenario(store: KeyStore) -> None:
        issued = await store.create(SPEC, actor="root")
        shown = row_to_json(issued.row, START)
        assert issued_to_json(issued, START) == {"key": issued.text.reveal(), **shown}
        assert issued.row.hash.hex() not in str(shown) and "hash" not in shown
        assert shown["state"] == "active"

    run(held, scenario)
