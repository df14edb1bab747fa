"""When a server may start on a data directory (fault F34), and who may write there."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from turnout.core.errors import ConfigError
from turnout.core.secret import Secret
from turnout.ledger import statements
from turnout.ledger.database import open_database, read_only
from turnout.ledger.datadir import DataDir, DirLock, holder
from turnout.ledger.migrate import upgrade


def fill(directory: DataDir) -> None:
    connection = open_database(directory, os.urandom)
    for number in range(2000):
        connection.execute(statements.UPSERT_META, (f"row{number}", "x" * 100))
    connection.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_directory_is_private(tmp_path: Path) -> None:
    """The first start makes the directory 0700 and every file in it 0600, under any umask."""
    old = os.umask(0)
    try:
        directory = DataDir(tmp_path / "a" / "data")
        with DirLock(directory):
            connection = open_database(directory, os.urandom)
            directory.pepper(None, os.urandom)
            directory.admin_key(None, os.urandom)
            modes = {file.name: mode(file) for file in directory.path.iterdir()}
            connection.close()
    finally:
        os.umask(old)

    assert mode(directory.path) == 0o700
    assert set(modes) >= {"turnout.db", "turnout.db-wal", "turnout.id", "turnout.lock", "pepper", "admin.key"}
    assert set(modes.values()) == {0o600}


def test_the_connection_is_durable(place: DataDir) -> None:
    """The writer's connection has WAL, synchronous=FULL and foreign keys."""
    connection = open_database(place, os.urandom)
    pragmas = [
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")
    ]
    connection.close()

    assert pragmas == ["wal", 2, 1]


def test_an_older_schema_is_migrated_at_start(tmp_path: Path) -> None:
    """A file of the first revision opens with the tables of the last."""
    directory = DataDir(tmp_path / "data")
    upgrade(directory.database, "0001")
    connection = open_database(directory, os.urandom)

    assert connection.execute(statements.SELECT_KEYS).fetchall() == []
    connection.close()


def test_a_deleted_database_is_refused(place: DataDir) -> None:
    """A directory that had a database and has none does not start a new record silently."""
    place.database.unlink()

    with pytest.raises(ConfigError, match="is gone"):
        open_database(place, os.urandom)


def test_a_database_cut_to_nothing_is_refused(place: DataDir) -> None:
    """An empty file is no fresh start where there was a record."""
    os.truncate(place.database, 0)

    with pytest.raises(ConfigError, match="is empty"):
        open_database(place, os.urandom)


@pytest.mark.parametrize("keep", [100, 4096, 8192, 100_000, -4096, -1])
def test_a_cut_database_is_refused(place: DataDir, keep: int) -> None:
    """A file that lost its end is refused wherever it was cut."""
    fill(place)
    os.truncate(place.database, keep if keep > 0 else place.database.stat().st_size + keep)

    with pytest.raises(ConfigError, match=r"turnout\.db"):
        open_database(place, os.urandom)


def test_an_exchanged_database_is_refused(place: DataDir, tmp_path: Path) -> None:
    """Another directory's database in the place of ours is noticed."""
    other = DataDir(tmp_path / "other")
    open_database(other, os.urandom).close()
    shutil.copy(other.database, place.database)

    with pytest.raises(ConfigError, match="not the one that was here"):
        open_database(place, os.urandom)


def test_a_database_moved_without_its_mark_is_taken(place: DataDir, tmp_path: Path) -> None:
    """A backup restored into an empty directory starts, and is marked there."""
    moved = DataDir(tmp_path / "moved")
    shutil.copy(place.database, moved.database)
    open_database(moved, os.urandom).close()

    assert moved.read("turnout.id") == place.read("turnout.id")


def test_a_newer_schema_is_refused(place: DataDir) -> None:
    """A file of a later Turnout is left alone."""
    connection = sqlite3.connect(place.database)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()

    with pytest.raises(ConfigError, match="newer Turnout"):
        open_database(place, os.urandom)


@pytest.mark.parametrize("content", [b"not a database at all" * 300, b"\x00" * 8192])
def test_garbage_is_refused(place: DataDir, content: bytes) -> None:
    """A file that is no SQLite database is refused and kept."""
    place.database.write_bytes(content)

    with pytest.raises(ConfigError, match=r"turnout\.db"):
        open_database(place, os.urandom)
    assert place.database.stat().st_size == len(content)


def test_a_foreign_database_is_refused(place: DataDir) -> None:
    """Somebody else's SQLite file is refused."""
    place.database.unlink()
    connection = sqlite3.connect(place.database)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()

    with pytest.raises(ConfigError, match="no database of Turnout"):
        open_database(place, os.urandom)


def test_a_second_process_is_refused_and_told_who_is_there(held: DataDir) -> None:
    """The lock keeps another process out and names the holder."""
    code = (
        "import sys; from pathlib import Path; from turnout.ledger.datadir import DataDir, DirLock\n"
        "DirLock(DataDir(Path(sys.argv[1])))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(held.path)], capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert f"in use by process {os.getpid()}" in done.stderr


def test_the_lock_tells_where_its_holder_listens(place: DataDir) -> None:
    """`holder` names process and address while the lock is held, and nobody after."""
    with DirLock(place) as lock:
        lock.announce("http://127.0.0.1:8080")
        found = holder(place.path)
    assert found is not None
    assert (found.pid, found.url) == (os.getpid(), "http://127.0.0.1:8080")
    assert holder(place.path) is None


def test_a_reader_can_not_write(place: DataDir) -> None:
    """A report's connection is read-only, with and without a writer beside it."""
    connection = read_only(place.database)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute(statements.UPSERT_META, ("a", "b"))
    connection.close()


def test_the_pepper_is_kept_outside_the_database(place: DataDir) -> None:
    """The pepper is made once, read again, and not in the database file."""
    first = place.pepper(None, os.urandom)

    assert first == place.pepper(None, os.urandom)
    assert first.reveal().encode() not in place.database.read_bytes()
    with pytest.raises(ConfigError, match="TURNOUT_PEPPER"):
        place.pepper(Secret("short"), os.urandom)
