"""What answers were worth to those who asked: written here, read by `outcomes`. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from turnout.core.errors import InvalidField, NotFound
from turnout.ledger import statements
from turnout.ledger.rows import to_ms
from turnout.ledger.store import Store

MOST_NAMES = 16
"""Of feedback on one request, so that nobody fills the disk with names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What was said of one request."""

    request_id: str
    key_id: str
    at: datetime
    values: Mapping[str, int]
    """Millionths by name: `accepted` is 0 or 1,000,000."""


def give(store: Store, feedback: Feedback) -> None:
    """Writes it; what was said before under the same names is replaced. Inside a transaction.

    Raises NotFound where the key made no such request: whose it is, is told to nobody else. Raises InvalidField where
    the request would have more names than MOST_NAMES.
    """
    request_id = feedback.request_id
    owner = store.execute(statements.SELECT_REQUEST_KEY, (request_id,)).fetchone()
    if owner is None or owner[0] != feedback.key_id:
        raise NotFound(
            f"This key made no request '{request_id}' that is recorded. Send the `x-request-id` of an answer that has"
            " ended; records are kept for some months."
        )
    known = {str(row[0]) for row in store.execute(statements.SELECT_FEEDBACK_NAMES, (request_id,))}
    if len(known | set(feedback.values)) > MOST_NAMES:
        raise InvalidField(f"A request takes feedback under at most {MOST_NAMES} names.", param="units")
    at = to_ms(feedback.at)
    for name, micro in sorted(feedback.values.items()):
        store.execute(statements.UPSERT_FEEDBACK, (request_id, name, at, feedback.key_id, micro))
