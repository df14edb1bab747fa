"""The tables, the migrations and the statements say the same."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import bindparam, create_engine, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from turnout.ledger import statements, tables
from turnout.ledger.migrate import MIGRATIONS, upgrade
from turnout.ledger.schema import REVISIONS


def text_of(statement: object) -> str:
    return " ".join(str(statement.compile(dialect=sqlite.dialect())).split())  # type: ignore[attr-defined]


def test_inserts_are_what_the_tables_compile_to() -> None:
    """The statements of the hot path equal SQLAlchemy's own for the tables."""
    ignore = sqlite.insert(tables.requests).on_conflict_do_nothing()
    assert text_of(ignore) == statements.INSERT_REQUEST
    assert text_of(sqlite.insert(tables.attempts).on_conflict_do_nothing()) == statements.INSERT_ATTEMPT
    assert text_of(sqlite.insert(tables.keys)) == statements.INSERT_KEY
    columns = [column for column in tables.audit.c if column.name != "seq"]
    values = {column.name: bindparam(column.name) for column in columns}
    assert text_of(sqlite.insert(tables.audit).values(values)) == statements.INSERT_AUDIT


def test_key_statements_are_what_the_tables_compile_to() -> None:
    """Reading and changing keys name the columns that exist, in the order of the table."""
    keys = tables.keys
    assert text_of(select(keys).order_by(keys.c.created_ms, keys.c.id)) == statements.SELECT_KEYS
    revoke = update(keys).where(keys.c.id == bindparam("i"), keys.c.revoked_ms.is_(None))
    assert (
        text_of(revoke.values(old_hash=None, old_until_ms=None, revoked_ms=bindparam("r"))).replace(
            "old_hash=?, old_until_ms=?", "old_hash=NULL, old_until_ms=NULL"
        )
        == statements.REVOKE_KEY
    )
    rotate = update(keys).where(keys.c.id == bindparam("i"), keys.c.revoked_ms.is_(None))
    assert text_of(rotate.values(hash=bindparam("h"), old_hash=None, old_until_ms=None)) == statements.ROTATE_KEY


def test_the_head_of_the_migrations_equals_the_tables(tmp_path: Path) -> None:
    """Migrating an empty file gives exactly the metadata's tables, checks included."""
    upgrade(tmp_path / "a.db")
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
        made = dict(connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all())
    engine.dispose()
    for table in tables.metadata.sorted_tables:  # compare_metadata does not look at checks
        checks = [word for word in text_of(CreateTable(table)).split(", ") if "CHECK" in word]
        assert all(check.strip(" )") in " ".join(made[table.name].split()) for check in checks)


def test_the_known_revisions_are_those_of_the_migrations() -> None:
    """The server's list of revisions is the migrations' chain, oldest first."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    chain = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]

    assert tuple(reversed(chain)) == REVISIONS


def test_the_previous_schema_is_upgraded_with_its_rows(tmp_path: Path) -> None:
    """A file of the revision before the last keeps its rows."""
    path = tmp_path / "a.db"
    upgrade(path, REVISIONS[-2])
    with sqlite3.connect(path) as connection:
        connection.execute(statements.UPSERT_META, ("id", "me"))
    connection.close()
    upgrade(path)
    connection = sqlite3.connect(path)

    assert connection.execute(statements.SELECT_META, ("id",)).fetchone() == ("me",)
    assert connection.execute(statements.SELECT_VERSION).fetchone() == (REVISIONS[-1],)
    connection.close()


def test_the_serving_modules_do_not_import_sqlalchemy() -> None:
    """Opening, writing and verifying keys cost no import of SQLAlchemy or Alembic."""
    code = (
        "import sys, turnout.ledger.keystore, turnout.ledger.retention, turnout.gateway.limits;"
        "sys.exit(any(m in sys.modules for m in ('sqlalchemy', 'alembic')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
