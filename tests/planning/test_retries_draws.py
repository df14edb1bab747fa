"""Recorded attempts: the file, and what it says about correlation and success."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.planning.correlation import by_likelihood, by_moments, interval
from turnout.planning.draws import Draws, mean_success, own_rates, pass_at, read_draws
from turnout.planning.draws_summary import summarise

FLASH = [Draws(10, right) for right in (5, 2, 10, 1, 4, 0, 0, 0, 0, 0, 0, 10, 10, 10, 1, 0)]
"""DeepSeek-V4-Flash on 16 tasks, 10 draws each; APantov/llm-routing-comparison, redraw.wide.json, commit 0b5cb3b."""

BFCL = [
    (804, 0.7463, 0.7537, 0.049, 0.7587, 0.9538),
    (804, 0.8159, 0.8234, 0.473, 0.903, 0.4365),
    (804, 0.8209, 0.8271, 0.2639, 0.8682, 0.6957),
    (804, 0.0137, 0.0187, 0.0177, 0.0311, 0.0629),
]
"""Prompts, right in run 1, in run 2, right in 2 of those wrong in 1, pass@2, correlation; HuanzhiMao/BFCL-Result,
2024-07-25 and 2024-08-11, commit b4adfc9."""


def test_the_redraws_of_a_cheap_model_reach_half_of_what_independence_promises() -> None:
    """33.1 % right, 99.2 % promised after 12 attempts, 52.3 % by the tasks' own rates."""
    assert float(mean_success(FLASH)) == pytest.approx(0.331, abs=0.0005)
    assert float(1 - (1 - mean_success(FLASH)) ** 12) == pytest.approx(0.992, abs=0.0005)
    assert float(own_rates(FLASH, 12)) == pytest.approx(0.523, abs=0.0005)
    assert pass_at(FLASH, 10) == Fraction(9, 16)
    assert pass_at(FLASH, 12) is None
    assert by_moments(FLASH) == pytest.approx(0.752, abs=0.001)


@pytest.mark.parametrize(("n", "one", "two", "rescued", "both", "phi"), BFCL)
def test_two_runs_give_back_their_published_figures(
    n: int, one: float, two: float, rescued: float, both: float, phi: float
) -> None:
    """The correlation of the outcomes, by both estimates, and success in one of two."""
    wrong = round(n * (1 - one))
    late = round(wrong * rescued)
    always = round(n * two) - late
    tasks = [Draws(2, 0)] * (wrong - late) + [Draws(2, 1)] * (n - wrong - always + late) + [Draws(2, 2)] * always
    fit = by_likelihood(tasks)

    assert len(tasks) == n
    assert float(pass_at(tasks, 2) or 0) == pytest.approx(both, abs=0.0001)
    assert by_moments(tasks) == pytest.approx(phi, abs=0.002)
    assert fit is not None
    assert fit.correlation == pytest.approx(phi, abs=0.002)
    assert fit.success == pytest.approx((one + two) / 2, abs=0.005)


@pytest.mark.parametrize("correlation", [0.05, 0.3, 0.7])
def test_the_estimates_find_the_correlation_that_made_the_draws(correlation: float) -> None:
    """400 tasks, 12 attempts each, rates from the beta distribution; the interval holds it too."""
    random = Random(7)
    left = (1 - correlation) / correlation
    rates = [random.betavariate(0.4 * left, 0.6 * left) for _ in range(400)]
    tasks = [Draws(12, sum(random.random() < rate for _ in range(12))) for rate in rates]
    fit, between = by_likelihood(tasks), interval(tasks, by_moments, random=random, resamples=200)

    assert by_moments(tasks) == pytest.approx(correlation, abs=0.06)
    assert fit is not None and fit.correlation == pytest.approx(correlation, abs=0.06)
    assert fit.success == pytest.approx(0.4, abs=0.05)
    assert between is not None and between.low < correlation < between.high


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6).map(lambda right: Draws(6, right)), min_size=2, max_size=12), st.integers(1, 6))
def test_unbiased_success_is_the_mean_over_every_choice_of_attempts(tasks: list[Draws], most: int) -> None:
    """Chen et al. 2021, against counting; and it grows with the attempts."""
    from itertools import combinations

    def counted(task: Draws) -> Fraction:
        chosen = list(combinations([True] * task.right + [False] * (task.made - task.right), most))
        return Fraction(sum(any(each) for each in chosen), len(chosen))

    assert pass_at(tasks, most) == sum(map(counted, tasks), Fraction(0)) / len(tasks)


def test_what_says_nothing_about_correlation_gives_no_estimate() -> None:
    """One attempt a task, one task, or all alike."""
    for tasks in ([Draws(1, 1), Draws(1, 0)], [Draws(9, 3)], [Draws(3, 3), Draws(3, 3)]):
        assert by_moments(tasks) is None
        assert by_likelihood(tasks) is None


def test_the_summary_is_the_same_for_the_same_seed() -> None:
    """And its intervals hold the estimates."""
    one = summarise(FLASH, (1, 12), random=Random(3), resamples=60)
    other = summarise(FLASH, (1, 12), random=Random(3), resamples=60)

    assert one == other
    assert (one.tasks, one.attempts, one.never, one.always) == (16, 160, 7, 4)
    assert one.moments is not None and one.moments_interval is not None
    assert one.moments_interval.low < one.moments < one.moments_interval.high
    assert one.pass_at[0].own_rates_interval == one.pass_at[0].unbiased_interval


def test_a_file_of_attempts_and_a_file_of_counts_say_the_same(tmp_path: Path) -> None:
    """Words and figures, with a byte order mark and blanks."""
    (tmp_path / "a.csv").write_text("\ufefftask, success\nx,1\ny,false\nx,wrong\ny,0\nx,right\n")
    (tmp_path / "b.csv").write_text("task,n,successes,note\nx,3,2,hard\ny,2,0,\n")

    assert read_draws(tmp_path / "a.csv") == read_draws(tmp_path / "b.csv") == [Draws(3, 2), Draws(2, 0)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names nothing"),
        ("a,b\n1,2\n", "names a,b"),
        ("task,success\n", "has no attempts"),
        ("task,success\nx,maybe\n", "line 2: success must be 1 or 0, not 'maybe'"),
        ("task,success\n,1\n", "line 2: the task has no name"),
        ("task,n,successes\nx,3,4\n", "line 2: n and successes"),
        ("task,n,successes\nx,3\n", "line 2: n and successes"),
        ("task,n,successes\nx,3,1\nx,3,1\n", "line 3: the task x has a row already"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    """In a sentence that says what to write."""
    file = tmp_path / "draws.csv"
    file.write_text(text)

    with pytest.raises(ValueError, match=told):
        read_draws(file)
