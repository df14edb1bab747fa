"""The rows of a price list over a stretch of time: where one tariff ends and the next begins.

    timeline(book, key, span) -> stretches without a gap, each with the rows that hold in all of it

Found by asking the book itself at every instant at which its answer can change: the rows' dates, and the edges of their
schedules' hours. Those are minutes of a wall clock, and walls are whole quarters of an hour from UTC, so one minute in
each quarter stands for an edge, on every day and on both sides of a clock change.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from turnout.catalogue.calendar import Schedule
from turnout.catalogue.tariff import PriceBook, PriceKey, PriceRow, UnknownPrice
from turnout.ledger.rows import from_ms
from turnout.planning.period import Span

_QUARTER = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time in which nothing about a price changes."""

    span: Span
    rows: tuple[PriceRow, ...] | UnknownPrice
    """One for each band of input sizes."""
    others: tuple[PriceRow, ...] = ()
    """The rows of the other side of the schedule's hours, at the same date; none where hours don't matter."""


def timeline(book: PriceBook, key: PriceKey, span: Span) -> list[Stretch]:
    """Stretches from the start of the span to its end."""
    keyed = book.keyed(key)
    if isinstance(keyed, UnknownPrice):
        return [Stretch(span=span, rows=keyed)]
    found: list[Stretch] = []
    for piece in _pieces(span, _edges(keyed, span)):
        now = book.in_force(key, piece.start)
        rows = now if isinstance(now, UnknownPrice) else tuple(now)
        others = _others(keyed, rows, piece.start)
        if found and _same(found[-1], rows, others):
            found[-1] = replace(found[-1], span=Span(found[-1].span.start, piece.end))
        else:
            found.append(Stretch(span=piece, rows=rows, others=others))
    return found


@dataclass(frozen=True, slots=True)
class Timeline:
    """Stretches, to be asked for an instant."""

    stretches: tuple[Stretch, ...]
    starts: tuple[datetime, ...]

    @classmethod
    def of(cls, book: PriceBook, key: PriceKey, span: Span) -> Timeline:
        """The whole span."""
        made = tuple(timeline(book, key, span))
        return cls(made, tuple(each.span.start for each in made))

    def at(self, instant: datetime) -> Stretch:
        """The stretch that an instant is in. The instant lies in the span."""
        return self.stretches[bisect_right(self.starts, instant) - 1]

    def at_ms(self, milliseconds: int) -> Stretch:
        """The same for milliseconds since 1970."""
        return self.at(from_ms(milliseconds))

    def within(self, span: Span) -> Iterator[tuple[timedelta, Stretch]]:
        """How long each stretch lasts inside a span."""
        place = max(bisect_right(self.starts, span.start) - 1, 0)
        for stretch in self.stretches[place:]:
            if stretch.span.start >= span.end:
                return
            lasts = min(stretch.span.end, span.end) - max(stretch.span.start, span.start)
            if lasts > timedelta():
                yield lasts, stretch


def _edges(rows: Iterable[PriceRow], span: Span) -> set[datetime]:
    """Every instant in the span at which the rows in force may differ."""
    dates = {edge for row in rows for edge in (row.effective_from, row.effective_to) if edge is not None}
    found = {edge for edge in dates if span.start < edge < span.end}
    schedules = {row.schedule.name: row.schedule for row in rows if row.schedule is not None}
    minutes = {minute for each in schedules.values() for minute in _residues(each, span)}
    if not minutes:
        return found
    quarter = span.start.replace(second=0, microsecond=0) - timedelta(minutes=span.start.minute % _QUARTER)
    while quarter < span.end:
        found.update(quarter + timedelta(minutes=minute) for minute in minutes)
        quarter += timedelta(minutes=_QUARTER)
    return {edge for edge in found if span.start < edge < span.end}


def _residues(schedule: Schedule, span: Span) -> set[int]:
    """The minutes of a quarter at which its hours, its days or its holidays can begin or end."""
    zones = [schedule.zone] + ([schedule.holidays.zone] if schedule.holidays is not None else [])
    walls = {0} | {minute for hours in schedule.hours for minute in hours}
    found: set[int] = set()
    for zone in zones:
        for instant in span:
            offset = instant.astimezone(zone).utcoffset() or timedelta()
            found.update((wall - offset // timedelta(minutes=1)) % _QUARTER for wall in walls)
    return found | {0}


def _pieces(span: Span, edges: set[datetime]) -> Iterator[Span]:
    places = [span.start, *sorted(edges), span.end]
    return (Span(start, end) for start, end in pairwise(places) if start < end)


def _same(last: Stretch, rows: tuple[PriceRow, ...] | UnknownPrice, others: tuple[PriceRow, ...]) -> bool:
    if isinstance(last.rows, UnknownPrice) or isinstance(rows, UnknownPrice):
        both = (last.rows, rows)
        return len({each.reason for each in both if isinstance(each, UnknownPrice)}) == 1 and type(both[0]) is type(
            both[1]
        )
    return _ids(last.rows) == _ids(rows) and _ids(last.others) == _ids(others)


def _ids(rows: Iterable[PriceRow]) -> list[str]:
    return [row.id for row in rows]


def _others(keyed: Iterable[PriceRow], rows: tuple[PriceRow, ...] | UnknownPrice, at: datetime) -> tuple[PriceRow, ...]:
    if isinstance(rows, UnknownPrice):
        return ()
    here = {row.id for row in rows}
    names = {row.schedule.name for row in rows if row.schedule is not None}
    return tuple(
        row
        for row in keyed
        if row.id not in here and row.schedule is not None and row.schedule.name in names and row.dated(at)
    )
