"""The one writer: a thread that owns the one read-write connection and commits in groups.

Rules
1. `write`, `reserve` and `run` return after the commit that holds their rows is on disk (synchronous=FULL), or raise
   StorageUnavailable and then nothing of it was kept. A record may be written again: the first of an id stays.
2. What is queued while one commit runs goes into the next. Where several callers wait at once, the thread lingers a
   few milliseconds before it commits, so that a busy server pays for a commit per group and not per request. Records
   and the ends of calls, which nobody's answer waits for, are handed over with the next hold or after as long: one
   request after another takes one commit each, not two.
3. The queue is bounded. A full queue, a locked, full or read-only disk give StorageUnavailable; `healthy` turns False
   and turns True again by itself: while it is False the thread tries a real write every `probe_seconds`, and records
   and holds are refused at once.
4. A caller that is cancelled while waiting leaves its record in the queue: it is still written.
5. What ends calls is never refused: while the database is down it goes to the spill file, and is booked from there
   before anything else once the database is back.

Mutable state and owners: the store, the batch, the spill: the thread. `_waiting`, `_late`, the futures: the event
loop's thread. `healthy` is written by the thread and read by anyone.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Literal, TypeAlias, TypeVar

from turnout.core.errors import StorageUnavailable, TurnoutError
from turnout.core.fault_point import fault_point
from turnout.ledger import statements
from turnout.ledger.bookkeeping import Granted, book, lend
from turnout.ledger.posting import Hold, Posting, Refused, void
from turnout.ledger.record import RequestRecord
from turnout.ledger.rows import Row, attempt_row, request_row
from turnout.ledger.several import execute_rows
from turnout.ledger.spill import Spill, Spilled, read_line
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
    """How long a commit waits for more where at least `siblings` were in the one before, and a record for company."""
    siblings: int = 4
    probe_seconds: float = 1.0


class _Entry:
    """Rows to write together with others' in one commit, and who waits for it."""

    __slots__ = ("covered", "future", "hold", "postings", "record")

    def __init__(
        self,
        future: asyncio.Future[Any] | None,
        *,
        record: RequestRecord | None = None,
        postings: Sequence[Posting] = (),
        hold: Hold | None = None,
        covered: bool = False,
    ) -> None:
        self.covered = covered
        self.future = future
        self.record = record
        self.postings = postings
        self.hold = hold


class _Command:
    """A function to run in a transaction of its own, and who waits for what it returns."""

    __slots__ = ("function", "future")

    def __init__(self, function: Callable[[Store], object], future: asyncio.Future[Any]) -> None:
        self.function = function
        self.future = future


_Job: TypeAlias = "_Entry | _Command | None"
_Done: TypeAlias = "tuple[asyncio.Future[Any] | None, object, BaseException | None]"


