"""The most that a request can cost, before it is sent: what a budget sets aside. Pure, and on every request's way.

The prompt was counted by us and not by the provider, whose count may be higher. So the bound holds for every input of
up to a fifth more than our count, at the dearest of the bands that such an input can be in.

`bounds` is what a request's way takes, in whole nanodollars; `ceiling` and `prompt_cost` say the same in exact money,
and a test holds them equal.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from turnout.catalogue.tariff import PriceBook, PriceKey, PriceRow, Unknown, UnknownPrice
from turnout.catalogue.usage_classes import TokenClass
from turnout.catalogue.whole_prices import whole_of
from turnout.core.money import Money, PricePerMillion, Tokens

_FIFTH = 5
_NOTHING = PricePerMillion(Decimal(0))
_WRITES = (TokenClass.CACHE_WRITE, TokenClass.CACHE_WRITE_1H)


def with_margin(input_tokens: int) -> int:
    """Our count and a fifth of it, rounded up: what the provider may count."""
    return input_tokens + -(-input_tokens // _FIFTH)


def ceiling(
    book: PriceBook, key: PriceKey, at: datetime, *, input_tokens: int, max_output: int, writes_cache: bool = True
) -> Money | UnknownPrice:
    """The most that one answer costs at the tariff in force, in dollars. `input_tokens` is our own count; `max_output`
    holds for all choices together. `writes_cache` is False only where a write must be asked for and is not: some
    providers write to their caches unasked and bill it."""
    rows = _reachable(book, key, at, input_tokens)
    if isinstance(rows, UnknownPrice):
        return rows
    most = None
    for row in rows:
        output = _output(row) if max_output else _NOTHING
        if output is None:
            return UnknownPrice(
                reason=Unknown.CLASS, message=f"The row {row.id} has no price for output, and there may be some."
            )
        cost = Tokens(with_margin(input_tokens)) * _input(row, writes_cache) + Tokens(max_output) * output
        if row.per_request is not None:
            cost += row.per_request
        if most is None or cost > most:
            most = cost
    assert most is not None, "a row fits our own count"
    return most


def prompt_cost(book: PriceBook, key: PriceKey, at: datetime, input_tokens: int) -> Money | UnknownPrice:
    """The prompt alone at the plain price of input: what is certainly lost where a call is made and never heard of."""
    rows = book.in_force(key, at)
    if isinstance(rows, UnknownPrice):
        return rows
    row = next((row for row in rows if row.fits(input_tokens)), None)
    return _no_band(key, input_tokens) if row is None else Tokens(input_tokens) * row.prices[TokenClass.INPUT]


class Bounds(NamedTuple):
    """What to set aside for a call, in nanodollars."""

    most: int | UnknownPrice
    """As `ceiling`."""
    sunk: int | UnknownPrice
    """As `prompt_cost`."""


def bounds(
    book: PriceBook, key: PriceKey, at: datetime, *, input_tokens: int, max_output: int, writes_cache: bool = True
) -> Bounds:
    """Both amounts, for every request."""
    rows = _reachable(book, key, at, input_tokens)
    if isinstance(rows, UnknownPrice):
        return Bounds(rows, rows)
    whole = [whole_of(book, row) for row in rows]
    sunk = next(each for each in whole if each.row.fits(input_tokens)).prompt(input_tokens)
    dearest, most = with_margin(input_tokens), 0
    for each in whole:
        amount = each.most(dearest, max_output, writes_cache=writes_cache)
        if isinstance(amount, UnknownPrice):
            return Bounds(amount, sunk)
        most = max(most, amount)
    return Bounds(most, sunk)


def _reachable(book: PriceBook, key: PriceKey, at: datetime, input_tokens: int) -> list[PriceRow] | UnknownPrice:
    """The rows of the bands that the input may be in. Its own must be one of them."""
    rows = book.in_force(key, at)
    if isinstance(rows, UnknownPrice):
        return rows
    if not any(row.fits(input_tokens) for row in rows):
        return _no_band(key, input_tokens)
    most = with_margin(input_tokens)
    return [row for row in rows if row.above < most or row.above == 0]


def _no_band(key: PriceKey, input_tokens: int) -> UnknownPrice:
    return UnknownPrice(
        reason=Unknown.SIZE, message=f"No price of {key} is known for an input of {input_tokens} tokens."
    )


def _input(row: PriceRow, writes_cache: bool) -> PricePerMillion:
    """The dearest that an input token can be."""
    dearest = row.prices[TokenClass.INPUT]
    if writes_cache:
        for kind in _WRITES:
            price = row.prices.get(kind)
            if price is not None and price > dearest:
                dearest = price
    return dearest


def _output(row: PriceRow) -> PricePerMillion | None:
    """The dearest that an output token can be; None where it has no price."""
    output, reasoning = row.prices.get(TokenClass.OUTPUT), row.prices.get(TokenClass.REASONING)
    return max(output, reasoning) if output is not None and reasoning is not None else output
