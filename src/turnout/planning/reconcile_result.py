"""The answer of a comparison: differences with their causes, and the totals of both sides."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from turnout.core.money import Money
from turnout.planning.reconcile_sides import Key

HALF_NANO = Decimal("0.0000000005")
"""An entry's cost is kept to the billionth of a dollar, so each may be off by half of one."""
COST = "cost"


class Cause(Enum):
    """Why the sides differ, as far as they show it."""

    MISSING_HERE = "missing here"
    """The provider has it, the ledger has no entry of that day, model and tier."""
    MISSING_THERE = "missing there"
    COUNT = "count differs"
    PRICE = "price differs"
    """The counts are the same, or explain only a part of the cost."""
    UNPRICED = "no price here"
    """We have no price for entries of it."""
    BILLED = "cost differs"
    """The export has no counts that could say why."""
    DAY = "day boundary"
    """The next day differs by the same the other way."""
    ESTIMATE = "our estimate"
    """Entries of ours are estimated, and their true counts may be what the provider says."""
    ALIAS = "another name"
    """A name of the same model differs by the same the other way."""
    OTHER = "other charge"
    """It is for something other than tokens, which the ledger does not keep."""


EXPLAINED = frozenset({Cause.DAY, Cause.ESTIMATE, Cause.ALIAS, Cause.OTHER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not the same."""

    key: Key
    what: str
    """A measure, `cost`, or the name of another charge."""
    theirs: int | Money | None
    """None: nothing there."""
    ours: int | Money | None
    cause: Cause
    money: Money | None
    """Theirs less ours: billed for a cost, at our prices for tokens. None: no price is known."""
    detail: str = ""
    place: str = ""
    """A line of the export."""
    entries: int = 0
    """Of ours, of which `estimated` are."""
    estimated: int = 0

    @property
    def by(self) -> Decimal:
        """Theirs less ours."""
        return _number(self.theirs) - _number(self.ours)

    @property
    def explained(self) -> bool:
        """Whether the cause is one that nobody needs to look at."""
        return self.cause in EXPLAINED


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Both sides of one measure or of the cost, in all."""

    what: str
    theirs: int | Money
    ours: int | Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The answer."""

    differences: tuple[Difference, ...]
    """Largest in money first."""
    totals: tuple[Total, ...]
    compared: int
    """Pairs of numbers."""
    within: int
    """Pairs that differ by no more than the tolerance; they are not in `differences`."""

    @property
    def unexplained(self) -> int:
        """Differences that somebody should look at."""
        return sum(not each.explained for each in self.differences)


def _number(value: int | Money | None) -> Decimal:
    if value is None:
        return Decimal(0)
    return value.usd if isinstance(value, Money) else Decimal(value)
