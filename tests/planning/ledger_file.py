"""A ledger with the postings that a test wants, in a real database."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ledger.ledger_postings import store_rows
from turnout.ledger.database import open_database
from turnout.ledger.datadir import DATABASE, DataDir
from turnout.ledger.posting import Call, Kind, Posting

DAY = datetime(2026, 11, 8, tzinfo=UTC)
ROW = "openai/gpt-5.5@2026-05-12T22:41Z"
_numbers = itertools.count()


def entry(
    hours: float = 12,
    *,
    model: str = "gpt-5.5",
    provider: str = "openai",
    kind: Kind = "settle",
    tier: str = "standard",
    uncached: int = 0,
    cached: int = 0,
    written: int = 0,
    written_1h: int = 0,
    output: int = 0,
    nano: int | None = 0,
    estimated: bool = False,
    row: str = ROW,
) -> Posting:
    """One posting, started so many hours after `DAY`. `uncached` excludes the writes, and they the long-lived ones."""
    at = DAY + timedelta(hours=hours)
    return Posting(
        call=Call(
            request_id=f"req_{next(_numbers):032x}",
            number=1,
            key_id="key1",
            route="smart",
            deployment=f"{provider}/{model}",
            provider=provider,
            model=model,
            channel=provider,
            started_at=at,
        ),
        kind=kind,
        posted_at=at,
        held_nano=nano,
        cost_nano=nano,
        tier=tier,
        input_tokens=uncached + cached + written + written_1h,
        cached_tokens=cached,
        cache_write_tokens=written + written_1h,
        cache_write_1h_tokens=written_1h,
        output_tokens=output,
        price_row=row if nano is not None else "",
        estimated=estimated,
    )


def empty_ledger(directory: Path) -> Path:
    """A migrated data directory. Takes a second: copy it with `filled`."""
    open_database(DataDir(directory), os.urandom).close()
    return directory


def filled(empty: Path, directory: Path, postings: Iterable[Posting]) -> Path:
    """A copy of it with postings in it."""
    shutil.copytree(empty, directory)
    with closing(sqlite3.connect(directory / DATABASE)) as connection:
        store_rows(connection, postings)
    return directory
