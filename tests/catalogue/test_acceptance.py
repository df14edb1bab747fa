"""From a provider's own usage object to dollars, by the way that a record goes: catalogue, deployment, service, price."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime

import pytest

from turnout.catalogue.load import build_catalogue
from turnout.catalogue.model import Catalogue
from turnout.catalogue.priced import price_key
from turnout.catalogue.service import NO_WORDS, Words, service
from turnout.catalogue.tariff import Cost, Unknown, UnknownPrice, price
from turnout.catalogue.usage_classes import BillableTokens, billable
from turnout.core.json import JsonObject
from turnout.core.settings import settings_from
from turnout.core.target import Quirks
from turnout.core.toml_source import parse_toml
from turnout.wire.anthropic import usage as anthropic
from turnout.wire.gemini import usage as gemini
from turnout.wire.neutral import Usage
from turnout.wire.openai_chat import usage as openai_chat

NAMES = ("OPENAI", "ANTHROPIC", "DEEPSEEK", "GEMINI", "XAI", "OPENROUTER", "ALIBABA")
ALIBABA = """
[providers.alibaba]
preset = "openai_compatible"
base_url = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"
api_key_env = "ALIBABA_API_KEY"
models = ["deepseek-v4-flash-0731"]
[prices.alibaba]
rows = [
  { model = "deepseek-v4-flash-0731", from = "2026-08-17", inside = "alibaba_busy", input = "0.44", output = "1.32" },
  { model = "deepseek-v4-flash-0731", from = "2026-08-17", outside = "alibaba_busy", input = "0.22", output = "0.66" },
]
"""
MONDAY = "2026-11-23T02:00:00Z"
MILLION = 1_000_000
TEXT: JsonObject = {"prompt_tokens": MILLION, "completion_tokens": MILLION, "total_tokens": 2 * MILLION}
SHORT: JsonObject = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}


def _build(text: str = "") -> Catalogue:
    environ = {"HOME": "/home/op"} | {f"{name}_API_KEY": "sk-0123456789abcdef" for name in NAMES}
    return build_catalogue(settings_from(parse_toml(text), environ), environ, local_model=None)


CATALOGUE = _build(ALIBABA)


def _counts(usage: Usage) -> BillableTokens:
    return billable(
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )


def _read(name: str, raw: JsonObject, tier: str | None) -> Usage:
    if name.startswith("anthropic/"):
        usage = anthropic.parse_usage(raw)
        assert usage is not None
        return usage
    return gemini.parse_usage(raw) if name.startswith("google/") else openai_chat.parse_usage(raw, Quirks(), tier=tier)


def _cost(
    name: str,
    raw: JsonObject,
    at: str = MONDAY,
    *,
    tier: str | None = None,
    asked: Words = NO_WORDS,
    catalogue: Catalogue = CATALOGUE,
) -> Cost | UnknownPrice:
    """What a deployment's answer costs that reported `raw` usage."""
    usage = _read(name, raw, tier)
    bought = service(said=Words(usage.service_tier, usage.speed, usage.inference_geo), asked=asked)
    if bought.tier is None:
        return bought.unpriced()
    key = price_key(catalogue.deployments[name], tier=bought.tier, region=bought.region)
    return price(catalogue.prices, _counts(usage), key, datetime.fromisoformat(at))


def _usd(cost: Cost | UnknownPrice) -> str:
    assert isinstance(cost, Cost), cost
    return str(cost.total)


