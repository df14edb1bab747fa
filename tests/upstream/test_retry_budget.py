"""Retries stay a small share of the traffic."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.core.clock import ManualClock
from turnout.upstream.retry_budget import RetryBudget, RetryRules

START = datetime(2026, 11, 22, tzinfo=UTC)


def simulate(rate: float, seconds: float, budget: RetryBudget, clock: ManualClock) -> tuple[int, int]:
    """A full outage: each request tries up to three times. Returns requests and attempts."""
    requests = attempts = 0
    while clock.monotonic() < seconds:
        clock.advance(1 / rate)
        budget.earn()
        requests += 1
        attempts += 1
        for _ in range(2):
            if not budget.spend():
                break
            attempts += 1
    return requests, attempts


@pytest.mark.parametrize("rate", [50.0, 200.0, 1000.0])
def test_a_full_outage_is_not_multiplied(rate: float) -> None:
    """I17: the load on the providers stays within 1.1 times the callers', the small floor aside."""
    clock = ManualClock(START)
    requests, attempts = simulate(rate, 60, RetryBudget(clock), clock)
    floor = 3 * (60 / 10 + 1)
    assert attempts - floor <= 1.1 * requests
    assert attempts > 1.09 * requests


def test_a_quiet_server_may_still_retry() -> None:
    """Three retries in ten seconds are always there, and the fourth is not."""
    clock = ManualClock(START)
    budget = RetryBudget(clock)
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]
    clock.advance(10)
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]


def test_savings_are_bounded() -> None:
    """A long good time does not pay for a storm."""
    clock = ManualClock(START)
    budget = RetryBudget(clock, RetryRules(most=10, floor=0))
    for _ in range(10_000):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) == 10


@given(st.lists(st.sampled_from(["earn", "spend", "tick"]), max_size=300))
def test_never_more_retries_than_earned(moves: list[str]) -> None:
    """In any order of events retries stay within share and floor."""
    clock = ManualClock(START)
    budget = RetryBudget(clock)
    earned = spent = 0
    for move in moves:
        if move == "earn":
            budget.earn()
            earned += 1
        elif move == "spend":
            spent += budget.spend()
        else:
            clock.advance(0.7)
        assert spent <= 0.1 * earned + 3 + 0.3 * clock.monotonic() + 1e-6


@given(st.integers(1, 1000), st.integers())
def test_waits_are_jittered_and_bounded(retry: int, seed: int) -> None:
    """From nothing to the doubled first wait, five seconds at most."""
    wait = RetryBudget(ManualClock(START)).wait(retry, Random(seed))
    assert 0 <= wait <= min(5.0, 0.1 * 2 ** min(retry - 1, 10))
