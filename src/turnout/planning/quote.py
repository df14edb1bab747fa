"""What a recorded call would cost by another tariff, in whole nanodollars, as the ledger would have written it.

In integers (`catalogue.whole_prices`): a hundred thousand calls a second are not priced with decimals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

from turnout.catalogue.tariff import PriceRow, Unknown, UnknownPrice
from turnout.catalogue.whole_prices import WholePrices
from turnout.ledger.rows import to_ms
from turnout.planning.timeline import Stretch, Timeline


class Cache(Enum):
    """What becomes of a prompt cache when a call moves."""

    KEEP = "keep"
    """As many tokens are read from it and written to it."""
    LOST = "lost"
    """All input is paid in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """How a call's counts change on its way to another tariff."""

    cache: Cache | Fraction = Cache.KEEP
    """A fraction: so much of each input is read from a cache, whatever was recorded."""
    reasoning: bool = True
    """False: reasoning tokens are left out."""
    ratio: Fraction = Fraction(1)
    """How many tokens become of one that was recorded."""
    lenient: bool = True
    """Cache writes that the tariff has no price for are paid as input. False: their cost is not known."""

    def counts(
        self, input_: int, cached: int, write: int, write_1h: int, output: int, reasoning: int
    ) -> tuple[int, int, int, int, int, int]:
        """The six classes, of counts in the ledger's convention."""
        if self.ratio != 1:
            input_, cached, write, write_1h, output, reasoning = (
                self._rounded(each) for each in (input_, cached, write, write_1h, output, reasoning)
            )
        if not self.reasoning:
            output, reasoning = output - reasoning, 0
        if self.cache is Cache.LOST:
            return input_, 0, 0, 0, output - reasoning, reasoning
        if isinstance(self.cache, Fraction):
            read = input_ * self.cache.numerator // self.cache.denominator
            return input_ - read, read, 0, 0, output - reasoning, reasoning
        return max(input_ - cached - write, 0), cached, write - write_1h, write_1h, output - reasoning, reasoning

    def _rounded(self, count: int) -> int:
        """Half up: a whole rounds to no less than its part."""
        top, bottom = self.ratio.numerator, self.ratio.denominator
        return (2 * count * top + bottom) // (2 * bottom)


class Priced(NamedTuple):
    """Nanodollars of a call."""

    nano: int
    cheap_nano: int
    """On the cheaper side of the tariff's hours."""
    row: str


class Quote:
    """One tariff for calls that move to it in one way. Remembers the stretch of time of the last call."""

    __slots__ = ("_bands", "_line", "_others", "_rows", "end_ms", "move", "start_ms")

    def __init__(self, line: Timeline, move: Move) -> None:
        self.move = move
        self._line = line
        self._bands: dict[int, WholePrices] = {}
        self._rows: tuple[PriceRow, ...] | UnknownPrice = ()
        self._others: tuple[PriceRow, ...] = ()
        self.start_ms = self.end_ms = 0

    def price(self, started_ms: int, recorded: Sequence[int]) -> Priced | UnknownPrice:
        """What a call costs that began then, of its six counts in the ledger's convention."""
        if not self.start_ms <= started_ms < self.end_ms:
            self._seek(self._line.at_ms(started_ms))
        rows = self._rows
        if isinstance(rows, UnknownPrice):
            return rows
        counts = self.move.counts(*recorded)
        size = counts[0] + counts[1] + counts[2] + counts[3]
        here = self._fitting(rows, size)
        if here is None:
            return UnknownPrice(
                reason=Unknown.SIZE, message=f"{rows[0].key} has no price for an input of {size} tokens."
            )
        nano = here.cost(counts)
        if isinstance(nano, UnknownPrice):
            return nano
        other = self._fitting(self._others, size) if self._others else None
        across = nano if other is None else other.cost(counts)
        if isinstance(across, UnknownPrice):
            return across
        return Priced(nano, min(nano, across), here.row.id)

    def _seek(self, stretch: Stretch) -> None:
        self.start_ms, self.end_ms = to_ms(stretch.span.start), to_ms(stretch.span.end)
        self._rows, self._others = stretch.rows, stretch.others

    def _fitting(self, rows: tuple[PriceRow, ...], size: int) -> WholePrices | None:
        for row in rows:
            if (row.above < size or row.above == 0) and (row.up_to is None or size <= row.up_to):
                band = self._bands.get(id(row))
                if band is None:
                    band = self._bands[id(row)] = WholePrices(row, lenient=self.move.lenient)
                return band
        return None
