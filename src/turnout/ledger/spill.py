"""Money that the database did not take, kept beside it until it does: `spill.jsonl` in the data directory.

A call that was made has cost something whether or not the database answers. What ends such calls is written here, a
line each, and synced; when the database works again every line is booked and the file emptied. A crash in between
books lines twice, and the second time changes nothing (`bookkeeping`). Where the file can't be written either, lines
stay in memory: there are never more than requests were under way, because none is admitted meanwhile.

State: owned by the writer's thread.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import orjson

from turnout.ledger.posting import Posting
from turnout.ledger.posting_rows import posting_of, posting_row
from turnout.ledger.record import RequestRecord
from turnout.ledger.rows import Row, attempt_row, request_row

MOST_IN_MEMORY = 20_000
"""Lines. Beyond it the oldest is lost and counted; at about 1 KB each this is 20 MB."""


@dataclass(frozen=True, slots=True)
class Spilled:
    """A line: rows in the column order of `statements`."""

    text: bytes
    requests: Sequence[Row]
    attempts: Sequence[Row]
    postings: Sequence[Posting]


class Spill:
    """The lines that wait."""

    def __init__(self, path: Path | None) -> None:
        """Without a path everything stays in memory."""
        self.path = path
        self.lost = 0
        """Lines that were given up."""
        self._memory: list[bytes] = []
        self._cut_torn_line()
        self.waiting = len(self._complete_lines())
        """Lines that wait to be booked."""

    def keep(self, record: RequestRecord | None, postings: Sequence[Posting]) -> None:
        """Keeps what ends a request's calls. Returns when it is on disk, or in memory where the disk refuses."""
        line = orjson.dumps(
            (
                [request_row(record)] if record else [],
                [attempt_row(attempt) for attempt in record.attempts] if record else [],
                [posting_row(posting) for posting in postings],
            )
        )
        self.waiting += 1
        try:
            if self.path is None:
                raise OSError("there is no file")
            _append(self.path, [*self._memory, line])
            self._memory.clear()
        except OSError:
            self._memory.append(line)
            if len(self._memory) > MOST_IN_MEMORY:
                del self._memory[0]
                self.lost += 1
                self.waiting -= 1

    def lines(self) -> list[Spilled]:
        """All that waits, oldest first."""
        return [_read(line) for line in (*self._complete_lines(), *self._memory)]

    def clear(self) -> None:
        """Empties it: all is booked. Raises OSError where the file stays; booking it again does no harm."""
        self._memory.clear()
        self.waiting = 0
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def refuse(self, line: Spilled) -> None:
        """Puts a line aside that the database does not take as it is, in `spill.refused` for a person to look at."""
        self.lost += 1
        if self.path is not None:
            with contextlib.suppress(OSError):
                _append(self.path.with_name("spill.refused"), [line.text])

    def _cut_torn_line(self) -> None:
        """A last line without its end was cut by a crash; nobody was told that it is safe."""
        if self.path is not None and self.path.exists():
            data = self.path.read_bytes()
            os.truncate(self.path, data.rfind(b"\n") + 1)

    def _complete_lines(self) -> list[bytes]:
        if self.path is None or not self.path.exists():
            return []
        return self.path.read_bytes().split(b"\n")[:-1]


def _append(path: Path, lines: Sequence[bytes]) -> None:
    """Adds whole lines and syncs, or leaves the file as it was and raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        before = os.fstat(handle).st_size
        data = b"".join(line + b"\n" for line in lines)
        try:
            if os.write(handle, data) != len(data):
                raise OSError("the disk took a part of the line")
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, before)
            raise
    finally:
        os.close(handle)


def _read(line: bytes) -> Spilled:
    requests, attempts, postings = cast("tuple[list[Row], list[Row], list[Row]]", orjson.loads(line))
    return Spilled(line, requests, attempts, [posting_of(row) for row in postings])
