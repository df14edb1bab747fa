"""The period that a report is about, as people write it, and the one before it to compare with.

A period is half-open: its end is not in it. Where the end is not given it is the next whole hour, because sums are kept
by the hour and nothing lies in the future. A day is a date of the zone's calendar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from turnout.ledger.rows import to_ms

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_LAST = re.compile(r"(\d{1,4})([hdw])")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
SINCE = (
    "a day such as 2026-11-01, a month such as 2026-11, an instant, a length such as 24h, 7d or 4w,"
    " or one of day, week, month, year"
)


class Offset(NamedTuple):
    """From an instant on, the zone's clock is this much ahead of UTC. Milliseconds."""

    from_ms: int
    ahead_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From `start` to before `end`, aware; and where the period before it began."""

    start: datetime
    end: datetime
    before: datetime
    zone: tzinfo = UTC

    def __post_init__(self) -> None:
        if not self.before <= self.start < self.end:
            raise ValueError(f"The period ends at {self.end:%Y-%m-%d %H:%M} and begins at {self.start:%Y-%m-%d %H:%M}.")

    @property
    def start_ms(self) -> int:
        return to_ms(self.start)

    @property
    def end_ms(self) -> int:
        return to_ms(self.end)

    def previous(self) -> Period | None:
        """As much of the period before: of a month that is half over, the first half of the last. None for no time."""
        end = min(self.before + (self.end - self.start), self.start)
        if end <= self.before:
            return None
        return Period(start=self.before, end=end, before=self.before, zone=self.zone)

    def offsets(self) -> list[Offset]:
        """The zone's offsets in the period, oldest first: more than one where clocks change."""
        found = [Offset(self.start_ms, _ahead(self.zone, self.start))]
        at = self.start
        while at < self.end:
            after = min(at + _DAY, self.end)
            if _ahead(self.zone, after) != found[-1].ahead_ms:
                changed = _change(self.zone, at, after)
                found.append(Offset(to_ms(changed), _ahead(self.zone, after)))
            at = after
        return found

    def days(self) -> list[date]:
        """Every date of the zone that has a part in it."""
        first = self.start.astimezone(self.zone).date()
        last = (self.end - timedelta(microseconds=1)).astimezone(self.zone).date()
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]

    def on_whole_hours(self, *, by_day: bool) -> bool:
        """Whether sums by the UTC hour can answer it: no hour is cut by its ends or, `by_day`, by a midnight."""
        cuts = [self.start_ms, self.end_ms]
        if by_day:
            cuts += [number for offset in self.offsets() for number in offset]
        return all(cut % HOUR_MS == 0 for cut in cuts)


def read_period(since: str, until: str | None, zone: tzinfo, now: datetime) -> Period:
    """What `--since` and `--until` mean at `now`. Raises ValueError with what can be written."""
    end = _rounded_up(now) if until is None else _instant(until, zone)
    found = _running(since, zone, now)
    start, before = found if found is not None else (_instant(since, zone), None)
    if start >= end:
        raise ValueError(
            f"The period would end at {end:%Y-%m-%d %H:%M %Z}, before it begins ({start:%Y-%m-%d %H:%M %Z})."
        )
    if before is None:
        before = _a_month_before(since, zone) or start - (end - start)
    return Period(start=start, end=end, before=before, zone=zone)


def _running(since: str, zone: tzinfo, now: datetime) -> tuple[datetime, datetime] | None:
    """Where the unit began that `now` is in, or so many units back; and where the one before it did."""
    today = now.astimezone(zone).date()
    match since:
        case "day":
            starts = (today, today - _DAY)
        case "week":
            monday = today - today.weekday() * _DAY
            starts = (monday, monday - 7 * _DAY)
        case "month":
            first = today.replace(day=1)
            starts = (first, (first - _DAY).replace(day=1))
        case "year":
            starts = (today.replace(month=1, day=1), today.replace(year=today.year - 1, month=1, day=1))
        case _:
            return _last(since, zone, now)
    return _midnight(starts[0], zone), _midnight(starts[1], zone)


def _last(since: str, zone: tzinfo, now: datetime) -> tuple[datetime, datetime] | None:
    match = _LAST.fullmatch(since)
    if match is None or not int(match[1]):
        return None
    count = int(match[1])
    if match[2] == "h":
        start = _rounded_up(now) - count * _HOUR
        return start, start - count * _HOUR
    days = (count * 7 if match[2] == "w" else count) * _DAY
    first = now.astimezone(zone).date() + _DAY - days
    return _midnight(first, zone), _midnight(first - days, zone)


def _a_month_before(since: str, zone: tzinfo) -> datetime | None:
    if not _MONTH.fullmatch(since):
        return None
    return _midnight((date.fromisoformat(f"{since}-01") - _DAY).replace(day=1), zone)


def _instant(text: str, zone: tzinfo) -> datetime:
    if _MONTH.fullmatch(text):
        text += "-01"
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"'{text}' is not {SINCE}.") from None


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _rounded_up(now: datetime) -> datetime:
    whole = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return whole if whole == now else whole + _HOUR


def _ahead(zone: tzinfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None, "a zone has an offset at every instant"
    return offset // timedelta(milliseconds=1)


def _change(zone: tzinfo, low: datetime, high: datetime) -> datetime:
    """The first second with the offset of `high`; `low` has another one."""
    new = _ahead(zone, high)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if middle <= low:
            break
        low, high = (low, middle) if _ahead(zone, middle) == new else (middle, high)
    return high
