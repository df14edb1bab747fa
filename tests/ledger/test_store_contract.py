"""What holds on SQLite, on SQLite that processes share, and on PostgreSQL alike."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from ledger_places import PEPPER, Record
from ledger_records import START, record

from turnout.core.clock import ManualClock
from turnout.core.errors import ConfigError, InvalidField, NotFound, StorageUnavailable
from turnout.ledger import audit, statements, tables
from turnout.ledger.keyring import KeyRing, KnownKey
from turnout.ledger.keys import KeySpec, list_keys
from turnout.ledger.keystore import KeyStore
from turnout.ledger.queries import Wanted, find_request, list_requests, reading
from turnout.ledger.retention import RULES, Retention, sweep
from turnout.ledger.store import Store
from turnout.ledger.writer import Writer

SPEC = KeySpec(name="ci", routes=("smart", "a/b"), rpm=5, tpm=10**12, concurrency=2, tags=("team:x",), team="ml")


@asynccontextmanager
async def writing(place: Record) -> AsyncIterator[Writer]:
    writer = Writer(place.open())
    try:
        yield writer
    finally:
        await writer.close()


def keys_of(writer: Writer) -> KeyStore:
    return KeyStore(
        writer=writer, ring=KeyRing(PEPPER), pepper=PEPPER, clock=ManualClock(START), random_bytes=os.urandom
    )


def test_records_that_wait_share_few_commits_and_read_back_whole(a_record: Record) -> None:
    """600 concurrent writes are in the database when they return, in a few transactions, and reports read them."""
    made = [record(number, attempts=2, ok=number % 3 > 0) for number in range(600)]

    async def scenario() -> int:
        store, begun = a_record.open(), 0
        begin = store.begin

        def counted() -> None:
            nonlocal begun
            begun += 1
            begin()

        store.begin = counted  # type: ignore[method-assign]
        writer = Writer(store)
        await asyncio.gather(*map(writer.write, made))
        assert (a_record.count("requests"), a_record.count("attempts")) == (600, 1200)
        await writer.close()
        return begun

    assert asyncio.run(scenario()) <= 12
    with reading(a_record.location) as connection:
        assert list_requests(connection, Wanted(limit=1000)) == made[::-1]
        assert find_request(connection, made[7].id[-12:]) == made[7]
        assert len(list_requests(connection, Wanted(limit=1000, failed=True))) == 200


def test_a_record_written_again_stays_as_it_was(a_record: Record) -> None:
    """Repeating a write whose outcome was unknown adds nothing and changes nothing."""

    async def scenario() -> None:
        async with writing(a_record) as writer:
            first = record(attempts=2)
            await writer.write(first)
            await writer.write(replace(first, reason="again"))

    asyncio.run(scenario())
    assert a_record.rows("SELECT reason FROM requests") == [("first of 2 healthy targets",)]
    assert a_record.count("attempts") == 2


def test_a_record_that_can_not_be_stored_fails_alone(a_record: Record) -> None:
    """A number too large for 64 bits fails its own write; one of 63 bits and a text with NUL are stored."""

    async def scenario() -> list[object]:
        async with writing(a_record) as writer:
            records = [record(number) for number in range(10)]
            records[4] = replace(records[4], duration_ms=10**30)
            records[5] = replace(records[5], duration_ms=2**62, end_user="a\0b", tags=("ü",))
            results = await asyncio.gather(*map(writer.write, records), return_exceptions=True)
            assert writer.healthy
            return list(results)

    results = asyncio.run(scenario())
    assert [isinstance(result, StorageUnavailable) for result in results] == [n == 4 for n in range(10)]
    assert a_record.count("requests") == 9
    assert a_record.rows("SELECT tags FROM requests WHERE duration_ms > 4000000000000000000") == [("ü",)]


def test_a_commands_exception_undoes_it(a_record: Record) -> None:
    """What a command wrote before it raised is not there, and the writer goes on."""

    async def scenario() -> None:
        async with writing(a_record) as writer:

            def broken(store: Store) -> None:
                store.execute(statements.UPSERT_META, ("a", "b"))
                raise ConfigError("no")

            with pytest.raises(ConfigError):
                await writer.run(broken)
            with pytest.raises(StorageUnavailable):
                await writer.run(lambda store: store.execute("SELECT nothing FROM nowhere"))
            assert await writer.run(lambda store: store.execute(statements.SELECT_META, ("a",)).fetchone()) is None
            assert writer.healthy

    asyncio.run(scenario())


def test_the_life_of_a_key(a_record: Record) -> None:
    """Made, given a new secret, revoked: the stored row says what the ring says, and the audit has each step."""

    async def scenario() -> None:
        async with writing(a_record) as writer:
            store = keys_of(writer)
            issued = await store.create(SPEC, "root")
            new = await store.rotate(issued.row.id, "root", grace=timedelta(seconds=60))
            loaded = KeyRing(PEPPER, await store.list())
            for ring in (store.ring, loaded):
                assert ring.find(issued.text.reveal(), START) == KnownKey(issued.row.id, SPEC)
                assert ring.find(new.text.reveal(), START + timedelta(hours=1)) == KnownKey(issued.row.id, SPEC)
            await store.revoke(issued.row.id, "root")
            await store.revoke(issued.row.id, "root")
            assert KeyRing(PEPPER, await store.list()).find(new.text.reveal(), START) == "revoked"
            with pytest.raises(InvalidField):
                await store.rotate(issued.row.id, "root")
            with pytest.raises(NotFound):
                await store.revoke("nobody", "root")
            assert await writer.run(audit.verify) is None

    asyncio.run(scenario())
    actions = [row[0] for row in a_record.rows("SELECT action FROM audit ORDER BY seq")]
    assert actions == ["key.create", "key.rotate", "key.revoke"]


def test_a_change_of_keys_reaches_another_process(shared_record: Record) -> None:
    """One refresh after a change, another writer's ring knows it; a refresh without a change reads no rows."""

    async def scenario() -> None:
        async with writing(shared_record) as one, writing(shared_record) as two:
            here, there = keys_of(one), keys_of(two)
            issued = await here.create(SPEC, "root")
            await there.refresh()
            assert there.ring.find(issued.text.reveal(), START) == KnownKey(issued.row.id, SPEC)
            await there.revoke(issued.row.id, "root")
            await here.refresh()
            assert here.ring.find(issued.text.reveal(), START) == "revoked"
            version = here.ring.version
            await here.refresh()
            assert here.ring.version == version

    asyncio.run(scenario())


