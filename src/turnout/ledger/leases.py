"""What a process may spend while the database is away: amounts that it set aside beforehand, in the budgets it uses.

Off unless the operator sets `[money] outage_allowance`. Then each process keeps a lease of that amount in every account
that it used lately: a hold like any other, so that nobody else can spend it. While the database is away, a call is
begun if what it can cost fits into the leases of all its budgets; its hold and its end wait in the spill file. Near a
limit the leases of several processes may keep room that nobody uses: that is the price of going on.

State: owned by the event loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from turnout.core.errors import StorageUnavailable
from turnout.ledger.bookkeeping import release
from turnout.ledger.posting import LEASE, AccountRef, Call, Hold, Refused
from turnout.ledger.posting_rows import AccountKey
from turnout.ledger.writer import Writer

LIFETIME = timedelta(hours=2)
"""How long a lease stands; it is renewed when half of that is left. Others give it up no sooner, however long its
process was silent: it may go on by it, out of their sight."""
_IDLE = timedelta(minutes=10)
_MOST = 1_000
"""Accounts with a lease; per-user budgets can have more than that, and those come first that were used last."""


@dataclass(slots=True)
class _Lease:
    hold: Hold
    left: int


@dataclass(slots=True)
class Leases:
    """The leases of one process."""

    amount_nano: int
    """Of each lease, and of all calls together that fall under no hard budget."""
    _used: dict[AccountKey, tuple[AccountRef, datetime]] = field(
        default_factory=dict["AccountKey", "tuple[AccountRef, datetime]"]
    )
    _leases: dict[AccountKey, _Lease] = field(default_factory=dict["AccountKey", "_Lease"])
    _spent_outside: int = 0
    """By calls under no hard budget, since the database was last there."""
    _made: int = 0

    def note(self, accounts: Sequence[AccountRef], now: datetime) -> None:
        """These accounts are in use."""
        for ref in accounts:
            if ref.limit_nano is not None:
                self._used[ref[:3]] = (ref, now)

    def take(self, hold: Hold) -> bool:
        """Takes a hold's amount out of the leases; or nothing, where one has no room."""
        amount = hold.amount_nano
        if amount is None:
            return False
        limited = [ref for ref in hold.accounts if ref.limit_nano is not None]
        found = [
            lease
            for ref in limited
            # Till the call is over, nobody else may spend the lease.
            if (lease := self._leases.get(ref[:3])) and lease.left >= amount and lease.hold.expires_at > hold.expires_at
        ]
        if len(found) < len(limited) or (not limited and self._spent_outside + amount > self.amount_nano):
            return False
        self._change(hold, -amount)
        return True

    def give_back(self, hold: Hold, amount: int) -> None:
        """What a hold took and did not need."""
        self._change(hold, amount)

    def _change(self, hold: Hold, by: int) -> None:
        limited = [ref for ref in hold.accounts if ref.limit_nano is not None]
        for ref in limited:
            lease = self._leases.get(ref[:3])
            if lease is not None:  # it may have been made anew meanwhile, and is no larger for it
                lease.left = min(lease.left + by, self.amount_nano)
        if not limited:
            self._spent_outside = max(self._spent_outside - by, 0)

    async def renew(self, writer: Writer, now: datetime) -> None:
        """Makes the leases whole again, in the accounts that are in use. Raises StorageUnavailable, and then what is
        left of them stays good."""
        self._forget(now)
        wanted = dict(sorted(self._used.items(), key=lambda each: each[1][1], reverse=True)[:_MOST])
        for key in [key for key, lease in self._leases.items() if self._is_stale(key, lease, wanted, now)]:
            hold = self._leases[key].hold
            await writer.run(lambda store, hold=hold: release(store, hold))
            del self._leases[key]
        for key, (ref, _) in wanted.items():
            if key not in self._leases:
                hold = self._hold(ref, writer.owner, now)
                if not isinstance(await writer.reserve(hold), Refused):
                    self._leases[key] = _Lease(hold, self.amount_nano)
        self._spent_outside = 0

    async def release_all(self, writer: Writer) -> None:
        """Gives everything back at the end. What can't be now is given up when others see that this process is gone."""
        for lease in list(self._leases.values()):
            try:
                await writer.run(lambda store, hold=lease.hold: release(store, hold))
            except StorageUnavailable:
                return
        self._leases.clear()

    def _forget(self, now: datetime) -> None:
        now_ms = now.timestamp() * 1000
        for key, (ref, used) in list(self._used.items()):
            if used < now - _IDLE or (ref.closes_ms is not None and ref.closes_ms <= now_ms):
                del self._used[key]

    def _is_stale(
        self, key: AccountKey, lease: _Lease, wanted: dict[AccountKey, tuple[AccountRef, datetime]], now: datetime
    ) -> bool:
        return key not in wanted or lease.left != self.amount_nano or lease.hold.expires_at < now + LIFETIME / 2

    def _hold(self, ref: AccountRef, owner: str, now: datetime) -> Hold:
        self._made += 1
        call = Call(
            request_id=f"{LEASE}{owner}",
            number=self._made,
            key_id="",
            route="",
            deployment="",
            provider="",
            model="",
            channel="",
            started_at=now,
        )
        return Hold(call=call, expires_at=now + LIFETIME, amount_nano=self.amount_nano, sunk_nano=0, accounts=(ref,))
