"""The answer of `turnout simulate retries`, for people: tables, and what was assumed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import click
from rich.table import Column, Table

from turnout.cli.amounts import chance, dollars
from turnout.cli.options import Format
from turnout.cli.simulate_retries_machine import as_csv, as_json
from turnout.cli.tables import plain_table, show, show_fitting
from turnout.planning.correlation import Interval
from turnout.planning.draws_summary import DrawsSummary
from turnout.planning.retry_study import Case, Comparison, Study

_STEPS = (1, 2, 3, 5, 8, 12, 20, 50, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that was asked and found."""

    study: Study
    summary: DrawsSummary | None
    """Of recorded attempts, where some were given."""
    cheap: str | None
    """The model whose price a call has; None: a price of the question, or none."""
    dear: str | None
    rescue_given: bool
    priced: str | None
    """How calls were priced; None where the question did."""


def show_report(report: Report, form: Format) -> None:
    """Prints it."""
    if form is Format.JSON:
        click.echo(as_json(report.study, report.summary, assumptions(report)))
    elif form is Format.CSV:
        click.echo(as_csv(report.study), nl=False)
    else:
        _show(report)


def _show(report: Report) -> None:
    study = report.study
    if report.summary is not None:
        _show_summary(report.summary)
    _show_attempts(study)
    _show_ends(study)
    compared = [(case, found) for case in study.cases if (found := study.compared(case)) is not None]
    if compared:
        _show_ways(compared)
    if study.strong is not None:
        _show_break_even(compared)
    click.echo("\nAssumed:")
    for line in assumptions(report):
        click.echo(f"- {line}")


def _show_summary(summary: DrawsSummary) -> None:
    click.echo(
        f"{summary.tasks} tasks, {summary.attempts} attempts: {chance(summary.mean)} right. "
        f"{summary.never} tasks are never right, {summary.always} always."
    )
    if summary.moments is None or summary.likelihood is None:
        click.echo("They say nothing about the correlation: give tasks several attempts, with both outcomes.")
    else:
        told = "Correlation of attempts at the same task"
        click.echo(f"{told}, by moments: {summary.moments:.3f}{_between(summary.moments_interval)}")
        by = summary.likelihood
        click.echo(
            f"{told}, by likelihood: {by.correlation:.3f}{_between(summary.likelihood_interval)}, "
            f"with a mean of {by.success:.1%}"
        )
    table = plain_table(
        *_columns("attempts", "if independent", "tasks' own rates", "95 %", "unbiased pass@k", "95 %"),
    )
    for each in summary.pass_at:
        table.add_row(
            str(each.attempts),
            chance(each.independent),
            chance(each.own_rates),
            _range(each.own_rates_interval),
            "too few attempts" if each.unbiased is None else chance(each.unbiased),
            _range(each.unbiased_interval),
        )
    _show_table("At least one attempt is right, from the recorded attempts themselves", table)


def _show_attempts(study: Study) -> None:
    table = plain_table(
        *_columns("at most", *(_heading(case) for case in study.cases)),
    )
    for most in [each for each in _STEPS if each < study.most] + [study.most]:
        table.add_row(f"{most}", *(chance(case.outcomes[most - 1].right) for case in study.cases))
    _show_table("An answer is accepted and right, by the correlation of attempts at the same task", table)


def _show_ends(study: Study) -> None:
    rows = [_end(study, case) for case in study.cases]
    _show_fitting(f"With at most {study.most} attempts", rows, ("mean calls", "right of accepted", "one is right"))


def _end(study: Study, case: Case) -> dict[str, str]:
    last = case.last
    sure = last.right_of_accepted
    return {
        "correlation": _heading(case),
        "one is right": chance(last.any_right),
        "accepted, right": chance(last.right),
        "accepted, wrong": chance(last.wrong),
        "none accepted": chance(last.none),
        "right of accepted": "-" if sure is None else chance(sure),
        "mean calls": f"{study.most if study.at_once else float(last.attempts):.2f}",
    }


