"""From what a call came to, to what it cost: pure, and on every request's way.

Counts are the provider's where it gave any that can be true, else our own. What can't be priced is never 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from turnout.catalogue.model import Deployment
from turnout.catalogue.priced import price_key
from turnout.catalogue.service import NO_WORDS, Service, Words, service
from turnout.catalogue.tariff import SELF_HOSTED, PriceBook, PriceKey, Tier, Unknown, UnknownPrice
from turnout.catalogue.usage_classes import MOST_TOKENS, billable
from turnout.catalogue.whole_prices import Nano, price_nano
from turnout.gateway.intake import Intake
from turnout.wire.counts import MAX_TOKENS
from turnout.wire.neutral import Usage
from turnout.wire.odd_counts import odd_counts

UNKNOWN_OUTPUT = 32_768
"""Output tokens to set aside where neither the request nor the catalogue knows a maximum."""
_MOST_FLAGS = 8
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")
_USUAL = service()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a call came to."""

    usage: Usage
    """The provider's counts, with ours where its are missing."""
    own: Usage
    """Our own counts of what was sent and seen."""
    estimated: bool
    billed: bool
    """False: refused or never sent, so that nothing can have been charged."""


class Counts(NamedTuple):
    """Tokens of a call in the ledger's convention: parts are inside their wholes."""

    input: int
    cached: int
    cache_write: int
    cache_write_1h: int
    output: int
    reasoning: int

    @property
    def classes(self) -> tuple[int, int, int, int, int, int]:
        """Each token once, in the order of `whole_prices.CLASSES`."""
        whole, cached, write, write_1h, output, reasoning = self
        return whole - cached - write, cached, write - write_1h, write_1h, output - reasoning, reasoning


class Counted(NamedTuple):
    """The counts that are priced."""

    counts: Counts
    flags: list[str]
    """What was wrong with the provider's."""
    estimated: bool
    """Some are ours though the answer was whole."""


def asked_words(intake: Intake) -> Words:
    """What a request asks of the service."""
    body = intake.body
    tier, speed, geo = intake.request.service_tier, body.get("speed"), body.get("inference_geo")
    if tier == "batch":
        tier = None  # what is answered at once is no batch: a provider that does not refuse the word does not hear it
    if tier is None and speed is None and geo is None:
        return NO_WORDS
    return Words(tier=tier, speed=speed if isinstance(speed, str) else None, geo=geo if isinstance(geo, str) else None)


def key_of(deployment: Deployment, bought: Service) -> PriceKey | None:
    """What to look up; None where the words for the service are not known. Own machines have one service only."""
    if bought.tier is None and deployment.channel != SELF_HOSTED:
        return None
    return price_key(deployment, tier=bought.tier or Tier.STANDARD, region=bought.region)


def cost_of(
    book: PriceBook, counts: Counts, deployment: Deployment, bought: Service, at: datetime
) -> Nano | UnknownPrice:
    """What a call cost by the service that gave it."""
    key = key_of(deployment, bought)
    return bought.unpriced() if key is None else price_nano(book, counts.classes, key, at)


def service_of(
    book: PriceBook, deployment: Deployment, said: Words, asked: Words, at: datetime
) -> tuple[Service, bool]:
    """The service of an answer, and whether it is only assumed: a provider that sells no such tier as was asked for,
    and does not say what it gave, gave its usual one."""
    if asked is NO_WORDS and said == NO_WORDS:
        return _USUAL, False
    bought = service(said=said, asked=asked)
    if asked.tier is None or said.tier is not None or bought.tier in (None, Tier.STANDARD):
        return bought, False
    key = key_of(deployment, bought)
    rows = None if key is None else book.in_force(key, at)
    if not isinstance(rows, UnknownPrice) or rows.reason is not Unknown.KEY:
        return bought, False
    return service(said=said, asked=asked._replace(tier=None)), True


def served(book: PriceBook, deployment: Deployment, said: Words, asked: Words, at: datetime) -> tuple[Service, bool]:
    """As `service_of`, of an answer. Words of the request that nothing is sold by, and that the answer does not repeat,
    were not heard: else a caller could keep what it costs out of the books by a word that it made up."""
    bought, assumed = service_of(book, deployment, said, asked, at)
    if assumed or asked is NO_WORDS:
        return bought, assumed
    key, usual = key_of(deployment, bought), service(said=said)
    rows = None if key is None else book.in_force(key, at)
    unsold = key is None or (isinstance(rows, UnknownPrice) and rows.reason is Unknown.KEY)
    return (usual, True) if unsold and usual.tier is not None and usual != bought else (bought, False)


def counted(ending: Ending, operation: str) -> Counted:
    """Counts that can be priced."""
    usage = ending.usage
    given, output = usage.input_tokens, usage.output_tokens
    if output is None and operation == "embedding":
        output = 0
    flags = odd_counts(usage.raw)[:_MOST_FLAGS]
    if not (given and output):
        own = ending.own
        bad = _bad("input", given, own.input_tokens) + _bad("output", output, own.output_tokens)
        given, output = given or own.input_tokens or 0, output or own.output_tokens or 0
        if bad:
            return _repaired(usage, given, output, flags if ending.estimated else flags + bad, estimated=True)
    cached, write = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    write_1h, reasoning = usage.cache_write_1h_tokens or 0, usage.reasoning_tokens or 0
    plain = (
        cached >= 0
        and 0 <= write_1h <= write
        and cached + write <= given <= MOST_TOKENS
        and 0 <= reasoning <= output <= MOST_TOKENS
    )
    if plain:
        return Counted(Counts(given, cached, write, write_1h, output, reasoning), flags, False)
    return _repaired(usage, given, output, flags, estimated=False)


def _bad(name: str, count: int | None, own: int | None) -> list[str]:
    """What is wrong with a count of the provider's: there is none, or it is 0 where we saw words."""
    return [f"{name}_missing"] if count is None else [f"{name}_zero"] if count == 0 and own else []


def _repaired(usage: Usage, given: int, output: int, flags: list[str], *, estimated: bool) -> Counted:
    tokens = billable(
        input_tokens=given,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_tokens=output,
        reasoning_tokens=usage.reasoning_tokens,
    )
    counts = Counts(
        tokens.input.count,
        tokens.cached.count,
        tokens.cache_write.count,
        tokens.cache_write_1h.count,
        tokens.output.count,
        tokens.reasoning.count,
    )
    return Counted(counts, flags + sorted(flag.value for flag in tokens.flags), estimated)


def names_cache_control(raw: bytes) -> bool:
    """Whether a body may ask for a cache to be written. No serialiser escapes letters: who does hides a name."""
    return b'"cache_control"' in raw or _ESCAPED_LETTER.search(raw) is not None


def most_output(intake: Intake, deployment: Deployment, usual: int | None) -> int:
    """Output tokens that an answer can have, all choices together. `usual`: for a request that names no maximum."""
    features = intake.features
    if features.operation == "embedding":
        return 0
    room = deployment.max_output
    if room is None and deployment.context is not None:
        room = max(deployment.context - features.input_tokens, 1)
    asked = features.max_output or usual
    other = intake.body.get("max_tokens")  # beside `max_completion_tokens`, and the server chooses between them
    if asked is not None and type(other) is int:
        asked = max(asked, other)
    if asked is not None and room is not None:
        asked = min(asked, room)
    return min((asked or room or UNKNOWN_OUTPUT) * intake.request.charged_answers, MAX_TOKENS)
