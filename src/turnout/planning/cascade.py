"""Three ways to get an accepted answer, beside each other: attempts of a cheap model, one call of a strong one, and the
cheap attempts first with the strong call where none was accepted.

Every answer is checked, the strong one too, and each check is paid for. Costs are means for a task, in dollars, exact.
Knows no model: a call's cost is given. How the strong model does on the tasks that the cheap one fails is given too,
since it can't be derived: that they are as easy for it as all others is an assumption.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from turnout.planning.retries import Check, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Dollars: a call of the cheap model, a call of the strong one, a check of one answer."""

    call: Fraction
    strong: Fraction
    check: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to get an answer, and what it brings."""

    name: str
    right: Fraction
    """Accepted and right."""
    wrong: Fraction
    """Accepted and wrong."""
    cost: Fraction
    """Dollars for a task, the mean."""
    calls: Fraction
    """Model calls for a task, the mean."""
    waits: Fraction
    """Calls that are made one after the other, the mean: the latency in calls."""

    @property
    def per_right(self) -> Fraction | None:
        """Dollars for an accepted and right answer; None where there is never one."""
        return self.cost / self.right if self.right else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Strong:
    """How often one call of the strong model is right."""

    success: Fraction
    rescue: Fraction
    """The same, on the tasks where no cheap answer was accepted."""


def retries_way(outcome: Outcome, prices: Prices, *, at_once: bool = False) -> Way:
    """Cheap attempts until one is accepted; `at_once`: all of them side by side, each checked."""
    calls = Fraction(outcome.most) if at_once else outcome.attempts
    return Way(
        name=f"{outcome.most} cheap" + (" at once" if at_once else ""),
        right=outcome.right,
        wrong=outcome.wrong,
        cost=calls * (prices.call + prices.check),
        calls=calls,
        waits=Fraction(1) if at_once else calls,
    )


def strong_way(strong: Strong, check: Check, prices: Prices) -> Way:
    """One call of the strong model."""
    return Way(
        name="1 strong",
        right=strong.success * check.accepts_right,
        wrong=(1 - strong.success) * check.accepts_wrong,
        cost=prices.strong + prices.check,
        calls=Fraction(1),
        waits=Fraction(1),
    )


def cascade_way(cheap: Way, outcome: Outcome, strong: Strong, check: Check, prices: Prices) -> Way:
    """The cheap attempts, and the strong call for the tasks that have no accepted answer then."""
    left = outcome.none
    return Way(
        name=f"{cheap.name}, then strong",
        right=cheap.right + left * strong.rescue * check.accepts_right,
        wrong=cheap.wrong + left * (1 - strong.rescue) * check.accepts_wrong,
        cost=cheap.cost + left * (prices.strong + prices.check),
        calls=cheap.calls + left,
        waits=cheap.waits + left,
    )


def break_even_call(cheap: Way, strong: Way, prices: Prices) -> Fraction | None:
    """Dollars for a cheap call at which both ways pay the same for an accepted and right answer.

    None where there is no such price: one of them never has one, or checking alone costs more already.
    """
    if not cheap.right or strong.per_right is None:
        return None
    price = strong.per_right * cheap.right / cheap.calls - prices.check
    return price if price >= 0 else None


def break_even_cascade(cheap: Way, outcome: Outcome, strong: Way, both: Way, prices: Prices) -> Fraction | None:
    """The same for the cascade: what a cheap call may cost until the strong model alone is the better buy."""
    if strong.per_right is None:
        return None
    spent = outcome.none * (prices.strong + prices.check)
    price = (strong.per_right * both.right - spent) / cheap.calls - prices.check
    return price if price >= 0 else None
