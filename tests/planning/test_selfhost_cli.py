"""`turnout simulate self-host`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from turnout.cli.simulate_selfhost import self_host

PRO = ("deepseek-v4-pro", "--against", "deepseek/deepseek-v4-pro", "--input", "8000", "--output", "1000")
B200 = ("--gpu", "b200", "--utilisation", "80%", "--start", "2026-11-16")


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(self_host, arguments)


def test_the_worked_example_of_the_documents() -> None:
    """V4-Pro on B200: the figures that the page tells."""
    report = json.loads(_run(*PRO, *B200, "--json").output)

    assert report["gpus"] == 8
    assert report["usd_per_day"] == "1303.68"
    assert report["api_usd_per_call"] == "0.0087725"
    assert report["usd_per_call_full"] == "0.00783558"
    assert float(report["break_even_calls_per_day"]) == pytest.approx(148_610, abs=1)
    assert float(report["cheaper_from_calls_per_day"]) == pytest.approx(1_337_489, abs=1)
    assert sum(each["parameters"] for each in report["weights"].values()) == 1_572_997_179_491


def test_every_assumption_is_printed() -> None:
    """Sources with their days, and what is not counted."""
    result = _run(*PRO, *B200, "--cached-share", "70%")

    assert result.exit_code == 0, result.output
    for told in ("2026-10-07", "SGLang", "Warning: it was measured", "80% of the day", "deepseek_peak", "no people"):
        assert told.lower().replace("sglang", "sgl-project/sglang") in result.output.lower(), told


def test_csv_has_the_staircase_and_a_figure_is_drawn(tmp_path: Path) -> None:
    """With the volume that was asked for."""
    plot = tmp_path / "host.png"
    result = _run(*PRO, *B200, "--calls-per-day", "1M", "--csv", "--plot", str(plot))
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    asked = next(row for row in rows if row["calls_per_day"] == "1000000")

    assert (asked["instances"], asked["gpus"], asked["own_usd_per_day"]) == ("7", "56", "9125.76")
    assert asked["api_usd_per_day"] == "8772.5"
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_model_of_one_s_own_is_computed_from_its_parameters() -> None:
    """70 G parameters in FP8 fit on two H100."""
    own = ("mine", "--parameters", "70B", "--cache-bytes", "163840", "--precision", "fp8", "--gpu", "h100")
    speed = ("--prefill", "4000", "--decode", "900", "--against", "openai/gpt-5.5", "--input", "2k", "--output", "300")
    report = json.loads(_run(*own, *speed, "--hourly", "2.50", "--concurrency", "32", "--json").output)

    assert (report["gpus"], report["usd_per_hour"]) == (2, "5")
    assert report["usd_per_million_input"] == "0.347222222"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("gpt-9", *PRO[1:]), "Known: deepseek-v4-flash, deepseek-v4-pro"),
        (("mine", "--parameters", "70B", *PRO[1:]), "needs both --parameters and --cache-bytes"),
        ((*PRO, "--gpu", "h201"), "No GPU 'h201' is known"),
        ((*PRO, "--gpu", "h100"), "No measured throughput of deepseek-v4-pro on NVIDIA H100 SXM"),
        ((*PRO, "--precision", "fp8"), "No measured throughput"),
        ((*PRO, "--throughput", "100"), "how many calls are served at once"),
        ((*PRO, "--prefill", "100"), "both --prefill and --decode"),
        ((*PRO, "--gpu", "b200", "--gpus", "4"), "needs 8 NVIDIA B200; 4 lack"),
        ((*PRO, "--utilisation", "0%"), "more than 0"),
        ((*PRO, "--swing", "100%"), "less than 100%"),
    ],
)
def test_a_question_that_can_t_be_answered_is_refused(arguments: tuple[str, ...], told: str) -> None:
    """With what to do about it."""
    result = _run(*arguments)

    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("│", " ").split())
