"""What could do the work: a model of the price list, or prices that stand in the question.

openai/gpt-5.5@flex@us      a channel, a model, a tier, a region; all but the model may be left out
V4-Pro old=1.74/3.48/0.0145 a name, and dollars for a million tokens: in/out, or in/out/cached
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from turnout.catalogue.price_rows import LEAST, MOST
from turnout.catalogue.tariff import GLOBAL, PriceBook, PriceKey, PriceRow, Tier
from turnout.catalogue.usage_classes import TokenClass
from turnout.core.money import PricePerMillion
from turnout.core.names import did_you_mean

GIVEN = "given"
"""The channel of prices that stand in the question."""
_TIERS = {tier.value: tier for tier in Tier}
_PRICE = re.compile(r"(.+)=([^=]+)")
_CLASSES = (TokenClass.INPUT, TokenClass.OUTPUT, TokenClass.CACHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A price key, and the book that it is looked up in."""

    label: str
    """As it was asked for."""
    key: PriceKey
    book: PriceBook

    @property
    def given(self) -> bool:
        """Whether its prices are the question's own."""
        return self.key.channel == GIVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Tier and region of candidates that don't name their own."""

    tier: Tier = Tier.STANDARD
    region: str = GLOBAL


def read_candidate(text: str, book: PriceBook, service: Service) -> Candidate:
    """A model of the price list, such as `openai/gpt-5.5@flex`. Raises ValueError with near names."""
    name, service = read_service(text, service)
    channel, model = _seller(name, book)
    key = PriceKey(model=model, channel=channel, region=service.region, tier=service.tier)
    return Candidate(label=text.strip(), key=key, book=book)


def read_service(text: str, service: Service) -> tuple[str, Service]:
    """The name before the first `@`, and what the words behind it say."""
    name, *words = text.strip().split("@")
    for word in words:
        if word in _TIERS:
            service = replace(service, tier=_TIERS[word])
        elif re.fullmatch(r"[a-z][a-z0-9-]*", word):
            service = replace(service, region=word)
        else:
            raise ValueError(f"'@{word}' is no tier ({', '.join(_TIERS)}) and no region, such as us.")
    return name, service


def _seller(name: str, book: PriceBook) -> tuple[str, str]:
    first, _, rest = name.partition("/")
    if (first, rest) in book.rows:
        return first, rest
    sellers = book.channels_of(name)
    if len(sellers) == 1:
        return sellers[0], name
    if sellers:
        choice = ", ".join(f"{seller}/{name}" for seller in sellers)
        raise ValueError(f"Several sell '{name}'. Name one of: {choice}.")
    longer = [each for each in book.models() if each.startswith(name)]
    hint = f"There are: {', '.join(longer)}." if longer else did_you_mean(name, book.models())
    raise ValueError(f"No price of '{name}' is known. {hint}".rstrip())


def read_price(text: str, today: date) -> Candidate:
    """Prices in the question, such as `V4-Pro old=1.74/3.48`. Raises ValueError."""
    match = _PRICE.fullmatch(text.strip())
    amounts = match[2].split("/") if match else []
    if match is None or len(amounts) not in (2, 3):
        raise ValueError(f"'{text}' is no price. Write NAME=in/out or NAME=in/out/cached, such as V4-Pro=1.74/3.48.")
    prices = {kind: _dollars(text, each.strip()) for kind, each in zip(_CLASSES, amounts, strict=False)}
    cached = prices.get(TokenClass.CACHED)
    if cached is not None and cached > prices[TokenClass.INPUT]:
        raise ValueError(f"In '{text}' cached input is dearer than input.")
    label = match[1].strip()
    key = PriceKey(model=label, channel=GIVEN)
    row = PriceRow(
        id=f"{GIVEN}/{match[1].strip()}={'/'.join(each.strip() for each in amounts)}",
        key=key,
        effective_from=datetime.min.replace(tzinfo=UTC),
        prices=prices,
        source="the question",
        verified=today,
    )
    return Candidate(label=label, key=key, book=PriceBook.of([row]))


def _dollars(text: str, amount: str) -> PricePerMillion:
    try:
        price = PricePerMillion.of(amount)
    except ValueError as error:
        raise ValueError(f"In '{text}': {error}") from None
    if not LEAST <= price <= MOST:
        raise ValueError(
            f"In '{text}', {amount} is no price of a million tokens in dollars: those lie between {LEAST} and {MOST}."
        )
    return price
