"""The audit log: who changed what, as a chain of hashes. An entry changed or taken out is found by `verify`.

What it can't find by itself: the newest entries cut off. Keep the tail hash elsewhere where that matters.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

import orjson

from turnout.core.json import JsonObject
from turnout.ledger import statements
from turnout.ledger.rows import to_ms
from turnout.ledger.store import Store

GENESIS = bytes(32)
"""What the first entry ever follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """A change. `detail` holds what was changed, never a secret."""

    at: datetime
    actor: str
    """A key id, or `cli` for a command run in the data directory."""
    action: str
    """Such as `key.create`."""
    object: str
    detail: JsonObject


def append(store: Store, entry: AuditEntry) -> None:
    """Adds the entry to the chain. Call inside the transaction that makes the change."""
    store.lock("audit")
    row = store.execute(statements.SELECT_AUDIT_TAIL).fetchone()
    previous = bytes(row[0]) if row else GENESIS
    at, detail = to_ms(entry.at), orjson.dumps(entry.detail, option=orjson.OPT_SORT_KEYS).decode()
    link = _link(previous, at, entry.actor, entry.action, entry.object, detail)
    values = (at, entry.actor, entry.action, entry.object, detail, previous, link)
    store.execute(statements.INSERT_AUDIT, values)


def verify(store: Store) -> int | None:
    """The sequence number of the first entry that does not fit, or None where the chain holds. The oldest kept entry
    may follow one that retention deleted."""
    previous: bytes | None = None
    for seq, at, actor, action, thing, detail, claimed, link in store.execute(statements.SELECT_AUDIT):
        if previous is None:
            previous = GENESIS if seq == 1 else claimed
        if claimed != previous or link != _link(claimed, at, actor, action, thing, detail):
            return int(seq)
        previous = link
    return None


def _link(previous: bytes, at: int, actor: str, action: str, thing: str, detail: str) -> bytes:
    return hashlib.sha256(previous + orjson.dumps([at, actor, action, thing, detail])).digest()
