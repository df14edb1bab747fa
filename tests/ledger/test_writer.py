"""The writer: what it promises is on disk, and what it says when the disk does not take writes (F31 to F33)."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_records import record

from turnout.core.errors import ConfigError, StorageUnavailable
from turnout.ledger import statements
from turnout.ledger.database import open_database
from turnout.ledger.datadir import DataDir, DirLock
from turnout.ledger.store import Store
from turnout.ledger.writer import Writer, WriterLimits

QUICK = WriterLimits(probe_seconds=0.05)


@asynccontextmanager
async def writing(place: DataDir, limits: WriterLimits = QUICK, busy_ms: int = 2000) -> AsyncIterator[Writer]:
    writer = Writer(open_database(place, os.urandom, busy_ms=busy_ms), limits)
    try:
        yield writer
    finally:
        await writer.close()


def rows(place: DataDir, table: str = "requests") -> list[tuple[object, ...]]:
    connection = sqlite3.connect(place.database)
    try:
        return connection.execute(f"SELECT * FROM {table}").fetchall()
    finally:
        connection.close()


async def until_healthy(writer: Writer) -> None:
    async with asyncio.timeout(5):
        while not writer.healthy:
            await asyncio.sleep(0.01)


def test_an_awaited_record_is_committed(held: DataDir) -> None:
    """Another connection sees request and attempts as soon as `write` returns."""

    async def scenario() -> None:
        async with writing(held) as writer:
            await writer.write(record(attempts=3))
            assert (len(rows(held)), len(rows(held, "attempts"))) == (1, 3)

    asyncio.run(scenario())


def test_many_waiting_records_share_few_commits(held: DataDir) -> None:
    """2,000 concurrent writes are all stored, in a handful of transactions."""

    async def scenario() -> int:
        async with writing(held) as writer:
            begun: list[str] = []
            await writer.run(lambda connection: connection.raw.set_trace_callback(begun.append))
            await asyncio.gather(*(writer.write(record(number)) for number in range(2000)))
            await writer.run(lambda connection: connection.raw.set_trace_callback(None))
            return sum(statement.startswith("BEGIN") for statement in begun)

    transactions = asyncio.run(scenario())
    assert len(rows(held)) == 2000
    assert transactions <= 20


def test_a_record_written_again_stays_as_it_was(held: DataDir) -> None:
    """Repeating a write whose outcome was unknown adds nothing and changes nothing."""

    async def scenario() -> None:
        async with writing(held) as writer:
            first = record(attempts=2)
            await writer.write(first)
            await writer.write(replace(first, reason="again"))

    asyncio.run(scenario())
    assert len(rows(held, "attempts")) == 2
    assert "again" not in str(rows(held))


def test_a_record_that_can_not_be_stored_fails_alone(held: DataDir) -> None:
    """A number too large for SQLite fails its own write; the others of its group are stored."""

    async def scenario() -> list[object]:
        async with writing(held) as writer:
            records = [record(number) for number in range(10)]
            records[4] = replace(records[4], duration_ms=10**30)
            results = await asyncio.gather(*map(writer.write, records), return_exceptions=True)
            assert writer.healthy
            return list(results)

    results = asyncio.run(scenario())
    assert [isinstance(result, StorageUnavailable) for result in results] == [n == 4 for n in range(10)]
    assert len(rows(held)) == 9


def test_a_command_runs_in_order_and_rolls_back_on_error(held: DataDir) -> None:
    """A command sees what was queued before it; its exception undoes it and reaches its caller."""

    async def scenario() -> None:
        async with writing(held) as writer:

            def broken(connection: Store) -> None:
                connection.execute(statements.UPSERT_META, ("a", "b"))
                raise ConfigError("no")

            written = asyncio.ensure_future(writer.write(record()))
            await asyncio.sleep(0)
            seen = await writer.run(lambda c: c.execute("SELECT count(*) FROM requests").fetchone()[0])
            await written
            with pytest.raises(ConfigError):
                await writer.run(broken)
            assert seen == 1
            assert await writer.run(lambda c: c.execute(statements.SELECT_META, ("a",)).fetchone()) is None

    asyncio.run(scenario())


def test_a_cancelled_caller_leaves_its_record(held: DataDir) -> None:
    """A caller that goes away while waiting does not take its record along."""

    async def scenario() -> None:
        async with writing(held) as writer:
            task = asyncio.ensure_future(writer.write(record()))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await writer.write(record(1))
            assert writer.waiting == 0

    asyncio.run(scenario())
    assert len(rows(held)) == 2


def test_close_writes_what_is_queued_and_refuses_the_rest(held: DataDir) -> None:
    """Everything queued before `close` is on disk after it; later writes are told why not."""

    async def scenario() -> None:
        writer = Writer(open_database(held, os.urandom))
        tasks = [asyncio.ensure_future(writer.write(record(number))) for number in range(700)]
        await asyncio.sleep(0)
        await writer.close()
        await asyncio.gather(*tasks)
        with pytest.raises(StorageUnavailable, match="shutting down"):
            await writer.write(record())
        await writer.close()

    asyncio.run(scenario())
    assert len(rows(held)) == 700


def test_a_full_queue_sheds(held: DataDir) -> None:
    """With room for five waiting writes, exactly five of nine are taken."""

    async def scenario() -> list[object]:
        async with writing(held, WriterLimits(queue=5)) as writer:
            writes = (writer.write(record(number)) for number in range(9))
            return list(await asyncio.gather(*writes, return_exceptions=True))

    results = asyncio.run(scenario())
    assert [isinstance(result, StorageUnavailable) for result in results] == [False] * 5 + [True] * 4
    assert len(rows(held)) == 5


def test_f31_a_locked_database_gives_503_and_recovers(held: DataDir) -> None:
    """While another connection holds the database, writes fail within the busy timeout; after it they go on."""

    async def scenario() -> None:
        async with writing(held, busy_ms=50) as writer:
            other = sqlite3.connect(held.database, isolation_level=None)
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StorageUnavailable, match="locked") as caught:
                await writer.write(record())
            assert (caught.value.status, writer.healthy) == (503, False)
            other.execute("ROLLBACK")
            other.close()
            await until_healthy(writer)
            await writer.write(record(1))

    asyncio.run(scenario())
    assert len(rows(held)) == 1


def test_f32_a_full_database_gives_503_tears_no_row_and_recovers(held: DataDir) -> None:
    """SQLITE_FULL fails the group as a whole; with room again, the writer goes on by itself."""

    async def scenario() -> None:
        async with writing(held) as writer:
            await writer.write(record())
            most = await writer.run(lambda c: c.execute("PRAGMA max_page_count").fetchone()[0])
            await writer.run(lambda c: c.execute("PRAGMA max_page_count=1").fetchone())
            results = await asyncio.gather(
                *(writer.write(record(number + 1, attempts=2)) for number in range(200)), return_exceptions=True
            )
            failed = [result for result in results if isinstance(result, StorageUnavailable)]
            assert failed and "full" in str(failed[-1])
            assert len(rows(held, "requests")) == 1 + 200 - len(failed)
            assert len(rows(held, "attempts")) == 1 + 2 * (200 - len(failed))
            await writer.run(lambda c: c.execute(f"PRAGMA max_page_count={most}").fetchone())
            await writer.write(record(999))
            assert writer.healthy

    asyncio.run(scenario())


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 8 MB."""
    where = tmp_path / "disk"
    where.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(where)], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def test_f32_a_full_disk_gives_503_and_recovers(small_disk: Path) -> None:
    """On a disk that is really full no row is torn, and freeing space is enough to go on."""

    async def scenario() -> None:
        place = DataDir(small_disk / "data")
        with DirLock(place):
            async with writing(place) as writer:
                written = 0
                with pytest.raises(StorageUnavailable):
                    for number in range(20_000):
                        await writer.write(record(number))
                        written += 1
                        if number == 20:
                            hog = small_disk / "hog"
                            free = os.statvfs(small_disk)
                            hog.write_bytes(bytes(max(0, free.f_bavail * free.f_bsize - 20_000)))
                assert not writer.healthy
                assert (len(rows(place)), len(rows(place, "attempts"))) == (written, written)
                (small_disk / "hog").unlink()
                await until_healthy(writer)
                await writer.write(record(99_999))

    asyncio.run(scenario())


