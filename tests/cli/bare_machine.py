"""A machine without any configuration, for commands that read the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def make_bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Removes the providers' keys and our own variables; returns the data directory, which is not there yet."""
    for name in list(os.environ):
        if name.endswith(("_KEY", "_ENDPOINT")) or name.startswith("TURNOUT_") or "proxy" in name.lower():
            monkeypatch.delenv(name)
    monkeypatch.setenv("TURNOUT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"
