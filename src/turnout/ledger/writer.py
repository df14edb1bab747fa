"""The one writer: a thread that owns the one read-write connection and commits in groups.

Rules
1. `write` and `run` return after the commit that holds their rows is on disk (synchronous=FULL), or raise
   StorageUnavailable and then nothing of it was kept. A record may be written again: the first of an id stays.
2. What is queued while one commit runs goes into the next. Where several callers wait at once, the thread lingers a
   few milliseconds before it commits, so that a busy server pays for a commit per group and not per request.
3. The queue is bounded. A full queue, a locked, full or read-only disk give StorageUnavailable; `healthy` turns False
   and turns True again by itself: while it is False the thread tries a real write every `probe_seconds`.
4. A caller that is cancelled while waiting leaves its record in the queue: it is still written.

Mutable state and owners: the store, the batch: the thread. `_waiting`, the futures: the event loop's thread.
`healthy` is written by the thread and read by anyone.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

from turnout.core.errors import StorageUnavailable, TurnoutError
from turnout.ledger import statements
from turnout.ledger.record import RequestRecord
from turnout.ledger.rows import Row, attempt_row, request_row
from turnout.ledger.store import Store

T = TypeVar("T")

_RUNS = 5
"""Times that a transaction is run which meets another one each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterLimits:
    """How the writer groups, and how much it lets wait."""

    rows: int = 512
    """Most requests in one commit."""
    queue: int = 8192
    """Most writes that may wait; at about 2 KB each this is 16 MB."""
    linger_seconds: float = 0.004
    """How long a commit waits for more where at least `siblings` were in the one before."""
    siblings: int = 4
    probe_seconds: float = 1.0


class _Record:
    """A request to write, and who waits for it."""

    __slots__ = ("future", "record")

    def __init__(self, record: RequestRecord, future: asyncio.Future[None]) -> None:
        self.record = record
        self.future = future


class _Command:
    """A function to run in a transaction of its own, and who waits for what it returns."""

    __slots__ = ("function", "future")

    def __init__(self, function: Callable[[Store], object], future: asyncio.Future[Any]) -> None:
        self.function = function
        self.future = future


_Job: TypeAlias = "_Record | _Command | None"
_Done: TypeAlias = "tuple[asyncio.Future[Any], object, BaseException | None]"


