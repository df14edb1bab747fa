"""What the ledger has of a provider's calls, by day, model and tier: the other side of an export.

Reads `postings` a day at a time, summed by the database; each day is a range of the index on `started_ms`. Calls belong
to the day in which they started. Voids are left out: nothing was billed for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, func, or_, select, true

from turnout.ledger.rows import to_ms
from turnout.ledger.tables import postings
from turnout.planning.exports.row import Measure

Progress = Callable[[int, int], None]
"""Told the days that are done, and all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Entries of one day, model, tier and price row, either all estimated or none."""

    day: date
    model: str
    tier: str
    price_row: str
    """Empty where there was no price."""
    estimated: bool
    counts: Mapping[Measure, int]
    """Every measure but `INPUT`; the parts of the input do not overlap."""
    cost_nano: int
    """Of the entries that have a price."""
    entries: int
    unpriced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Whose entries are meant, and when."""

    since: date
    until: date
    """The last day, included."""
    zone: tzinfo
    channel: str | None = None
    provider: str | None = None
    """The operator's name of the account; stands over `channel`."""

    @property
    def days(self) -> int:
        """How many there are."""
        return (self.until - self.since).days + 1


def read_parts(connection: Connection, side: Side, progress: Progress = lambda done, all_days: None) -> Iterator[Part]:
    """The entries, a day at a time."""
    for number in range(side.days):
        day = side.since + timedelta(days=number)
        start, end = (to_ms(_midnight(each, side.zone)) for each in (day, day + timedelta(days=1)))
        on_the_day = (postings.c.started_ms >= start, postings.c.started_ms < end)
        for row in connection.execute(_sums().where(*on_the_day, _of(side))):
            yield _part(day, row)
        progress(number + 1, side.days)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone)


def _of(side: Side) -> ColumnElement[bool]:
    if side.provider is not None:
        return postings.c.provider == side.provider
    if side.channel is not None:
        return or_(postings.c.channel == side.channel, postings.c.provider == side.channel)
    return true()


_COLUMNS = (
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nano",
)


def _sums() -> Any:
    """Sums by model, tier, price row and whether they are estimated. A correction is no call of its own."""
    keys = (postings.c.model, postings.c.tier, postings.c.price_row, postings.c.estimated)
    calls = func.sum(case((postings.c.kind == "correct", 0), else_=1)).label("calls")
    sums = [func.coalesce(func.sum(postings.c[name]), 0).label(name) for name in _COLUMNS]
    unpriced = (func.count() - func.count(postings.c.cost_nano)).label("unpriced")
    chosen = select(*keys, calls, unpriced, func.count().label("entries"), *sums)
    return chosen.where(postings.c.kind != "void").group_by(*keys)


def _part(day: date, row: Row[Any]) -> Part:
    written, hour = int(row.cache_write_tokens), int(row.cache_write_1h_tokens)
    cached = int(row.cached_tokens)
    counts = {
        Measure.UNCACHED: int(row.input_tokens) - cached - written,
        Measure.CACHED: cached,
        Measure.CACHE_WRITE: written - hour,
        Measure.CACHE_WRITE_1H: hour,
        Measure.OUTPUT: int(row.output_tokens),
        Measure.REASONING: int(row.reasoning_tokens),
        Measure.REQUESTS: int(row.calls),
    }
    return Part(
        day=day,
        model=row.model,
        tier=row.tier,
        price_row=row.price_row,
        estimated=bool(row.estimated),
        counts=counts,
        cost_nano=int(row.cost_nano),
        entries=int(row.entries),
        unpriced=int(row.unpriced),
    )
