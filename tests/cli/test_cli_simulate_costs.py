"""`turnout simulate workload` and `turnout simulate traffic`, as typed."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from planning.recorded_traffic import MONDAY, call, given_up, stored
from turnout.cli.main import main

LINE = "1M calls/day, 1000 in, 500 out"
GUIDE = ("--price", "GPT-5.5=5/30", "--price", "V4-Pro=1.74/3.48/0.0145", "--price", "V4-Flash=0.14/0.28/0.0028")
PNG = b"\x89PNG"


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ("simulate", *arguments))


def _workload(*arguments: str) -> Result:
    return _run("workload", *arguments)


def test_the_guide_s_table_is_exact() -> None:
    """$600,000 is right; $70K and $5.5K are $104,400 and $8,400 at the guide's own prices."""
    result = _workload(LINE, *GUIDE, "--start", "2026-11-01", "--json")
    report = json.loads(result.stdout)

    assert [(each["model"], each["usd"], each["usd_per_call"]) for each in report["models"]] == [
        ("GPT-5.5", "600000", "0.02"),
        ("V4-Pro", "104400", "0.00348"),
        ("V4-Flash", "8400", "0.00028"),
    ]
    assert [each["difference_share"] for each in report["models"]] == ["0", "-0.826", "-0.986"]
    assert (report["first_day"], report["days"], report["baseline"]) == ("2026-11-01", 30, "GPT-5.5")


def test_a_sum_is_explained_in_sentences() -> None:
    """The cached share, the off-peak share, and pairs of them."""
    result = _workload(LINE, *GUIDE[2:4], "--explain", "$70K", "--off-peak-discount", "50%")

    assert result.exit_code == 0, result.output
    assert "V4-Pro: $70,000.00 does not follow; the workload costs $104,400.00." in result.stdout
    assert "- cached share: 66.454% (rounded) (none cached $104,400.00, all cached $52,635.00)." in result.stdout
    assert "- off-peak share: 65.9% (rounded), where off-peak is 50% cheaper" in result.stdout
    assert "25% off-peak with 47.136% (rounded) cached" in result.stdout


def test_a_sum_that_nothing_explains_is_proved_so() -> None:
    """By the least that the workload can cost."""
    result = _workload(LINE, "--price", "V4-Pro=1.74/3.48", "--explain", "50K")

    assert (
        "none makes it $50,000.00, even if cached tokens were free: none cached $104,400.00, all cached $52,200.00"
        in (result.stdout)
    )
    assert "the price does not depend on the hour" in result.stdout


def test_a_sum_that_follows_is_told() -> None:
    """Nothing to explain."""
    assert "GPT-5.5: $600,000.00 follows" in _workload(LINE, *GUIDE[:2], "--explain", "600K").stdout


def test_every_assumption_is_below_the_table() -> None:
    """Period, hours, shares by the clock, rows, what waits, and the version of the prices."""
    result = _workload(
        LINE, "--model", "gpt-5.5", "--model", "deepseek-v4-pro", "--month", "2026-11", "--shift", "40%", "--weekdays"
    )

    assert result.exit_code == 0, result.output
    table, _, assumed = result.stdout.partition("Assumed:")
    assert "cost of 30 days" in table and "-$" in table
    for told in (
        "30 days from 2026-11-01 (UTC), with calls on 21 of them: 21,000,000 calls, spread evenly over all hours.",
        "40% of the calls can wait",
        "deepseek-v4-pro: input $0.66/M, cached $0.022/M, output $1.98/M; 70.8% of the calls by the clock; row",
        "29.2% of the calls by the clock",
        "--as-counted-by converts them",
        "Prices: version ",
    ):
        assert told in assumed


