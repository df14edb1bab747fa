"""Money that the database did not take, kept beside it until it does: `spill.jsonl` in the data directory.

A call that was made has cost something whether or not the database answers. What ends such calls is written here, a
line each, and synced; when the database works again every line is booked and the file emptied. A crash in between
books lines twice, and the second time changes nothing (`bookkeeping`). Where the file can't be written either, lines
stay in memory: there are never more than requests were under way, because none is admitted meanwhile.

The file is locked (flock) while it is written, or booked and emptied: processes that share a data directory share it.
State: owned by the writer's thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import orjson

from turnout.core.fault_point import fault_point
from turnout.ledger.posting import Hold, Posting
from turnout.ledger.posting_rows import hold_of, hold_row, posting_of, posting_row
from turnout.ledger.record import RequestRecord
from turnout.ledger.rows import Row, attempt_row, request_row

MOST_IN_MEMORY = 20_000
"""Lines. Beyond it the oldest is lost and counted; at about 1 KB each this is 20 MB."""


@dataclass(frozen=True, slots=True)
class Spilled:
    """A line: rows in the column order of `statements`."""

    requests: Sequence[Row]
    attempts: Sequence[Row]
    postings: Sequence[Posting]
    holds: Sequence[tuple[str, Hold]] = ()
    """Holds that a lease covered, with the process that made them."""


class Spill:
    """The lines that wait."""

    def __init__(self, path: Path | None) -> None:
        """Without a path everything stays in memory."""
        self.path = path
        self.lost = 0
        """Lines that were given up."""
        self._memory: list[bytes] = []
        self.waiting = len(self._at_start())
        """Lines that wait to be booked, as far as this process knows."""

    def keep(self, record: RequestRecord | None, postings: Sequence[Posting]) -> None:
        """Keeps what ends a request's calls. Returns when it is on disk, or in memory where the disk refuses."""
        try:
            line = _line(record, postings)
        except TypeError:  # a number of more than 64 bits: no database would take it
            self.lost += 1
            return
        self._keep(line)

    def lend(self, hold: Hold, owner: str) -> bool:
        """Keeps a hold that a lease covers. True when it is on disk: then its call may be made."""
        kept = self._keep(orjson.dumps(([], [], [], [hold_row(hold, owner)])))
        return kept or self.path is None

    def _keep(self, line: bytes) -> bool:
        self.waiting += 1
        try:
            if self.path is None:
                raise OSError("there is no file")
            _append(self.path, [*self._memory, line])
            self._memory.clear()
            return True
        except OSError:
            self._memory.append(line)
            if len(self._memory) > MOST_IN_MEMORY:
                del self._memory[0]
                self.lost += 1
                self.waiting -= 1
            return False

    @contextlib.contextmanager
    def emptying(self) -> Generator[list[bytes]]:
        """All lines that wait, oldest first. They are forgotten when the block ends, and stay where it raises. Raises
        OSError where the file can't be opened."""
        with contextlib.ExitStack() as stack:
            handle: int | None = None
            if self.path is not None and self.path.exists():
                handle = stack.enter_context(_locked(self.path))
            lines = [] if handle is None else _lines(_read_all(handle))
            yield [*lines, *self._memory]
            self._memory.clear()
            self.waiting = 0
            if handle is not None:
                with contextlib.suppress(OSError):  # booking them again does no harm
                    os.ftruncate(handle, 0)

    def refuse(self, line: bytes) -> None:
        """Puts a line aside that the database does not take as it is, in `spill.refused` for a person to look at.
        Raises OSError where that can't be: the line must stay where it is."""
        if self.path is not None:
            _append(self.path.with_name("spill.refused"), [line])
        self.lost += 1

    def _at_start(self) -> list[bytes]:
        """A last line without its end was cut by a crash: nobody was told that it is safe, and it goes."""
        if self.path is None or not self.path.exists():
            return []
        with _locked(self.path) as handle:
            data = _read_all(handle)
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                os.ftruncate(handle, whole)
            return _lines(data)


def read_line(line: bytes) -> Spilled:
    """What a line says. Raises ValueError, TypeError or LookupError where it is none of ours."""
    requests, attempts, postings, *more = cast("list[list[Row]]", orjson.loads(line))
    holds = [(str(row[2]), hold_of(row)) for row in (more[0] if more else ())]
    return Spilled(requests, attempts, [posting_of(row) for row in postings], holds)


def _line(record: RequestRecord | None, postings: Sequence[Posting]) -> bytes:
    requests = [request_row(record)] if record else []
    attempts = [attempt_row(attempt) for attempt in record.attempts] if record else []
    ends = [posting_row(posting) for posting in postings]
    try:
        return orjson.dumps((requests, attempts, ends))
    except TypeError:  # a text or a number in the record that can't be written; the money can
        return orjson.dumps(([], [], ends))


def _append(path: Path, lines: Sequence[bytes]) -> None:
    """Adds whole lines and syncs, or leaves the file as it was and raises OSError."""
    made = not path.exists()
    with _locked(path) as handle:
        before = os.fstat(handle).st_size
        data = b"".join(line + b"\n" for line in lines)
        try:
            fault_point("spill write")
            if os.write(handle, data) != len(data):
                raise OSError("the disk took a part of the line")
            fault_point("spill sync")
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, before)
            raise
    if made:
        _sync_directory(path.parent)
    fault_point("spilled")


def _sync_directory(path: Path) -> None:
    """So that a new file's name outlasts a loss of power too. The lines are written already: no error of theirs."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _locked(path: Path) -> Generator[int]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _read_all(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    pieces: list[bytes] = []
    while piece := os.read(handle, 1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def _lines(data: bytes) -> list[bytes]:
    """The whole ones."""
    return data.split(b"\n")[:-1]