MAKER = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ledger_places import PEPPER, Record
from test_store_contract import SPEC, keys_of
from turnout.core.secret import Secret
from turnout.ledger.location import Location
from turnout.ledger.writer import Writer
url = os.environ.get("TEST_URL")
place = Record(Location(directory=Path(sys.argv[2]), url=Secret(url) if url else None, shared=url is None))
async def main():
    writers = [Writer(place.open()) for _ in range(4)]
    await asyncio.gather(*(keys_of(writer).create(SPEC, "p") for writer in writers for _ in range(6)))
    for writer in writers:
        await writer.close()
asyncio.run(main())
"""


def test_the_audit_chain_does_not_fork(shared_record: Record) -> None:
    """4 processes x 4 connections x 6 keys at once: every key is there, in one chain that holds."""
    url = shared_record.location.url
    environ = {**os.environ, **({"TEST_URL": url.reveal()} if url else {})}
    arguments = [sys.executable, "-c", MAKER, str(Path(__file__).parent), str(shared_record.location.directory)]
    children = [subprocess.Popen(arguments, env=environ, stderr=subprocess.PIPE) for _ in range(4)]
    for child in children:
        _, said = child.communicate(timeout=60)
        assert child.returncode == 0, said.decode()

    assert (shared_record.count("keys"), shared_record.count("audit")) == (96, 96)
    assert shared_record.rows("SELECT value FROM meta WHERE name = 'keys_version'") == [("96",)]
    store = shared_record.open()
    assert audit.verify(store) is None
    store.close()


OLD_MONEY = (
    "INSERT INTO postings VALUES ('r', 1, 'settle', 1, 1, 'k', '', '', '', 'r', 'd', 'p', 'm', 'c', 's', 'g',"
    " 1, 0, 0, 0, 1, 0, 5, 5, 'row', '1', ?, '', 0, '', '')",
    "INSERT INTO spend VALUES (1, 'k', '', '', 'r', 'd', 'p', 'm', 1, 0, 0, 1, 0, 0, 0, 1, 0, 5, 0)",
    "INSERT INTO accounts VALUES ('b', 's', 1, 2, 100, 0, 5, 0, 0)",
    "INSERT INTO accounts VALUES ('b', 'held', 1, 2, 100, 7, 5, 0, 0)",
    "INSERT INTO accounts VALUES ('b', 'endless', 1, NULL, 100, 0, 5, 0, 0)",
    "INSERT INTO corrections VALUES ('c', 1, 'b', 's', 1, 5, 'why', 'me')",
    "INSERT INTO feedback VALUES ('r', 'accepted', 1, 'k', 1000000)",
    "INSERT INTO instances VALUES ('gone', 1, 1)",
    "INSERT INTO instances VALUES ('holds', 1, 1)",
    "INSERT INTO holds VALUES ('h', 1, 'holds', 1, 2, 7, 1, '', '')",
)


def test_old_rows_of_every_table_are_swept(a_record: Record) -> None:
    """Each table loses what is past its days; active keys, endless accounts and what has an open hold stay."""

    async def scenario() -> dict[str, int]:
        async with writing(a_record) as writer:
            store = keys_of(writer)
            gone = await store.create(SPEC, "root")
            await store.create(SPEC, "root")
            await store.revoke(gone.row.id, "root")
            await asyncio.gather(*(writer.write(record(0, attempts=2)) for _ in range(600)))
            await writer.write(record(86400 * 399))
            for statement in OLD_MONEY:
                values = (True,) if "?" in statement else ()
                await writer.run(lambda store, s=statement, v=values: store.execute(s, v))
            return await sweep(writer, START + timedelta(days=401), Retention())

    swept = asyncio.run(scenario())
    assert swept == {**dict.fromkeys((rule.table for rule in RULES), 1), "requests": 600, "audit": 3}
    assert (a_record.count("attempts"), a_record.count("keys")) == (1, 1)
    assert a_record.rows("SELECT subject FROM accounts ORDER BY subject") == [("endless",), ("held",)]
    assert a_record.rows("SELECT id FROM instances") == [("holds",)]


def test_every_table_has_a_rule() -> None:
    """A new table can't be forgotten: each is swept, or known to need no sweeping."""
    needs_none = {"attempts", "holds", "meta"}

    assert {rule.table for rule in RULES} | needs_none == set(tables.metadata.tables)


def test_the_reader_can_not_write(a_record: Record) -> None:
    """A report's connection refuses a change, in words of ours."""
    from turnout.ledger.opening import read_store

    store = read_store(a_record.location)
    with pytest.raises(store.errors) as caught:
        store.execute(statements.UPSERT_META, ("a", "b"))
    assert "read-only" in store.ours(caught.value).message
    store.close()


def test_both_kinds_list_the_same_keys(a_record: Record) -> None:
    """Bytes, NULL and integers come back as they went in."""

    async def scenario() -> None:
        async with writing(a_record) as writer:
            issued = await keys_of(writer).create(SPEC, "root")
            assert await writer.run(list_keys) == [issued.row]

    asyncio.run(scenario())
