"""genai-prices' `data.py`. It is Python, and is read as a tree of calls: nothing of the package runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from turnout.catalogue.tariff import Tier
from turnout.catalogue.usage_classes import TokenClass

from .quote import Prices, Question, Source, known

FILE = "genai_prices/data.py"
_PROVIDER = {"xai": "x-ai"}
_FIELD = {
    TokenClass.INPUT: "input_mtok",
    TokenClass.CACHED: "cache_read_mtok",
    TokenClass.CACHE_WRITE: "cache_write_mtok",
    TokenClass.CACHE_WRITE_1H: "cache_write_1h_mtok",
    TokenClass.OUTPUT: "output_mtok",
    TokenClass.REASONING: "output_reasoning_mtok",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A call in the file: what is called, and with what."""

    name: str
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])
    plain: tuple[Any, ...] = ()

    def get(self, key: str) -> Any:
        """A named argument; None where it is not given."""
        return self.given.get(key)


def genai_prices(folder: Path) -> Source:
    """The table in a folder of unpacked wheels."""
    providers = {each.get("id"): each for each in _providers((folder / FILE).read_text())}

    def of(channel: str) -> Iterable[Call]:
        provider = providers.get(_PROVIDER.get(channel, channel))
        return provider.get("models") if provider else ()

    def ask(question: Question) -> Prices:
        found = next((each for each in of(question.channel) if _lists(each, question.model)), None)
        return {} if found is None else _prices(found, question)

    def models(channel: str) -> set[str]:
        return {each.get("id") for each in of(channel) if not each.get("deprecated")}

    return Source(name="genai-prices", ask=ask, models=models)


def _providers(text: str) -> list[Call]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "providers" and node.value:
            return _value(node.value)
    raise ValueError(f"{FILE} has no list of providers.")


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.List() | ast.Tuple():
            return [_value(each) for each in node.elts]
        case ast.Dict():
            return {_value(key): _value(value) for key, value in zip(node.keys, node.values, strict=True) if key}
        case ast.Call():
            name = ast.unparse(node.func)
            return Call(
                name,
                {each.arg: _value(each.value) for each in node.keywords if each.arg},
                tuple(_value(each) for each in node.args),
            )
        case _:
            return None


def _lists(model: Call, name: str) -> bool:
    """Whether the model names it exactly. A name that only begins like one it knows is another model's."""
    return model.get("id") == name or _names(model.get("match"), name)


def _names(clause: Call | None, name: str) -> bool:
    match clause:
        case Call("ClauseOr"):
            return any(_names(each, name) for each in clause.get("or_"))
        case Call("ClauseEquals"):
            return clause.get("equals") == name
        case Call("ClauseRegex"):
            return re.fullmatch(clause.get("regex"), name) is not None
        case _:
            return False


def _prices(model: Call, question: Question) -> Prices:
    wanted = model.get("prices") if question.tier is Tier.STANDARD else _variants(model, question.tier)
    dated = [wanted] if isinstance(wanted, Call) else wanted or []
    holding = [each for each in dated if _holds(each.get("constraint"), question.at)]
    if not holding:
        return {}
    last = holding[-1]
    prices = last if last.name == "ModelPrice" else last.get("prices")
    return known({kind: _of_size(prices.get(name), question.size) for kind, name in _FIELD.items()})


def _variants(model: Call, tier: Tier) -> list[Call]:
    found: list[Call] = []
    for each in model.get("price_variants") or []:
        when = each.get("when")
        if when in ({"processing": tier.value}, {"speed": tier.value}, {"service_tier": tier.value}):
            found.append(each)
    return found


def _holds(constraint: Call | None, at: datetime) -> bool:
    match constraint:
        case None:
            return True
        case Call("StartDateConstraint"):
            day = date(*constraint.get("start_date").plain)
            return datetime.combine(day, time(), UTC) <= at
        case _:
            start, end = (time(*constraint.get(key).plain) for key in ("start_time", "end_time"))
            return start <= at.time() < end if start < end else not end <= at.time() < start


def _of_size(price: Call | None, size: int) -> Decimal | None:
    if price is None:
        return None
    if price.name == "Decimal":
        return Decimal(price.plain[0])
    found = _of_size(price.get("base"), size)
    for tier in price.get("tiers"):
        if size > tier.get("start"):
            found = _of_size(tier.get("price"), size)
    return found
