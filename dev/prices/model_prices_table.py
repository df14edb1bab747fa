"""model-prices' snapshot: intervals for each model and mode, and schedules with holidays beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from turnout.catalogue.calendar import Hours
from turnout.catalogue.tariff import Tier
from turnout.catalogue.usage_classes import TokenClass

from .quote import Prices, Question, Source, known

FILE = "model_prices/snapshot.json"
_FIELD = {
    TokenClass.INPUT: "input",
    TokenClass.CACHED: "cache_read",
    TokenClass.CACHE_WRITE: "cache_write",
    TokenClass.OUTPUT: "output",
}
_FINEST = Decimal("1e-9")
"""Its numbers went through floats: 0.16000000000000003."""
Row = Mapping[str, Any]


def model_prices(folder: Path) -> Source:
    """The table in a folder of unpacked wheels."""
    data: Row = json.loads((folder / FILE).read_text(), parse_float=Decimal)  # noqa: TID251  (orjson makes floats)

    def ask(question: Question) -> Prices:
        intervals = data["prices"].get(question.channel, {}).get(question.model, {}).get(_mode(question), [])
        # The first interval reaches back without end, so it says nothing of a time before it was recorded.
        holding = [each for each in intervals if each["start"] is None or _instant(each["start"]) <= question.at]
        rates = holding[-1]["rates"] if holding else None
        if rates is None or _instant(rates["valid_from"]) > question.at:
            return {}
        return _prices(rates, _hourly(data["schedules"], question), question)

    def models(channel: str) -> set[str]:
        gone = data["status"].get(channel, {})
        return {name for name in data["prices"].get(channel, {}) if gone.get(name) not in ("removed", "deprecated")}

    return Source(name="model-prices", ask=ask, models=models)


def _mode(question: Question) -> str:
    """OpenAI's priority is called fast there, as in its own words since 2026."""
    return "fast" if question.tier is Tier.PRIORITY and question.channel == "openai" else question.tier.value


def _prices(rates: Row, factor: Decimal, question: Question) -> Prices:
    found = {kind: rates.get(name) for kind, name in _FIELD.items()}
    for tier in rates.get("tiers", []):
        if question.size > tier["above"]:
            found |= {kind: tier[name] for kind, name in _FIELD.items() if tier.get(name) is not None}
    if question.channel == "anthropic" and (multiple := rates.get("cache_write_1h_multiple")):
        found[TokenClass.CACHE_WRITE_1H] = found[TokenClass.INPUT] * multiple
    return known(
        {kind: None if price is None else (Decimal(price) * factor).quantize(_FINEST) for kind, price in found.items()}
    )


def _hourly(schedules: Row, question: Question) -> Decimal:
    for each in schedules["schedule"]:
        until = each.get("valid_until")
        dated = _instant(each["valid_from"]) <= question.at and (until is None or question.at < _instant(until))
        if each["provider"] == question.channel and dated:
            return _factor(each, schedules["holidays"], question)
    return Decimal(1)


def _factor(schedule: Row, holidays: Row, question: Question) -> Decimal:
    quiet = schedule.get("off_peak_multiplier")
    if quiet is not None:
        factor = quiet.get(question.model, Decimal(1))
        return Decimal(factor) if _inside(schedule["off_peak_hours_utc"], question.at) else Decimal(1)
    if not _inside(schedule["peak_hours_utc"], question.at):
        return Decimal(1)
    if schedule.get("weekdays_only") and question.at.isoweekday() > 5:
        return Decimal(1)
    days = holidays.get(schedule.get("holidays"))
    if days is not None:
        local = question.at + timedelta(hours=int(days["utc_offset_hours"]))
        if local.date().isoformat() in days["dates"]:
            return Decimal(1)
    return Decimal(schedule["peak_multiplier"])


def _inside(windows: list[list[str]], at: datetime) -> bool:
    minute = at.hour * 60 + at.minute
    for start, end in (Hours.of("-".join(each)) for each in windows):
        if start <= minute < end or (end < start and not end <= minute < start):
            return True
    return False


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
