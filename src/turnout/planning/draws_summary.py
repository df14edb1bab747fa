"""What recorded attempts say about retries: mean, correlation by two estimates, and success after some attempts.

Each has its interval over resampled tasks, all over the same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from turnout.planning.correlation import Fit, Interval, by_likelihood, by_moments, interval
from turnout.planning.draws import Draws, mean_success, own_rates, pass_at


@dataclass(frozen=True, slots=True, kw_only=True)
class PassAt:
    """The chance that one of so many attempts is right, by each estimate."""

    attempts: int
    unbiased: Fraction | None
    """None where a task has fewer attempts than that."""
    unbiased_interval: Interval | None
    own_rates: Fraction
    own_rates_interval: Interval | None
    independent: Fraction
    """What the mean alone would promise, were all tasks alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawsSummary:
    """The estimates. Those of a correlation are None where the counts say nothing about it."""

    tasks: int
    attempts: int
    never: int
    """Tasks without a right attempt."""
    always: int
    mean: Fraction
    moments: float | None
    moments_interval: Interval | None
    likelihood: Fit | None
    likelihood_interval: Interval | None
    """Of the correlation."""
    pass_at: tuple[PassAt, ...]


def summarise(tasks: Sequence[Draws], counts: Sequence[int], *, random: Random, resamples: int) -> DrawsSummary:
    """All estimates, and success after each of `counts` attempts. All intervals rest on the same resampled tasks."""
    state = random.getstate()

    def again() -> Random:
        random.setstate(state)
        return random

    def correlation(drawn: Sequence[Draws]) -> float | None:
        fit = by_likelihood(drawn)
        return None if fit is None else fit.correlation

    return DrawsSummary(
        tasks=len(tasks),
        attempts=sum(each.made for each in tasks),
        never=sum(each.right == 0 for each in tasks),
        always=sum(each.right == each.made for each in tasks),
        mean=mean_success(tasks),
        moments=by_moments(tasks),
        moments_interval=interval(tasks, by_moments, random=again(), resamples=resamples),
        likelihood=by_likelihood(tasks),
        likelihood_interval=interval(tasks, correlation, random=again(), resamples=resamples),
        pass_at=tuple(_pass_at(tasks, most, again, resamples) for most in counts),
    )


def _pass_at(tasks: Sequence[Draws], most: int, again: Callable[[], Random], resamples: int) -> PassAt:
    # Each task's two figures once: a resampled mean is then a mean of numbers, not of fractions made anew.
    own = {each: float(own_rates([each], most)) for each in tasks}
    exact = {each: pass_at([each], most) for each in tasks}
    free = {each: float(value) for each, value in exact.items() if value is not None}

    def mean_of(values: dict[Draws, float], drawn: Sequence[Draws]) -> float | None:
        return sum(values[each] for each in drawn) / len(drawn) if len(values) == len(own) else None

    return PassAt(
        attempts=most,
        unbiased=pass_at(tasks, most),
        unbiased_interval=interval(tasks, lambda each: mean_of(free, each), random=again(), resamples=resamples),
        own_rates=own_rates(tasks, most),
        own_rates_interval=interval(tasks, lambda each: mean_of(own, each), random=again(), resamples=resamples),
        independent=1 - (1 - mean_success(tasks)) ** most,
    )
