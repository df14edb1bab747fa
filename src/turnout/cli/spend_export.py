"""A report of spend for machines: JSON and CSV. Amounts are exact decimal text; one that is not known is absent."""

from __future__ import annotations

import csv
import io

import orjson

from turnout.cli.spend_report import Report, SpendLine
from turnout.core.json import Json, JsonObject
from turnout.core.money import Money, plain
from turnout.ledger.outcomes import ACCEPTED, MICRO, Outcomes, wilson
from turnout.ledger.report_period import Period
from turnout.ledger.spending import Sums, money


def as_json(report: Report) -> bytes:
    """The whole report."""
    question = report.question
    where: JsonObject = {name: [*values] for name, values in question.where.items()}
    lines: list[Json] = [_line(report, line) for line in report.lines]
    days: list[Json] = [{"day": day.isoformat(), "cost_usd": plain(cost.usd)} for day, cost in report.days]
    shown: JsonObject = {
        **_period(question.period),
        "by": [*question.by],
        "where": where,
        "before": None if report.before is None else _period(report.before),
        "read": "hourly sums" if question.from_sums else "postings",
        "lines": lines,
        "total": _line(report, report.total),
        "days": days,
        "unpriced_calls": dict(report.unpriced),
    }
    return orjson.dumps(shown, option=orjson.OPT_INDENT_2)


def as_csv(report: Report) -> str:
    """A line for each group, without a total."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*report.question.by, *_flat(report, report.total)])
    for line in report.lines if report.question.by else (report.total,):
        writer.writerow([*map(_cell, line.key), *_flat(report, line).values()])
    return text.getvalue()


def _cell(value: str) -> str:
    """Callers choose end users' names and tags. A spreadsheet would run one that begins as a formula does."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _period(period: Period) -> JsonObject:
    zone = period.zone
    return {
        "from": period.start.astimezone(zone).isoformat(),
        "until": period.end.astimezone(zone).isoformat(),
        "zone": str(zone),
    }


def _line(report: Report, line: SpendLine) -> JsonObject:
    groups: JsonObject = {each: value for each, value in zip(report.question.by, line.key, strict=False)}
    if "key" in groups:
        groups["key_name"] = _key_name(report, line)
    shown: JsonObject = {**groups, **_sums(line.sums)}
    if line.before is not None:
        shown["before"] = {"calls": line.before.calls, "cost_usd": _usd(line.before.cost)}
    if line.outcomes is not None:
        shown["feedback"] = _outcomes(report, line.sums, line.outcomes)
    return shown


def _flat(report: Report, line: SpendLine) -> JsonObject:
    named = {"key_name": _cell(_key_name(report, line) or "")} if "key" in report.question.by else {}
    shown: JsonObject = {
        **named,
        **_sums(line.sums),
        "before_cost_usd": _usd(line.before.cost) if line.before is not None else None,
    }
    if line.outcomes is not None:
        told = _outcomes(report, line.sums, line.outcomes)
        shown |= {f"{report.per}_{name}": value for name, value in told.items() if name != "name"}
    return shown


def _key_name(report: Report, line: SpendLine) -> str | None:
    keys = [value for each, value in zip(report.question.by, line.key, strict=False) if each == "key"]
    return report.names.by_id.get(keys[0]) if keys else None


def _sums(sums: Sums) -> JsonObject:
    return {
        "calls": sums.calls,
        "unpriced_calls": sums.unpriced,
        "estimated_calls": sums.estimated,
        "input_tokens": sums.input_tokens,
        "cached_tokens": sums.cached_tokens,
        "cache_write_tokens": sums.cache_write_tokens,
        "cache_write_1h_tokens": sums.cache_write_1h_tokens,
        "output_tokens": sums.output_tokens,
        "reasoning_tokens": sums.reasoning_tokens,
        "cached_share": _share(sums.cached_tokens, sums.input_tokens),
        "cost_usd": _usd(sums.cost),
        "estimated_usd": plain(money(sums.estimated_nano).usd),
        "cost_per_call_usd": _usd(sums.cost_per_call),
    }


def _outcomes(report: Report, sums: Sums, outcomes: Outcomes) -> JsonObject:
    assert report.per is not None, "there are outcomes where they were asked for"
    shown: JsonObject = {
        "name": report.per,
        "rated": outcomes.rated,
        "rated_share": _share(outcomes.rated, sums.calls),
        "units": plain(money(outcomes.units_micro * (10**9 // MICRO)).usd),
        "rated_cost_usd": plain(money(outcomes.cost_nano).usd),
        "rated_unpriced_calls": outcomes.unpriced,
        "cost_per_unit_usd": _usd(outcomes.cost_per_unit),
    }
    if report.per == ACCEPTED:
        low, high = wilson(outcomes.good, outcomes.rated) or (None, None)
        shown |= {"rate": _share(outcomes.good, outcomes.rated), "rate_low": _cut(low), "rate_high": _cut(high)}
    return shown


def _usd(amount: Money | None) -> str | None:
    return None if amount is None else plain(amount.usd)


def _share(part: int, whole: int) -> float | None:
    return _cut(part / whole) if whole > 0 else None


def _cut(share: float | None) -> float | None:
    return None if share is None else round(share, 6)
