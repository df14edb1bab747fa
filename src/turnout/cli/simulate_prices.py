"""The prices and the tokenizer ratios that a simulation uses: the configuration's, and which version they are."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import click

from turnout.catalogue.ratios import Learned, Ratios
from turnout.catalogue.tariff import PriceBook, PriceKey
from turnout.cli.amounts import share_text
from turnout.cli.loaded import load_config
from turnout.core.errors import TurnoutError
from turnout.planning.candidate import GIVEN, Service, read_candidate
from turnout.planning.traffic import RatioFrom
from turnout.planning.whatif import Ratio, RatioOf, same_tokens

_MANY = 10**6
"""Tokens of a text whose tokens are converted, so that a ratio has six digits."""


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


def ratios_from(book: PriceBook, counted_by: str | None, content: str) -> RatioOf:
    """How many tokens each candidate makes of one that `counted_by` counted. Raises ValueError for an unknown model."""
    if counted_by is None:
        return same_tokens
    here = read_candidate(counted_by, book, Service()).key.model
    convert = ratios_of()
    return lambda candidate: convert(here, candidate.key, content)


def ratios_of(learned: Iterable[Learned] = ()) -> RatioFrom:
    """How many tokens a target makes of one that another model counted, by what the text is made of: the shipped
    priors, drawn towards what was learned from calls."""
    ratios = Ratios.of(learned)

    def ratio(model: str, key: PriceKey, content: str) -> Ratio:
        if key.channel == GIVEN:
            return Ratio(Fraction(1), "a price in the question has no tokenizer, so nothing is converted")
        if key.model == model:
            return Ratio(Fraction(1), "the same model")
        found = ratios.convert(_MANY, from_model=model, to_model=key.model, content=content)
        bounds = (
            "" if found.low == found.high else f", 9 of 10 texts from {_rounded(found.low)} to {_rounded(found.high)}"
        )
        return Ratio(Fraction(found.tokens, _MANY), f"{found.source}{bounds}")

    return ratio


def _rounded(tokens: int) -> str:
    return share_text(Fraction(tokens, _MANY), 2)
