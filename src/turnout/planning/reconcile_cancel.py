"""Differences that another one cancels: tokens that are counted on the next day, or under another name of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from turnout.catalogue.tariff import PriceBook
from turnout.planning.reconcile_names import related
from turnout.planning.reconcile_result import COST, HALF_NANO, Cause, Difference


def cancelled(found: Sequence[Difference], book: PriceBook) -> list[Difference]:
    """The same, with those named that another difference cancels: of the next day, or of another name."""
    made, paired = list(found), set[int]()
    by_key = {(each.key, each.what): index for index, each in enumerate(made)}
    for index, each in enumerate(made):
        if index in paired:
            continue
        tomorrow = each.key._replace(day=each.key.day + timedelta(days=1))
        other, cause = by_key.get((tomorrow, each.what)), Cause.DAY
        if other is None or other in paired or not _cancels(each, made[other]):
            other, cause = _other_name(made, each, paired, book), Cause.ALIAS
        if other is not None:
            made[index] = replace(each, cause=cause, detail=_named(cause, made[other]))
            made[other] = replace(made[other], cause=cause, detail=_named(cause, each))
            paired |= {index, other}
    return made


def _cancels(one: Difference, other: Difference) -> bool:
    """Costs may be off by a rounded billionth for each entry."""
    slack = HALF_NANO * (one.entries + other.entries) if one.what == COST else Decimal(0)
    return one.by * other.by < 0 and abs(one.by + other.by) <= slack


def _other_name(found: Sequence[Difference], each: Difference, paired: set[int], book: PriceBook) -> int | None:
    for index, other in enumerate(found):
        same = other.what == each.what and other.key._replace(model=None) == each.key._replace(model=None)
        names = each.key.model, other.key.model
        if (
            same
            and index not in paired
            and names[0]
            and names[1]
            and _cancels(each, other)
            and related(names[0], names[1], book)
        ):
            return index
    return None


def _named(cause: Cause, other: Difference) -> str:
    if cause is Cause.DAY:
        return f"{other.key.day} differs by as much the other way."
    return f"'{other.key.model}' differs by as much the other way."
