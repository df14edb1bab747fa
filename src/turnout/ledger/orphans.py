"""Holds that nobody will end any more: of processes that died, and overdue ones. They are given up as `expire`.

Each process says that it lives every `BEAT_SECONDS`; where others can write too, one that was silent for
`DEAD_SECONDS` counts as dead. What a dead process was doing when it died is not known; the prompt's cost is taken as
spent, marked as estimated, and the rest of the hold goes back to its budgets.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

from turnout.core.clock import Clock
from turnout.core.errors import StorageUnavailable
from turnout.core.fault_point import fault_point
from turnout.ledger import statements
from turnout.ledger.bookkeeping import book, release
from turnout.ledger.leases import Leases
from turnout.ledger.posting import LEASE
from turnout.ledger.posting_rows import expiry_of, hold_of
from turnout.ledger.rows import to_ms
from turnout.ledger.store import Store
from turnout.ledger.writer import Writer

BEAT_SECONDS = 10.0
DEAD_SECONDS = 35.0
_CHUNK = 200
_EXCLUSIVE = timedelta(days=-1)


class Presence:
    """This process among those that write the same record: says that it lives, and gives up what the dead held."""

    def __init__(self, writer: Writer, clock: Clock, *, several: bool, leases: Leases | None = None) -> None:
        """`several`: other processes may live too. Else every other one is dead: this one has the directory's lock."""
        self._writer = writer
        self._clock = clock
        self._patience = timedelta(seconds=DEAD_SECONDS) if several else _EXCLUSIVE
        self._started = clock.now()
        self.several = several
        self._leases = leases

    async def beat(self) -> int:
        """Says that it lives, and ends what nobody else will. Returns how many holds it gave up. Raises
        StorageUnavailable."""
        now, owner = self._clock.now(), self._writer.owner
        await self._writer.run(lambda store: beat(store, owner, self._started, now))
        ended = 0
        while more := await self._writer.run(lambda store: self._give_up(store, now)):
            ended += more
        if self._leases is not None:
            await self._leases.renew(self._writer, now)
        return ended

    def _give_up(self, store: Store, now: datetime) -> int:
        return give_up(store, self._writer.owner, now, now - self._patience, leases=not self.several)

    async def leave(self) -> None:
        """This process ends. Its holds are all ended by now; should one be left, the next process gives it up."""
        owner = self._writer.owner
        if self._leases is not None:
            await self._leases.release_all(self._writer)
        with contextlib.suppress(StorageUnavailable):
            await self._writer.run(lambda store: leave(store, owner))


def beat(store: Store, owner: str, started: datetime, now: datetime) -> None:
    """This process lives."""
    store.execute(statements.UPSERT_INSTANCE, (owner, to_ms(started), to_ms(now)))


def leave(store: Store, owner: str) -> None:
    """This process ends; whatever it should still hold is given up by the next that looks."""
    store.execute(statements.DELETE_INSTANCE, (owner,))


def give_up(store: Store, owner: str, now: datetime, dead_before: datetime, *, leases: bool = True) -> int:
    """Ends up to 200 holds of processes that were last seen before then, and of any that are overdue. Returns how
    many; call it again until that is 0. `leases`: those of silent processes too, which are surely dead. Inside a
    transaction."""
    select = statements.SELECT_ORPHANS if leases else statements.SELECT_ORPHANS_OF_OTHERS
    rows = store.execute(select, (owner, to_ms(dead_before), to_ms(now), _CHUNK)).fetchall()
    if rows:
        fault_point("give up")
    calls = [row for row in rows if not str(row[0]).startswith(LEASE)]
    if calls:
        book(store, owner, [expiry_of(row, now) for row in calls], [])
    for row in rows:
        if str(row[0]).startswith(LEASE):
            release(store, hold_of(row))
    return len(rows)
