"""What a process may go on with while the database is away: its leases, and not a cent more."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from postgres import server
from test_postgres_gateway import PEPPER, ask, within

from harness import deployment, provider, running_gateway
from turnout import upkeep
from turnout.double import Answer, Double, openai
from turnout.double.record import Tokens
from turnout.ledger.bookkeeping import lend
from turnout.ledger.leases import Leases
from turnout.ledger.migrate import upgrade
from turnout.ledger.orphans import give_up
from turnout.ledger.posting import AccountRef, Call, Hold
from turnout.ledger.spill import Spill
from turnout.ledger.sqlite_store import SqliteStore
from turnout.ledger.writer import Writer

CONFIG = """
[money]
outage_allowance = "0.0035"
hold_output = 100

[budgets.key]
per = "key"
limit = "1.00"
window = "total"

[prices.up]
rows = [{ model = "echo-1", from = "2026-01-01", input = "1", output = "10" }]
"""


def spend_of(url: str) -> tuple[int, int, int, int]:
    """Held and spent of the account; the sum of postings; open holds of calls."""
    with psycopg.connect(url) as connection:
        account = connection.execute("SELECT held_nano, spent_nano FROM accounts").fetchone()
        postings = connection.execute("SELECT coalesce(sum(cost_nano), 0) FROM postings").fetchone()
        calls = connection.execute("SELECT count(*) FROM holds WHERE request_id NOT LIKE 'lease%'").fetchone()
    assert account is not None and postings is not None and calls is not None
    return account[0], account[1], int(postings[0]), calls[0]


def test_calls_go_on_within_the_lease_while_the_database_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three calls of a third of the lease are answered, the fourth is refused with 503, and all three are booked once
    when the database is back. At the end nothing is held."""
    monkeypatch.setattr(upkeep, "BEAT_SECONDS", 0.2)
    answer = Answer(text="word", tokens=Tokens(input=10, output=100))
    with server() as database, Double([openai.chat(answer)] * 20) as double:
        url = database.database()
        config = provider("up", double.url + "/v1") + deployment("m1", "up", "echo-1") + CONFIG
        with running_gateway(tmp_path, config, {"TURNOUT_DATABASE_URL": url, **PEPPER}) as gateway:
            assert ask(gateway).status_code == 200
            within(5, lambda: spend_of(url)[:2] == (3_500_000, 1_010_000))  # the lease, and the first call
            database.kill()
            statuses = [ask(gateway).status_code for _ in range(5)]
            assert statuses == [200, 200, 200, 503, 503]
            assert len(double.requests) == 4
            database.start()
            within(8, lambda: httpx.get(gateway.url + "/readyz").status_code == 200)
            within(8, lambda: spend_of(url) == (3_500_000, 4_040_000, 4_040_000, 0))
            assert ask(gateway).status_code == 200
        assert spend_of(url) == (0, 5_050_000, 5_050_000, 0)


def hold(amount: int | None, *accounts: AccountRef) -> Hold:
    call = Call(
        request_id="r", number=1, key_id="k", route="r", deployment="d", provider="p", model="m", channel="c",
        started_at=datetime(2026, 11, 20, tzinfo=UTC),
    )  # fmt: skip
    return Hold(
        call=call, expires_at=call.started_at + timedelta(hours=1), amount_nano=amount, sunk_nano=0, accounts=accounts
    )


def test_without_a_lease_of_its_budget_a_call_is_not_covered() -> None:
    """A hard budget that was never used here lends nothing; a soft one asks for nothing; no price, no cover."""
    leases = Leases(1_000)
    hard, soft = AccountRef("hard", "a", 0, None, 5_000), AccountRef("soft", "a", 0, None, None)
    assert not leases.take(hold(1, hard))
    assert not leases.take(hold(None, soft))
    assert leases.take(hold(900, soft)) and not leases.take(hold(101, soft)) and leases.take(hold(100, soft))
    leases.give_back(hold(900, soft), 900)
    assert leases.take(hold(900, soft)) and not leases.take(hold(1))


async def _recovered(path: Path, spill: Path) -> None:
    store = SqliteStore(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
    writer = Writer(store, owner="srv_new", spill=Spill(spill))
    now = datetime(2026, 11, 20, 1, tzinfo=UTC)
    assert await writer.run(lambda store: give_up(store, "srv_new", now, now)) == 1
    await writer.close()


def test_a_call_that_was_lent_for_is_booked_after_a_crash(tmp_path: Path) -> None:
    """The process dies in the outage: the next one finds the hold in the spill file, writes it down and gives it up,
    once, however often the file is read."""
    path, spill = tmp_path / "a.db", tmp_path / "spill.jsonl"
    upgrade(path)
    lent = hold(900, AccountRef("hard", "a", 0, None, 5_000))
    lent = replace(lent, sunk_nano=300)
    assert Spill(spill).lend(lent, "srv_dead")
    again = spill.read_bytes()
    asyncio.run(_recovered(path, spill))
    spill.write_bytes(again)
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT kind, held_nano, cost_nano FROM postings").fetchall()
        assert rows == [("expire", 900, 300)]
    store = SqliteStore(sqlite3.connect(path, isolation_level=None))
    store.begin()
    lend(store, "srv_dead", lent)
    store.commit()
    assert store.execute("SELECT held_nano, spent_nano FROM accounts").fetchall() == [(0, 300)]
    assert store.execute("SELECT * FROM holds").fetchall() == []
    store.close()
