"""`turnout price`: what a model costs at an instant, by which row, and until when, by the prices of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson

from turnout.catalogue.calendar import Holidays, ending_soon
from turnout.catalogue.model import Catalogue, Deployment
from turnout.catalogue.priced import price_key
from turnout.catalogue.tariff import GLOBAL, Cost, PriceBook, PriceKey, PriceRow, Tier, UnknownPrice, shown
from turnout.catalogue.tariff import price as priced
from turnout.catalogue.usage_classes import BillableTokens, billable
from turnout.cli.loaded import load_config
from turnout.cli.options import config_option
from turnout.core.clock import SystemClock
from turnout.core.errors import TurnoutError
from turnout.core.json import Json, JsonObject
from turnout.core.money import plain
from turnout.core.names import did_you_mean, nearest


def _instant(_context: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    """An instant with its zone; without one it is in UTC, and a day is its midnight."""
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"'{value}' is no time such as 2026-09-10T04:00Z.") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


_COUNT = click.IntRange(min=0)


@click.command()
@click.argument("model")
@click.option(
    "--at",
    callback=_instant,
    metavar="TIME",
    help="The instant, such as 2026-09-10T04:00Z; without a zone: UTC. Default: now.",
)
@config_option
@click.option("--channel", help="Who is paid: openai, deepseek, alibaba ... Needed where several sell the model.")
@click.option("--region", help="Where inference runs. Default: global, or where a deployment's address leads.")
@click.option(
    "--tier", type=click.Choice([tier.value for tier in Tier]), default=Tier.STANDARD.value, show_default=True
)
@click.option("--input", "input_tokens", type=_COUNT, help="Input tokens, cached ones and writes included.")
@click.option("--cached", type=_COUNT, default=0, help="Of the input: read from the cache.")
@click.option("--cache-write", type=_COUNT, default=0, help="Of the input: written to the cache, for an hour included.")
@click.option("--cache-write-1h", type=_COUNT, default=0, help="Of the writes: for an hour.")
@click.option("--output", "output_tokens", type=_COUNT, help="Output tokens, reasoning included.")
@click.option("--json", "machine", is_flag=True, help="Print JSON, for machines. Amounts are text, so none is rounded.")
def price(
    model: str,
    at: datetime | None,
    config: Path | None,
    channel: str | None,
    region: str | None,
    tier: str,
    input_tokens: int | None,
    cached: int,
    cache_write: int,
    cache_write_1h: int,
    output_tokens: int | None,
    machine: bool,
) -> None:
    """Show what MODEL costs, and the cost of a usage. Exits with 1 where that is not known.

    MODEL is a vendor's name for it, with the seller before it where several sell it, or a deployment's name. With
    --input or --output the cost is computed to the last digit. Nothing is fetched: the prices are those that this
    version was shipped with, and the configuration's own in their place.
    """
    at = SystemClock().now() if at is None else at
    catalogue = _catalogue(config)
    book = catalogue.prices
    deployment = _deployment(catalogue, model) if channel is None else None
    if deployment is not None:
        key = price_key(deployment, tier=Tier(tier), region=region)
    else:
        key = _key(book, model, channel, region or GLOBAL, Tier(tier))
    rows = book.in_force(key, at)
    if isinstance(rows, UnknownPrice):
        raise click.ClickException(rows.message)
    cost = None
    if input_tokens is not None or output_tokens is not None:
        usage = billable(
            input_tokens=input_tokens or 0,
            cached_tokens=cached,
            cache_write_tokens=cache_write,
            cache_write_1h_tokens=cache_write_1h,
            output_tokens=output_tokens or 0,
        )
        cost = _known(book, usage, key, at)
    change = book.next_change(key, at)
    ending = ending_soon((each.schedule.holidays for each in rows if each.schedule and each.schedule.holidays), at)
    if machine:
        report = _report(key, at, rows, change, cost) | {"prices": catalogue.price_version}
        click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    else:
        for line in _lines(key, at, rows, change, cost):
            click.echo(line)
        click.echo(f"prices {catalogue.price_version}")
    for each in _once(ending):
        click.echo(f"Warning: the holidays '{each.name}' are known until {each.valid_until} only.", err=True)


def _deployment(catalogue: Catalogue, model: str) -> Deployment | None:
    """Of that name; or the only one with that model, where no price list has the model: then its provider says why."""
    named = catalogue.deployments.get(model)
    if named is not None or any(name == model for _, name in catalogue.prices.rows):
        return named
    having = [each for each in catalogue.deployments.values() if each.model == model]
    return having[0] if len(having) == 1 else None


def _catalogue(config: Path | None) -> Catalogue:
    try:
        return load_config(config).catalogue
    except TurnoutError as error:
        raise click.ClickException(error.message) from error


def _key(book: PriceBook, model: str, channel: str | None, region: str, tier: Tier) -> PriceKey:
    """What is meant; `openai/gpt-5.5` names the channel too. Raises ClickException with near names."""
    first, _, rest = model.partition("/")
    if channel is None and not book.channels_of(model) and (first, rest) in book.rows:
        channel, model = first, rest
    sellers = book.channels_of(model)
    if not sellers:
        longer = [name for name in book.models() if name.startswith(model)]
        hint = f"There are: {', '.join(longer)}." if longer else did_you_mean(model, book.models())
        raise click.ClickException(f"No price of '{model}' is known. {hint}".rstrip())
    if channel is None and len(sellers) > 1:
        raise click.ClickException(f"Several sell '{model}': {', '.join(sellers)}. Choose one with --channel.")
    if channel is not None and channel not in sellers:
        near = nearest(model, [name for seller, name in book.rows if seller == channel])
        hint = f" Near names there: {', '.join(near)}." if near else ""
        raise click.ClickException(f"'{channel}' has no price of '{model}'; known sellers: {', '.join(sellers)}.{hint}")
    return PriceKey(model=model, channel=channel or sellers[0], region=region, tier=tier)


def _known(book: PriceBook, usage: BillableTokens, key: PriceKey, at: datetime) -> Cost:
    if usage.flags:
        raise click.UsageError("The parts are more than their whole: --input holds cached tokens and writes too.")
    cost = priced(book, usage, key, at)
    if isinstance(cost, UnknownPrice):
        raise click.ClickException(cost.message)
    return cost


def _lines(
    key: PriceKey, at: datetime, rows: Sequence[PriceRow], change: datetime | None, cost: Cost | None
) -> list[str]:
    lines = [f"{key} at {shown(at)}"]
    for row in rows:
        lines.append(f"  row      {row.id}")
        lines.append(f"  holds    {_holds(row)}")
        if row.serves is not None:
            lines.append(f"  serves   {row.serves}")
        lines.append("  prices   " + ", ".join(f"{kind.value} {each}" for kind, each in row.prices.items()))
        compared = f", compared on {row.verified}" if row.verified else ""
        lines.append(f"  source   {row.source}{compared}")
        if row.note:
            lines.append(f"  note     {row.note}")
    lines.append(f"next change: {shown(change) if change else 'none known'}")
    if cost is not None:
        lines.append(f"cost by {cost.row.id}:")
        lines += [
            f"  {part.kind.value:<15} {part.tokens.count:>12,} x {part.price!s:<12} = {part.cost}"
            for part in cost.parts
        ]
        lines.append(f"  total   {cost.total}")
    return lines


def _holds(row: PriceRow) -> str:
    words = [f"from {shown(row.effective_from)}"]
    if row.effective_to is not None:
        words.append(f"to {shown(row.effective_to)}")
    if row.schedule is not None:
        words.append(f"{'inside' if row.inside else 'outside'} of {row.schedule.name}")
    if row.above:
        words.append(f"inputs above {row.above:,} tokens")
    if row.up_to is not None:
        words.append(f"inputs of at most {row.up_to:,} tokens")
    return ", ".join(words)


def _report(
    key: PriceKey, at: datetime, rows: Sequence[PriceRow], change: datetime | None, cost: Cost | None
) -> JsonObject:
    report: JsonObject = {
        "model": key.model,
        "channel": key.channel,
        "region": key.region,
        "tier": key.tier.value,
        "at": shown(at),
        "rows": [_row(row) for row in rows],
        "next_change": None if change is None else shown(change),
    }
    if cost is not None:
        parts: list[Json] = [
            {
                "class": part.kind.value,
                "tokens": part.tokens.count,
                "price": plain(part.price.usd),
                "usd": plain(part.cost.usd),
            }
            for part in cost.parts
        ]
        report["cost"] = {"row": cost.row.id, "schedule": cost.calendar, "parts": parts, "usd": plain(cost.total.usd)}
    return report


def _row(row: PriceRow) -> JsonObject:
    return {
        "id": row.id,
        "serves": row.serves,
        "from": shown(row.effective_from),
        "to": None if row.effective_to is None else shown(row.effective_to),
        "above": row.above,
        "up_to": row.up_to,
        "schedule": None if row.schedule is None else row.schedule.name,
        "inside": None if row.schedule is None else row.inside,
        "prices": {kind.value: plain(each.usd) for kind, each in row.prices.items()},
        "source": row.source,
        "verified": None if row.verified is None else row.verified.isoformat(),
        "note": row.note,
    }


def _once(holidays: list[Holidays]) -> list[Holidays]:
    return list({each.name: each for each in holidays}.values())
