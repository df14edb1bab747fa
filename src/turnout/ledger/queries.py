"""What reports read: requests and attempts, by SQLAlchemy Core on a read-only connection.

For the command line and other reports. The serving process does not import this module, and nothing here is ever
asked on the path of a request.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, NullPool, Row, Select, create_engine, select
from sqlalchemy.exc import DBAPIError

from turnout.ledger.database import read_only
from turnout.ledger.location import Location
from turnout.ledger.opening import require_driver
from turnout.ledger.record import AttemptRecord, RequestRecord
from turnout.ledger.rows import from_ms
from turnout.ledger.tables import attempts, keys, postings, requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which requests to list, newest first."""

    limit: int = 20
    key_ids: tuple[str, ...] = ()
    """Only requests of these keys; empty: of all."""
    route: str | None = None
    failed: bool = False
    """Only those whose outcome is not `ok`."""


@contextmanager
def reading(place: Location | Path) -> Generator[Connection]:
    """A read-only connection to the record, or to the SQLite file at a path. Raises ConfigError, StorageUnavailable."""
    if isinstance(place, Location) and place.url is not None:
        with _reading_postgres(place) as connection:
            yield connection
        return
    store = read_only(place.file if isinstance(place, Location) else place)
    engine = create_engine("sqlite://", creator=lambda: store.raw, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        store.close()


_REPORT_SECONDS = 600.0
"""How long a report's statement may take."""


@contextmanager
def _reading_postgres(place: Location) -> Generator[Connection]:
    """In one snapshot, so that the parts of a report fit together."""
    require_driver()
    from turnout.ledger.postgres_database import read_postgres
    from turnout.ledger.postgres_store import PostgresLimits, connect, postgres_error

    limits = PostgresLimits(statement=_REPORT_SECONDS, idle=_REPORT_SECONDS, silent=_REPORT_SECONDS)
    read_postgres(place, limits).close()  # tells what is wrong with the schema
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(place, limits, writes=False),
        poolclass=NullPool,
        isolation_level="REPEATABLE READ",
    )
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise postgres_error(error.orig or error, place) from None


def list_requests(connection: Connection, wanted: Wanted) -> list[RequestRecord]:
    """The newest requests that fit, with their attempts."""
    query = select(requests).order_by(requests.c.received_ms.desc(), requests.c.id.desc()).limit(wanted.limit)
    if wanted.key_ids:
        query = query.where(requests.c.key_id.in_(wanted.key_ids))
    if wanted.route is not None:
        query = query.where(requests.c.route == wanted.route)
    if wanted.failed:
        query = query.where(requests.c.outcome != "ok")
    return _with_attempts(connection, query)


@dataclass(frozen=True, slots=True)
class KeyNames:
    """What the keys of the database are called. Keys of the settings are called by their id and are not among them."""

    by_id: Mapping[str, str]

    def label(self, key_id: str) -> str:
        """`app (5qh8489vktwj)`; the id alone where there is no other name."""
        name = self.by_id.get(key_id)
        return key_id if name is None else f"{name} ({key_id})"

    def ids(self, text: str) -> tuple[str, ...]:
        """The key of that id, else all of that name, else the text itself: a key may be gone, and its calls not."""
        if text in self.by_id:
            return (text,)
        return tuple(key_id for key_id, name in self.by_id.items() if name == text) or (text,)


def key_names(connection: Connection) -> KeyNames:
    """Of all keys, the revoked ones too."""
    return KeyNames({row.id: row.name for row in connection.execute(select(keys.c.id, keys.c.name))})


class Booked(NamedTuple):
    """What a request cost, all its calls together."""

    nano: int
    """Nanodollars, as far as they are known."""
    estimated: bool
    unknown: int
    """Calls whose price is not known."""


def costs_of(connection: Connection, ids: Sequence[str]) -> dict[str, Booked]:
    """What the ledger has of these requests. One without calls, or booked by nobody, is not there."""
    found: dict[str, Booked] = {}
    columns = (postings.c.request_id, postings.c.cost_nano, postings.c.estimated)
    for some in _chunks(list(ids)):
        for row in connection.execute(select(*columns).where(postings.c.request_id.in_(some))):
            nano, estimated, unknown = found.get(row.request_id, Booked(0, False, 0))
            found[row.request_id] = Booked(
                nano + (row.cost_nano or 0), estimated or bool(row.estimated), unknown + (row.cost_nano is None)
            )
    return found


_SHORTEST_TAIL = 8
"""Fewer digits of an id could be those of another request."""


def find_request(connection: Connection, request_id: str) -> RequestRecord | None:
    """The request of that id, or the newest whose id ends so, with its attempts."""
    same = requests.c.id == request_id
    if len(request_id) >= _SHORTEST_TAIL:
        same = same | requests.c.id.endswith(request_id, autoescape=True)
    newest = select(requests).where(same).order_by(requests.c.received_ms.desc()).limit(1)
    found = _with_attempts(connection, newest)
    return found[0] if found else None


def _with_attempts(connection: Connection, query: Select[Any]) -> list[RequestRecord]:
    rows = connection.execute(query).all()
    made: dict[str, list[AttemptRecord]] = {row.id: [] for row in rows}
    for ids in _chunks(list(made)):
        of_these = select(attempts).where(attempts.c.request_id.in_(ids)).order_by(attempts.c.number)
        for row in connection.execute(of_these):
            made[row.request_id].append(_attempt(row))
    return [_request(row, tuple(made[row.id])) for row in rows]


def _chunks(ids: Sequence[str], size: int = 500) -> Iterator[Sequence[str]]:
    """SQLite takes a limited number of parameters in a statement."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _request(row: Row[Any], made: tuple[AttemptRecord, ...]) -> RequestRecord:
    return RequestRecord(
        id=row.id,
        received_at=from_ms(row.received_ms),
        key_id=row.key_id,
        endpoint=row.endpoint,
        asked=row.asked,
        route=row.route,
        deployment=row.deployment,
        reason=row.reason,
        stream=row.stream,
        status=row.status,
        outcome=row.outcome,
        error_code=row.error_code,
        duration_ms=row.duration_ms,
        ttft_ms=row.ttft_ms,
        catalogue_version=row.catalogue_version,
        session=row.session,
        dropped=row.dropped,
        team=row.team,
        end_user=row.end_user,
        tags=tuple(filter(None, row.tags.split(","))),
        attempts=made,
    )


def _attempt(row: Row[Any]) -> AttemptRecord:
    return AttemptRecord(
        request_id=row.request_id,
        number=row.number,
        deployment=row.deployment,
        provider=row.provider,
        model=row.model,
        dialect=row.dialect,
        lane=row.lane,
        started_at=from_ms(row.started_ms),
        duration_ms=row.duration_ms,
        first_byte_ms=row.first_byte_ms,
        status=row.status,
        outcome=row.outcome,
        error_code=row.error_code,
        upstream_request_id=row.upstream_request_id,
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        cache_write_tokens=row.cache_write_tokens,
        cache_write_1h_tokens=row.cache_write_1h_tokens,
        output_tokens=row.output_tokens,
        reasoning_tokens=row.reasoning_tokens,
        estimated=row.estimated,
        service_tier=row.service_tier,
    )
