"""The answer of `turnout simulate self-host`: memory, costs, where both cost alike, what moves it, what was assumed."""

from __future__ import annotations

import csv
import io
from fractions import Fraction

import click
import orjson
from rich.table import Column, Table

from turnout.cli.amounts import dollars, exact, percent, share_text
from turnout.cli.options import Format
from turnout.cli.tables import plain_table, show
from turnout.core.json import Json, JsonObject
from turnout.planning.footprint import Stored
from turnout.planning.hardware import Gpu
from turnout.planning.selfhost import BreakEven, Swing
from turnout.planning.selfhost_study import HostStudy

_GIGA = 10**9
_NAMES = {
    Stored.EXPERTS: "routed experts",
    Stored.FP8: "attention, shared expert",
    Stored.BF16: "embedding, compressors, router",
    Stored.FP32: "the rest",
}


def show_report(study: HostStudy, gpu: Gpu, form: Format) -> None:
    """Prints it."""
    if form is Format.JSON:
        click.echo(orjson.dumps(_as_json(study, gpu), option=orjson.OPT_INDENT_2))
    elif form is Format.CSV:
        click.echo(_as_csv(study), nl=False)
    else:
        _show_memory(study, gpu)
        _show_costs(study)
        _show_volumes(study)
        _show_swings(study)
        click.echo("\nAssumed:")
        for line in study.assumed:
            click.echo(f"- {line}")


def _show_memory(study: HostStudy, gpu: Gpu) -> None:
    model, load, used = study.model, study.load, study.instance
    table = plain_table(Column("part"), *_right("parameters", "GB"))
    for stored, size in model.part_bytes(load.precision).items():
        name = _NAMES[stored] if len(model.weights) > 1 else "weights"
        table.add_row(name, f"{model.weights[stored]:,}", _giga(size))
    table.add_row("all weights", f"{model.parameters:,}", _giga(sum(model.part_bytes(load.precision).values())))
    cache = model.cache_bytes(load.context, load.sequences)
    table.add_row(f"cache: {load.sequences:,} calls of {load.context:,} tokens", "", _giga(cache))
    _titled(f"{model.title}, precision {load.precision.value}", table)
    click.echo(
        f"A token takes {float(model.cache_per_token):,.1f} bytes of cache, a call {int(model.cache_per_sequence):,} "
        "more."
    )
    click.echo(
        f"\nAn instance: {used.gpus} x {gpu.title}, split by {used.split.value}; each holds {_giga(used.weights)} GB "
        f"of weights and {_giga(used.cache)} GB of cache, of {_giga(used.usable)} GB. {_giga(used.room)} GB are left."
    )


def _show_costs(study: HostStudy) -> None:
    fleet, call, even = study.fleet, study.call, study.even()
    cents = dollars(24 * fleet.gpus * fleet.hourly)
    click.echo(f"It costs {dollars(fleet.gpus * fleet.hourly)} an hour, {cents} a day.")
    tokens = sum(study.tokens)
    capacity = fleet.capacity(call)
    click.echo(
        f"At {percent(fleet.utilisation)} utilisation it serves {int(capacity):,} calls a day, "
        f"{float(capacity * tokens) / 1e6:,.0f}M tokens, cached ones included."
    )
    prefill, decode = fleet.per_million(fleet.speed.prefill), fleet.per_million(fleet.speed.decode)
    if study.together:
        click.echo(f"Then 1M tokens cost {dollars(prefill)}, in and out alike; cached ones nothing.")
    else:
        click.echo(f"Then 1M input tokens cost {dollars(prefill)}, 1M output tokens {dollars(decode)}.")
    click.echo(
        f"A call costs {dollars(fleet.full(call))} where instances are full, and {dollars(study.api)} at "
        f"{study.api_name}."
    )
    click.echo(_told_even(study, even))


def _told_even(study: HostStudy, even: BreakEven) -> str:
    needed = percent(even.utilisation)
    if even.first is None or even.instances is None:
        told = "It never breaks even at this utilisation"
        if even.utilisation > 1:
            return f"{told}, nor at any: it would have to be busy {needed} of the day."
        return f"{told}: it would have to be busy {needed} of the day."
    plural = "instance" if even.instances == 1 else "instances"
    told = f"It breaks even at {_calls(even.first)} calls a day, with {even.instances} {plural}"
    if even.always is None:
        told += ", and again wherever an instance is full"
    elif even.always > even.first:
        told += f"; from {_calls(even.always)} on it stays cheaper"
    return f"{told}. An instance breaks even when it is busy {needed} of the day."


