"""Requests that end in an error leave nothing in memory, whatever the size of their bodies."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_world import Load, config_of, environ_of
from fork_server import ForkServer, Order, fork_server
from test_outage_disk import Outage, ready, until

from turnout.double import Double, faults

MOST = 12 << 20
LONG = " word" * 20_000
"""A prompt of 100 KB."""


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    with fork_server() as server:
        yield server


def test_refused_requests_do_not_wait_with_their_bodies(tmp_path: Path, migrated: Path, forks: ForkServer) -> None:
    """While the file is locked, 2,000 requests of 100 KB are refused, and the process does not keep them until their
    records could be written."""
    outage = Outage(tmp_path, tmp_path / "home", migrated, forks)
    load = outage.load
    load.padding = LONG
    with Double(outage.bill) as double, outage.gateway(double) as gateway:
        load.run(gateway.url, 20, 3)
        with contextlib.closing(sqlite3.connect(tmp_path / "home" / "turnout.db", isolation_level=None)) as other:
            until(lambda: outage.books.kinds()["settle"] == 60)
            other.execute("BEGIN EXCLUSIVE")
            load.run(gateway.url, 1, 1)
            assert ready(gateway) == 503
            before = gateway.memory
            load.run(gateway.url, 20, 100)
            grown = gateway.memory - before
            other.execute("ROLLBACK")
        until(lambda: ready(gateway) == 200)
    assert load.statuses == {200: 60, 503: 2001}
    assert grown < MOST, f"grown by {grown} bytes"
    outage.books.check(outage.bill)


@pytest.mark.parametrize("status", [400, 500])
def test_what_a_provider_refused_is_not_kept_until_a_collection(tmp_path: Path, forks: ForkServer, status: int) -> None:
    """500 requests of 100 KB that a provider refuses: errors, their frames and what these hold go at once."""
    refused = faults.status(status, {"error": {"message": "no", "type": "invalid_request_error"}})
    load = Load(padding=LONG)
    with Double(lambda _: refused) as double:
        (tmp_path / "turnout.toml").write_text(config_of(double))
        config, log = str(tmp_path / "turnout.toml"), str(tmp_path / "log")
        gateway = forks.start(Order(config=config, environ=environ_of(tmp_path / "home"), log=log))
        load.run(gateway.url, 20, 5)
        before = gateway.memory
        load.run(gateway.url, 20, 25)
        grown = gateway.memory - before
        assert gateway.end() == 0
    assert sum(load.statuses.values()) == 600 and 200 not in load.statuses
    assert grown < MOST, f"grown by {grown} bytes"
