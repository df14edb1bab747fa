"""Providers' words for a service, as tier and region."""

from __future__ import annotations

import pytest

from turnout.catalogue.service import Words, service
from turnout.catalogue.tariff import Tier, Unknown


@pytest.mark.parametrize(
    ("said", "asked", "tier", "region"),
    [
        (Words(), Words(), Tier.STANDARD, None),
        (Words("default"), Words("priority"), Tier.STANDARD, None),
        (Words(), Words("flex"), Tier.FLEX, None),
        (Words("priority"), Words("fast"), Tier.PRIORITY, None),
        (Words(), Words("auto"), Tier.STANDARD, None),
        (Words("batch", None, "global"), Words(), Tier.BATCH, None),
        (Words("standard", "fast", "us"), Words(), Tier.FAST, "us"),
        (Words("standard", "standard", "not_available"), Words(None, "fast", "us"), Tier.STANDARD, None),
        (Words("standard"), Words(None, "fast", "us"), Tier.FAST, "us"),
        (Words("standard", None, "atlantis"), Words(), Tier.STANDARD, "atlantis"),
        (Words("on_demand"), Words(), Tier.STANDARD, None),
    ],
)
def test_the_answer_decides_and_the_request_where_it_is_silent(
    said: Words, asked: Words, tier: Tier, region: str | None
) -> None:
    """Word by word: an answer may say its tier and not its speed. A place without a row stays, and has no price."""
    found = service(said=said, asked=asked)

    assert (found.tier, found.region) == (tier, region)


@pytest.mark.parametrize(
    "said",
    [Words("scale"), Words("PROVISIONED_THROUGHPUT"), Words("standard", "ludicrous"), Words("batch", "fast")],
)
def test_a_word_that_is_not_known_is_not_the_usual_service(said: Words) -> None:
    """The price is unknown, and the message says which word it was."""
    found = service(said=said, asked=Words("default", "standard"))

    assert found.tier is None
    assert found.unpriced().reason is Unknown.KEY
    assert (said.speed or said.tier or "") in found.unpriced().message


def test_a_long_word_is_cut() -> None:
    """It is the provider's, and goes into records."""
    assert len(service(said=Words("x" * 10_000)).unpriced().message) < 150
