"""Which price holds for a deployment: the seller that is paid, and the key to look its price up by.

    key = price_key(deployment, tier=service.tier, region=service.region)

A name is looked up as it stands. That `claude-opus-4-7-20260416` costs what `claude-opus-4-7` does is for rows to say,
never for this module to guess.
"""

from __future__ import annotations

from dataclasses import replace

from turnout.catalogue.address import host_of, is_private_host
from turnout.catalogue.model import Deployment
from turnout.catalogue.presets import Preset
from turnout.catalogue.tariff import GLOBAL, SELF_HOSTED, PriceBook, PriceKey, Tier

_CLOUD = ("-cloud", ":cloud")
"""Models that an Ollama on one's own machine hands on to ollama.com, which bills them. https://docs.ollama.com/cloud"""


def priced(deployment: Deployment, preset: Preset, book: PriceBook) -> Deployment:
    """The deployment with its seller: the operator's own prices for this provider, else those of own machines, else the
    vendor's. Where nobody has prices it is the vendor all the same, and the price is not known."""
    provider = deployment.provider
    if book.owns(provider.name, deployment.model):
        channel = provider.name
    else:
        channel = SELF_HOSTED if _is_own_machine(deployment) else preset.name
    region = preset.price_regions.get(host_of(provider.base_url), GLOBAL)
    return replace(deployment, channel=channel, price_region=region)


def _is_own_machine(deployment: Deployment) -> bool:
    """The embedded model; a server of the self-hosted kinds at an address that only we can reach; or what the operator
    declares to run on own machines. A server at a public address may be rented by the token, so its price is not known
    until the operator writes it."""
    provider = deployment.provider
    if provider.embedded:
        return True
    if provider.preset == "ollama" and deployment.model.endswith(_CLOUD):
        return False
    if deployment.data.jurisdiction == "self":
        return True
    return provider.self_hosted and is_private_host(host_of(provider.base_url))


def price_key(deployment: Deployment, *, tier: Tier = Tier.STANDARD, region: str | None = None) -> PriceKey:
    """What to look up. `region` is where the answer says that inference ran; None: it does not say, and then it is
    where the provider's address leads."""
    channel = deployment.channel or deployment.provider.name
    if channel == SELF_HOSTED:
        return PriceKey(model=deployment.model, channel=channel)
    return PriceKey(model=deployment.model, channel=channel, region=region or deployment.price_region, tier=tier)
