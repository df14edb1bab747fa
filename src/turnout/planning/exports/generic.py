"""Any other export: a CSV or JSON file, and a small TOML file that says which of its columns is what.

    channel = "mistral"        # whose price list the calls are on; absent: named with --provider
    zone = "UTC"               # of the days; the default
    unit = "tokens"            # or thousands, millions: what the counts are counted in
    items = "data.rows"        # JSON only: where the list is; absent: the file is a list, or holds one in `data`
    ignore = ["note"]          # columns that may be there and mean nothing here

    [columns]                  # ours = theirs; what is left out has the same name
    day = "Date"               # or `start` and `end`, instants
    model = "Model"
    uncached = "Prompt"        # input, uncached, cached, cache_write, cache_write_1h, output, reasoning, requests
    cost = "Cost"              # in USD

Without a mapping the columns have our own names. Mistral and xAI have usage reports too; their fields are not
documented well enough to ship a reader, so they are read in this way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import cast

from turnout.catalogue.calendar import zone_named
from turnout.catalogue.calendar_file import open_table
from turnout.core.errors import ConfigError
from turnout.planning.exports.row import Export, ExportRow, Measure
from turnout.planning.exports.source import MOST_TOKENS, Cells, Seen, Source, csv_lines

_MEASURES = {measure.value: measure for measure in Measure}
OURS = ("day", "start", "end", "model", "tier", "label", "cost", *_MEASURES)
_UNITS = {"tokens": 0, "thousands": 3, "millions": 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """Which column is what."""

    columns: Mapping[str, str] = field(default_factory=lambda: {name: name for name in OURS})
    channel: str | None = None
    zone: str = "UTC"
    digits: int = 0
    """Of the power of ten that a count is counted in."""
    items: str | None = None
    ignore: tuple[str, ...] = ()

    def column(self, ours: str) -> str:
        """The name in the file."""
        return self.columns[ours]

    def known(self) -> frozenset[str]:
        """Every column that means something, or is meant to mean nothing."""
        return frozenset((*self.columns.values(), *self.ignore))


def read_mapping(path: Path) -> Mapped:
    """The mapping in a TOML file. Raises ConfigError naming file and key."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}.") from None
    root, problems = open_table(text, str(path))
    names = root.table("columns")
    columns = {ours: names.text(ours, ours) for ours in OURS}
    names.done()
    zone = root.text("zone", "UTC")
    try:
        zone_named(zone)
    except ValueError as error:
        root.wrong("zone", str(error))
    mapped = Mapped(
        columns=columns,
        channel=root.optional_text("channel"),
        zone=zone,
        digits=_UNITS[root.choice("unit", tuple(_UNITS), "tokens")],
        items=root.optional_text("items"),
        ignore=root.texts("ignore"),
    )
    root.done()
    problems.raise_any()
    return mapped


def read_generic(source: Source, mapped: Mapped) -> Export:
    """A CSV or JSON file by a mapping. Raises ConfigError where a line has no day."""
    seen = Seen(mapped.known())
    zone = zone_named(mapped.zone)
    is_json = source.text().lstrip()[:1] in ("{", "[")
    lines = _objects(source, seen, mapped.items) if is_json else csv_lines(source, seen)
    return Export(
        format="generic",
        channel=mapped.channel,
        rows=tuple(_row(line, mapped, zone) for line in lines),
        zone=mapped.zone,
        unread=tuple(seen.unread),
    )


def _row(line: Cells, mapped: Mapped, zone: tzinfo) -> ExportRow:
    at, until = _when(line, mapped, zone)
    counts = {measure: _count(line, mapped, name, measure) for name, measure in _MEASURES.items()}
    return ExportRow(
        place=line.place,
        at=at,
        until=until,
        model=line.text(mapped.column("model")) or None,
        tier=line.text(mapped.column("tier")).lower() or None,
        counts={measure: count for measure, count in counts.items() if count is not None},
        cost=line.money(mapped.column("cost")),
        label=line.text(mapped.column("label")),
    )


def _when(line: Cells, mapped: Mapped, zone: tzinfo) -> tuple[datetime, datetime]:
    day, start, end = (mapped.column(name) for name in ("day", "start", "end"))
    if line.text(day):
        return line.day(day, zone)
    if line.text(start):
        at = line.instant(start, zone)
        return at, line.instant(end, zone) if line.text(end) else at
    line.refuse(f"there is no day: neither `{day}` nor `{start}` is given. Name its column in the mapping.")


def _count(line: Cells, mapped: Mapped, name: str, measure: Measure) -> int | None:
    column = mapped.column(name)
    if measure is Measure.REQUESTS or not mapped.digits:
        return line.count(column)
    number = line.amount(column)
    if number is None:
        return None
    whole = number.scaleb(mapped.digits)
    if whole != whole.to_integral_value() or not 0 <= whole <= MOST_TOKENS:
        line.refuse(f"`{column}` is '{line.text(column)}', which is no whole number of tokens.")
    return int(whole)


def _objects(source: Source, seen: Seen, items: str | None) -> Iterator[Cells]:
    try:
        value: object = json.loads(source.text(), parse_float=Decimal)  # noqa: TID251 -- a file, not a body; no floats
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfigError(f"{source.name}: is no JSON: {error}.") from None
    path = items if items is not None else "" if isinstance(value, list) else "data"
    for step in filter(None, path.split(".")):
        value = cast("dict[str, object]", value).get(step) if isinstance(value, dict) else None
    if not isinstance(value, list):
        raise ConfigError(f"{source.name}: there is no list at '{path}'. Name it with `items` in the mapping.")
    found: dict[str, object] = {path or "rows": value}
    for cells in Cells(source.name, found).items(path or "rows"):
        seen.note(cells.values)
        yield cells
