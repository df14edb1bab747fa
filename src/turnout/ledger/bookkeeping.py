"""The one place where money moves: holds made, holds ended, all inside a transaction that the writer opened.

Rules
1. A hold is granted when every account it weighs on has room for it: spent + held + amount <= limit; one of nothing,
   for a model that costs nothing, is always granted. Accounts are locked, in one order everywhere, before any is
   read: of N callers with room for k, k get theirs, on any replica.
2. A hold ends exactly once: who deletes its row writes its posting. A second end of the same kind of call changes
   nothing, so a write whose outcome is unknown can be repeated; only an answer after an expiry adds a `correct` row.
3. What a call cost more than its hold goes over the limit and is told apart (`over_nano`): the next hold is refused.
4. `spend` and `accounts` are sums of postings (and corrections), kept in the same transaction. `verify` compares them.

Knows no tariff. The amounts are whole nanodollars.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from turnout.ledger import statements
from turnout.ledger.posting import AccountRef, Hold, Posting, Refused
from turnout.ledger.posting_rows import AccountKey, hold_row, posting_row, spend_rows
from turnout.ledger.several import execute_rows, execute_values
from turnout.ledger.store import Store


class Standing(NamedTuple):
    """An account after a hold was granted."""

    account: AccountRef
    spent_nano: int
    held_nano: int


Granted: TypeAlias = "tuple[Standing, ...]"


class _Account:
    """A locked row."""

    __slots__ = ("changed", "closes", "held", "limit", "over", "spent", "unpriced")

    def __init__(self, limit: int | None, held: int, spent: int, over: int, unpriced: int, closes: int | None) -> None:
        self.closes = closes
        self.limit = limit
        self.held = held
        self.spent = spent
        self.over = over
        self.unpriced = unpriced
        self.changed = False

    def settle(self) -> None:
        """What is above the limit is told apart; called after each change."""
        self.changed = True
        self.over = 0 if self.limit is None else max(0, self.spent + self.held - self.limit)


_Accounts: TypeAlias = "Mapping[AccountKey, _Account]"


def book(store: Store, owner: str, postings: Sequence[Posting], holds: Sequence[Hold]) -> list[Granted | Refused]:
    """Ends calls, then sets aside for new ones; the answers are in the order of `holds`. Inside a transaction."""
    accounts = _locked(store, postings, holds)
    _post(store, accounts, postings)
    # A caller who left while its hold was waiting has ended it in the same breath: it is not made at all.
    over = {(posting.call.request_id, posting.call.number) for posting in postings}
    answers = [() if (hold.call.request_id, hold.call.number) in over else _grant(accounts, hold) for hold in holds]
    granted = [
        hold
        for hold, answer in zip(holds, answers, strict=True)
        if not isinstance(answer, Refused) and (hold.call.request_id, hold.call.number) not in over
    ]
    execute_rows(store, statements.INSERT_HOLD, [hold_row(hold, owner) for hold in granted])
    for key, each in accounts.items():
        if each.changed:
            _save(store, key, each)
    return answers


def release(store: Store, hold: Hold) -> None:
    """Takes a lease back: a hold that no call was made for. Once; a second time is nothing."""
    key = (hold.call.request_id, hold.call.number)
    if not execute_values(store, statements.DELETE_HOLDS, [key]):
        return
    _weigh(store, hold, -(hold.amount_nano or 0))


def lend(store: Store, owner: str, hold: Hold) -> None:
    """Writes down a hold that a lease covered while the database was away. It is not asked whether there is room: the
    lease was that. Once; a second time is nothing, and so it is after its end."""
    key = (hold.call.request_id, hold.call.number)
    known = (
        store.execute(statements.SELECT_HOLD, key).fetchone()
        or store.execute(statements.SELECT_POSTING, key).fetchone()
    )
    if known is not None:
        return
    _weigh(store, hold, hold.amount_nano or 0)
    execute_rows(store, statements.INSERT_HOLD, [hold_row(hold, owner)])


def _weigh(store: Store, hold: Hold, amount: int) -> None:
    for key, account in _locked(store, (), (hold,)).items():
        account.held += amount
        account.settle()
        _save(store, key, account)


def _save(store: Store, key: AccountKey, account: _Account) -> None:
    store.execute(
        statements.UPDATE_ACCOUNT,
        (account.limit, account.held, account.spent, account.over, account.unpriced, account.closes, *key),
    )


# ---- accounts ------------------------------------------------------------------------------


def _locked(store: Store, postings: Iterable[Posting], holds: Iterable[Hold]) -> dict[AccountKey, _Account]:
    """The rows of all accounts concerned, made where missing, in the one order in which everybody locks them."""
    wanted: dict[AccountKey, AccountRef] = {}
    for each in (*postings, *holds):
        for ref in each.accounts:
            wanted[ref.budget, ref.subject, ref.opens_ms] = ref
    return {key: _lock(store, key, wanted[key]) for key in sorted(wanted)}


def _lock(store: Store, key: AccountKey, ref: AccountRef) -> _Account:
    select = statements.SELECT_ACCOUNT + store.for_update
    row = store.execute(select, key).fetchone()
    if row is None:
        store.execute(statements.INSERT_ACCOUNT, (*key, ref.closes_ms, ref.limit_nano))
        row = store.execute(select, key).fetchone()
    assert row is not None, "the account was made just now"
    return _Account(*row)


def _grant(accounts: _Accounts, hold: Hold) -> Granted | Refused:
    amount = hold.amount_nano or 0
    found = [(ref, accounts[ref.budget, ref.subject, ref.opens_ms]) for ref in hold.accounts]
    for ref, account in found:
        if amount and ref.limit_nano is not None and account.spent + account.held + amount > ref.limit_nano:
            return Refused(ref, account.spent, account.held, amount)
    standings: list[Standing] = []
    for ref, account in found:
        # The operator may have changed both since the account was made.
        account.limit, account.closes = ref.limit_nano, ref.closes_ms
        account.held += amount
        account.settle()
        standings.append(Standing(ref, account.spent, account.held))
    return tuple(standings)


# ---- postings ------------------------------------------------------------------------------


def _post(store: Store, accounts: _Accounts, postings: Sequence[Posting]) -> None:
    if not postings:
        return
    keys = [(posting.call.request_id, posting.call.number) for posting in postings]
    open_holds = {(str(row[0]), int(row[1])) for row in execute_values(store, statements.DELETE_HOLDS, keys)}
    booked: list[Posting] = []
    for posting in postings:
        key = (posting.call.request_id, posting.call.number)
        if key in open_holds:
            open_holds.discard(key)
            _release(accounts, posting)
            booked.append(posting)
        elif (late := _late(store, posting)) is not None:
            booked.append(late)
    for posting in booked:
        _charge(accounts, posting)
    execute_rows(store, statements.INSERT_POSTING, [posting_row(each) for each in booked])
    execute_rows(store, statements.ADD_SPEND, spend_rows(booked))


def _late(store: Store, posting: Posting) -> Posting | None:
    """What is left to book of a call whose hold is gone: nothing where it was ended before, the difference where it
    had only expired, all of it where the hold never came to be."""
    kind, call = posting.kind, posting.call
    if kind not in ("settle", "void"):
        return None
    ended = {str(row[0]): row[1] for row in store.execute(statements.SELECT_POSTING, (call.request_id, call.number))}
    if not ended:
        return posting if kind == "settle" else None
    if "expire" not in ended or "correct" in ended:
        return None
    expired = ended["expire"]
    known = posting.cost_nano is not None and expired is not None
    difference = (posting.cost_nano or 0) - (expired or 0) if known else posting.cost_nano
    return replace(posting, kind="correct", held_nano=0, cost_nano=difference)


def _release(accounts: _Accounts, posting: Posting) -> None:
    for ref in posting.accounts:
        account = accounts[ref.budget, ref.subject, ref.opens_ms]
        account.held -= posting.held_nano or 0
        account.settle()


def _charge(accounts: _Accounts, posting: Posting) -> None:
    for ref in posting.accounts:
        account = accounts[ref.budget, ref.subject, ref.opens_ms]
        account.spent += posting.cost_nano or 0
        account.unpriced += posting.cost_nano is None
        account.settle()
