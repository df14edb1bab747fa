"""What calls were worth: feedback beside their cost.

Feedback is about a request; a request may have several attempts. What it yielded counts in the group of the attempt
that answered; the cost of each attempt stays in its own group, so that the total counts everything once. Only the cost
of requests that have feedback is set against what they yielded: the others' worth is not known. Reads `postings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any, cast

from sqlalchemy import Connection, Select, and_, case, func, or_, select

from turnout.core.money import Money
from turnout.ledger.spending import Key, Question, chosen, groups_of, has_tag, keys_of, per
from turnout.ledger.tables import feedback, postings, requests

ACCEPTED = "accepted"
"""The feedback that is 1 or 0: the answer was of use, or was not."""
MICRO = 1_000_000
_ANSWERS = ("settle", "expire")
_Z = 1.959963984540054
"""The normal distribution's 97.5 % point: of a two-sided 95 % interval."""


@dataclass(slots=True, kw_only=True)
class Outcomes:
    """Of the requests in one group that have feedback of one name."""

    rated: int = 0
    good: int = 0
    """Those with a value above 0."""
    units_micro: int = 0
    """The sum of the values, in millionths."""
    cost_nano: int = 0
    """Of the rated requests' attempts in this group."""
    unpriced: int = 0
    """Attempts of rated requests whose cost is not known."""

    def add(self, other: Outcomes) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def cost_per_unit(self) -> Money | None:
        """What one unit cost, rounded to the nanodollar. None where nothing came of it, or a cost is not known."""
        return None if self.unpriced else per(self.cost_nano * MICRO, self.units_micro)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """The outcomes of each group, and of everything."""

    name: str
    lines: Mapping[Key, Outcomes]
    total: Outcomes


def worth(connection: Connection, question: Question, name: str) -> Worth:
    """What the question's calls yielded, by feedback of that name."""
    lines: dict[Key, Outcomes] = {}
    total = Outcomes()
    groups = groups_of(postings, question)

    query = chosen(postings, question, _of_rated(groups, name), connection)
    for row in connection.execute(query.group_by(*groups.values()) if groups else query):
        raw: dict[str, Any] = dict(zip(groups, row[: len(groups)], strict=True))
        if not has_tag(raw, question):
            continue
        found = Outcomes(**{each: int(value or 0) for each, value in zip(_SUMS, row[len(groups) :], strict=True)})
        total.add(found)
        for key in keys_of(raw, question) if question.by else ():
            lines.setdefault(key, Outcomes()).add(found)
    return Worth(name=name, lines=lines, total=total)


def names(connection: Connection) -> list[str]:
    """The names of feedback that was ever given."""
    return list(connection.execute(select(feedback.c.name).distinct().order_by(feedback.c.name)).scalars())


def wilson(good: int, rated: int) -> tuple[float, float] | None:
    """The 95 % score interval of a share; None of nothing.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927). It takes the
    requests as independent; those that somebody chose to rate may not stand for the others.
    """
    if rated <= 0:
        return None
    share = good / rated
    middle = (share + _Z * _Z / (2 * rated)) / (1 + _Z * _Z / rated)
    half = _Z / (1 + _Z * _Z / rated) * sqrt(share * (1 - share) / rated + _Z * _Z / (4 * rated * rated))
    return max(0.0, middle - half), min(1.0, middle + half)


_SUMS = ("rated", "good", "units_micro", "cost_nano", "unpriced")


def _of_rated(groups: Mapping[str, Any], name: str) -> Select[Any]:
    """Sums over the postings of requests with feedback, in the order of _SUMS. What a request yielded stands at one of
    them: the last attempt at the deployment that answered. The outer join also makes SQLite begin with the feedback."""
    other, value, cost = postings.alias(), feedback.c.value_micro, postings.c.cost_nano
    last = (
        select(func.max(other.c.number))
        .where(other.c.request_id == feedback.c.request_id, other.c.kind.in_(_ANSWERS))
        .where(or_(requests.c.deployment.is_(None), other.c.deployment == requests.c.deployment))
        .correlate(feedback, requests)
        .scalar_subquery()
    )
    answered = and_(postings.c.kind.in_(_ANSWERS), postings.c.number == last)
    columns: list[Any] = [
        *groups.values(),
        func.sum(case((answered, 1), else_=0)),
        func.sum(case((and_(value > 0, answered), 1), else_=0)),
        func.sum(case((answered, value), else_=0)),
        func.sum(func.coalesce(cost, 0)),
        func.sum(case((cost.is_(None), 1), else_=0)),
    ]
    joined = feedback.outerjoin(requests, requests.c.id == feedback.c.request_id).join(
        postings, postings.c.request_id == feedback.c.request_id
    )
    query = select(*columns).select_from(joined).where(feedback.c.name == name)
    return cast("Select[Any]", query)
