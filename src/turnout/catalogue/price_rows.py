"""Reads rows of prices. Strictly: what is absurd, ambiguous or without a source is a problem of its key.

A row of a file may stand for several: `tiers` and `regions` hold multipliers of its prices, and each makes a row of
its own with an id of its own. Prices are text, because TOML's numbers would become floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import combinations
from typing import NamedTuple

from turnout.catalogue.calendar import Schedule
from turnout.catalogue.calendar_file import Origin, instant, origin
from turnout.catalogue.tariff import GLOBAL, PriceKey, PriceRow, Tier, shown
from turnout.catalogue.usage_classes import TokenClass
from turnout.core.money import Money, PricePerMillion, plain
from turnout.core.names import did_you_mean
from turnout.core.toml_table import Table

LEAST = PricePerMillion.of("0.0005")
MOST = PricePerMillion.of(2000)
"""Dollars for a million tokens. The lowest price known in 2026 is 0.0028, the highest 600. A price of one token lies
far below, one that was multiplied by a million too often far above."""
_LEAST_FACTOR, _MOST_FACTOR = Decimal("0.05"), Decimal(10)
_MOST_FEE = Money.of(1)
_MILLION = Decimal(1_000_000)
_MAY_BE_FREE = (TokenClass.CACHE_WRITE, TokenClass.CACHE_WRITE_1H)
"""Some providers write to their caches for nothing."""
_SANE = f"Prices of a million tokens lie between {LEAST} and {MOST}."
_AS_TEXT = "must be text, such as '0.20': a number of TOML would be rounded."


class Placed(NamedTuple):
    """A row, and the table it was read from."""

    table: Table
    row: PriceRow


def read_channel(
    channel: str, table: Table, schedules: Mapping[str, Schedule], usual: Origin | None = None
) -> Iterator[Placed]:
    """The rows of a channel's table. `usual` is given for the operator's own: then source and day may be absent, a
    price of 0 is taken as said, and ids tell the rows from shipped ones."""
    found = origin(table, usual)
    for row in table.array_of_tables("rows"):
        for each in _Reader(row, channel, schedules, found, own=usual is not None).rows():
            yield Placed(row, each)
    table.done()


class _Reader:
    """Reads one row of the file."""

    def __init__(
        self, table: Table, channel: str, schedules: Mapping[str, Schedule], usual: Origin, *, own: bool
    ) -> None:
        self.table = table
        self.channel = channel
        self.schedules = schedules
        self.usual = usual
        self.own = own

    def rows(self) -> list[PriceRow]:
        """The row itself, and one for each multiplied tier and region."""
        row = self._row()
        tiers = [(row.key.tier, Decimal(1)), *((Tier(name), by) for name, by in self._factors("tiers", _TIERS))]
        regions = [(row.key.region, Decimal(1)), *self._factors("regions", None)]
        self.table.done()
        return [
            _multiplied(row, tier, region, of_tier * of_region, own=self.own)
            for tier, of_tier in tiers
            for region, of_region in regions
        ]

    def _row(self) -> PriceRow:
        table = self.table
        schedule, inside = self._schedule()
        source, verified = origin(table, self.usual)
        start, end = instant(table, "from"), instant(table, "to")
        if start is None:
            table.wrong("from", "must be given: the first instant at which the prices hold.")
        elif end is not None and end <= start:
            table.wrong("to", "must be after `from`.")
        above = table.integer("above", 0, least=0, most=10**9)
        up_to = table.optional_integer("up_to", least=1, most=10**9)
        if up_to is not None and up_to <= above:
            table.wrong("up_to", "must be more than `above`.")
        table.choice("currency", ("USD",), "USD")
        return PriceRow(
            id="",
            key=PriceKey(
                model=table.required_text("model"),
                channel=self.channel,
                region=table.text("region", GLOBAL),
                tier=Tier(table.choice("tier", _TIERS, Tier.STANDARD.value)),
            ),
            aliases=table.texts("aliases"),
            serves=table.optional_text("serves"),
            above=above,
            up_to=up_to,
            effective_from=start or datetime.min.replace(tzinfo=UTC),
            effective_to=end,
            schedule=schedule,
            inside=inside,
            prices=self._prices(),
            per_request=self._fee(),
            source=source,
            verified=verified,
            note=table.text("note"),
        )

    def _schedule(self) -> tuple[Schedule | None, bool]:
        inside, outside = self.table.optional_text("inside"), self.table.optional_text("outside")
        if inside and outside:
            self.table.wrong("outside", "stands beside `inside`; a row is for one of them.")
        name = inside or outside
        if name is not None and name not in self.schedules:
            key = "inside" if inside else "outside"
            self.table.wrong(key, f"there is no schedule '{name}'. {did_you_mean(name, self.schedules)}".rstrip())
        return (None if name is None else self.schedules.get(name)), outside is None

    def _prices(self) -> dict[TokenClass, PricePerMillion]:
        found: dict[TokenClass, PricePerMillion] = {}
        for kind in TokenClass:
            text = self.table.optional_text(kind.value, mistyped=_AS_TEXT)
            if text is not None and (each := self._price(kind, text)) is not None:
                found[kind] = each
        if TokenClass.INPUT not in found and not self.table.has(TokenClass.INPUT.value):
            self.table.wrong("", "needs `input`.")
        cached, full = found.get(TokenClass.CACHED), found.get(TokenClass.INPUT)
        if cached and full and cached > full:
            self.table.wrong(TokenClass.CACHED.value, f"is dearer than input, {cached} against {full}.")
        return found

    def _price(self, kind: TokenClass, text: str) -> PricePerMillion | None:
        try:
            each = PricePerMillion.of(text)
        except ValueError as error:
            self.table.wrong(kind.value, f"{error} {_SANE}")
            return None
        if LEAST <= each <= MOST or (each.usd == 0 and (self.own or kind in _MAY_BE_FREE)):
            return each
        self.table.wrong(
            kind.value,
            f"{text} is no price of a million tokens in dollars. {_SANE}{_meant(each)}",
        )
        return None

    def _fee(self) -> Money | None:
        text = self.table.optional_text("per_request", mistyped=_AS_TEXT)
        if text is None:
            return None
        try:
            fee = Money.of(text)
        except ValueError as error:
            self.table.wrong("per_request", str(error))
            return None
        if not Money.of(0) < fee <= _MOST_FEE:
            self.table.wrong("per_request", f"must be more than $0 and at most {_MOST_FEE} for one request, not {fee}.")
        return fee

    def _factors(self, key: str, allowed: tuple[str, ...] | None) -> list[tuple[str, Decimal]]:
        found: list[tuple[str, Decimal]] = []
        for name, text in self.table.mapping(key).items():
            if allowed is not None and name not in allowed:
                self.table.wrong(key, f"'{name}' is none of {', '.join(allowed)}.")
                continue
            factor = PricePerMillion.of(text).usd if text.replace(".", "", 1).isdigit() else Decimal(0)
            if not _LEAST_FACTOR <= factor <= _MOST_FACTOR:
                self.table.wrong(key, f"{name} = '{text}' is no multiplier from {_LEAST_FACTOR} to {_MOST_FACTOR}.")
                continue
            found.append((name, factor))
        return found


_TIERS = tuple(tier.value for tier in Tier)


def _meant(each: PricePerMillion) -> str:
    """The price of a million, where that of one token was written."""
    million = each.times(_MILLION)
    likely = each < LEAST and LEAST <= million <= MOST
    return f" If it is the price of one token, write '{plain(million.usd)}'." if likely else ""


def _multiplied(row: PriceRow, tier: Tier, region: str, factor: Decimal, *, own: bool) -> PriceRow:
    """The row at another tier and region, and with its id."""
    prices = row.prices if factor == 1 else {kind: each.times(factor) for kind, each in row.prices.items()}
    made = replace(row, key=replace(row.key, tier=tier, region=region), prices=prices)
    return replace(made, id=_row_id(made) + (";own" if own else ""))


def _row_id(row: PriceRow) -> str:
    """`openai/gpt-5.5@2026-04-24T00:00Z;batch;us;>272000`: all that sets a row apart, nothing that can be corrected."""
    parts = [f"{row.key.channel}/{row.key.model}@{shown(row.effective_from)}"]
    if row.key.tier is not Tier.STANDARD:
        parts.append(row.key.tier.value)
    if row.key.region != GLOBAL:
        parts.append(row.key.region)
    if row.above:
        parts.append(f">{row.above}")
    if row.schedule is not None:
        parts.append(f"{'in' if row.inside else 'out'}:{row.schedule.name}")
    return ";".join(parts)


def refuse_overlaps(placed: Iterable[Placed]) -> None:
    """Two rows that can both be in force for the same request are a problem of the later one."""
    by_key: dict[tuple[str, str, str, Tier], list[Placed]] = {}
    for each in placed:
        key = each.row.key
        for name in (key.model, *each.row.aliases):
            by_key.setdefault((name, key.channel, key.region, key.tier), []).append(each)
    for rows in by_key.values():
        for (_, one), (table, other) in combinations(rows, 2):
            if _overlap(one, other):
                table.wrong("", f"the row {other.id} overlaps {one.id}: both would hold for the same request.")


def _overlap(one: PriceRow, other: PriceRow) -> bool:
    """Whether dates and bands meet, and the hours are not each other's opposite."""
    apart = (
        (one.effective_to is not None and one.effective_to <= other.effective_from)
        or (other.effective_to is not None and other.effective_to <= one.effective_from)
        or (one.up_to is not None and one.up_to <= other.above)
        or (other.up_to is not None and other.up_to <= one.above)
    )
    same_hours = one.schedule is not None and one.schedule == other.schedule
    return not apart and not (same_hours and one.inside is not other.inside)
