"""Calls in a real ledger file, priced as the gateway does."""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from turnout.catalogue.prices import load_prices
from turnout.catalogue.tariff import Cost, PriceKey, Tier, price
from turnout.catalogue.usage_classes import billable
from turnout.ledger import statements
from turnout.ledger.database import open_database
from turnout.ledger.datadir import DATABASE, DataDir
from turnout.ledger.posting import Call, Posting
from turnout.ledger.posting_rows import posting_row

BOOK = load_prices()
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


def call(
    number: int,
    at: datetime,
    model: str = "openai/gpt-5.5",
    *,
    tokens: tuple[int, int, int] = (1000, 0, 500),
    writes: tuple[int, int] = (0, 0),
    reasoning: int = 0,
    tier: str = "standard",
    route: str = "chat",
    tags: tuple[str, ...] = (),
    estimated: bool = False,
    content: str = "prose",
) -> Posting:
    """A call that was answered: input, cached and output tokens; writes, and those of them for an hour."""
    channel, _, name = model.partition("/")
    usage = billable(
        input_tokens=tokens[0],
        cached_tokens=tokens[1],
        cache_write_tokens=writes[0],
        cache_write_1h_tokens=writes[1],
        output_tokens=tokens[2],
        reasoning_tokens=reasoning,
    )
    cost = price(BOOK, usage, PriceKey(model=name, channel=channel, tier=Tier(tier)), at)
    known = isinstance(cost, Cost)
    return Posting(
        call=Call(
            request_id=f"req_{number}",
            number=1,
            key_id="key1",
            tags=tags,
            route=route,
            deployment=model,
            provider=channel,
            model=name,
            channel=channel,
            started_at=at,
        ),
        kind="settle",
        posted_at=at + timedelta(seconds=1),
        held_nano=None,
        cost_nano=cost.total.nanodollars() if known else None,
        tier=tier,
        input_tokens=tokens[0],
        cached_tokens=tokens[1],
        cache_write_tokens=writes[0],
        cache_write_1h_tokens=writes[1],
        output_tokens=tokens[2],
        reasoning_tokens=reasoning,
        price_row=cost.row.id if known else "",
        catalogue_version="v1",
        estimated=estimated,
        content=content,
    )


def given_up(number: int, at: datetime, sunk_nano: int, model: str = "openai/gpt-5.5") -> Posting:
    """A call whose process died."""
    bare = call(number, at, model)
    return replace(
        bare,
        kind="expire",
        cost_nano=sunk_nano,
        input_tokens=0,
        output_tokens=0,
        price_row="",
        estimated=True,
        flags=("never_ended",),
    )


def ended_late(before: Posting) -> Posting:
    """The answer of a call that was given up: the difference."""
    settled = call(int(before.call.request_id.removeprefix("req_")), before.call.started_at)
    assert settled.cost_nano is not None and before.cost_nano is not None
    return replace(settled, kind="correct", cost_nano=settled.cost_nano - before.cost_nano)


@cache
def _empty() -> Path:
    """A migrated directory, made once: a migration takes a second."""
    place = DataDir(Path(tempfile.mkdtemp()) / "data")
    open_database(place, os.urandom).close()
    atexit.register(shutil.rmtree, place.path.parent)
    return place.path


def stored(directory: Path, postings: Iterable[Posting]) -> Path:
    """A data directory with these postings."""
    shutil.copytree(_empty(), directory)
    with closing(sqlite3.connect(directory / DATABASE)) as connection, connection:
        connection.executemany(statements.INSERT_POSTING, [posting_row(each) for each in postings])
    return directory
