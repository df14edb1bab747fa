"""How long each table keeps its rows, and their deletion in chunks, so that no write waits for a long delete.

EU AI Act, articles 19(1) and 26(6): logs are kept for at least six months; the defaults are longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from turnout.ledger import statements
from turnout.ledger.rows import to_ms
from turnout.ledger.store import Store
from turnout.ledger.writer import Writer

CHUNK = 500
"""Rows in one delete: a few milliseconds of the writer's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Days. Keys count from the day they were revoked or expired."""

    requests: int = 190
    audit: int = 400
    keys: int = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """Rows deleted."""

    requests: int
    audit: int
    keys: int


def delete_requests(store: Store, before: datetime, most: int = CHUNK) -> int:
    """Deletes up to `most` requests received before then, with their attempts. Returns how many."""
    return store.execute(statements.DELETE_REQUESTS, (to_ms(before), most)).rowcount


def delete_audit(store: Store, before: datetime, most: int = CHUNK) -> int:
    """Deletes up to `most` audit entries of before then, oldest first. Returns how many."""
    return store.execute(statements.DELETE_AUDIT, (to_ms(before), most)).rowcount


def delete_keys(store: Store, before: datetime, most: int = CHUNK) -> int:
    """Deletes up to `most` keys revoked or expired before then. Returns how many."""
    return store.execute(statements.DELETE_KEYS, (to_ms(before), to_ms(before), most)).rowcount


async def sweep(writer: Writer, now: datetime, retention: Retention) -> Swept:
    """Deletes all that is past its time, a chunk per transaction; other writes go between the chunks."""
    counts: list[int] = []
    for delete, days in (
        (delete_requests, retention.requests),
        (delete_audit, retention.audit),
        (delete_keys, retention.keys),
    ):
        before, total = now - timedelta(days=days), 0
        while chunk := await writer.run(lambda store, delete=delete, before=before: delete(store, before)):
            total += chunk
        counts.append(total)
    return Swept(requests=counts[0], audit=counts[1], keys=counts[2])
