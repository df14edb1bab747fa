"""metergraph-core's YAML: dated rows for each model and channel, with multipliers for long inputs and quiet hours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from turnout.catalogue.tariff import Tier
from turnout.catalogue.usage_classes import TokenClass

from .quote import Prices, Question, Source, known

FILE = "metergraph_core/data/prices.yaml"
_STANDARD = {
    TokenClass.INPUT: "input_per_mtok",
    TokenClass.CACHED: "cache_read_per_mtok",
    TokenClass.CACHE_WRITE: "cache_write_5m_per_mtok",
    TokenClass.CACHE_WRITE_1H: "cache_write_1h_per_mtok",
    TokenClass.OUTPUT: "output_per_mtok",
}
_BATCH = {
    TokenClass.INPUT: "batch_input_per_mtok",
    TokenClass.CACHED: "batch_cache_read_per_mtok",
    TokenClass.OUTPUT: "batch_output_per_mtok",
}
Row = Mapping[str, Any]


def metergraph(folder: Path) -> Source:
    """The table in a folder of unpacked wheels."""
    models_listed: list[Row] = yaml.load((folder / FILE).read_text(), _Loader)["models"]
    by_name: dict[tuple[str, str], list[Row]] = {}
    for model in models_listed:
        for alias in model["aliases"]:
            if alias["provider"] not in ("litellm", "unknown", "vercel"):
                by_name[alias["channel"], alias["alias"]] = model.get("prices", [])

    def ask(question: Question) -> Prices:
        channel = f"{question.channel}-api"
        rows = by_name.get((channel, question.model), [])
        row = next((row for row in rows if row["channel"] == channel and _holds(row, question.at)), None)
        return {} if row is None else _prices(row, question)

    def models(channel: str) -> set[str]:
        return {name for seller, name in by_name if seller == f"{channel}-api"}

    return Source(name="metergraph", ask=ask, models=models)


class _Loader(yaml.SafeLoader):
    """Numbers as exact decimals."""


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(loader.construct_scalar(node).replace("_", ""))


for _tag in ("tag:yaml.org,2002:float", "tag:yaml.org,2002:int"):
    _Loader.add_constructor(_tag, _decimal)


def _holds(row: Row, at: datetime) -> bool:
    start, end = _instant(row["effective_from"]), _instant(row.get("effective_to"))
    return row.get("region", "global") == "global" and (start is None or start <= at) and (end is None or at < end)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _prices(row: Row, question: Question) -> Prices:
    rules = row.get("rules") or {}
    if question.tier not in (Tier.STANDARD, Tier.BATCH):
        return {}
    batch = question.tier is Tier.BATCH
    given, written = _long(rules.get("long_context") or {}, question.size, batch=batch)
    quiet = _quiet(rules.get("off_peak_discount") or {}, question.at)
    found: dict[TokenClass, Decimal | None] = {}
    for kind, name in (_BATCH if batch else _STANDARD).items():
        price = row.get(name)
        factor = written if kind is TokenClass.OUTPUT else given
        found[kind] = None if price is None else price * factor * quiet
    return known(found)


def _long(rule: Row, size: int, *, batch: bool) -> tuple[Decimal, Decimal]:
    """Multipliers of input and output."""
    applies = rule and size > rule["threshold"] and (not batch or rule.get("applies_to_batch", True))
    one = Decimal(1)
    return (rule.get("input_multiplier", one), rule.get("output_multiplier", one)) if applies else (one, one)


def _quiet(rule: Row, at: datetime) -> Decimal:
    if not rule:
        return Decimal(1)
    hour = Decimal(at.hour) + Decimal(at.minute) / 60
    busy = any(start <= hour < end for start, end in rule["peak_hours_utc"])
    weekend = rule.get("peak_weekdays_only") and at.isoweekday() > 5
    return Decimal(1) if busy and not weekend else rule["multiplier"]