def test_f33_a_read_only_disk_refuses_the_start(small_disk: Path) -> None:
    """A server does not start on a read-only file system, and says why."""
    place = DataDir(small_disk / "data")
    open_database(place, os.urandom).close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    with pytest.raises(StorageUnavailable, match=r"[Rr]ead-only"), DirLock(place):
        open_database(place, os.urandom)


def test_f33_a_database_that_turns_read_only_gives_503_and_recovers(held: DataDir) -> None:
    """SQLITE_READONLY fails the write, readiness is lost, and both come back with the right to write."""

    async def scenario() -> None:
        connection = open_database(held, os.urandom)
        writer = Writer(connection, WriterLimits(probe_seconds=0.05))
        await writer.write(record())
        connection.execute("PRAGMA query_only=ON")
        with pytest.raises(StorageUnavailable, match="read-only"):
            await writer.write(record(1))
        assert not writer.healthy
        connection.execute("PRAGMA query_only=OFF")
        await until_healthy(writer)
        await writer.write(record(2))
        await writer.close()

    asyncio.run(scenario())
    assert len(rows(held)) == 2


CHILD = """
import asyncio, os, sys
from pathlib import Path
from ledger_records import record
from turnout.ledger.database import open_database
from turnout.ledger.datadir import DataDir, DirLock
from turnout.ledger.store import Store
from turnout.ledger.writer import Writer
async def main():
    place = DataDir(Path(sys.argv[1]))
    lock = DirLock(place)
    writer = Writer(open_database(place, os.urandom))
    async def go():
        while True:
            one = record()
            await writer.write(one)
            os.write(1, (one.id + "\\n").encode())
    await asyncio.gather(*(go() for _ in range(16)))
asyncio.run(main())
"""


def test_kill_9_loses_no_awaited_record(place: DataDir) -> None:
    """After kill -9 every record whose write had returned is there, with its attempt, and the file is sound."""
    for _ in range(2):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(place.path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        )
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(300)]
        child.send_signal(signal.SIGKILL)
        told += child.stdout.readlines()
        child.wait()
        child.stdout.close()
        promised = {line.decode().strip() for line in told if line.endswith(b"\n")}
        with DirLock(place):
            connection = open_database(place, os.urandom)
            stored = {row[0] for row in connection.execute("SELECT id FROM requests")}
            whole = {row[0] for row in connection.execute("SELECT request_id FROM attempts")}
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            connection.close()
        assert len(promised) >= 300
        assert promised <= stored
        assert stored == whole
