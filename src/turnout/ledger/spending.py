"""What was spent, by any of the dimensions that postings have, in SQLAlchemy Core.

Most questions are answered from `spend`, the sums by the hour. Three need `postings`: by end user, by price row, and
where a period or a midnight cuts an hour (zones that are half an hour off). A call with two tags counts under both, so
lines by tag may add up to more than the total, which is counted by itself.

Amounts are whole nanodollars, so sums are exact. A call without a known price is counted in `unpriced` and is in no
amount: its cost is not 0, it is not known. Knows no tariff and prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any, Literal

from sqlalchemy import Case, ColumnElement, Connection, Select, Table, case, func, literal, select

from turnout.core.money import Money
from turnout.ledger.report_period import DAY_MS, HOUR_MS, Period
from turnout.ledger.rows import from_ms
from turnout.ledger.tables import postings, spend

Dimension = Literal[
    "hour", "day", "week", "month",
    "route", "model", "provider", "deployment", "key", "team", "tag", "user", "price_row",
]  # fmt: skip
COLUMNS: Mapping[str, str] = {
    "route": "route",
    "model": "model",
    "provider": "provider",
    "deployment": "deployment",
    "key": "key_id",
    "team": "team",
    "tag": "tags",
    "user": "end_user",
    "price_row": "price_row",
}
"""What calls can be grouped and chosen by, and its column."""
TIMES = ("hour", "day", "week", "month")
DIMENSIONS = (*TIMES, *COLUMNS)
_POSTINGS_ONLY = {"user", "price_row"}
_MOST_OF_IT = 0.3
"""Of the time that postings go back. Above it, end users are read in their index's order, below by time and sorted."""


@dataclass(slots=True, kw_only=True)
class Sums:
    """Counts and amounts of some calls. The tokens follow the ledger's convention: cached and written are in input."""

    calls: int = 0
    unpriced: int = 0
    """Calls whose price is not known; none of their cost is in `cost_nano`."""
    estimated: int = 0
    """Calls that were counted by us, because the provider's counts never came."""
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano: int = 0
    estimated_nano: int = 0

    def add(self, other: Sums) -> None:
        for name in NAMES:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def cost(self) -> Money | None:
        """Of the calls whose price is known; None where that is none of them."""
        if self.unpriced and self.unpriced >= self.calls and not self.cost_nano:
            return None
        return money(self.cost_nano)

    @property
    def cost_per_call(self) -> Money | None:
        """Of those with a known price, rounded to the nanodollar."""
        return per(self.cost_nano, self.calls - self.unpriced)


NAMES = tuple(each.name for each in fields(Sums))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to add up, and by what."""

    period: Period
    by: tuple[Dimension, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """For each dimension the values of which one must hold."""

    @property
    def by_time(self) -> bool:
        return any(each in TIMES for each in self.by)

    @property
    def by_day(self) -> bool:
        return any(each in ("day", "week", "month") for each in self.by)

    @property
    def from_sums(self) -> bool:
        """Whether the sums by the hour can answer it."""
        asked = {*self.by, *self.where}
        return not asked & _POSTINGS_ONLY and self.period.on_whole_hours(by_day=self.by_day)


Key = tuple[str, ...]
"""One value for each dimension of `by`; times as ISO dates, hours as ISO instants of the zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The answer: sums for each group, and of everything."""

    question: Question
    lines: Mapping[Key, Sums]
    total: Sums


def spending(connection: Connection, question: Question) -> Spending:
    """Adds up. Reads `spend` where that is enough."""
    table = spend if question.from_sums else postings
    groups = groups_of(table, question)
    query = chosen(table, question, select(*groups.values(), *sums_of(table)), connection)
    rows = connection.execute(query.group_by(*groups.values()) if groups else query)
    lines: dict[Key, Sums] = {}
    total = Sums()
    width = len(groups)
    for row in rows:
        sums = Sums(**{name: int(value or 0) for name, value in zip(NAMES, row[width:], strict=True)})
        raw: dict[str, Any] = dict(zip(groups, row[:width], strict=True))
        if not has_tag(raw, question):
            continue
        total.add(sums)
        for key in keys_of(raw, question):
            lines.setdefault(key, Sums()).add(sums)
    if not question.by:
        lines = {}
    return Spending(question=question, lines=lines, total=total)


def without_days(found: Spending) -> Spending:
    """The same with its days added up; `day` is the first of `by`."""
    question = found.question
    assert question.by[:1] == ("day",), "only what is by day has days to add up"
    lines: dict[Key, Sums] = {}
    for key, sums in found.lines.items():
        lines.setdefault(key[1:], Sums()).add(sums)
    by = question.by[1:]
    asked = Question(period=question.period, by=by, where=question.where)
    return Spending(question=asked, lines=lines if by else {}, total=found.total)


def money(nanodollars: int) -> Money:
    """The exact amount."""
    return Money.of(f"{nanodollars}e-9")


def per(nanodollars: int, count: int) -> Money | None:
    """The part of one of so many, rounded to the nanodollar, half to even; None of none."""
    if count <= 0:
        return None
    whole, rest = divmod(nanodollars, count)
    up = 2 * rest > count or (2 * rest == count and whole % 2 == 1)
    return money(whole + up)


# ---- the query -----------------------------------------------------------------------------


def started(table: Table) -> ColumnElement[int]:
    """When a row's calls started: the hour of sums, the instant of postings."""
    return table.c.hour_ms if table is spend else table.c.started_ms


