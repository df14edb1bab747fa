"""The prices and the tokenizer ratios that a simulation uses: the configuration's, and which version they are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import click

from turnout.catalogue.tariff import PriceBook
from turnout.cli.loaded import load_config
from turnout.core.errors import TurnoutError
from turnout.planning.candidate import Service, read_candidate
from turnout.planning.whatif import Ratio, RatioOf, same_tokens


class PricesInUse(NamedTuple):
    """A price book and its version."""

    book: PriceBook
    version: str


def prices_in_use(config: Path | None) -> PricesInUse:
    """The shipped prices with the operator's over them, as a server would load them."""
    try:
        catalogue = load_config(config).catalogue
    except TurnoutError as error:
        raise click.ClickException(error.message) from error
    return PricesInUse(catalogue.prices, catalogue.price_version)


def ratios_from(book: PriceBook, counted_by: str | None) -> RatioOf:
    """How many tokens each candidate makes of one that `counted_by` counted. Raises ValueError for an unknown model."""
    if counted_by is None:
        return same_tokens
    read_candidate(counted_by, book, Service())
    return lambda _: Ratio(Fraction(1), f"no ratio to {counted_by} is known: one token for one")
