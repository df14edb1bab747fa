"""Holds that nobody will end any more: of processes that died, and overdue ones. They are given up as `expire`.

Each process says that it lives every `BEAT_SECONDS`; where others can write too, one that was silent for
`DEAD_SECONDS` counts as dead. What a dead process was doing when it died is not known; the prompt's cost is taken as
spent, marked as estimated, and the rest of the hold goes back to its budgets.
"""

from __future__ import annotations

from datetime import datetime

from turnout.ledger import statements
from turnout.ledger.bookkeeping import book
from turnout.ledger.posting_rows import expiry_of
from turnout.ledger.rows import to_ms
from turnout.ledger.store import Store

BEAT_SECONDS = 10.0
DEAD_SECONDS = 35.0
_CHUNK = 200


def beat(store: Store, owner: str, started: datetime, now: datetime) -> None:
    """This process lives."""
    store.execute(statements.UPSERT_INSTANCE, (owner, to_ms(started), to_ms(now)))


def leave(store: Store, owner: str) -> None:
    """This process ends; whatever it should still hold is given up by the next that looks."""
    store.execute(statements.DELETE_INSTANCE, (owner,))


def give_up(store: Store, owner: str, now: datetime, dead_before: datetime) -> int:
    """Ends up to 200 holds of processes that were last seen before then, and of any that are overdue. Returns how
    many; call it again until that is 0. Inside a transaction."""
    rows = store.execute(statements.SELECT_ORPHANS, (owner, to_ms(dead_before), to_ms(now), _CHUNK)).fetchall()
    if rows:
        book(store, owner, [expiry_of(row, now) for row in rows], [])
    return len(rows)
