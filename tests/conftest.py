"""Fixtures that more than one folder uses come from the plugins named here."""

from __future__ import annotations

pytest_plugins = ["conftest_local"]
