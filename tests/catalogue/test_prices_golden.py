"""Usage as each provider reports it, through the readers of its dialect, to the exact cost."""

from __future__ import annotations

from datetime import datetime

import pytest

from turnout.catalogue.calendar_file import load_calendars
from turnout.catalogue.prices import load_prices, parse_prices
from turnout.catalogue.tariff import Cost, PriceBook, PriceKey, price
from turnout.catalogue.usage_classes import BillableTokens, billable
from turnout.core.json import JsonObject
from turnout.core.money import Money, total
from turnout.core.target import Quirks
from turnout.wire.anthropic import usage as anthropic
from turnout.wire.gemini import usage as gemini
from turnout.wire.neutral import Usage
from turnout.wire.openai_chat import usage as openai_chat

CALENDARS = load_calendars()
SHIPPED = load_prices(CALENDARS)
NOW = "2026-11-20T12:00:00Z"


def _counts(usage: Usage | None) -> BillableTokens:
    assert usage is not None
    return billable(
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )


def _read(dialect: str, raw: JsonObject) -> Usage | None:
    match dialect:
        case "anthropic":
            return anthropic.parse_usage(raw)
        case "gemini":
            return gemini.parse_usage(raw)
        case _:
            return openai_chat.parse_usage(raw, Quirks())


def _usd(book: PriceBook, key: PriceKey, usage: BillableTokens, at: str) -> Money:
    cost = price(book, usage, key, datetime.fromisoformat(at))
    assert isinstance(cost, Cost), cost
    assert cost.total == total(part.cost for part in cost.parts)
    assert cost.flags == frozenset()
    return cost.total


@pytest.mark.parametrize(
    ("channel", "model", "dialect", "raw", "at", "usd"),
    [
        pytest.param(
            "anthropic",
            "claude-3-7-sonnet-20250219",
            "anthropic",
            {
                "input_tokens": 3,
                "cache_creation_input_tokens": 12304,
                "cache_read_input_tokens": 0,
                "output_tokens": 550,
            },
            "2025-04-08T12:00:00Z",
            "0.054399",
            id="the bill of litellm#9812, not 0.0913",
        ),
        pytest.param(
            "anthropic",
            "claude-opus-4-7",
            "anthropic",
            {
                "input_tokens": 10,
                "cache_read_input_tokens": 1000,
                "cache_creation_input_tokens": 300,
                "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
                "output_tokens": 40,
            },
            NOW,
            "0.004175",  # 10 x 5 + 1000 x 0.5 + 100 x 6.25 + 200 x 10 + 40 x 25, by a million
            id="anthropic, read and both writes",
        ),
        pytest.param(
            "openai",
            "gpt-6-sol",
            "openai",
            {
                "prompt_tokens": 2000,
                "completion_tokens": 500,
                "total_tokens": 2500,
                "prompt_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 400},
                "completion_tokens_details": {"reasoning_tokens": 300},
            },
            NOW,
            "0.0074",  # 600 x 2 + 1000 x 0.2 + 400 x 2.5 + 500 x 10
            id="openai, with writes and reasoning",
        ),
        pytest.param(
            "google",
            "gemini-3.1-pro-preview",
            "gemini",
            {
                "promptTokenCount": 10_000,
                "cachedContentTokenCount": 8_000,
                "candidatesTokenCount": 100,
                "thoughtsTokenCount": 400,
                "totalTokenCount": 10_500,
            },
            NOW,
            "0.0116",  # 2000 x 2 + 8000 x 0.2 + 500 x 12: thoughts are beside the candidates
            id="gemini, cached inside and thoughts outside",
        ),
        pytest.param(
            "deepseek",
            "deepseek-v4-pro",
            "openai",
            {
                "prompt_tokens": 1000,
                "completion_tokens": 100,
                "total_tokens": 1100,
                "prompt_cache_hit_tokens": 900,
                "prompt_cache_miss_tokens": 100,
                "prompt_tokens_details": {"cached_tokens": 900},
                "completion_tokens_details": {"reasoning_tokens": 60},
            },
            "2026-11-20T02:00:00Z",
            "0.0005676",  # 100 x 1.32 + 900 x 0.044 + 100 x 3.96
            id="deepseek at the peak",
        ),
        pytest.param(
            "xai",
            "grok-4.3",
            "openai",
            {
                "prompt_tokens": 3000,
                "completion_tokens": 200,
                "total_tokens": 3200,
                "prompt_tokens_details": {"text_tokens": 3000, "cached_tokens": 2500},
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
            NOW,
            "0.001625",  # 500 x 1.25 + 2500 x 0.2 + 200 x 2.5: text_tokens contains the cached ones
            id="xai, text_tokens with cached ones",
        ),
    ],
)
def test_a_provider_s_usage_costs_what_it_bills(
    channel: str, model: str, dialect: str, raw: JsonObject, at: str, usd: str
) -> None:
    """Each class once, at its own price."""
    usage = _counts(_read(dialect, raw))

    assert _usd(SHIPPED, PriceKey(model=model, channel=channel), usage, at) == Money.of(usd)


def test_gemini_s_cached_tokens_are_billed_once() -> None:
    """litellm#14849: 0.1849 dollars at the prices of the report, where 0.7642 had been said."""
    text = b"""[google]
source = "https://github.com/BerriAI/litellm/issues/14849"
verified = "2026-11-22"
rows = [{ model = "gemini-2.5-pro", from = "2025-09-01", input = "1.25", cached = "0.625", output = "10" }]
"""
    book = parse_prices(text, CALENDARS, "report.toml")
    usage = gemini.parse_usage(
        {"promptTokenCount": 262_960, "cachedContentTokenCount": 257_955, "candidatesTokenCount": 1_744}
    )
    usd = _usd(book, PriceKey(model="gemini-2.5-pro", channel="google"), _counts(usage), "2025-09-24T00:00:00Z")

    assert usd == Money.of("0.184918125")
