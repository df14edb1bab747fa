"""The answer of `turnout simulate traffic --as-recorded`. Exits with 1 where something differs."""

from __future__ import annotations

import csv
import sys
from fractions import Fraction

import click
import orjson
from rich.markup import escape
from rich.table import Column

from turnout.cli.amounts import UNKNOWN, calls, dollars, exact
from turnout.cli.options import Format
from turnout.cli.tables import plain_table, show
from turnout.core.json import Json, JsonObject
from turnout.planning.as_recorded import Difference, Rows, Verdict

_NANO = 10**9


def show_verdict(verdict: Verdict, form: Format) -> None:
    """Prints it; a difference is an exit status of 1."""
    found = [_json(rows, each) for rows, each in verdict.differences.items()]
    if form is Format.JSON:
        differing: list[Json] = [*found]
        report: JsonObject = {
            "agreeing_calls": verdict.agreeing,
            "agreeing_usd": exact(Fraction(verdict.agreeing_nano, _NANO)),
            "unpriced_calls": verdict.unpriced,
            "differences": differing,
        }
        click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    elif form is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(_FIELDS)
        for each in found:
            writer.writerow(["" if each[name] is None else each[name] for name in _FIELDS])
    else:
        _show(verdict)
    if verdict.differences:
        raise click.exceptions.Exit(1)


_FIELDS = ("price_row_then", "prices_version_then", "price_row_now", "calls", "recorded_usd", "now_usd")


def _json(rows: Rows, each: Difference) -> JsonObject:
    return {
        "price_row_then": rows.then,
        "prices_version_then": rows.version,
        "price_row_now": rows.now,
        "calls": each.calls,
        "recorded_usd": exact(Fraction(each.recorded_nano, _NANO)),
        "now_usd": None if each.now_nano is None else exact(Fraction(each.now_nano, _NANO)),
    }


def _show(verdict: Verdict) -> None:
    click.echo(
        f"{calls(verdict.agreeing)} cost today what was recorded, to the nanodollar:"
        f" {dollars(Fraction(verdict.agreeing_nano, _NANO))}."
    )
    if verdict.unpriced:
        click.echo(f"Recorded without a price row, so that there is nothing to compare: {calls(verdict.unpriced)}.")
    if not verdict.differences:
        return
    table = plain_table(
        Column("price row then", overflow="fold"),
        "version",
        Column("price row now", overflow="fold"),
        Column("calls", justify="right"),
        Column("recorded", justify="right"),
        Column("now", justify="right"),
    )
    for rows, each in verdict.differences.items():
        now = UNKNOWN if each.now_nano is None else dollars(Fraction(each.now_nano, _NANO))
        recorded = dollars(Fraction(each.recorded_nano, _NANO))
        table.add_row(*(escape(name) for name in (rows.then, rows.version, rows.now)), f"{each.calls:,}", recorded, now)
    show("", table)
