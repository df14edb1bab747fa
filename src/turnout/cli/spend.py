"""`turnout spend`: what was spent, on what, by whom. Reads only; a running server is not disturbed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, tzinfo
from pathlib import Path
from typing import get_args

import click
from sqlalchemy import Connection

from turnout.cli import spend_export, spend_table
from turnout.cli.admin import location_of_record, told
from turnout.cli.amounts import calls
from turnout.cli.doctor_books import kept_since
from turnout.cli.options import (
    Format,
    config_option,
    data_dir_option,
    format_options,
    period_options,
    plot_option,
    refusing,
)
from turnout.cli.spend_report import Report, SpendLine
from turnout.core.clock import SystemClock
from turnout.core.money import NOTHING, Money
from turnout.core.names import did_you_mean
from turnout.ledger import outcomes
from turnout.ledger.queries import KeyNames, key_names, reading
from turnout.ledger.report_period import Period, read_period
from turnout.ledger.spending import COLUMNS, TIMES, Dimension, Question, Spending, money, spending, without_days
from turnout.ledger.verify import verify


def _by(_context: click.Context, _param: click.Parameter, value: str) -> tuple[Dimension, ...]:
    asked = tuple(dict.fromkeys(word.strip() for word in value.split(",") if word.strip()))
    known = {name: name for name in get_args(Dimension)}
    for word in asked:
        if word not in known:
            hint = did_you_mean(word, known)
            raise click.BadParameter(f"There is nothing to group by called '{word}'. {hint} Known: {', '.join(known)}.")
    return asked  # pyright: ignore[reportReturnType]


def _where(_context: click.Context, _param: click.Parameter, value: Sequence[str]) -> dict[str, tuple[str, ...]]:
    chosen: dict[str, tuple[str, ...]] = {}
    for each in value:
        name, equals, wanted = each.partition("=")
        if not equals or name not in COLUMNS:
            raise click.BadParameter(f"'{each}' is not NAME=VALUE with a NAME out of: {', '.join(COLUMNS)}.")
        chosen[name] = (*chosen.get(name, ()), wanted)
    return chosen


@click.command()
@click.option("--by", default="model", show_default=True, callback=_by, help=f"Of: {', '.join(get_args(Dimension))}.")
@period_options("month")
@click.option("--where", multiple=True, callback=_where, metavar="NAME=VALUE", help="Only these; repeat for more.")
@click.option("--per", metavar="FEEDBACK", help="Cost per accepted answer, or per unit of yours.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Lines of the table.")
@format_options
@plot_option
@click.option("--verify", "check", is_flag=True, help="Instead, add everything up again and list what differs.")
@data_dir_option
@config_option
def spend(
    by: tuple[Dimension, ...],
    since: str,
    until: str | None,
    zone: tzinfo,
    where: dict[str, tuple[str, ...]],
    per: str | None,
    limit: int,
    form: Format,
    plot: Path | None,
    check: bool,
    data_dir: Path | None,
    config: Path | None,
) -> None:
    """Show what was spent this month, by model, against the same part of last month.

    A cost that is not known is never shown as 0. A call with two tags counts under both.
    """
    with refusing():
        period = read_period(since, until, zone, SystemClock().now())
    with told(), reading(location_of_record(config, data_dir)) as connection:
        names = key_names(connection)
        if "key" in where:
            where["key"] = tuple(key_id for text in where["key"] for key_id in names.ids(text))
        question = Question(period=period, by=by, where=where)
        if check:
            _verify(connection)
            return
        report = _report(connection, question, per, names)
        if plot is not None:
            _draw(connection, question, plot, names)
    if form is Format.JSON:
        click.echo(spend_export.as_json(report))
    elif form is Format.CSV:
        click.echo(spend_export.as_csv(report), nl=False)
    else:
        spend_table.print_report(report, limit)


def _report(connection: Connection, question: Question, per: str | None, names: KeyNames) -> Report:
    if per is not None and per not in (known := outcomes.names(connection)):
        hint = f"There is feedback of: {', '.join(known)}." if known else "There is no feedback at all yet."
        raise click.UsageError(f"No feedback is called '{per}'. {hint}")
    now, days = _now(connection, question)
    before = _before(connection, question)
    worth = None if per is None else outcomes.worth(connection, question, per)
    lines = [
        SpendLine(
            key=key,
            sums=sums,
            before=None if before is None else before.lines.get(key),
            outcomes=None if worth is None else worth.lines.get(key, outcomes.Outcomes()),
        )
        for key, sums in now.lines.items()
        if sums.calls or sums.cost_nano  # else only calls that nothing was billed for
    ]
    return Report(
        question=question,
        lines=_ordered(question, lines),
        total=SpendLine(
            key=(), sums=now.total, before=before and before.total, outcomes=None if worth is None else worth.total
        ),
        before=before and before.question.period,
        per=per,
        names=names,
        days=days,
        unpriced=_unpriced(connection, question) if now.total.unpriced else {},
    )


def _now(connection: Connection, question: Question) -> tuple[Spending, list[tuple[date, Money]]]:
    """The answer, and the cost of each day: from one read where the question has no times of its own; nothing where
    the days would take as long to read as the answer."""
    by_day = Question(period=question.period, by=("day",), where=question.where)
    if not by_day.from_sums:
        return spending(connection, question), []
    # Groups of tags have a call in each of its tags, so their days would add up to more than there was.
    if not question.from_sums or question.by_time or "tag" in question.by:
        days = spending(connection, by_day)
        return spending(connection, question), _costs(question.period, days)
    fine = spending(connection, Question(period=question.period, by=("day", *question.by), where=question.where))
    return without_days(fine), _costs(question.period, fine)


def _costs(period: Period, by_day: Spending) -> list[tuple[date, Money]]:
    costs = {day.isoformat(): 0 for day in period.days()}
    for key, sums in by_day.lines.items():
        costs[key[0]] += sums.cost_nano
    return [(date.fromisoformat(day), money(cost)) for day, cost in costs.items()]


def _before(connection: Connection, question: Question) -> Spending | None:
    previous = question.period.previous()
    if previous is None:
        return None
    by = () if question.by_time else question.by
    return spending(connection, Question(period=previous, by=by, where=question.where))


def _ordered(question: Question, lines: list[SpendLine]) -> list[SpendLine]:
    """By time where that is asked for first, else the dearest first."""
    if question.by and question.by[0] in TIMES:
        return sorted(lines, key=lambda line: line.key)
    return sorted(lines, key=lambda line: (-line.sums.cost_nano, -line.sums.calls, line.key))


def _unpriced(connection: Connection, question: Question) -> dict[str, int]:
    """The models whose calls have no known price, with how many."""
    found = spending(connection, Question(period=question.period, by=("model",), where=question.where))
    counts = {key[0]: sums.unpriced for key, sums in found.lines.items() if sums.unpriced}
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _draw(connection: Connection, question: Question, path: Path, names: KeyNames) -> None:
    from turnout.cli.spend_plot import stacked_days  # matplotlib is an extra

    first: Dimension = "model"
    for each in question.by:
        if each not in TIMES:
            first = each
            break
    by_day = Question(period=question.period, by=("day", first), where=question.where)
    found = spending(connection, by_day)
    days = question.period.days()
    place = {day.isoformat(): number for number, day in enumerate(days)}
    series: dict[str, list[Money]] = {}
    for (day, name), sums in found.lines.items():
        amounts = series.setdefault(
            spend_table.printable(names.label(name) if first == "key" else name) or "(none)", [NOTHING] * len(days)
        )
        amounts[place[day]] += sums.cost or NOTHING
    title = f"Cost by {first}, {_span(question.period)}"
    if first == "tag":
        title += ", a call in each of its tags"
    if found.total.unpriced:
        title += f", without {calls(found.total.unpriced)} whose price is not known"
    stacked_days(path, days, series, title)


def _span(period: Period) -> str:
    return f"{period.days()[0].isoformat()} to {period.days()[-1].isoformat()} ({period.zone})"


def _verify(connection: Connection) -> None:
    found = verify(connection, kept_since())
    for each in found:
        click.echo(str(each))
    if found:
        raise click.ClickException(f"The books differ in {len(found)} places. Nothing was changed.")
    click.echo("The books agree: every sum, account and hold is what its rows make.")
