"""When a tariff's hours are: weekdays, hours of a zone, and holidays on which they are not.

An instant falls in a schedule, falls outside it, or nobody can say, because the calendar of holidays that decides does
not reach that day. Windows are half-open: `01:00-04:00` has its first minute and not 04:00. The wall clock is derived
from the instant, never the other way, so a clock change makes no instant double and loses none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_OFFSET = re.compile(r"UTC([+-])(\d{2}):(\d{2})")
_HOURS = re.compile(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})")
_DAY = 24 * 60
_EDGE_DAYS = 14
"""How far `next_edge` looks. A schedule repeats weekly; a long holiday hides at most one week of it."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALARM_DAYS = 60


def zone_named(name: str) -> tzinfo:
    """`UTC`, an offset such as `UTC+08:00`, or an IANA name such as `Europe/Berlin`. Raises ValueError."""
    if name == "UTC":
        return UTC
    if match := _OFFSET.fullmatch(name):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(offset if match[1] == "+" else -offset, name)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"'{name}' is no time zone. Write UTC, UTC+08:00 or a name such as Europe/Berlin.") from None


class Hours(NamedTuple):
    """Minutes of the day, the end excluded. An end that is not after the start is on the next day."""

    start: int
    end: int

    @classmethod
    def of(cls, text: str) -> Hours:
        """`16:30-00:30`; `24:00` may end a day. Raises ValueError."""
        match = _HOURS.fullmatch(text)
        if match is None:
            raise ValueError(f"must be hours such as 01:00-04:00, not '{text}'.")
        hour, minute, last_hour, last_minute = (int(part) for part in match.groups())
        start, end = hour * 60 + minute, last_hour * 60 + last_minute
        if minute > 59 or last_minute > 59 or start >= _DAY or end > _DAY or start == end:
            raise ValueError(f"'{text}' are no hours of a day.")
        return cls(start, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holidays:
    """The public holidays of a place, for the years that are published."""

    name: str
    zone: tzinfo
    """Whose midnight a holiday begins at."""
    days: frozenset[date]
    valid_from: date
    valid_until: date
    """The last day that it speaks of. A day after it is not known to be a working day."""
    source: str
    verified: date | None

    def includes(self, instant: datetime) -> bool | None:
        """Whether the instant is on a holiday; None where the calendar does not reach it."""
        day = instant.astimezone(self.zone).date()
        return day in self.days if self.valid_from <= day <= self.valid_until else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Hours on weekdays of a zone, except on holidays."""

    name: str
    zone: tzinfo
    weekdays: frozenset[int] = frozenset(range(7))
    """0 is Monday. A window that passes midnight belongs to the day that it begins on."""
    hours: tuple[Hours, ...]
    holidays: Holidays | None = None
    source: str
    verified: date | None

    def includes(self, instant: datetime) -> bool | None:
        """Whether the instant is in it; None where its holidays are not known for a day on which they decide."""
        if not self._by_the_clock(instant):
            return False
        if self.holidays is None:
            return True
        holiday = self.holidays.includes(instant)
        return None if holiday is None else not holiday

    def next_edge(self, instant: datetime) -> datetime | None:
        """The next minute at which the answer differs; None where none comes within two weeks."""
        now = self.includes(instant)
        minute = instant.astimezone(UTC).replace(second=0, microsecond=0)
        for _ in range(_EDGE_DAYS * _DAY):
            minute += timedelta(minutes=1)
            if self.includes(minute) is not now:
                return minute
        return None

    def _by_the_clock(self, instant: datetime) -> bool:
        local = instant.astimezone(self.zone)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        for start, end in self.hours:
            if start < end and start <= minute < end and today in self.weekdays:
                return True
            if end < start and minute >= start and today in self.weekdays:
                return True
            if end < start and minute < end and (today - 1) % 7 in self.weekdays:
                return True
        return False


@dataclass(frozen=True, slots=True)
class Calendars:
    """What is known of holidays and schedules, by name."""

    holidays: Mapping[str, Holidays]
    schedules: Mapping[str, Schedule]


def ending_soon(calendars: Iterable[Holidays], now: datetime, *, days: int = ALARM_DAYS) -> list[Holidays]:
    """The calendars that end within so many days, or have ended: time to publish the next year's."""
    return [each for each in calendars if each.valid_until < now.astimezone(each.zone).date() + timedelta(days=days)]
