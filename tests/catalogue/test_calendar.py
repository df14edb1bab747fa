"""Hours, weekdays, zones and holidays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from turnout.catalogue.calendar import Holidays, ending_soon
from turnout.catalogue.calendar_file import load_calendars, parse_calendars
from turnout.core.errors import ConfigError

SCHEDULE = """
[schedules.day]
zone = "{zone}"
hours = ["{hours}"]
weekdays = ["{weekday}"]
source = "https://example.com"
verified = "2026-11-22"
"""


def _minutes_inside(zone: str, hours: str, weekday: str, day: datetime) -> int:
    text = SCHEDULE.format(zone=zone, hours=hours, weekday=weekday)
    schedule = parse_calendars(text.encode(), "c.toml").schedules["day"]
    return sum(schedule.includes(day + timedelta(minutes=each)) is True for each in range(3 * 24 * 60))


@pytest.mark.parametrize(
    ("hours", "minutes"),
    [("02:00-03:00", 0), ("01:00-03:00", 60), ("01:00-04:00", 120), ("00:00-24:00", 23 * 60)],
)
def test_the_hour_that_spring_skips_is_not_billed(hours: str, minutes: int) -> None:
    """In Berlin 02:00 to 03:00 does not exist on 2026-03-29."""
    assert _minutes_inside("Europe/Berlin", hours, "sun", datetime(2026, 3, 28, tzinfo=UTC)) == minutes


def test_the_hour_that_autumn_repeats_counts_twice() -> None:
    """Each instant is in or out once, and there are two hours of them."""
    assert _minutes_inside("Europe/Berlin", "02:00-03:00", "sun", datetime(2026, 10, 24, tzinfo=UTC)) == 120


def test_a_window_past_midnight_belongs_to_the_day_it_begins_on() -> None:
    """Friday night reaches into Saturday; Thursday night does not count."""
    schedule = parse_calendars(
        SCHEDULE.format(zone="UTC", hours="22:00-02:00", weekday="fri").encode(), "c.toml"
    ).schedules["day"]
    told = {
        text: schedule.includes(datetime.fromisoformat(text))
        for text in (
            "2026-11-20T01:00Z",
            "2026-11-20T21:59Z",
            "2026-11-20T22:00Z",
            "2026-11-21T01:59Z",
            "2026-11-21T02:00Z",
        )
    }

    assert list(told.values()) == [False, False, True, True, False]


def test_a_holiday_begins_at_midnight_in_its_own_zone() -> None:
    """Beijing's first of October begins at 16:00 UTC of the last of September."""
    china = load_calendars().holidays["china"]

    assert china.includes(datetime(2026, 9, 30, 15, 59, 59, tzinfo=UTC)) is False
    assert china.includes(datetime(2026, 9, 30, 16, tzinfo=UTC)) is True
    assert china.includes(datetime(2026, 12, 31, 15, 59, tzinfo=UTC)) is False
    assert china.includes(datetime(2026, 12, 31, 16, tzinfo=UTC)) is None
    assert china.includes(datetime(2025, 12, 31, 15, 59, tzinfo=UTC)) is None


@pytest.mark.parametrize(("day", "alarm"), [("2026-11-01", False), ("2026-11-02", True), ("2027-03-01", True)])
def test_a_calendar_that_ends_within_sixty_days_is_told(day: str, alarm: bool) -> None:
    """And one that has ended."""
    china: Holidays = load_calendars().holidays["china"]

    assert ending_soon([china], datetime.fromisoformat(day + "T12:00Z")) == ([china] if alarm else [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SCHEDULE.format(zone="Mars/Base", hours="01:00-02:00", weekday="mon"), "'Mars/Base' is no time zone"),
        (SCHEDULE.format(zone="UTC", hours="1-2", weekday="mon"), "hours such as"),
        (SCHEDULE.format(zone="UTC", hours="01:00-01:00", weekday="mon"), "no hours of a day"),
        (SCHEDULE.format(zone="UTC", hours="25:00-26:00", weekday="mon"), "no hours of a day"),
        (SCHEDULE.format(zone="UTC", hours="01:00-02:00", weekday="moon"), "'moon' is none of"),
        (SCHEDULE.format(zone="UTC", hours="01:00-02:00", weekday="mon") + 'except = "moon"', "no holidays 'moon'"),
        (SCHEDULE.format(zone="UTC", hours="01:00-02:00", weekday="mon").replace("source", "sauce"), "needs `source`"),
    ],
)
def test_a_defect_of_the_file_is_refused(text: str, said: str) -> None:
    """With the file and the key."""
    with pytest.raises(ConfigError, match=r"c\.toml: schedules\.day") as caught:
        parse_calendars(text.encode(), "c.toml")

    assert said in caught.value.message
