"""Keeps the settings and the catalogue that are in use, and replaces both at once when the files change.

Owns nothing but the pair in use and what the files looked like when it was read: no thread, task or timer. The app asks
`changed()` from time to time and calls `reload()` then, or on SIGHUP.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from turnout.catalogue.load import LocalModel, build_catalogue
from turnout.catalogue.model import Catalogue
from turnout.core.problems import ConfigProblems, Problem
from turnout.core.secret_source import GivenKey, config_dir, read_given_keys
from turnout.core.settings import read_settings
from turnout.core.settings_model import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings and the catalogue that was made from them."""

    settings: Settings
    catalogue: Catalogue
    given_keys: tuple[GivenKey, ...] = ()
    """The `[[keys]]` with their secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadResult:
    """What came of reading the files again."""

    swapped: bool
    """Whether `current` is new. False also where the files say what is in use already."""
    problems: tuple[Problem, ...] = ()
    """Why the files can't be used; what was in use stays."""
    needs_restart: tuple[str, ...] = ()
    """Keys whose new value takes effect after a restart only."""


_RESTART: tuple[tuple[str, Callable[[Settings], object]], ...] = (
    ("server.host", lambda settings: settings.server.host),
    ("server.port", lambda settings: settings.server.port),
    ("server.header_timeout", lambda settings: settings.server.header_timeout),
    ("server.drain_seconds", lambda settings: settings.server.drain_seconds),
    ("server.keepalive_seconds", lambda settings: settings.server.keepalive_seconds),
    ("server.max_requests_in_flight", lambda settings: settings.server.max_requests_in_flight),
    ("server.cors_origins", lambda settings: settings.server.cors_origins),
    ("storage.dir", lambda settings: settings.storage.dir),
    ("storage.shared", lambda settings: settings.storage.shared),
    ("storage.database_url_env", lambda settings: settings.storage.database_url_env),
    ("log.level", lambda settings: settings.log.level),
    ("log.format", lambda settings: settings.log.format),
    ("breaker", lambda settings: settings.breaker),
    ("retry.budget", lambda settings: settings.retry.budget),
    ("local", lambda settings: settings.local),
    ("telemetry", lambda settings: settings.telemetry),
)

_Stamp: TypeAlias = "tuple[int, int] | None"
"""Time of change in nanoseconds, and size; None for a file that is not there."""


def load(path: Path | None, environ: Mapping[str, str], *, local_model: LocalModel | None) -> Loaded:
    """Reads the file, checks everything, makes the catalogue. Raises ConfigProblems."""
    return loaded_from(read_settings(path, environ), environ, local_model=local_model)


def loaded_from(settings: Settings, environ: Mapping[str, str], *, local_model: LocalModel | None) -> Loaded:
    """The same for settings that are read already."""
    problems: list[Problem] = []
    given_keys: tuple[GivenKey, ...] = ()
    try:
        given_keys = read_given_keys(settings, environ)
    except ConfigProblems as error:
        problems.extend(error.problems)
    try:
        catalogue = build_catalogue(settings, environ, local_model=local_model)
    except ConfigProblems as error:
        raise ConfigProblems([*problems, *error.problems]) from error
    if problems:
        raise ConfigProblems(problems)
    return Loaded(settings=settings, catalogue=catalogue, given_keys=given_keys)


class Reloader:
    """Holds the pair in use as `current`, which is replaced in one step and never changed."""

    def __init__(self, path: Path | None, environ: Mapping[str, str], *, local_model: LocalModel | None) -> None:
        """Reads for the first time. Raises ConfigProblems."""
        self._path = path
        self._environ = environ
        self._local_model = local_model
        self.current = load(path, environ, local_model=local_model)
        self._remember()

    def changed(self) -> bool:
        """Whether the files hold something else than at the last reading. Cheap while time and size stay equal."""
        stamps = self._look()
        if stamps == self._stamps:
            return False
        if self._digest() != self._hash:
            return True
        self._stamps = stamps
        return False

    def stamp(self) -> object:
        """What the files look like now. Two equal ones, some time apart, say that nobody is writing them."""
        return self._look()

    def reload(self) -> ReloadResult:
        """Reads again; swaps if all is well, else keeps what is in use and says why."""
        watched = self._files()
        self._remember()
        try:
            new = load(self._path, self._environ, local_model=self._local_model)
        except ConfigProblems as error:
            return ReloadResult(swapped=False, problems=error.problems)
        running = self.current.settings
        waiting = tuple(name for name, value in _RESTART if value(new.settings) != value(running))
        swapped = dataclasses.replace(new, settings=_with_fixed(new.settings, running))
        if swapped == self.current:
            return ReloadResult(swapped=False, needs_restart=waiting)
        self.current = swapped
        if self._files() != watched:
            self._remember()
        return ReloadResult(swapped=True, needs_restart=waiting)

    def _files(self) -> list[Path]:
        """The settings file and every file that holds a secret, so that a rotated key is noticed."""
        if self._path is None:
            return []
        settings = self.current.settings
        sources = [entry.api_key for entry in settings.providers.values()] + [key.secret for key in settings.keys]
        return [self._path, *(config_dir(settings) / source.file for source in sources if source.file)]

    def _remember(self) -> None:
        """Takes the look of the files before they are read, so that a write during the reading is noticed later."""
        self._stamps, self._hash = self._look(), self._digest()

    def _look(self) -> tuple[_Stamp, ...]:
        return tuple(_stamp(path) for path in self._files())

    def _digest(self) -> bytes:
        digest = hashlib.sha256()
        for path in self._files():
            try:
                text = path.read_bytes()
            except OSError:
                text = b""
            digest.update(len(text).to_bytes(8, "big") + text)
        return digest.digest()


def _stamp(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _with_fixed(new: Settings, running: Settings) -> Settings:
    """The new settings with what can't change in a running process left as it is."""
    server = dataclasses.replace(
        running.server, max_body_bytes=new.server.max_body_bytes, body_timeout=new.server.body_timeout
    )
    return dataclasses.replace(
        new,
        server=server,
        log=dataclasses.replace(running.log, requests=new.log.requests),
        breaker=running.breaker,
        retry=dataclasses.replace(new.retry, budget=running.retry.budget),
        storage=running.storage,
        local=running.local,
        telemetry=running.telemetry,
    )
