"""Opens the record wherever it is: SQLite or PostgreSQL. The one place that imports psycopg's side of the ledger, and
only where a URL asks for it."""

from __future__ import annotations

from types import ModuleType

from turnout.core.errors import ConfigError
from turnout.core.ids import RandomBytes
from turnout.core.secret import Secret
from turnout.ledger.database import open_database, read_only
from turnout.ledger.datadir import DataDir
from turnout.ledger.location import Location
from turnout.ledger.store import Store


def open_store(location: Location, directory: DataDir, pepper: Secret, random_bytes: RandomBytes) -> Store:
    """The connection that writes. Hold the directory's lock. Raises ConfigError where the record must not be written,
    StorageUnavailable where it can't be now."""
    if location.url is None:
        return open_database(directory, random_bytes, shared=location.shared)
    require_driver()
    from turnout.ledger.postgres_database import open_postgres

    return open_postgres(location, directory, pepper, random_bytes)


def read_store(location: Location) -> Store:
    """A connection that can't write. Raises as `open_store`."""
    if location.url is None:
        return read_only(location.file)
    require_driver()
    from turnout.ledger.postgres_database import read_postgres

    return read_postgres(location)


def require_driver() -> ModuleType:
    """Raises ConfigError where psycopg is not installed."""
    try:
        import psycopg
    except ImportError as error:
        raise ConfigError(
            "A PostgreSQL database is set, and its driver is not installed. Run `pip install 'turnout[postgres]'`."
        ) from error
    return psycopg
