"""Every example in the documents works, against the server that the quick start starts."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from documented_server import QuickStart
from markdown_blocks import Block, blocks

from turnout.catalogue.load import wanted_local_model
from turnout.catalogue.reload import load
from turnout.cli.main import main
from turnout.core.settings import read_settings

WRITTEN = "http://127.0.0.1:4000"
KEYS = {
    name: f"sk-{name}-0123456789"
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "APP_KEY", "BATCH_KEY", "TURNOUT_KEY")
}
LANGUAGES = {"python": {"run"}, "sh": {"", "run", "client"}, "console": {"", "run"}, "toml": {"", "client"}}
"""The blocks that there are, by what happens to them. `client` is for programs that are not ours."""


def _chosen(*kinds: str) -> list[Block]:
    return [block for block in blocks() if f"{block.language} {block.mark}".strip() in kinds]


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_every_block_has_a_known_kind(block: Block) -> None:
    """So that none escapes the tests below by a typing mistake."""
    assert block.mark in LANGUAGES.get(block.language, set())


@pytest.mark.parametrize("block", _chosen("python run"), ids=str)
def test_a_python_example_runs(block: Block, quick_start: QuickStart) -> None:
    """It ends well and prints something."""
    code = block.text.replace(WRITTEN, quick_start.url)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=quick_start.home,
        env=quick_start.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("block", _chosen("sh run"), ids=str)
def test_a_shell_example_runs(block: Block, quick_start: QuickStart) -> None:
    """Every command in it ends well, and something is printed."""
    script = "set -euo pipefail\n" + block.text.replace(WRITTEN, quick_start.url)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=quick_start.home,
        env=quick_start.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize(
    ("block", "command"),
    [pytest.param(block, each, id=f"{block} {each}") for block in _chosen("console run") for each in block.commands],
)
def test_a_command_runs(block: Block, command: str, quick_start: QuickStart) -> None:
    """It ends with 0 on the machine of somebody who followed the quick start."""
    done = subprocess.run(
        shlex.split(command),
        cwd=quick_start.home,
        env=quick_start.environ,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [each for block in _chosen("console") for each in block.commands])
def test_a_command_that_is_not_run_has_options_that_exist(command: str) -> None:
    """Commands that serve or download are parsed, and go no further."""
    name, *arguments = shlex.split(command)
    assert name == "turnout"
    chosen: click.Command = main
    context = click.Context(main)
    while isinstance(chosen, click.Group):
        found = chosen.get_command(context, arguments[0])
        assert found is not None, arguments[0]
        chosen, arguments = found, arguments[1:]
    chosen.make_context(name, arguments, resilient_parsing=False)


@pytest.mark.parametrize("block", _chosen("toml"), ids=str)
def test_a_configuration_example_loads(block: Block, tmp_path: Path) -> None:
    """Each is a whole file that the server takes."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/anthropic").write_text("sk-ant-documented-0123456789\n")
    file = tmp_path / "turnout.toml"
    file.write_text(block.text)
    environ = KEYS | {"HOME": str(tmp_path)}
    loaded = load(file, environ, local_model=wanted_local_model(read_settings(file, environ)))

    assert loaded.settings.file == file


@pytest.mark.parametrize("block", _chosen("toml client"), ids=str)
def test_a_client_s_configuration_is_toml_and_names_our_address(block: Block) -> None:
    """What another program makes of it is not tested here."""
    tomllib.loads(block.text)

    assert WRITTEN in block.text