def _show_ways(compared: Sequence[tuple[Case, Comparison]]) -> None:
    rows = [
        {
            "correlation": _heading(case),
            "way": way.name,
            "accepted, right": chance(way.right),
            "accepted, wrong": chance(way.wrong),
            "a task": dollars(way.cost),
            "a right answer": "never" if way.per_right is None else dollars(way.per_right),
            "calls": f"{float(way.calls):.2f}",
            "calls in a row": f"{float(way.waits):.2f}",
        }
        for case, found in compared
        for way in found.ways
    ]
    _show_fitting("What it costs, checks included", rows, ("calls in a row", "accepted, wrong", "calls"))


def _show_fitting(title: str, rows: Sequence[Mapping[str, str]], may_go: Sequence[str]) -> None:
    """Lines with the same cells, as many of them as there is room for."""

    def make(left_out: Collection[str]) -> Table:
        names = [name for name in rows[0] if name not in left_out]
        table = plain_table(
            *(Column(name, justify="left" if name == "way" else "right", no_wrap=True) for name in names)
        )
        for row in rows:
            table.add_row(*(row[name] for name in names))
        return table

    click.echo(f"\n{title}")
    show_fitting(make, may_go)


def _show_break_even(compared: Sequence[tuple[Case, Comparison]]) -> None:
    table = plain_table(
        *_columns("correlation", "attempts alone", "attempts, then strong"),
    )
    for case, found in compared:
        table.add_row(_heading(case), _limit(found.retries_break_even), _limit(found.cascade_break_even))
    _show_table("A cheap call may cost at most this, or a right answer is cheaper by the strong model alone", table)


def _show_table(title: str, table: Table) -> None:
    """With a title over it that may be wider than it is."""
    click.echo(f"\n{title}")
    show(table)


def _limit(price: Fraction | None) -> str:
    return "no price is low enough" if price is None else dollars(price)


def assumptions(report: Report) -> list[str]:
    """What the answer rests on, in sentences."""
    study = report.study
    check = study.check
    lines = [
        "Tasks' own rates follow a beta distribution; given its task, an attempt does not depend on the others.",
        f"The check accepts {chance(check.accepts_right)} of right answers and {chance(check.accepts_wrong)} of "
        "wrong ones, each time anew. A check that errs alike on every answer to a task is worse than this.",
    ]
    if study.at_once:
        lines.append(f"All {study.most} attempts are made and checked; the first accepted one is taken.")
    else:
        lines.append("Attempts end with the first accepted answer. A failed attempt costs as much as any.")
    if report.priced is not None:
        lines.append(report.priced)
    if study.prices is not None:
        lines.append("A wrong answer that was accepted costs nothing here. What it costs you is not counted.")
    if study.strong is not None:
        who = "The strong model" if report.dear is None else report.dear
        lines.append(f"{who} is right in {chance(study.strong.success)} of its calls, and its answer is checked too.")
        lines.append(
            f"On the tasks that are left to it, it is right in {chance(study.strong.rescue)}"
            + (
                "."
                if report.rescue_given
                else ", as on all tasks. Those are the harder ones, so this flatters: measure it, and give "
                "--strong-rescue."
            )
        )
    if report.summary is not None:
        lines.append(
            "Intervals are the middle 95 % over resampled tasks; they don't cover tasks of another kind. The tasks' "
            "own rates take a task that never succeeded for one that never will."
        )
    return lines


def _columns(*names: str) -> list[Column]:
    return [Column(name, justify="right", no_wrap=True) for name in names]


def _heading(case: Case) -> str:
    correlation = f"{float(case.tasks.correlation):.3g}"
    return correlation if case.name == "given" else f"{correlation} ({case.name})"


def _between(found: Interval | None) -> str:
    return "" if found is None else f" (95 %: {found.low:.3f} to {found.high:.3f})"


def _range(found: Interval | None) -> str:
    return "" if found is None else f"{found.low:.1%} - {found.high:.1%}"
