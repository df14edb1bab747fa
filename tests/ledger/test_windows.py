"""Windows of budgets: they tile time in every zone, and clocks that jump don't double or lose an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from turnout.core.settings_model import BudgetWindow
from turnout.ledger.windows import FOREVER, Windows, window, zone_of

ZONES = sorted(available_timezones() - {"localtime", "posixrules"})
KINDS: tuple[BudgetWindow, ...] = ("hour", "day", "week", "month")
FIRST, LAST = datetime.fromisoformat("1971-01-01"), datetime.fromisoformat("2099-12-31")
AUTUMN = datetime.fromisoformat("2026-10-24"), datetime.fromisoformat("2026-10-27")
LONGEST = {"hour": 1, "day": 48, "week": 8 * 24, "month": 32 * 24}
instants = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hours(kind: BudgetWindow, zone: str, instant: str) -> float:
    found = window(kind, zone_of(zone), at(instant))
    assert found.closes is not None
    return (found.closes - found.opens) / timedelta(hours=1)


@given(instant=instants, zone=st.sampled_from(ZONES), kind=st.sampled_from(KINDS))
@example(instant=at("2011-12-30T10:00"), zone="Pacific/Apia", kind="day")
@example(instant=at("2011-12-30T09:59:59"), zone="Pacific/Apia", kind="day")
@example(instant=at("2006-10-29T02:31"), zone="America/St_Johns", kind="day")  # went back at 00:01
@example(instant=at("2006-10-29T02:31"), zone="America/St_Johns", kind="hour")
@example(instant=at("2026-04-04T15:10"), zone="Australia/Lord_Howe", kind="hour")
@example(instant=at("2026-10-03T15:40"), zone="Australia/Lord_Howe", kind="hour")
@example(instant=at("2018-11-04T03:00"), zone="America/Sao_Paulo", kind="day")  # a day without a midnight
@example(instant=at("2026-11-01T04:30"), zone="America/Havana", kind="day")  # a day with two
def test_windows_tile_time(instant: datetime, zone: str, kind: BudgetWindow) -> None:
    """An instant is in its window, so are its first and its last microsecond, and the next one begins where it ends."""
    place = ZoneInfo(zone)
    found = window(kind, place, instant)

    assert found.closes is not None
    assert found.opens <= instant < found.closes
    assert found.closes - found.opens <= timedelta(hours=LONGEST[kind])
    assert window(kind, place, found.opens) == found
    assert window(kind, place, found.closes - timedelta(microseconds=1)) == found
    assert window(kind, place, found.closes).opens == found.closes
    assert window(kind, place, found.opens - timedelta(microseconds=1)).closes == found.opens


@pytest.mark.parametrize(
    ("instant", "expected"),
    [("2026-03-29T12:00", 23), ("2026-10-25T12:00", 25), ("2026-06-01T12:00", 24)],
)
def test_a_day_is_as_long_as_the_clock_makes_it(instant: str, expected: int) -> None:
    assert hours("day", "Europe/Berlin", instant) == expected


def test_a_repeated_hour_is_two_windows() -> None:
    """From 02:00 to 03:00 twice in Berlin: each time sixty minutes."""
    berlin = zone_of("Europe/Berlin")
    first, second = window("hour", berlin, at("2026-10-25T00:30")), window("hour", berlin, at("2026-10-25T01:30"))

    assert (first.opens, first.closes) == (at("2026-10-25T00:00"), at("2026-10-25T01:00"))
    assert (second.opens, second.closes) == (at("2026-10-25T01:00"), at("2026-10-25T02:00"))


def test_hours_follow_a_zone_of_half_an_hour() -> None:
    found = window("hour", zone_of("Asia/Kolkata"), at("2026-11-22T04:39:24.5"))

    assert (found.opens, found.closes) == (at("2026-11-22T04:30"), at("2026-11-22T05:30"))


def test_an_hour_ends_where_the_clock_jumps_inside_it() -> None:
    """Lord Howe goes from 02:00 back to 01:30: half an hour that comes again is a window of its own."""
    found = window("hour", zone_of("Australia/Lord_Howe"), at("2026-04-04T15:10"))

    assert (found.opens, found.closes) == (at("2026-04-04T15:00"), at("2026-04-04T15:30"))


@pytest.mark.parametrize(
    ("kind", "zone", "instant", "opens", "closes"),
    [
        ("day", "UTC", "2026-11-22T23:59:59.999999", "2026-11-22T00:00", "2026-11-23T00:00"),
        ("day", "Asia/Shanghai", "2026-11-22T16:00", "2026-11-22T16:00", "2026-11-23T16:00"),
        ("week", "UTC", "2026-11-22T12:00", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("week", "UTC", "2026-11-23T00:00", "2026-11-23T00:00", "2026-11-30T00:00"),
        ("month", "Europe/Berlin", "2026-11-30T23:00", "2026-11-30T23:00", "2026-12-31T23:00"),
        ("month", "UTC", "2028-02-29T12:00", "2028-02-01T00:00", "2028-03-01T00:00"),
        ("month", "Europe/Berlin", "2026-10-15T00:00", "2026-09-30T22:00", "2026-10-31T23:00"),
        ("day", "Pacific/Apia", "2011-12-30T09:00", "2011-12-29T10:00", "2011-12-30T10:00"),
    ],
)
def test_windows_of_the_calendar(kind: BudgetWindow, zone: str, instant: str, opens: str, closes: str) -> None:
    assert window(kind, zone_of(zone), at(instant)) == (at(opens), at(closes))


def test_all_time_never_ends() -> None:
    assert window("total", UTC, at("2026-11-22T00:00")) is FOREVER
    assert Windows().milliseconds("total", "UTC", at("2026-11-22T00:00")) == (0, None)


@given(st.lists(st.datetimes(*AUTUMN, timezones=st.just(UTC)), max_size=20))
def test_what_is_kept_is_what_is_worked_out(asked: list[datetime]) -> None:
    """Also when the clock is set back."""
    kept = Windows()

    for instant in asked:
        for kind in (*KINDS, "total"):
            expected = window(kind, zone_of("Europe/Berlin"), instant)
            assert kept.milliseconds(kind, "Europe/Berlin", instant) == (expected.opens_ms, expected.closes_ms)
