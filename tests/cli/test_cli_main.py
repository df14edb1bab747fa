"""The command line as a whole."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from turnout.cli.main import COMMANDS, main


def _loaded(code: str) -> set[str]:
    """The modules of a fresh interpreter after it ran `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('\\n' + ' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_help_imports_no_command() -> None:
    """It needs click and our error classes only, so it answers at once."""
    loaded = _loaded("from turnout.cli.main import main\nmain(['--help'], standalone_mode=False)")

    assert {name for name in loaded if name.startswith("turnout.")} == {
        "turnout.cli",
        "turnout.cli.main",
        "turnout.core",
        "turnout.core.errors",
    }
    assert not loaded & {"rich", "orjson", "sqlalchemy", "httptools"}


def test_the_serving_command_imports_no_reporting() -> None:
    """What reports need would stay in the server's memory."""
    loaded = _loaded(
        "import click\nfrom turnout.cli.main import main\nassert main.get_command(click.Context(main), 'serve')"
    )

    assert "turnout.app" in loaded
    assert not loaded & {"rich", "sqlalchemy", "alembic"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_explains_itself(name: str) -> None:
    """The table's names lead to commands with a help text."""
    result = CliRunner().invoke(main, [name, "--help"])

    assert result.exit_code == 0, result.output
    assert f"turnout {name}" in CliRunner().invoke(main, [name, "--help"], prog_name="turnout").output


def test_help_lists_every_command() -> None:
    """With a line for each."""
    output = CliRunner().invoke(main, ["--help"]).output
    for name, lazy in COMMANDS.items():
        assert f"  {name} " in output
        assert lazy.help.split(".")[0] in " ".join(output.split())


def test_the_version_is_the_package_s() -> None:
    """For bug reports."""
    assert CliRunner().invoke(main, ["--version"]).output == f"turnout {version('turnout')}\n"


def test_an_unknown_command_is_refused() -> None:
    """With click's own status."""
    result = CliRunner().invoke(main, ["srve"])

    assert result.exit_code == 2
    assert "No such command 'srve'" in result.output


def test_the_module_is_the_command(tmp_path: Path) -> None:
    """`python -m turnout` works where the script is not on the path."""
    done = subprocess.run(
        [sys.executable, "-m", "turnout", "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("turnout ")
