"""The circuit breaker, against an oracle that knows only the rules."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from turnout.core.clock import ManualClock
from turnout.core.health import Circuit, HealthSnapshot
from turnout.upstream.health import BreakerRules, Call, Health

START = datetime(2026, 11, 22, tzinfo=UTC)
RULES = BreakerRules(consecutive=3, rate=0.5, minimum=6, window=30, cooldown=10, longest_cooldown=40)


def started(health: Health, name: str = "a") -> Call:
    call = health.begin(name)
    assert call is not None
    return call


def opened(clock: ManualClock) -> Health:
    health = Health(clock, RULES)
    for _ in range(3):
        health.fail(started(health), reason="502")
    return health


def test_failures_in_a_row_open_the_circuit() -> None:
    """F16: after `consecutive` failures no further call is sent, and the reason is kept."""
    health = opened(ManualClock(START))
    assert health.begin("a") is None
    view = health.snapshot().of("a")
    assert (view.circuit, view.until, view.reason, view.available) == (Circuit.OPEN, 10.0, "502", False)


def test_a_success_breaks_the_row() -> None:
    """Two failures, a success and two failures leave it closed."""
    health = Health(ManualClock(START), RULES)
    for good in (False, False, True, False, False):
        call = started(health)
        health.succeed(call) if good else health.fail(call, reason="x")
    assert Circuit.CLOSED is health.snapshot().of("a").circuit


def test_a_high_failure_rate_opens_the_circuit() -> None:
    """Every second call fails: never three in a row, and half of six."""
    health = Health(ManualClock(START), RULES)
    for good in (True, False, True, False, True, False):
        call = started(health)
        health.succeed(call) if good else health.fail(call, reason="x")
    assert Circuit.OPEN is health.snapshot().of("a").circuit


def test_failures_outside_the_window_are_forgotten() -> None:
    """The rate counts the last 30 seconds."""
    clock = ManualClock(START)
    health = Health(clock, RULES)
    for good in (True, False, True, False, True):
        call = started(health)
        health.succeed(call) if good else health.fail(call, reason="x")
    clock.advance(31)
    health.fail(started(health), reason="x")
    assert Circuit.CLOSED is health.snapshot().of("a").circuit


def test_half_open_lets_one_call_try() -> None:
    """After the pause one call goes through, and the others wait for its end."""
    clock = ManualClock(START)
    health = opened(clock)
    clock.advance(10)
    assert health.snapshot().of("a").available
    probe = started(health)
    assert health.begin("a") is None
    assert not health.snapshot().of("a").available
    health.succeed(probe)
    assert Circuit.CLOSED is health.snapshot().of("a").circuit


def test_a_failed_try_doubles_the_pause_up_to_the_longest() -> None:
    """10, 20, 40, 40 seconds; a success brings it back to 10."""
    clock = ManualClock(START)
    health = opened(clock)
    for pause in (10, 20, 40, 40):
        assert pause == health.snapshot().of("a").until - clock.monotonic()
        clock.advance(pause)
        health.fail(started(health), reason="x")
    clock.advance(40)
    health.succeed(started(health))
    for _ in range(3):
        health.fail(started(health), reason="x")
    assert health.snapshot().of("a").until - clock.monotonic() == 10


def test_an_abandoned_try_leaves_its_place() -> None:
    """A caller who leaves during the one call does not keep the circuit shut."""
    clock = ManualClock(START)
    health = opened(clock)
    clock.advance(10)
    health.abandon(started(health))
    assert health.begin("a") is not None


def test_a_retry_after_is_respected_at_once() -> None:
    """One 429 with a time opens the circuit until then."""
    clock = ManualClock(START)
    health = Health(clock, RULES)
    health.fail(started(health), reason="429", retry_after=7)
    assert health.begin("a") is None
    clock.advance(7)
    assert health.begin("a") is not None


def test_a_short_retry_after_does_not_shorten_a_pause() -> None:
    """A late answer from before the circuit opened can't end the pause early."""
    clock = ManualClock(START)
    health = Health(clock, RULES)
    late = started(health)
    for _ in range(3):
        health.fail(started(health), reason="x")
    health.fail(late, reason="429", retry_after=1)
    assert health.snapshot().of("a").until == 10


