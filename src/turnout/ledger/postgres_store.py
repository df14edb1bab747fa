"""A connection to PostgreSQL as a `Store`, by psycopg. Only `postgres_database` and reports import it, and they only
where a URL is set: psycopg is an extra.

Rules
1. A connection that is lost is made again by the next `begin`. After a failed try, further ones are refused without
   asking the server for a while (0.1 s, doubled up to 2 s), so that an outage does not cost each caller a timeout.
2. Nothing waits for ever: connecting, each statement, a lock and a silent server have their own limits. The last one is
   ours (`silent_seconds`): a server that is stopped still acknowledges packets.
3. A commit is on the server's disk when `commit` returns, also where the database's default says otherwise.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from psycopg import errors, sql
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper

from turnout.core.clock import Clock, SystemClock
from turnout.core.errors import ConfigError, StorageUnavailable
from turnout.core.fault_point import fault_point
from turnout.ledger.location import Location

RV = TypeVar("RV")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresLimits:
    """Seconds. How long the server may take."""

    connect: int = 5
    statement: float = 10.0
    lock: float = 5.0
    idle: float = 10.0
    """In a transaction: a process that was stopped there must not keep its locks."""
    silent: float = 15.0
    """Longest wait for any answer."""


class _Connection(psycopg.Connection[tuple[Any, ...]]):
    """One whose waits end."""

    silent_seconds: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        return super().wait(gen, interval, self.silent_seconds if timeout is None else timeout)


def connect(location: Location, limits: PostgresLimits, *, writes: bool) -> _Connection:
    """A connection in autocommit. Raises psycopg.Error, whose text may hold the password."""
    assert location.url is not None, "only a location with a URL is PostgreSQL's"
    raw = _Connection.connect(
        location.url.reveal(),
        autocommit=True,
        connect_timeout=limits.connect,
        keepalives=1,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=int(limits.silent * 1000),
        fallback_application_name="turnout",
    )
    try:
        raw.silent_seconds = limits.silent
        raw.adapters.register_dumper(int, Int8Dumper)  # one type, so that a statement is prepared once
        for text in _session(limits, writes=writes):
            raw.execute(text)
    except BaseException:
        raw.close()
        raise
    return raw


def _session(limits: PostgresLimits, *, writes: bool) -> Generator[sql.Composed]:
    waits = (
        ("statement_timeout", limits.statement),
        ("lock_timeout", limits.lock),
        ("idle_in_transaction_session_timeout", limits.idle),
    )
    # Rows are locked one by one; in a stricter default each wait for a row would end in an error instead.
    yield sql.Composed([sql.SQL("SET default_transaction_isolation = 'read committed'")])
    yield sql.SQL("; ").join(
        sql.SQL("SET {} = {}").format(sql.Identifier(name), int(seconds * 1000)) for name, seconds in waits
    )
    if writes:
        yield sql.Composed(
            [
                sql.SQL(
                    "SELECT set_config('synchronous_commit', 'on', false)"
                    " WHERE current_setting('synchronous_commit') = 'off'"
                )
            ]
        )
    else:
        yield sql.Composed([sql.SQL("SET default_transaction_read_only = on")])


class PostgresStore:
    """Owned by one thread at a time."""

    for_update = " FOR UPDATE"
    errors: type[Exception] = psycopg.Error

    def __init__(
        self,
        location: Location,
        limits: PostgresLimits | None = None,
        *,
        writes: bool = True,
        clock: Clock | None = None,
    ) -> None:
        """Connects. Raises psycopg.Error: show it through `ours`."""
        self._location = location
        self._limits = limits or PostgresLimits()
        self._writes = writes
        self._clock = clock or SystemClock()
        self._pause = _FIRST_PAUSE
        self._next_try = 0.0
        self._last_fault = ""
        self._raw: _Connection | None = None
        self._raw = self._connect()

    @property
    def in_transaction(self) -> bool:
        raw = self._raw
        return raw is not None and not raw.closed and raw.info.transaction_status is not TransactionStatus.IDLE

    def begin(self) -> None:
        fresh = self._raw is None or self._raw.closed
        raw = self._connect() if self._raw is None or self._raw.closed else self._raw
        try:
            raw.execute("BEGIN")
        except psycopg.OperationalError:
            self._drop()
            if fresh:
                raise
            self._connect().execute("BEGIN")  # the server may have gone and come back since the last transaction

    def execute(self, sql: str, params: Sequence[Any] = (), /) -> psycopg.Cursor[tuple[Any, ...]]:
        raw = self._raw
        if raw is None or raw.closed:
            raise psycopg.OperationalError("the connection is closed")
        fault_point("statement")
        try:
            return raw.execute(_translated(sql), params or None)
        except psycopg.DataError:
            # PostgreSQL takes no NUL in a text, and psycopg finds it before anything is sent.
            clean = [each.replace("\0", "\ufffd") if isinstance(each, str) else each for each in params]
            if clean == list(params):
                raise
            return raw.execute(_translated(sql), clean)
        except (errors.ReadOnlySqlTransaction, psycopg.OperationalError) as error:
            if not _is_server_answer(error) or isinstance(error, errors.ReadOnlySqlTransaction):
                self._drop()  # after a failover the URL may lead to another server
            raise

    def lock(self, name: str, /) -> None:
        self.execute("SELECT pg_advisory_xact_lock(hashtext('turnout'), hashtext(?))", (name,))

    def commit(self) -> None:
        raw = self._raw
        if raw is None or raw.closed:
            raise psycopg.OperationalError("the connection was lost before the commit")
        try:
            if raw.execute("COMMIT").statusmessage != "COMMIT":
                raise errors.InFailedSqlTransaction("the transaction had failed before its commit")
        except psycopg.OperationalError as error:
            if not _is_server_answer(error):
                self._drop()
            raise

    def rollback(self) -> None:
        if not self.in_transaction or self._raw is None:
            return
        try:
            self._raw.execute("ROLLBACK")
        except psycopg.Error:
            self._drop()

    def close(self) -> None:
        self._drop()

    def is_outage(self, error: BaseException, /) -> bool:
        if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
            return False
        return isinstance(error, psycopg.Error) and not self.is_conflict(error)

    def is_conflict(self, error: BaseException, /) -> bool:
        return isinstance(error, errors.SerializationFailure | errors.DeadlockDetected)

    def ours(self, error: Exception, /) -> StorageUnavailable | ConfigError:
        return postgres_error(error, self._location)

    def _connect(self) -> _Connection:
        now = self._clock.monotonic()
        if now < self._next_try:
            raise psycopg.OperationalError(self._last_fault)
        try:
            raw = connect(self._location, self._limits, writes=self._writes)
        except psycopg.Error as error:
            self._next_try = self._clock.monotonic() + self._pause
            self._pause = min(_LAST_PAUSE, self._pause * 2)
            self._last_fault = str(error)
            raise
        raw.cursor_factory = psycopg.RawCursor[tuple[Any, ...]]
        self._raw, self._pause = raw, _FIRST_PAUSE
        return raw

    def _drop(self) -> None:
        if self._raw is not None:
            self._raw.close()
            self._raw = None


_FIRST_PAUSE, _LAST_PAUSE = 0.1, 2.0


@lru_cache(maxsize=512)
def _translated(text: str) -> bytes:
    """PostgreSQL's own placeholders, $1, $2: psycopg's would be parsed anew for each long statement. No statement of
    ours has a question mark that is none."""
    first, *rest = text.split("?")
    return "".join([first, *(f"${number}{part}" for number, part in enumerate(rest, 1))]).encode()


def _is_server_answer(error: psycopg.Error) -> bool:
    """Whether the server refused one statement and the connection goes on."""
    return isinstance(
        error,
        errors.SerializationFailure | errors.DeadlockDetected | errors.QueryCanceled | errors.LockNotAvailable,
    )


def postgres_error(error: BaseException, location: Location) -> StorageUnavailable | ConfigError:
    """The one place where psycopg's errors become ours. The text holds no password."""
    said = location.redact(" ".join(str(error).split()))[:300].rstrip(".")
    match error:
        case errors.TooManyConnections():
            text = f"{location} takes no more connections. Raise its max_connections, or run fewer replicas."
        case errors.ReadOnlySqlTransaction():
            text = f"{location} is read-only, a standby perhaps. Add target_session_attrs=read-write to its URL."
        case errors.DiskFull():
            text = f"{location} has no disk space left. Free some."
        case errors.QueryCanceled() | errors.LockNotAvailable():
            text = f"{location} is too slow: a statement took longer than allowed ({said})."
        case errors.SerializationFailure() | errors.DeadlockDetected():
            text = f"Other servers kept {location} busy with the same rows ({said})."
        case errors.UndefinedTable():
            text = f"{location} holds no record of Turnout ({said})."
        case errors.InsufficientPrivilege():
            text = f"The user of {location} lacks a right ({said})."
        case psycopg.OperationalError():
            text = f"{location} can't be reached or does not work: {said}."
        case psycopg.ProgrammingError() if error.sqlstate is None:
            return ConfigError(f"The URL of {location} can't be used: {said}.")
        case _:
            text = f"{location} does not work: {said}."
    return StorageUnavailable(text, retry_after=5.0, should_retry=True)
