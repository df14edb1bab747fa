"""Several attempts at a task, with a check: what they bring, and what they cost. Pure and exact.

1. Tasks differ. Each has a rate of its own at which an attempt at it is right; over tasks the rates follow a beta
   distribution. `success` is their mean. `correlation` is the correlation between two attempts at the same task: 0 if
   every task has the same rate, 1 if each task is always right or never.
2. Given the task, attempts are independent. So is the check: it accepts a right answer with `accepts_right` and a wrong
   one with `accepts_wrong`, anew each time. A check that errs in the same way each time is worse than told here.
3. Attempts are made until one is accepted, or `most` of them, or all at once and the first accepted one is taken. Which
   one is right is the same either way; what it costs is not.

The moments of a beta distribution are products of fractions, so nothing is approximated. Knows no model and no price.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import comb, lcm
from operator import mul
from typing import NamedTuple

MOST_ATTEMPTS = 200
"""More than these are not computed: the sums grow with the square."""
_ONE = Fraction(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """How attempts at tasks turn out. Raises ValueError outside of 0 to 1."""

    success: Fraction
    """Share of first attempts that are right."""
    correlation: Fraction = Fraction(0)
    """Between two attempts at the same task."""

    def __post_init__(self) -> None:
        for name in ("success", "correlation"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"The {name} lies between 0 and 1.")

    def moment(self, right: int, wrong: int) -> Fraction:
        """The chance that so many attempts are right and then so many are wrong."""
        if self.correlation == 1:
            return _always_the_same(self.success, right, wrong)
        rising = _rising(self.success, self.correlation, right) * _rising(1 - self.success, self.correlation, wrong)
        return rising / _rising(_ONE, self.correlation, right + wrong)


def _rising(share: Fraction, correlation: Fraction, count: int) -> Fraction:
    """share' * (share' + c) * (share' + 2c) ..., where share' is the share's part that is not correlated."""
    product, factor = _ONE, share * (1 - correlation)
    for _ in range(count):
        product, factor = product * factor, factor + correlation
    return product


def _always_the_same(success: Fraction, right: int, wrong: int) -> Fraction:
    if right and wrong:
        return Fraction(0)
    return success if right else 1 - success if wrong else _ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What decides whether an answer is taken. Raises ValueError outside of 0 to 1."""

    accepts_right: Fraction = Fraction(1)
    accepts_wrong: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        for name in ("accepts_right", "accepts_wrong"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` lies between 0 and 1.")


PERFECT = Check()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of a task. The three shares add up to 1."""

    most: int
    right: Fraction
    """An answer was accepted, and it is right."""
    wrong: Fraction
    """An answer was accepted, and it is wrong."""
    none: Fraction
    """No answer was accepted."""
    any_right: Fraction
    """At least one of `most` attempts is right, were all made: what a perfect check would find."""
    attempts: Fraction
    """The mean number made, where the first accepted one ends it."""

    @property
    def right_of_accepted(self) -> Fraction | None:
        """Share of the accepted answers that are right; None where none is ever accepted."""
        accepted = self.right + self.wrong
        return self.right / accepted if accepted else None


def outcomes(tasks: Tasks, check: Check, most: int) -> list[Outcome]:
    """The outcome of at most 1, 2, ... `most` attempts. Raises ValueError for a number that is not computed."""
    if not 1 <= most <= MOST_ATTEMPTS:
        raise ValueError(f"The attempts are 1 to {MOST_ATTEMPTS}, not {most}.")
    found: list[Outcome] = []
    right = wrong = attempts = Fraction(0)
    for made, (still, and_right) in enumerate(_rejections(tasks, check, most), 1):
        right += check.accepts_right * and_right
        wrong += check.accepts_wrong * (still - and_right)
        attempts += still
        found.append(
            Outcome(
                most=made,
                right=right,
                wrong=wrong,
                none=1 - right - wrong,
                any_right=1 - tasks.moment(0, made),
                attempts=attempts,
            )
        )
    return found


class _Rejected(NamedTuple):
    """So many attempts were made, and none was accepted."""

    chance: Fraction
    and_right: Fraction
    """The chance of that, and that the next attempt is right."""


def _rejections(tasks: Tasks, check: Check, most: int) -> Iterator[_Rejected]:
    """For 0, 1, ... `most` - 1 attempts."""
    misses, catches = 1 - check.accepts_right, 1 - check.accepts_wrong
    if tasks.correlation == 1:
        for made in range(most):
            always = tasks.success * misses**made
            yield _Rejected(always + (1 - tasks.success) * catches**made, always)
        return
    rising = _Rising.of(tasks, most)
    for made in range(most):
        yield _Rejected(rising.rejected(misses, catches, made), rising.rejected(misses, catches, made, then_right=1))


@dataclass(frozen=True, slots=True)
class _Rising:
    """The products of `Tasks.moment` as whole numbers over one scale. Sums of thousands of them are exact and quick,
    where fractions would be reduced at each step."""

    rights: tuple[int, ...]
    """The product for so many right attempts."""
    wrongs: tuple[int, ...]
    every: tuple[int, ...]
    """The product that divides, for so many attempts."""

    @classmethod
    def of(cls, tasks: Tasks, most: int) -> _Rising:
        shares = (tasks.success, 1 - tasks.success, _ONE)
        firsts = [share * (1 - tasks.correlation) for share in shares]
        scale = lcm(tasks.correlation.denominator, *(each.denominator for each in firsts))
        step = int(tasks.correlation * scale)
        rights, wrongs, every = (_products(int(first * scale), step, most) for first in firsts)
        return cls(rights, wrongs, every)

    def rejected(self, misses: Fraction, catches: Fraction, made: int, *, then_right: int = 0) -> Fraction:
        """The chance that `made` attempts are all rejected, and that `then_right` more are right."""
        scale = lcm(misses.denominator, catches.denominator)
        missed, caught = int(misses * scale), int(catches * scale)
        total = sum(
            comb(made, right)
            * missed**right
            * caught ** (made - right)
            * self.rights[right + then_right]
            * self.wrongs[made - right]
            for right in range(made + 1)
        )
        return Fraction(total, scale**made * self.every[made + then_right])


def _products(first: int, step: int, most: int) -> tuple[int, ...]:
    """1, first, first * (first + step), ..."""
    return tuple(accumulate((first + number * step for number in range(most)), mul, initial=1))
