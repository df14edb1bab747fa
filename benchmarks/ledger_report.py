"""How long a month's report takes over a million postings: each question of `turnout spend`, on SQLite or PostgreSQL.

The month is made by tests/ledger/ledger_postings.py and written through the ledger's own rows and sums. Times are those
of the questions (median of the runs, in one process, file cache warm) and, at the end, of the whole command. CPU time
is this process's: with SQLite it is all of it, and other programs disturb it less than they do the clock on the wall.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/ledger"))

import machine  # noqa: E402
from ledger_postings import Traffic  # noqa: E402

from turnout.core.secret import Secret  # noqa: E402
from turnout.ledger import outcomes, statements  # noqa: E402
from turnout.ledger.datadir import DataDir  # noqa: E402
from turnout.ledger.location import Location  # noqa: E402
from turnout.ledger.opening import open_store  # noqa: E402
from turnout.ledger.posting import Posting  # noqa: E402
from turnout.ledger.posting_rows import posting_row, spend_rows  # noqa: E402
from turnout.ledger.queries import reading  # noqa: E402
from turnout.ledger.report_period import read_period  # noqa: E402
from turnout.ledger.rows import to_ms  # noqa: E402
from turnout.ledger.several import execute_rows  # noqa: E402
from turnout.ledger.spending import Question, spending  # noqa: E402
from turnout.ledger.store import Store  # noqa: E402
from turnout.ledger.verify import verify  # noqa: E402

SUMS = ((), ("model",), ("day", "model"), ("key", "route"), ("tag",), ("team", "day", "route"), ("hour",))
"""Answered from the sums by the hour."""
POSTINGS = (("user",), ("price_row",), ("user", "model"))
_RATED = 0.05


class Seconds(NamedTuple):
    """How long something took, by the clock and of the CPUs."""

    wall: float
    cpu: float


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A record with a month in it."""

    location: Location
    sums: int
    seconds: float


def fill(location: Location, traffic: Traffic, chunk: int = 4096) -> Filled:
    """Writes the month, and feedback on one call in twenty."""
    began = time.monotonic()
    store = open_store(location, DataDir(location.directory), Secret("p" * 64), lambda size: bytes(size))
    dice, group = Random(1), list[Posting]()
    try:
        for posting in traffic.postings():
            group.append(posting)
            if len(group) == chunk:
                _write(store, group, dice)
                group = []
        _write(store, group, dice)
        sums = int(store.execute("SELECT count(*) FROM spend").fetchone()[0])
    finally:
        store.close()
    return Filled(location=location, sums=sums, seconds=time.monotonic() - began)


def _write(store: Store, group: list[Posting], dice: Random) -> None:
    store.begin()
    execute_rows(store, statements.INSERT_POSTING, [posting_row(each) for each in group])
    execute_rows(store, statements.ADD_SPEND, spend_rows(group))
    for each in group:
        if dice.random() < _RATED:
            at, value = to_ms(each.call.started_at), 1_000_000 * (dice.random() < 0.8)
            store.execute(statements.UPSERT_FEEDBACK, (each.call.request_id, "accepted", at, each.call.key_id, value))
    store.commit()


def questions(runs: int, connection: Connection) -> Iterator[tuple[str, str, Seconds]]:
    """What was asked, where it was read, and how long it took."""
    now = datetime(2026, 12, 1, tzinfo=UTC)
    for zone in (UTC, ZoneInfo("Europe/Berlin")):
        month = read_period("2026-11", "2026-12", zone, now)
        for by in (*SUMS, *POSTINGS) if zone is UTC else (("day", "model"),):
            asked = Question(period=month, by=by)
            seconds = timed(runs, lambda asked=asked: spending(connection, asked))
            name = f"{', '.join(by) or 'the total'}{'' if zone is UTC else f' ({zone})'}"
            yield name, "sums" if asked.from_sums else "postings", seconds
    by_model = Question(period=read_period("2026-11", "2026-12", UTC, now), by=("model",))
    yield (
        "cost per accepted, by model",
        "postings",
        timed(runs, lambda: outcomes.worth(connection, by_model, "accepted")),
    )
    yield "everything verified", "postings", timed(1, lambda: verify(connection))


def timed(runs: int, question: Callable[[], object]) -> Seconds:
    """The medians of some runs."""
    wall: list[float] = []
    cpu: list[float] = []
    for _ in range(runs):
        began, used = time.perf_counter(), _used()
        question()
        wall.append(time.perf_counter() - began)
        cpu.append(_used() - used)
    return Seconds(statistics.median(wall), statistics.median(cpu))


def _used() -> float:
    """CPU seconds of this process and of those that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def command(runs: int, home: Path, *words: str) -> Seconds:
    """The whole `turnout spend`, from the start of its process to its end."""
    line = [str(Path(sys.executable).parent / "turnout"), "spend", "--data-dir", str(home)]
    line += ["--since", "2026-11", "--until", "2026-12", *words]
    return timed(runs, lambda: subprocess.run(line, check=True, capture_output=True))


@contextlib.contextmanager
def place(kind: str, folder: Path) -> Iterator[Location]:
    """Where the month is written."""
    if kind == "sqlite":
        yield Location(directory=folder)
        return
    import postgres

    with postgres.server() as server:
        yield Location(directory=folder, url=Secret(server.database()))


def main() -> int:
    """Fills, asks, prints a table."""
    parser = argparse.ArgumentParser(prog="benchmarks/ledger_report.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--postings", type=int, default=1_000_000)
    parser.add_argument("--on", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--scattered", action="store_true", help="every key calls every model of every route")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="turnout-report-") as name, place(options.on, Path(name)) as location:
        filled = fill(location, Traffic(calls=options.postings, scattered=options.scattered))
        rows: list[tuple[str, str, Seconds]] = []
        with reading(location) as connection:
            rows += questions(options.runs, connection)
        if options.on == "sqlite":
            rows += [
                ("`turnout spend`, the whole command", "sums", command(options.runs, Path(name))),
                ("`turnout spend --by user`", "both", command(options.runs, Path(name), "--by", "user")),
            ]
    print("| question | read from | seconds | CPU |\n|---|---|---:|---:|")
    for question, source, seconds in rows:
        print(f"| {question} | {source} | {seconds.wall:.2f} | {seconds.cpu:.2f} |")
    print(f"\n- {options.postings:,} postings in {filled.sums:,} sums, 30 days, 50 keys, 8 routes; {options.on}")
    print(f"- filled in {filled.seconds:.0f} s; median of {options.runs} runs")
    for what, value in machine.describe().items():
        print(f"- {what}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
