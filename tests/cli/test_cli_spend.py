"""`turnout spend` as a command: tables, JSON, CSV, plots, on a real data directory."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from turnout.cli.main import main
from turnout.ledger.migrate import upgrade

sys.path.insert(0, str(Path(__file__).parent.parent / "ledger"))
from ledger_postings import Traffic, store_rows

NOVEMBER = ("--since", "2026-11", "--until", "2026-12")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months of 1,500 calls each; some of them at a model without a price; feedback on every tenth."""
    home = tmp_path_factory.mktemp("spend")
    upgrade(home / "turnout.db")
    calls = list(Traffic(calls=1_500, users=20).postings())
    odd = calls[0].call
    calls[0] = replace(calls[0], call=replace(odd, end_user='=HYPERLINK("x")\x1b[31m'))
    calls[1] = replace(calls[1], cost_nano=None, price_row="", call=replace(calls[1].call, model="own-llama"))
    earlier = [
        replace(each, call=replace(each.call, request_id=f"old{each.call.request_id}", started_at=at))
        for each in calls[:1_000]
        if (at := each.call.started_at.replace(month=10))
    ]
    with closing(sqlite3.connect(home / "turnout.db")) as connection:
        store_rows(connection, [*earlier, *calls])
        for number in range(0, 1_500, 10):
            values = (f"req_{number:032x}", "accepted", 1, "key", 1_000_000 * (number % 30 != 0))
            connection.execute("INSERT INTO feedback VALUES (?, ?, ?, ?, ?)", values)
        connection.commit()
    return home


def run(home: Path, *words: str, code: int = 0) -> str:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["spend", *words, "--data-dir", str(home)])
    assert done.exit_code == code, done.output
    return done.stdout if code == 0 else done.stderr


def test_json_is_exact_and_adds_up(home):
    """Lines by model, their sum, the days, and the month before, each to the nanodollar."""
    told = json.loads(run(home, *NOVEMBER, "--json"))
    lines = {line["model"]: line for line in told["lines"]}

    assert sum(Decimal(line["cost_usd"] or 0) for line in told["lines"]) == Decimal(told["total"]["cost_usd"])
    assert sum(Decimal(day["cost_usd"]) for day in told["days"]) == Decimal(told["total"]["cost_usd"])
    assert sum(line["calls"] for line in told["lines"]) == told["total"]["calls"] > 1_400
    assert (lines["own-llama"]["cost_usd"], lines["own-llama"]["cost_per_call_usd"]) == (None, None)
    assert told["unpriced_calls"] == {"own-llama": lines["own-llama"]["unpriced_calls"]} == {"own-llama": 1}
    assert (told["before"]["from"], told["read"]) == ("2026-10-01T00:00:00+00:00", "hourly sums")
    assert 0 < Decimal(told["total"]["before"]["cost_usd"]) < Decimal(told["total"]["cost_usd"])


def test_days_add_up_to_the_total_where_calls_have_several_tags(home):
    """A call with two tags is in two lines, and once in its day."""
    told = json.loads(run(home, *NOVEMBER, "--by", "tag,route", "--json"))

    total = Decimal(told["total"]["cost_usd"])
    assert sum(Decimal(line["cost_usd"] or 0) for line in told["lines"]) > total
    assert sum(Decimal(day["cost_usd"]) for day in told["days"]) == total


def test_the_table_says_unknown_and_never_zero(home):
    """With the number of calls, the model, and what to do."""
    text = run(home, *NOVEMBER)
    (line,) = [line for line in text.splitlines() if line.startswith("own-llama")]

    assert "not known" in line and "$" not in line
    assert "cost of 1 call is not known" in text and "own-llama (1)" in text and "turnout price" in text
    assert re.search(r"^total .*\$", text, re.MULTILINE)
    assert re.search(r"by day  [▁▂▃▄▅▆▇█]{30}  2026-11-01 to 2026-11-30", text)


def test_names_from_callers_steer_no_terminal_and_no_spreadsheet(home):
    """An escape sequence is shown as a box; a formula is told apart in CSV, and is exact in JSON."""
    shown = run(home, *NOVEMBER, "--by", "user")
    rows = list(csv.DictReader(io.StringIO(run(home, *NOVEMBER, "--by", "user", "--csv"))))
    exact = json.loads(run(home, *NOVEMBER, "--by", "user", "--json"))

    assert "\x1b" not in shown and "=HYPERLINK" in shown
    assert any(row["user"].startswith("'=HYPERLINK") for row in rows)
    assert any(line["user"] == '=HYPERLINK("x")\x1b[31m' for line in exact["lines"])
    assert sum(Decimal(row["cost_usd"] or 0) for row in rows) == Decimal(exact["total"]["cost_usd"])