def test_another_tokenizer_is_in_the_sum() -> None:
    """The same text is more tokens at claude-opus-4-7, and the ratio and its source are told."""
    arguments = (LINE, "--model", "gpt-5.5", "--model", "claude-opus-4-7", "--month", "2026-11", "--json")
    alike, converted = (
        json.loads(_workload(*arguments, *more).stdout) for more in ((), ("--as-counted-by", "gpt-5.5"))
    )
    ratio = float(converted["models"][1]["tokens_ratio"])

    assert ratio > 1.2
    assert converted["models"][0] == alike["models"][0]
    assert float(converted["models"][1]["usd"]) == pytest.approx(float(alike["models"][1]["usd"]) * ratio, rel=1e-5)
    assert any("tokens for one of gpt-5.5's" in each for each in converted["assumptions"])


def test_csv_has_a_line_for_each_model_and_assumptions_apart() -> None:
    """On standard error, so that a spreadsheet gets numbers only."""
    result = _workload(LINE, *GUIDE, "--csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))

    assert [row["usd"] for row in rows] == ["600000", "104400", "8400"]
    assert "calls, spread evenly" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Describe the workload in a line"),
        ((LINE,), "Name what is compared"),
        ((LINE, "--model", "gpt-5.55"), "Did you mean 'gpt-5.5'"),
        ((LINE, "--price", "x=0.000005/0.00003"), "is no price of a million tokens"),
        ((LINE, "--price", "x=5/30", "--price", "x=1/2"), "'x' is asked for twice"),
        ((LINE, "--price", "x=5/30", "--month", "2026-13"), "is no month"),
        ((LINE, "--price", "x=5/30", "--month", "2026-11", "--days", "3"), "leave --start and --days out"),
        ((LINE, "--price", "x=5/30", "--zone", "Berlin"), "is no time zone"),
        ((LINE, "--price", "x=5/30", "--hours", "9-17,16-18"), "The hours overlap"),
        ((LINE, "--price", "x=5/30", "--hours", "9-17", "--off-peak-share", "50%"), "one of them, not both"),
        ((LINE, "--price", "x=5/30", "--cached-share", "30"), "Did you mean 30%"),
        ((LINE, "--price", "x=5/30", "--json", "--csv"), "Choose one of --json and --csv"),
    ],
)
def test_a_wrong_question_is_answered_with_a_sentence(arguments: tuple[str, ...], told: str) -> None:
    """And with status 2."""
    result = _workload(*arguments)

    assert result.exit_code == 2
    assert told in " ".join(result.output.split())


def test_no_known_cost_is_a_failure() -> None:
    """Status 1, and the reason in the table's notes."""
    result = _workload(LINE, "--model", "gpt-5.5", "--start", "2025-01-01")

    assert result.exit_code == 1
    assert "not known" in result.output and "No price of openai/gpt-5.5" in result.output


