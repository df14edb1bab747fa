"""The answer of `turnout simulate traffic`: sums per line and target, what stands apart, and what was assumed."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import get_args

import click
import orjson
from rich.markup import escape
from rich.table import Column, Table

from turnout.catalogue.tariff import shown
from turnout.cli.amounts import UNKNOWN, calls, dollars, exact, percent, share_text
from turnout.cli.options import Format
from turnout.cli.simulate_bars import Bars, plot_bars
from turnout.cli.tables import plain_table, show
from turnout.core.json import Json, JsonObject
from turnout.ledger.queries import KeyNames
from turnout.planning.quote import Cache
from turnout.planning.traffic import Assumed, Question, Repriced, Standing, Sum, Sums

_NANO = 10**9
_TOTAL = "total"
_FIELDS = (
    *("group", "target", "standing", "calls", "recorded_usd", "usd", "difference_usd", "difference_share"),
    *("calls_without_price", "recorded_usd_without_price", "calls_without_recorded_cost"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficReport:
    """Everything that was asked and found."""

    question: Question
    repriced: Repriced
    void: int
    shift: Fraction
    zone: str
    prices_version: str
    names: KeyNames

    @property
    def labels(self) -> list[str]:
        """Of the targets."""
        return [each.label for each in self.question.targets]

    def lines(self) -> list[tuple[str, Sums]]:
        """Days by date, all else by what was paid; the total last."""
        found = sorted(self.repriced.groups.items())
        if self.question.by != "day":
            found.sort(key=lambda item: -sum(_recorded(each) for each in item[1].values()))
        if self.question.by == "key":
            found = [(self.names.label(key_id), sums) for key_id, sums in found]
        return [*found, (_TOTAL, self.repriced.total)]

    def cost(self, found: Sum) -> Fraction:
        """Dollars on the target, with what can wait moved."""
        return found.shifted(self.shift) / _NANO


def _recorded(found: Sum) -> int:
    return found.recorded_nano + found.unknown_nano


def _is_recorded(found: Sum) -> bool:
    """Whether anything is known of what the calls cost. Of no calls: nothing, which is known."""
    return not found.unrecorded or found.unrecorded < found.calls + found.unknown


def _recorded_text(found: Sum, beside: Fraction) -> str:
    """What is not known is not $0, and not left out of a sum without a word."""
    if not _is_recorded(found):
        return UNKNOWN
    return dollars(Fraction(_recorded(found), _NANO), beside) + (" + ?" if found.unrecorded else "")


def show_traffic(report: TrafficReport, form: Format) -> None:
    """Prints it."""
    if form is Format.TEXT:
        _show(report)
        return
    rows = list(_rows(report))
    if form is Format.JSON:
        listed: list[Json] = [*rows]
        told: list[Json] = [*assumptions(report)]
        found: JsonObject = {
            "by": report.question.by,
            "from": shown(report.question.span.start),
            "to": shown(report.question.span.end),
            "prices_version": report.prices_version,
            "void_calls": report.void,
            "sums": listed,
            "assumptions": told,
        }
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_FIELDS)
    for row in rows:
        writer.writerow(["" if row[name] is None else row[name] for name in _FIELDS])
    for line in assumptions(report):
        click.echo(f"- {line}", err=True)


def _rows(report: TrafficReport) -> Iterator[JsonObject]:
    """One for each line, target and standing that has calls."""
    for name, sums in report.lines():
        for label in report.labels:
            for standing in get_args(Standing):
                found = sums.get((label, standing))
                if found is not None:
                    yield _row(report, name, label, standing, found)


def _row(report: TrafficReport, name: str, label: str, standing: Standing, found: Sum) -> JsonObject:
    cost, recorded = report.cost(found), Fraction(found.recorded_nano, _NANO)
    known = _is_recorded(found)
    comparable = standing != "unpriced" and found.calls > 0
    return {
        "group": name,
        "target": label,
        "standing": standing,
        "calls": found.calls,
        "recorded_usd": exact(recorded) if known else None,
        "usd": exact(cost) if found.calls else None,
        "difference_usd": exact(cost - recorded) if comparable else None,
        "difference_share": share_text((cost - recorded) / recorded) if comparable and recorded else None,
        "calls_without_price": found.unknown,
        "recorded_usd_without_price": exact(Fraction(found.unknown_nano, _NANO)) if known else None,
        "calls_without_recorded_cost": found.unrecorded,
    }


def _show(report: TrafficReport) -> None:
    span = report.question.span
    if not report.repriced.total:
        click.echo(f"No call between {shown(span.start)} and {shown(span.end)} was billed.")
        return
    title = f"Calls from {shown(span.start)} to before {shown(span.end)}, measured and priced"
    show(_table(report, title, ("measured",), report.lines()))
    apart = [(name, sums) for name, sums in report.lines() if any(standing != "measured" for _, standing in sums)]
    if apart:
        show("", _table(report, "Apart: estimated, or recorded without a price row", ("estimated", "unpriced"), apart))
    click.echo("")
    for line in _missing(report.repriced.total, report.labels):
        click.echo(line)
    click.echo("Assumed:")
    for line in assumptions(report):
        click.echo(f"- {line}")


def _table(report: TrafficReport, title: str, kinds: tuple[Standing, ...], lines: Iterable[tuple[str, Sums]]) -> Table:
    columns = [Column(report.question.by, overflow="fold")]
    if len(kinds) > 1:
        columns.append(Column("standing"))
    columns += [Column(name, justify="right", no_wrap=True) for name in ("calls", "recorded")]
    for label in report.labels:
        columns += [Column(escape(label), justify="right", overflow="fold"), Column("%", justify="right", no_wrap=True)]
    table = plain_table(*columns, title=title)
    for name, sums in lines:
        if name == _TOTAL:
            table.add_section()
        for standing in kinds:
            each = [sums.get((label, standing)) for label in report.labels]
            if each[0] is not None:
                kind = [standing] if len(kinds) > 1 else []
                table.add_row(escape(name), *kind, *_cells(report, each, standing))
    return table


def _cells(report: TrafficReport, found: Iterable[Sum | None], standing: Standing) -> list[str]:
    sums = [each for each in found if each is not None]
    beside = Fraction(max(_recorded(each) for each in report.repriced.total.values()), _NANO)
    cells = [f"{sums[0].calls + sums[0].unknown:,}", _recorded_text(sums[0], beside)]
    for each in sums:
        if not each.calls:
            cells += [UNKNOWN, "-"]
            continue
        cost, recorded = report.cost(each), Fraction(each.recorded_nano, _NANO)
        part = percent((cost - recorded) / recorded, signed=True) if recorded and standing != "unpriced" else "-"
        cells += [dollars(cost, beside) + ("*" if each.unknown else ""), part]
    return cells


def _missing(total: Sums, labels: Iterable[str]) -> Iterator[str]:
    """What a target has no price for, and so is in none of its sums."""
    for label in labels:
        sums = [each for (name, _), each in total.items() if name == label]
        reasons: dict[str, int] = {}
        for each in sums:
            for reason, count in each.reasons.items():
                reasons[reason] = reasons.get(reason, 0) + count
        if reasons:
            left_out = Fraction(sum(each.unknown_nano for each in sums), _NANO)
            yield f"* {label} leaves out {calls(sum(reasons.values()))}, recorded at {dollars(left_out)}:"
            yield from (
                f"  {count:,}: {reason}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1])
            )


def assumptions(report: TrafficReport) -> list[str]:
    """All that the sums rest on."""
    question = report.question
    lines = ["Each call is priced at the instant at which it was made, and rounded to the nanodollar as in the ledger."]
    if report.shift:
        lines.append(
            f"{percent(report.shift)} of the calls can wait: those of them that fall into dear hours are made in cheap"
            " ones of the same tariff."
        )
    lines += [f"{label}: {text}." for label in report.labels for text in _caches(report.repriced.assumed, label)]
    if any(each.candidate is not None for each in question.targets):
        lines.append("Cache writes of which a target says no price are paid there as input.")
    lines += _ratios(report.repriced.assumed)
    lines.append("Reasoning tokens are kept." if question.reasoning else "Reasoning tokens are left out.")
    if report.void:
        lines.append(f"Left out, because nothing was billed for them: {calls(report.void)}.")
    if question.by == "tag":
        lines.append("A call with several tags is in the line of each; the total counts it once.")
    lines.append(f"Prices: version {report.prices_version}.")
    return lines


def _caches(assumed: Iterable[Assumed], label: str) -> list[str]:
    found: dict[Cache | Fraction, list[str]] = {}
    for each in assumed:
        sellers = found.setdefault(each.cache, []) if each.target == label else []
        if each.channel not in sellers:
            sellers.append(each.channel)
    told: list[str] = []
    for cache, sellers in found.items():
        these = f"calls that {', '.join(sorted(sellers))} had"
        if cache is Cache.KEEP:
            told.append(f"{these} keep their cached share")
        elif cache is Cache.LOST:
            told.append(f"{these} lose their prompt cache, all input is paid in full")
        else:
            told.append(f"{percent(cache)} of the input of {these} is read from a cache")
    return told


def _ratios(assumed: Iterable[Assumed]) -> list[str]:
    """One line for a pair of models and a content class; one in all where nothing is converted."""
    lines = [
        f"{each.model} to {each.target}, {each.content or 'unclassified'}: {share_text(each.ratio.factor, 3)} tokens"
        f" for one; {each.ratio.source}."
        for each in assumed
        if each.ratio.factor != 1
    ]
    return list(dict.fromkeys(lines)) or ["Tokens: as many as were recorded; no text is converted."]


def plot_traffic(report: TrafficReport, path: Path) -> None:
    """Bars for each line: recorded, and each target. Measured calls only."""
    lines = report.lines()[:-1] or report.lines()
    first = report.labels[0]
    recorded = [None if (each := sums.get((first, "measured"))) is None else _recorded(each) for _, sums in lines]
    series = [Bars("recorded", [None if each is None else Fraction(each, _NANO) for each in recorded])]
    for label in report.labels:
        found = [sums.get((label, "measured")) for _, sums in lines]
        series.append(Bars(label, [report.cost(each) if each is not None and each.calls else None for each in found]))
    span = report.question.span
    plot_bars(
        path,
        title=f"Recorded calls by {report.question.by}, at other prices",
        labels=[name for name, _ in lines],
        series=series,
        note=f"{shown(span.start)} to {shown(span.end)}, prices {report.prices_version}",
    )
