"""`turnout local`, as its user sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from turnout.cli.local import local
from turnout.upstream.local_weights import Weights


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TURNOUT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TURNOUT_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(local, arguments)


def test_a_model_s_life(smollm2: Weights, home: Path) -> None:
    """Listed as missing, pulled, pulled again, listed, inspected, verified, removed."""
    assert "not here; `turnout local pull smollm2-135m-instruct` (Apache-2.0)" in run("list").output
    assert "is here, verified" in run("pull", str(smollm2.path)).output
    assert "was already here, verified" in run("pull").output
    assert str(home / "models" / "smollm2-135m-instruct.gguf") in run("list").output
    info = run("info").output
    assert "134,515,008" in info and "8,192 tokens" in info and "Q4_1" in info and "Apache-2.0" in info
    verified = run("verify")
    assert "good" in verified.output and verified.exit_code == 0
    assert "Removed" in run("remove", "smollm2-135m-instruct").output
    assert "No models are here" in run("verify").output


def test_a_damaged_model_fails_verification(smollm2: Weights, home: Path) -> None:
    """The exit status is 1, and the message says how to put it right."""
    run("pull", str(smollm2.path))
    path = home / "models" / "smollm2-135m-instruct.gguf"
    with path.open("r+b") as file:
        file.seek(50_000_000)
        file.write(b"\xff\xfe\xfd")
    result = run("verify")

    assert result.exit_code == 1
    assert "turnout local remove smollm2-135m-instruct" in result.output


def test_a_mistake_is_one_line_without_a_traceback(home: Path) -> None:
    """An unknown model ends with status 1 and a sentence."""
    result = run("pull", "nonsense")

    assert result.exit_code == 1
    assert result.output.startswith("Error: 'nonsense' is no known model.")
    assert "Traceback" not in result.output


def test_a_first_use_digest_is_shown(home: Path, tmp_path: Path, smollm2: Weights) -> None:
    """What nobody pinned is said to be recorded now."""
    with smollm2.path.open("rb") as file:
        data = bytearray(file.read())
    data[-1] ^= 1
    (tmp_path / "mine.gguf").write_bytes(data)
    result = run("pull", str(tmp_path / "mine.gguf"))

    assert "Recorded sha256" in result.output
    assert "mine" in run("list").output