@pytest.mark.parametrize(
    ("name", "at", "usd"),
    [
        pytest.param("deepseek/deepseek-v4-pro", MONDAY, "$5.28", id="peak"),
        pytest.param("deepseek/deepseek-v4-pro", "2026-11-21T02:00:00Z", "$2.64", id="pain_12 Saturday"),
        pytest.param("deepseek/deepseek-v4-pro", "2026-10-01T02:00:00Z", "$2.64", id="pain_12 a holiday"),
        pytest.param("deepseek/deepseek-v4-pro", "2026-11-23T03:59:59Z", "$5.28", id="before 4"),
        pytest.param("deepseek/deepseek-v4-pro", "2026-11-23T04:00:00Z", "$2.64", id="at 4"),
        pytest.param("deepseek/deepseek-v4-pro", "2026-11-23T05:59:59Z", "$2.64", id="before 6"),
        pytest.param("deepseek/deepseek-v4-pro", "2026-11-23T06:00:00Z", "$5.28", id="at 6"),
        pytest.param("deepseek/deepseek-v4-pro", "2026-11-23T09:59:59Z", "$5.28", id="before 10"),
        pytest.param("deepseek/deepseek-v4-pro", "2026-11-23T10:00:00Z", "$2.64", id="at 10"),
        pytest.param("deepseek/deepseek-v4-pro", "2026-07-01T02:00:00Z", "$1.305", id="pain_12 the tariff of then"),
        pytest.param("deepseek/deepseek-v4-flash", "2026-09-10T03:59:00Z", "$1.76", id="before re-pointing, peak"),
        pytest.param("deepseek/deepseek-v4-flash", "2026-09-10T04:00:00Z", "$0.75", id="re-pointed, off peak"),
        pytest.param("alibaba/deepseek-v4-flash-0731", MONDAY, "$1.76", id="Alibaba's clock, busy"),
        pytest.param("alibaba/deepseek-v4-flash-0731", "2026-11-23T14:00:00Z", "$0.88", id="Alibaba's clock, idle"),
    ],
)
def test_the_instant_decides(name: str, at: str, usd: str) -> None:
    """genai-prices#582: date, weekday, hours and holidays at once, by the seller's own clock."""
    assert _usd(_cost(name, TEXT, at)) == usd


@pytest.mark.parametrize(
    ("name", "tokens", "usd"),
    [
        ("openai/gpt-5.5", 272_000, "$1.36"),
        ("openai/gpt-5.5", 272_001, "$2.72001"),
        ("xai/grok-4.6", 199_999, "$0.399998"),
        ("xai/grok-4.6", 200_000, "$0.8"),
        ("google/gemini-3.1-pro-preview", 200_000, "$0.4"),
        ("google/gemini-3.1-pro-preview", 200_001, "$0.800004"),
    ],
)
def test_the_size_decides(name: str, tokens: int, usd: str) -> None:
    """On both sides of each step; xAI's is at the number itself."""
    chat: JsonObject = {"prompt_tokens": tokens, "completion_tokens": 0}
    raw: JsonObject = {"promptTokenCount": tokens, "candidatesTokenCount": 0} if name.startswith("google") else chat

    assert _usd(_cost(name, raw)) == usd


@pytest.mark.parametrize(
    ("tier", "asked", "usd"),
    [
        ("default", "priority", "$0.035"),
        ("flex", None, "$0.0175"),
        ("priority", "fast", "$0.0875"),
        (None, "flex", "$0.0175"),
        (None, None, "$0.035"),
    ],
)
def test_the_service_that_answered_decides(tier: str | None, asked: str | None, usd: str) -> None:
    """What was asked for counts only where the answer is silent."""
    assert _usd(_cost("openai/gpt-5.5", SHORT, tier=tier, asked=Words(asked))) == usd


@pytest.mark.parametrize(
    ("said", "usd"),
    [
        ({"service_tier": "standard", "inference_geo": "global"}, "$0.03"),
        ({"service_tier": "standard", "inference_geo": "us"}, "$0.033"),
        ({"service_tier": "batch"}, "$0.015"),
        ({"service_tier": "standard", "speed": "standard"}, "$0.03"),
    ],
)
def test_anthropic_s_words_decide(said: JsonObject, usd: str) -> None:
    """Tier, place and speed stand in the usage object."""
    assert _usd(_cost("anthropic/claude-opus-4-7", {"input_tokens": 1000, "output_tokens": 1000, **said})) == usd


def test_fast_mode_was_sold_until_august() -> None:
    """30 / 150 then; no price after."""
    raw: JsonObject = {"input_tokens": 1000, "output_tokens": 1000, "service_tier": "standard", "speed": "fast"}
    after = _cost("anthropic/claude-opus-4-7", raw)

    assert _usd(_cost("anthropic/claude-opus-4-7", raw, "2026-06-01T00:00:00Z")) == "$0.18"
    assert isinstance(after, UnknownPrice) and after.reason in (Unknown.KEY, Unknown.TIME)


