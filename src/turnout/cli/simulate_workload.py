"""`turnout simulate workload`: the monthly cost of a workload on any models, beside what it costs now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, tzinfo
from fractions import Fraction
from pathlib import Path

import click

from turnout.catalogue.calendar import WEEKDAYS
from turnout.catalogue.ratios import CLASSES
from turnout.catalogue.tariff import GLOBAL, PriceBook, Tier, UnknownPrice
from turnout.cli.options import (
    COUNT,
    DOLLARS,
    SHARE,
    ZONE,
    Format,
    config_option,
    format_options,
    plot_option,
    refusing,
)
from turnout.cli.simulate_bars import Bars, plot_bars
from turnout.cli.simulate_prices import prices_in_use, ratios_from
from turnout.cli.simulate_workload_report import Report, describe, show_report
from turnout.core.clock import SystemClock
from turnout.planning.candidate import Candidate, Service, read_candidate, read_price
from turnout.planning.inverse import explain
from turnout.planning.period import DEFAULT_DAYS, Period, month, read_hours
from turnout.planning.whatif import forecast
from turnout.planning.workload import EXAMPLE, Workload, made, read_parts


@click.command()
@click.argument("line", required=False, metavar="[WORKLOAD]")
@click.option("--calls-per-day", type=COUNT, help="Such as 1M; in place of the line, or of a part of it.")
@click.option("--input", "input_tokens", type=COUNT, help="Input tokens of a call, cached ones and writes included.")
@click.option("--output", "output_tokens", type=COUNT, help="Output tokens of a call, reasoning included.")
@click.option("--cached-share", type=SHARE, help="Of the input: read from the cache.")
@click.option("--cache-write-share", type=SHARE, help="Of the input: written to the cache.")
@click.option("--reasoning", type=SHARE, help="Of the output: reasoning.")
@click.option("--off-peak-share", type=SHARE, help="Of the calls: made off-peak. Default: as the hours have it.")
@click.option("--hours", help="When calls are made: 9-17, or 09:30-12:00,13-17. Default: all day.")
@click.option("--zone", type=ZONE, default="UTC", show_default=True, help="Whose hours and days: Europe/Berlin.")
@click.option("--weekdays", is_flag=True, help="No calls on Saturdays and Sundays.")
@click.option("--days", type=click.IntRange(1, 3660), help=f"Length of the period. Default: {DEFAULT_DAYS}.")
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), help="First day. Default: today.")
@click.option("--month", "month_text", help="A calendar month, such as 2026-11.")
@click.option("--model", "models", multiple=True, help="A model, such as openai/gpt-5.5 or gpt-5.5@flex@us. Repeat it.")
@click.option("--price", "prices", multiple=True, help="Prices of your own: NAME=in/out or NAME=in/out/cached.")
@click.option("--from", "baseline", help="The model that the others are compared with. Default: the first.")
@click.option("--tier", type=click.Choice([each.value for each in Tier]), default=Tier.STANDARD.value)
@click.option("--region", default=GLOBAL, show_default=True, help="Where inference runs.")
@click.option("--shift", type=SHARE, help="Of the calls: can wait for off-peak hours.")
@click.option("--as-counted-by", "counted_by", help="The model whose tokens the line counts. Others are converted.")
@click.option(
    "--content", type=click.Choice(CLASSES), default="prose", help="What the text is made of, for --as-counted-by."
)
@click.option("--explain", "target", type=DOLLARS, help="Which shares would make the cost this sum, such as 70K.")
@click.option("--off-peak-discount", type=SHARE, help="With --explain: assumed where a price has no hours.")
@plot_option
@config_option
@format_options
def workload(
    line: str | None,
    calls_per_day: int | None,
    input_tokens: int | None,
    output_tokens: int | None,
    cached_share: Fraction | None,
    cache_write_share: Fraction | None,
    reasoning: Fraction | None,
    off_peak_share: Fraction | None,
    hours: str | None,
    zone: tzinfo,
    weekdays: bool,
    days: int | None,
    start: datetime | None,
    month_text: str | None,
    models: tuple[str, ...],
    prices: tuple[str, ...],
    baseline: str | None,
    tier: str,
    region: str,
    shift: Fraction | None,
    counted_by: str | None,
    content: str,
    target: Fraction | None,
    off_peak_discount: Fraction | None,
    plot: Path | None,
    config: Path | None,
    form: Format,
) -> None:
    """Price a workload over a period, model by model.

    WORKLOAD is a line such as '1M calls/day, 1000 in, 500 out, 30% cached'. Every assumption is printed below the
    table. Nothing is sent anywhere.
    """
    options: dict[str, int | Fraction | None] = {
        "calls_per_day": calls_per_day,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cached": cached_share,
        "cache_write": cache_write_share,
        "reasoning": reasoning,
        "off_peak": off_peak_share,
    }
    in_use = prices_in_use(config)
    with refusing():
        asked = _workload(line, options)
        if hours is not None and asked.off_peak is not None:
            raise ValueError("The share of off-peak calls follows from the hours: give one of them, not both.")
        period = _period(hours, zone, weekdays, days=days, start=start, month_text=month_text)
        service = Service(tier=Tier(tier), region=region)
        compared, first = _candidates(models, prices, baseline, in_use.book, service, period.first)
        ratio_of = ratios_from(in_use.book, counted_by, content)
        ratios = {each.label: ratio_of(each) for each in compared}
    report = Report(
        workload=asked,
        period=period,
        zone=str(zone),
        baseline=first,
        forecasts=tuple(forecast(asked, each, period, ratio=ratios[each.label], shift=shift) for each in compared),
        shift=shift,
        counted_by=counted_by,
        prices_version=in_use.version,
        explanations=()
        if target is None
        else tuple(
            explain(asked, each, period, target=target, ratio=ratios[each.label], discount=off_peak_discount)
            for each in compared
        ),
        discount=off_peak_discount,
    )
    show_report(report, form)
    if plot is not None:
        _plot(report, plot)
    if all(isinstance(each.cost, UnknownPrice) for each in report.forecasts):
        raise click.ClickException("No cost is known.")


def _plot(report: Report, path: Path) -> None:
    costs = [None if isinstance(each.cost, UnknownPrice) else each.cost for each in report.forecasts]
    plot_bars(
        path,
        title=f"Cost of {report.period.days} days: {describe(report.workload)}",
        labels=[each.candidate.label for each in report.forecasts],
        series=[Bars("cost", costs)],
        note=f"from {report.period.first} ({report.zone}), prices {report.prices_version}",
    )


def _workload(line: str | None, options: dict[str, int | Fraction | None]) -> Workload:
    """The line, with the options over it."""
    parts = {} if line is None else read_parts(line)
    parts |= {name: value for name, value in options.items() if value is not None}
    if not parts:
        raise ValueError(f"Describe the workload in a line, such as '{EXAMPLE}'.")
    return made(parts)


def _period(
    hours: str | None, zone: tzinfo, weekdays: bool, *, days: int | None, start: datetime | None, month_text: str | None
) -> Period:
    if month_text is not None and (days is not None or start is not None):
        raise ValueError("--month is a period by itself: leave --start and --days out.")
    if month_text is not None:
        first, length = month(month_text)
    else:
        first = SystemClock().now().astimezone(zone).date() if start is None else start.date()
        length = DEFAULT_DAYS if days is None else days
    given = {} if hours is None else {"hours": read_hours(hours)}
    chosen = frozenset(range(5 if weekdays else len(WEEKDAYS)))
    return Period(first=first, days=length, zone=zone, weekdays=chosen, **given)


def _candidates(
    models: Sequence[str], prices: Sequence[str], baseline: str | None, book: PriceBook, service: Service, today: date
) -> tuple[list[Candidate], str]:
    """What is compared, and the label of what it is compared with."""
    found = [read_candidate(each, book, service) for each in models]
    found += [read_price(each, today) for each in prices]
    labels = [each.label for each in found]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise ValueError(f"'{twice}' is asked for twice.")
    if baseline is not None and baseline not in labels:
        found.insert(0, read_candidate(baseline, book, service))
    if not found:
        raise ValueError("Name what is compared, with --model or --price.")
    return found, baseline or found[0].label