def test_old_news_does_not_close_the_circuit() -> None:
    """A call that began before the circuit opened and ends well changes nothing."""
    clock = ManualClock(START)
    health = Health(clock, RULES)
    late = started(health)
    for _ in range(3):
        health.fail(started(health), reason="x")
    health.succeed(late)
    assert Circuit.OPEN is health.snapshot().of("a").circuit


def test_the_first_byte_is_smoothed() -> None:
    """The newest measurement weighs a fifth."""
    health = Health(ManualClock(START), RULES)
    health.succeed(started(health), 1.0)
    health.succeed(started(health), 2.0)
    assert health.snapshot().of("a").ttft == 1.2


def test_deployments_do_not_share_fate() -> None:
    """One that fails leaves the next one closed; one never called is healthy."""
    health = opened(ManualClock(START))
    assert health.begin("b") is not None
    assert health.snapshot().of("b").available
    assert HealthSnapshot().of("never").available


def test_removed_deployments_are_forgotten_when_idle() -> None:
    """A reload leaves no rows behind, and does not lose calls under way."""
    health = Health(ManualClock(START), RULES)
    idle, busy = started(health, "idle"), started(health, "busy")
    health.succeed(idle)
    health.forget(frozenset())
    assert {"busy"} == set(health.snapshot().deployments)
    health.succeed(busy)
    health.forget(frozenset())
    assert health.snapshot().deployments == {}


class Breaker(RuleBasedStateMachine):
    """Random calls on one deployment; the oracle follows rows and pauses with plain variables."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(START)
        self.rules = BreakerRules(consecutive=3, minimum=10_000, cooldown=10, longest_cooldown=40)
        self.health = Health(self.clock, self.rules)
        self.calls: list[tuple[Call, int, bool]] = []
        self.state, self.until, self.row, self.cooldown = "closed", 0.0, 0, 10.0
        self.age = 0
        """How often the circuit changed."""

    def probing(self) -> bool:
        return any(probe and age == self.age for _, age, probe in self.calls)

    def open(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        self.until = max(end, self.until) if self.state == "open" else end
        self.state, self.row, self.age = "open", 0, self.age + 1

    @rule()
    def begin(self) -> None:
        allowed = self.state == "closed" or (self.clock.monotonic() >= self.until and not self.probing())
        call = self.health.begin("a")
        assert allowed == (call is not None)
        if call is not None:
            self.calls.append((call, self.age, self.state == "open"))

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), how=st.sampled_from(["succeed", "fail", "fail", "limit", "abandon"]))
    def end(self, data: st.DataObject, how: str) -> None:
        call, age, probe = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        current = age == self.age
        if how == "succeed":
            self.health.succeed(call)
            if current and probe:
                self.state, self.cooldown, self.age = "closed", 10.0, self.age + 1
            if current:
                self.row = 0
        elif how == "fail":
            self.health.fail(call, reason="x")
            if current and probe:
                self.cooldown = min(self.cooldown * 2, 40)
                self.open(self.cooldown)
            elif current:
                self.row += 1
                if self.row == 3:
                    self.open(self.cooldown)
        elif how == "limit":
            self.health.fail(call, reason="429", retry_after=5)
            self.open(5)
        else:
            self.health.abandon(call)

    @rule(seconds=st.sampled_from([0.5, 4.0, 5.0, 10.0, 41.0]))
    def time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def agrees(self) -> None:
        view = self.health.snapshot().of("a")
        assert len(self.calls) == view.in_flight
        if self.state == "closed":
            assert Circuit.CLOSED is view.circuit and view.available
        else:
            over = self.clock.monotonic() >= self.until
            assert (Circuit.HALF_OPEN if over or self.probing() else Circuit.OPEN) is view.circuit
            assert view.available == (over and not self.probing())

    @invariant()
    def at_most_one_tries(self) -> None:
        assert sum(probe and age == self.age for _, age, probe in self.calls) <= 1


TestBreaker = Breaker.TestCase
TestBreaker.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
