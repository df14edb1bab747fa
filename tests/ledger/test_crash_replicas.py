"""Replicas on one PostgreSQL: one is killed or frozen, the other ends what it held."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from crash_world import LOG_HOLDS_POSTGRES, Bill, Books, Load, config_of, environ_of
from fork_server import Forked, ForkServer, Order, fork_server
from ledger_places import PEPPER, Record

from turnout.double import Double

POINTS = (
    *("hold queued", "hold committed", "call sent", "first byte", "mid stream", "stream ended", "answered"),
    *("end queued", "begin", "statement", "commit", "committed"),
)
ROUNDS = 24
DEAD_SECONDS, BEAT_SECONDS = 0.4, 0.05
"""As 35 and 10 seconds, in a hurry."""


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    with fork_server() as server:
        yield server


class Replicas:
    """Gateways with data directories of their own, on one database."""

    def __init__(self, folder: Path, forks: ForkServer, record: Record, double: Double) -> None:
        assert record.location.url is not None
        self.folder, self.forks, self.books = folder, forks, Books(record.location)
        self.url = record.location.url.reveal()
        self.config = folder / "turnout.toml"
        self.config.write_text(config_of(double))
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(LOG_HOLDS_POSTGRES.encode())

    def start(self, name: str, **how: Any) -> Forked:
        environ = environ_of(self.folder / name, TURNOUT_DATABASE_URL=self.url, TURNOUT_PEPPER=PEPPER.reveal())
        how = {"dead_seconds": DEAD_SECONDS, "beat_seconds": BEAT_SECONDS, **how}
        order = Order(config=str(self.config), environ=environ, log=str(self.folder / name) + ".log", **how)
        return self.forks.start(order)

    def quiet(self, seconds: float = 10.0) -> float:
        """Waits until nothing is held; returns how long that took."""
        began = time.monotonic()
        while self.books.rows("SELECT 1 FROM holds LIMIT 1"):
            assert time.monotonic() - began < seconds, "a hold of a dead process is not given up"
            time.sleep(0.02)
        return time.monotonic() - began


def test_the_replica_that_lives_ends_what_the_killed_one_held(
    tmp_path: Path, postgres_record: Record, forks: ForkServer
) -> None:
    """Both work, one is killed at some point, again and again. The other one waits until it counts as dead, then gives
    its holds up; no start is needed for it."""
    random = Random(3)
    bill = Bill(0.01)
    reached: Counter[str] = Counter()
    with Double(bill) as double:
        replicas = Replicas(tmp_path, forks, postgres_record, double)
        load = Load()
        survivor = replicas.start("one")
        for point in (*POINTS, *POINTS)[:ROUNDS]:
            most = {"statement": 60, "begin": 10, "commit": 10, "committed": 10}.get(point, 6)
            victim = replicas.start("two", kill=point, passing=random.randint(1, most))
            beside = threading.Thread(target=load.run, args=(survivor.url, 3, 3))
            beside.start()
            if victim.url:
                load.run(victim.url, callers=5, times=2)
            reached[point] += victim.end(signal.SIGALRM) == -signal.SIGKILL
            beside.join()
            replicas.quiet(DEAD_SECONDS + 20 * BEAT_SECONDS + 2)
            replicas.books.check(bill)
        assert survivor.end() == 0
        replicas.books.check(bill)

    assert sum(reached.values()) >= 20 and len(+reached) >= 9, reached
    kinds = replicas.books.kinds()
    assert kinds["settle"] > 50 and kinds["expire"] > 5, kinds


def test_f41_a_frozen_replica_that_comes_back_corrects_what_was_given_up(
    tmp_path: Path, postgres_record: Record, forks: ForkServer
) -> None:
    """Ten streams are under way when their process stops. The other one gives their holds up. Back again, the process
    ends them: each call has one `expire` and one `correct`, which make what it cost, and a second freeze adds nothing.
    """
    bill = Bill(1.0)
    with Double(bill) as double:
        replicas = Replicas(tmp_path, forks, postgres_record, double)
        frozen, other = replicas.start("one"), replicas.start("two")
        load = Load()
        asking = threading.Thread(target=load.run, args=(frozen.url, 10, 1))
        asking.start()
        assert double.wait_for(lambda double: len(double.requests) == 10, 5)
        frozen.send(signal.SIGSTOP)
        replicas.quiet(DEAD_SECONDS + 3)
        assert replicas.books.kinds() == {"expire": 10}
        replicas.books.check(bill)
        frozen.send(signal.SIGCONT)
        asking.join(20)
        _until(lambda: replicas.books.kinds()["correct"] == 10)
        frozen.send(signal.SIGSTOP)
        time.sleep(DEAD_SECONDS + 0.3)
        frozen.send(signal.SIGCONT)
        assert (frozen.end(), other.end()) == (0, 0)
        replicas.books.check(bill)

    assert replicas.books.kinds() == {"expire": 10, "correct": 10}
    assert len(load.whole) == 10
    costs = replicas.books.rows("SELECT sum(cost_nano) FROM postings")
    expected = sum(line.tokens.input * 1_000 + line.tokens.output * 2_000 for line in double.bill)
    assert int(costs[0][0]) == expected


def test_f41_a_process_frozen_in_the_middle_of_a_commit_books_it_once(
    tmp_path: Path, postgres_record: Record, forks: ForkServer
) -> None:
    """It stops between the statements that end calls: the server gives up its locks, the other one the holds; then it
    comes back with a transaction that is gone."""
    bill = Bill(0.3)
    armed = tmp_path / "armed"
    with Double(bill) as double:
        replicas = Replicas(tmp_path, forks, postgres_record, double)
        quick = {"dead_seconds": 2.0, "idle_seconds": 0.5}
        how = {"kill": "commit", "freeze": True, "armed": str(armed), "beat_seconds": 60.0}
        other, frozen = replicas.start("one", **quick), replicas.start("two", **quick, **how)
        load = Load()
        asking = threading.Thread(target=load.run, args=(frozen.url, 5, 1))
        asking.start()
        assert double.wait_for(lambda double: len(double.requests) == 5, 5)
        armed.touch()
        _until(lambda: "\nState:\tT" in Path(f"/proc/{frozen.pid}/status").read_text())
        assert len(replicas.books.rows("SELECT * FROM holds")) == 5, "it stopped before its commit"
        replicas.quiet(15)
        assert replicas.books.kinds() == {"expire": 5}
        frozen.send(signal.SIGCONT)
        asking.join(20)
        _until(lambda: replicas.books.kinds()["correct"] == 5)
        assert (frozen.end(), other.end()) == (0, 0)
        replicas.books.check(bill)

    assert replicas.books.kinds() == {"expire": 5, "correct": 5}
    assert len(load.whole) == 5


def _until(fact: Any, seconds: float = 10.0) -> None:
    began = time.monotonic()
    while not fact():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)