def _show_volumes(study: HostStudy) -> None:
    table = plain_table(*_right("calls a day", "instances", "GPUs", "own GPUs, a day", "API, a day", "cheaper"))
    for calls in study.volumes():
        count = study.fleet.instances(study.call, calls)
        own, api = study.fleet.cost(study.call, calls), study.api * calls
        cheaper = "alike" if own == api else "own GPUs" if own < api else "API"
        asked = " (asked)" if calls == study.calls_per_day else ""
        table.add_row(
            f"{_calls(calls)}{asked}", str(count), f"{count * study.fleet.gpus}", dollars(own), dollars(api), cheaper
        )
    _titled("Cost by volume", table)


def _show_swings(study: HostStudy) -> None:
    table = plain_table(
        Column("moved"),
        *_right("down", "up", "a call, down", "a call, up", "break-even, down", "break-even, up"),
    )
    for each in study.swings():
        table.add_row(
            each.name,
            *_moved(each),
            dollars(each.low_full),
            dollars(each.high_full),
            _even(each.low_even),
            _even(each.high_even),
        )
    _titled(
        f"What moves it: each by {percent(study.swing)}, where instances are full; calls a day to break even", table
    )


def _moved(swing: Swing) -> tuple[str, str]:
    if swing.name == "price of a GPU hour":
        return dollars(swing.low), dollars(swing.high)
    return percent(swing.low), percent(swing.high)


def _even(even: BreakEven) -> str:
    return f"never ({percent(even.utilisation)} busy)" if even.first is None else _calls(even.first)


def _calls(calls: Fraction) -> str:
    """Whole calls, rounded up: with one less it would not be reached."""
    return f"{-(-calls.numerator // calls.denominator):,}"


def _giga(size: Fraction | int) -> str:
    return f"{float(size) / _GIGA:,.1f}"


def _right(*names: str) -> list[Column]:
    return [Column(name, justify="right", no_wrap=True) for name in names]


def _titled(title: str, table: Table) -> None:
    click.echo(f"\n{title}")
    show(table)


def _as_csv(study: HostStudy) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("calls_per_day", "instances", "gpus", "own_usd_per_day", "api_usd_per_day"))
    for calls in study.volumes():
        count = study.fleet.instances(study.call, calls)
        own = exact(study.fleet.cost(study.call, calls))
        writer.writerow((share_text(calls, 3), count, count * study.fleet.gpus, own, exact(study.api * calls)))
    return text.getvalue()


def _as_json(study: HostStudy, gpu: Gpu) -> JsonObject:
    fleet, used, even = study.fleet, study.instance, study.even()
    parts: JsonObject = {
        stored.value: {"parameters": study.model.weights[stored], "bytes": int(size)}
        for stored, size in study.model.part_bytes(study.load.precision).items()
    }
    moved: list[Json] = [
        {
            "moved": each.name,
            "down": share_text(each.low, 6),
            "up": share_text(each.high, 6),
            "usd_per_call_down": exact(each.low_full),
            "usd_per_call_up": exact(each.high_full),
            "break_even_calls_per_day_down": _number(each.low_even.first),
            "break_even_calls_per_day_up": _number(each.high_even.first),
        }
        for each in study.swings()
    ]
    return {
        "model": study.model.title,
        "precision": study.load.precision.value,
        "weights": parts,
        "cache_bytes": int(study.model.cache_bytes(study.load.context, study.load.sequences)),
        "gpu": gpu.name,
        "gpus_for_memory": study.smallest.gpus,
        "gpus": used.gpus,
        "split": used.split.value,
        "usd_per_hour": exact(fleet.gpus * fleet.hourly),
        "usd_per_day": exact(fleet.daily),
        "utilisation": share_text(fleet.utilisation),
        "calls_per_day_of_an_instance": _number(fleet.capacity(study.call)),
        "usd_per_million_input": exact(fleet.per_million(fleet.speed.prefill)),
        "usd_per_million_output": exact(fleet.per_million(fleet.speed.decode)),
        "usd_per_call_full": exact(fleet.full(study.call)),
        "api": study.api_name,
        "api_usd_per_call": exact(study.api),
        "break_even_calls_per_day": _number(even.first),
        "cheaper_from_calls_per_day": _number(even.always),
        "break_even_utilisation": share_text(even.utilisation),
        "swings": moved,
        "assumed": list(study.assumed),
    }


def _number(value: Fraction | None) -> str | None:
    return None if value is None else share_text(value, 3)
