"""The server that every example is run against."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from documented_server import QuickStart, quick_started

from turnout.upstream.local_weights import Weights


@pytest.fixture(scope="session")
def quick_start(smollm2: Weights, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickStart]:
    """Up for the whole run."""
    with quick_started(tmp_path_factory.mktemp("reader"), smollm2) as server:
        yield server
