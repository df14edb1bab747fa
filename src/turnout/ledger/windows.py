"""The windows of budgets: an hour, a day, a week, a month of a place's calendar, or all time. Pure.

Rules
1. Windows of a kind follow each other without a gap and without an overlap: every instant is in exactly one.
2. A day, week (from Monday) or month opens at the first instant at which the local clock shows its first midnight or
   later. So a day has 23 or 25 hours when clocks change, and a day that a country skipped has none.
3. An hour is one of the local clock's, and never longer than sixty minutes: the hour that a clock goes through twice
   is two windows, and where a clock jumps inside an hour (by half an hour, on Lord Howe) a window ends there.

The wall clock is derived from the instant. The other way is only taken to find where a clock jumped.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from turnout.core.settings_model import BudgetWindow

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_MILLISECOND = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)


class Window(NamedTuple):
    """A half-open span: `opens` is in it, `closes` is not. Aware, in UTC."""

    opens: datetime
    closes: datetime | None
    """None: it never ends."""

    def holds(self, at: datetime) -> bool:
        """Whether the instant is in it."""
        return self.opens <= at and (self.closes is None or at < self.closes)

    @property
    def opens_ms(self) -> int:
        """Milliseconds since 1970."""
        return (self.opens - _EPOCH) // _MILLISECOND

    @property
    def closes_ms(self) -> int | None:
        """Milliseconds since 1970; None where it never ends."""
        return None if self.closes is None else (self.closes - _EPOCH) // _MILLISECOND


FOREVER = Window(_EPOCH, None)


def zone_of(name: str) -> tzinfo:
    """A zone by its IANA name. UTC needs no data of the machine's. Raises ZoneInfoNotFoundError."""
    return UTC if name == "UTC" else ZoneInfo(name)


def window(kind: BudgetWindow, zone: tzinfo, at: datetime) -> Window:
    """The window that an aware instant is in."""
    if kind == "total":
        return FOREVER
    at = at.astimezone(UTC)
    return _hour(zone, at) if kind == "hour" else _of_days(_STEPS[kind], zone, at)


def _hour(zone: tzinfo, at: datetime) -> Window:
    offset = _offset(zone, at)
    local = at.replace(tzinfo=None) + offset
    opens = at - (local - local.replace(minute=0, second=0, microsecond=0))
    closes = opens + _HOUR
    if _offset(zone, opens) != offset:  # the clock jumped since the hour began
        opens = _jump(zone, opens, at)
    if _offset(zone, closes - _SECOND) != offset:
        closes = _jump(zone, at, closes)
    return Window(opens, closes)


def _offset(zone: tzinfo, at: datetime) -> timedelta:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None, "a zone has an offset at every instant"
    return offset


def _jump(zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """The first second with the offset of `after`, between two instants with one jump between them."""
    offset, whole = _offset(zone, after), before.replace(microsecond=0)
    low, high = 0, -((whole - after) // _SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, whole + middle * _SECOND) == offset:
            high = middle
        else:
            low = middle
    return whole + high * _SECOND


class _Steps(NamedTuple):
    """How a kind of window lies in a calendar without a zone."""

    floor: Callable[[datetime], datetime]
    next: Callable[[datetime], datetime]


def _midnight(local: datetime) -> datetime:
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def _monday(local: datetime) -> datetime:
    return _midnight(local) - local.weekday() * _DAY


def _first(local: datetime) -> datetime:
    return _midnight(local).replace(day=1)


def _tomorrow(opens: datetime) -> datetime:
    return opens + _DAY


def _next_monday(opens: datetime) -> datetime:
    return opens + 7 * _DAY


def _next_first(opens: datetime) -> datetime:
    return _first(opens + 31 * _DAY)


_STEPS = {
    "day": _Steps(_midnight, _tomorrow),
    "week": _Steps(_monday, _next_monday),
    "month": _Steps(_first, _next_first),
}


def _of_days(steps: _Steps, zone: tzinfo, at: datetime) -> Window:
    opens = steps.floor(at.astimezone(zone).replace(tzinfo=None))
    closes = steps.next(opens)
    # A clock that went back over midnight shows yesterday's date again, and it is the new day all the same.
    while _reached(zone, closes) <= at:
        opens, closes = closes, steps.next(closes)
    return Window(_reached(zone, opens), _reached(zone, closes))


def _reached(zone: tzinfo, local: datetime) -> datetime:
    """The first instant at which the clock of a zone shows a local time or a later one."""
    at = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == local:
        return at
    # The clock jumped over it. With fold 0 the instant lies at the jump or behind it, with fold 1 before it.
    return _jump(zone, local.replace(tzinfo=zone, fold=1).astimezone(UTC), at)


class Windows:
    """The windows that are open now, worked out once each. Owned by the one that asks; not for several threads."""

    def __init__(self) -> None:
        self._zones: dict[str, tzinfo] = {}
        self._open: dict[tuple[BudgetWindow, str], tuple[Window, int, int | None]] = {}

    def milliseconds(self, kind: BudgetWindow, zone: str, at: datetime) -> tuple[int, int | None]:
        """When the window of an instant opens and closes; quick where the last instant asked for was in it too."""
        held = self._open.get((kind, zone))
        if held is None or not held[0].holds(at):
            if zone not in self._zones:
                self._zones[zone] = zone_of(zone)
            found = window(kind, self._zones[zone], at)
            held = self._open[kind, zone] = (found, found.opens_ms, found.closes_ms)
        return held[1], held[2]
