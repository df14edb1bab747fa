"""`turnout models MODEL`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bare_machine import make_bare
from click.testing import CliRunner, Result

from turnout.cli.models import models

CONFIG = """
[providers.work]
preset = "openai"
api_key_env = "WORK_KEY"
models = ["gpt-5.5", "gpt-in-house"]
jurisdiction = "EU"
[deployments."work/gpt-5.5"]
provider = "work"
model = "gpt-5.5"
context = 100_000
"""


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_bare(monkeypatch, tmp_path)


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(models, arguments)


def _line(output: str, start: str) -> str:
    return next(line for line in output.splitlines() if line.startswith(start))


def test_a_card_needs_no_configuration_and_no_key() -> None:
    """What is known of a model is known before one pays for it."""
    result = _run("claude-opus-4-7")

    assert result.exit_code == 0
    assert "claude-opus-4-7 at Anthropic" in result.output
    assert "1,000,000" in _line(result.output, "context")
    assert "5m, 1h" in _line(result.output, "cache lifetimes")
    assert "Not known: logprobs" in result.output


def test_every_line_has_a_source_that_is_listed() -> None:
    """The number at the end of a line is that of a source below."""
    shown, _, sources = _run("claude-opus-4-7").output.partition("Sources\n")
    listed = {line.split()[0] for line in sources.splitlines()}

    numbers = {line.split()[-1] for line in shown.splitlines() if line and line.split()[-1].isdigit()}
    assert numbers == listed
    assert all("https://" in line or "providers.toml" in line for line in sources.splitlines())


def test_scores_that_differ_are_all_shown() -> None:
    """With who measured them, and whether that is the maker."""
    output = _run("claude-opus-4-7").output

    assert {"74.2%", "75.8%", "87.6%"} <= set(output.split())
    assert "Anthropic, its maker" in _line(output, "SWE-bench Verified")
    assert "its maker" not in next(line for line in output.splitlines() if "74.2%" in line)


def test_json_is_whole() -> None:
    """Each fact with value, source, where read and when; scores as text; what is not known is named."""
    said = json.loads(_run("gpt-5.5", "--json").output)

    (card,) = said["cards"]
    assert card["facts"]["input"]["value"] == ["text", "image", "pdf"]
    assert set(card["facts"]["input"]) == {"value", "source", "read_in", "verified"}
    assert "licence" in card["not_known"]
    codex = next(each for each in said["benchmarks"] if each["how"] == "Codex, xhigh effort")
    assert (codex["score"], codex["error"], codex["runs"], codex["own"]) == ("83.15", "1.13", 445, False)


def test_where_else_a_model_is_served_is_told() -> None:
    """Hosts differ in limits and in whose law applies; each name given can be asked for."""
    said = json.loads(_run("gpt-oss-120b", "--json").output)

    assert said["elsewhere"]
    for name in said["elsewhere"]:
        assert json.loads(_run(name, "--json").output)["cards"][0]["provider"] == name.partition("/")[0]


def test_the_configuration_stands_before_what_was_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment's own context and law, named as the configuration's; the rest is the model's."""
    (tmp_path / "turnout.toml").write_text(CONFIG)
    monkeypatch.setenv("WORK_KEY", "sk-not-real")
    facts = json.loads(_run("work/gpt-5.5", "--json").output)["cards"][0]["facts"]

    assert (facts["context"]["value"], facts["context"]["source"]) == (100_000, "the configuration")
    assert (facts["host_jurisdiction"]["value"], facts["host_jurisdiction"]["source"]) == ("EU", "the configuration")
    assert facts["host_retention_days"]["source"].startswith("https://")
    assert facts["maker"]["value"] == "OpenAI"


def test_the_list_in_json_has_the_same_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a model that nobody knows has those of its host alone."""
    (tmp_path / "turnout.toml").write_text(CONFIG)
    monkeypatch.setenv("WORK_KEY", "sk-not-real")
    listed = {each["name"]: each for each in json.loads(_run("--json").output)["deployments"]}
    card = json.loads(_run("work/gpt-5.5", "--json").output)

    assert listed["work/gpt-5.5"]["facts"] == card["cards"][0]["facts"]
    assert listed["work/gpt-5.5"]["benchmarks"] == card["benchmarks"]
    assert "context" not in listed["work/gpt-in-house"]["facts"]


def test_an_unknown_name_brings_near_ones() -> None:
    """And no card of another model."""
    result = _run("gpt-55")

    assert result.exit_code == 1
    assert "Nothing is known of a model 'gpt-55'" in result.output and "gpt-5.5" in result.output


def test_a_provider_and_a_model_are_one_name() -> None:
    """`--provider` is for the list."""
    result = _run("gpt-5.5", "--provider", "openai")

    assert result.exit_code == 2
    assert "openai/gpt-5.5" in result.output
