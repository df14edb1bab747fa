"""The prices in use: `data/prices.toml`, the operator's `[prices]` over it, and nothing for what runs on own machines.

The operator's rows of a model at a channel stand in place of all shipped ones of it. Knows no request and no
deployment; `priced` says which channel a deployment is paid at.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

from turnout.catalogue.calendar import Calendars
from turnout.catalogue.calendar_file import CALENDARS_FILE, Origin, load_calendars, open_table, over, read_data
from turnout.catalogue.fingerprint import fingerprint
from turnout.catalogue.price_rows import Placed, read_channel, refuse_overlaps
from turnout.catalogue.tariff import ANY_MODEL, SELF_HOSTED, PriceBook, PriceKey, PriceRow
from turnout.catalogue.usage_classes import TokenClass
from turnout.core.money import PricePerMillion
from turnout.core.names import did_you_mean
from turnout.core.settings_model import Settings
from turnout.core.toml_table import Problems, Table

PRICES_FILE = "prices.toml"
_OWN = Origin("turnout.toml")
OWN_MACHINES = PriceRow(
    id=f"{SELF_HOSTED}/any@2000-01-01T00:00Z",
    key=PriceKey(model=ANY_MODEL, channel=SELF_HOSTED),
    effective_from=datetime(2000, 1, 1, tzinfo=UTC),
    prices={kind: PricePerMillion.of(0) for kind in TokenClass},
    source="built in",
    note="no price for a token: the machine is paid for otherwise",
)
"""Whatever model runs on a machine of one's own. Really nothing, and so not unknown."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Every price in use."""

    book: PriceBook
    version: str
    """Changes when any price or calendar does; written on every cost."""


def load_prices(calendars: Calendars | None = None) -> PriceBook:
    """The shipped prices. Raises ConfigError at a defect of the data."""
    return PriceBook.of([*(_shipped_rows() if calendars is None else _rows_of(calendars)), OWN_MACHINES])


def parse_prices(text: bytes, calendars: Calendars, file: str) -> PriceBook:
    """Prices from TOML, a table for each channel. Raises ConfigError naming `file` and the row."""
    return PriceBook.of(_parsed(text, calendars, file))


def prices_in_use(settings: Settings, sellers: Collection[str], problems: Problems) -> Prices:
    """The shipped prices with the operator's over them. `sellers` are the names of providers, whose own tables the
    operator may write. What is wrong goes to `problems`."""
    environ: dict[str, str] = {}
    calendars, shipped = load_calendars(), _shipped_rows()
    if settings.calendars:
        calendars = over(calendars, Table(settings.calendars, ("calendars",), problems, environ), _OWN)
        shipped = [_following(row, calendars) for row in shipped]
    own = _own_rows(Table(settings.prices, ("prices",), problems, environ), calendars, shipped, sellers)
    named = frozenset((row.key.channel, name) for row in own for name in (row.key.model, *row.aliases))
    book = PriceBook.of([*_without(shipped, named), *own, OWN_MACHINES], own=named)
    return Prices(book, _version(settings))


def _own_rows(
    root: Table, calendars: Calendars, shipped: Iterable[PriceRow], sellers: Collection[str]
) -> list[PriceRow]:
    known = dict.fromkeys([*(row.key.channel for row in shipped), *sellers])
    placed: list[Placed] = []
    for channel in root.names():
        if channel not in known:
            hint = did_you_mean(channel, known) or f"There are: {', '.join(known)}."
            root.wrong(channel, f"is neither a provider of yours nor a seller whose prices are known. {hint}")
        placed += read_channel(channel, root.table(channel), calendars.schedules, _OWN)
    refuse_overlaps(placed)
    return [each.row for each in placed]


def _without(shipped: Iterable[PriceRow], named: Collection[tuple[str, str]]) -> list[PriceRow]:
    """The shipped rows, less the names that the operator prices."""
    kept: list[PriceRow] = []
    for row in shipped:
        names = [name for name in (row.key.model, *row.aliases) if (row.key.channel, name) not in named]
        if len(names) == 1 + len(row.aliases):
            kept.append(row)
        elif names:
            kept.append(replace(row, key=replace(row.key, model=names[0]), aliases=tuple(names[1:])))
    return kept


def _following(row: PriceRow, calendars: Calendars) -> PriceRow:
    """The row by the operator's version of its schedule."""
    return row if row.schedule is None else replace(row, schedule=calendars.schedules[row.schedule.name])


def _version(settings: Settings) -> str:
    own = json.dumps([settings.prices, settings.calendars], sort_keys=True, default=str)
    return fingerprint(_shipped_version(), own)


@cache
def _shipped_version() -> str:
    """Of the bytes: the files are the version's own, and change with it only."""
    return fingerprint(*(read_data(name).decode() for name in (PRICES_FILE, CALENDARS_FILE)))


@cache
def _shipped_rows() -> list[PriceRow]:
    """Read once for a process: a reload of the configuration does not change them."""
    return _rows_of(load_calendars())


def _rows_of(calendars: Calendars) -> list[PriceRow]:
    return _parsed(read_data(PRICES_FILE), calendars, PRICES_FILE)


def _parsed(text: bytes, calendars: Calendars, file: str) -> list[PriceRow]:
    root, problems = open_table(text, file)
    placed: list[Placed] = []
    for channel in root.names():
        placed += read_channel(channel, root.table(channel), calendars.schedules)
    if not len(problems):
        refuse_overlaps(placed)
    problems.raise_any()
    return [each.row for each in placed]
