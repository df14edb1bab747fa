"""`turnout price`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bare_machine import make_bare
from click.testing import CliRunner, Result

from turnout.cli.price import price


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_bare(monkeypatch, tmp_path)


BEFORE_PEAK = "2026-09-14T00:30Z"


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(price, arguments)


def test_the_row_in_force_is_shown_with_source_hours_and_next_change() -> None:
    """For a tariff that changes within the hour."""
    result = _run("deepseek-v4-pro", "--at", BEFORE_PEAK)

    assert result.exit_code == 0, result.output
    assert "deepseek/deepseek-v4-pro (global, standard) at 2026-09-14T00:30Z" in result.output
    assert "outside of deepseek_peak" in result.output
    assert "input $0.66/M, cached $0.022/M, output $1.98/M" in result.output
    assert "https://api-docs.deepseek.com/quick_start/pricing" in result.output
    assert "next change: 2026-09-14T01:00Z" in result.output
    assert "cost" not in result.output


def test_the_cost_of_a_usage_is_exact_and_in_parts() -> None:
    """As text in JSON, so that no reader rounds it."""
    usage = ("--input", "300000", "--cached", "1000", "--output", "500")
    report = json.loads(_run("gpt-5.5", "--at", "2026-11-20", *usage, "--json").output)

    assert [row["id"] for row in report["rows"]] == [
        "openai/gpt-5.5@2026-05-12T22:41Z",
        "openai/gpt-5.5@2026-05-12T22:41Z;>272000",
    ]
    assert report["cost"] == {
        "row": "openai/gpt-5.5@2026-05-12T22:41Z;>272000",
        "schedule": None,
        "parts": [
            {"class": "input", "tokens": 299000, "price": "10", "usd": "2.99"},
            {"class": "cached", "tokens": 1000, "price": "1", "usd": "0.001"},
            {"class": "output", "tokens": 500, "price": "45", "usd": "0.0225"},
        ],
        "usd": "3.0135",
    }


@pytest.mark.parametrize(
    ("arguments", "prices"),
    [
        (("openai/gpt-5.5", "--tier", "flex"), "input $2.5/M, cached $0.25/M, output $15/M"),
        (("gpt-5.5", "--region", "eu"), "input $5.5/M, cached $0.55/M, output $33/M"),
        (("openai/gpt-oss-120b", "--channel", "groq"), "input $0.15/M, cached $0.075/M, output $0.6/M"),
        (("deepseek-v4-flash-0731", "--at", "2026-09-14T22:00+08:00"), "input $0.22/M"),
    ],
)
def test_tier_region_channel_and_time_choose_the_row(arguments: tuple[str, ...], prices: str) -> None:
    """A channel may stand before the model."""
    at = () if "--at" in arguments else ("--at", "2026-11-22T12:00Z")
    result = _run(*arguments, *at)

    assert result.exit_code == 0, result.output
    assert prices in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gtp-5.5",), "Did you mean 'gpt-5.5'"),
        (("gpt-5.6",), "There are: gpt-5.6-sol"),
        (("gpt-5.5", "--channel", "azure"), "known sellers: openai"),
        (("openai/gpt-oss-120b",), "Several sell 'openai/gpt-oss-120b': groq, together"),
        (("gpt-5.5", "--region", "mars"), "known are: eu, batch; eu, flex"),
        (
            ("deepseek-v4-pro", "--at", "2027-01-04T02:00Z"),
            "The holidays 'china' are known from 2026-01-01 to 2026-12-31",
        ),
        (("gpt-5.5", "--at", "2020-01-01"), "No price of openai/gpt-5.5 (global, standard) is known for 2020-01-01"),
        (("gpt-5.5", "--input", "9", "--cache-write", "1"), "no price for cache_write"),
    ],
)
def test_an_unknown_price_is_refused(arguments: tuple[str, ...], said: str) -> None:
    """In one line, with status 1, and with what there is instead."""
    at = () if "--at" in arguments else ("--at", "2026-11-22T12:00Z")
    result = _run(*arguments, *at)

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert said in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gpt-5.5", "--at", "yesterday"), "'yesterday' is no time"),
        (("gpt-5.5", "--input", "5", "--cached", "6"), "more than their whole"),
        (("gpt-5.5", "--input", "1.5"), "not a valid integer"),
        (("gpt-5.5", "--output", "-1"), "not in the range"),
    ],
)
def test_a_wrong_call_is_a_usage_error(arguments: tuple[str, ...], said: str) -> None:
    """Status 2."""
    result = _run(*arguments)

    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(("at", "warned"), [("2026-10-15", False), ("2026-12-01", True)])
def test_a_calendar_that_ends_soon_is_warned_of(at: str, warned: bool) -> None:
    """On standard error, so that JSON stays JSON."""
    result = _run("deepseek-v4-pro", "--at", at, "--json")

    assert json.loads(result.stdout)["channel"] == "deepseek"
    assert ("known until 2026-12-31" in result.stderr) is warned


HOUSE = """
[providers.house]
preset = "vllm"
models = ["qwen3-32b", "other"]
[prices.house]
source = "contract 4711"
rows = [ { model = "qwen3-32b", from = "2026-01-01", input = "0.20", output = "0.60" } ]
[prices.openai]
rows = [ { model = "gpt-5.5", from = "2026-01-01", input = "4", output = "24" } ]
"""


@pytest.mark.parametrize(
    ("model", "prices"),
    [
        ("house/qwen3-32b", "input $0.2/M, output $0.6/M"),
        ("qwen3-32b", "input $0.2/M, output $0.6/M"),
        ("house/other", "input $0/M"),
        ("gpt-5.5", "input $4/M, output $24/M"),
        ("gpt-5.4", "input $2.5/M"),
    ],
)
def test_the_configuration_s_prices_are_in_force(tmp_path: Path, model: str, prices: str) -> None:
    """By the deployment's name or the model's; what it does not price keeps the shipped price."""
    path = tmp_path / "own.toml"
    path.write_text(HOUSE)
    result = _run(model, "--config", str(path), "--at", "2026-11-22T12:00Z")

    assert result.exit_code == 0, result.output
    assert prices in result.output


def test_the_version_of_the_prices_is_told(tmp_path: Path) -> None:
    """It stands on every recorded cost, and differs with the configuration's prices."""
    path = tmp_path / "own.toml"
    path.write_text(HOUSE)
    plain, own = (
        json.loads(_run("gpt-5.4", "--json", *more).output)["prices"] for more in ((), ("--config", str(path)))
    )

    assert len(plain) == len(own) == 12
    assert plain != own
    assert f"prices {own}" in _run("gpt-5.4", "--config", str(path)).output


def test_a_configuration_with_a_wrong_price_is_refused_with_its_line(tmp_path: Path) -> None:
    """As by the server."""
    path = tmp_path / "own.toml"
    path.write_text(HOUSE.replace('"0.20"', '"0.0000002"'))
    result = _run("gpt-5.5", "--config", str(path))

    assert result.exit_code == 1
    assert "own.toml:7: prices.house.rows[0].input: 0.0000002 is no price of a million tokens" in result.output


def test_a_model_that_only_one_deployment_has_is_asked_for_by_its_bare_name(tmp_path: Path) -> None:
    """`turnout spend` tells such names; the answer says which seller has no price of it."""
    config = tmp_path / "own.toml"
    config.write_text(
        '[providers.rented]\npreset = "openai_compatible"\nbase_url = "http://127.0.0.1:9"\nmodels = ["mystery"]\n'
    )
    result = _run("mystery", "--config", str(config))

    assert result.exit_code == 1
    assert "No price of openai_compatible/mystery is known." in result.output
