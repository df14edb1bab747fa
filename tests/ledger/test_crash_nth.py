"""The n-th step of the database fails, for every n of a request: the caller is answered or told 503 in his dialect, and
when the database works again the books are right."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest
from crash_world import LOG_HOLDS_POSTGRES, Bill, Books, log_holds, model_of
from ledger_places import Record

from harness import Gateway, running_gateway
from turnout.core.fault_point import arm, disarm
from turnout.double import Double
from turnout.ledger.location import Location

STEPS = frozenset({"begin", "statement", "commit", "committed"})
DIALECTS = ("chat", "messages", "responses")


class Nth:
    """Fails at one step, once."""

    def __init__(self, number: int, fail: Callable[[], None]) -> None:
        self.left, self.fail = number, fail
        self._guard = threading.Lock()

    def __call__(self, name: str) -> None:
        if name not in STEPS:
            return
        with self._guard:
            self.left -= 1
            now = self.left == 0
        if now:
            self.fail()


def ask(gateway: Gateway, dialect: str, user: str, *, stream: bool) -> httpx.Response:
    said: dict[str, object] = {"model": "m", "stream": stream}
    if dialect == "responses":
        said |= {"input": f"i am {user}", "user": user}
    else:
        said["messages"] = [{"role": "user", "content": f"i am {user}"}]
        said |= {"user": user} if dialect == "chat" else {"metadata": {"user_id": user}, "max_tokens": 50}
    path = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}[dialect]
    return httpx.post(gateway.url + path, json=said, headers=gateway.headers, timeout=20)


def settled(gateway: Gateway) -> None:
    """Waits until the database is back and all that waited for it is booked."""
    writer = gateway.running.services.writer
    for _ in range(1000):
        if (
            writer.healthy
            and not writer.spilled
            and not writer.waiting
            and not gateway.running.services.traffic.in_flight
        ):
            return
        time.sleep(0.005)
    raise AssertionError(f"healthy {writer.healthy}, spilled {writer.spilled}, waiting {writer.waiting}")


def check_answer(answer: httpx.Response, dialect: str) -> None:
    """200, or 503 as the dialect has it."""
    if answer.status_code == 200:
        return
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
    error = answer.json()["error"]
    if dialect == "messages":
        assert answer.json()["type"] == "error" and error["type"] == "api_error"
    else:
        assert error["code"] == "storage_unavailable"


def every_step_fails_once(gateway: Gateway, bill: Bill, books: Books, fail: Callable[[], None]) -> tuple[int, int]:
    """Returns how many steps a request has, and how many requests were refused."""
    refused = 0
    users = (f"u{number}" for number in itertools.count(1))
    ways = itertools.cycle(itertools.product(DIALECTS, (False, True)))
    for number in itertools.count(1):
        nth = Nth(number, fail)
        settled(gateway)
        dialect, stream = next(ways)
        arm(nth)
        try:
            answer = ask(gateway, dialect, next(users), stream=stream)
            check_answer(answer, dialect)
            refused += answer.status_code == 503
            settled(gateway)
        finally:
            disarm()
        books.check(bill)
        if nth.left > 0:
            return number - 1, refused
    raise AssertionError("a request ends")


@pytest.fixture
def probing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage is over in 20 ms and not in a second."""
    from turnout.ledger import writer

    quick = writer.WriterLimits(probe_seconds=0.02)
    monkeypatch.setattr(writer, "WriterLimits", lambda: quick)


@pytest.mark.usefixtures("probing")
@pytest.mark.parametrize("kind", [sqlite3.OperationalError, sqlite3.DatabaseError, sqlite3.IntegrityError])
def test_f36_sqlite_fails_at_the_nth_step(tmp_path: Path, migrated: Path, kind: type[Exception]) -> None:
    """An outage, a damaged page, a row that is not taken; at BEGIN, at each statement, before and after COMMIT."""

    def fail() -> None:
        raise kind("made to fail")

    home = tmp_path / "home"
    shutil.copytree(migrated, home)
    log_holds(home / "turnout.db")
    bill = Bill()
    with Double(bill) as double, running_gateway(tmp_path, model_of(double)) as gateway:
        steps, refused = every_step_fails_once(gateway, bill, Books(Location(directory=home)), fail)
        assert gateway.running.services.writer.lost == 0
    assert steps >= 20 and 5 <= refused < steps
    assert not (home / "spill.refused").exists()


@pytest.mark.usefixtures("probing")
def test_f36_postgres_loses_the_connection_at_the_nth_step(tmp_path: Path, postgres_record: Record) -> None:
    """The server ends the connection before BEGIN, before each statement, before and after COMMIT."""
    assert postgres_record.location.url is not None
    url = postgres_record.location.url.reveal()

    def fail() -> None:
        with psycopg.connect(url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(LOG_HOLDS_POSTGRES.encode())
    bill = Bill()
    environ = {"TURNOUT_DATABASE_URL": url, "TURNOUT_PEPPER": "p" * 64}
    with Double(bill) as double, running_gateway(tmp_path, model_of(double), environ) as gateway:
        steps, refused = every_step_fails_once(gateway, bill, Books(postgres_record.location), fail)
        assert gateway.running.services.writer.lost == 0
    assert steps >= 20 and 5 <= refused < steps
