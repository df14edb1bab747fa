"""Brings a database file to the present schema: `python -m turnout.ledger.migrate PATH`.

It runs as a child process, because Alembic and SQLAlchemy would stay in the server's memory for the sake of one
second in its life. The parent holds the lock of the data directory, so nobody else writes.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, NullPool, create_engine, event

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(path: Path, revision: str = "head") -> None:
    """Migrates the file at `path` in one transaction, creating the file when it is missing."""
    with _engine(path).begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _engine(path: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        # Python's sqlite3 leaves DDL outside its implicit transactions; None hands BEGIN to us, so that a migration
        # that is killed leaves nothing behind. https://docs.sqlalchemy.org/en/20/dialects/sqlite.html
        return sqlite3.connect(path, isolation_level=None)

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", begin)
    return engine


if __name__ == "__main__":
    upgrade(Path(sys.argv[1]))
