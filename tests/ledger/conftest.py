"""A migrated data directory per test, copied from one made once: a migration takes a second."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from turnout.ledger.database import open_database
from turnout.ledger.datadir import DataDir, DirLock


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
