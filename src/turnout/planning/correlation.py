"""How strongly attempts at the same task go together, estimated from recorded attempts.

`by_moments` compares the spread between tasks with that inside them (the analysis of variance of Fleiss and Cuzick
1979). `by_likelihood` finds the beta-binomial distribution under which the counts are most likely. They differ where
the tasks' rates don't follow a beta distribution; then neither is the truth. Randomness is passed in. These are
estimates, so floats will do; no money is computed here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, log
from random import Random
from typing import NamedTuple

from turnout.planning.draws import Draws

_GOLDEN = (5**0.5 - 1) / 2
_LEAST = 1e-9
_STEPS = 24
"""Cuts by the golden section, each to 0.62 of what is left: 1e-5 of the interval in the end."""
_GRID = tuple(number / 20 for number in range(21))


class Interval(NamedTuple):
    """The middle 95 % of an estimate over resampled tasks."""

    low: float
    high: float


class Fit(NamedTuple):
    """A beta-binomial distribution."""

    success: float
    correlation: float


def by_moments(tasks: Sequence[Draws]) -> float | None:
    """From 0 to 1; None where it can't be told: no task has two attempts, or all attempts turned out alike."""
    made = sum(each.made for each in tasks)
    if len(tasks) < 2 or made <= len(tasks):
        return None
    mean = sum(each.right for each in tasks) / made
    between = sum(each.made * (each.right / each.made - mean) ** 2 for each in tasks) / (len(tasks) - 1)
    within = sum(each.right * (1 - each.right / each.made) for each in tasks) / (made - len(tasks))
    size = (made - sum(each.made**2 for each in tasks) / made) / (len(tasks) - 1)
    whole = between + (size - 1) * within
    return None if whole == 0 else min(1.0, max(0.0, (between - within) / whole))


@dataclass(frozen=True, slots=True)
class _Counts:
    """How many tasks have more than i right attempts, more than i wrong ones, more than i: all that the likelihood
    needs of them, so that a thousand tasks cost no more than ten."""

    rights: tuple[int, ...]
    wrongs: tuple[int, ...]
    every: tuple[int, ...]

    @classmethod
    def of(cls, tasks: Sequence[Draws]) -> _Counts:
        return cls(
            _above([each.right for each in tasks]),
            _above([each.made - each.right for each in tasks]),
            _above([each.made for each in tasks]),
        )

    def likelihood(self, success: float, correlation: float) -> float:
        """Its logarithm, but for a constant."""
        left = 1 - correlation
        # The first factors of the three products share `left`, 0 where the correlation is 1. Divided out, it is
        # there once for each task that had both outcomes.
        mixed = self.rights[0] + self.wrongs[0] - self.every[0]
        first = self.rights[0] * log(success) + self.wrongs[0] * log(1 - success) + mixed * log(max(left, _LEAST))
        return (
            first
            + _logs(success * left, correlation, self.rights)
            + _logs((1 - success) * left, correlation, self.wrongs)
            - _logs(left, correlation, self.every)
        )


def _above(numbers: Sequence[int]) -> tuple[int, ...]:
    return tuple(sum(number > place for number in numbers) for place in range(max(numbers, default=0))) or (0,)


def _logs(first: float, step: float, counts: Sequence[int]) -> float:
    """Of the factors after the first."""
    return sum(count * log(max(first + place * step, _LEAST)) for place, count in enumerate(counts[1:], 1))


def by_likelihood(tasks: Sequence[Draws]) -> Fit | None:
    """The likeliest mean and correlation; None where the counts say nothing about the correlation."""
    if by_moments(tasks) is None:
        return None
    counts = _Counts.of(tasks)

    def best_success(correlation: float) -> float:
        return _highest(lambda success: counts.likelihood(success, correlation), _LEAST, 1 - _LEAST)

    def profile(correlation: float) -> float:
        return counts.likelihood(best_success(correlation), correlation)

    # A grid first: where there are several hills, the golden section alone might climb a lower one.
    around = max(range(len(_GRID)), key=lambda place: profile(_GRID[place]))
    low, high = _GRID[max(around - 1, 0)], _GRID[min(around + 1, len(_GRID) - 1)]
    correlation = _highest(profile, low, high)
    return Fit(best_success(correlation), correlation)


def _highest(value: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one hill is highest; the ends count too."""
    ends = (low, high)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = value(left), value(right)
    for _ in range(_STEPS):
        if at_left >= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = value(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = value(right)
    return max((low + high) / 2, *ends, key=value)


def interval(
    tasks: Sequence[Draws],
    estimate: Callable[[Sequence[Draws]], float | None],
    *,
    random: Random,
    resamples: int,
) -> Interval | None:
    """The spread of an estimate over tasks drawn anew, with replacement. None where half of them give no estimate."""
    found = sorted(
        value
        for value in (estimate(random.choices(tasks, k=len(tasks))) for _ in range(resamples))
        if value is not None and abs(value) < inf
    )
    if 2 * len(found) < resamples or not found:
        return None
    return Interval(found[int(0.025 * (len(found) - 1))], found[round(0.975 * (len(found) - 1))])
