"""Whether the books agree with themselves: sums, accounts and holds against the postings they are sums of.

Reads everything, so it takes seconds on a million postings; one file that several processes share takes no writes
meanwhile. A difference is a defect of Turnout, or somebody changed the database. Changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
from sqlalchemy import Connection, case, func, literal, select, union_all

from turnout.core.money import Money
from turnout.ledger.report_period import DAY_MS, HOUR_MS
from turnout.ledger.rows import from_ms, to_ms
from turnout.ledger.spending import NAMES, money, sums_of, whole_hours
from turnout.ledger.tables import accounts, corrections, holds, postings, spend

_DIMENSIONS = ("key_id", "team", "tags", "route", "deployment", "provider", "model")
_AMOUNTS = ("cost_nano", "estimated_nano", "held_nano", "spent_nano")


@dataclass(frozen=True, slots=True)
class Difference:
    """Two numbers that should be the same."""

    where: Literal["spend", "account", "request"]
    what: str
    """Such as `spend 2026-11-01T10:00Z, key a1, model gpt-5.5: cost_nano`."""
    kept: int
    """In the table of sums."""
    summed: int
    """From the rows that it is the sum of."""

    def __str__(self) -> str:
        kept, summed = (self._shown(each) for each in (self.kept, self.summed))
        return f"{self.what} is {kept}, and its rows make {summed}."

    def _shown(self, number: int) -> str | Money:
        return money(number) if self.what.endswith(_AMOUNTS) else str(number)


def verify(connection: Connection, kept_since: datetime | None = None) -> list[Difference]:
    """Every difference; none when the books are right.

    Rows from before `kept_since` may have been deleted for their age. Where there is any, hours and accounts that began
    before it are left out, since the rows that they are sums of are no longer all there.
    """
    with _one_snapshot(connection):
        since = _complete_since(connection, kept_since)
        return [*_endings(connection), *_hours(connection, since), *_accounts(connection, since)]


@contextmanager
def _one_snapshot(connection: Connection) -> Generator[None]:
    """So that a writer does not move on between two questions. PostgreSQL's reports have one anyhow; Python's driver of
    SQLite begins a transaction for none of its reads."""
    if connection.dialect.name != "sqlite":
        yield
        return
    connection.exec_driver_sql("BEGIN")
    try:
        yield
    finally:
        connection.exec_driver_sql("ROLLBACK")


def _complete_since(connection: Connection, kept_since: datetime | None) -> int:
    if kept_since is None:
        return 0
    horizon = to_ms(kept_since) + DAY_MS
    first = connection.execute(select(func.min(postings.c.started_ms))).scalar()
    return horizon if first is not None and first < horizon else 0


def _endings(connection: Connection) -> Iterator[Difference]:
    """Calls that were ended twice, and corrections of what had not expired."""
    ends = func.sum(case((postings.c.kind != "correct", 1), else_=0))
    expired = func.sum(case((postings.c.kind == "expire", 1), else_=0))
    corrected = func.sum(case((postings.c.kind == "correct", 1), else_=0))
    call = (postings.c.request_id, postings.c.number)
    query = select(*call, ends, expired, corrected).group_by(*call).having((ends != 1) | (corrected > expired))
    for request_id, number, ended, gave_up, changed in connection.execute(query):
        if ended != 1:
            yield Difference("request", f"The number of ends of attempt {number} of {request_id}", ended, 1)
        else:
            yield Difference(
                "request", f"The number of corrections of attempt {number} of {request_id}", changed, gave_up
            )
    still = select(holds.c.request_id, holds.c.number).join(
        postings, (postings.c.request_id == holds.c.request_id) & (postings.c.number == holds.c.number)
    )
    for request_id, number in connection.execute(still.distinct()):
        yield Difference("request", f"The number of open holds of attempt {number} of {request_id}", 1, 0)


def _hours(connection: Connection, since: int) -> Iterator[Difference]:
    """Sums by the hour against postings. One statement adds the ones and takes off the others, key by key."""
    kept = select(
        *(spend.c[name] for name in ("hour_ms", *_DIMENSIONS)), *(spend.c[name].label(f"k_{name}") for name in NAMES),
        *(literal(0).label(f"s_{name}") for name in NAMES),
    )  # fmt: skip
    hour = whole_hours(postings)
    dimensions = [postings.c[name] for name in _DIMENSIONS]
    summed = select(
        hour.label("hour_ms"), *dimensions, *(literal(0).label(f"k_{name}") for name in NAMES),
        *(each.label(f"s_{name}") for name, each in zip(NAMES, sums_of(postings), strict=True)),
    ).group_by(hour, *dimensions)  # fmt: skip
    both = union_all(kept, summed).subquery()
    keys = [both.c[name] for name in ("hour_ms", *_DIMENSIONS)]
    ours = [func.sum(both.c[f"k_{name}"]) for name in NAMES]
    theirs = [func.sum(both.c[f"s_{name}"]) for name in NAMES]
    wrong = literal(False)
    for one, other in zip(ours, theirs, strict=True):
        wrong = wrong | (one != other)
    query = select(*keys, *ours, *theirs).where(both.c.hour_ms >= since - since % HOUR_MS)
    for row in connection.execute(query.group_by(*keys).having(wrong)):
        yield from _of_hour(row[:8], row[8 : 8 + len(NAMES)], row[8 + len(NAMES) :])


def _of_hour(key: Any, kept: Any, summed: Any) -> Iterator[Difference]:
    hour, *values = key
    told = ", ".join(f"{name} {value}" for name, value in zip(_DIMENSIONS, values, strict=True) if value)
    for name, one, other in zip(NAMES, kept, summed, strict=True):
        if int(one) != int(other):
            what = f"spend {from_ms(int(hour)):%Y-%m-%dT%H:%MZ}, {told}: {name}"
            yield Difference("spend", what, int(one), int(other))


def _accounts(connection: Connection, since: int) -> Iterator[Difference]:
    """Accounts against the postings and corrections charged to them, and the holds that weigh on them."""
    summed: dict[tuple[str, str, int], dict[str, int]] = defaultdict(lambda: dict.fromkeys(_SUMMED, 0))
    cost = func.coalesce(func.sum(postings.c.cost_nano), 0)
    unpriced = func.sum(case((postings.c.cost_nano.is_(None), 1), else_=0))
    charged = select(postings.c.accounts, cost, unpriced).where(postings.c.accounts != "")
    for text, spent, unknown in connection.execute(charged.group_by(postings.c.accounts)):
        for budget, subject, opens in orjson.loads(text):
            summed[budget, subject, opens]["spent_nano"] += int(spent)
            summed[budget, subject, opens]["unpriced"] += int(unknown)
    for text, held in connection.execute(select(holds.c.accounts, holds.c.held_nano).where(holds.c.accounts != "")):
        for budget, subject, opens in orjson.loads(text):
            summed[budget, subject, opens]["held_nano"] += held or 0
    by = (corrections.c.budget, corrections.c.subject, corrections.c.opens_ms)
    for *key, amount in connection.execute(select(*by, func.sum(corrections.c.amount_nano)).group_by(*by)):
        summed[key[0], key[1], key[2]]["spent_nano"] += int(amount)
    for row in connection.execute(select(accounts).where(accounts.c.opens_ms >= since)).mappings():
        key = (row["budget"], row["subject"], row["opens_ms"])
        yield from _of_account(_name(*key), row, summed.pop(key, dict.fromkeys(_SUMMED, 0)))
    for (budget, subject, opens), found in summed.items():
        if opens >= since and any(found.values()):
            yield from _of_account(_name(budget, subject, opens), dict.fromkeys(_SUMMED, 0), found)


_SUMMED = ("spent_nano", "held_nano", "unpriced")


def _name(budget: str, subject: str, opens_ms: int) -> str:
    return f"account {budget}{f' of {subject}' if subject else ''} from {from_ms(opens_ms):%Y-%m-%dT%H:%MZ}"


def _of_account(name: str, kept: Any, summed: dict[str, int]) -> Iterator[Difference]:
    for each in _SUMMED:
        if int(kept[each]) != summed[each]:
            yield Difference("account", f"{name}: {each}", int(kept[each]), summed[each])
