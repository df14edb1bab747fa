"""The answer of `turnout simulate workload`: a table, what was assumed, and what would make a stated sum true."""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from fractions import Fraction

import click
import orjson
from rich.markup import escape
from rich.table import Column

from turnout.catalogue.calendar import Hours
from turnout.catalogue.tariff import UnknownPrice
from turnout.cli.amounts import UNKNOWN, against, calls, dollars, exact, finely, percent, share_text
from turnout.cli.options import Format
from turnout.cli.simulate_explanation import explanation_json, explanation_lines
from turnout.cli.tables import plain_table, show
from turnout.core.json import Json, JsonObject
from turnout.planning.inverse import Explanation
from turnout.planning.period import ALL_DAY, Period
from turnout.planning.whatif import Forecast
from turnout.planning.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that was asked and found."""

    workload: Workload
    period: Period
    zone: str
    baseline: str
    """The label of the forecast that the others are compared with."""
    forecasts: tuple[Forecast, ...]
    shift: Fraction | None
    counted_by: str | None
    prices_version: str
    explanations: tuple[Explanation | UnknownPrice, ...] = ()
    discount: Fraction | None = None

    def base(self) -> Fraction | None:
        """Dollars of the baseline; None where they are not known."""
        cost = next(each.cost for each in self.forecasts if each.candidate.label == self.baseline)
        return None if isinstance(cost, UnknownPrice) else cost


def show_report(report: Report, form: Format) -> None:
    """Prints it."""
    if form is Format.JSON:
        click.echo(orjson.dumps(_as_json(report), option=orjson.OPT_INDENT_2))
    elif form is Format.CSV:
        _write_csv(report)
    else:
        _show(report)


def _show(report: Report) -> None:
    table = plain_table(
        Column("model", overflow="fold"),
        Column(f"cost of {report.period.days} days", justify="right", no_wrap=True),
        Column("a call", justify="right", no_wrap=True),
        Column(f"against {escape(report.baseline)}", justify="right", no_wrap=True),
        Column("%", justify="right", no_wrap=True),
        Column("off-peak", justify="right", no_wrap=True),
        title=describe(report.workload),
    )
    for each in report.forecasts:
        table.add_row(escape(each.candidate.label), *_cells(each, report))
    show(table)
    click.echo("\nAssumed:")
    for line in assumptions(report):
        click.echo(f"- {line}")
    for each in report.explanations:
        click.echo("")
        for line in explanation_lines(each, report.discount):
            click.echo(line)


def _cells(each: Forecast, report: Report) -> tuple[str, ...]:
    if isinstance(each.cost, UnknownPrice):
        return (UNKNOWN, "-", "-", "-", "-")
    base = report.base()
    difference, part = against(each.cost, base) if base is not None else (None, None)
    own = each.candidate.label == report.baseline
    return (
        dollars(each.cost),
        finely(each.cost / each.calls),
        "-" if difference is None or own else dollars(difference),
        "-" if part is None or own else percent(part, signed=True),
        "-" if each.off_peak is None else percent(each.off_peak),
    )


def describe(workload: Workload) -> str:
    """A workload in a line that could be read again."""
    parts = [
        f"{workload.calls_per_day:,} calls/day",
        f"{workload.input_tokens:,} in",
        f"{workload.output_tokens:,} out",
        f"{percent(workload.cached)} cached",
    ]
    if workload.cache_write:
        parts.append(f"{percent(workload.cache_write)} cache write")
    if workload.reasoning:
        parts.append(f"{percent(workload.reasoning)} reasoning")
    if workload.off_peak is not None:
        parts.append(f"{percent(workload.off_peak)} off-peak")
    return ", ".join(parts)


def assumptions(report: Report) -> list[str]:
    """All that the sums rest on."""
    period, workload = report.period, report.workload
    active = len(period.active_days())
    lines = [
        f"{period.days} days from {period.first} ({report.zone}), with calls on {active} of them:"
        f" {calls(workload.calls_per_day * active)}, spread evenly over {_hours(period.hours)}.",
        f"Cached reads are {percent(workload.cached)} of the input on every model; all other input is paid in full.",
    ]
    if report.shift:
        lines.append(
            f"{percent(report.shift)} of the calls can wait: those of them that fall into dear hours are made in cheap"
            " ones of the same tariff."
        )
    if workload.off_peak is not None:
        lines.append("The off-peak share is the question's, not the clock's.")
    for each in report.forecasts:
        lines += _prices(each)
    lines += _ratios(report)
    lines.append(f"Prices: version {report.prices_version}, as known today; a later change is not foreseen.")
    return lines


def _prices(each: Forecast) -> list[str]:
    """The rows, and how many of the calls the clock gives to each."""
    label = each.candidate.label
    if isinstance(each.cost, UnknownPrice):
        return [f"{label}: {each.cost.message}"]
    lines: list[str] = []
    for row, share in each.clock:
        prices = ", ".join(f"{kind.value} {price}" for kind, price in row.prices.items())
        note = f" ({row.note})" if row.note else ""
        by_clock = "" if len(each.clock) == 1 else f"; {percent(share)} of the calls by the clock"
        lines.append(f"{label}: {prices}{by_clock}; row {row.id}{note}.")
    return lines


def _ratios(report: Report) -> list[str]:
    """One line where every model has the same."""
    if report.counted_by is None:
        return ["Tokens: each model is taken to make as many as the workload says; --as-counted-by converts them."]
    return [
        f"{each.candidate.label}: {plain_ratio(each.ratio.factor)} tokens for one of {report.counted_by}'s;"
        f" {each.ratio.source}."
        for each in report.forecasts
    ]


def plain_ratio(factor: Fraction) -> str:
    """A ratio to a thousandth."""
    return share_text(factor, 3)


def _hours(hours: tuple[Hours, ...]) -> str:
    if hours == ALL_DAY:
        return "all hours"
    return ", ".join(
        f"{each.start // 60:02}:{each.start % 60:02}-{each.end // 60:02}:{each.end % 60:02}" for each in hours
    )


def _row_json(each: Forecast, report: Report) -> JsonObject:
    base = report.base()
    known = None if isinstance(each.cost, UnknownPrice) else each.cost
    difference, part = (None, None) if known is None or base is None else against(known, base)
    rows: list[Json] = [row.id for row, _ in each.clock]
    return {
        "model": each.candidate.label,
        "channel": each.candidate.key.channel,
        "tier": each.candidate.key.tier.value,
        "region": each.candidate.key.region,
        "usd": None if known is None else exact(known),
        "usd_per_call": None if known is None else exact(known / each.calls),
        "difference_usd": None if difference is None else exact(difference),
        "difference_share": None if part is None else share_text(part),
        "off_peak_share": None if each.off_peak is None else share_text(each.off_peak),
        "tokens_ratio": share_text(each.ratio.factor),
        "unknown": each.cost.message if isinstance(each.cost, UnknownPrice) else None,
        "price_rows": rows,
    }


def _as_json(report: Report) -> JsonObject:
    models: list[Json] = [_row_json(each, report) for each in report.forecasts]
    told: list[Json] = [*assumptions(report)]
    explained: list[Json] = [explanation_json(each) for each in report.explanations]
    period = report.period
    found: JsonObject = {
        "workload": describe(report.workload),
        "first_day": period.first.isoformat(),
        "days": period.days,
        "days_with_calls": len(period.active_days()),
        "zone": report.zone,
        "baseline": report.baseline,
        "prices_version": report.prices_version,
        "models": models,
        "assumptions": told,
    }
    if report.explanations:
        found["explanations"] = explained
    return found


def _write_csv(report: Report) -> None:
    """Each model in a line. Assumptions go to standard error, where they don't disturb a spreadsheet."""
    rows = [_row_json(each, report) for each in report.forecasts]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([name for name in rows[0] if name != "price_rows"])
    for row in rows:
        writer.writerow(["" if value is None else value for name, value in row.items() if name != "price_rows"])
    for line in assumptions(report):
        click.echo(f"- {line}", err=True)
