"""What kind of service an answer was given by, in the words of providers, as the tier and region of a price.

    bought = service(said=Words(tier=usage.service_tier, speed=usage.speed, geo=usage.inference_geo), asked=...)

What the answer says decides; where it is silent, what the request asked for; where both are, it is the usual service.
A word that is not in these tables is not the usual service: its tier is None, and the price is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from turnout.catalogue.tariff import Tier, Unknown, UnknownPrice

_TIERS = {
    # OpenAI https://developers.openai.com/api/docs/api-reference/responses/create: `auto` is the project's choice,
    # which is the usual service unless somebody chose otherwise; `fast` is asked for, and `priority` is answered.
    # `scale` is bought by the unit, not by the token.
    "default": Tier.STANDARD,
    "auto": Tier.STANDARD,
    "flex": Tier.FLEX,
    "priority": Tier.PRIORITY,
    "fast": Tier.PRIORITY,
    "batch": Tier.BATCH,
    # Anthropic https://platform.claude.com/docs/en/api/service-tiers; DeepSeek says `standard` on its endpoint of that
    # dialect and nothing on the other.
    "standard": Tier.STANDARD,
    "standard_only": Tier.STANDARD,
    # Groq https://console.groq.com/docs/service-tiers
    "on_demand": Tier.STANDARD,
    # Gemini's words are read in its dialect. What is left, such as provisioned throughput, is not bought by the token.
}
_NOWHERE = ("not_available", "global")
"""Anthropic's words for models without a choice, and for no choice:
https://platform.claude.com/docs/en/build-with-claude/data-residency"""


class Words(NamedTuple):
    """What a request or an answer says of the service; None: nothing."""

    tier: str | None = None
    speed: str | None = None
    """Anthropic's `speed`: https://platform.claude.com/docs/en/build-with-claude/fast-mode"""
    geo: str | None = None
    """Anthropic's `inference_geo`."""


@dataclass(frozen=True, slots=True)
class Service:
    """What was bought."""

    tier: Tier | None
    """None: the words are not known, and so is the price."""
    region: str | None = None
    """Where inference ran; None: nobody said, or nobody chose."""
    unknown: str = ""
    """The words, where they are not known."""

    def unpriced(self) -> UnknownPrice:
        """The answer to what it costs, where the words are not known."""
        return UnknownPrice(reason=Unknown.KEY, message=f"The service '{self.unknown}' has no price for a token.")


NO_WORDS = Words()


def service(*, said: Words = NO_WORDS, asked: Words = NO_WORDS) -> Service:
    """What an answer was given by, as it says; or what is asked for, before there is one."""
    tier, speed, geo = (said_word or asked_word for said_word, asked_word in zip(said, asked, strict=True))
    region = None if geo is None or geo in _NOWHERE else geo
    found = Tier.STANDARD if tier is None else _TIERS.get(tier)
    if found is None:
        return Service(None, region, str(tier)[:_LONGEST])
    if speed is None or speed == "standard":
        return Service(found, region)
    if speed == "fast" and found is Tier.STANDARD:
        return Service(Tier.FAST, region)
    return Service(None, region, f"{tier or 'standard'}, speed {speed}"[:_LONGEST])


_LONGEST = 80
"""Letters of a word that is shown. It is the provider's, and may be anything."""
