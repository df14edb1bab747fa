"""Circuit breakers: which deployments to leave alone for a while. Pure but for the clock; owned by one event loop.

    state      success            failure                       time
    closed     closed             open when `consecutive` in a  -
                                  row, or `rate` of at least
                                  `minimum` in the window
    open       open               open (ends no earlier)        half open at `until`
    half open  closed             open, twice as long           -

1. While half open one call may try. Others are refused until it ends.
2. A provider's Retry-After opens the circuit until then, whatever the counts say.
3. A call that began before the circuit opened changes nothing when it ends well: it is old news.
4. Each `begin` is ended by exactly one of `succeed`, `fail`, `abandon`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from turnout.core.clock import Clock
from turnout.core.health import Circuit, DeploymentHealth, HealthSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """When a circuit opens, and for how long (seconds)."""

    consecutive: int = 5
    rate: float = 0.5
    minimum: int = 10
    window: float = 30.0
    cooldown: float = 10.0
    longest_cooldown: float = 120.0
    smoothing: float = 0.2
    """Weight of the newest time to first byte."""

    def __post_init__(self) -> None:
        assert self.consecutive >= 1 and self.minimum >= 1, "a circuit opens after at least one failure"
        assert 0 < self.rate <= 1, "the failure rate is a share"
        assert 0 < self.cooldown <= self.longest_cooldown, "cooldowns are positive and bounded"


@dataclass(frozen=True, slots=True)
class Call:
    """A call under way. `epoch` tells calls apart that began before and after the circuit changed."""

    deployment: str
    epoch: int
    probe: bool


class _Breaker:
    __slots__ = ("cooldown", "epoch", "in_flight", "opened", "outcomes", "probing", "reason", "row", "ttft", "until")

    def __init__(self, cooldown: float) -> None:
        self.opened = False
        """Open or half open; which of them is a matter of the time."""
        self.until = 0.0
        self.probing = False
        self.row = 0
        self.outcomes: deque[tuple[float, bool]] = deque()
        self.cooldown = cooldown
        self.epoch = 0
        self.in_flight = 0
        self.ttft: float | None = None
        self.reason = ""


class Health:
    """The breakers of all deployments."""

    def __init__(self, clock: Clock, rules: BreakerRules | None = None) -> None:
        self._clock = clock
        self._rules = rules or BreakerRules()
        self._breakers: dict[str, _Breaker] = {}

    def begin(self, deployment: str) -> Call | None:
        """Notes a call that starts now; None where the circuit forbids it."""
        breaker = self._breakers.get(deployment)
        if breaker is None:
            breaker = self._breakers[deployment] = _Breaker(self._rules.cooldown)
        if breaker.opened:
            if breaker.probing or self._clock.monotonic() < breaker.until:
                return None
            breaker.probing = True
        breaker.in_flight += 1
        return Call(deployment, breaker.epoch, breaker.opened)

    def succeed(self, call: Call, ttft: float | None = None) -> None:
        """The call ended well. `ttft`: its seconds to the first byte."""
        breaker = self._end(call)
        if ttft is not None:
            weight = self._rules.smoothing
            breaker.ttft = ttft if breaker.ttft is None else breaker.ttft + weight * (ttft - breaker.ttft)
        if call.epoch != breaker.epoch:
            return
        if call.probe:
            self._close(breaker)
        breaker.row = 0
        self._note(breaker, True)

    def fail(self, call: Call, *, reason: str, retry_after: float | None = None) -> None:
        """The call failed in a way that counts against the deployment."""
        breaker = self._end(call)
        if retry_after is not None:
            self._open(breaker, retry_after, reason)
            return
        if call.epoch != breaker.epoch:
            return
        if call.probe:
            breaker.cooldown = min(breaker.cooldown * 2, self._rules.longest_cooldown)
            self._open(breaker, breaker.cooldown, reason)
            return
        breaker.row += 1
        self._note(breaker, False)
        if breaker.row >= self._rules.consecutive or self._rate_exceeded(breaker):
            self._open(breaker, breaker.cooldown, reason)

    def abandon(self, call: Call) -> None:
        """The call says nothing about the deployment: the caller left, or sent a bad request. A probe that is
        abandoned leaves its place to the next one."""
        self._end(call)

    def forget(self, keep: frozenset[str]) -> None:
        """Drops deployments that a reload has removed, once nothing of theirs is under way."""
        for name in [n for n, breaker in self._breakers.items() if n not in keep and not breaker.in_flight]:
            del self._breakers[name]

    def snapshot(self, names: Iterable[str] | None = None) -> HealthSnapshot:
        """How the named deployments fare now; all of them where none is named."""
        now = self._clock.monotonic()
        breakers = self._breakers
        seen = {name: self._view(breakers[name], now) for name in names or breakers if name in breakers}
        return HealthSnapshot(seen)

    def _view(self, breaker: _Breaker, now: float) -> DeploymentHealth:
        circuit = Circuit.CLOSED
        if breaker.opened:
            circuit = Circuit.HALF_OPEN if breaker.probing or now >= breaker.until else Circuit.OPEN
        return DeploymentHealth(
            circuit=circuit,
            until=breaker.until,
            in_flight=breaker.in_flight,
            probing=breaker.probing,
            ttft=breaker.ttft,
            reason=breaker.reason,
        )

    def _end(self, call: Call) -> _Breaker:
        breaker = self._breakers[call.deployment]
        assert breaker.in_flight > 0, "each call ends once"
        breaker.in_flight -= 1
        if call.probe and call.epoch == breaker.epoch:
            breaker.probing = False
        return breaker

    def _open(self, breaker: _Breaker, seconds: float, reason: str) -> None:
        until = self._clock.monotonic() + seconds
        # A circuit that is open already keeps the later of the two ends.
        breaker.until = max(until, breaker.until) if breaker.opened else until
        breaker.opened = True
        breaker.probing = False
        breaker.reason = reason
        breaker.row = 0
        breaker.outcomes.clear()
        breaker.epoch += 1

    def _close(self, breaker: _Breaker) -> None:
        breaker.opened = False
        breaker.until = 0.0
        breaker.reason = ""
        breaker.cooldown = self._rules.cooldown
        breaker.epoch += 1

    def _note(self, breaker: _Breaker, good: bool) -> None:
        now = self._clock.monotonic()
        breaker.outcomes.append((now, good))
        while breaker.outcomes and now - breaker.outcomes[0][0] > self._rules.window:
            breaker.outcomes.popleft()
        while len(breaker.outcomes) > _MOST_OUTCOMES:
            breaker.outcomes.popleft()

    def _rate_exceeded(self, breaker: _Breaker) -> bool:
        if len(breaker.outcomes) < self._rules.minimum:
            return False
        failures = sum(not good for _, good in breaker.outcomes)
        return failures / len(breaker.outcomes) >= self._rules.rate


_MOST_OUTCOMES = 256
"""Bounds the window's memory, and the work of counting it, under heavy load."""
