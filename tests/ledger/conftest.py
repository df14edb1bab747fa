"""A migrated record per test, copied from one made once: a migration takes a second."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import postgres
import pytest
from ledger_places import PEPPER, Record

from turnout.core.secret import Secret
from turnout.ledger.database import open_database
from turnout.ledger.datadir import DataDir, DirLock
from turnout.ledger.location import Location
from turnout.ledger.opening import open_store


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = DataDir(tmp_path_factory.mktemp("migrated") / "data")
    open_database(directory, os.urandom).close()
    return directory.path


@pytest.fixture
def place(migrated: Path, tmp_path: Path) -> DataDir:
    shutil.copytree(migrated, tmp_path / "data")
    return DataDir(tmp_path / "data")


@pytest.fixture
def held(place: DataDir) -> Iterator[DataDir]:
    with DirLock(place):
        yield place


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    with postgres.server(deadlock_timeout="100ms") as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a migrated database."""
    url = postgres_server.database()
    location = Location(directory=tmp_path_factory.mktemp("template"), url=Secret(url))
    open_store(location, DataDir(location.directory), PEPPER, os.urandom).close()
    return url.rpartition("/")[2]


@pytest.fixture
def postgres_record(postgres_server: postgres.Server, postgres_template: str, tmp_path: Path) -> Record:
    url = postgres_server.database(postgres_template)
    return Record(Location(directory=tmp_path / "replica", url=Secret(url)))


@pytest.fixture(params=["sqlite", "shared sqlite", "postgres"])
def a_record(request: pytest.FixtureRequest, tmp_path: Path) -> Record:
    """The same on each kind of database."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_record")
    place: DataDir = request.getfixturevalue("place")
    return Record(Location(directory=place.path, shared=request.param != "sqlite"))


@pytest.fixture(params=["shared sqlite", "postgres"])
def shared_record(request: pytest.FixtureRequest) -> Record:
    """Where several processes may write."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_record")
    place: DataDir = request.getfixturevalue("place")
    return Record(Location(directory=place.path, shared=True))