def test_a_choice_is_the_line_of_the_whole(home):
    """`--where` gives the total that the group has; several values are any of them."""
    keys = {line["key"]: line for line in json.loads(run(home, *NOVEMBER, "--by", "key", "--json"))["lines"]}
    one = json.loads(run(home, *NOVEMBER, "--where", "key=key00", "--json"))["total"]
    two = json.loads(run(home, *NOVEMBER, "--where", "key=key00", "--where", "key=key01", "--json"))["total"]

    assert one["cost_usd"] == keys["key00"]["cost_usd"]
    assert two["calls"] == keys["key00"]["calls"] + keys["key01"]["calls"]


def test_keys_are_called_by_name_and_id(home, tmp_path):
    """In the table and for machines; either chooses."""
    copy = tmp_path / "turnout.db"
    copy.write_bytes((home / "turnout.db").read_bytes())
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute(
            "INSERT INTO keys (id, hash, name, role, created_ms, tags, team) VALUES ('key00', x'00', 'app', 'user', 0, '', '')"
        )
        connection.commit()
    named = json.loads(run(tmp_path, *NOVEMBER, "--by", "key", "--where", "key=app", "--json"))["lines"]
    by_id = json.loads(run(tmp_path, *NOVEMBER, "--by", "key", "--where", "key=key00", "--json"))["lines"]
    (row,) = csv.DictReader(io.StringIO(run(tmp_path, *NOVEMBER, "--by", "key", "--where", "key=app", "--csv")))

    assert named == by_id and (named[0]["key"], named[0]["key_name"]) == ("key00", "app")
    assert (row["key"], row["key_name"]) == ("key00", "app")
    assert re.search(r"^app \(key00\) ", run(tmp_path, *NOVEMBER, "--by", "key"), re.MULTILINE)


def test_cost_per_accepted_answer(home):
    """Two of three accepted, with the interval, and the cost of the rated calls over the accepted ones."""
    total = json.loads(run(home, *NOVEMBER, "--per", "accepted", "--json"))["total"]["feedback"]
    text = run(home, *NOVEMBER, "--per", "accepted", "--by", "route")

    assert total["rate_low"] < total["rate"] < total["rate_high"] and total["rated"] > 120
    cost = Decimal(total["rated_cost_usd"]) / Decimal(total["units"])
    assert abs(Decimal(total["cost_per_unit_usd"]) - cost) < Decimal("1e-9")
    assert "per accepted" in text and "95 % interval" in text
    assert "There is feedback of: accepted." in run(home, "--per", "tickets", code=2)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_plot_is_drawn(home, tmp_path, suffix):
    """With a colour for each route and the last day on the axis."""
    file = tmp_path / f"plot.{suffix}"
    run(home, *NOVEMBER, "--by", "route", "--plot", str(file))
    data = file.read_bytes()

    assert data.startswith(b"\x89PNG") or b"<svg" in data
    if suffix == "svg":
        assert data.count(b"<!-- ") > 10 and b"support" in data and b"28 Nov" in data


def test_verify_says_that_the_books_agree_and_where_they_do_not(home, tmp_path):
    """Exit 1 and a sentence for each difference."""
    assert "The books agree" in run(home, "--verify")
    copy = tmp_path / "turnout.db"
    copy.write_bytes((home / "turnout.db").read_bytes())
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("UPDATE spend SET cost_nano = cost_nano + 1 WHERE rowid = 1")
        connection.commit()

    assert "The books differ in 1 places" in run(tmp_path, "--verify", code=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--by", "modle"), "Did you mean 'model'"),
        (("--where", "colour=red"), "with a NAME out of"),
        (("--since", "soon"), "is not a day such as"),
        (("--since", "2026-12", "--until", "2026-11"), "before it begins"),
        (("--zone", "Mars/Olympus"), "no time zone"),
        (("--json", "--csv"), "Choose one"),
        (("--plot", "a.pdf"), ".png or .svg"),
    ],
)
def test_what_is_not_understood_is_said(home, words, said):
    """Exit 2, and what can be written."""
    assert said in " ".join(run(home, *words, code=2).split())


def test_nothing_in_the_period_is_no_table(home):
    """A sentence."""
    assert "No calls were recorded" in run(home, "--since", "2025-01", "--until", "2025-02")
