"""What several attempts bring: published and measured figures, and what must hold for any."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, product
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.planning.cascade import Prices, Strong
from turnout.planning.retries import PERFECT, Check, Outcome, Tasks, outcomes
from turnout.planning.retry_study import Case, Study

SHARES = st.fractions(min_value=0, max_value=1, max_denominator=50)
SOME = st.integers(min_value=1, max_value=7)


def _last(success: str, correlation: str, most: int, check: Check = PERFECT) -> Outcome:
    return outcomes(Tasks(success=Fraction(success), correlation=Fraction(correlation)), check, most)[-1]


@pytest.mark.parametrize(
    ("correlation", "percent"),
    [("0", 99.987), ("0.035", 99.9), ("0.1", 99.5), ("0.3", 94.7), ("0.5", 85.7), ("0.8", 67.1), ("1", 52.6)],
)
def test_twelve_tries_at_52_6_percent_by_correlation(correlation: str, percent: float) -> None:
    """99.99 % only where attempts are independent."""
    assert float(_last("0.526", correlation, 12).right) * 100 == pytest.approx(percent, abs=0.05)


@pytest.mark.parametrize(("accepts_wrong", "percent"), [("0.05", 95.5), ("0.2", 84.1)])
def test_a_check_that_errs_bounds_what_retries_can_reach(accepts_wrong: str, percent: float) -> None:
    """p t / (p t + (1 - p) f), at any number of attempts."""
    check = Check(accepts_right=Fraction("0.95"), accepts_wrong=Fraction(accepts_wrong))
    for most in (1, 12, 100):
        sure = _last("0.526", "0", most, check).right_of_accepted
        assert sure is not None
        assert float(sure) * 100 == pytest.approx(percent, abs=0.05)


def test_two_attempts_at_the_correlation_that_was_measured_bring_little() -> None:
    """BFCL: 83 % right once, correlation 0.75. The promise of independence is 97 %."""
    assert float(_last("0.83", "0.75", 2).right) == pytest.approx(0.865, abs=0.001)
    assert float(_last("0.83", "0", 2).right) == pytest.approx(0.971, abs=0.001)


def _brute(tasks: Tasks, check: Check, most: int) -> tuple[Fraction, Fraction, Fraction]:
    """Accepted right, accepted wrong, mean attempts, by walking every sequence of attempts."""
    right = wrong = attempts = Fraction(0)
    for sequence in product((True, False), repeat=most):
        chance = tasks.moment(sum(sequence), most - sum(sequence))
        still = Fraction(1)
        for is_right in sequence:
            attempts += chance * still
            accepted = check.accepts_right if is_right else check.accepts_wrong
            right += chance * still * accepted * is_right
            wrong += chance * still * accepted * (not is_right)
            still *= 1 - accepted
    return right, wrong, attempts


@settings(max_examples=60, deadline=None)
@given(SHARES, SHARES, SHARES, SHARES, SOME)
def test_the_sums_are_those_of_every_sequence(p: Fraction, c: Fraction, t: Fraction, f: Fraction, most: int) -> None:
    """Exactly, whatever the check does; the three ends of a task add up to one."""
    tasks, check = Tasks(success=p, correlation=c), Check(accepts_right=t, accepts_wrong=f)
    last = outcomes(tasks, check, most)[-1]

    assert (last.right, last.wrong, last.attempts) == _brute(tasks, check, most)
    assert last.right + last.wrong + last.none == 1


@given(SHARES, SOME, SOME)
def test_without_correlation_attempts_are_binomial(p: Fraction, right: int, wrong: int) -> None:
    """And the counts are a distribution."""
    tasks = Tasks(success=p)

    assert tasks.moment(right, wrong) == p**right * (1 - p) ** wrong
    assert sum(comb(right, k) * tasks.moment(k, right - k) for k in range(right + 1)) == 1


@given(SHARES, SOME)
def test_with_full_correlation_more_attempts_bring_nothing(p: Fraction, most: int) -> None:
    """A task is right always or never."""
    tasks = Tasks(success=p, correlation=Fraction(1))

    assert outcomes(tasks, PERFECT, most)[-1].right == p
    near = Tasks(success=p, correlation=1 - Fraction(1, 10**9))
    assert abs(outcomes(near, PERFECT, most)[-1].right - p) < Fraction(1, 10**6)


@given(SHARES, SHARES, SHARES, SHARES)
def test_more_attempts_never_lower_success_and_never_cost_less(
    p: Fraction, c: Fraction, t: Fraction, f: Fraction
) -> None:
    """With a perfect check; the mean number of attempts grows with any."""
    tasks = Tasks(success=p, correlation=c)

    assert all(a.right <= b.right for a, b in pairwise(outcomes(tasks, PERFECT, 8)))
    some = outcomes(tasks, Check(accepts_right=t, accepts_wrong=f), 8)
    assert all(a.attempts <= b.attempts <= b.most for a, b in pairwise(some))


@given(SHARES, SHARES, SHARES)
def test_more_correlation_never_helps(p: Fraction, one: Fraction, other: Fraction) -> None:
    """At the same mean."""
    low, high = sorted((one, other))

    assert (
        outcomes(Tasks(success=p, correlation=high), PERFECT, 6)[-1].right
        <= outcomes(Tasks(success=p, correlation=low), PERFECT, 6)[-1].right
    )


def test_what_is_no_share_is_refused() -> None:
    """With a sentence."""
    with pytest.raises(ValueError, match="success lies between 0 and 1"):
        Tasks(success=Fraction(3, 2))
    with pytest.raises(ValueError, match="accepts_wrong"):
        Check(accepts_wrong=Fraction(-1))
    with pytest.raises(ValueError, match="1 to 200"):
        outcomes(Tasks(success=Fraction(1)), PERFECT, 201)


def _study(call: Fraction, *, at_once: bool = False, rescue: str = "0.8") -> tuple[Study, Case]:
    check = Check(accepts_right=Fraction("0.95"), accepts_wrong=Fraction("0.05"))
    case = Case.of("given", Tasks(success=Fraction("0.526"), correlation=Fraction("0.5")), check, 6)
    prices = Prices(call=call, strong=Fraction("0.03"), check=Fraction("0.0002"))
    strong = Strong(success=Fraction("0.92"), rescue=Fraction(rescue))
    return Study(check=check, most=6, cases=(case,), at_once=at_once, prices=prices, strong=strong), case


@pytest.mark.parametrize("at_once", [False, True])
def test_at_the_break_even_price_a_right_answer_costs_the_same_either_way(at_once: bool) -> None:
    """Exactly: for the attempts alone, and for the attempts with the strong call behind them."""
    study, case = _study(Fraction("0.001"), at_once=at_once)
    found = study.compared(case)
    assert found is not None and found.retries_break_even and found.cascade_break_even

    alone = _study(found.retries_break_even, at_once=at_once)[0].compared(case)
    both = _study(found.cascade_break_even, at_once=at_once)[0].compared(case)
    assert alone is not None and both is not None
    assert alone.ways[0].per_right == alone.ways[1].per_right
    assert both.ways[2].per_right == both.ways[1].per_right


def test_costs_are_calls_and_checks_and_nothing_else() -> None:
    """All at once is as right, dearer, and one call long."""
    study, case = _study(Fraction("0.001"))
    one, strong, both = study.compared(case).ways  # type: ignore[union-attr]
    at_once = _study(Fraction("0.001"), at_once=True)[0].compared(case).ways[0]  # type: ignore[union-attr]

    assert one.cost == case.last.attempts * Fraction("0.0012")
    assert strong.cost == Fraction("0.0302")
    assert both.cost == one.cost + case.last.none * strong.cost
    assert (at_once.cost, at_once.waits, at_once.right) == (6 * Fraction("0.0012"), 1, one.right)
