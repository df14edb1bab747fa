"""Brings a database to the present schema: `python -m turnout.ledger.migrate PATH` for a SQLite file, and without PATH
for the PostgreSQL database whose URL is in TURNOUT_DATABASE_URL.

It runs as a child process, because Alembic and SQLAlchemy would stay in the server's memory for the sake of one
second in its life. Who comes while another one migrates waits for it, and then finds nothing left to do.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from turnout.core.secret import Secret
from turnout.ledger.location import URL_VARIABLE

MIGRATIONS = Path(__file__).parent / "migrations"
_PATIENCE = 300
"""Seconds to wait for another process's migration."""


def upgrade(place: Path | Secret, revision: str = "head") -> None:
    """Migrates the SQLite file, made when it is missing, or the PostgreSQL database of that URL; in one transaction."""
    engine = _sqlite(place) if isinstance(place, Path) else _postgres(place)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _sqlite(path: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        # Python's sqlite3 leaves DDL outside its implicit transactions; None hands BEGIN to us, so that a migration
        # that is killed leaves nothing behind. https://docs.sqlalchemy.org/en/20/dialects/sqlite.html
        return sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE)

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", begin)
    return engine


def _postgres(url: Secret) -> Engine:
    import psycopg  # an extra

    def connect() -> psycopg.Connection:
        return psycopg.connect(url.reveal(), connect_timeout=10, fallback_application_name="turnout migrate")

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}s'")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('turnout'), hashtext('migrate'))")

    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", begin)
    return engine


def _main() -> None:
    """A driver's error becomes one line, the last: the parent shows it."""
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Secret(os.environ[URL_VARIABLE])
    try:
        upgrade(place)
    except DBAPIError as error:
        sys.exit(" ".join(str(error.orig).split()))


if __name__ == "__main__":
    _main()
