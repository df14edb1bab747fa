"""A stop with fifty streams open: every one is ended, told and booked, and the exit code is 0."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_world import Bill, Books, Load, config_of, environ_of, log_holds
from fork_server import ForkServer, Order, fork_server

from turnout.double import Double
from turnout.ledger.location import Location

STREAMS = 50


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    with fork_server() as server:
        yield server


@pytest.mark.parametrize(("drain", "ends_well"), [(10.0, True), (0.3, False)])
def test_f39_a_stop_with_fifty_open_streams(
    tmp_path: Path, migrated: Path, forks: ForkServer, drain: float, ends_well: bool
) -> None:
    """Those that end within the drain are booked by the provider's counts, those that it cuts by our own."""
    home = tmp_path / "home"
    shutil.copytree(migrated, home)
    log_holds(home / "turnout.db")
    books, bill, load = Books(Location(directory=home)), Bill(1.5), Load()
    with Double(bill) as double:
        config = tmp_path / "turnout.toml"
        config.write_text(config_of(double).replace("[server]\n", f"[server]\ndrain_seconds = {drain}\n"))
        gateway = forks.start(Order(config=str(config), environ=environ_of(home), log=str(tmp_path / "log")))
        callers = threading.Thread(target=load.run, args=(gateway.url, 2 * STREAMS, 1))
        callers.start()
        assert double.wait_for(lambda double: len(double.requests) == 2 * STREAMS, 10)
        time.sleep(0.3)
        gateway.send(signal.SIGTERM)
        callers.join(20)
        assert gateway.wait() == 0
        books.check(bill)

    assert books.kinds() == {"settle": 2 * STREAMS}
    estimated = books.rows("SELECT count(*) FROM postings WHERE estimated")[0][0]
    outcomes = dict(books.rows("SELECT outcome, count(*) FROM requests GROUP BY 1"))
    if ends_well:
        assert load.statuses == {200: 2 * STREAMS} and len(load.whole) == 2 * STREAMS
        assert (estimated, outcomes) == (0, {"ok": 2 * STREAMS})
    else:
        assert load.statuses == {200: STREAMS, 503: STREAMS} and not load.whole
        assert estimated == 2 * STREAMS and outcomes == {"truncated": STREAMS, "error": STREAMS}
    assert all(row[0] > 0 for row in books.rows("SELECT cost_nano FROM postings"))
