"""What is asked of a table of prices, and how it answers. Knows no table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from turnout.catalogue.tariff import Tier
from turnout.catalogue.usage_classes import TokenClass

Prices = Mapping[TokenClass, Decimal]
"""Dollars for a million tokens, of the classes that the table knows. A 0 is left out: it means 'not told'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One price list of a model, for an input of a size, at an instant."""

    channel: str
    model: str
    tier: Tier
    size: int
    """Input tokens, cached ones included."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A table."""

    name: str
    """As our notes call it."""
    ask: Callable[[Question], Prices]
    """The prices; empty where it knows none."""
    models: Callable[[str], Set[str]]
    """The names that it knows at a channel."""


def known(prices: Mapping[TokenClass, Decimal | None]) -> Prices:
    """Without what is not told."""
    return {kind: price for kind, price in prices.items() if price}
