"""A connection to SQLite as a `Store`. Nobody else writes while it does, so BEGIN IMMEDIATE is all its locking."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from turnout.core.errors import ConfigError, StorageUnavailable
from turnout.core.fault_point import fault_point


class SqliteStore:
    """Owned by one thread at a time."""

    for_update = ""
    errors: type[Exception] = sqlite3.Error

    def __init__(self, raw: sqlite3.Connection) -> None:
        """Takes over `raw`, which must be in autocommit (`isolation_level=None`)."""
        self.raw = raw

    @property
    def in_transaction(self) -> bool:
        return self.raw.in_transaction

    def begin(self) -> None:
        self.raw.execute("BEGIN IMMEDIATE")

    def execute(self, sql: str, params: Sequence[Any] = (), /) -> sqlite3.Cursor:
        fault_point("statement")
        return self.raw.execute(sql, params)

    def lock(self, name: str, /) -> None:
        """Nothing to do: BEGIN IMMEDIATE has locked all."""

    def commit(self) -> None:
        self.raw.execute("COMMIT")

    def rollback(self) -> None:
        if self.raw.in_transaction:
            self.raw.execute("ROLLBACK")

    def close(self) -> None:
        self.raw.close()

    def is_outage(self, error: BaseException, /) -> bool:
        # A damaged file gives the bare root of the errors, which stands for no row's fault.
        return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError

    def is_conflict(self, error: BaseException, /) -> bool:
        """Never: transactions wait for one another (the busy timeout)."""
        return False

    def ours(self, error: Exception, /) -> StorageUnavailable | ConfigError:
        return storage_error(error)


def storage_error(error: Exception, path: Path | None = None) -> StorageUnavailable | ConfigError:
    """The one place where SQLite's errors become ours: a damaged file is refused, all else may pass."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    where = str(path) if path is not None else "The database"
    if path is not None and primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return unusable(path, f"is damaged or no database ({error})")
    match primary:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            text = f"{where} is locked by another process. Where it is not shared, Turnout must be its only writer."
        case sqlite3.SQLITE_FULL:
            text = f"{where} can't grow: the disk is full. Free some space."
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            text = f"{where} is read-only. Give the server's user the right to write there."
        case _:
            text = f"{where} does not work: {error}."
    return StorageUnavailable(text, retry_after=5.0, should_retry=True)


def unusable(path: Path, what: str) -> ConfigError:
    """A file that Turnout does not start on."""
    return ConfigError(
        f"{path} {what}. Turnout does not start on an incomplete record. Put the file back from a backup, or, to begin"
        f" a new record, move {path.name}, its -wal and -shm files and turnout.id out of {path.parent}."
    )
