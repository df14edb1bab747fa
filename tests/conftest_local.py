"""The embedded model's real weights, fetched once and kept between runs. A plugin of `conftest.py`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from turnout.upstream.local_pull import pull
from turnout.upstream.local_weights import DEFAULT_MODEL, Weights

_ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def model_cache() -> Path:
    """A data directory that survives the run: $TURNOUT_TEST_CACHE, else `.cache` in the repository."""
    return Path(os.environ.get("TURNOUT_TEST_CACHE") or _ROOT / ".cache")


@pytest.fixture(scope="session")
def smollm2(model_cache: Path) -> Weights:
    """SmolLM2-135M-Instruct, verified. Fails, and does not skip, where it can't be had."""
    return pull(DEFAULT_MODEL, model_cache, progress=lambda doing, done, total: None).weights
