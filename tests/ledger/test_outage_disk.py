"""The disk is full, the file is locked or read-only while requests are under way: they end well and their money is
booked once when it is over; meanwhile no call is made that could not be booked."""

from __future__ import annotations

import contextlib
import resource
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from crash_world import Bill, Books, Load, config_of, environ_of, log_holds, model_of
from fork_server import Forked, ForkServer, Order, fork_server

from harness import Gateway, running_gateway
from turnout.double import Double
from turnout.ledger.location import Location

UNDER_WAY = 24


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    with fork_server() as server:
        yield server


class Outage:
    """A gateway on a data directory, and what happens to it."""

    def __init__(self, folder: Path, home: Path, migrated: Path, forks: ForkServer) -> None:
        shutil.copytree(migrated, home)
        log_holds(home / "turnout.db")
        self.folder, self.home, self.forks = folder, home, forks
        self.bill, self.load = Bill(), Load()
        self.books = Books(Location(directory=home))

    @contextlib.contextmanager
    def gateway(self, double: Double) -> Iterator[Forked | Gateway]:
        config = self.folder / "turnout.toml"
        config.write_text(config_of(double))
        order = Order(config=str(config), environ=environ_of(self.home), log=str(self.folder / "log"))
        forked = self.forks.start(order)
        try:
            assert forked.url, (self.folder / "log").read_text()
            yield forked
        finally:
            code = forked.end()
        assert code == 0, (self.folder / "log").read_text()

    def run(self, begin: Callable[[Any], None], end: Callable[[Any], None], seconds: float = 0.0) -> None:
        """Through an outage that lasts at least so long."""
        with Double(self.bill) as double, self.gateway(double) as gateway:
            self.load.run(gateway.url, 4, 2)
            until(lambda: self.books.kinds()["settle"] == 8)
            self.bill.seconds = 0.5
            callers = threading.Thread(target=self.load.run, args=(gateway.url, UNDER_WAY, 1))
            callers.start()
            assert double.wait_for(lambda double: len(double.requests) == 8 + UNDER_WAY, 5)
            begin(gateway)
            began = time.monotonic()
            callers.join(30)
            assert self.load.statuses == {200: 8 + UNDER_WAY} and len(self.load.whole) == 8 + UNDER_WAY
            until(lambda: ready(gateway) == 503)
            self.refused(gateway, double)
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            end(gateway)
            until(lambda: ready(gateway) == 200)
            self.bill.seconds = 0.0
            self.load.run(gateway.url, 2, 2)
            until(lambda: self.books.kinds()["settle"] == 8 + UNDER_WAY + 4)
            self.books.check(self.bill)
        self.books.check(self.bill)
        assert self.books.kinds()["expire"] == 0 and self.load.statuses[200] == 8 + UNDER_WAY + 4
        spill = self.home / "spill.jsonl"
        assert not spill.exists() or spill.read_bytes() == b""
        assert self.books.rows("PRAGMA integrity_check") == [("ok",)]
        calls = len(self.books.rows("SELECT 1 FROM requests WHERE outcome = 'ok'"))
        assert calls == len(self.books.rows("SELECT 1 FROM attempts")) == 8 + UNDER_WAY + 4

    def refused(self, gateway: Forked | Gateway, double: Double) -> None:
        """While it lasts: 503 at once, and nothing is sent."""
        before, load = len(double.requests), Load(numbers=self.load.numbers)
        load.run(gateway.url, 10, 3)
        assert load.statuses == {503: 30} and load.slowest < 1.0
        assert all(b"\r\nretry-after: " in answer and b"storage_unavailable" in answer for answer in load.refusals)
        assert len(double.requests) == before
        assert httpx.get(gateway.url + "/healthz").status_code == 200


def ready(gateway: Forked | Gateway) -> int:
    return httpx.get(gateway.url + "/readyz").status_code


def until(fact: Callable[[], bool], seconds: float = 15.0) -> None:
    began = time.monotonic()
    while not fact():
        assert time.monotonic() - began < seconds, "still not so"
        time.sleep(0.02)


def test_f32_a_full_disk_stops_paid_work_and_loses_no_money(tmp_path: Path, migrated: Path, forks: ForkServer) -> None:
    """A file system of 8 MB without a free byte. Where none may be mounted, the process may write no file any longer:
    that is what `test_f32_a_limit_of_file_size` looks at, so that this fault is tested everywhere."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        _limited(tmp_path, migrated, forks, 0)
        return
    try:
        outage = Outage(tmp_path, disk / "home", migrated, forks)
        hog = disk / "hog"
        outage.run(lambda _: fill(hog), lambda _: hog.unlink())
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(hog: Path) -> None:
    """To the last byte."""
    with hog.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


@pytest.mark.parametrize("size", [0, 1500, 20_000])
def test_f32_a_limit_of_file_size(tmp_path: Path, migrated: Path, forks: ForkServer, size: int) -> None:
    """The disk takes no byte, a part of a line that is spilled, or some lines of them."""
    _limited(tmp_path, migrated, forks, size)


def _limited(folder: Path, migrated: Path, forks: ForkServer, size: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(soft: int) -> Callable[[Forked], None]:
        return lambda gateway: resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (soft, hard)) and None

    Outage(folder, folder / "home", migrated, forks).run(limit(size), limit(hard))


def test_f31_a_database_locked_for_ten_seconds(tmp_path: Path, migrated: Path, forks: ForkServer) -> None:
    """Another process has it in an exclusive transaction: that costs its callers the busy timeout once."""
    outage = Outage(tmp_path, tmp_path / "home", migrated, forks)
    other = sqlite3.connect(tmp_path / "home" / "turnout.db", isolation_level=None, check_same_thread=False)
    outage.run(lambda _: other.execute("BEGIN EXCLUSIVE") and None, lambda _: other.execute("ROLLBACK") and None, 10.0)
    other.close()


class InProcess(Outage):
    """One whose store a test can reach."""

    @contextlib.contextmanager
    def gateway(self, double: Double) -> Iterator[Forked | Gateway]:
        with running_gateway(self.folder, model_of(double)) as gateway:
            yield gateway


def test_f33_a_record_that_turns_read_only(tmp_path: Path, migrated: Path, forks: ForkServer) -> None:
    """SQLite takes no write, and the spill file can't be written either: the money waits in memory."""
    outage = InProcess(tmp_path, tmp_path / "home", migrated, forks)
    spill = tmp_path / "home" / "spill.jsonl"

    def begin(gateway: Gateway) -> None:
        spill.mkdir()
        gateway.running.services.writer._store.raw.execute("PRAGMA query_only=ON")

    def end(gateway: Gateway) -> None:
        assert gateway.running.services.writer.spilled >= UNDER_WAY
        spill.rmdir()
        gateway.running.services.writer._store.raw.execute("PRAGMA query_only=OFF")

    outage.run(begin, end)
