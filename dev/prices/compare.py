"""Puts every shipped row that holds at an instant to every table, class by class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from turnout.catalogue.tariff import ANY_MODEL, GLOBAL, PriceBook, PriceKey, PriceRow, UnknownPrice

from .quote import Prices, Question, Source

_FAR = 1_000_000
"""How far above its step a band without an end is asked for once more: a table may have another step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A price that a table states otherwise."""

    row: PriceRow
    kind: str
    size: int
    ours: Decimal
    source: str
    theirs: Decimal

    @property
    def noted(self) -> bool:
        """Whether our row says that it knows: by the table's name in its note."""
        return self.source in self.row.note

    def __str__(self) -> str:
        known = "noted" if self.noted else "NOT NOTED"
        return (
            f"{self.row.id} {self.kind} at {self.size} tokens: {self.ours:f} here, {self.theirs:f} in {self.source} "
            f"({known})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One name at one channel."""

    channel: str
    model: str
    agreed: tuple[str, ...]
    """Tables that state a price of it, and only the same ones."""
    differences: tuple[Difference, ...]

    @property
    def verdict(self) -> str:
        """agree, disagree, or only-here."""
        return "disagree" if self.differences else "agree" if self.agreed else "only-here"


def compare(book: PriceBook, sources: Sequence[Source], at: datetime) -> Iterator[Compared]:
    """Every name that has a price at the instant."""
    for channel, model in sorted(book.rows):
        rows = [] if model == ANY_MODEL else _rows(book, channel, model, at)
        if rows:
            yield _compared(channel, model, rows, sources, at)


def only_there(book: PriceBook, sources: Sequence[Source]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Channel, name and tables of what two or more of them price and we do not."""
    for channel in sorted({channel for channel, _ in book.rows}):
        known = {name for seller, name in book.rows if seller == channel}
        listed: dict[str, list[str]] = {}
        for source in sources:
            for name in source.models(channel) - known:
                listed.setdefault(name, []).append(source.name)
        for name, names in sorted(listed.items()):
            if len(names) > 1:
                yield channel, name, tuple(names)


def _rows(book: PriceBook, channel: str, model: str, at: datetime) -> list[PriceRow]:
    """Of every tier; regional prices are a multiple of these, and one table alone has them."""
    tiers = {row.key.tier for row in book.rows[channel, model] if row.key.region == GLOBAL}
    found: list[PriceRow] = []
    for tier in sorted(tiers, key=lambda each: each.value):
        rows = book.in_force(PriceKey(model=model, channel=channel, tier=tier), at)
        if not isinstance(rows, UnknownPrice):
            found += rows
    return found


def _compared(channel: str, model: str, rows: Sequence[PriceRow], sources: Sequence[Source], at: datetime) -> Compared:
    agreed: dict[str, None] = {}
    differences: list[Difference] = []
    for row in rows:
        for size in (row.above + 1, row.up_to or row.above + _FAR):
            question = Question(channel=channel, model=model, tier=row.key.tier, size=size, at=at)
            for source in sources:
                found, shared = _differences(row, source, source.ask(question), size)
                differences += found
                if shared:
                    agreed[source.name] = None
    unlike = {each.source for each in differences}
    once = {(each.row.id, each.kind, each.source): each for each in reversed(differences)}
    return Compared(
        channel=channel,
        model=model,
        agreed=tuple(name for name in agreed if name not in unlike),
        differences=tuple(reversed(once.values())),
    )


def _differences(row: PriceRow, source: Source, theirs: Prices, size: int) -> tuple[list[Difference], bool]:
    """Where both state a price and not the same one; and whether both state any."""
    found: list[Difference] = []
    shared = [kind for kind in row.prices if kind in theirs]
    for kind in shared:
        ours = row.prices[kind].usd
        if ours != theirs[kind]:
            found.append(
                Difference(
                    row=row, kind=kind.value, size=size, ours=ours, source=source.name, theirs=theirs[kind].normalize()
                )
            )
    return found, bool(shared)
