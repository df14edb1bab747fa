"""Fetching secrets from variables and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from turnout.core.errors import ConfigError
from turnout.core.problems import ConfigProblems
from turnout.core.secret import Secret
from turnout.core.secret_source import read_given_keys, read_secret
from turnout.core.settings import settings_from
from turnout.core.settings_model import SecretSource
from turnout.core.toml_source import parse_toml

KEYS = """
[[keys]]
name = "app"
secret_env = "APP"
[[keys]]
name = "ops"
secret_env = "OPS"
"""


def test_spaces_and_line_ends_around_a_secret_are_no_part_of_it(tmp_path: Path) -> None:
    """Editors and `echo` leave them."""
    (tmp_path / "key").write_text("sk-a\r\n")

    assert read_secret(SecretSource(file="key"), {}, tmp_path) == Secret("sk-a")
    assert read_secret(SecretSource(env="K"), {"K": " sk-a "}, tmp_path) == Secret("sk-a")


@pytest.mark.parametrize("text", ["", "  ", "sk a", "sk-a\nsk-b", "sk-ä", "sk\x00a"])
def test_what_can_not_be_a_header_is_refused_unseen(text: str, tmp_path: Path) -> None:
    """The message names the place and not the secret."""
    (tmp_path / "key").write_text(text)

    for source, place in ((SecretSource(env="K"), "K"), (SecretSource(file="key"), "'key'")):
        with pytest.raises(ConfigError) as caught:
            read_secret(source, {"K": text}, tmp_path)
        assert place in caught.value.message
        assert "sk" not in caught.value.message


def test_given_keys_come_with_their_secrets() -> None:
    """In the order of the file."""
    settings = settings_from(parse_toml(KEYS), {"HOME": "/h"})
    found = read_given_keys(settings, {"APP": "a" * 16, "OPS": "b" * 16})

    assert [(key.settings.name, key.secret) for key in found] == [("app", Secret("a" * 16)), ("ops", Secret("b" * 16))]


@pytest.mark.parametrize(
    ("environ", "line", "said"),
    [
        ({"APP": "a" * 16}, 7, "OPS is not set"),
        ({"APP": "a" * 16, "OPS": "short"}, 7, "shorter than 16"),
        ({"APP": "a" * 16, "OPS": "a" * 16}, 7, "the key 'app' has the same secret"),
    ],
)
def test_a_key_without_a_secret_of_its_own_is_told_with_its_line(environ: dict[str, str], line: int, said: str) -> None:
    """A weak or shared secret would let one caller be another."""
    settings = settings_from(parse_toml(KEYS), {"HOME": "/h"})

    with pytest.raises(ConfigProblems) as caught:
        read_given_keys(settings, environ)

    (problem,) = caught.value.problems
    assert problem.line == line
    assert said in problem.message
