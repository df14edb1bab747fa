"""Holds, ends and budgets against an oracle of a page: any order of reserve, settle, void, expiry, repetition."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from turnout.ledger import statements
from turnout.ledger.bookkeeping import book
from turnout.ledger.migrate import upgrade
from turnout.ledger.posting import AccountRef, Call, Hold, Posting, Refused, void
from turnout.ledger.posting_rows import expiry_of, posting_of, posting_row
from turnout.ledger.sqlite_store import SqliteStore

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIMITS = {"day": 1_000, "month": 2_500, "watch": None}


def ref(budget: str, subject: str) -> AccountRef:
    return AccountRef(budget, subject, 0, 86_400_000, LIMITS[budget])


def call(number: int) -> Call:
    return Call(
        request_id=f"req_{number // 3}", number=number % 3 + 1, key_id=f"k{number % 2}", route="r", deployment="d",
        provider="p", model="m", channel="c", started_at=AT + timedelta(minutes=number),
    )  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("bookkeeping") / "a.db"
    upgrade(path)
    return path.read_bytes()


TEMPLATE: list[bytes] = []


@pytest.fixture(scope="module", autouse=True)
def _template(template: bytes) -> None:
    TEMPLATE[:] = [template]


class Books(RuleBasedStateMachine):
    """The database does as the oracle says: `held` and `spent` per account, one end per call."""

    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        raw = sqlite3.connect(":memory:", isolation_level=None)
        raw.deserialize(TEMPLATE[0])
        self.store = SqliteStore(raw)
        self.made = 0
        self.open: dict[tuple[str, int], Hold] = {}
        self.ended: dict[tuple[str, int], tuple[str, int | None]] = {}
        self.corrected: set[tuple[str, int]] = set()
        self.held = {key: 0 for key in self.keys()}
        self.spent = {key: 0 for key in self.keys()}
        self.cost = 0

    def keys(self) -> list[tuple[str, str]]:
        return [(budget, subject) for budget in LIMITS for subject in ("a", "b")]

    def transact(self, postings: list[Posting], holds: list[Hold]):
        self.store.begin()
        answers = book(self.store, "me", postings, holds)
        self.store.commit()
        return answers

    @initialize()
    def quiet(self) -> None:
        pass

    @rule(
        target=holds,
        group=st.lists(
            st.tuples(
                st.one_of(st.none(), st.integers(0, 900)),
                st.sets(st.sampled_from(sorted((b, s) for b in LIMITS for s in "ab"))),
            ),
            min_size=1,
            max_size=5,
        ),
    )
    def reserve(self, group):
        wanted = []
        for amount, keys in group:
            self.made += 1
            accounts = tuple(sorted(ref(*key) for key in keys))
            sunk = None if amount is None else amount // 3
            wanted.append(
                Hold(call=call(self.made), expires_at=AT, amount_nano=amount, sunk_nano=sunk, accounts=accounts)
            )
        for hold, answer in zip(wanted, self.transact([], wanted), strict=True):
            keys = [(each.budget, each.subject) for each in hold.accounts]
            amount = hold.amount_nano or 0
            room = not amount or all(
                LIMITS[key[0]] is None or self.spent[key] + self.held[key] + amount <= LIMITS[key[0]] for key in keys
            )
            assert isinstance(answer, Refused) is not room
            if room:
                self.open[hold.call.request_id, hold.call.number] = hold
                for key in keys:
                    self.held[key] += amount
        return [hold for hold in wanted]

    def end(self, hold: Hold, kind: str, cost: int | None) -> Posting:
        return Posting(
            call=hold.call,
            kind=kind,
            posted_at=AT,
            held_nano=hold.amount_nano,
            cost_nano=cost,
            input_tokens=7 if kind == "settle" else 0,
            accounts=hold.accounts,
        )  # type: ignore[arg-type]

    def charge(self, hold: Hold, cost: int | None) -> None:
        self.cost += cost or 0
        for each in hold.accounts:
            self.spent[each.budget, each.subject] += cost or 0

    @rule(
        group=holds,
        cost=st.one_of(st.none(), st.integers(0, 2_000)),
        kind=st.sampled_from(["settle", "void"]),
        twice=st.booleans(),
        spilled=st.booleans(),
    )
    def finish(self, group, cost, kind, twice, spilled):
        cost = 0 if kind == "void" else cost
        postings = [
            self.end(hold, kind, cost)
            for hold in group
            if (hold.call.request_id, hold.call.number) in self.open
            or (hold.call.request_id, hold.call.number) in self.ended
        ]
        if spilled:  # a posting that went through the spill file says the same
            postings = [posting_of(posting_row(each)) for each in postings]
        for _ in range(2 if twice else 1):
            self.transact(postings, [])
        for posting in postings:
            key = (posting.call.request_id, posting.call.number)
            hold = self.open.pop(key, None)
            if hold is not None:
                for each in hold.accounts:
                    self.held[each.budget, each.subject] -= hold.amount_nano or 0
                self.ended[key] = (kind, cost)
                self.charge(hold, cost)
            elif self.ended[key][0] == "expire" and key not in self.corrected:
                expired = self.ended[key][1]
                self.corrected.add(key)
                whole = next(each for each in group if (each.call.request_id, each.call.number) == key)
                self.charge(whole, cost if cost is None or expired is None else cost - expired)

    @rule(group=holds)
    def expire(self, group):
        keys = [key for hold in group if (key := (hold.call.request_id, hold.call.number)) in self.open]
        rows = self.store.execute(statements.SELECT_ORPHANS, ("other", 1, 0, 100)).fetchall()
        postings = [expiry_of(row, AT) for row in rows if (row[0], row[1]) in keys]
        assert len(postings) == len(keys)
        self.transact(postings, [])
        for key in keys:
            hold = self.open.pop(key)
            for each in hold.accounts:
                self.held[each.budget, each.subject] -= hold.amount_nano or 0
            self.ended[key] = ("expire", hold.sunk_nano)
            self.charge(hold, hold.sunk_nano)

    @invariant()
    def the_books_are_right(self):
        rows = self.store.execute("SELECT budget, subject, held_nano, spent_nano, limit_nano, over_nano FROM accounts")
        for budget, subject, held, spent, limit, over in rows:
            assert (held, spent) == (self.held[budget, subject], self.spent[budget, subject])
            assert limit is None or over == max(0, spent + held - limit)
        assert {(r, n) for r, n in self.store.execute("SELECT request_id, number FROM holds")} == set(self.open)
        ends = self.store.execute("SELECT request_id, number, kind FROM postings WHERE kind <> 'correct'").fetchall()
        assert sorted((r, n, k) for r, n, k in ends) == sorted((*key, kind) for key, (kind, _) in self.ended.items())
        total = self.store.execute("SELECT coalesce(sum(cost_nano), 0) FROM postings").fetchone()[0]
        rolled = self.store.execute(
            "SELECT coalesce(sum(cost_nano), 0), coalesce(sum(input_tokens), 0) FROM spend"
        ).fetchone()
        assert total == rolled[0] == self.cost
        assert rolled[1] == self.store.execute("SELECT coalesce(sum(input_tokens), 0) FROM postings").fetchone()[0]

    def teardown(self) -> None:
        self.store.close()


TestBooks = Books.TestCase
TestBooks.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_a_posting_and_its_row_say_the_same(tmp_path: Path) -> None:
    """Every field comes back from a row; the accounts come back as far as ends of calls need them."""
    posting = Posting(
        call=replace(call(5), team="t", end_user="u", tags=("a", "b")), kind="settle", posted_at=AT, held_nano=None,
        cost_nano=5, tier="flex", region="us", input_tokens=1, cached_tokens=2, cache_write_tokens=3,
        cache_write_1h_tokens=4, output_tokens=5, reasoning_tokens=6, price_row="x", catalogue_version="v",
        estimated=True, flags=("one", "two"), neutral_tokens=9, content="code",
        accounts=(AccountRef("day", "a", 12, None, None),),
    )  # fmt: skip
    assert posting_of(posting_row(posting)) == posting


def test_a_hold_that_is_given_up_in_its_own_commit_is_not_made(tmp_path: Path) -> None:
    """A caller who leaves while the hold waits for its commit leaves nothing held."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.deserialize(TEMPLATE[0])
    store = SqliteStore(raw)
    hold = Hold(call=call(1), expires_at=AT, amount_nano=900, sunk_nano=1, accounts=(ref("day", "a"),))
    other = Hold(call=call(2), expires_at=AT, amount_nano=900, sunk_nano=1, accounts=(ref("day", "a"),))
    store.begin()
    answers = book(store, "me", [void(hold)], [hold, other])
    store.commit()
    assert not isinstance(answers[1], Refused)
    assert store.execute("SELECT request_id, number FROM holds").fetchall() == [("req_0", 3)]
    assert store.execute("SELECT held_nano FROM accounts").fetchall() == [(900,)]
    store.close()


def test_a_call_that_was_never_held_is_charged_once(tmp_path: Path) -> None:
    """A settlement without a hold is booked, since the money is gone; a void without one is nothing."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.deserialize(TEMPLATE[0])
    store = SqliteStore(raw)
    settle = Posting(call=call(1), kind="settle", posted_at=AT, held_nano=0, cost_nano=50, accounts=(ref("day", "a"),))
    void = Posting(call=call(2), kind="void", posted_at=AT, held_nano=10, cost_nano=0, accounts=(ref("day", "a"),))
    for _ in range(2):
        store.begin()
        book(store, os.urandom(2).hex(), [settle, void], [])
        store.commit()
    assert store.execute("SELECT kind, cost_nano FROM postings").fetchall() == [("settle", 50)]
    assert store.execute("SELECT held_nano, spent_nano FROM accounts").fetchall() == [(0, 50)]
    store.close()
