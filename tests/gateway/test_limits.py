"""Limits of a key, against a slow and obvious oracle."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.core.clock import ManualClock
from turnout.core.errors import RateLimited
from turnout.gateway.auth import Principal
from turnout.gateway.limits import Lease, Limiter, anthropic_headers, openai_headers

START = datetime(2026, 11, 20, tzinfo=UTC)


def limiter() -> tuple[ManualClock, Limiter]:
    clock = ManualClock(START)
    return clock, Limiter(clock)


def principal(rpm: int | None = None, tpm: int | None = None, concurrency: int | None = None) -> Principal:
    return Principal(key_id="k", name="ci", role="user", rpm=rpm, tpm=tpm, concurrency=concurrency)


def admitted(one: Limiter, who: Principal, tokens: int = 1) -> Lease | None:
    try:
        return one.admit(who, tokens)
    except RateLimited:
        return None


@given(st.integers(1, 50), st.integers(1, 100))
def test_n_at_once_with_room_for_k_admit_exactly_k(room: int, callers: int) -> None:
    """Pain 1: parallel callers get exactly the room there is, by requests, by tokens and by slots."""

    async def ask(one: Limiter, who: Principal) -> bool:
        await asyncio.sleep(0)
        return admitted(one, who, 7) is not None

    async def all_ask(who: Principal) -> int:
        one = limiter()[1]
        return sum(await asyncio.gather(*(ask(one, who) for _ in range(callers))))

    for who in (principal(rpm=room), principal(tpm=7 * room + 6), principal(concurrency=room)):
        assert asyncio.run(all_ask(who)) == min(room, callers)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(0, 90_000)),
        st.tuples(st.just("ask"), st.integers(0, 120)),
        st.tuples(st.just("end"), st.one_of(st.none(), st.integers(0, 300))),
    ),
    max_size=60,
)


@given(st.integers(1, 7), st.integers(1, 100), st.integers(1, 3), steps)
def test_the_limiter_agrees_with_the_oracle(rpm: int, tpm: int, slots: int, moves: list) -> None:
    """Buckets kept in fractions and a list of running requests give the same answers in any history."""
    clock, one = limiter()
    who = principal(rpm, tpm, slots)
    requests, tokens = Fraction(rpm), Fraction(tpm)
    running: list[tuple[Lease, int]] = []
    last = Fraction(0)
    for move, amount in moves:
        if move == "wait":
            clock.advance(amount / 1000)
            now = Fraction(round(clock.monotonic() * 1e9), 10**9)
            passed = now - last
            last = now
            requests, tokens = (
                min(Fraction(rpm), requests + passed * rpm / 60),
                min(Fraction(tpm), tokens + passed * tpm / 60),
            )
        elif move == "ask":
            lease = admitted(one, who, amount)
            fits = len(running) < slots and requests >= 1 and amount <= tpm and tokens >= amount
            assert (lease is not None) == fits
            if lease is not None:
                running.append((lease, amount))
                requests, tokens = requests - 1, tokens - amount
        elif running:
            lease, reserved = running.pop()
            lease.release(amount)
            lease.release(amount)
            tokens = min(Fraction(tpm), tokens + reserved - (reserved if amount is None else amount))


@given(st.integers(1, 10_000), st.integers(1, 200), st.integers(1, 10**6))
def test_the_time_to_wait_is_enough_and_not_too_long(rpm: int, tpm: int, more: int) -> None:
    """After `retry_after` the request is admitted; 2 ms earlier it is not."""
    for who, amount in ((principal(rpm=rpm), 1), (principal(tpm=tpm), 1 + more % tpm)):
        clock, one = limiter()
        while True:
            try:
                one.admit(who, amount)
            except RateLimited as error:
                refused = error
                break
        assert refused.retry_after is not None and refused.should_retry is True and refused.status == 429
        early = max(0.0, refused.retry_after - 0.002)
        clock.advance(early)
        if early:
            assert admitted(one, who, amount) is None
        clock.advance(refused.retry_after - early + 1e-6)
        assert admitted(one, who, amount) is not None


def test_a_refusal_uses_nothing_up() -> None:
    """A request refused for its tokens costs no request, and one refused for its slot costs neither."""
    _, one = limiter()
    who = principal(rpm=3, tpm=100, concurrency=1)
    one.admit(who, 60).release()
    assert admitted(one, who, 60) is None
    lease = one.admit(who, 10)
    assert admitted(one, who, 10) is None
    lease.release()
    requests, tokens = one.standing(who)

    assert requests is not None and tokens is not None
    assert (requests.remaining, tokens.remaining) == (1, 30)


def test_the_estimate_is_corrected_by_what_was_used() -> None:
    """Unused tokens come back; tokens over the estimate are owed."""
    clock, one = limiter()
    who = principal(tpm=100)
    one.admit(who, 90).release(10)
    assert admitted(one, who, 90) is not None
    other = replace(who, key_id="other")
    one.admit(other, 10).release(150)
    clock.advance(30)
    assert admitted(one, other, 1) is None
    clock.advance(31)
    assert admitted(one, other, 1) is not None


def test_a_request_larger_than_the_limit_is_told_not_to_retry() -> None:
    """No wait helps a request that needs more than a whole minute's tokens."""
    with pytest.raises(RateLimited, match="101 tokens, more than the 100") as caught:
        limiter()[1].admit(principal(tpm=100), 101)
    assert (caught.value.should_retry, caught.value.retry_after) == (False, None)


def test_keys_do_not_share_their_room() -> None:
    """One key's use is nothing to another, and a key without limits is never refused nor remembered."""
    _, one = limiter()
    assert admitted(one, principal(rpm=1)) is not None
    assert admitted(one, principal(rpm=1)) is None
    assert admitted(one, replace(principal(rpm=1), key_id="other")) is not None
    assert all(admitted(one, principal(), 10**9) is not None for _ in range(100))


def test_a_changed_limit_keeps_what_was_used() -> None:
    """Raising a limit gives the difference, not a fresh minute."""
    _, one = limiter()
    for _ in range(3):
        one.admit(principal(rpm=3), 1)
    assert [admitted(one, principal(rpm=5)) is not None for _ in range(3)] == [True, True, False]


def test_headers_say_where_the_key_stands() -> None:
    """OpenAI's and Anthropic's names and forms; nothing for what is not limited."""
    clock, one = limiter()
    who = principal(rpm=10, tpm=1000)
    one.admit(who, 900)

    assert dict(openai_headers(one, who)) == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "6s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "100",
        "x-ratelimit-reset-tokens": "54s",
    }
    assert dict(anthropic_headers(one, who, clock)) == {
        "anthropic-ratelimit-requests-limit": "10",
        "anthropic-ratelimit-requests-remaining": "9",
        "anthropic-ratelimit-requests-reset": "2026-11-20T00:00:06Z",
        "anthropic-ratelimit-tokens-limit": "1000",
        "anthropic-ratelimit-tokens-remaining": "100",
        "anthropic-ratelimit-tokens-reset": "2026-11-20T00:00:54Z",
    }
    assert openai_headers(one, principal()) == []


@pytest.mark.parametrize(("used", "shown"), [(0, "0s"), (1, "60ms"), (9, "540ms"), (25, "1.5s"), (5000, "5m0s")])
def test_resets_are_written_as_go_writes_durations(used: int, shown: str) -> None:
    """Such as OpenAI's `1s` and `6m0s`."""
    _, one = limiter()
    who = principal(tpm=1000)
    one.admit(who, 0).release(used)

    assert dict(openai_headers(one, who))["x-ratelimit-reset-tokens"] == shown
