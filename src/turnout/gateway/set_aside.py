"""What a call sets aside before it is sent: the most that it can cost, and how that was reckoned. Pure; the same for a
call that is made and for one that is only explained. Knows no budget.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from turnout.catalogue.highest import Bounds, bounds
from turnout.catalogue.model import Catalogue, Deployment
from turnout.catalogue.service import NO_WORDS, Words
from turnout.catalogue.tariff import PriceKey
from turnout.gateway.intake import Intake
from turnout.gateway.reckoning import asked_words, key_of, most_output, names_cache_control, service_of
from turnout.ledger.ratios_live import LiveRatios


class SetAside(NamedTuple):
    """Of one call at one deployment."""

    asked: Words
    key: PriceKey | None
    """What the price was looked up by; None where the words for the service are not known."""
    input_tokens: int
    """The prompt as we count it for this model, without the margin."""
    max_output: int
    bounds: Bounds


def set_aside(
    intake: Intake,
    deployment: Deployment,
    catalogue: Catalogue,
    now: datetime,
    *,
    ratios: LiveRatios,
    hold_output: int | None,
) -> SetAside:
    """`hold_output`: for a request that names no maximum."""
    asked = asked_words(intake)
    bought, _ = service_of(catalogue.prices, deployment, NO_WORDS, asked, now)
    key = key_of(deployment, bought)
    tokens = ratios.tokens(intake.features.input_tokens, model=deployment.model, content=intake.content)
    output = most_output(intake, deployment, hold_output)
    if key is None:
        unknown = bought.unpriced()
        return SetAside(asked, None, tokens, output, Bounds(unknown, unknown))
    found = bounds(
        catalogue.prices,
        key,
        now,
        input_tokens=tokens,
        max_output=output,
        writes_cache=deployment.provider.preset != "anthropic" or names_cache_control(intake.raw),
    )
    return SetAside(asked, key, tokens, output, found)
