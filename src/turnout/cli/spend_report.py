"""A report of spend, before it is put into words: lines, total, days, and what is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from turnout.core.money import Money
from turnout.ledger.outcomes import Outcomes
from turnout.ledger.queries import KeyNames
from turnout.ledger.report_period import Period
from turnout.ledger.spending import Key, Question, Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendLine:
    """One group, or everything."""

    key: Key
    sums: Sums
    before: Sums | None
    """The same group in the period before; None where there was none."""
    outcomes: Outcomes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `turnout spend` shows."""

    question: Question
    lines: Sequence[SpendLine]
    total: SpendLine
    before: Period | None
    per: str | None
    """The name of the feedback that costs are set against."""
    names: KeyNames
    """What keys are called."""
    days: Sequence[tuple[date, Money]] = ()
    """Cost by day; empty where that takes a long read."""
    unpriced: Mapping[str, int] = field(default_factory=dict[str, int])
    """Calls without a known price, by model."""
