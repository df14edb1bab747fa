"""Checks of the machine: Python, SQLite, optional packages, file descriptors, clock, certificates."""

from __future__ import annotations

import importlib.util
import platform
import resource
import sqlite3
import ssl
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from turnout.cli.finding import Finding, ok, problem, warning
from turnout.core.clock import SystemClock
from turnout.core.settings_model import Settings

_OLDEST_PYTHON = (3, 11)
_WAL_RESET_FIXED = (3, 51, 3)
"""https://sqlite.org/wal.html, "the WAL-reset bug"."""
_RELEASED = datetime(2026, 1, 1, tzinfo=UTC)
"""Turnout did not exist before; a clock that says so is wrong."""


def machine(settings: Settings | None, *, calls_https: bool) -> Iterator[Finding]:
    """What does not depend on files of ours. Without settings, what depends on them is left out."""
    yield python()
    yield ok(
        "platform", f"{platform.system()} {platform.release()}, {platform.machine()}, Turnout {version('turnout')}."
    )
    yield sqlite()
    if settings is not None:
        yield from extras(settings)
        yield descriptors(settings.server.max_requests_in_flight)
    yield clock(SystemClock().now())
    yield certificates(ssl.get_default_verify_paths(), needed=calls_https)


def python(found: tuple[int, int, int] | None = None) -> Finding:
    """The interpreter's version."""
    found = found or (sys.version_info.major, sys.version_info.minor, sys.version_info.micro)
    shown = ".".join(map(str, found))
    if found < _OLDEST_PYTHON:
        return problem("python", f"{shown} is too old.", "Install Python 3.11 or newer.")
    return ok("python", shown)


def sqlite(found: tuple[int, int, int] | None = None) -> Finding:
    """The SQLite that Python was built with."""
    found = found or (sqlite3.sqlite_version_info[0], sqlite3.sqlite_version_info[1], sqlite3.sqlite_version_info[2])
    shown = ".".join(map(str, found))
    if found >= _WAL_RESET_FIXED:
        return ok("sqlite", shown)
    return ok(
        "sqlite",
        f"{shown}, which has the WAL-reset bug (fixed in 3.51.3). It needs two writers, and Turnout is the only one: "
        "open the file only for reading while the server runs.",
    )


def extras(settings: Settings) -> Iterator[Finding]:
    """Optional packages that the settings ask for."""
    if settings.local.enabled:
        if importlib.util.find_spec("xllamacpp") is None:
            yield warning(
                "extra 'local'",
                "xllamacpp is not installed, so the embedded model can't run.",
                "Install xllamacpp (the extra `local`), or set `[local] enabled = false`.",
            )
        else:
            yield ok("extra 'local'", f"xllamacpp {version('xllamacpp')}")
    if settings.telemetry.otlp_endpoint is not None and importlib.util.find_spec("opentelemetry") is None:
        yield problem(
            "extra 'otel'",
            "`[telemetry] otlp_endpoint` is set, and OpenTelemetry is not installed.",
            "Install the extra `otel`, or remove the setting.",
        )


def descriptors(requests: int, soft: int | None = None) -> Finding:
    """Whether the process may open enough files: a request takes two sockets."""
    if soft is None:
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    needed = 2 * requests + 64
    if soft != resource.RLIM_INFINITY and soft < needed:
        return warning(
            "file descriptors",
            f"{soft} may be open; {requests} requests at once need about {needed}.",
            f"Raise the limit (`ulimit -n {needed}`, or LimitNOFILE= in systemd), or lower "
            "`[server] max_requests_in_flight`.",
        )
    return ok("file descriptors", "no limit" if soft == resource.RLIM_INFINITY else f"{soft} may be open")


def clock(now: datetime) -> Finding:
    """Whether the time can be right: certificates and the expiry of keys depend on it."""
    if now < _RELEASED:
        return problem("clock", f"It says {now:%Y-%m-%d}.", "Set the clock, and let NTP keep it.")
    return ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def certificates(paths: ssl.DefaultVerifyPaths, *, needed: bool) -> Finding:
    """Whether the system has authorities to check providers' certificates by."""
    if paths.cafile and Path(paths.cafile).is_file():
        return ok("certificates", paths.cafile)
    if paths.capath and any(Path(paths.capath).glob("*.0")):
        return ok("certificates", paths.capath)
    say = problem if needed else warning
    return say(
        "certificates",
        "The system has no certificate authorities, so no https provider can be reached.",
        "Install the package ca-certificates, or point $SSL_CERT_FILE at a bundle.",
    )
