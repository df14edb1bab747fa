"""Fetches secrets from where the settings say they are. The settings themselves never hold one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from turnout.core.errors import ConfigError
from turnout.core.secret import Secret
from turnout.core.settings_model import KeySettings, SecretSource, Settings
from turnout.core.toml_table import Problems

SHORTEST_KEY = 16
"""Characters. A virtual key is the only thing between the internet and the bill."""
_LARGEST_FILE = 64 * 1024


def read_secret(source: SecretSource, environ: Mapping[str, str], base: Path) -> Secret:
    """The secret that a source names; a relative file starts at `base`. Raises ConfigError when there is none."""
    if source.file is not None:
        return clean_secret(_file_text(base / source.file), f"the file '{source.file}'")
    assert source.env is not None, "a source names a variable or a file"
    return clean_secret(environ.get(source.env, ""), f"the environment variable {source.env}")


def clean_secret(text: str, place: str) -> Secret:
    """A secret without the spaces and line ends around it. Raises ConfigError where it is empty or can't be sent."""
    text = text.strip()
    if not text:
        raise ConfigError(f"{place} is not set or empty.")
    if not all("!" <= character <= "~" for character in text):
        raise ConfigError(f"{place} holds a space, a line break or a character that is not ASCII.")
    return Secret(text)


def _file_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE).decode("ascii", errors="replace")
    except OSError as error:
        raise ConfigError(f"the file '{path}' can't be read: {error.strerror or error}.") from error


class GivenKey(NamedTuple):
    """A key of the settings with its secret."""

    settings: KeySettings
    secret: Secret


def read_given_keys(settings: Settings, environ: Mapping[str, str]) -> tuple[GivenKey, ...]:
    """Every `[[keys]]` with its secret. Raises ConfigProblems with all that are missing, too short or given twice."""
    problems = Problems(settings.positions)
    found: dict[Secret, GivenKey] = {}
    for index, key in enumerate(settings.keys):
        path = ("keys", index, "secret_file" if key.secret.file else "secret_env")
        try:
            secret = read_secret(key.secret, environ, config_dir(settings))
        except ConfigError as error:
            problems.add(path, error.message)
            continue
        if len(secret.reveal()) < SHORTEST_KEY:
            problems.add(
                path, f"the secret is shorter than {SHORTEST_KEY} characters. `openssl rand -hex 24` makes one."
            )
        elif secret in found:
            problems.add(path, f"the key '{found[secret].settings.name}' has the same secret.")
        found[secret] = GivenKey(key, secret)
    problems.raise_any()
    return tuple(found.values())


def config_dir(settings: Settings) -> Path:
    """Where relative paths of the settings start."""
    return settings.file.parent if settings.file is not None else Path()
