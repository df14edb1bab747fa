"""kill -9 at every named point, again and again, on one data directory: no call is lost, none is booked twice."""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import get_args

import pytest
from crash_world import Bill, Books, Load, config_of, environ_of, log_holds
from fork_server import ForkServer, Order, fork_server

from turnout.core.fault_point import FaultPoint
from turnout.double import Double
from turnout.ledger.location import Location
from turnout.ledger.spill import read_line

PASSINGS = {"statement": 100, "begin": 16, "commit": 16, "committed": 16, "mid stream": 25}
"""How often a point is passed in a round, about; it is met at one of them."""
USUAL = 6
AT_START = ("recovery", "recovered", "give up")
"""Points that are met only after another crash."""
AFTER = 0.05
"""Seconds after the last answer before the end: its record is written a few milliseconds after it."""
ROUNDS = 6
"""At each point, in each of the two tests: with those that prepare another, more than 100."""


class World:
    """A data directory that one gateway after the other dies on."""

    def __init__(self, folder: Path, migrated: Path, forks: ForkServer, double: Double, bill: Bill) -> None:
        home = folder / "home"
        shutil.copytree(migrated, home)
        log_holds(home / "turnout.db")
        self.forks, self.bill, self.load = forks, bill, Load()
        self.config = folder / "turnout.toml"
        self.config.write_text(config_of(double))
        self.environ = environ_of(home)
        self.books = Books(Location(directory=home))
        self.reached: Counter[str] = Counter()
        self.log = folder / "log"
        self.spilled: set[str] = set()
        """Requests whose end was safe in the spill file at some time."""

    def order(self, **how: object) -> Order:
        return Order(config=str(self.config), environ=self.environ, log=str(self.log), **how)  # type: ignore[arg-type]

    def round(self, point: str = "", passing: int = 1, *, away: bool = False) -> None:
        """Starts, looks at what the crash before left, and crashes at that point or, where it is not reached, at the
        end of the load."""
        order = self.order(kill=point, passing=passing, away="call sent" if away else "", away_from=4)
        self.see_spill()
        gateway = self.forks.start(order)
        if gateway.url:
            self.check()
            self.load.run(gateway.url, callers=6, times=1 if away else 2)
            time.sleep(AFTER)
        code = gateway.end(signal.SIGALRM)  # as abrupt, and told from the kill that it gave itself
        assert code in (-signal.SIGKILL, -signal.SIGALRM), self.log.read_text()
        self.reached[point] += code == -signal.SIGKILL

    def see_spill(self) -> None:
        """Nobody runs, so that whole lines are all that counts."""
        file = self.books.location.directory / "spill.jsonl"
        lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
        ends = [end for line in lines for end in read_line(line).postings]
        self.spilled |= {end.call.request_id for end in ends if end.kind == "settle"}

    def check(self) -> None:
        """What was in the spill file is booked as what it was, and not as given up."""
        self.books.check(self.bill)
        settled = {row[0] for row in self.books.rows("SELECT request_id FROM postings WHERE kind = 'settle'")}
        assert self.spilled <= settled

    def last(self) -> None:
        """A quiet start and end."""
        self.see_spill()
        gateway = self.forks.start(self.order())
        assert gateway.url, self.log.read_text()
        self.check()
        assert gateway.end() == 0
        self.check()


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    with fork_server() as server:
        yield server


@pytest.mark.parametrize("seed", [1, 2])
def test_a_kill_at_any_point_loses_no_call_and_books_none_twice(
    tmp_path: Path, migrated: Path, forks: ForkServer, seed: int
) -> None:
    """Streams and whole answers, six at a time, under budgets. After each start on what a killed process left: nothing
    is held, each call that the provider saw has one end, each end had a hold, sums are sums, nothing old has changed."""
    random = Random(seed)
    points = [point for point in get_args(FaultPoint) for _ in range(ROUNDS)]
    random.shuffle(points)
    bill = Bill(0.01)
    with Double(bill) as double:
        world = World(tmp_path, migrated, forks, double, bill)
        for point in points:
            if point in ("recovery", "recovered"):
                world.round("spilled", random.randint(2, 4), away=True)
            elif point == "give up":
                world.round("call sent", random.randint(2, 6))
            spilling = point.startswith("spill")
            most = 3 if spilling or point == "recovery" else 1 if point in AT_START else PASSINGS.get(point, USUAL)
            world.round(point, random.randint(1, most), away=spilling)
        world.last()

    assert len(world.spilled) > 10
    assert sum(world.reached.values()) > 100, "in two tests more than 200"
    assert all(world.reached[point] for point in get_args(FaultPoint)), world.reached
    kinds = world.books.kinds()
    assert kinds["settle"] > 40 and kinds["expire"] > 50, kinds
