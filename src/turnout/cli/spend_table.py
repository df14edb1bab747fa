"""A report of spend for people: a table, a row of days, and what to know about the figures."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from decimal import Decimal

from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from turnout.cli.amounts import UNKNOWN, calls, dollars
from turnout.cli.spend_report import Report, SpendLine
from turnout.cli.tables import fitting, plain_table, short_count, show
from turnout.core.money import NOTHING, Money, total
from turnout.ledger.outcomes import ACCEPTED, Outcomes, wilson
from turnout.ledger.report_period import Period
from turnout.ledger.spending import Sums

_BARS = "▁▂▃▄▅▆▇█"
_MOST_DAYS = 92
_NAME = 18
_FIRST_TO_GO = ("est.", "output", "input", "cached", "before", "a call")


def print_report(report: Report, limit: int) -> None:
    """Prints it, with at most `limit` lines."""
    show(Text(_heading(report)), "")
    if not report.total.sums.calls and not report.total.sums.unpriced:
        show("No calls were recorded in it.")
        return
    may_go = [each for each in _FIRST_TO_GO if each in _cells(report, report.total)]
    table, left_out = fitting(lambda names: _table(report, limit, names), may_go)
    show(table)
    if left_out:
        show("", Text(f"Left out, for the width of this window: {', '.join(left_out)}. --json has everything."))
    for line in _notes(report, limit, left_out):
        show("", Text(line))


def printable(text: str) -> str:
    """Names come from callers; what would steer a terminal is shown as a box."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def _heading(report: Report) -> str:
    heading = f"Spend {_span(report.question.period)}"
    if report.question.where:
        chosen = [
            f"{name} {' or '.join(printable(_called(report, name, value)) for value in values)}"
            for name, values in report.question.where.items()
        ]
        heading += f", only {' and '.join(chosen)}"
    return heading


def _span(period: Period) -> str:
    start, end = period.start.astimezone(period.zone), period.end.astimezone(period.zone)
    form = "%Y-%m-%d" if start.hour == start.minute == end.hour == end.minute == 0 else "%Y-%m-%d %H:%M"
    return f"from {start:{form}} to before {end:{form}} ({period.zone})"


def _table(report: Report, limit: int, left_out: Collection[str]) -> Table:
    by = report.question.by
    figures = [name for name in _cells(report, report.total) if name not in left_out]
    names = [
        Column(
            each.replace("_", " "),
            overflow="fold",
            min_width=_width(_called(report, each, line.key[place]) for line in report.lines),
        )
        for place, each in enumerate(by)
    ]
    table = plain_table(*names, *(Column(printable(each), justify="right", no_wrap=True) for each in figures))
    shown = report.lines[:limit]
    for line in shown:
        cells = _cells(report, line)
        table.add_row(*_names(report, line), *(cells[each] for each in figures))
    if len(report.lines) != 1:
        table.add_section()
        cells = _cells(report, report.total)
        table.add_row(*["total", *[""] * len(by)][: len(by)], *(cells[each] for each in figures))
    return table


def _width(names: Iterable[str]) -> int:
    """What a column of names is never narrower than."""
    return min(max(map(len, names), default=0), _NAME)


def _compares(report: Report) -> bool:
    before = report.total.before
    return before is not None and bool(before.calls)


def _called(report: Report, name: str, value: str) -> str:
    return report.names.label(value) if name == "key" else value


def _names(report: Report, line: SpendLine) -> list[str]:
    return [_named(_called(report, *pair)) for pair in zip(report.question.by, line.key, strict=False)]


def _named(part: str) -> str:
    return escape(printable(part)) or "[dim](none)[/dim]"


def _cells(report: Report, line: SpendLine) -> dict[str, str]:
    """The figures of a line by the names of their columns; the same columns for every line of a report."""
    sums, of_all = line.sums, report.total.sums
    cells = {
        "calls": f"{sums.calls:,}",
        "input": _tokens(sums.input_tokens),
        "cached": _percent(sums.cached_tokens, sums.input_tokens),
        "output": _tokens(sums.output_tokens),
        "cost": dollars(sums.cost, of_all.cost),
        "a call": dollars(sums.cost_per_call) if sums.calls > sums.unpriced else "-",
    }
    if of_all.estimated:
        cells["est."] = _percent(sums.estimated, sums.calls) if sums.estimated else ""
    if of_all.unpriced:
        cells["unpriced"] = f"{sums.unpriced:,}" if sums.unpriced else ""
    if _compares(report):
        cells["before"] = "" if line.key and report.question.by_time else _change(sums, line.before)
    if line.outcomes is not None:
        cells["rated"] = _percent(line.outcomes.rated, sums.calls)
        cells |= _worth(report, line.outcomes)
    return cells


