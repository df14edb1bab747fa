"""`turnout simulate retries`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from turnout.cli.simulate_retries import retries


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(retries, arguments)


def test_the_table_shows_that_the_promise_holds_for_independent_attempts_only() -> None:
    """For people."""
    result = _run("--success", "52.6%")

    assert result.exit_code == 0, result.output
    assert "99.987%" in result.output
    assert "85.7%" in result.output
    assert "Assumed:" in result.output


def test_costs_in_json_are_exact_text() -> None:
    """Of a price in the question: 1.474 attempts at $0.0021."""
    arguments = ("--success", "52.6%", "--attempts", "2", "--cost", "0.002", "--check-cost", "0.0001")
    report = json.loads(_run(*arguments, "--correlation", "0", "--json").output)

    assert report["cases"][0]["outcomes"][1]["accepted_right"] == "0.775324"
    assert report["cases"][0]["ways"][0]["usd_per_task"] == "0.0030954"


def test_a_model_s_price_is_the_mean_of_a_week_s_hours() -> None:
    """35 of 168 hours at twice the price: 1,000 in and 1,000 out."""
    arguments = ("--success", "50%", "--attempts", "1", "--correlation", "0", "--input", "1000", "--output", "1000")
    report = json.loads(
        _run(*arguments, "--model", "deepseek/deepseek-v4-pro", "--start", "2026-11-16", "--json").output
    )

    assert report["cases"][0]["ways"][0]["usd_per_task"] == "0.00319"


def test_csv_has_a_row_for_each_case_and_number_of_attempts() -> None:
    """With empty costs where no price is given."""
    rows = list(csv.DictReader(io.StringIO(_run("--success", "0.5", "--attempts", "3", "--csv").output)))

    assert len(rows) == 5 * 3
    assert rows[2]["accepted_right"] == "0.875"
    assert rows[2]["usd_per_task"] == ""


def test_recorded_attempts_give_success_and_correlation(tmp_path: Path) -> None:
    """From a real file, and a figure beside it."""
    file, plot = tmp_path / "draws.csv", tmp_path / "retries.png"
    rights = (5, 2, 10, 1, 4, 0, 0, 0, 0, 0, 0, 10, 10, 10, 1, 0)
    file.write_text("task,n,successes\n" + "".join(f"t{n},10,{right}\n" for n, right in enumerate(rights)))
    result = _run("--draws", str(file), "--resamples", "20", "--cost", "0.001", "--plot", str(plot))

    assert result.exit_code == 0, result.output
    assert "by moments: 0.752" in result.output
    assert "52.3%" in result.output
    assert "too few attempts" in result.output
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Say how often an attempt is right"),
        (("--success", "52.6"), "at most 100%"),
        (("--success", "50%", "--attempts", "0"), "--attempts"),
        (
            ("--success", "50%", "--cost", "1", "--model", "gpt-5.5", "--input", "1", "--output", "1"),
            "give one of them",
        ),
        (("--success", "50%", "--model", "gpt-5.5"), "needs its size"),
        (("--success", "50%", "--strong-cost", "1"), "needs --strong-success"),
        (("--success", "50%", "--cost", "1", "--strong-success", "90%"), "says nothing without its price"),
        (("--success", "50%", "--cost", "-1"), "out of range"),
        (("--success", "50%", "--cost", "nan"), "no sum of dollars"),
        (("--success", "50%", "--model", "gtp-5.5", "--input", "1", "--output", "1"), "gpt-5.5"),
    ],
)
def test_a_question_that_can_t_be_answered_is_refused(arguments: tuple[str, ...], told: str) -> None:
    """With what to do about it."""
    result = _run(*arguments)

    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("│", " ").split())
