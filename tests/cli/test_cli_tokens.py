"""`turnout tokens`."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from turnout.catalogue import tokenizers
from turnout.cli.tokens import tokens

TEXT = "Turnout ships a table of prices, and computes from it what an answer costs.\n" * 20


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty directory."""
    monkeypatch.chdir(tmp_path)


def _run(*arguments: str, text: str = TEXT) -> Result:
    return CliRunner(env={"TURNOUT_CONFIG": None}).invoke(tokens, ["-", *arguments], input=text.encode())


def test_each_model_has_a_count_its_counter_and_a_cost() -> None:
    """The real tokenizer where there is one; else the ratio, with bounds."""
    report = json.loads(_run("--model", "gpt-5.5", "--model", "claude-opus-4-7", "--json").output)
    gpt, claude = report["models"]

    assert (report["letters"], report["neutral"], report["content"]) == (len(TEXT), len(TEXT) // 4, "prose")
    assert gpt["counted_by"] == "OpenAI o200k_base, its own tokenizer"
    assert gpt["low"] == gpt["tokens"] == gpt["high"]
    assert claude["counted_by"] == "neutral x 1.453, prior of claude_47"
    assert claude["low"] < claude["tokens"] < claude["high"]
    for each in (gpt, claude):
        assert Decimal(each["usd"]) == each["tokens"] * Decimal(5) / 10**6


def test_a_table_for_people_names_what_is_not_known() -> None:
    """A model that nobody knows is counted by all tokenizers' ratio, and has no cost rather than none."""
    result = _run("--model", "gtp-5.5", "--model", "openai/gpt-oss-120b", "--model", "groq/openai/gpt-oss-120b")

    assert result.exit_code == 0, result.output
    assert "prior of all tokenizers" in result.output
    assert "gtp-5.5: No price of 'gtp-5.5' is known. Did you mean 'gpt-5.5'" in result.output
    assert "openai/gpt-oss-120b: Several sell 'openai/gpt-oss-120b'" in result.output
    assert "$0" in result.output and " 0 " not in result.output


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And counts by ratio."""
    monkeypatch.setattr("turnout.cli.tokens.installed", lambda: False)
    monkeypatch.setattr("turnout.cli.tokens.counter", lambda tokenizer: None)
    result = _run("--model", "gpt-5.5")

    assert "neutral x 0.944, prior of o200k" in result.output
    assert 'pip install "turnout[tokenizers]"' in result.output


@pytest.mark.parametrize("text", ["", "\x00\x01", "x" * (tokenizers.EXACT_LETTERS + 1)])
def test_any_text_is_counted(text: str) -> None:
    """Nothing, control characters, and one so long that slices are counted."""
    result = _run(text=text)

    assert result.exit_code == 0, result.output
    assert ("64 slices" in result.output) == (len(text) > 9)


def test_without_a_record_there_is_nothing_learned() -> None:
    """A sentence and status 1, no traceback."""
    result = _run("--learned", "--data-dir", "nowhere")

    assert result.exit_code == 1
    assert "Error: " in result.output and result.exc_info and result.exc_info[0] is SystemExit
