"""What deployments cost now, as `turnout models` shows it: the plain service, the lowest band."""

from __future__ import annotations

from datetime import datetime

from turnout.catalogue.model import Catalogue, Deployment
from turnout.catalogue.priced import price_key
from turnout.catalogue.tariff import PriceRow, UnknownPrice
from turnout.catalogue.usage_classes import TokenClass
from turnout.core.json import Json, JsonObject
from turnout.core.money import plain

_SHOWN = (TokenClass.INPUT, TokenClass.CACHED, TokenClass.OUTPUT)


def price_text(catalogue: Catalogue, deployment: Deployment, at: datetime) -> str:
    """Input, cached input and output for a million tokens: `5 / 0.5 / 30`; `+` where long inputs cost more, `?` where
    the price is not known."""
    rows = _rows(catalogue, deployment, at)
    if isinstance(rows, UnknownPrice):
        return "?"
    parts = [_amount(rows[0], kind) or "-" for kind in _SHOWN]
    return " / ".join(parts) + (" +" if len(rows) > 1 else "")


def price_json(catalogue: Catalogue, deployment: Deployment, at: datetime) -> JsonObject:
    """The same with the row and, where there is none, the reason. Amounts are text."""
    rows = _rows(catalogue, deployment, at)
    if isinstance(rows, UnknownPrice):
        return {"row": None, "unknown": rows.reason.value, "message": rows.message}
    more: list[Json] = [row.id for row in rows[1:]]
    prices: JsonObject = {kind.value: plain(each.usd) for kind, each in rows[0].prices.items()}
    return {"row": rows[0].id, "usd_per_million": prices, "long_input_rows": more}


def _rows(catalogue: Catalogue, deployment: Deployment, at: datetime) -> tuple[PriceRow, ...] | UnknownPrice:
    return catalogue.prices.in_force(price_key(deployment), at)


def _amount(row: PriceRow, kind: TokenClass) -> str | None:
    price = row.prices.get(kind)
    return None if price is None else plain(price.usd)
