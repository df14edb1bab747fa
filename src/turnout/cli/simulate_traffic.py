"""`turnout simulate traffic`: the recorded calls at other prices, each by the tariff of its own instant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, tzinfo
from fractions import Fraction
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from sqlalchemy import Connection

from turnout.catalogue.tariff import GLOBAL, PriceBook, Tier
from turnout.cli.admin import location_of_record, told
from turnout.cli.options import (
    SHARE,
    Format,
    config_option,
    data_dir_option,
    format_options,
    period_options,
    plot_option,
    refusing,
)
from turnout.cli.simulate_as_recorded import show_verdict
from turnout.cli.simulate_prices import prices_in_use, ratios_of
from turnout.cli.simulate_traffic_report import TrafficReport, plot_traffic, show_traffic
from turnout.core.clock import SystemClock
from turnout.ledger.queries import key_names, reading
from turnout.ledger.ratios import learned
from turnout.ledger.report_period import Period, read_period
from turnout.planning.as_recorded import Comparison
from turnout.planning.candidate import Service, read_candidate, read_price, read_service
from turnout.planning.period import Span
from turnout.planning.quote import Cache
from turnout.planning.recorded_calls import (
    CHUNK,
    DIMENSIONS,
    Dimension,
    RecordedCall,
    count_calls,
    count_void,
    recorded_calls,
)
from turnout.planning.traffic import Question, Repricer, Target, unconverted
from turnout.planning.workload import read_share

SAME = "same"
"""As a target: each call's own model."""
_LONG = 50_000
"""Calls from which on a bar shows how far it is."""


def _cache(_context: click.Context, _param: click.Parameter, value: str | None) -> Cache | Fraction | None:
    if value is None or value in (Cache.KEEP.value, Cache.LOST.value):
        return None if value is None else Cache(value)
    try:
        return read_share(value)
    except ValueError as error:
        raise click.BadParameter(f"Write keep, lost, or a share. {error}") from None


@click.command()
@click.option("--to", "targets", multiple=True, help="A model such as openai/gpt-5.5@flex, or same@batch. Repeat it.")
@click.option("--price", "prices", multiple=True, help="Prices of your own: NAME=in/out or NAME=in/out/cached.")
@click.option("--as-recorded", is_flag=True, help="Compare the prices of today with what was recorded, row by row.")
@click.option("--by", type=click.Choice(DIMENSIONS), default="route", show_default=True, help="What a line is for.")
@period_options("30d")
@click.option("--shift", type=SHARE, help="Of the calls: can wait for off-peak hours.")
@click.option("--cache", callback=_cache, help="keep, lost, or a share. Default: lost where the seller changes.")
@click.option("--per-token", is_flag=True, help="Convert no tokens: each model makes as many of a text as another.")
@click.option("--drop-reasoning", is_flag=True, help="Leave reasoning tokens out.")
@click.option("--tier", type=click.Choice([each.value for each in Tier]), default=Tier.STANDARD.value)
@click.option("--region", default=GLOBAL, show_default=True, help="Where inference would run.")
@plot_option
@data_dir_option
@config_option
@format_options
def traffic(
    targets: tuple[str, ...],
    prices: tuple[str, ...],
    as_recorded: bool,
    by: Dimension,
    since: str,
    until: str | None,
    zone: tzinfo,
    shift: Fraction | None,
    cache: Cache | Fraction | None,
    per_token: bool,
    drop_reasoning: bool,
    tier: str,
    region: str,
    plot: Path | None,
    data_dir: Path | None,
    config: Path | None,
    form: Format,
) -> None:
    """Price the recorded traffic as if another model, service or hour had it.

    Reads the ledger and changes nothing; a running server is not disturbed. Every assumption is printed below the
    table.
    """
    in_use = prices_in_use(config)
    with refusing():
        period = read_period(since, until, zone, SystemClock().now())
        asked = _targets(targets, prices, in_use.book, Service(tier=Tier(tier), region=region), period.start)
        if not asked and not as_recorded:
            raise ValueError("Name where the traffic would go, with --to or --price; or ask for --as-recorded.")
    span = Span(period.start, period.end)
    with told(), reading(location_of_record(config, data_dir)) as connection:
        if as_recorded:
            comparison = Comparison(in_use.book, span)
            for chunk in _chunks(connection, period, by):
                comparison.add(chunk)
            show_verdict(comparison.verdict, form)
            return
        question = Question(
            targets=tuple(asked),
            book=in_use.book,
            span=span,
            by=by,
            cache=cache,
            reasoning=not drop_reasoning,
            ratio=unconverted if per_token else ratios_of(learned(connection, period.start, period.end)),
        )
        repricer = Repricer(question)
        for chunk in _chunks(connection, period, by):
            repricer.add(chunk)
        names = key_names(connection)
        void = count_void(connection, period.start_ms, period.end_ms)
    report = TrafficReport(
        question=question,
        repriced=repricer.finish(),
        void=void,
        shift=shift or Fraction(0),
        zone=str(zone),
        prices_version=in_use.version,
        names=names,
    )
    show_traffic(report, form)
    if plot is not None:
        plot_traffic(report, plot)


def _targets(
    texts: Sequence[str], prices: Sequence[str], book: PriceBook, service: Service, start: datetime
) -> list[Target]:
    """Where the traffic would go. Raises ValueError."""
    found: list[Target] = []
    for text in texts:
        if text == SAME or text.startswith(f"{SAME}@"):
            _, wanted = read_service(text, service)
            own = text == SAME and service == Service()
            found.append(Target(label=text, service=None if own else wanted))
        else:
            found.append(Target(label=text.strip(), candidate=read_candidate(text, book, service)))
    for text in prices:
        candidate = read_price(text, start.date())
        found.append(Target(label=candidate.label, candidate=candidate))
    labels = [each.label for each in found]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise ValueError(f"'{twice}' is asked for twice.")
    return found


def _chunks(connection: Connection, period: Period, by: Dimension) -> Iterator[Iterable[RecordedCall]]:
    """The calls, with a bar on a terminal where there are many."""
    chunks = recorded_calls(connection, period.start_ms, period.end_ms, by)
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from chunks
        return
    calls = count_calls(connection, period.start_ms, period.end_ms)
    if calls < _LONG:
        yield from chunks
        return
    yield from track(chunks, "Pricing calls", total=calls / CHUNK, console=console, transient=True)
