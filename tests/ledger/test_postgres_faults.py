"""PostgreSQL that dies, refuses, deadlocks or says nothing: what the writer makes of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from ledger_places import PEPPER, Record
from ledger_records import record
from postgres import Server, server

from turnout.core.errors import StorageUnavailable
from turnout.core.secret import Secret
from turnout.ledger import statements
from turnout.ledger.datadir import DataDir
from turnout.ledger.location import Location
from turnout.ledger.postgres_database import open_postgres
from turnout.ledger.postgres_store import PostgresLimits, PostgresStore
from turnout.ledger.store import Store
from turnout.ledger.writer import Writer, WriterLimits

SHORT = PostgresLimits(connect=2, statement=0.4, lock=0.4, idle=0.5, silent=0.8)


@asynccontextmanager
async def writing(place: Record, limits: PostgresLimits = SHORT) -> AsyncIterator[Writer]:
    directory = DataDir(place.location.directory)
    store = open_postgres(place.location, directory, PEPPER, os.urandom, limits)
    writer = Writer(store, WriterLimits(probe_seconds=0.05))
    try:
        yield writer
    finally:
        await writer.close()


async def until_healthy(writer: Writer) -> None:
    async with asyncio.timeout(10):
        while not writer.healthy:
            await asyncio.sleep(0.01)


def another(place: Record) -> psycopg.Connection:
    assert place.location.url is not None
    return psycopg.connect(place.location.url.reveal(), autocommit=True)


@pytest.fixture
def own_server() -> Iterator[Server]:
    """One that a test may kill. A killed process loses nothing of what it gave to the system, so fsync can stay off."""
    with server(max_connections="12") as one:
        yield one


@pytest.fixture
def own_record(own_server: Server, tmp_path: Path) -> Record:
    return Record(Location(directory=tmp_path / "data", url=Secret(own_server.database())))


def test_a_server_killed_under_load_loses_and_doubles_nothing(own_server: Server, own_record: Record) -> None:
    """16 callers write and repeat what failed; the server is killed twice. Each record is there once, whole, nothing
    that was promised is missing, and the failures were StorageUnavailable with a time to come back."""
    made = [[record(number, attempts=2) for number in range(60)] for _ in range(16)]
    failures: list[StorageUnavailable] = []
    promised: set[str] = set()

    async def caller(writer: Writer, own: list) -> None:
        for each in own:
            while True:
                try:
                    await writer.write(each)
                    promised.add(each.id)
                    break
                except StorageUnavailable as error:
                    failures.append(error)
                    assert error.retry_after is not None
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.01)

    async def scenario() -> None:
        async with writing(own_record, PostgresLimits()) as writer:
            callers = [asyncio.ensure_future(caller(writer, own)) for own in made]
            for _ in range(2):
                await asyncio.sleep(0.2)
                await asyncio.to_thread(own_server.kill)
                await asyncio.sleep(0.1)  # what was committed just before is still told
                before = set(promised)
                await asyncio.sleep(0.2)
                assert promised - before == set() and not writer.healthy and writer.waiting <= 16
                await asyncio.to_thread(own_server.start)
                assert before <= {str(row[0]) for row in own_record.rows("SELECT id FROM requests")}
            await asyncio.gather(*callers)
            assert writer.healthy

    asyncio.run(scenario())
    assert failures
    assert own_record.count("requests") == 16 * 60 == len(promised)
    assert own_record.count("attempts") == 2 * 16 * 60


def test_a_restart_while_idle_costs_no_request(own_server: Server, own_record: Record) -> None:
    """The next transaction finds its connection dead and makes another."""

    async def scenario() -> None:
        async with writing(own_record) as writer:
            await writer.write(record())
            await asyncio.to_thread(own_server.kill)
            await asyncio.to_thread(own_server.start)
            await writer.write(record(1))

    asyncio.run(scenario())
    assert own_record.count("requests") == 2


def test_too_many_clients_is_told_and_passes(own_server: Server, own_record: Record) -> None:
    """With every connection taken the write fails with 503, and succeeds when one is free again."""

    async def scenario() -> None:
        async with writing(own_record) as writer:
            with contextlib.ExitStack() as held:
                first = another(own_record)
                held.callback(first.close)
                first.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()")
                with pytest.raises(psycopg.OperationalError):
                    while True:
                        held.callback(another(own_record).close)
                with pytest.raises(StorageUnavailable, match="too many clients") as caught:
                    await writer.write(record())
                assert (caught.value.status, writer.healthy) == (503, False)
            await until_healthy(writer)
            await writer.write(record(1))

    asyncio.run(scenario())
    assert own_record.count("requests") == 1


def test_a_stopped_server_does_not_hang_the_writer(own_server: Server, own_record: Record) -> None:
    """A server that keeps its sockets open and answers nothing costs `silent` seconds; resumed, all goes on."""

    async def scenario() -> float:
        async with writing(own_record) as writer:
            await writer.write(record())
            own_server.pause()
            began = time.monotonic()
            try:
                with pytest.raises(StorageUnavailable):
                    await writer.write(record(1))
                took = time.monotonic() - began
                assert not writer.healthy
            finally:
                own_server.resume()
            await until_healthy(writer)
            await writer.write(record(2))
            return took

    took = asyncio.run(scenario())
    assert took < SHORT.silent + 2 * SHORT.connect
    assert own_record.count("requests") >= 2


def test_a_slow_statement_ends_and_the_next_is_served(postgres_record: Record) -> None:
    """The statement's limit holds on the server, without a new connection."""

    async def scenario() -> None:
        async with writing(postgres_record) as writer:
            own = await writer.run(lambda store: store.execute("SELECT pg_backend_pid()").fetchone())
            with pytest.raises(StorageUnavailable, match="too slow"):
                await writer.run(lambda store: store.execute("SELECT pg_sleep(5)"))
            await until_healthy(writer)
            assert await writer.run(lambda store: store.execute("SELECT pg_backend_pid()").fetchone()) == own

    asyncio.run(scenario())