def groups_of(table: Table, question: Question) -> dict[str, ColumnElement[Any]]:
    """What the rows are to be grouped by, by name. Weeks and months are made of days afterwards."""
    groups: dict[str, ColumnElement[Any]] = {}
    for each in question.by:
        if each == "hour":
            groups["hour"] = whole_hours(table)
        elif each in TIMES:
            groups["day"] = _local_day(table, question.period)
        else:
            groups[each] = table.c[COLUMNS[each]]
    if "tag" in question.where:
        groups["tag"] = table.c.tags
    return groups


def whole_hours(table: Table) -> ColumnElement[int]:
    """The UTC hour in which the calls started."""
    at = started(table)
    return at if table is spend else at - at % HOUR_MS


def _local_day(table: Table, period: Period) -> ColumnElement[int]:
    """Days since 1970-01-01 by the zone's calendar."""
    at = started(table)
    offsets = period.offsets()
    ahead: ColumnElement[int] | Case[int] = literal(offsets[0].ahead_ms)
    if len(offsets) > 1:
        later = list(reversed(offsets))
        ahead = case(*((at >= each.from_ms, each.ahead_ms) for each in later[:-1]), else_=later[-1].ahead_ms)
    return (at + ahead) // DAY_MS


def sums_of(table: Table) -> list[ColumnElement[Any]]:
    """In the order of NAMES."""
    if table is spend:
        return [func.sum(spend.c[name]) for name in NAMES]
    cost = func.coalesce(postings.c.cost_nano, 0)
    made = {
        "calls": case((postings.c.kind.in_(("settle", "expire")), 1), else_=0),
        "unpriced": case((postings.c.cost_nano.is_(None), 1), else_=0),
        "estimated": case((postings.c.estimated, 1), else_=0),
        "cost_nano": cost,
        "estimated_nano": case((postings.c.estimated, cost), else_=0),
    }
    return [func.sum(made.get(name, postings.c.get(name))) for name in NAMES]


def chosen(table: Table, question: Question, query: Select[Any], connection: Connection) -> Select[Any]:
    """The query for the period's calls, and for those that `where` lets through. Tags are looked at afterwards."""
    at, period = started(table), question.period
    if table is postings and question.by == ("user",) and not question.where and _is_most(connection, period):
        at = at + 0  # no range of the index by time: the index by end user holds all that is asked for, in order
    query = query.where(at >= period.start_ms, at < period.end_ms)
    for each, values in question.where.items():
        if each != "tag":
            query = query.where(table.c[COLUMNS[each]].in_(values))
    return query


def _is_most(connection: Connection, period: Period) -> bool:
    at = postings.c.started_ms
    first = connection.execute(select(func.min(at))).scalar()
    last = connection.execute(select(func.max(at))).scalar()
    if first is None or last is None:
        return False
    inside = min(period.end_ms, last) - max(period.start_ms, first)
    return inside >= _MOST_OF_IT * (last - first)


# ---- from rows to keys ---------------------------------------------------------------------


def has_tag(raw: Mapping[str, Any], question: Question) -> bool:
    """Whether `where` lets the row's tags through."""
    wanted = question.where.get("tag")
    return wanted is None or not set(wanted).isdisjoint(tags_of(raw["tag"]))


def tags_of(text: str) -> Sequence[str]:
    """The tags of a row; one empty one where it has none."""
    return text.split(",")


def keys_of(raw: Mapping[str, Any], question: Question) -> Iterable[Key]:
    """The groups that a row counts in: several where it has several tags."""
    parts: list[Sequence[str]] = []
    for each in question.by:
        if each == "tag":
            wanted = question.where.get("tag")
            parts.append([tag for tag in tags_of(raw["tag"]) if wanted is None or tag in wanted])
        elif each in TIMES:
            parts.append((_time(each, raw, question.period),))
        else:
            parts.append((str(raw[each]),))
    return product(*parts)


def _time(unit: str, raw: Mapping[str, Any], period: Period) -> str:
    if unit == "hour":
        at: datetime = from_ms(int(raw["hour"]))
        return (
            at.astimezone(period.zone).isoformat(timespec="minutes") if period.zone != UTC else f"{at:%Y-%m-%dT%H:%MZ}"
        )
    day = date(1970, 1, 1) + timedelta(days=int(raw["day"]))
    if unit == "week":
        day -= timedelta(days=day.weekday())
    return f"{day:%Y-%m}" if unit == "month" else day.isoformat()
