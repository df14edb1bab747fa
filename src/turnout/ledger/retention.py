"""How long each table keeps its rows, and their deletion in chunks, so that no write waits for a long delete.

EU AI Act, articles 19(1) and 26(6): logs are kept for at least six months; the defaults are longer.
"""

from __future__ import annotations

from collections.abc import Callable
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
    """Days."""

    requests: int = 190
    """Attempts go with their requests."""
    audit: int = 400
    keys: int = 400
    """From the day they were revoked or expired."""
    money: int = 400
    """Postings, their sums, feedback, corrections, and accounts from the day their window closed."""
    instances: int = 1
    """Processes, from when they were last seen."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which rows of a table are old. The statement takes the time in milliseconds, and the most rows to delete."""

    table: str
    statement: str
    days: Callable[[Retention], int]
    times: int = 1
    """How often the statement asks for the time."""

    def delete(self, store: Store, before: datetime, most: int = CHUNK) -> int:
        """Deletes up to `most` rows from before then. Returns how many."""
        return store.execute(self.statement, (*(to_ms(before),) * self.times, most)).rowcount


RULES = (
    Rule("requests", statements.DELETE_REQUESTS, lambda days: days.requests),
    Rule("audit", statements.DELETE_AUDIT, lambda days: days.audit),
    Rule("keys", statements.DELETE_KEYS, lambda days: days.keys, times=2),
    Rule("postings", statements.DELETE_POSTINGS, lambda days: days.money),
    Rule("spend", statements.DELETE_SPEND, lambda days: days.money),
    Rule("accounts", statements.DELETE_ACCOUNTS, lambda days: days.money),
    Rule("corrections", statements.DELETE_CORRECTIONS, lambda days: days.money),
    Rule("feedback", statements.DELETE_FEEDBACK, lambda days: days.money),
    Rule("instances", statements.DELETE_INSTANCES, lambda days: days.instances),
)
"""Every table but `attempts`, which go with their requests; `holds`, which end; and `meta`, a few rows."""


async def sweep(writer: Writer, now: datetime, retention: Retention) -> dict[str, int]:
    """Deletes all that is past its time, a chunk per transaction; other writes go between the chunks. Returns how many
    rows of each table."""
    counts: dict[str, int] = {}
    for rule in RULES:
        before, total = now - timedelta(days=rule.days(retention)), 0
        while chunk := await writer.run(lambda store, rule=rule, before=before: rule.delete(store, before)):
            total += chunk
        counts[rule.table] = total
    return counts
