"""Changes of keys in a running server: the database first, then the ring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from turnout.core.clock import Clock
from turnout.core.ids import RandomBytes
from turnout.core.secret import Secret
from turnout.ledger.keyring import KeyRing
from turnout.ledger.keys import Issued, KeyMaker, KeyRow, KeySpec, keys_version, list_keys
from turnout.ledger.store import Store
from turnout.ledger.writer import Writer


class _Keys(NamedTuple):
    """All rows, at a version."""

    version: str
    rows: list[KeyRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStore:
    """What the admin API calls. `actor` is the id of the administrator's key. All raise StorageUnavailable."""

    writer: Writer
    ring: KeyRing
    pepper: Secret
    clock: Clock
    random_bytes: RandomBytes

    async def create(self, spec: KeySpec, actor: str) -> Issued:
        maker = self._maker(actor)
        issued = await self.writer.run(lambda store: maker.create(store, spec))
        self.ring.put(issued.row)
        return issued

    async def revoke(self, key_id: str, actor: str) -> KeyRow:
        """Raises NotFound."""
        maker = self._maker(actor)
        row = await self.writer.run(lambda store: maker.revoke(store, key_id))
        self.ring.put(row)
        return row

    async def rotate(self, key_id: str, actor: str, grace: timedelta = timedelta(0)) -> Issued:
        """Raises NotFound, InvalidField when it is revoked."""
        maker = self._maker(actor)
        issued = await self.writer.run(lambda store: maker.rotate(store, key_id, grace))
        self.ring.put(issued.row)
        return issued

    async def list(self) -> list[KeyRow]:
        return await self.writer.run(list_keys)

    async def refresh(self) -> None:
        """Takes over what other processes did to the keys since the last call. Costs one small read where that is
        nothing."""
        found = await self.writer.run(self._changed)
        if found is not None:
            self.ring.version = found.version
            self.ring.replace_rows(found.rows)

    def _changed(self, store: Store) -> _Keys | None:
        version = keys_version(store)
        return None if version == self.ring.version else _Keys(version, list_keys(store))

    def _maker(self, actor: str) -> KeyMaker:
        return KeyMaker(pepper=self.pepper, random_bytes=self.random_bytes, now=self.clock.now(), actor=actor)
