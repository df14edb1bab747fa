"""The spill file by itself: whole lines, locked between processes, nothing lost to a bad one."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ledger_records import record

from turnout.core import fault_point
from turnout.ledger.database import open_database
from turnout.ledger.datadir import DataDir
from turnout.ledger.posting import Call, Hold, Posting
from turnout.ledger.spill import MOST_IN_MEMORY, Spill, read_line
from turnout.ledger.writer import Writer, WriterLimits

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def posting(name: str, cost: int = 7) -> Posting:
    call = Call(
        request_id=name, number=1, key_id="k", route="r", deployment="d", provider="p", model="m", channel="c",
        started_at=AT,
    )  # fmt: skip
    return Posting(call=call, kind="settle", posted_at=AT, held_nano=10, cost_nano=cost)


def names(lines: list[bytes]) -> list[str]:
    return [each.call.request_id for line in lines for each in read_line(line).postings]


def test_a_line_that_a_crash_cut_goes_and_the_others_stay(tmp_path: Path) -> None:
    """For a cut at every byte of the last line."""
    path = tmp_path / "spill.jsonl"
    for name in "abc":
        Spill(path).keep(None, [posting(name)])
    data = path.read_bytes()
    last = data.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(last, len(data)):
        path.write_bytes(data[:cut])
        spill = Spill(path)
        assert spill.waiting == 2
        spill.keep(None, [posting("d")])
        with spill.emptying() as lines:
            assert names(lines) == ["a", "b", "d"]
        assert path.read_bytes() == b""


def test_lines_stay_where_they_could_not_be_booked(tmp_path: Path) -> None:
    """An error in the block, wherever it is, leaves file and memory as they were."""
    path = tmp_path / "spill.jsonl"
    spill = Spill(path)
    spill.keep(None, [posting("a")])
    with pytest.raises(ZeroDivisionError), spill.emptying():
        raise ZeroDivisionError

    assert (spill.waiting, Spill(path).waiting) == (1, 1)


def test_what_the_disk_refuses_waits_in_memory_and_comes_to_disk_with_the_next(tmp_path: Path) -> None:
    """In the order of their coming."""
    path = tmp_path / "spill.jsonl"
    path.mkdir()
    spill = Spill.__new__(Spill)
    spill.__init__(None)
    spill.path = path
    for name in "ab":
        spill.keep(None, [posting(name)])
    path.rmdir()
    spill.keep(None, [posting("c")])

    assert names(path.read_bytes().splitlines()) == ["a", "b", "c"]
    assert (spill.waiting, spill.lost) == (3, 0)


def test_memory_is_bounded_and_what_is_given_up_is_counted() -> None:
    """The oldest goes first."""
    spill = Spill(None)
    for number in range(MOST_IN_MEMORY + 3):
        spill.keep(None, [posting(f"r{number}")])

    assert (spill.waiting, spill.lost) == (MOST_IN_MEMORY, 3)
    with spill.emptying() as lines:
        assert names(lines[:1]) == ["r3"]


def test_two_processes_share_the_file_of_a_directory_and_lose_no_line(tmp_path: Path) -> None:
    """Two keep, and both empty it again and again: each line is seen by one of them."""
    path = tmp_path / "spill.jsonl"
    booked: list[str] = []

    def work(own: str) -> None:
        spill = Spill(path)
        for number in range(200):
            spill.keep(None, [posting(f"{own}{number}")])
            if number % 7 == 0:
                with spill.emptying() as lines:
                    booked.extend(names(lines))

    threads = [threading.Thread(target=work, args=(own,)) for own in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Spill(path).emptying() as lines:
        booked.extend(names(lines))

    assert sorted(booked) == sorted(f"{own}{number}" for own in "ab" for number in range(200))


def test_a_number_that_no_database_takes_is_given_up_and_counted(tmp_path: Path) -> None:
    """It does not end the writer's thread."""
    spill = Spill(tmp_path / "spill.jsonl")
    spill.keep(None, [posting("a", 10**30)])

    assert (spill.waiting, spill.lost) == (0, 1)


def test_money_is_booked_without_a_record_that_can_not_be_stored(held: DataDir) -> None:
    """A text that is no text spoils its row, and not the money of its request."""

    async def scenario() -> int:
        writer = Writer(
            open_database(held, os.urandom), WriterLimits(probe_seconds=0.02), spill=Spill(held.path / "spill.jsonl")
        )
        now = datetime.now(UTC)
        end = posting("req")
        await writer.reserve(Hold(call=end.call, expires_at=now + timedelta(hours=1), amount_nano=10, sunk_nano=1))
        await writer.write(replace(record(), id="req", asked="\udcff"), [end])
        async with asyncio.timeout(5):
            while writer.spilled:
                await asyncio.sleep(0.01)
        await writer.write(record(1))
        await writer.close()
        return writer.lost

    assert asyncio.run(scenario()) == 0
    with closing(sqlite3.connect(held.database)) as connection:
        assert connection.execute("SELECT request_id, kind, cost_nano FROM postings").fetchall() == [
            ("req", "settle", 7)
        ]
        assert connection.execute("SELECT count(*) FROM holds").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM requests").fetchone() == (1,)


def test_nothing_but_tests_arms_a_fault_point() -> None:
    """No file of the package names `arm`, so that no setting, variable or request can reach it."""
    source = Path(fault_point.__file__).parents[1]
    naming = [
        path for path in source.rglob("*.py") if "import arm" in (text := path.read_text()) or "fault_point.arm" in text
    ]
    assert naming == []
    assert fault_point._hooks == []
