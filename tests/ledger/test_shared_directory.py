"""Several processes on one data directory: who may come in, and what stays whole."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from ledger_places import Record
from ledger_records import record

from turnout.core.errors import ConfigError
from turnout.ledger.datadir import DataDir, DirLock, holder
from turnout.ledger.location import Location
from turnout.ledger.writer import Writer

TAKER = (
    "import sys; from pathlib import Path; from turnout.ledger.datadir import DataDir, DirLock\n"
    "DirLock(DataDir(Path(sys.argv[1])), shared=sys.argv[2] == 'shared')"
)


def take(place: DataDir, how: str) -> str:
    """What another process hears that wants the directory; empty where it gets it."""
    done = subprocess.run(
        [sys.executable, "-c", TAKER, str(place.path), how], capture_output=True, text=True, check=False
    )
    return done.stderr


def test_sharers_come_in_and_a_loner_is_told(place: DataDir) -> None:
    """Beside a sharer another sharer may start, and one that wants it alone hears why not; and the other way round."""
    with DirLock(place, shared=True):
        assert take(place, "shared") == ""
        assert "processes that share it" in take(place, "alone")
        assert "`[storage] shared = true` here" in take(place, "alone")
    with DirLock(place):
        assert f"in use by process {os.getpid()}, which does not share it" in take(place, "shared")
    assert take(place, "alone") == ""


def test_a_sharer_is_seen_and_tells_no_address(place: DataDir) -> None:
    """`holder` finds one of them, without a URL: the command line writes by itself then."""
    with DirLock(place, shared=True) as lock:
        lock.announce("http://127.0.0.1:8080")
        found = holder(place.path)
        assert found is not None
        assert (found.pid, found.url, found.shared) == (os.getpid(), None, True)
    assert holder(place.path) is None


def test_a_shared_file_has_a_rollback_journal_and_alone_it_has_wal(place: DataDir) -> None:
    """Each opening puts the file into the journal mode it needs; commits are synced either way."""
    for shared, mode in ((True, "truncate"), (False, "wal"), (True, "truncate")):
        store = Record(Location(directory=place.path, shared=shared)).open()
        assert store.execute("PRAGMA journal_mode").fetchone() == (mode,)
        assert store.execute("PRAGMA synchronous").fetchone() == (2,)
        store.close()


WRITER = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ledger_places import Record
from ledger_records import record
from turnout.ledger.datadir import DataDir, DirLock
from turnout.ledger.location import Location
from turnout.ledger.writer import Writer
place = Path(sys.argv[2])
async def main():
    with DirLock(DataDir(place), shared=True):
        print(DataDir(place).pepper(None, os.urandom).reveal())
        writer = Writer(Record(Location(directory=place, shared=True)).open())
        async def task(number):
            for each in range(10):
                await writer.write(record(number))
        await asyncio.gather(*(task(number) for number in range(32)))
        await writer.close()
asyncio.run(main())
"""


def test_processes_that_start_together_make_one_record(tmp_path: Path) -> None:
    """4 processes x 32 tasks on a directory that is not there yet: one schema, one pepper, every record, a sound file."""
    place = tmp_path / "new"
    arguments = [sys.executable, "-c", WRITER, str(Path(__file__).parent), str(place)]
    children = [
        subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    peppers: set[str] = set()
    for child in children:
        pepper, said = child.communicate(timeout=60)
        assert child.returncode == 0, said
        peppers.add(pepper.strip())

    assert peppers == {(place / "pepper").read_text().strip()}
    with closing(sqlite3.connect(place / "turnout.db")) as connection:
        assert connection.execute("SELECT count(*) FROM requests").fetchone() == (4 * 32 * 10,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT value FROM meta WHERE name = 'id'").fetchall() == [
            ((place / "turnout.id").read_text().strip(),)
        ]
    assert not list(place.glob("*.new"))


def test_who_is_alone_does_not_open_a_file_in_use(place: DataDir) -> None:
    """A process that forgot `shared` is refused before it changes the journal mode under the others."""

    async def scenario() -> None:
        with DirLock(place, shared=True):
            writer = Writer(Record(Location(directory=place.path, shared=True)).open())
            await writer.write(record())
            with pytest.raises(ConfigError):
                DirLock(DataDir(place.path))
            await writer.write(record(1))
            await writer.close()

    asyncio.run(scenario())
