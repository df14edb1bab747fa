"""When the calls of a workload are made: the days of a period, and the hours of a day.

A day's calls are spread evenly over its hours, so a day on which the clocks change has as many calls as any other.
Hours that pass midnight belong to the day that they begin on. Knows no tariff.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from turnout.catalogue.calendar import Hours

DEFAULT_DAYS = 30
MOST_DAYS = 3660
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_BARE_HOURS = re.compile(r"(\d{1,2})-(\d{1,2})")
_DAY = 24 * 60
ALL_DAY = (Hours(0, _DAY),)
MONDAY_TO_FRIDAY = frozenset(range(5))


class Span(NamedTuple):
    """From an instant to another, the end excluded."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Days of a zone, and the hours on which calls are made on them."""

    first: date
    days: int
    zone: tzinfo = UTC
    hours: tuple[Hours, ...] = ALL_DAY
    weekdays: frozenset[int] = field(default_factory=lambda: frozenset(range(7)))
    """0 is Monday. On other days there are no calls."""

    def __post_init__(self) -> None:
        if not 0 < self.days <= MOST_DAYS:
            raise ValueError(f"A period has 1 to {MOST_DAYS} days, not {self.days}.")
        if not self.hours or not self.weekdays:
            raise ValueError("Calls need hours and weekdays to be made in.")
        minutes = [minute for each in self.hours for minute in _minutes(each)]
        if len(set(minutes)) != len(minutes):
            raise ValueError("The hours overlap: a call would be counted twice.")

    def active_days(self) -> list[date]:
        """The days with calls."""
        every = (self.first + timedelta(days=number) for number in range(self.days))
        return [day for day in every if day.weekday() in self.weekdays]

    def spans(self, day: date) -> Iterator[Span]:
        """The hours of one day, in UTC."""
        for start, end in self.hours:
            opens = self._at(day, start)
            closes = self._at(day, end if end > start else end + _DAY)
            if closes <= opens:  # hours that a clock change skips; their calls are made when the clock has moved
                closes = opens + timedelta(minutes=end - start)
            yield Span(opens, closes)

    def reach(self) -> Span:
        """From the first instant that may have a call to the last."""
        latest = max(end if end > start else end + _DAY for start, end in self.hours)
        last = self.first + timedelta(days=self.days - 1)
        return Span(self._at(self.first, 0), self._at(last, latest) + timedelta(days=1))

    def _at(self, day: date, minute: int) -> datetime:
        at = day + timedelta(days=minute // _DAY)
        wall = datetime.combine(at, time(minute % _DAY // 60, minute % 60), self.zone)
        return wall.astimezone(UTC)


def month(text: str) -> tuple[date, int]:
    """First day and number of days of a month such as `2026-11`. Raises ValueError."""
    match = _MONTH.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= 12 or not 1970 <= int(match[1]) <= 9000:
        raise ValueError(f"'{text}' is no month such as 2026-11.")
    year, number = int(match[1]), int(match[2])
    return date(year, number, 1), calendar.monthrange(year, number)[1]


def read_hours(text: str) -> tuple[Hours, ...]:
    """`9-17`, `09:30-17:00`, or several with commas. Raises ValueError."""
    return tuple(_window(part.strip()) for part in text.split(","))


def _window(text: str) -> Hours:
    if match := _BARE_HOURS.fullmatch(text):
        text = f"{int(match[1]):02}:00-{int(match[2]):02}:00"
    return Hours.of(text)


def _minutes(hours: Hours) -> Iterator[int]:
    end = hours.end if hours.end > hours.start else hours.end + _DAY
    return (minute % _DAY for minute in range(hours.start, end))