class Writer:
    """Writes records and runs other changes, one at a time. Make it inside the event loop; close it there."""

    def __init__(
        self, store: Store, limits: WriterLimits | None = None, *, owner: str = "me", spill: Spill | None = None
    ) -> None:
        """Takes over `store`: nobody else may use it from now on. `owner` names this process in its holds."""
        self.owner = owner
        self._store = store
        self._spill = spill or Spill(None)
        self._limits = limits or WriterLimits()
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Job] = SimpleQueue()
        self._waiting = 0
        self._late: list[_Entry] = []
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self.healthy = True
        """The last write succeeded. Readiness follows it."""
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Writes that are queued or being committed."""
        return self._waiting

    @property
    def spilled(self) -> int:
        """Ends of calls that wait outside the database."""
        return self._spill.waiting

    @property
    def lost(self) -> int:
        """Ends of calls that could be kept nowhere."""
        return self._spill.lost

    async def write(self, record: RequestRecord, postings: Sequence[Posting] = ()) -> None:
        """Returns when the record, its attempts and the ends of its calls are on disk. Raises StorageUnavailable only
        for a record without postings."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._put(_Entry(future, record=record, postings=postings))
        await future

    async def reserve(self, hold: Hold, *, covered: bool = False) -> Granted | Refused | Literal["lent"]:
        """Sets money aside, or says which budget has no room. Raises StorageUnavailable: then no call may be made.

        `covered`: a lease has room for it. Then the call may be made while the database is away: "lent", and the hold
        is in the spill file.
        """
        future: asyncio.Future[Granted | Refused | Literal["lent"]] = self._loop.create_future()
        self._put(_Entry(future, hold=hold, covered=covered))
        return await future

    def post(self, postings: Sequence[Posting]) -> None:
        """Ends calls without waiting; in the order of the queue, so before any later hold."""
        self._waiting += 1
        self._keep_back(_Entry(None, postings=postings))

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
            self._hand_over()
            self._queue.put(None)
        await asyncio.shield(self._loop.run_in_executor(None, self._thread.join))

    def _put(self, job: _Entry | _Command) -> None:
        if self._closing:
            raise StorageUnavailable("The record is closed: this server is shutting down.", retry_after=1.0)
        if not self.healthy and isinstance(job, _Entry) and not (job.postings or job.covered):
            # Its caller would wait, and keep what it holds in memory, for a write that is going to fail.
            raise StorageUnavailable(
                "The database does not take writes at the moment.", retry_after=2.0, should_retry=True
            )
        if self._waiting >= self._limits.queue and not (isinstance(job, _Entry) and job.postings):
            raise StorageUnavailable(
                f"{self._waiting} records wait to be written, which is the most this server keeps: the disk is too"
                " slow or does not take writes.",
                retry_after=2.0,
                should_retry=True,
            )
        self._waiting += 1
        if isinstance(job, _Entry) and job.hold is None:
            self._keep_back(job)
            return
        self._hand_over()
        self._queue.put(job)

    def _keep_back(self, entry: _Entry) -> None:
        self._late.append(entry)
        if self._timer is None:
            self._timer = self._loop.call_later(self._limits.linger_seconds, self._hand_over)

    def _hand_over(self) -> None:
        """Queues what was kept back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for entry in self._late:
            self._queue.put(entry)
        self._late.clear()

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

    def _take(self, *, linger: bool) -> tuple[list[_Entry | _Command], bool]:
        """The next jobs, and whether they are the last. No jobs and not the last: it is time to probe."""
        try:
            quiet = self.healthy and not self._spill.waiting
            first = self._queue.get(timeout=None if quiet else self._limits.probe_seconds)
        except Empty:
            return [], False
        if first is None:
            return [], True
        if linger and self._queue.qsize() < self._limits.rows - 1:
            time.sleep(self._limits.linger_seconds)
        jobs: list[_Entry | _Command] = [first]
        while len(jobs) < self._limits.rows:
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False

    def _perform(self, jobs: Sequence[_Entry | _Command]) -> list[_Done]:
        done: list[_Done] = []
        entries: list[_Entry] = []
        with contextlib.suppress(self._store.errors, OSError):  # then what follows fails too, and says so
            self._recover()
        for job in jobs:
            if isinstance(job, _Entry):
                entries.append(job)
                continue
            self._commit(entries, done)
            entries = []
            self._run(job, done)
        self._commit(entries, done)
        return done

    def _commit(self, entries: list[_Entry], done: list[_Done]) -> None:
        """Writes the entries in one transaction. Where one of them can't be stored at all, writes each by itself."""
        if not entries:
            return
        try:
            answers = iter(self._transact(lambda store: _write(store, self.owner, entries)))
        except Exception as error:  # whatever it is, its callers wait, and this thread must go on
            if len(entries) == 1 or self._store.is_outage(error):
                for entry in entries:
                    self._fail(entry, error, done)
            else:
                for entry in entries:
                    self._commit([entry], done)
        else:
            done.extend((entry.future, next(answers) if entry.hold else None, None) for entry in entries)

    def _recover(self) -> None:
        """Books what was spilled, before anything else."""
        if not self._spill.waiting:
            return
        with self._spill.emptying() as lines:
            for line in lines:
                fault_point("recovery")
                if not self._book_again(line):
                    self._spill.refuse(line)  # one bad line must not keep all others waiting
            fault_point("recovered")

    def _book_again(self, line: bytes) -> bool:
        """Whether the database took it. Where a record can't be stored, its money is booked without it."""
        try:
            spilled = read_line(line)
        except (ValueError, TypeError, LookupError):
            return False
        for each in (spilled, Spilled((), (), spilled.postings, spilled.holds)):
            try:
                self._transact(lambda store, each=each: _write_spilled(store, self.owner, each))
            except Exception as error:
                if self._store.is_outage(error) or self._store.is_conflict(error):
                    raise
            else:
                return True
        return False

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
            fault_point("begin")
            store.begin()
            result = function(store)
            fault_point("commit")
            store.commit()
            fault_point("committed")
        except BaseException as error:
            store.rollback()
            if store.is_outage(error):
                self.healthy = False
            raise
        self.healthy = True
        return result

    def _probe(self) -> None:
        try:
            with contextlib.suppress(OSError):  # a spill that can't be read keeps nobody else out
                self._recover()
            self._transact(lambda store: store.execute(statements.UPSERT_META, ("probe", "1")))
        except self._store.errors:
            return  # healthy stays False, and the next probe comes

    def _fail(self, entry: _Entry, error: Exception, done: list[_Done]) -> None:
        if entry.postings:
            self._spill.keep(entry.record, entry.postings)
            done.append((entry.future, None, None))
            return
        if entry.hold is not None and entry.covered and self._spill.lend(entry.hold, self.owner):
            done.append((entry.future, "lent", None))
            return
        if entry.hold is not None:  # whether it was committed may not be known: then this takes it back
            self._spill.keep(None, [void(entry.hold)])
        # One error each: raising the same one in many tasks would mix up their tracebacks.
        done.append((entry.future, None, self._ours(error)))

    def _ours(self, error: Exception) -> TurnoutError:
        if isinstance(error, self._store.errors):
            return self._store.ours(error)
        return StorageUnavailable(f"A record can't be stored: {error}.")

    # ---- back in the loop ----------------------------------------------------------------

    def _tell(self, done: Sequence[_Done]) -> None:
        self._waiting -= len(done)
        for future, result, error in done:
            if future is None or future.done():
                continue  # nobody waits, or its caller went away
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)


def _write(store: Store, owner: str, entries: Sequence[_Entry]) -> list[Granted | Refused]:
    """All rows of a commit; the answers to its holds, in their order."""
    records = [entry.record for entry in entries if entry.record is not None]
    _write_records(
        store, [request_row(each) for each in records], [attempt_row(a) for r in records for a in r.attempts]
    )
    postings = [posting for entry in entries for posting in entry.postings]
    holds = [entry.hold for entry in entries if entry.hold is not None]
    return book(store, owner, postings, holds) if postings or holds else []


def _write_spilled(store: Store, owner: str, line: Spilled) -> None:
    _write_records(store, line.requests, line.attempts)
    for lender, hold in line.holds:
        lend(store, lender, hold)
    book(store, owner, line.postings, [])


def _write_records(store: Store, requests: Sequence[Row], attempts: Sequence[Row]) -> None:
    execute_rows(store, statements.INSERT_REQUEST, requests)
    execute_rows(store, statements.INSERT_ATTEMPT, attempts)
