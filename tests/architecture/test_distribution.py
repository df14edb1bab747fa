"""What is installed, and what importing costs."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _locked(name):
    text = (ROOT / "requirements" / name).read_text()
    return re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE)


def test_the_core_is_35_distributions_or_fewer():
    """The lock of the core install counts Turnout's own too."""
    core = _locked("core.lock")

    assert len(core) + 1 <= 35, core


def test_every_locked_distribution_has_hashes():
    """Nothing is installed that was not looked at."""
    for lock in ("core.lock", "run.lock", "dev.lock"):
        text = (ROOT / "requirements" / lock).read_text()
        for block in re.split(r"^(?=[a-z0-9._-]+==)", text, flags=re.MULTILINE):
            if "==" in block:
                assert "--hash=sha256:" in block, block.splitlines()[0]


def test_the_core_holds_no_model_runtime_and_no_provider_client():
    """Heavy things are extras; providers are spoken to in our own dialects."""
    banned = {"torch", "xllamacpp", "openai", "anthropic", "google-genai", "httpx", "pydantic", "fastapi", "litellm"}

    assert not banned & set(_locked("core.lock"))


def test_every_dependency_has_a_floor():
    """A range without a floor would admit a release with a known hole."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert all(">=" in requirement for requirement in project["dependencies"])


def test_importing_turnout_does_nothing():
    """No import starts a thread, opens a socket or loads a heavy package."""
    script = (
        "import sys, threading, turnout\n"
        "heavy = {'httptools', 'sqlalchemy', 'alembic', 'rich', 'uvicorn', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert threading.active_count() == 1\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_serving_loads_no_command_line_tables_and_no_migration_tools():
    """They would stay in the server's memory for nothing."""
    script = (
        "import sys\nfrom turnout.cli.serve import serve\n"
        "heavy = {'rich', 'sqlalchemy', 'alembic', 'opentelemetry', 'xllamacpp'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
