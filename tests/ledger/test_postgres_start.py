"""When a server may start on a PostgreSQL database, and what its errors say."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from ledger_places import PEPPER, Record
from postgres import PASSWORD, Server
from sqlalchemy import create_engine

from turnout.core.errors import ConfigError, StorageUnavailable, TurnoutError
from turnout.core.secret import Secret
from turnout.core.settings_model import StorageSettings
from turnout.ledger import statements, tables
from turnout.ledger.datadir import DataDir
from turnout.ledger.location import Location, location_of
from turnout.ledger.migrate import upgrade
from turnout.ledger.opening import open_store
from turnout.ledger.queries import reading
from turnout.ledger.schema import REVISIONS


def change(record: Record, statement: str) -> None:
    assert record.location.url is not None
    with psycopg.connect(record.location.url.reveal(), autocommit=True) as connection:
        connection.execute(statement.encode())


def test_the_head_of_the_migrations_equals_the_tables(postgres_record: Record) -> None:
    """An empty database gets exactly the metadata's tables, with 64 bits where SQLite has them."""
    url = postgres_record.location.url
    assert url is not None
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url.reveal()))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
    engine.dispose()
    small = postgres_record.rows(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type = 'integer'"
    )
    assert {name for _, name in small} == {"number", "status", "concurrency"}


def test_the_previous_schema_is_upgraded_with_its_rows(postgres_server: Server, tmp_path: Path) -> None:
    """A database of the revision before the last keeps its rows."""
    url = Secret(postgres_server.database())
    upgrade(url, REVISIONS[-2])
    record = Record(Location(directory=tmp_path, url=url))
    change(record, "INSERT INTO meta VALUES ('mine', 'kept')")
    record.open().close()

    assert record.rows("SELECT value FROM meta WHERE name = 'mine'") == [("kept",)]
    assert record.rows(statements.SELECT_VERSION) == [(REVISIONS[-1],)]


def test_replicas_that_start_at_once_make_one_schema(postgres_server: Server, tmp_path: Path) -> None:
    """Three replicas on an empty database: one migrates, all of them start."""
    url = Secret(postgres_server.database())

    def start(number: int) -> None:
        Record(Location(directory=tmp_path / str(number), url=url)).open().close()

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(start, range(3)))
    marks = {(tmp_path / str(number) / "postgres.id").read_text() for number in range(3)}
    assert len(marks) == 1


def test_a_replica_with_another_pepper_is_refused(postgres_record: Record, tmp_path: Path) -> None:
    """It would refuse every key that the others made; the sentence names the variable."""
    place = replace(postgres_record.location, directory=tmp_path / "second")

    with pytest.raises(ConfigError, match="TURNOUT_PEPPER"):
        open_store(place, DataDir(place.directory), Secret("q" * 64), os.urandom)
    assert PEPPER.reveal() not in str(postgres_record.rows("SELECT * FROM meta"))


def test_another_database_than_before_is_refused(
    postgres_record: Record, postgres_server: Server, tmp_path: Path
) -> None:
    """An emptied database, or the URL of another one, does not begin a new record silently."""
    postgres_record.open().close()
    other = replace(postgres_record.location, url=Secret(postgres_server.database()))

    with pytest.raises(ConfigError, match=r"not the database that .* belonged to"):
        Record(other).open()


