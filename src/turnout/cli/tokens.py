"""`turnout tokens`: how many tokens a text is at each model, who counted, and what it costs there as input.

Where a model's own tokenizer is installed, it counts; elsewhere the neutral counter does, times the model's ratio, and
the bounds say how sure that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import click
import orjson
from rich.markup import escape
from rich.table import Column

from turnout.catalogue.ratios import Ratios
from turnout.catalogue.tariff import PriceBook, UnknownPrice
from turnout.catalogue.tariff import price as priced
from turnout.catalogue.tokenizers import EXACT_LETTERS, counter, installed, tokenizer_of
from turnout.catalogue.usage_classes import billable
from turnout.cli.admin import location_of_record, told
from turnout.cli.loaded import load_config
from turnout.cli.options import config_option, data_dir_option
from turnout.cli.tables import plain_table, show
from turnout.core.clock import SystemClock
from turnout.core.json import Json
from turnout.core.money import Money, plain
from turnout.ledger.queries import reading
from turnout.ledger.ratios import learned
from turnout.ledger.ratios_live import MEMORY
from turnout.planning.candidate import Service, read_candidate
from turnout.wire.content import text_class
from turnout.wire.estimate import text_tokens

DEFAULT_MODELS = ("gpt-5.5", "claude-opus-4-6", "claude-opus-4-7", "gemini-3.1-pro-preview", "deepseek-v4-pro")
_MOST = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Count:
    """A text at a model."""

    model: str
    tokens: int
    low: int
    high: int
    by: str
    cost: Money | None
    note: str
    """Why there is no cost."""


@click.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--model", "models", multiple=True, help="A model such as deepseek-v4-pro or groq/openai/gpt-oss-120b.")
@click.option("--learned", "learn", is_flag=True, help="Use what the record says of your own calls of 90 days.")
@click.option("--json", "machine", is_flag=True, help="Print JSON, for machines.")
@data_dir_option
@config_option
def tokens(
    file: BinaryIO, models: tuple[str, ...], learn: bool, machine: bool, data_dir: Path | None, config: Path | None
) -> None:
    """Count the tokens of FILE (default: standard input) at several models, and what it costs as input now.

    The text alone is counted: a provider adds a few tokens for each turn, and those of its tools.
    """
    raw = file.read(_MOST + 1)
    if len(raw) > _MOST:
        raise click.ClickException(f"The text is longer than {_MOST >> 20} MiB, which is no prompt. Give a part of it.")
    text, now = raw.decode("utf-8", "replace"), SystemClock().now()
    with told():
        book = load_config(config).catalogue.prices
        ratios = _learned(config, data_dir, now) if learn else Ratios.of()
    content, neutral = text_class(text), text_tokens(text)
    found = [_count(text, model, book, ratios, content, neutral, now) for model in models or DEFAULT_MODELS]
    if machine:
        counts: list[Json] = [_report(each) for each in found]
        report: Json = {"letters": len(text), "neutral": neutral, "content": content, "models": counts}
        click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        return
    click.echo(f"{len(text):,} letters, {neutral:,} tokens by the neutral counter, content: {content}")
    _show(found)
    if not installed():
        click.echo('No tokenizers are installed; with them more counts are exact: pip install "turnout[tokenizers]"')


def _learned(config: Path | None, data_dir: Path | None, now: datetime) -> Ratios:
    with reading(location_of_record(config, data_dir)) as connection:
        return Ratios.of(learned(connection, now - MEMORY, now + timedelta(days=1)))


def _count(text: str, asked: str, book: PriceBook, ratios: Ratios, content: str, neutral: int, now: datetime) -> _Count:
    candidate, note = None, ""
    try:
        candidate = read_candidate(asked, book, Service())
    except ValueError as error:
        note = str(error)
    model = asked if candidate is None else candidate.key.model
    tokenizer = tokenizer_of(model)
    count = None if tokenizer is None else counter(tokenizer.id)
    if tokenizer is not None and count is not None:
        many = low = high = count(text)
        by = f"{tokenizer.title}, its own tokenizer" + (", on 64 slices" if len(text) > EXACT_LETTERS else "")
    else:
        many, low, high, source = ratios.estimate(neutral, model=model, content=content)
        by = f"neutral x {ratios.ratio(model, content).value:.3f}, {source}"
    cost = None
    if candidate is not None:
        found = priced(book, billable(input_tokens=many, output_tokens=0), candidate.key, now)
        cost, note = (None, found.message) if isinstance(found, UnknownPrice) else (found.total, "")
    return _Count(model=asked, tokens=many, low=low, high=high, by=by, cost=cost, note=note)


def _report(each: _Count) -> Json:
    return {
        "model": each.model,
        "tokens": each.tokens,
        "low": each.low,
        "high": each.high,
        "counted_by": each.by,
        "usd": None if each.cost is None else plain(each.cost.usd),
        "why_no_cost": each.note,
    }


def _show(found: Sequence[_Count]) -> None:
    amounts = [Column(name, justify="right", no_wrap=True) for name in ("tokens", "9 of 10 texts", "cost")]
    table = plain_table("model", *amounts, "counted by")
    for each in found:
        bounds = "-" if each.low == each.high else f"{each.low:,} to {each.high:,}"
        cost = "?" if each.cost is None else str(each.cost)
        table.add_row(escape(each.model), f"{each.tokens:,}", bounds, cost, escape(each.by))
    show(table)
    for each in found:
        if each.note:
            click.echo(f"{each.model}: {each.note}")
