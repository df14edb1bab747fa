"""`turnout check`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from turnout.cli.check import check


@pytest.fixture(autouse=True)
def _bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the machine's keys nor its working directory matter."""
    for name in list(os.environ):
        if name.endswith(("_KEY", "_ENDPOINT")) or name.startswith("TURNOUT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(check, arguments)


def test_problems_are_printed_with_their_lines(tmp_path: Path) -> None:
    """Exit 1, everything at once, on stderr."""
    (tmp_path / "turnout.toml").write_text('[server]\nport = 99999\n[routes.fast]\ntargets = ["x"]\nstratgy = "w"\n')
    result = _run()

    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "turnout.toml:2: server.port: must lie between 0 and 65,535, not 99999.",
        "turnout.toml:5: routes.fast.stratgy: unknown key. Did you mean 'strategy'?",
        "2 problems",
    ]
    assert result.stdout == ""


def test_a_syntax_error_is_printed_with_its_line(tmp_path: Path) -> None:
    """Before any key can be looked at."""
    (tmp_path / "bad.toml").write_text("[server]\nport = \n")
    result = _run("--config", "bad.toml")

    assert result.exit_code == 1
    assert result.stderr.startswith("bad.toml:2: not valid TOML: ")


def test_a_good_configuration_is_summed_up_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of variables are shown, never their values."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("APP_KEY", "tn-very-secret-key")
    (tmp_path / "turnout.toml").write_text(
        '[providers.house]\npreset = "vllm"\nmodels = ["a"]\n[routes.fast]\ntargets = ["house/a", "openai/gpt-5.5"]\n'
        '[[keys]]\nname = "app"\nsecret_env = "APP_KEY"\n[aliases]\nquick = "fast"\n'
    )
    result = _run()

    assert result.exit_code == 0, result.output
    assert "openai: https://api.openai.com/v1, key from OPENAI_API_KEY, US" in result.stdout
    assert "house: http://127.0.0.1:8000, no key, self" in result.stdout
    assert "fast: house/a then openai/gpt-5.5" in result.stdout
    assert "1 route\n" in result.stdout, "an alias is not counted as a route"
    assert "quick -> fast" in result.stdout
    assert "app (user)" in result.stdout
    assert "warning: the context of 'house/a' is not known" in result.stdout
    assert "very-secret" not in result.output


def test_the_embedded_model_counts_where_it_is_switched_on(tmp_path: Path) -> None:
    """A route may lead to it."""
    (tmp_path / "turnout.toml").write_text('[routes.x]\ntargets = ["local/smollm2-135m-instruct"]\n')

    assert "default route: local" in _run().stdout
    (tmp_path / "turnout.toml").write_text("[local]\nenabled = false\n")
    assert "warning: there is no deployment." in _run().stdout


def test_a_key_without_an_address_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure has no address that could be guessed."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    result = _run()

    assert result.exit_code == 0
    assert "warning: AZURE_OPENAI_API_KEY is set, and 'azure' is left out" in result.stdout


def test_idle_weights_are_a_warning(tmp_path: Path) -> None:
    """A fallback route does not look at them."""
    (tmp_path / "turnout.toml").write_text(
        '[routes.x]\ntargets = [{ deployment = "local/smollm2-135m-instruct", weight = 2 }]\n'
    )

    assert "warning: the weights of route 'x' mean nothing" in _run().stdout


def test_a_missing_file_is_a_problem() -> None:
    """Defaults would be something else than what was asked for."""
    result = _run("--config", "absent.toml")

    assert result.exit_code == 1
    assert "absent.toml: is not a file" in result.stderr


def test_budgets_and_where_the_record_is_are_summed_up(tmp_path: Path) -> None:
    """And what a limit would refuse, because its price is not known."""
    (tmp_path / "turnout.toml").write_text(
        '[providers.rented]\npreset = "openai_compatible"\nbase_url = "http://127.0.0.1:9"\nmodels = ["mystery"]\n'
        '[routes.chat]\ntargets = ["rented/mystery"]\n'
        '[budgets.teams]\nlimit = "5"\nsoft = "4"\nwindow = "day"\nzone = "Europe/Berlin"\nper = "team"\n'
    )
    result = _run()

    assert result.exit_code == 0
    assert "  teams: $5.00 a day (Europe/Berlin), for each team; a warning at $4.00" in result.stdout.splitlines()
    assert "the price of 'rented/mystery' is not known: under the limit of 'teams' it is refused." in result.stdout
    assert "turnout.db" in result.stdout


def test_a_variable_that_is_missing_is_told(tmp_path: Path) -> None:
    """The file is right, and the server would not start."""
    (tmp_path / "turnout.toml").write_text('[storage]\ndatabase_url_env = "TEAM_DATABASE_URL"\n')
    result = _run()

    assert result.exit_code == 1
    assert "names TEAM_DATABASE_URL, which is not set or empty" in result.stderr
