"""Where the record is: a SQLite file in the data directory, or a PostgreSQL database that several servers share.

Knows addresses only, no driver. The URL of a PostgreSQL database holds its password, so it is a `Secret`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from turnout.core.errors import ConfigError
from turnout.core.secret import Secret
from turnout.core.settings_model import StorageSettings
from turnout.ledger.datadir import DATABASE

URL_VARIABLE = "TURNOUT_DATABASE_URL"
_SCHEMES = ("postgresql", "postgres")


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """One record."""

    directory: Path
    """The data directory: lock, pepper, administrator's key; the SQLite file too, where there is no URL."""
    url: Secret | None = None
    """Of a PostgreSQL database."""
    shared: bool = False
    """Several processes of this machine write the SQLite file."""

    @property
    def file(self) -> Path:
        """The SQLite file; without meaning where there is a URL."""
        return self.directory / DATABASE

    @property
    def several(self) -> bool:
        """Whether other processes may write the same record."""
        return self.shared or self.url is not None

    def __str__(self) -> str:
        """Such as `PostgreSQL at db.example:5432/turnout`, without user and password."""
        return str(self.file) if self.url is None else f"PostgreSQL at {_place(self.url)}"

    def redact(self, text: str) -> str:
        """The text without the URL's password, however it is written."""
        for word in () if self.url is None else _passwords(self.url):
            text = text.replace(word, "***")
        return text


def location_of(storage: StorageSettings, environ: Mapping[str, str], directory: Path | None = None) -> Location:
    """Where the settings put the record; `directory` takes the place of `[storage] dir`. Raises ConfigError."""
    name = storage.database_url_env or URL_VARIABLE
    text = environ.get(name, "").strip()
    if not text:
        if storage.database_url_env is not None:
            raise ConfigError(
                f"`[storage] database_url_env` names {name}, which is not set or empty. Put the URL of the PostgreSQL"
                " database there, or take the key out to keep the record in SQLite."
            )
        return Location(directory=directory or storage.dir, shared=storage.shared)
    if storage.shared:
        raise ConfigError(f"`[storage] shared` is for SQLite, and ${name} names PostgreSQL. Take one of the two out.")
    _check(text, name)
    return Location(directory=directory or storage.dir, url=Secret(text))


def _check(text: str, name: str) -> None:
    """The message never holds the text."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ConfigError(_NO_URL.format(name)) from None
    if parts.scheme not in _SCHEMES or not text.startswith(f"{parts.scheme}://"):
        raise ConfigError(_NO_URL.format(name))


_NO_URL = "${} is not the URL of a PostgreSQL database. It looks like postgresql://user:password@host:5432/database."


def _place(url: Secret) -> str:
    parts = urlsplit(url.reveal())
    hosts = parts.netloc.rpartition("@")[2] or dict(parse_qsl(parts.query)).get("host", "the local socket")
    return f"{unquote(hosts)}{parts.path}"


def _passwords(url: Secret) -> list[str]:
    """Longest first, so that none leaves a part of itself."""
    parts = urlsplit(url.reveal())
    written = parts.netloc.rpartition("@")[0].partition(":")[2]
    asked = [value for key, value in parse_qsl(parts.query) if key in ("password", "sslpassword")]
    found = {url.reveal(), written, unquote(written), *asked}
    return sorted(filter(None, found), key=len, reverse=True)