def test_pain_06_gemini_s_cached_tokens_are_inside_the_prompt() -> None:
    """litellm#14849: charged twice. 5,005 at 2, 100,000 at 0.2, 1,744 with the thoughts at 12."""
    raw: JsonObject = {
        "promptTokenCount": 105_005,
        "cachedContentTokenCount": 100_000,
        "candidatesTokenCount": 1_000,
        "thoughtsTokenCount": 744,
        "totalTokenCount": 106_749,
    }

    assert _usd(_cost("google/gemini-3.1-pro-preview", raw)) == "$0.050938"


def test_pain_07_anthropic_s_writes_have_their_own_prices() -> None:
    """litellm#9812, #11364: 3 fresh at 5, 2,000 read at 0.5, 600 written at 6.25, 400 for an hour at 10, 550 at 25."""
    raw: JsonObject = {
        "input_tokens": 3,
        "cache_read_input_tokens": 2_000,
        "cache_creation_input_tokens": 1_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 600, "ephemeral_1h_input_tokens": 400},
        "output_tokens": 550,
    }

    assert _usd(_cost("anthropic/claude-opus-4-7", raw)) == "$0.022515"


def test_pain_08_xai_s_text_tokens_hold_the_cached_ones() -> None:
    """litellm#14874: 26 at 2, 6 at 0.5; 9 and 94 of reasoning at 6."""
    raw: JsonObject = {
        "prompt_tokens": 32,
        "completion_tokens": 9,
        "total_tokens": 135,
        "prompt_tokens_details": {"text_tokens": 32, "cached_tokens": 6},
        "completion_tokens_details": {"reasoning_tokens": 94},
    }

    assert _usd(_cost("xai/grok-4.6", raw)) == "$0.000673"


def test_pain_09_deepseek_s_hits_are_billed_once() -> None:
    """aider#5516: up to 10.9 times too much. 36 at 1.32, 64 at 0.044, 50 at 3.96."""
    raw: JsonObject = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_cache_hit_tokens": 64,
        "prompt_cache_miss_tokens": 36,
    }

    assert _usd(_cost("deepseek/deepseek-v4-pro", raw)) == "$0.000248336"


@pytest.mark.parametrize(
    ("name", "raw", "at", "tier", "reason"),
    [
        ("openrouter/openai/gpt-5.5", SHORT, MONDAY, None, Unknown.MODEL),
        ("openai/gpt-5.5", SHORT, MONDAY, "scale", Unknown.KEY),
        ("openai/gpt-5.5", {**SHORT, "prompt_tokens_details": {"cache_write_tokens": 9}}, MONDAY, None, Unknown.CLASS),
        ("openai/gpt-5.5", SHORT, "2020-01-01T00:00:00Z", None, Unknown.TIME),
        ("openai/gpt-5.5", {"prompt_tokens": 5}, MONDAY, None, Unknown.USAGE),
        ("deepseek/deepseek-v4-pro", SHORT, "2027-01-04T02:00:00Z", None, Unknown.CALENDAR),
    ],
)
def test_pain_10_what_is_not_known_is_never_0(
    name: str, raw: JsonObject, at: str, tier: str | None, reason: Unknown
) -> None:
    """litellm#35914: $1.16 recorded where $185 were due."""
    catalogue = _build('[providers.openrouter]\nmodels = ["openai/gpt-5.5"]')
    cost = _cost(name, raw, at, tier=tier, catalogue=catalogue)

    assert isinstance(cost, UnknownPrice)
    assert cost.reason is reason


def test_pain_11_prices_need_no_network() -> None:
    """agenta#7076: offline, every new model cost nothing. Here no socket can be opened, and the price is the same."""
    program = """
import socket
def refuse(*_args, **_kwargs): raise SystemExit("a socket was opened")
socket.socket = socket.create_connection = socket.getaddrinfo = refuse
from click.testing import CliRunner
from turnout.cli.price import price
print(CliRunner().invoke(price, ["gpt-6.1-sol", "--at", "2026-11-20", "--input", "1000", "--output", "0"]).output)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=dict(os.environ), capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert "total   $0.002" in done.stdout