def test_a_newer_or_foreign_schema_is_refused(postgres_record: Record) -> None:
    """It is left as it is, for the server and for reports."""
    change(postgres_record, "UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(ConfigError, match="newer Turnout"):
        postgres_record.open()
    with pytest.raises(ConfigError, match="schema 9999"), reading(postgres_record.location):
        pass


def test_an_empty_database_has_no_reports(postgres_server: Server, tmp_path: Path) -> None:
    """A report makes no schema."""
    place = Location(directory=tmp_path, url=Secret(postgres_server.database()))

    with pytest.raises(ConfigError, match="There are no tables of Turnout at"), reading(place):
        pass


def test_a_user_without_rights_hears_which(postgres_server: Server, tmp_path: Path) -> None:
    """A migration that may not create tables says so in one sentence."""
    url = postgres_server.database()
    postgres_server.execute("DROP ROLE IF EXISTS guest")
    postgres_server.execute("CREATE ROLE guest LOGIN PASSWORD 'guest-pass'")
    place = Location(directory=tmp_path, url=Secret(url.replace(f"turnout:{PASSWORD}", "guest:guest-pass")))

    with pytest.raises(StorageUnavailable, match="permission denied for schema public"):
        Record(place).open()


@pytest.mark.parametrize(
    "wrong",
    [
        "postgresql://turnout:{word}@127.0.0.1:1/turnout",
        "postgresql://turnout:{word}@127.0.0.1:99999999/turnout",
        "postgresql://turnout:{word}@no-such-host.invalid/turnout",
        "postgresql://turnout:{word}%zz@127.0.0.1/turnout",
        "postgresql://127.0.0.1:1/turnout?user=turnout&password={word}",
        "postgresql://turnout:{word}@127.0.0.1/turnout?nonsense=1",
        "postgresql://turnout:{word}@[::1/turnout",
        "mysql://turnout:{word}@127.0.0.1/turnout",
        "host=127.0.0.1 password={word}",
    ],
)
def test_no_error_holds_the_password(wrong: str, tmp_path: Path) -> None:
    """Whatever is wrong with the URL, it is told without the password, in messages and in what caused them."""
    word = "hunter2-secret"
    environ = {"TURNOUT_DATABASE_URL": wrong.format(word=word)}
    with pytest.raises(TurnoutError) as caught:
        place = location_of(StorageSettings(dir=tmp_path), environ)
        assert word not in str(place) + repr(place)
        Record(place).open()

    error: BaseException | None = caught.value
    while error is not None:
        assert word not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_a_wrong_password_is_told_and_hidden(postgres_record: Record, postgres_server: Server) -> None:
    """The server's refusal is ours to answer: a 503, never a 401."""
    assert postgres_record.location.url is not None
    url = postgres_record.location.url.reveal().replace(PASSWORD, "not-it-at-all")

    with pytest.raises(StorageUnavailable, match="password authentication failed") as caught:
        Record(replace(postgres_record.location, url=Secret(url))).open()
    assert caught.value.status == 503
    assert "not-it-at-all" not in caught.value.message


def test_the_url_comes_from_the_variable_that_the_settings_name(tmp_path: Path) -> None:
    """A variable that is named and missing is an error, and so are two kinds of storage at once."""
    environ = {"MY_DB": "postgres://h/db", "TURNOUT_DATABASE_URL": "postgresql://u:p@a:1,b:2/other"}
    named = StorageSettings(dir=tmp_path, database_url_env="MY_DB")

    assert str(location_of(named, environ)) == "PostgreSQL at h/db"
    assert str(location_of(StorageSettings(dir=tmp_path), environ)) == "PostgreSQL at a:1,b:2/other"
    assert location_of(StorageSettings(dir=tmp_path), {}).url is None
    with pytest.raises(ConfigError, match="MY_DB, which is not set"):
        location_of(named, {})
    with pytest.raises(ConfigError, match="shared"):
        location_of(StorageSettings(dir=tmp_path, shared=True), environ)


def test_without_the_driver_the_extra_is_named(tmp_path: Path) -> None:
    """And without a URL, serving imports neither psycopg nor SQLAlchemy."""
    code = (
        "import sys, turnout.app; assert not {'psycopg', 'sqlalchemy', 'alembic'} & set(sys.modules);"
        "sys.modules['psycopg'] = None\n"
        "from turnout.ledger.opening import require_driver\n"
        "require_driver()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "pip install 'turnout[postgres]'" in done.stderr
