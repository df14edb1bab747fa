"""`data/calendars.toml` as values: holidays and schedules, each with its source. Read strictly.

The operator may lay calendars of their own over them: `over` takes `[calendars]` of the configuration, in the same
shape.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, tzinfo
from importlib.resources import files
from typing import NamedTuple

from turnout.catalogue.calendar import WEEKDAYS, Calendars, Holidays, Hours, Schedule, zone_named
from turnout.core.errors import ConfigError
from turnout.core.toml_source import Positions
from turnout.core.toml_table import Problems, Table

CALENDARS_FILE = "calendars.toml"


class Origin(NamedTuple):
    """Where a fact was taken from, and when it was compared; None: nobody said."""

    source: str
    verified: date | None = None


def origin(table: Table, usual: Origin | None) -> Origin:
    """`source` and `verified` of a table. They must be there where nothing usual stands in for them."""
    if usual is None:
        return Origin(table.required_text("source"), required_day(table, "verified"))
    verified = required_day(table, "verified") if table.has("verified") else usual.verified
    return Origin(table.text("source", usual.source), verified)


def load_calendars() -> Calendars:
    """The shipped calendars. Raises ConfigError at a defect of the data."""
    return parse_calendars(read_data(CALENDARS_FILE), CALENDARS_FILE)


def parse_calendars(text: bytes, file: str) -> Calendars:
    """Calendars from TOML. Raises ConfigError naming `file` and the key."""
    root, problems = open_table(text, file)
    calendars = over(Calendars({}, {}), root, None)
    problems.raise_any()
    return calendars


def over(known: Calendars, root: Table, usual: Origin | None) -> Calendars:
    """What is known, and a table's holidays and schedules in place of those with the same names. Schedules that are
    known follow the new holidays of their name: next year's days are added so."""
    written = {name: _holidays(name, table, usual) for name, table in root.tables("holidays")}
    holidays = {**known.holidays, **written}
    schedules = {name: _following(each, written) for name, each in known.schedules.items()}
    schedules |= {name: _schedule(name, table, holidays, usual) for name, table in root.tables("schedules")}
    root.done()
    return Calendars(holidays, schedules)


def _following(schedule: Schedule, written: Mapping[str, Holidays]) -> Schedule:
    holidays = schedule.holidays and written.get(schedule.holidays.name)
    return replace(schedule, holidays=holidays) if holidays else schedule


def read_data(name: str) -> bytes:
    """A shipped data file."""
    return files("turnout.catalogue").joinpath("data", name).read_bytes()


def open_table(text: bytes, file: str) -> tuple[Table, Problems]:
    """TOML as a table to be read. Raises ConfigError where it is none."""
    try:
        values = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from None
    problems = Problems(Positions(file=file))
    return Table(values, (), problems, {}), problems


def required_day(table: Table, key: str) -> date:
    """A day such as 2026-11-22."""
    text = table.required_text(key)
    try:
        return date.fromisoformat(text)
    except ValueError:
        if text:
            table.wrong(key, "must be a day such as 2026-11-22.")
        return date.min


def instant(table: Table, key: str) -> datetime | None:
    """An instant in UTC to the minute, such as 2026-09-10T04:00Z; a day is its midnight in UTC. None: not given."""
    text = table.optional_text(key)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is not None and len(text) == len("2026-09-10"):
        return at.replace(tzinfo=UTC)
    if at is None or not text.endswith("Z") or at.second or at.microsecond:
        table.wrong(key, "must be a minute in UTC such as 2026-09-10T04:00Z, or a day.")
        return None
    return at


def _zone(table: Table) -> tzinfo:
    text = table.required_text("zone")
    try:
        return zone_named(text) if text else UTC
    except ValueError as error:
        table.wrong("zone", str(error))
        return UTC


def _holidays(name: str, table: Table, usual: Origin | None) -> Holidays:
    source, verified = origin(table, usual)
    found = Holidays(
        name=name,
        zone=_zone(table),
        valid_from=required_day(table, "valid_from"),
        valid_until=required_day(table, "valid_until"),
        days=frozenset(_days(table)),
        source=source,
        verified=verified,
    )
    outside = [day for day in found.days if not found.valid_from <= day <= found.valid_until]
    if outside:
        table.wrong("days", f"{min(outside)} is outside of what the calendar is valid for.")
    table.done()
    return found


def _days(table: Table) -> list[date]:
    days: list[date] = []
    for index, text in enumerate(table.texts("days", empty="must not be empty.")):
        try:
            days.append(date.fromisoformat(text))
        except ValueError:
            table.wrong_item("days", index, "must be a day such as 2026-10-01.")
    return days


def _schedule(name: str, table: Table, holidays: Mapping[str, Holidays], usual: Origin | None) -> Schedule:
    source, verified = origin(table, usual)
    weekdays = table.texts("weekdays") or WEEKDAYS
    for each in weekdays:
        if each not in WEEKDAYS:
            table.wrong("weekdays", f"'{each}' is none of {', '.join(WEEKDAYS)}.")
    off = table.optional_text("except")
    if off is not None and off not in holidays:
        table.wrong("except", f"there are no holidays '{off}'.")
    found = Schedule(
        name=name,
        zone=_zone(table),
        weekdays=frozenset(WEEKDAYS.index(each) for each in weekdays if each in WEEKDAYS),
        hours=tuple(_hours(table)),
        holidays=None if off is None else holidays.get(off),
        source=source,
        verified=verified,
    )
    table.text("note")
    table.done()
    return found


def _hours(table: Table) -> list[Hours]:
    hours: list[Hours] = []
    for index, text in enumerate(table.texts("hours", empty="must not be empty.")):
        try:
            hours.append(Hours.of(text))
        except ValueError as error:
            table.wrong_item("hours", index, str(error))
    return hours
