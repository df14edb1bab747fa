"""How `turnout reconcile` tells what it found: a table for people, JSON and CSV for machines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import orjson
from rich.markup import escape
from rich.table import Column

from turnout.cli.tables import plain_table, show
from turnout.core.json import Json, JsonObject
from turnout.core.money import Money, plain, total
from turnout.planning.exports.row import Export
from turnout.planning.reconcile_ledger import Side
from turnout.planning.reconcile_result import COST, Cause, Difference, Reconciliation, Total

_HEADER = "day,model,tier,what,theirs,ours,difference,usd,usd_is,cause,explained,entries,estimated,detail,place"


def show_report(side: Side, exports: Sequence[Export], found: Reconciliation, notes: Sequence[str], limit: int) -> None:
    """The totals of both sides, the causes, and the largest differences."""
    whose = side.provider or side.channel or "all providers"
    show(
        f"{whose}, {side.since} to before {_after(side)} ({side.zone}): {', '.join(_formats(exports))}",
        "",
        _totals(found),
    )
    if not found.differences:
        show(f"No difference in {found.compared} comparisons{_within(found)}.")
    else:
        show("", _causes(found), "", _lines(found.differences[:limit]))
        if len(found.differences) > limit:
            show(f"{len(found.differences) - limit} more; --limit, --json and --csv show them.")
        show("", f"{found.unexplained} of {len(found.differences)} differences have no known cause{_within(found)}.")
    for note in notes:
        show(f"Note: {escape(note)}")


def as_json(side: Side, exports: Sequence[Export], found: Reconciliation, notes: Sequence[str]) -> bytes:
    """All of it."""
    report: JsonObject = {
        "provider": side.provider,
        "channel": side.channel,
        "since": side.since.isoformat(),
        "until": _after(side).isoformat(),
        "zone": str(side.zone),
        "formats": [*_formats(exports)],
        "compared": found.compared,
        "within_tolerance": found.within,
        "unexplained": found.unexplained,
        "totals": [_total(each) for each in found.totals],
        "causes": [_cause(cause, found) for cause in _named(found)],
        "differences": [_difference(each) for each in found.differences],
        "notes": [*notes],
    }
    return orjson.dumps(report, option=orjson.OPT_INDENT_2)


def as_csv(found: Reconciliation) -> str:
    """The differences, a line each. A cell that a spreadsheet would take for a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = _HEADER.split(",")
    writer.writerow(names)
    for each in found.differences:
        line = _difference(each)
        writer.writerow([_cell(line[name]) for name in names])
    return out.getvalue()


def _cell(value: Json) -> str:
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "@") else text


def _formats(exports: Sequence[Export]) -> list[str]:
    return list(dict.fromkeys(export.format for export in exports))


def _within(found: Reconciliation) -> str:
    return f"; {found.within} lie within the tolerance" if found.within else ""


def _named(found: Reconciliation) -> list[Cause]:
    """The causes that occur."""
    return [cause for cause in Cause if any(each.cause is cause for each in found.differences)]


def _of(cause: Cause, found: Reconciliation) -> list[Difference]:
    return [each for each in found.differences if each.cause is cause]


def _at_our_prices(each: Difference) -> bool:
    """Whether its money is a weight, and not a bill."""
    return each.what != COST and each.cause is not Cause.OTHER


def _sum(differences: Sequence[Difference], *, weights: bool) -> Money | None:
    amounts = [each.money for each in differences if each.money is not None and _at_our_prices(each) is weights]
    return total(amounts) if amounts else None


def _totals(found: Reconciliation):
    table = plain_table(
        "in all", Column("theirs", justify="right"), Column("ours", justify="right"), Column("by", justify="right")
    )
    for each in found.totals:
        table.add_row(each.what, *(_shown(number) for number in (each.theirs, each.ours, _by(each))))
    return table


def _causes(found: Reconciliation):
    table = plain_table(
        "cause",
        "known",
        Column("differences", justify="right"),
        Column("tokens at our prices", justify="right"),
        Column("billed", justify="right"),
    )
    for cause in _named(found):
        of_it = _of(cause, found)
        known = "yes" if of_it[0].explained else "no"
        sums = (_shown(_sum(of_it, weights=weights)) for weights in (True, False))
        table.add_row(cause.value, known, str(len(of_it)), *sums)
    return table


def _lines(differences: Sequence[Difference]):
    table = plain_table(
        Column("day", no_wrap=True),
        Column("model", overflow="fold"),
        "tier",
        "what",
        Column("theirs", justify="right"),
        Column("ours", justify="right"),
        Column("money", justify="right"),
        "cause",
        Column("why", overflow="fold"),
    )
    for each in differences:
        money = _shown(each.money)
        table.add_row(
            each.key.day.isoformat(),
            escape(each.key.model or "all"),
            each.key.tier or "all",
            escape(each.what),
            _shown(each.theirs),
            _shown(each.ours),
            f"~{money}" if _at_our_prices(each) and each.money is not None else money,
            each.cause.value,
            escape(" ".join(_why(each))),
        )
    return table


def _why(each: Difference) -> Iterator[str]:
    if each.detail:
        yield each.detail
    if each.place and not each.explained:
        yield f"First line: {each.place}."


def _by(each: Total) -> int | Money:
    if isinstance(each.theirs, Money) and isinstance(each.ours, Money):
        return each.theirs - each.ours
    assert isinstance(each.theirs, int) and isinstance(each.ours, int), "both sides count the same"
    return each.theirs - each.ours


def _shown(value: int | Money | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, Money) else f"{value:,}"


def _total(each: Total) -> JsonObject:
    return {"what": each.what, "theirs": _plain(each.theirs), "ours": _plain(each.ours), "by": _plain(_by(each))}


def _cause(cause: Cause, found: Reconciliation) -> JsonObject:
    of_it = _of(cause, found)
    return {
        "cause": cause.value,
        "explained": of_it[0].explained,
        "differences": len(of_it),
        "usd_at_our_prices": _plain(_sum(of_it, weights=True)),
        "usd_billed": _plain(_sum(of_it, weights=False)),
    }


def _difference(each: Difference) -> JsonObject:
    return {
        "day": each.key.day.isoformat(),
        "model": each.key.model,
        "tier": each.key.tier,
        "what": each.what,
        "theirs": _plain(each.theirs),
        "ours": _plain(each.ours),
        "difference": plain(each.by),
        "usd": _plain(each.money),
        "usd_is": "at our prices" if _at_our_prices(each) else "billed",
        "cause": each.cause.value,
        "explained": each.explained,
        "entries": each.entries,
        "estimated": each.estimated,
        "detail": each.detail,
        "place": each.place,
    }


def _plain(value: int | Money | None) -> Json:
    return plain(value.usd) if isinstance(value, Money) else value


def _after(side: Side) -> date:
    """The first day that is not in it, as everywhere."""
    return side.until + timedelta(days=1)
