"""What money costs in the ledger alone: a hold before each call, its end and the record after it, through the writer
that the gateway uses, on SQLite, on SQLite shared by several processes (one writes here), and on PostgreSQL.

A closed loop: so many callers, each with its next request as soon as its hold is answered; nobody waits for a record.
All of them fall under the same budgets, so all weigh on the same rows. Each commit reaches the disk. CPU time is that
of the event loop's thread, of the writer's, and of the PostgreSQL server; the clock on the wall is the machine's, and
depends on what else it does and on its disk.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shlex
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, cast

import uvloop

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/ledger"))

import machine  # noqa: E402
import postgres  # noqa: E402
import processes  # noqa: E402
from ledger_records import START, record  # noqa: E402

from turnout.core.secret import Secret  # noqa: E402
from turnout.ledger.datadir import DataDir, DirLock  # noqa: E402
from turnout.ledger.location import Location  # noqa: E402
from turnout.ledger.opening import open_store  # noqa: E402
from turnout.ledger.posting import AccountRef, Call, Hold, Posting, Refused  # noqa: E402
from turnout.ledger.record import RequestRecord  # noqa: E402
from turnout.ledger.rows import to_ms  # noqa: E402
from turnout.ledger.store import Store  # noqa: E402
from turnout.ledger.writer import Writer  # noqa: E402

PLACES = ("sqlite", "shared", "postgres")
DURABLE = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "128MB"}
"""The tests' PostgreSQL server saves itself these; a ledger does not."""
ROWS = 4
"""That a request adds: request, attempt, hold, posting. Sums and accounts are changed, and not counted."""
_LIMIT = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the ledger is."""

    location: Location
    server: int | None = None
    """The process of the database's server, where it is ours to watch."""


class Case(NamedTuple):
    """One line of the table."""

    place: str
    budgets: int
    callers: int


@dataclass(slots=True)
class Counting:
    """A store that counts its commits."""

    store: Any
    commits: int = 0

    def commit(self) -> None:
        self.store.commit()
        self.commits += 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@dataclass(slots=True)
