"""Calls to a running server's admin API, and the choice between that and the data directory.

A running server is the only writer of its database, so a command that changes something asks the server. When none
runs, the command takes the directory's lock and writes by itself. It also does where servers share the record: they
notice.
"""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import urlsplit

import click
import orjson

from turnout.cli.options import config_option, data_dir_option
from turnout.core.errors import ConfigError, StorageUnavailable, TurnoutError
from turnout.core.json import JsonObject
from turnout.core.secret import Secret
from turnout.core.settings import find_config, read_settings
from turnout.ledger.datadir import DataDir, holder
from turnout.ledger.location import Location, location_of

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a command works: a data directory, and the server to ask when there is one."""

    path: Path
    location: Location
    url: str | None
    admin_key: Secret | None

    def call(self, method: str, path: str, body: JsonObject | None = None) -> JsonObject:
        """The answer of the server's admin API. Raises ConfigError where its word is no."""
        assert self.url is not None, "ask a server only where there is one"
        key = self.admin_key or _key_file(self.path)
        return admin_call(self.url, key, method, path, body)


def find_place(config: Path | None, data_dir: Path | None, url: str | None, environ: Mapping[str, str]) -> Place:
    """The place the options name: `url`, else the server that holds the data directory, else the directory itself."""
    location = _location(config, data_dir, environ)
    path = location.directory
    given = environ.get("TURNOUT_ADMIN_KEY")
    held = None if url or location.shared else holder(path)
    if held is not None and held.url is None:
        raise ConfigError(
            f"Process {held.pid} holds {path} and does not listen yet, or is another command. Try again in a moment."
        )
    key = Secret(given) if given else None
    return Place(path=path, location=location, url=url or (held.url if held else None), admin_key=key)


def admin_call(url: str, key: Secret, method: str, path: str, body: JsonObject | None = None) -> JsonObject:
    """One call. Goes straight to the server, past any proxy. Raises ConfigError with the server's own message when it
    refuses, StorageUnavailable when it can't be reached."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        raise ConfigError(f"'{url}' is not the address of a server, such as http://127.0.0.1:8080.")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=15)
    headers = {"Authorization": f"Bearer {key.reveal()}", "Content-Type": "application/json"}
    try:
        payload = None if body is None else orjson.dumps(body)
        connection.request(method, parts.path.rstrip("/") + path, body=payload, headers=headers)
        answer = connection.getresponse()
        status, raw = answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise StorageUnavailable(f"The server at {url} can't be reached: {error}.") from error
    finally:
        connection.close()
    said = _object(raw)
    if status >= 400 or said is None:
        raise ConfigError(f"The server at {url} answered {status}: {_message(said)}")
    return said


def place_options(command: F) -> F:
    """The options that every command on a data directory takes."""
    for option in (
        click.option(
            "--url", envvar="TURNOUT_URL", help="A running server. Default: the one that holds the directory."
        ),
        data_dir_option,
        config_option,
    ):
        command = option(command)
    return command


def place_of(config: Path | None, data_dir: Path | None, url: str | None) -> Place:
    """`find_place` with this process's environment."""
    return find_place(config, data_dir, url, os.environ)


def data_dir_of(config: Path | None, data_dir: Path | None) -> Path:
    """The data directory, for commands that only read."""
    return data_dir or read_settings(find_config(config, os.environ), os.environ).storage.dir


def location_of_record(config: Path | None, data_dir: Path | None) -> Location:
    """Where the record is, for commands that only read."""
    return _location(config, data_dir, os.environ)


def _location(config: Path | None, data_dir: Path | None, environ: Mapping[str, str]) -> Location:
    return location_of(read_settings(find_config(config, environ), environ).storage, environ, data_dir)


@contextmanager
def told() -> Generator[None]:
    """Shows our errors as one sentence and exits with 1."""
    try:
        yield
    except TurnoutError as error:
        raise click.ClickException(error.message) from error


def _key_file(path: Path) -> Secret:
    text = DataDir(path).read("admin.key") if path.is_dir() else None
    if text is None:
        raise ConfigError(f"Set TURNOUT_ADMIN_KEY: there is no administrator's key at {path / 'admin.key'}.")
    return Secret(text)


def _object(raw: bytes) -> JsonObject | None:
    try:
        read: object = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return cast(JsonObject, read) if isinstance(read, dict) else None


def _message(said: JsonObject | None) -> str:
    error = said.get("error") if said else None
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else "no message that this command can read."