def test_a_lock_that_another_keeps_gives_503(postgres_record: Record) -> None:
    """Somebody's open transaction on the table costs the lock's limit, not for ever."""

    async def scenario() -> None:
        async with writing(postgres_record) as writer:
            other = another(postgres_record)
            other.execute("BEGIN; LOCK TABLE requests")
            with pytest.raises(StorageUnavailable, match="too slow"):
                await writer.write(record())
            other.execute("ROLLBACK")
            other.close()
            await until_healthy(writer)
            await writer.write(record(1))

    asyncio.run(scenario())
    assert postgres_record.count("requests") == 1


def set_meta(name: str) -> str:
    return f"UPDATE meta SET value = value || '+' WHERE name = '{name}'"


def test_a_deadlock_is_run_again(postgres_record: Record) -> None:
    """The writer is the victim of a deadlock with another session, and its command succeeds in the next run."""
    runs: list[str] = []
    locked, waiting = threading.Event(), threading.Event()

    def opponent() -> None:
        with another(postgres_record) as other:
            other.execute("SET deadlock_timeout = '10s'")
            other.execute(b"BEGIN; " + set_meta("b").encode())
            locked.set()
            assert waiting.wait(5)
            other.execute(set_meta("a").encode())
            other.execute("COMMIT")

    def command(store: Store) -> None:
        runs.append("run")
        store.execute(set_meta("a"))
        waiting.set()
        store.execute(set_meta("b"))

    async def scenario() -> None:
        async with writing(postgres_record, PostgresLimits()) as writer:
            for name in "ab":
                await writer.run(lambda store, name=name: store.execute(statements.UPSERT_META, (name, "")))
            thread = threading.Thread(target=opponent)
            thread.start()
            await asyncio.to_thread(locked.wait, 5)
            await writer.run(command)
            thread.join()
            assert writer.healthy

    asyncio.run(scenario())
    assert runs == ["run", "run"]
    assert postgres_record.rows("SELECT value FROM meta WHERE name IN ('a', 'b')") == [("++",), ("++",)]


def test_a_serialization_failure_is_run_again_a_few_times(postgres_record: Record) -> None:
    """A command that asks for a snapshot and loses it twice succeeds in the third run; one that always loses it hears
    503, and the writer stays healthy."""
    losses = 2

    def command(store: Store) -> None:
        nonlocal losses
        store.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        store.execute(statements.SELECT_META, ("id",))
        if losses:
            losses -= 1
            with another(postgres_record) as other:
                other.execute(set_meta("id").encode())
        store.execute(set_meta("id"))

    async def scenario() -> None:
        nonlocal losses
        async with writing(postgres_record) as writer:
            await writer.run(command)
            assert losses == 0
            losses = 100
            with pytest.raises(StorageUnavailable, match="busy with the same rows"):
                await writer.run(command)
            assert (losses, writer.healthy) == (95, True)

    asyncio.run(scenario())


def test_a_standby_is_left_for_the_primary(postgres_record: Record) -> None:
    """A server that turned read-only gives 503 and loses its connection, so that the next one finds who writes."""

    async def scenario() -> None:
        async with writing(postgres_record) as writer:
            await writer.run(lambda store: store.execute("SET default_transaction_read_only = on"))
            with pytest.raises(StorageUnavailable, match="read-only"):
                await writer.write(record())
            await until_healthy(writer)
            await writer.write(record(1))

    asyncio.run(scenario())


def test_what_a_database_sets_by_default_does_not_weaken_the_commit(
    postgres_record: Record, postgres_server: Server
) -> None:
    """`synchronous_commit = off` and a stricter isolation, set for the database, do not hold for the writer."""
    name = str(postgres_record.location).rpartition("/")[2]
    for setting in ("synchronous_commit = off", "default_transaction_isolation = 'serializable'"):
        postgres_server.execute(f"ALTER DATABASE {name} SET {setting}")
    store = PostgresStore(postgres_record.location)

    assert store.execute("SHOW synchronous_commit").fetchone() == ("on",)
    assert store.execute("SHOW transaction_isolation").fetchone() == ("read committed",)
    store.close()


def test_a_process_stopped_inside_a_transaction_loses_its_locks(postgres_record: Record) -> None:
    """The server ends a transaction that is idle for long; the next one is served over a new connection."""
    store = PostgresStore(postgres_record.location, SHORT)
    store.begin()
    store.execute(set_meta("id"))
    time.sleep(SHORT.idle + 0.3)
    with another(postgres_record) as other:
        other.execute(b"SET lock_timeout = '1s'; " + set_meta("id").encode())
    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        store.commit()
    store.rollback()
    store.begin()
    store.commit()
    store.close()
