"""`turnout explain`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bare_machine import make_bare
from click.testing import CliRunner, Result

from harness import deployment, provider, running_gateway
from turnout.cli.explain import explain
from turnout.double import Double
from turnout.gateway.endpoints import HOT

CONFIG = """
[providers.anthropic]
[providers.house]
preset = "vllm"
models = ["big"]
[deployments.small]
provider = "house"
model = "small"
context = 100
[routes.chat]
targets = ["small", "anthropic/claude-sonnet-5", "house/big"]
drop = ["logit_bias"]
"""
BODY = {"model": "chat", "messages": [{"role": "user", "content": "word " * 200}]}


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_bare(monkeypatch, tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-0123456789abcdef")
    (tmp_path / "turnout.toml").write_text(CONFIG)


def _run(*arguments: str, body: object = None) -> Result:
    return CliRunner().invoke(explain, arguments, input=None if body is None else json.dumps(body))


def test_candidates_are_shown_in_order_with_lane_and_what_is_dropped() -> None:
    """And what is out, with the reason."""
    result = _run("-", body={**BODY, "logit_bias": {"5": 1}})

    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert "  1. anthropic/claude-sonnet-5 by anthropic, lane translated, US" in lines
    assert "     would leave out: logit_bias" in lines
    assert "  2. house/big by openai_chat, lane bytes, self" in lines
    assert any(line.startswith("  small: about ") and "do not fit" in line for line in lines)


def test_a_candidate_that_would_refuse_is_told_with_the_reason() -> None:
    """The others of the route are still there, so the request is not refused."""
    result = _run("-", body={**BODY, "n": 2})

    assert result.exit_code == 0
    assert "1. anthropic/claude-sonnet-5 by anthropic: can't take it" in result.output
    assert "'n'" in result.output


def test_a_refused_request_ends_with_1() -> None:
    """So that a script can ask whether a request would be taken."""
    refused = _run("--model", "small", "--prompt", "word " * 200)
    cannot = _run("-", body={**BODY, "model": "anthropic/claude-sonnet-5", "n": 2})

    assert refused.exit_code == 1
    assert "refused:    400 context_length_exceeded" in refused.output
    assert cannot.exit_code == 1


def test_an_unknown_model_is_told_with_the_near_names() -> None:
    """Like a caller would be."""
    result = _run("--model", "claude-sonet-5")

    assert result.exit_code == 1
    assert "404 model_not_found" in result.output
    assert "Did you mean" in result.output


@pytest.mark.parametrize("endpoint", HOT)
def test_a_prompt_makes_a_body_for_every_endpoint(endpoint: str) -> None:
    """It is one that the endpoint takes."""
    result = _run("--model", "house/big", "--endpoint", endpoint, "--prompt", "hello", "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["candidates"][0]["deployment"] == "house/big"


def test_a_file_is_read_and_its_model_may_be_replaced(tmp_path: Path) -> None:
    """To compare targets for the same request."""
    (tmp_path / "request.json").write_text(json.dumps(BODY))
    said = json.loads(_run("request.json", "--json", "--model", "house/big").output)

    assert said["features"]["asked"] == "house/big"
    assert said["reason"] == "the only deployment"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "or --model"),
        (("-", "--prompt", "x"), "not both"),
        (("--endpoint", "/v1/files", "--model", "m"), "/v1/chat/completions"),
    ],
)
def test_a_wrong_call_is_a_usage_error(arguments: tuple[str, ...], said: str) -> None:
    """Status 2."""
    result = _run(*arguments)

    assert result.exit_code == 2
    assert said in result.output


def test_a_body_that_can_t_be_read_is_one_line() -> None:
    """No traceback."""
    result = CliRunner().invoke(explain, ["-"], input="{nonsense")

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")


def test_the_running_server_is_asked_with_the_admin_s_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found through its data directory's lock, its key through the file; no deployment is called."""
    with Double() as double:
        config = provider("up", double.url + "/v1") + deployment("m1", "up", "echo-1")
        with running_gateway(tmp_path, config) as gateway:
            gateway.running.lock.announce(gateway.url)
            result = _run("--live", "--model", "m1", "--data-dir", str(gateway.database.parent), "--json")
            by_url = _run("--live", "--model", "m1", "--data-dir", str(gateway.database.parent), "--url", gateway.url)

    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["candidates"][0]["deployment"] == "m1"
    assert "1. m1 by openai_chat, lane bytes" in by_url.output
    assert double.requests == []


def test_without_a_server_there_is_nothing_live(tmp_path: Path) -> None:
    """The message says what to do."""
    result = _run("--live", "--model", "chat")

    assert result.exit_code == 1
    assert "No server runs on" in result.output


MONEY = """
[prices.house]
rows = [{ model = "big", from = "2026-01-01", input = "1", output = "2" }]
[budgets.all]
limit = "5"
[budgets.each]
limit = "1"
per = "key"
[budgets.users]
soft = "1"
per = "user"
"""


def test_what_would_be_set_aside_is_what_serving_sets_aside(tmp_path: Path) -> None:
    """The amount by count and row, and the budgets; what has no price would be refused under a limit."""
    (tmp_path / "turnout.toml").write_text(
        CONFIG.replace('"big"]', '"big"]\nbase_url = "https://h.example/v1"') + MONEY
    )
    body = {"model": "house/big", "messages": [{"role": "user", "content": "word " * 200}], "max_tokens": 1000}
    said = json.loads(_run("-", "--json", body=body).output)
    text = _run("-", body=body).output
    (candidate,) = said["candidates"]
    aside = candidate["set_aside"]

    assert aside["max_output"] == 1000
    most = -(-aside["input_tokens"] * 6 // 5) * 1 + 1000 * 2
    assert float(aside["usd"]) == pytest.approx(most / 1e6)
    assert aside["price_rows"] == ["house/big@2026-01-01T00:00Z;own"]
    assert [each["budget"] for each in said["budgets"]] == ["all", "each", "users"]
    assert "sets aside $0.00" in text and "each ((key)): at most $1.00" in text

    (tmp_path / "turnout.toml").write_text(
        CONFIG.replace('"big"]', '"big"]\nbase_url = "https://h.example/v1"')
        + MONEY.replace('"big", from', '"small", from')
    )
    assert "It would be refused: `price_unknown`." in _run("-", body=body).output
