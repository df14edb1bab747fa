"""Opening a PostgreSQL record, so that a replica never starts on one that is of the future, foreign or not its own.

Replicas may start at once: an advisory lock lets one of them migrate while the others wait.
"""

from __future__ import annotations

import hmac

import psycopg

from turnout.core.errors import ConfigError, StorageUnavailable
from turnout.core.ids import RandomBytes
from turnout.core.secret import Secret
from turnout.ledger import statements
from turnout.ledger.datadir import DataDir
from turnout.ledger.location import URL_VARIABLE, Location
from turnout.ledger.postgres_store import PostgresLimits, PostgresStore, postgres_error
from turnout.ledger.schema import REVISIONS, migrate_in_child

MARK = "postgres.id"
"""The file of the data directory that names the database it belongs to."""


def open_postgres(
    location: Location,
    directory: DataDir,
    pepper: Secret,
    random_bytes: RandomBytes,
    limits: PostgresLimits | None = None,
) -> PostgresStore:
    """The connection that writes, its schema made or migrated as needed.

    Raises ConfigError when the database is of a newer Turnout, of something else, another one than before, or was
    begun with another pepper; StorageUnavailable when it can't be reached or migrated now.
    """
    try:
        store = _with_schema(location, limits)
        try:
            _check_identity(location, directory, store, random_bytes)
            _check_pepper(location, store, pepper)
        except BaseException:
            store.close()
            raise
    except psycopg.Error as error:
        raise postgres_error(error, location) from None
    return store


def read_postgres(location: Location, limits: PostgresLimits | None = None) -> PostgresStore:
    """A connection that can't write, for reports. Raises ConfigError when this version's schema is not there."""
    try:
        store = PostgresStore(location, limits, writes=False)
        revision = _revision(store)
    except psycopg.Error as error:
        raise postgres_error(error, location) from None
    if revision != REVISIONS[-1]:
        store.close()
        if revision is None:
            raise ConfigError(
                f"There are no tables of Turnout at {location}. Start `turnout serve` once, or correct the URL."
            )
        raise ConfigError(f"{location} has the schema {revision}, not {REVISIONS[-1]}.")
    return store


def _with_schema(location: Location, limits: PostgresLimits | None) -> PostgresStore:
    store = PostgresStore(location, limits)
    revision = _revision(store)
    if revision is not None and revision not in REVISIONS:
        store.close()
        raise ConfigError(
            f"{location} has schema {revision}, which this version does not know (it knows up to {REVISIONS[-1]})."
            " Either a newer Turnout wrote it: start that one. Or another program has its tables there: give Turnout a"
            " database or a schema of its own."
        )
    if revision == REVISIONS[-1]:
        return store
    store.close()
    _migrate(location)
    return PostgresStore(location, limits)


def _revision(store: PostgresStore) -> str | None:
    """None where there is no schema of ours, or an empty one."""
    try:
        row = store.execute(statements.SELECT_VERSION).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return str(row[0]) if row else None


def _check_identity(location: Location, directory: DataDir, store: PostgresStore, random_bytes: RandomBytes) -> None:
    """Gives a new database its id; raises ConfigError where it is not the one that this directory had."""
    own = _keep(store, "id", random_bytes(16).hex())
    mark = directory.read(MARK)
    if mark is None:
        directory.write_private(MARK, own)
    elif mark != own:
        raise ConfigError(
            f"{location} is not the database that {directory.path} belonged to: its id is another one. Was it emptied,"
            f" or is the URL wrong? If it is meant so, remove {directory.path / MARK}."
        )


def _check_pepper(location: Location, store: PostgresStore, pepper: Secret) -> None:
    """Raises ConfigError where this replica would refuse the keys that the others make."""
    own = hmac.digest(pepper.reveal().encode(), b"turnout pepper check", "sha256").hex()
    if not hmac.compare_digest(own, _keep(store, "pepper_check", own)):
        raise ConfigError(
            f"This server's pepper is not the one that {location} was begun with, so it would refuse every key made"
            " elsewhere. Set TURNOUT_PEPPER on every replica to what stands in the file `pepper` of the first one."
        )


def _keep(store: PostgresStore, name: str, value: str) -> str:
    """What stands under that name, whoever came first."""
    store.execute(statements.INSERT_META, (name, value))
    row = store.execute(statements.SELECT_META, (name,)).fetchone()
    assert row is not None, "the row was there or was made"
    return str(row[0])


def _migrate(location: Location) -> None:
    assert location.url is not None, "only PostgreSQL is migrated here"
    try:
        # Not as an argument: those are public.
        migrate_in_child(str(location), (), {URL_VARIABLE: location.url.reveal()})
    except StorageUnavailable as error:
        raise StorageUnavailable(location.redact(error.message)) from None
