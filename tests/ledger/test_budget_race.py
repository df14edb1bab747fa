"""One budget, many processes: with room for k calls exactly k are let through, wherever the record is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ledger_places import Record

ROOM, TASKS, TRIES, PRICE = 300, 32, 4, 1_000_003

RACER = """
import asyncio, os, sys
from datetime import timedelta
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ledger_places import Record
from test_budget_race import PRICE, ROOM, TASKS, TRIES
from turnout.core.clock import SystemClock
from turnout.core.secret import Secret
from turnout.ledger.location import Location
from turnout.ledger.posting import AccountRef, Call, Hold, Posting, Refused
from turnout.ledger.writer import Writer
url, owner = os.environ.get("TEST_URL"), sys.argv[3]
place = Record(Location(directory=Path(sys.argv[2]), url=Secret(url) if url else None, shared=url is None))
shared = AccountRef("team", "ml", 0, None, ROOM * PRICE)
now = SystemClock().now()
def hold(task, number):
    own = AccountRef("key", f"k{task % 5}", 0, None, None)
    call = Call(request_id=f"{owner}-{task}-{number}", number=1, key_id=f"k{task % 5}", route="r", deployment="d",
                provider="p", model="m", channel="c", started_at=now)
    accounts = (shared, own) if task % 2 else (own, shared)
    return Hold(call=call, expires_at=now + timedelta(hours=1), amount_nano=PRICE, sunk_nano=1, accounts=accounts)
async def main():
    writer, admitted = Writer(place.open(), owner=owner), []
    async def task(each):
        for number in range(TRIES):
            one = hold(each, number)
            if not isinstance(await writer.reserve(one), Refused):
                admitted.append(one)
    await asyncio.gather(*map(task, range(TASKS)))
    writer.post([Posting(call=one.call, kind="settle", posted_at=now, held_nano=PRICE, cost_nano=PRICE,
                         accounts=one.accounts) for one in admitted])
    await writer.close()
    print(len(admitted))
asyncio.run(main())
"""


def test_room_for_k_admits_exactly_k(shared_record: Record) -> None:
    """4 processes x 32 tasks x 4 tries at a budget with room for 300: 300 get in, and all is settled to the nanodollar,
    with nothing held and the sums equal to the postings."""
    url = shared_record.location.url
    environ = {**os.environ, **({"TEST_URL": url.reveal()} if url else {})}
    arguments = [sys.executable, "-c", RACER, str(Path(__file__).parent), str(shared_record.location.directory)]
    children = [
        subprocess.Popen([*arguments, f"p{n}"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    admitted = 0
    for child in children:
        told, said = child.communicate(timeout=60)
        assert child.returncode == 0, said
        admitted += int(told)

    assert admitted == ROOM
    assert shared_record.rows("SELECT held_nano, spent_nano, over_nano FROM accounts WHERE budget = 'team'") == [
        (0, ROOM * PRICE, 0)
    ]
    assert int(str(shared_record.rows("SELECT SUM(spent_nano) FROM accounts WHERE budget = 'key'")[0][0])) == (
        ROOM * PRICE
    )
    assert (shared_record.count("postings"), shared_record.count("holds")) == (ROOM, 0)
    assert [
        tuple(map(int, map(str, row))) for row in shared_record.rows("SELECT SUM(calls), SUM(cost_nano) FROM spend")
    ] == [(ROOM, ROOM * PRICE)]
