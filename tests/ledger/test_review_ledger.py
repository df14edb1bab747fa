"""What several processes may not do to each other's money: found by review."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ledger_postings import START

from turnout.ledger.bookkeeping import book
from turnout.ledger.budget_refusal import label
from turnout.ledger.budgets import Budget, Who
from turnout.ledger.leases import LIFETIME, Leases
from turnout.ledger.migrate import upgrade
from turnout.ledger.orphans import DEAD_SECONDS, beat, give_up
from turnout.ledger.posting import AccountRef, Call, Hold, Refused
from turnout.ledger.sqlite_store import SqliteStore
from turnout.ledger.store import Store

HARD = AccountRef("hard", "", 0, None, 1_000)
SILENT = START + timedelta(seconds=DEAD_SECONDS + 5)


def _hold(request_id: str, amount: int, lasts: timedelta = timedelta(minutes=11)) -> Hold:
    call = Call(
        request_id=request_id,
        number=1,
        key_id="k",
        route="r",
        deployment="d",
        provider="p",
        model="m",
        channel="c",
        started_at=START,
    )
    return Hold(call=call, expires_at=START + lasts, amount_nano=amount, sunk_nano=10, accounts=(HARD,))


class _Writer:
    """A writer without a thread: this test is of what is written."""

    owner = "srv_away"

    def __init__(self, store: Store) -> None:
        self.store = store

    async def reserve(self, hold: Hold) -> object:
        return _book(self.store, self.owner, hold)


def _book(store: Store, owner: str, hold: Hold) -> object:
    store.begin()
    (answer,) = book(store, owner, [], [hold])
    store.commit()
    return answer


def _gave_up(store: Store, *, leases: bool) -> int:
    store.begin()
    found = give_up(store, "srv_other", SILENT, SILENT - timedelta(seconds=DEAD_SECONDS), leases=leases)
    store.commit()
    return found


@pytest.mark.parametrize("alone", [False, True])
def test_the_lease_of_a_silent_process_is_nobody_elses(a_record, alone: bool) -> None:
    """It has lost the database, perhaps, and spends its lease meanwhile. Whoever gave the lease up after 35 seconds
    could spend the same money again. A process that is alone knows that all others are dead."""
    store = a_record.open()
    store.begin()
    beat(store, "srv_away", START, START)
    store.commit()
    leases = Leases(600)
    leases.note((HARD,), START)
    asyncio.run(leases.renew(_Writer(store), START))  # type: ignore[arg-type]
    assert leases.take(_hold("req_lent", 600))
    _book(store, "srv_away", _hold("req_open", 300))

    assert _gave_up(store, leases=alone) == (2 if alone else 1)
    assert _gave_up(store, leases=alone) == 0
    refused = isinstance(_book(store, "srv_other", _hold("req_other", 500)), Refused)
    assert refused is not alone
    store.close()


def test_nothing_is_lent_beyond_the_life_of_a_lease(a_record) -> None:
    """Afterwards others may have given it up."""
    store = a_record.open()
    leases = Leases(600)
    leases.note((HARD,), START)
    asyncio.run(leases.renew(_Writer(store), START))  # type: ignore[arg-type]
    assert not leases.take(_hold("req_long", 100, LIFETIME))
    assert leases.take(_hold("req_short", 100, LIFETIME - timedelta(seconds=1)))
    store.close()


def test_no_keys_users_are_anothers_for_a_stroke_in_a_name() -> None:
    """`a` with a user `b/x`, and `a/b` with a user `x`, had one account between them."""
    rule = Budget(
        name="users", limit_nano=1, soft_nano=None, window="day", zone="UTC", per="user", match=frozenset({"x", "b/x"})
    )
    one = Who(key_id="a", key_name="a", end_user="b/x")
    other = Who(key_id="a/b", key_name="a/b", end_user="x")
    subjects = [rule.subjects(each)[0] for each in (one, other)]

    assert subjects[0] != subjects[1]
    assert all(rule.still_takes(each) for each in subjects)
    assert [label(rule, each) for each in subjects] == ["user b/x", "user x"]


def test_an_account_takes_over_the_window_that_its_budget_has_now(tmp_path: Path) -> None:
    """A budget by the day, made one by the month on the first: the row's end is the month's."""
    upgrade(tmp_path / "a.db")
    store = SqliteStore(sqlite3.connect(tmp_path / "a.db", isolation_level=None))
    for number, closes in ((1, 86_400_000), (2, 2_678_400_000)):
        call = Call(
            request_id="r", number=number, key_id="k", route="r", deployment="d", provider="p", model="m", channel="c",
            started_at=datetime(1970, 1, 1, tzinfo=UTC),
        )  # fmt: skip
        ref = AccountRef("b", "k", 0, closes, 1_000)
        store.begin()
        book(
            store, "me", [], [Hold(call=call, expires_at=call.started_at, amount_nano=1, sunk_nano=0, accounts=(ref,))]
        )
        store.commit()
        assert store.execute("SELECT closes_ms FROM accounts").fetchall() == [(closes,)]
    store.close()
