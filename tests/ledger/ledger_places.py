"""A record wherever it is, for tests that must hold on each kind of database."""

from __future__ import annotations

import os
from dataclasses import dataclass

from turnout.core.secret import Secret
from turnout.ledger.datadir import DataDir
from turnout.ledger.location import Location
from turnout.ledger.opening import open_store, read_store
from turnout.ledger.store import Store

PEPPER = Secret("p" * 64)


@dataclass(frozen=True)
class Record:
    """A record somewhere, for tests that must hold wherever it is."""

    location: Location

    def open(self) -> Store:
        """As a server opens it."""
        return open_store(self.location, DataDir(self.location.directory), PEPPER, os.urandom)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What another connection sees."""
        store = read_store(self.location)
        try:
            return store.execute(query).fetchall()
        finally:
            store.close()

    def count(self, table: str) -> int:
        return int(str(self.rows(f"SELECT count(*) FROM {table}")[0][0]))
