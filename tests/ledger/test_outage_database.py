"""PostgreSQL is away for a while, under load: what was called is booked once, what comes is refused at once, and memory
stays where it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from crash_world import INPUT_NANO, LOG_HOLDS_POSTGRES, OUTPUT_NANO, Bill, Books, Load, config_of, environ_of
from fork_server import Forked, ForkServer, Order, fork_server
from ledger_places import PEPPER
from postgres import Server, server
from test_outage_disk import ready, until

from turnout.core.secret import Secret
from turnout.double import Double
from turnout.ledger.location import Location

UNDER_WAY = 30
GROWTH = 10 << 20


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    with fork_server() as one:
        yield one


@pytest.fixture
def database() -> Iterator[Server]:
    """One that a test may kill: with fsync, as a kill must lose nothing."""
    with server(fsync="on", full_page_writes="on") as one:
        yield one


class World:
    """A gateway on a PostgreSQL server of its own."""

    def __init__(self, folder: Path, forks: ForkServer, database: Server, double: Double) -> None:
        self.folder, self.forks, self.home = folder, forks, folder / "home"
        self.url = database.database()
        self.books = Books(Location(directory=self.home, url=Secret(self.url)))
        (folder / "turnout.toml").write_text(config_of(double))
        gateway = self.start()  # makes the tables
        assert gateway.end() == 0
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(LOG_HOLDS_POSTGRES.encode())

    def start(self) -> Forked:
        environ = environ_of(self.home, TURNOUT_DATABASE_URL=self.url, TURNOUT_PEPPER=PEPPER.reveal())
        order = Order(config=str(self.folder / "turnout.toml"), environ=environ, log=str(self.folder / "log"))
        return self.forks.start(order)

    def started(self) -> Forked:
        gateway = self.start()
        assert gateway.url, (self.folder / "log").read_text()
        return gateway

    @property
    def spilled(self) -> int:
        file = self.home / "spill.jsonl"
        return file.read_bytes().count(b"\n") if file.exists() else 0

    def bill_is_ledger(self, double: Double) -> None:
        cost = sum(line.tokens.input * INPUT_NANO + line.tokens.output * OUTPUT_NANO for line in double.bill)
        assert int(self.books.rows("SELECT sum(cost_nano) FROM postings")[0][0]) == cost
        assert self.books.kinds()["settle"] == len(double.bill) and self.books.kinds()["expire"] == 0


def test_an_outage_under_load_costs_no_memory_and_no_money(tmp_path: Path, forks: ForkServer, database: Server) -> None:
    """30 calls are under way when PostgreSQL dies, and 6,000 requests come while it is away: these are refused fast, the
    process grows by less than 10 MB, the spill holds the 30, and each is booked once afterwards."""
    bill, load = Bill(), Load()
    with Double(bill) as double:
        world = World(tmp_path, forks, database, double)
        gateway = world.started()
        load.run(gateway.url, 20, 20)
        bill.seconds = 1.0
        callers = threading.Thread(target=load.run, args=(gateway.url, UNDER_WAY, 1))
        callers.start()
        assert double.wait_for(lambda double: len(double.requests) == 400 + UNDER_WAY, 10)
        until(lambda: world.books.kinds()["settle"] == 400)
        before = gateway.memory
        database.kill()
        callers.join(20)
        assert load.statuses == {200: 400 + UNDER_WAY}
        until(lambda: ready(gateway) == 503)

        refused = Load(numbers=load.numbers)
        refused.run(gateway.url, 20, 300)
        assert refused.statuses == {503: 6000} and refused.slowest < 2.0
        assert len(double.requests) == 400 + UNDER_WAY
        assert all(b"\r\nretry-after: " in answer for answer in refused.refusals)
        assert gateway.memory - before < GROWTH, f"grown by {gateway.memory - before} bytes"
        assert UNDER_WAY <= world.spilled <= 2 * UNDER_WAY

        database.start()
        until(lambda: ready(gateway) == 200)
        bill.seconds = 0.0
        load.run(gateway.url, 5, 4)
        until(lambda: world.books.kinds()["settle"] == 400 + UNDER_WAY + 20)
        assert gateway.end() == 0
        world.books.check(bill)
        world.bill_is_ledger(double)
        assert world.spilled == 0


def test_a_restart_in_an_outage_keeps_what_was_spilled(tmp_path: Path, forks: ForkServer, database: Server) -> None:
    """The gateway is stopped while PostgreSQL is away, can't start, and starts when it is back: every call is booked.
    Lines that are none, and one that a crash cut, hold up no other."""
    bill, load = Bill(1.0), Load()
    with Double(bill) as double:
        world = World(tmp_path, forks, database, double)
        gateway = world.started()
        callers = threading.Thread(target=load.run, args=(gateway.url, UNDER_WAY, 1))
        callers.start()
        assert double.wait_for(lambda double: len(double.requests) == UNDER_WAY, 10)
        database.kill()
        callers.join(20)
        until(lambda: world.spilled >= UNDER_WAY)
        assert gateway.end() == 0
        kept = world.spilled
        assert world.start().url == "" and world.spilled == kept

        spill = world.home / "spill.jsonl"
        first, *others = spill.read_bytes().splitlines(keepends=True)
        bad = [b'{"not": "ours"}\n', b'[[],[],[["too","short"]]]\n', b"no json\n"]
        spill.write_bytes(first + b"".join(bad) + b"".join(others) + others[0][: len(others[0]) // 2])
        database.start()
        gateway = world.started()
        until(lambda: world.books.kinds()["settle"] == UNDER_WAY)
        assert world.spilled == 0
        assert (world.home / "spill.refused").read_bytes() == b"".join(bad)
        assert httpx.get(gateway.url + "/readyz").status_code == 200
        assert gateway.end() == 0
        world.books.check(bill)
        world.bill_is_ledger(double)