def _worth(report: Report, outcomes: Outcomes) -> dict[str, str]:
    each = "-" if not outcomes.units_micro else dollars(outcomes.cost_per_unit)
    if report.per != ACCEPTED:
        units = Decimal(outcomes.units_micro).scaleb(-6).normalize()
        return {f"{report.per}": f"{units:,f}" if outcomes.rated else "-", "per unit": each}
    interval = wilson(outcomes.good, outcomes.rated)
    return {
        "accepted": _percent(outcomes.good, outcomes.rated),
        "95 % interval": "-" if interval is None else f"{100 * interval[0]:.1f} to {interval[1]:.1%}",
        "per accepted": each,
    }


def _tokens(count: int) -> str:
    return f"{count / 1e9:.3g}G" if count >= 10**9 else short_count(count)


def _percent(part: int, whole: int) -> str:
    """A share that is not nothing is not shown as 0 %."""
    if whole <= 0:
        return "-"
    if not part:
        return "0%"
    share = f"{part / whole:.1%}" if part * 10 < whole else f"{part / whole:.0%}"
    return "<0.1%" if share == "0.0%" else share


def _change(sums: Sums, before: Sums | None) -> str:
    if before is None or not before.calls:
        return "new" if sums.calls else ""
    if sums.cost is None or before.cost is None:
        return UNKNOWN
    if before.cost == NOTHING:
        return "" if sums.cost == NOTHING else "was $0"
    return f"{sums.cost_nano / before.cost_nano - 1:+.0%}"


def _notes(report: Report, limit: int, left_out: Sequence[str]) -> list[str]:
    notes: list[str] = []
    if len(report.lines) > limit:
        notes.append(f"{len(report.lines) - limit:,} more lines are in the total; --limit shows them.")
    days = _sparkline(report.days)
    if days:
        notes.append(days)
    if report.before is not None and _compares(report) and "before" not in left_out:
        notes.append(f"`before`: the change of cost against {_span(report.before).removeprefix('from ')}.")
    if report.total.sums.estimated and "est." not in left_out:
        notes.append(_estimated(report.total.sums))
    if "tag" in report.question.by:
        notes.append("A call with several tags counts under each, so the lines can be more than the total.")
    if report.total.sums.unpriced:
        notes.append(_unknown(report))
    if report.per is not None:
        notes.append(
            f"`rated`: requests with the feedback '{printable(report.per)}', out of the calls. Their own cost is set"
            " against what they yielded; what the others were worth is not known."
        )
    return notes


def _estimated(sums: Sums) -> str:
    share = _percent(sums.estimated_nano, sums.cost_nano)
    return f"`est.`: calls that Turnout counted, because the provider's counts never came; in all {share} of the cost."


def _unknown(report: Report) -> str:
    names = [f"{printable(model)} ({count:,})" for model, count in report.unpriced.items()]
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return (
        f"The cost of {calls(report.total.sums.unpriced)} is not known, and in no amount here: {listed}. `turnout price"
        " MODEL` says why. Give the model a price of your own, as docs/prices.md shows; it holds for new calls."
    )


def _sparkline(days: Sequence[tuple[date, Money]]) -> str:
    most = max(days, key=lambda day: day[1], default=None)
    if most is None or len(days) < 2 or len(days) > _MOST_DAYS or total(cost for _, cost in days) <= NOTHING:
        return ""
    heights = [int(max(cost.usd, Decimal(0)) * (len(_BARS) - 1) / most[1].usd + Decimal("0.5")) for _, cost in days]
    bars = "".join(_BARS[height] for height in heights)
    return f"by day  {bars}  {days[0][0]} to {days[-1][0]}, most on {most[0]}: {dollars(most[1])}"
