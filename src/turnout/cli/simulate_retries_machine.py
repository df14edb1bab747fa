"""The answer of `turnout simulate retries`, for machines: JSON with everything, CSV with a row for each case and number
of attempts. Shares have nine places; amounts are text, to the nanodollar."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from fractions import Fraction

import orjson

from turnout.cli.amounts import exact, share_text
from turnout.core.json import Json, JsonObject
from turnout.planning.cascade import Way
from turnout.planning.correlation import Interval
from turnout.planning.draws_summary import DrawsSummary
from turnout.planning.retries import Outcome
from turnout.planning.retry_study import Case, Study

_PLACES = 9
_HEADER = (
    "case,correlation,success,attempts,any_right,accepted_right,accepted_wrong,none_accepted,mean_calls,usd_per_task,"
    "usd_per_right"
)


def as_json(study: Study, summary: DrawsSummary | None, assumptions: Sequence[str]) -> str:
    """All of it."""
    report: JsonObject = {
        "attempts": study.most,
        "at_once": study.at_once,
        "accepts_right": share_text(study.check.accepts_right, _PLACES),
        "accepts_wrong": share_text(study.check.accepts_wrong, _PLACES),
        "recorded": None if summary is None else _summary(summary),
        "cases": [_case(study, case) for case in study.cases],
        "assumed": list(assumptions),
    }
    return orjson.dumps(report, option=orjson.OPT_INDENT_2).decode()


def as_csv(study: Study) -> str:
    """A row for each case and each number of attempts."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER.split(","))
    for case in study.cases:
        for outcome in case.outcomes:
            found = study.compared(case, outcome.most)
            way = None if found is None else found.ways[0]
            shares = (outcome.any_right, outcome.right, outcome.wrong, outcome.none)
            writer.writerow(
                (
                    case.name,
                    share_text(case.tasks.correlation, _PLACES),
                    share_text(case.tasks.success, _PLACES),
                    outcome.most,
                    *(share_text(each, _PLACES) for each in shares),
                    share_text(Fraction(outcome.most) if study.at_once else outcome.attempts, _PLACES),
                    "" if way is None else exact(way.cost),
                    "" if way is None or way.per_right is None else exact(way.per_right),
                )
            )
    return text.getvalue()


def _case(study: Study, case: Case) -> JsonObject:
    found = study.compared(case)
    report: JsonObject = {
        "case": case.name,
        "correlation": share_text(case.tasks.correlation, _PLACES),
        "success": share_text(case.tasks.success, _PLACES),
        "outcomes": [_outcome(each) for each in case.outcomes],
    }
    if found is not None:
        report["ways"] = [_way(each) for each in found.ways]
    if found is not None and study.strong is not None:
        report["cheap_call_break_even_usd"] = _amount(found.retries_break_even)
        report["cascade_call_break_even_usd"] = _amount(found.cascade_break_even)
    return report


def _outcome(outcome: Outcome) -> JsonObject:
    sure = outcome.right_of_accepted
    return {
        "attempts": outcome.most,
        "any_right": share_text(outcome.any_right, _PLACES),
        "accepted_right": share_text(outcome.right, _PLACES),
        "accepted_wrong": share_text(outcome.wrong, _PLACES),
        "none_accepted": share_text(outcome.none, _PLACES),
        "right_of_accepted": None if sure is None else share_text(sure, _PLACES),
        "mean_attempts": share_text(outcome.attempts, _PLACES),
    }


def _way(way: Way) -> JsonObject:
    return {
        "way": way.name,
        "accepted_right": share_text(way.right, _PLACES),
        "accepted_wrong": share_text(way.wrong, _PLACES),
        "usd_per_task": exact(way.cost),
        "usd_per_right": _amount(way.per_right),
        "calls": share_text(way.calls, _PLACES),
        "calls_in_a_row": share_text(way.waits, _PLACES),
    }


def _amount(dollars: Fraction | None) -> str | None:
    return None if dollars is None else exact(dollars)


def _summary(summary: DrawsSummary) -> JsonObject:
    likelihood = summary.likelihood
    counts: list[Json] = [
        {
            "attempts": each.attempts,
            "independent": share_text(each.independent, _PLACES),
            "own_rates": share_text(each.own_rates, _PLACES),
            "own_rates_interval": _interval(each.own_rates_interval),
            "unbiased": None if each.unbiased is None else share_text(each.unbiased, _PLACES),
            "unbiased_interval": _interval(each.unbiased_interval),
        }
        for each in summary.pass_at
    ]
    return {
        "tasks": summary.tasks,
        "attempts": summary.attempts,
        "never_right": summary.never,
        "always_right": summary.always,
        "mean": share_text(summary.mean, _PLACES),
        "correlation_by_moments": summary.moments,
        "correlation_by_moments_interval": _interval(summary.moments_interval),
        "correlation_by_likelihood": None if likelihood is None else likelihood.correlation,
        "mean_by_likelihood": None if likelihood is None else likelihood.success,
        "correlation_by_likelihood_interval": _interval(summary.likelihood_interval),
        "pass_at": counts,
    }


def _interval(found: Interval | None) -> Json:
    return None if found is None else [found.low, found.high]
