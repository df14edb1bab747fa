"""Whether the books of money agree with themselves, where that is a matter of a moment. Reads only."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, literal, select

from turnout.cli.finding import Finding, ok, problem
from turnout.core.clock import SystemClock
from turnout.core.errors import TurnoutError
from turnout.ledger.location import Location
from turnout.ledger.queries import reading
from turnout.ledger.retention import Retention
from turnout.ledger.tables import postings
from turnout.ledger.verify import verify

_MOST = 100_000
"""Postings that are added up in a few tenths of a second."""


def books(location: Location) -> Finding | None:
    """None where there is no record to look at; what is wrong with it is another check's finding."""
    try:
        with reading(location) as connection:
            if _count(connection) > _MOST:
                told = f"not added up: there are more than {_MOST:,} postings. `turnout spend --verify` does it."
                return ok("books", told)
            found = verify(connection, kept_since())
    except TurnoutError:
        return None
    if not found:
        return ok("books", "every sum, account and hold is what its rows make.")
    return problem(
        "books", f"{len(found)} sums differ from their rows. {found[0]}", "`turnout spend --verify` lists them all."
    )


def kept_since() -> datetime:
    """Postings from after it have not been deleted for their age."""
    return SystemClock().now() - timedelta(days=Retention().money - 1)


def _count(connection: Connection) -> int:
    some = select(literal(1)).select_from(postings).limit(_MOST + 1).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar() or 0
