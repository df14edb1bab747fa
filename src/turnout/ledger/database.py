"""Opening the SQLite file, so that a server never starts on a record that is lost, foreign, torn or of the future.

The one read-write connection of a process belongs to `writer`, and it is the only one that checkpoints: SQLite before
3.51.3 can corrupt a WAL file that two connections write or checkpoint at once (https://sqlite.org/wal.html, "the
WAL-reset bug"). `DirLock` keeps other processes away. Where several processes share the file, it has a rollback journal
instead (TRUNCATE, which `synchronous=FULL` makes durable); a report then holds up their commits while it reads.
Readers open `read_only`.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from turnout.core.errors import ConfigError, StorageUnavailable
from turnout.core.ids import RandomBytes
from turnout.ledger import statements
from turnout.ledger.datadir import DataDir
from turnout.ledger.schema import REVISIONS, migrate_in_child
from turnout.ledger.sqlite_store import SqliteStore, storage_error, unusable

_QUICK_CHECK_BYTES = 16 * 1024 * 1024
"""Files up to this size are checked page by page at start (about 0.1 s); larger ones by header and length only."""


def open_database(
    directory: DataDir, random_bytes: RandomBytes, *, busy_ms: int | None = None, shared: bool = False
) -> SqliteStore:
    """The read-write connection, its file created or migrated as needed. Hold the directory's lock, shared where other
    processes may write as well.

    Raises ConfigError when the file is missing though it was there, exchanged, cut, damaged, no database of ours, or
    of a newer Turnout; StorageUnavailable when it can't be opened or written now.
    """
    path = directory.database
    mark = directory.read(directory.mark.name)
    try:
        size = path.stat().st_size if path.exists() else None
    except OSError as error:
        raise StorageUnavailable(f"{path} can't be reached: {error.strerror}.") from error
    if not size:
        if mark is not None:
            what = "is gone" if size is None else "is empty"
            raise unusable(path, f"{what}, and {directory.mark} says that there was a record in it")
        _migrate(path)
    try:
        connection = _prepare(path, _Manner(busy_ms or (10_000 if shared else 2000), shared))
        _check_identity(directory, connection, mark, random_bytes)
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
    return SqliteStore(connection)


class _Manner(NamedTuple):
    """How a file is opened."""

    busy_ms: int
    """How long to wait for another connection: a shared file has many, and SQLite's waiting is not fair."""
    shared: bool


def read_only(path: Path) -> SqliteStore:
    """A connection that can't write, for reports; it does not wait for the writer. Raises ConfigError when there is
    no database of this version's schema there."""
    if not path.exists():
        raise ConfigError(f"There is no database at {path}. Start `turnout serve` once, or name its data directory.")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2.0)
        revision = _revision(connection)
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
    if revision != REVISIONS[-1]:
        connection.close()
        raise ConfigError(f"{path} has the schema {revision or 'of something else'}, not {REVISIONS[-1]}.")
    return SqliteStore(connection)


def _prepare(path: Path, manner: _Manner) -> sqlite3.Connection:
    path.chmod(0o600)  # before WAL, whose files take the mode of the database
    connection = _connect(path, manner)
    try:
        revision = _revision(connection)
        if revision is None:
            raise unusable(path, "is no database of Turnout")
        if revision not in REVISIONS:
            raise ConfigError(
                f"{path} has schema {revision}, which this version does not know (it knows up to {REVISIONS[-1]})."
                " It was written by a newer Turnout: start that one."
            )
        if revision != REVISIONS[-1]:
            connection.close()
            _migrate(path)
            connection = _connect(path, manner)
        _check_whole(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path, manner: _Manner) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=manner.busy_ms / 1000,
        isolation_level=None,  # BEGIN and COMMIT are the writer's own
        check_same_thread=False,  # opened at start, then used by the writer's thread alone
    )
    for pragma in (
        f"PRAGMA journal_mode={'TRUNCATE' if manner.shared else 'WAL'}",
        "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
        "PRAGMA journal_size_limit=67108864",
    ):
        connection.execute(pragma)
    return connection


def _revision(connection: sqlite3.Connection) -> str | None:
    try:
        row = connection.execute(statements.SELECT_VERSION).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    return str(row[0]) if row else None


def _check_whole(path: Path, connection: sqlite3.Connection) -> None:
    """Raises ConfigError when the file is shorter than its header says or a small file's pages don't fit together."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = int(connection.execute("PRAGMA page_count").fetchone()[0])
    page = int(connection.execute("PRAGMA page_size").fetchone()[0])
    size = path.stat().st_size
    if size < pages * page:
        raise unusable(path, f"was cut: it has {size} bytes of {pages * page}")
    if size <= _QUICK_CHECK_BYTES:
        verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if verdict != "ok":
            raise unusable(path, f"is damaged ({verdict})")


def _check_identity(
    directory: DataDir, connection: sqlite3.Connection, mark: str | None, random_bytes: RandomBytes
) -> None:
    """Gives a new file its id; raises ConfigError when the file is not the one this directory had."""
    connection.execute(statements.INSERT_META, ("id", random_bytes(16).hex()))
    own = str(connection.execute(statements.SELECT_META, ("id",)).fetchone()[0])
    if mark is None:
        directory.write_private(directory.mark.name, own)
    elif mark != own:
        connection.close()
        raise unusable(directory.database, f"is not the one that was here: {directory.mark} names another id")


def _migrate(path: Path) -> None:
    migrate_in_child(str(path), [str(path)], {})
