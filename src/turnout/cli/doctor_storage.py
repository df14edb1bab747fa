"""Checks of what is kept: data directory, disk, database, weights of the embedded model. Reads only."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from turnout.cli.doctor_books import books
from turnout.cli.finding import Finding, ok, problem, warning
from turnout.core.errors import TurnoutError
from turnout.core.settings_model import Settings
from turnout.ledger.datadir import DATABASE, holder
from turnout.ledger.location import Location, location_of
from turnout.ledger.opening import read_store
from turnout.ledger.schema import REVISIONS
from turnout.ledger.sqlite_store import storage_error
from turnout.upstream.local_gguf import read_gguf
from turnout.upstream.local_weights import find_weights

MIB = 1 << 20
_LITTLE = 1024 * MIB
_TOO_LITTLE = 64 * MIB


def storage(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Everything below the data directory, and the weights wherever they are."""
    path = settings.storage.dir
    yield directory(path)
    yield disk(shutil.disk_usage(_nearest(path)).free)
    try:
        location = location_of(settings.storage, environ)
    except TurnoutError as error:
        yield problem("database", error.message, "Correct the setting.")
        return
    yield database(path) if location.url is None else server(location)
    added_up = books(location)
    if added_up is not None:
        yield added_up
    yield lock(path)
    if (
        location.url is None
        and (path / DATABASE).exists()
        and not (path / "pepper").exists()
        and not environ.get("TURNOUT_PEPPER", "").strip()
    ):
        yield problem(
            "pepper",
            f"There is a database and no {path / 'pepper'}: no key that is stored can be verified.",
            "Put the file back from a backup, or set $TURNOUT_PEPPER to what was in it.",
        )
    if settings.local.enabled:
        yield weights(path, settings.local.model)


def directory(path: Path) -> Finding:
    """Whether the data directory is there, ours and closed to others."""
    name = "data directory"
    if not path.exists():
        parent = _nearest(path)
        if not os.access(parent, os.W_OK | os.X_OK):
            return problem(name, f"{path} is missing, and {parent} is not writable.", "Create it, or set another one.")
        return ok(name, f"{path} will be made at the first start.")
    if not path.is_dir():
        return problem(name, f"{path} is not a directory.", "Set another one in `[storage] dir` or $TURNOUT_HOME.")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return problem(name, f"{path} is not writable.", "Give it to the user that runs the server.")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return warning(name, f"{path} is open to other users (mode {mode:04o}).", f"Run `chmod 700 {path}`.")
    return ok(name, f"{path} (mode {mode:04o})")


def disk(free: int) -> Finding:
    """Free space where the database is. Without any, no request is served."""
    told = f"{free // MIB:,} MiB are free."
    if free < _TOO_LITTLE:
        return problem("disk", told, "Free some space: what can't be recorded is not served.")
    if free < _LITTLE:
        return warning("disk", told, "Free some space before it runs out: what can't be recorded is not served.")
    return ok("disk", told)


def database(path: Path) -> Finding:
    """Whether the database can be read, and which schema it has."""
    file = path / DATABASE
    if not file.exists():
        if (path / "turnout.id").exists():
            return problem(
                "database",
                f"{file} is gone, and {path / 'turnout.id'} says that there was one.",
                "Put it back from a backup; or remove turnout.id as well, to begin with an empty record.",
            )
        return ok("database", "none yet; it is made at the first start.")
    try:
        revision = _revision(file)
    except sqlite3.Error as error:
        return problem("database", storage_error(error, file).message, "Put it back from a backup.")
    if revision in REVISIONS[:-1]:
        return ok("database", f"schema {revision}; it is brought to {REVISIONS[-1]} at the next start.")
    if revision != REVISIONS[-1]:
        return problem(
            "database", f"{file} has the unknown schema {revision}.", "A newer Turnout wrote it: start that one."
        )
    return ok("database", f"schema {revision}, {file.stat().st_size / MIB:.1f} MiB")


def server(location: Location) -> Finding:
    """Whether PostgreSQL can be reached and has this version's schema."""
    try:
        with closing(read_store(location)):
            return ok("database", f"{location}, schema {REVISIONS[-1]}")
    except TurnoutError as error:
        return problem("database", error.message, "Start it, or correct its URL; an older schema is migrated at start.")


def _revision(file: Path) -> str:
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=2.0)) as connection:
        row: tuple[str] | None = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return row[0] if row else "none"


def lock(path: Path) -> Finding:
    """Who uses the data directory now."""
    found = holder(path)
    if found is None:
        return ok("lock", "free: no server runs on this directory.")
    where = f", which listens at {found.url}" if found.url else ", which does not listen yet"
    return ok("lock", f"held by process {found.pid}{where}.")


def weights(path: Path, model: str) -> Finding:
    """Whether the embedded model's file is there and its header can be read."""
    try:
        found = find_weights(path, model)
    except TurnoutError as error:
        return warning("weights", error.message, "`turnout up` fetches them too.")
    try:
        header = read_gguf(found.path)
    except TurnoutError as error:
        return problem("weights", error.message, f"Run `turnout local pull {model}`.")
    return ok("weights", f"{found.name}: {header.parameters:,} parameters, {header.quantisation}, {found.path}")


def _nearest(path: Path) -> Path:
    """The path, or the nearest directory above it that is there."""
    for each in (path.absolute(), *path.absolute().parents):
        if each.is_dir():
            return each
    return Path("/")
