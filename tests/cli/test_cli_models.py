"""`turnout models`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bare_machine import make_bare
from click.testing import CliRunner, Result

from turnout.cli.models import departures, models
from turnout.core.target import Quirks

CONFIG = """
[providers.house]
preset = "vllm"
models = ["qwen"]
[deployments."house/qwen"]
provider = "house"
model = "qwen"
context = 32_000
quirks.openai_chat = { images = false }
[routes.chat]
strategy = "weighted"
targets = [{ deployment = "house/qwen", weight = 3 }, "local/smollm2-135m-instruct"]
drop = ["seed"]
[aliases]
claude-house = "chat"
"""


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_bare(monkeypatch, tmp_path)
    (tmp_path / "turnout.toml").write_text(CONFIG)


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(models, arguments)


def test_deployments_and_routes_are_shown_for_people() -> None:
    """Context, dialects, where it runs, what to know, where names lead."""
    output = _run().output

    house = next(line for line in output.splitlines() if "house/qwen " in line)
    assert "32k" in house and "chat" in house and "self" in house and "no images" in house
    assert "on this machine" in output
    assert "house/qwen x3, local/smollm2-135m-instruct x1" in output
    assert "alias of chat" in output
    assert "local (default)" in output


def test_json_has_everything() -> None:
    """Quirks with their values, implicit routes too, and numbers as numbers."""
    said = json.loads(_run("--json").output)

    house = next(each for each in said["deployments"] if each["name"] == "house/qwen")
    assert (house["context"], house["jurisdiction"], house["self_hosted"]) == (32_000, "self", True)
    assert house["quirks"]["openai_chat"]["images"] is False
    assert house["quirks"]["openai_chat"]["system_roles"] == ["system"]
    routes = {each["name"]: each for each in said["routes"]}
    assert routes["chat"]["drop"] == ["seed"]
    assert routes["claude-house"]["alias_of"] == "chat"
    assert routes["house/qwen"]["implicit"] is True
    assert said["default_route"] == "local"


def test_a_provider_s_are_chosen() -> None:
    """Routes that lead to others only are left out."""
    said = json.loads(_run("--json", "--provider", "house").output)

    assert {each["provider"] for each in said["deployments"]} == {"house"}
    assert "chat" in {each["name"] for each in said["routes"]}
    assert "local" not in {each["name"] for each in said["routes"]}


def test_an_unknown_provider_is_refused_with_the_near_name() -> None:
    """One line, status 1."""
    result = _run("--provider", "hous")

    assert result.exit_code == 1
    assert "Did you mean 'house'?" in result.output


def test_a_broken_configuration_is_told(tmp_path: Path) -> None:
    """With its line, and no traceback."""
    (tmp_path / "turnout.toml").write_text("[server]\nport = 0.5\n")
    result = _run()

    assert result.exit_code == 1
    assert "turnout.toml:2: server.port" in result.output


def test_nothing_to_list_is_said(tmp_path: Path) -> None:
    """Rather than an empty table."""
    (tmp_path / "turnout.toml").write_text("[local]\nenabled = false\n")

    assert "There is no deployment." in _run().output


def test_only_departures_from_the_norm_are_named() -> None:
    """Words, sets and flags, as JSON values."""
    quirks = Quirks(images=False, unsupported=frozenset({"n", "logit_bias"}), system_roles=("system",))

    assert departures(Quirks()) == {}
    assert departures(quirks) == {"images": False, "unsupported": ["logit_bias", "n"], "system_roles": ["system"]}


def test_the_price_in_force_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Input, cached input and output; `?` is not known, and no price of one's own machine is 0."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-0123456789abcdef")
    lines = {line.split()[0]: line for line in _run().output.splitlines() if "/" in line.split(" ")[0]}
    said = json.loads(_run("--json").output)
    prices = {each["name"]: each["price"] for each in said["deployments"]}

    assert "5 / 0.5 / 30 +" in lines["openai/gpt-5.5"]
    assert "0 / 0 / 0" in lines["house/qwen"]
    assert prices["openai/gpt-5.5"]["usd_per_million"] == {"input": "5", "cached": "0.5", "output": "30"}
    assert prices["openai/gpt-5.5"]["long_input_rows"] == ["openai/gpt-5.5@2026-05-12T22:41Z;>272000"]
    assert {each["unknown"] for name, each in prices.items() if name.startswith("openrouter/")} == {"unknown_model"}
    assert len(said["prices"]) == 12


def test_without_deployments_it_says_which_section_to_enable(tmp_path: Path) -> None:
    """With its brackets."""
    (tmp_path / "turnout.toml").write_text("[local]\nenabled = false\n")

    assert "or enable `[local]`." in _run().output
