"""litellm's JSON: one flat object for each model, prices for one token, and suffixes for bands and tiers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from turnout.catalogue.calendar import Hours
from turnout.catalogue.tariff import Tier
from turnout.catalogue.usage_classes import TokenClass

from .quote import Prices, Question, Source, known

FILE = "litellm/model_prices_and_context_window_backup.json"
_PREFIX = {
    "openai": "",
    "anthropic": "",
    "google": "gemini/",
    "together": "together_ai/",
    "fireworks": "fireworks_ai/",
    "alibaba": "dashscope/",
}
_PROVIDER = {"google": "gemini", "together": "together_ai", "fireworks": "fireworks_ai", "alibaba": "dashscope"}
_STEM = {
    TokenClass.INPUT: "input_cost_per_token",
    TokenClass.CACHED: "cache_read_input_token_cost",
    TokenClass.CACHE_WRITE: "cache_creation_input_token_cost",
    TokenClass.CACHE_WRITE_1H: "cache_creation_input_token_cost_above_1hr",
    TokenClass.OUTPUT: "output_cost_per_token",
    TokenClass.REASONING: "output_cost_per_reasoning_token",
}
_TIER = {Tier.STANDARD: "", Tier.BATCH: "_batches", Tier.FLEX: "_flex", Tier.PRIORITY: "_priority"}
_BAND = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")
_MILLION = Decimal(1_000_000)
Row = Mapping[str, Any]


def litellm(folder: Path) -> Source:
    """The table in a folder of unpacked wheels."""
    rows: dict[str, Row] = json.loads((folder / FILE).read_text(), parse_float=Decimal)  # noqa: TID251  (orjson makes floats)

    def ask(question: Question) -> Prices:
        row = rows.get(_name(question.channel, question.model))
        if row is None or row.get("litellm_provider") != _PROVIDER.get(question.channel, question.channel):
            return {}
        return _prices(_at_that_hour(row, question.at), question)

    def models(channel: str) -> set[str]:
        provider, prefix = _PROVIDER.get(channel, channel), _name(channel, "")
        return {
            name.removeprefix(prefix)
            for name, row in rows.items()
            if row.get("litellm_provider") == provider and row.get("mode") in ("chat", "embedding", "responses")
        }

    return Source(name="litellm", ask=ask, models=models)


def _name(channel: str, model: str) -> str:
    return _PREFIX.get(channel, f"{channel}/") + model


def _at_that_hour(row: Row, at: datetime) -> Row:
    off_peak = row.get("off_peak_pricing")
    if not off_peak or not any(_inside(window, at) for window in off_peak["windows"]):
        return row
    return {**row, **off_peak}


def _inside(window: Row, at: datetime) -> bool:
    hours = window["hours_utc"]
    minute = at.hour * 60 + at.minute
    for text in [hours] if isinstance(hours, str) else hours:
        start, end = (0, 24 * 60) if text == "00:00-00:00" else Hours.of(text)
        if start <= minute < (end or 24 * 60) and at.isoweekday() in window["weekdays"]:
            return True
    return False


def _prices(row: Row, question: Question) -> Prices:
    steps = (int(match[1]) for key in row if (match := _BAND.match(key)))
    reached = max((step for step in steps if question.size > step * 1000), default=None)
    band = "" if reached is None else f"_above_{reached}k_tokens"
    faster = _fast(row) if question.tier is Tier.FAST else Decimal(1)
    if faster is None:
        return {}
    suffix = band + _TIER.get(question.tier, "")
    return known({kind: _million(row.get(stem + suffix), faster) for kind, stem in _STEM.items()})


def _fast(row: Row) -> Decimal | None:
    """Anthropic's fast mode, written as a multiplier."""
    factor = (row.get("provider_specific_entry") or {}).get("fast")
    return None if factor is None else Decimal(factor)


def _million(price: object, factor: Decimal) -> Decimal | None:
    return price * _MILLION * factor if isinstance(price, Decimal | int) else None