def test_options_are_laid_over_the_line() -> None:
    """The line says 500 out, the option 0."""
    report = json.loads(_workload(LINE, "--output", "0", *GUIDE[:2], "--json").stdout)

    assert report["models"][0]["usd"] == "150000"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twenty calls of two routes, one in the peak."""
    calls = [call(number, MONDAY + timedelta(hours=11), route="code" if number % 2 else "chat") for number in range(19)]
    return stored(tmp_path / "data", [*calls, call(19, MONDAY + timedelta(hours=2), "deepseek/deepseek-v4-pro")])


PERIOD = ("--since", "2026-11-16", "--until", "2026-11-23")


def test_traffic_is_re_priced_line_by_line(data: Path) -> None:
    """In text for people, in JSON for machines."""
    asked = ("traffic", "--data-dir", str(data), *PERIOD, "--to", "deepseek-v4-flash", "--per-token")
    text, report = _run(*asked), json.loads(_run(*asked, "--json").stdout)
    total = report["sums"][-1]

    assert text.exit_code == 0, text.output
    assert "deepseek-v4-flash: calls that openai had lose their prompt cache" in text.stdout
    assert (total["group"], total["calls"], total["recorded_usd"]) == ("total", 20, "0.3833")
    assert total["usd"] == "0.00945"  # 19 calls at 0.00045 and one at 0.0009
    assert [each["group"] for each in report["sums"]] == ["chat", "code", "total"]


def test_a_recorded_cost_that_is_not_known_is_never_nothing(tmp_path: Path) -> None:
    """Neither in the table nor for machines; beside an amount it is told."""
    calls = [call(1, MONDAY, "nobody/unknown"), call(2, MONDAY, "nobody/unknown", route="mixed")]
    home = stored(tmp_path / "data", [*calls, given_up(3, MONDAY, 5_000_000), given_up(4, MONDAY, 5_000_000)])
    asked = ("traffic", "--data-dir", str(home), *PERIOD, "--to", "deepseek-v4-flash")
    lines = {line.split()[0]: line for line in _run(*asked).stdout.splitlines() if "unpriced" in line}
    rows = {row["group"]: row for row in json.loads(_run(*asked, "--json").stdout)["sums"]}

    assert "not known" in lines["mixed"] and "$0.00 " not in lines["mixed"]
    assert "$0.01000 + ?" in lines["chat"]
    assert (rows["mixed"]["recorded_usd"], rows["mixed"]["calls_without_recorded_cost"]) == (None, 1)


def test_traffic_of_an_empty_period_is_said_to_be_none(data: Path) -> None:
    """No table of nothing."""
    asked = ("traffic", "--data-dir", str(data), "--since", "2026-01-01", "--until", "2026-01-02", "--to", "gpt-5.5")

    assert "No call between 2026-01-01T00:00Z and 2026-01-02T00:00Z was billed." in _run(*asked).stdout


def test_history_is_compared_with_its_rows(data: Path, tmp_path: Path) -> None:
    """Status 0 where it agrees, 1 where the price list says something else."""
    fine = _run("traffic", "--data-dir", str(data), *PERIOD, "--as-recorded")
    own = tmp_path / "turnout.toml"
    own.write_text(
        '[prices.openai]\nrows = [{ model = "gpt-5.5", from = "2026-01-01", input = "6", cached = "0.5", output = "30" }]\n'
    )
    changed = _run("traffic", "--data-dir", str(data), *PERIOD, "--as-recorded", "--config", str(own), "--json")
    (difference,) = json.loads(changed.stdout)["differences"]

    assert (fine.exit_code, changed.exit_code) == (0, 1)
    assert "20 calls cost today what was recorded, to the nanodollar" in fine.stdout
    assert (difference["calls"], difference["recorded_usd"], difference["now_usd"]) == (19, "0.38", "0.399")
    assert difference["price_row_then"] == "openai/gpt-5.5@2026-05-12T22:41Z"


def test_a_plot_is_drawn(data: Path, tmp_path: Path) -> None:
    """Of a workload and of the traffic; a format that there is not is refused."""
    pytest.importorskip("matplotlib")
    one, other = tmp_path / "one.png", tmp_path / "other.png"
    first = _workload(LINE, *GUIDE, "--plot", str(one))
    second = _run("traffic", "--data-dir", str(data), *PERIOD, "--to", "gpt-6-luna", "--plot", str(other))
    wrong = _workload(LINE, *GUIDE, "--plot", str(tmp_path / "one.docx"))

    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    assert one.read_bytes()[:4] == other.read_bytes()[:4] == PNG
    assert wrong.exit_code == 2 and "ends in .png or .svg" in wrong.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Name where the traffic would go"),
        (("--to", "nope"), "No price of 'nope'"),
        (("--to", "gpt-5.5", "--cache", "x"), "keep, lost, or a share"),
        (("--to", "same@flex", "--since", "soon"), "'soon' is not"),
    ],
)
def test_a_wrong_question_about_traffic_is_answered_with_a_sentence(
    data: Path, arguments: tuple[str, ...], told: str
) -> None:
    """And with status 2."""
    result = _run("traffic", "--data-dir", str(data), *arguments)

    assert result.exit_code == 2
    assert told in " ".join(result.output.split())
