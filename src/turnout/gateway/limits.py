"""Limits of a key: requests a minute, tokens a minute, requests at once.

Each rate is a bucket that holds a minute's worth and refills evenly, the same algorithm as OpenAI's and Anthropic's
(https://docs.claude.com/en/api/rate-limits): after a quiet minute the whole minute's worth may come at once.
Limits count in this process only: two gateways side by side admit twice as much. Nothing here survives a restart.

All arithmetic is in whole numbers, so that N callers at room for k admit exactly k. Owned by the event loop: `admit`
never awaits between looking and taking.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from turnout.core.clock import Clock
from turnout.core.errors import RateLimited
from turnout.gateway.auth import Principal

_MINUTE = 60_000_000_000
"""Nanoseconds; also the units one request or token takes of a bucket, so that refilling is exact: a bucket of `limit`
a minute gains `limit` units a nanosecond."""

_SLOT_RETRY = 1.0
"""Seconds to wait for a free slot. When one frees is not known; a second is short against an answer's length."""


class _Bucket:
    """A rate. `level` is what is left, in units; it may fall below zero when a request used more than it reserved."""

    __slots__ = ("at", "level", "limit")

    def __init__(self, limit: int, now: int) -> None:
        self.limit = limit
        self.level = limit * _MINUTE
        self.at = now

    def refill(self, limit: int, now: int) -> None:
        """Brings the level to `now`. A changed limit keeps what was used."""
        if limit != self.limit:
            self.level += (limit - self.limit) * _MINUTE
            self.limit = limit
        self.level = min(limit * _MINUTE, self.level + (now - self.at) * limit)
        self.at = now

    def wait(self, amount: int) -> int:
        """Nanoseconds until `amount` is there; 0 when it is now."""
        missing = amount * _MINUTE - self.level
        return 0 if missing <= 0 else -(-missing // self.limit)

    def take(self, amount: int) -> None:
        self.level = min(self.limit * _MINUTE, self.level - amount * _MINUTE)

    def left(self) -> int:
        return max(0, self.level // _MINUTE)

    def until_full(self) -> float:
        """Seconds."""
        return (self.limit * _MINUTE - self.level) / self.limit / 1e9


class _KeyState:
    """What a key has in use."""

    __slots__ = ("requests", "running", "tokens")

    def __init__(self) -> None:
        self.requests: _Bucket | None = None
        self.tokens: _Bucket | None = None
        self.running = 0


class Lease:
    """Room for one request. Release it exactly when the request is over, whatever its end; a second time is nothing."""

    __slots__ = ("_open", "_reserved", "_state")

    def __init__(self, state: _KeyState | None, reserved: int) -> None:
        self._state = state
        self._reserved = reserved
        self._open = state is not None

    def release(self, tokens: int | None = None) -> None:
        """Frees the slot, and puts the tokens really used in the place of the estimate; None keeps the estimate."""
        if not self._open or self._state is None:
            return
        self._open = False
        self._state.running -= 1
        bucket = self._state.tokens
        if bucket is not None and tokens is not None:
            bucket.take(tokens - self._reserved)


_FREE = Lease(None, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One rate of a key, as headers tell it."""

    limit: int
    remaining: int
    reset_seconds: float
    """Until the whole minute's worth is there again."""


class Limiter:
    """Admits or refuses."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._states: dict[str, _KeyState] = {}  # one per key that has a limit

    def admit(self, principal: Principal, tokens: int) -> Lease:
        """Room for a request of about `tokens` tokens. Raises RateLimited, and then nothing is used up."""
        rpm, tpm, slots = principal.rpm, principal.tpm, principal.concurrency
        if rpm is None and tpm is None and slots is None:
            return _FREE
        state = self._state(principal)
        if slots is not None and state.running >= slots:
            raise _refused(f"{slots} requests at a time", "Wait for one to end", _SLOT_RETRY)
        if rpm is not None and state.requests is not None:
            _require(state.requests, 1, "requests")
        if tpm is not None and state.tokens is not None:
            if tokens > tpm:
                raise RateLimited(
                    f"This request needs about {tokens} tokens, more than the {tpm} a minute that the key allows."
                    " Shorten it, lower its maximum output, or ask for a higher limit.",
                    should_retry=False,
                )
            _require(state.tokens, tokens, "tokens")
            state.tokens.take(tokens)
        if rpm is not None and state.requests is not None:
            state.requests.take(1)
        state.running += 1
        return Lease(state, tokens)

    def standing(self, principal: Principal) -> tuple[Standing | None, Standing | None]:
        """Where the key stands with its requests and its tokens; None for what is not limited."""
        if principal.rpm is None and principal.tpm is None:
            return None, None
        state = self._state(principal)
        return _standing(state.requests), _standing(state.tokens)

    def forget(self, key_id: str) -> None:
        """Drops the state of a key that is gone; requests that still run release into nothing."""
        self._states.pop(key_id, None)

    def _state(self, principal: Principal) -> _KeyState:
        """The key's state, refilled up to now and fitted to the limits that the key has now."""
        state = self._states.get(principal.key_id)
        if state is None:
            state = self._states[principal.key_id] = _KeyState()
        now = round(self._clock.monotonic() * 1e9)
        state.requests = _fit(state.requests, principal.rpm, now)
        state.tokens = _fit(state.tokens, principal.tpm, now)
        return state


def openai_headers(limiter: Limiter, principal: Principal) -> list[tuple[str, str]]:
    """`x-ratelimit-*` (https://platform.openai.com/docs/guides/rate-limits); resets such as `1s` or `6m0s`."""
    return _headers(limiter, principal, "x-ratelimit-{part}-{kind}", _duration)


def anthropic_headers(limiter: Limiter, principal: Principal, clock: Clock) -> list[tuple[str, str]]:
    """`anthropic-ratelimit-*` (https://docs.claude.com/en/api/rate-limits); resets as RFC 3339 instants."""

    def instant(seconds: float) -> str:
        now = clock.now()
        return now.fromtimestamp(ceil(now.timestamp() + seconds), now.tzinfo).isoformat().replace("+00:00", "Z")

    return _headers(limiter, principal, "anthropic-ratelimit-{kind}-{part}", instant)


def _headers(limiter: Limiter, principal: Principal, name: str, reset: Callable[[float], str]) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    for kind, standing in zip(("requests", "tokens"), limiter.standing(principal), strict=True):
        if standing is not None:
            headers += [
                (name.format(kind=kind, part="limit"), str(standing.limit)),
                (name.format(kind=kind, part="remaining"), str(standing.remaining)),
                (name.format(kind=kind, part="reset"), reset(standing.reset_seconds)),
            ]
    return headers


def _duration(seconds: float) -> str:
    """As Go writes a duration: `0s`, `120ms`, `8.64s`, `6m0s`."""
    milliseconds = ceil(seconds * 1000)
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    shown = f"{rest / 1000:g}s"
    return f"{minutes}m{shown}" if minutes else shown


def _fit(bucket: _Bucket | None, limit: int | None, now: int) -> _Bucket | None:
    if limit is None:
        return None
    if bucket is None:
        return _Bucket(limit, now)
    bucket.refill(limit, now)
    return bucket


def _standing(bucket: _Bucket | None) -> Standing | None:
    if bucket is None:
        return None
    return Standing(limit=bucket.limit, remaining=bucket.left(), reset_seconds=bucket.until_full())


def _require(bucket: _Bucket, amount: int, what: str) -> None:
    wait = bucket.wait(amount)
    if wait:
        seconds = ceil(wait / 1e6) / 1000
        raise _refused(f"{bucket.limit} {what} a minute", f"Try again in {seconds:g} s", seconds)


def _refused(limit: str, what_to_do: str, seconds: float) -> RateLimited:
    return RateLimited(f"The key's limit of {limit} is reached. {what_to_do}.", retry_after=seconds, should_retry=True)
