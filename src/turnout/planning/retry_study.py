"""The whole answer to "what do retries bring": some correlations side by side, with costs where calls have a price."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from turnout.planning.cascade import (
    Prices,
    Strong,
    Way,
    break_even_call,
    break_even_cascade,
    cascade_way,
    retries_way,
    strong_way,
)
from turnout.planning.retries import Check, Outcome, Tasks, outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One correlation."""

    name: str
    """Why it is looked at: `independent`, `given`, `measured`."""
    tasks: Tasks
    outcomes: tuple[Outcome, ...]
    """Of at most 1, 2, ... attempts."""

    @classmethod
    def of(cls, name: str, tasks: Tasks, check: Check, most: int) -> Case:
        """With its outcomes. Raises ValueError for a number of attempts that is not computed."""
        return cls(name=name, tasks=tasks, outcomes=tuple(outcomes(tasks, check, most)))

    @property
    def last(self) -> Outcome:
        """With all attempts."""
        return self.outcomes[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The ways to an answer for one case, and what a cheap call may cost."""

    ways: tuple[Way, ...]
    """The cheap attempts; the strong call and both together where there is a strong model."""
    retries_break_even: Fraction | None = None
    """Dollars for a cheap call at which the attempts cost as much as the strong call, for a right answer."""
    cascade_break_even: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """The question, and the outcomes."""

    check: Check
    most: int
    cases: tuple[Case, ...]
    at_once: bool = False
    prices: Prices | None = None
    """None where no call has a price; then there are no costs."""
    strong: Strong | None = None

    def compared(self, case: Case, most: int | None = None) -> Comparison | None:
        """What the ways cost with so many attempts; None without prices."""
        if self.prices is None:
            return None
        outcome = case.outcomes[(self.most if most is None else most) - 1]
        cheap = retries_way(outcome, self.prices, at_once=self.at_once)
        if self.strong is None:
            return Comparison(ways=(cheap,))
        alone = strong_way(self.strong, self.check, self.prices)
        both = cascade_way(cheap, outcome, self.strong, self.check, self.prices)
        return Comparison(
            ways=(cheap, alone, both),
            retries_break_even=break_even_call(cheap, alone, self.prices),
            cascade_break_even=break_even_cascade(cheap, outcome, alone, both, self.prices),
        )
