"""What a number of tokens is worth at our prices: how much a difference of counts weighs. An estimate of its weight,
not a bill: the row that priced most of our entries stands for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time

from turnout.catalogue.tariff import PriceBook, PriceKey, PriceRow, Tier, UnknownPrice
from turnout.catalogue.usage_classes import TokenClass
from turnout.core.money import Money, Tokens
from turnout.planning.exports.row import Measure
from turnout.planning.reconcile_sides import Key, Ours

_CLASSES = {
    Measure.INPUT: TokenClass.INPUT,
    Measure.UNCACHED: TokenClass.INPUT,
    Measure.CACHED: TokenClass.CACHED,
    Measure.CACHE_WRITE: TokenClass.CACHE_WRITE,
    Measure.CACHE_WRITE_1H: TokenClass.CACHE_WRITE_1H,
    Measure.OUTPUT: TokenClass.OUTPUT,
}
"""Reasoning is a part of the output, and a request has no price: neither has a weight of its own."""
_TIERS = {tier.value: tier for tier in Tier}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Prices to weigh with."""

    book: PriceBook
    channel: str | None
    by_id: Mapping[str, PriceRow]

    @classmethod
    def of(cls, book: PriceBook, channel: str | None) -> Weights:
        """With the rows by their ids."""
        return cls(book=book, channel=channel, by_id={row.id: row for rows in book.rows.values() for row in rows})

    def weight(self, key: Key, ours: Ours | None, measure: Measure, tokens: int) -> Money | None:
        """Dollars for so many tokens more, or fewer where the number is negative; None where no price is known."""
        kind = _CLASSES.get(measure)
        row = self._row(key, ours)
        price = None if kind is None or row is None else row.price_of(kind)
        if price is None:
            return None
        worth = Tokens(abs(tokens)) * price
        return worth if tokens >= 0 else Money.of(0) - worth

    def _row(self, key: Key, ours: Ours | None) -> PriceRow | None:
        for row_id, _ in ours.price_rows.most_common() if ours is not None else ():
            if row_id in self.by_id:
                return self.by_id[row_id]
        if key.model is None or self.channel is None:
            return None
        tier = _TIERS.get(key.tier or Tier.STANDARD.value, Tier.STANDARD)
        noon = datetime.combine(key.day, time(12), tzinfo=UTC)
        rows = self.book.in_force(PriceKey(model=key.model, channel=self.channel, tier=tier), noon)
        return None if isinstance(rows, UnknownPrice) or not rows else rows[0]
