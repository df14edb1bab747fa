"""A row's prices in whole numbers, for whoever prices on the way of a request or a hundred thousand calls a second.

The same product and the same rounding as `tariff.price` and `Money.nanodollars`: prices become whole numbers over one
denominator, and the sum of a call is rounded once, half to even. A test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from turnout.catalogue.tariff import PriceBook, PriceKey, PriceRow, Unknown, UnknownPrice
from turnout.catalogue.usage_classes import TokenClass

CLASSES = tuple(TokenClass)
"""The order of a call's counts, each token once."""
_WRITES = (CLASSES.index(TokenClass.CACHE_WRITE), CLASSES.index(TokenClass.CACHE_WRITE_1H))
_OUTPUT = CLASSES.index(TokenClass.OUTPUT)
_NANO_PER_TOKEN = 1000
"""Nanodollars for a token, of a dollar for a million."""
_NANO = 10**9


class WholePrices:
    """A row in whole numbers."""

    __slots__ = ("_bottom", "_fee", "_missing", "_prices", "row")

    def __init__(self, row: PriceRow, *, lenient: bool = False) -> None:
        """`lenient`: cache writes that the row has no price for are paid as input."""
        found = [None if (each := row.price_of(kind)) is None else Fraction(each.usd) for kind in CLASSES]
        if lenient:
            for place in _WRITES:
                found[place] = found[0] if found[place] is None else found[place]
        nano = [None if each is None else each * _NANO_PER_TOKEN for each in found]
        fee = Fraction(0) if row.per_request is None else Fraction(row.per_request.usd) * _NANO
        self.row = row
        self._bottom = lcm(fee.denominator, *(each.denominator for each in nano if each is not None))
        self._prices = tuple(0 if each is None else int(each * self._bottom) for each in nano)
        self._missing = tuple(place for place, each in enumerate(nano) if each is None)
        self._fee = int(fee * self._bottom)

    def cost(self, counts: Sequence[int]) -> int | UnknownPrice:
        """Nanodollars of one call, of its counts in the order of CLASSES."""
        plain, cached, write, write_1h, output, reasoning = counts
        for place in self._missing:
            if counts[place]:
                return UnknownPrice(
                    reason=Unknown.CLASS,
                    message=f"The row {self.row.id} has no price for {CLASSES[place].value}: {counts[place]} tokens.",
                )
        a, b, c, d, e, f = self._prices
        return self._rounded(plain * a + cached * b + write * c + write_1h * d + output * e + reasoning * f + self._fee)

    def most(self, input_tokens: int, output_tokens: int, *, writes_cache: bool) -> int | UnknownPrice:
        """Nanodollars of one call whose every token is of the dearest class that it can be of."""
        plain, _, write, write_1h, output, reasoning = self._prices  # 0 where there is none
        if output_tokens and _OUTPUT in self._missing:
            return UnknownPrice(
                reason=Unknown.CLASS, message=f"The row {self.row.id} has no price for output, and there may be some."
            )
        dearest = max(plain, write, write_1h) if writes_cache else plain
        return self._rounded(input_tokens * dearest + output_tokens * max(output, reasoning) + self._fee)

    def prompt(self, input_tokens: int) -> int:
        """Nanodollars of the input alone, none of it cached."""
        return self._rounded(input_tokens * self._prices[0])

    def _rounded(self, top: int) -> int:
        bottom = self._bottom
        if bottom == 1:
            return top
        whole, rest = divmod(top, bottom)
        return whole + 1 if 2 * rest > bottom or (2 * rest == bottom and whole & 1) else whole


class Nano(NamedTuple):
    """What a call costs."""

    row: PriceRow
    amount: int
    """Nanodollars."""


def price_nano(book: PriceBook, counts: Sequence[int], key: PriceKey, at: datetime) -> Nano | UnknownPrice:
    """As `tariff.price`, rounded as the ledger stores it. `counts` in the order of CLASSES, each token once."""
    rows = book.in_force(key, at)
    if isinstance(rows, UnknownPrice):
        return rows
    size = counts[0] + counts[1] + counts[2] + counts[3]
    row = next((row for row in rows if row.fits(size)), None)
    if row is None:
        return UnknownPrice(reason=Unknown.SIZE, message=f"No price of {key} is known for an input of {size} tokens.")
    amount = whole_of(book, row).cost(counts)
    return amount if isinstance(amount, UnknownPrice) else Nano(row, amount)


def whole_of(book: PriceBook, row: PriceRow) -> WholePrices:
    """A row of the book in whole numbers."""
    whole = book.whole.get(id(row))
    if whole is None:
        whole = book.whole[id(row)] = WholePrices(row)
    assert isinstance(whole, WholePrices), "nobody else keeps anything there"
    return whole