class Writer:
    """Writes records and runs other changes, one at a time. Make it inside the event loop; close it there."""

    def __init__(self, store: Store, limits: WriterLimits | None = None) -> None:
        """Takes over `store`: nobody else may use it from now on."""
        self._store = store
        self._limits = limits or WriterLimits()
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Job] = SimpleQueue()
        self._waiting = 0
        self._closing = False
        self.healthy = True
        """The last write succeeded. Readiness follows it."""
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Writes that are queued or being committed."""
        return self._waiting

    async def write(self, record: RequestRecord) -> None:
        """Returns when the record and its attempts are on disk. Raises StorageUnavailable."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._put(_Record(record, future))
        await future

    async def run(self, function: Callable[[Store], T]) -> T:
        """Runs `function` on the database inside a transaction, after all that was queued before it.

        Its exception rolls the transaction back and is raised here. It must not begin, commit or keep the
        store, and it may be run again where the transaction met another one.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._put(_Command(function, future))
        return await future

    async def close(self) -> None:
        """Writes what is queued, and closes the database. Later writes raise StorageUnavailable."""
        if not self._closing:
            self._closing = True
            self._queue.put(None)
        await asyncio.shield(self._loop.run_in_executor(None, self._thread.join))

    def _put(self, job: _Record | _Command) -> None:
        if self._closing:
            raise StorageUnavailable("The record is closed: this server is shutting down.", retry_after=1.0)
        if self._waiting >= self._limits.queue:
            raise StorageUnavailable(
                f"{self._waiting} records wait to be written, which is the most this server keeps: the disk is too"
                " slow or does not take writes.",
                retry_after=2.0,
                should_retry=True,
            )
        self._waiting += 1
        self._queue.put(job)

    # ---- the thread ----------------------------------------------------------------------

    def _work(self) -> None:
        group = 1
        while True:
            jobs, last = self._take(linger=group >= self._limits.siblings)
            group = len(jobs)
            if jobs:
                done = self._perform(jobs)
                self._loop.call_soon_threadsafe(self._tell, done)
            elif not last:
                self._probe()
            if last:
                break
        self._store.close()

    def _take(self, *, linger: bool) -> tuple[list[_Record | _Command], bool]:
        """The next jobs, and whether they are the last. No jobs and not the last: it is time to probe."""
        try:
            first = self._queue.get(timeout=None if self.healthy else self._limits.probe_seconds)
        except Empty:
            return [], False
        if first is None:
            return [], True
        if linger and self._queue.qsize() < self._limits.rows - 1:
            time.sleep(self._limits.linger_seconds)
        jobs: list[_Record | _Command] = [first]
        while len(jobs) < self._limits.rows:
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False

    def _perform(self, jobs: Sequence[_Record | _Command]) -> list[_Done]:
        done: list[_Done] = []
        records: list[_Record] = []
        for job in jobs:
            if isinstance(job, _Record):
                records.append(job)
                continue
            self._commit(records, done)
            records = []
            self._run(job, done)
        self._commit(records, done)
        return done

    def _commit(self, records: list[_Record], done: list[_Done]) -> None:
        """Writes the records in one transaction. Where one of them can't be stored at all, writes each by itself."""
        if not records:
            return
        try:
            self._transact(lambda store: _insert(store, records))
        except (self._store.errors, OverflowError, UnicodeError, TypeError, ValueError) as error:
            if len(records) == 1 or self._store.is_outage(error):
                self._fail(records, error, done)
            else:
                for record in records:
                    self._commit([record], done)
        else:
            done.extend((record.future, None, None) for record in records)

    def _run(self, job: _Command, done: list[_Done]) -> None:
        try:
            done.append((job.future, self._transact(job.function), None))
        except self._store.errors as error:
            done.append((job.future, None, self._ours(error)))
        except Exception as error:
            done.append((job.future, None, error))

    def _transact(self, function: Callable[[Store], T]) -> T:
        for left in reversed(range(_RUNS)):
            try:
                return self._transact_once(function)
            except self._store.errors as error:
                if not left or not self._store.is_conflict(error):
                    raise
        raise AssertionError("the last run returns or raises")

    def _transact_once(self, function: Callable[[Store], T]) -> T:
        store = self._store
        try:
            store.begin()
            result = function(store)
            store.commit()
        except BaseException as error:
            store.rollback()
            if store.is_outage(error):
                self.healthy = False
            raise
        self.healthy = True
        return result

    def _probe(self) -> None:
        try:
            self._transact(lambda store: store.execute(statements.UPSERT_META, ("probe", "1")))
        except self._store.errors:
            return  # healthy stays False, and the next probe comes

    def _fail(self, records: Sequence[_Record], error: Exception, done: list[_Done]) -> None:
        # One error each: raising the same one in many tasks would mix up their tracebacks.
        done.extend((record.future, None, self._ours(error)) for record in records)

    def _ours(self, error: Exception) -> TurnoutError:
        if isinstance(error, self._store.errors):
            return self._store.ours(error)
        return StorageUnavailable(f"A record can't be stored: {error}.")

    # ---- back in the loop ----------------------------------------------------------------

    def _tell(self, done: Sequence[_Done]) -> None:
        self._waiting -= len(done)
        for future, result, error in done:
            if future.done():
                continue  # its caller went away
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)


def _insert(store: Store, records: Sequence[_Record]) -> None:
    _insert_rows(store, statements.INSERT_REQUEST, [request_row(job.record) for job in records])
    attempts = [attempt_row(attempt) for job in records for attempt in job.record.attempts]
    _insert_rows(store, statements.INSERT_ATTEMPT, attempts)


_GROUPS = (64, 16, 4, 1)
"""Rows in one statement. Each run of a statement gives up the interpreter's lock and has to win it back from a busy
event loop: 32 rows one by one took 14 ms beside a busy thread, in two statements 7 ms. Few sizes, so that each stays
prepared."""


def _insert_rows(store: Store, statement: str, rows: Sequence[Row]) -> None:
    done = 0
    for size in _GROUPS:
        while len(rows) - done >= size:
            group = rows[done : done + size]
            store.execute(_of_rows(statement, size), [value for row in group for value in row])
            done += size


@lru_cache(maxsize=16)
def _of_rows(statement: str, rows: int) -> str:
    """An INSERT of one row, made one of several."""
    head, values, tail = re.split(r"(\((?:\?, )*\?\))", statement, maxsplit=1)
    return head + ", ".join([values] * rows) + tail
