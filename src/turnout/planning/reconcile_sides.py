"""The two sides of a comparison, summed to what both can say.

An export may not split by model or by tier, or not split the input. Then our side is summed as coarsely: nothing is
compared that the export does not state. Tokens and costs are summed apart, because they may come from two files, of
which one is finer than the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, tzinfo
from decimal import Decimal
from typing import NamedTuple

from turnout.core.errors import ConfigError
from turnout.core.money import NOTHING, Money
from turnout.planning.exports.row import Export, ExportRow, Measure
from turnout.planning.reconcile_ledger import Part

_FOLDED = (
    (Measure.CACHE_WRITE_1H, Measure.CACHE_WRITE),
    (Measure.CACHE_WRITE, Measure.UNCACHED),
    (Measure.CACHED, Measure.UNCACHED),
)
"""Where a part is counted in an export that does not state it."""
_INPUTS = (Measure.UNCACHED, Measure.CACHED, Measure.CACHE_WRITE, Measure.CACHE_WRITE_1H)


class Key(NamedTuple):
    """What is compared; None: the export does not split by it."""

    day: date
    model: str | None
    tier: str | None


class Grain(NamedTuple):
    """How finely an export splits."""

    model: bool
    tier: bool

    def key(self, day: date, model: str | None, tier: str | None) -> Key:
        """The key, as coarse as the grain."""
        return Key(day, model if self.model else None, tier if self.tier else None)


@dataclass(slots=True)
class Theirs:
    """What the exports say at a key."""

    counts: Counter[Measure] = field(default_factory=Counter[Measure])
    cost: Money = NOTHING
    slack: Decimal = Decimal(0)
    """Dollars by which rounded lines may be off together."""
    place: str = ""
    """Of the first line."""


@dataclass(slots=True)
class Ours:
    """What the ledger says at a key."""

    counts: Counter[Measure] = field(default_factory=Counter[Measure])
    estimates: Counter[Measure] = field(default_factory=Counter[Measure])
    """The part of the counts that is estimated."""
    cost_nano: int = 0
    estimated_nano: int = 0
    entries: int = 0
    estimated: int = 0
    """Entries that are."""
    unpriced: int = 0
    price_rows: Counter[str] = field(default_factory=Counter[str])
    """Entries by the price row they were priced with."""

    def add(self, part: Part) -> None:
        """Adds a part of the ledger."""
        self.counts.update(part.counts)
        self.cost_nano += part.cost_nano
        self.entries += part.entries
        self.unpriced += part.unpriced
        if part.price_row:
            self.price_rows[part.price_row] += part.entries
        if part.estimated:
            self.estimates.update(part.counts)
            self.estimated_nano += part.cost_nano
            self.estimated += part.entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Both of them at one grain."""

    grain: Grain
    used: frozenset[Measure]
    """The measures that the export states, and that are compared. Empty for costs."""
    theirs: Mapping[Key, Theirs]
    ours: Mapping[Key, Ours]

    def all_keys(self) -> list[Key]:
        """Every key of either side, in the order of days and names."""
        return sorted({*self.theirs, *self.ours}, key=lambda key: (key.day, key.model or "", key.tier or ""))


def read_once(exports: Iterable[Export]) -> None:
    """Raises ConfigError where two files state the same thing: it would be counted twice."""
    first: dict[object, ExportRow] = {}
    for export in exports:
        of_this: dict[object, ExportRow] = {}
        for row in export.rows:
            what = (*sorted(measure.value for measure in row.counts), row.cost is not None)
            same = (row.at, row.until, row.model, row.tier, row.label, row.item, what)
            if same in first:
                raise ConfigError(f"{row.place} and {first[same].place} state the same: give each export once.")
            of_this.setdefault(same, row)
        first |= of_this


def token_sides(rows: Iterable[ExportRow], parts: Iterable[Part], names: Mapping[str, str], zone: tzinfo) -> Sides:
    """The sums of tokens and requests."""
    told = [row for row in rows if row.counts]
    stated = {measure for row in told for measure in row.counts}
    used = frozenset(stated - set(_INPUTS) if Measure.INPUT in stated else stated)
    return _sides(told, parts, names, zone, lambda counts: comparable(counts, used), used)


def cost_sides(rows: Iterable[ExportRow], parts: Iterable[Part], names: Mapping[str, str], zone: tzinfo) -> Sides:
    """The sums of costs, without charges that are no model's tokens."""
    told = [row for row in rows if row.cost is not None and row.item is None]
    return _sides(told, parts, names, zone, lambda counts: counts, frozenset())


def comparable(counts: Mapping[Measure, int], used: frozenset[Measure]) -> Mapping[Measure, int]:
    """Counts in the measures that an export uses: a part that it does not state is counted in its whole."""
    known = Counter(dict(counts))
    if Measure.INPUT in used:
        known[Measure.INPUT] += sum(known.pop(part, 0) for part in _INPUTS)
    for part, whole in _FOLDED:
        if part not in used:
            known[whole] += known.pop(part, 0)
    return {measure: known[measure] for measure in used}


def _sides(
    told: list[ExportRow],
    parts: Iterable[Part],
    names: Mapping[str, str],
    zone: tzinfo,
    measured: Callable[[Mapping[Measure, int]], Mapping[Measure, int]],
    used: frozenset[Measure],
) -> Sides:
    grain = Grain(
        model=all(row.model is not None for row in told), tier=bool(told) and all(row.tier is not None for row in told)
    )
    theirs, ours = dict[Key, Theirs](), dict[Key, Ours]()
    for row in told:
        model = None if row.model is None else names.get(row.model, row.model)
        sums = theirs.setdefault(grain.key(row.day(zone), model, row.tier), Theirs(place=row.place))
        sums.counts.update(measured(row.counts))
        sums.cost += row.cost or NOTHING
        sums.slack += row.cost_step.usd / 2 if row.cost_step is not None else 0
    for part in parts if told else ():
        entry = ours.setdefault(grain.key(part.day, part.model, part.tier), Ours())
        entry.add(part)
    for entry in ours.values():
        entry.counts = Counter(dict(measured(entry.counts)))
        entry.estimates = Counter(dict(measured(entry.estimates)))
    return Sides(grain=grain, used=used, theirs=theirs, ours=ours)
