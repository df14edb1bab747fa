"""The calls of a period as the ledger has them, in chunks: what re-pricing reads.

A call that was given up and answered after all has two postings, and is one call here with the sum of both. Calls that
were void are left out: nothing was billed for them. Knows no price.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import Connection, Select, and_, case, cast, func, select
from sqlalchemy.sql.elements import ColumnElement

from turnout.ledger.tables import Whole, postings

Dimension = Literal["route", "key", "model", "tag", "day", "provider"]
DIMENSIONS: tuple[str, ...] = get_args(Dimension)
CHUNK = 10_000


class RecordedCall(NamedTuple):
    """One call. Counts in the ledger's convention."""

    started_ms: int
    channel: str
    model: str
    tier: str
    region: str
    content: str
    price_row: str
    catalogue_version: str
    estimated: int
    cost_nano: int | None
    group: str | int
    """Of the dimension; tags with commas, a day as its number since 1970."""
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int


_NAMES = ("channel", "model", "tier", "region", "content", "price_row", "catalogue_version", "estimated")
_COUNTS = RecordedCall._fields[-6:]
_DAY_MS = 86_400_000


def count_calls(connection: Connection, start_ms: int, end_ms: int) -> int:
    """About how many calls there are, for a progress bar."""
    query = select(func.count()).select_from(postings).where(_within(start_ms, end_ms))
    return int(connection.execute(query).scalar_one())


def recorded_calls(
    connection: Connection, start_ms: int, end_ms: int, by: Dimension, *, chunk: int = CHUNK
) -> Iterator[Sequence[RecordedCall]]:
    """Calls that started in the period, in chunks: the ended ones by time, then those that were given up."""
    for query in (_settled(start_ms, end_ms, by), _given_up(start_ms, end_ms, by)):
        with connection.execute(query, execution_options={"yield_per": chunk}) as found:
            yield from found.partitions()  # pyright: ignore[reportReturnType] - rows are tuples in its order


def count_void(connection: Connection, start_ms: int, end_ms: int) -> int:
    """Calls for which nothing was billed."""
    query = select(func.count()).select_from(postings).where(_within(start_ms, end_ms), postings.c.kind == "void")
    return int(connection.execute(query).scalar_one())


def _within(start_ms: int, end_ms: int) -> ColumnElement[bool]:
    return and_(postings.c.started_ms >= start_ms, postings.c.started_ms < end_ms)


def _group(by: Dimension) -> ColumnElement[Any]:
    names = {"route": "route", "key": "key_id", "model": "model", "tag": "tags", "provider": "provider"}
    if by == "day":
        return (postings.c.started_ms // _DAY_MS).label("group")
    return postings.c[names[by]].label("group")


def _settled(start_ms: int, end_ms: int, by: Dimension) -> Select[Any]:
    own = (postings.c[name] for name in ("started_ms", *_NAMES, "cost_nano"))
    counts = (postings.c[name] for name in _COUNTS)
    return (
        select(*own, _group(by), *counts)
        .where(_within(start_ms, end_ms), postings.c.kind == "settle")
        .order_by(postings.c.started_ms)
    )


def _given_up(start_ms: int, end_ms: int, by: Dimension) -> Select[Any]:
    """The two postings of a call as one: of what both have, the later one's, which is not empty."""
    correct = case((postings.c.kind == "correct", 1), else_=0)
    unpriced = func.sum(case((postings.c.cost_nano.is_(None), 1), else_=0))
    estimated = case((func.max(correct) == 0, 1), else_=func.min(case((postings.c.estimated, 1), else_=0)))
    words = [func.max(postings.c[name]).label(name) for name in _NAMES if name != "estimated"]
    return (
        select(
            func.min(postings.c.started_ms).label("started_ms"),
            *words,
            estimated.label("estimated"),
            case((unpriced > 0, None), else_=_whole_sum("cost_nano")).label("cost_nano"),
            func.max(_group(by)).label("group"),
            *(_whole_sum(name).label(name) for name in _COUNTS),
        )
        .where(_within(start_ms, end_ms), postings.c.kind.in_(("expire", "correct")))
        .group_by(postings.c.request_id, postings.c.number)
    )


def _whole_sum(name: str) -> ColumnElement[int]:
    """PostgreSQL's sum of whole numbers is a decimal."""
    return cast(func.sum(postings.c[name]), Whole)
