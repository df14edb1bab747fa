"""`turnout reconcile`, installed, on a real ledger."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import provider_files as files
import pytest
from click.testing import CliRunner, Result

from planning.ledger_file import empty_ledger, entry, filled
from turnout.cli.reconcile import reconcile

DOCS = Path(__file__).parent.parent.parent / "docs/reconcile.md"
SHOWN = re.search(r"<<'END'\n(.*?)END\n", DOCS.read_text(), re.DOTALL)


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the export in the documents is about: a call too late for them, and a cheaper one than they say."""
    place = tmp_path_factory.mktemp("reconcile")
    postings = (
        entry(1, uncached=400, cached=200, output=100, nano=5_100_000),
        entry(20, uncached=600, output=210, nano=9_300_000),
        entry(23.99, output=10, nano=300_000),
    )
    return filled(empty_ledger(place / "empty"), place / "data", postings)


@pytest.fixture
def documented(tmp_path: Path) -> Path:
    assert SHOWN is not None
    path = tmp_path / "usage.csv"
    path.write_text(SHOWN[1])
    return path


def run(ledger: Path, *words: object) -> Result:
    """In this process."""
    environ = {"HOME": str(ledger.parent), "TURNOUT_CONFIG": ""}
    return CliRunner(env=environ).invoke(reconcile, [*map(str, words), "--data-dir", str(ledger)])


