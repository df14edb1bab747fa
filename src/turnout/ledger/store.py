"""The seam between the ledger and a database: what `writer`, `keys`, `audit` and the rest ask of a connection.

One connection, one thread at a time. Statements are texts of `statements` with `?` for each value, the same for every
database. Rows are tuples: integers, texts, bytes, None; a truth is a bool or 0 and 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from turnout.core.errors import ConfigError, StorageUnavailable


class Cursor(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """Rows that an INSERT, UPDATE or DELETE touched."""
        ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Store(Protocol):
    """A connection to the database. What its methods raise is the driver's (`errors`) and is told apart here."""

    @property
    def for_update(self) -> str:
        """What ends a SELECT whose rows the same transaction then changes: ` FOR UPDATE`, or nothing where a
        transaction has the database to itself."""
        ...

    @property
    def errors(self) -> type[Exception]:
        """The root of the driver's exceptions."""
        ...

    @property
    def in_transaction(self) -> bool: ...

    def begin(self) -> None:
        """Begins a transaction that is going to write. Connects again first where the connection was lost."""
        ...

    def execute(self, sql: str, params: Sequence[object] = (), /) -> Cursor: ...

    def lock(self, name: str, /) -> None:
        """Waits until no other transaction has the lock of that name, and keeps it until this transaction ends.
        Needed before a read on which an INSERT depends, since no row is there to be locked."""
        ...

    def commit(self) -> None: ...

    def rollback(self) -> None:
        """Ends the transaction, and does not raise where the connection is lost: then it has ended already."""
        ...

    def close(self) -> None: ...

    def is_outage(self, error: BaseException, /) -> bool:
        """Whether the database failed: no fault of the rows, and other rows would fare no better."""
        ...

    def is_conflict(self, error: BaseException, /) -> bool:
        """Whether the transaction met another one and does well to be run again."""
        ...

    def ours(self, error: Exception, /) -> StorageUnavailable | ConfigError:
        """The driver's exception as one of ours, without any secret."""
        ...