class Measured:
    """One run of a case."""

    requests: int
    wall: float = 0.0
    loop: float = 0.0
    writer: float = 0.0
    server: float | None = None
    commits: int = 0
    waits: list[float] = field(default_factory=list[float])

    def figures(self) -> tuple[float, ...]:
        """In the order of `HEAD`, after the case."""
        each = 1e6 / self.requests
        waits = sorted(self.waits)
        return (
            self.requests / self.wall,
            ROWS * self.requests / self.wall,
            self.loop * each,
            self.writer * each,
            -1.0 if self.server is None else self.server * each,
            waits[len(waits) // 2] * 1000,
            waits[min(len(waits) - 1, len(waits) * 99 // 100)] * 1000,
            self.requests / self.commits,
        )


HEAD = (
    "ledger", "budgets", "callers", "requests/s", "rows/s", "CPU of the loop, µs", "of the writer, µs",
    "of the server, µs", "hold p50, ms", "p99, ms", "requests a commit",
)  # fmt: skip


class Request(NamedTuple):
    """All that one request writes."""

    hold: Hold
    record: RequestRecord
    posting: Posting


def requests(many: int, budgets: int) -> list[Request]:
    """Made beforehand, so that only the ledger is measured."""
    opens = to_ms(START)
    refs = tuple(AccountRef(f"budget{n}", "", opens, opens + 86_400_000, _LIMIT) for n in range(budgets))
    return [_request(record(number // 100), refs) for number in range(many)]


def _request(made: RequestRecord, refs: tuple[AccountRef, ...]) -> Request:
    call = Call(
        request_id=made.id,
        number=1,
        key_id=made.key_id,
        team="research",
        route=made.route,
        deployment="openai/gpt-5.5",
        provider="openai",
        model="gpt-5.5",
        channel="openai",
        started_at=made.received_at,
    )
    hold = Hold(call=call, expires_at=made.received_at + timedelta(hours=1), amount_nano=90_000, sunk_nano=6_000,
                accounts=refs)  # fmt: skip
    posting = Posting(
        call=call,
        kind="settle",
        posted_at=made.received_at + timedelta(seconds=1),
        held_nano=90_000,
        cost_nano=15_975,
        input_tokens=1234,
        cached_tokens=1000,
        output_tokens=321,
        price_row="openai/gpt-5.5",
        catalogue_version="1",
        accounts=refs,
    )
    return Request(hold, made, posting)


async def measure(place: Place, store: Store, case: Case, many: int) -> Measured:
    """Writes `many` requests by `case.callers` callers."""
    counting = Counting(store)
    writer = Writer(cast(Store, counting))
    done = Measured(many)
    queue = iter(requests(many, case.budgets))
    await writer.run(lambda store: store.execute("SELECT 1").fetchone())  # the connection is up
    before = processes.cpu_seconds(place.server) if place.server else 0.0
    counting.commits = 0
    async with _timed(done), asyncio.TaskGroup() as records:
        await asyncio.gather(*(_caller(writer, queue, done, records) for _ in range(case.callers)))
    done.commits = counting.commits
    if place.server:
        done.server = processes.cpu_seconds(place.server) - before
    await writer.close()
    return done


@contextlib.asynccontextmanager
async def _timed(done: Measured) -> AsyncIterator[None]:
    wall, loop, process = time.perf_counter(), time.thread_time(), time.process_time()
    yield
    done.wall = time.perf_counter() - wall
    done.loop = time.thread_time() - loop
    done.writer = time.process_time() - process - done.loop


async def _caller(writer: Writer, queue: Iterator[Request], done: Measured, records: asyncio.TaskGroup) -> None:
    for each in queue:
        began = time.perf_counter()
        answer = await writer.reserve(each.hold)
        done.waits.append(time.perf_counter() - began)
        assert not isinstance(answer, Refused), "there is room for all"
        records.create_task(writer.write(each.record, [each.posting]))
        await asyncio.sleep(0)  # as in the gateway: the record is handed over before the caller's next request comes


@contextlib.contextmanager
def place(kind: str, folder: Path, url: str | None) -> Iterator[Place]:
    """A ledger of its own, or the database behind `url`."""
    folder.mkdir()
    if kind != "postgres":
        yield Place(location=Location(directory=folder, shared=kind == "shared"))
    elif url is not None:
        yield Place(location=Location(directory=folder, url=Secret(url)))
    else:
        with postgres.server(**DURABLE) as server:
            assert server.process is not None, "it runs"
            yield Place(location=Location(directory=folder, url=Secret(server.database())), server=server.process.pid)


def run(cases: Iterable[Case], options: argparse.Namespace, folder: Path) -> dict[Case, list[Measured]]:
    """Every case in each round, so that what slows one round down slows all of them."""
    found: dict[Case, list[Measured]] = {}
    with contextlib.ExitStack() as stack:
        places = {kind: stack.enter_context(place(kind, folder / kind, options.url)) for kind in options.on}
        for number in range(options.rounds):
            for case in cases:
                print(f"round {number + 1}: {case}", file=sys.stderr, flush=True)
                found.setdefault(case, []).append(_once(places[case.place], case, options.requests))
    return found


def _once(place: Place, case: Case, many: int) -> Measured:
    directory = DataDir(place.location.directory)
    lock = DirLock(directory, shared=place.location.several)
    try:
        store = open_store(place.location, directory, Secret("p" * 64), os.urandom)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(measure(place, store, case, max(case.callers, many if case.callers > 1 else many // 4)))
    finally:
        lock.release()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/ledger.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--requests", type=int, default=2000, help="in each run; a quarter where one caller waits (2000)"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--callers", type=_numbers, default=(1, 8, 32, 128))
    parser.add_argument("--budgets", type=_numbers, default=(0, 1, 3))
    parser.add_argument("--on", type=lambda text: tuple(text.split(",")), default=PLACES, help=",".join(PLACES))
    parser.add_argument("--url", help="a PostgreSQL database of its own for this; else a server is started")
    parser.add_argument("--dir", type=Path, help="where the data is written (the system's /tmp)")
    options = parser.parse_args()
    if unknown := set(options.on) - set(PLACES):
        parser.error(f"no such ledger: {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    """Measures, prints a table."""
    options = _options()
    cases = [Case(*each) for each in ((p, b, c) for p in options.on for b in options.budgets for c in options.callers)]
    before = processes.MachineTime.read()
    with tempfile.TemporaryDirectory(prefix="turnout-ledger-", dir=options.dir) as name:
        found = run(cases, options, Path(name))
        disk = machine.file_system(Path(name))
    print("| " + " | ".join(HEAD) + " |\n|---|" + "---:|" * (len(HEAD) - 1))
    for case, runs in found.items():
        middle = [median(values) for values in zip(*(each.figures() for each in runs), strict=True)]
        print("| " + " | ".join([*map(str, case), *map(_shown, middle)]) + " |")
    for what, value in machine.describe().items():
        print(f"\n- {what}: {value}" if what == "machine" else f"- {what}: {value}")
    others = processes.others_share(before, processes.MachineTime.read())
    print(f"- other programs used: {others:.0%} of the CPUs meanwhile")
    print(f"- data on {disk}, each commit synced; medians of {options.rounds} rounds of {options.requests} requests")
    print(f"- command: {shlex.join(['python', 'benchmarks/ledger.py', *sys.argv[1:]])}")
    return 0


def _shown(value: float) -> str:
    return "-" if value < 0 else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


if __name__ == "__main__":
    sys.exit(main())