def installed(ledger: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """As a shell runs it."""
    script = Path(sys.executable).with_name("turnout")
    environ = {"PATH": os.environ["PATH"], "HOME": str(ledger.parent)}
    command = [str(script), "reconcile", *map(str, words), "--data-dir", str(ledger)]
    return subprocess.run(command, env=environ, cwd=ledger.parent, capture_output=True, text=True, timeout=60)


def test_the_documented_export_is_explained(ledger: Path, documented: Path) -> None:
    """The call at midnight cancels with the next day, so the exit is 0 and the table says why."""
    done = installed(ledger, documented, "--provider", "openai")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "day boundary" in done.stdout
    assert "0 of 6 differences have no known cause" in done.stdout
    assert "Note: 'gpt-5.5-2026-04-23' in the export is taken as 'gpt-5.5' (the same words)." in done.stdout
    assert done.stderr == ""


def test_a_difference_without_a_cause_ends_with_1(ledger: Path, documented: Path) -> None:
    """The number, its weight and the line of the export are told, as text and as JSON and CSV."""
    documented.write_text(documented.read_text().replace(",310,2,0.0144", ",410,2,0.0174"))
    words = (documented, "--provider", "openai", "--until", "2026-11-09")
    shown, machine, table = run(ledger, *words), run(ledger, *words, "--json"), run(ledger, *words, "--csv")
    found = json.loads(machine.stdout)
    lines = list(csv.DictReader(table.stdout.splitlines()))

    assert {done.exit_code for done in (shown, machine, table)} == {1}
    assert "count differs" in shown.stdout and "usage.csv:2." in shown.stdout
    assert {(each["what"], each["theirs"], each["ours"], each["usd"]) for each in found["differences"]} == {
        ("output", 410, 320, "0.0027"),
        ("requests", 2, 3, None),
        ("cost", "0.0174", "0.0147", "0.0027"),
    }
    assert (found["unexplained"], found["until"], found["zone"]) == (3, "2026-11-09", "UTC")
    assert sorted(line["what"] for line in lines) == ["cost", "output", "requests"]
    assert {line["cause"] for line in lines} == {"count differs"}


def test_a_tolerance_is_a_part_of_theirs(ledger: Path, documented: Path) -> None:
    """4 % forgive ten tokens of 310, and the cost of a third of a cent of 1.4; not a call of two."""
    found = json.loads(
        run(ledger, documented, "--provider", "openai", "--until", "2026-11-09", "--tolerance", "4%", "--json").stdout
    )

    assert [each["what"] for each in found["differences"]] == ["requests"]
    assert found["within_tolerance"] == 2


def test_a_name_can_be_given(ledger: Path, documented: Path) -> None:
    """Where the names do not show that they mean the same."""
    documented.write_text(documented.read_text().replace("gpt-5.5-2026-04-23", "our-deal"))
    words = (documented, "--provider", "openai")

    assert run(ledger, *words).exit_code == 1
    assert run(ledger, *words, "--model", "our-deal=gpt-5.5").exit_code == 0


def test_the_provider_s_own_files_are_compared(ledger: Path, tmp_path: Path) -> None:
    """Usage and costs of OpenAI together; the day, tiers and classes fit, and a search is named."""
    for name, data in (("usage.json", files.OPENAI_USAGE_JSON), ("costs.json", files.OPENAI_COSTS_JSON)):
        (tmp_path / name).write_bytes(data)
    done = run(ledger, tmp_path / "usage.json", tmp_path / "costs.json", "--json")
    found = json.loads(done.stdout)
    output = next(each for each in found["differences"] if (each["what"], each["tier"]) == ("output", "standard"))

    assert (output["theirs"], output["ours"], output["model"]) == (500, 320, "gpt-5.5")
    assert [each["what"] for each in found["differences"] if each["cause"] == "other charge"] == [
        "web search tool calls"
    ]
    assert any("there are more pages" in note for note in found["notes"])


def test_deepseek_s_archive_is_opened(ledger: Path, tmp_path: Path) -> None:
    """Nothing of it is in the ledger, and every number says so."""
    (tmp_path / "usage.zip").write_bytes(files.deepseek_zip())
    found = json.loads(run(ledger, tmp_path / "usage.zip", "--json").stdout)

    assert {each["cause"] for each in found["differences"]} == {"missing here"}
    assert found["formats"] == ["deepseek-amount", "deepseek-cost"]
    cost = next(each for each in found["differences"] if each["what"] == "cost")
    assert (cost["theirs"], cost["usd"]) == ("0.001496", "0.001496")


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("day,model,output\n2026-11-08,m,1\n", (), "The files do not say whose they are. Name the provider"),
        ("day,model,output\n2026-11-08,m,x\n", (), "`output` is 'x', which is no whole number."),
        ("day,model,output\n", ("--provider", "openai"), "There is no usage in the export"),
        ("a,b\n1,2\n", (), "looks like none of the exports that are known"),
        ("day,model,output\n2026-11-08,m,1\n", ("--provider", "p", "--zone", "Mars"), "Mars"),
        ("day,model,output\n2026-11-08,m,1\n", ("--tolerance", "200%"), "is no part such as 0.5%"),
        ("day,model,output\n2026-11-08,m,1\n", ("--model", "x"), "is written THEIRS=OURS"),
        ("day,model,output\n2026-11-08,m,1\n", ("--since", "soon"), "is no day such as 2026-11-22."),
        ("day,model,output\n1026-11-08,m,1\n", ("--provider", "p", "--until", "2026-11-09"), "more than ten years"),
    ],
)
def test_what_can_t_be_compared_is_one_sentence(
    ledger: Path, tmp_path: Path, text: str, words: tuple[str, ...], said: str
) -> None:
    """On standard error, without a traceback."""
    path = tmp_path / "e.csv"
    path.write_text(text)
    done = run(ledger, path, *words)

    assert done.exit_code in (1, 2) and done.stdout == ""
    assert said in done.stderr and "Traceback" not in done.stderr


def test_files_of_two_providers_are_refused(ledger: Path, tmp_path: Path) -> None:
    """One at a time."""
    for name in ("openai-usage-json", "anthropic-usage-csv"):
        (tmp_path / name).write_bytes(files.FILES[name])
    done = run(ledger, *tmp_path.iterdir())

    assert "The files are of several providers: anthropic, openai. Compare one at a time." in done.stderr
