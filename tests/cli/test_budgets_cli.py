"""`turnout budgets` on a real data directory, and through a real server."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from harness import Gateway, running_gateway
from turnout.cli.budgets import COLUMNS, budgets
from turnout.cli.main import main
from turnout.ledger.database import open_database
from turnout.ledger.datadir import DataDir

CONFIG = """
[budgets."all/of.it"]
limit = "100.00"
window = "total"

[budgets.team]
limit = "10.00"
soft = "8"
zone = "Europe/Berlin"
per = "team"
match = ["search", "sales"]
"""


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TURNOUT_URL", "TURNOUT_ADMIN_KEY", "TURNOUT_PEPPER", "TURNOUT_CONFIG", "TURNOUT_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migration takes a second, so it is done once."""
    path = tmp_path_factory.mktemp("migrated") / "data"
    open_database(DataDir(path), os.urandom).close()
    return path


@pytest.fixture
def home(migrated: Path, tmp_path: Path) -> Path:
    """A directory with a configuration and a record, and no server."""
    (tmp_path / "turnout.toml").write_text(f'[storage]\ndir = "data"\n{CONFIG}')
    shutil.copytree(migrated, tmp_path / "data")
    return tmp_path


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(budgets, [*words, "--config", str(home / "turnout.toml")])


def test_budgets_are_corrected_and_listed_without_a_server(home: Path) -> None:
    first = run(home, "correct", "team", "--subject", "search", "--by", "9.25", "--reason", "bought elsewhere")
    second = run(home, "correct", "team", "--subject", "search", "--to", "9.00", "--reason", "a discount", "--json")

    assert first.stdout == "The budget 'team' of search had spent $0, and now $9.25. $0.75 of $10.00 is left.\n"
    assert json.loads(second.stdout)["before"] == "9.25"
    listed = json.loads(run(home, "list", "--json").stdout)
    assert [(each["budget"], each["subject"], each["spent"], each["percent"]) for each in listed] == [
        ("all/of.it", "", "0", 0),
        ("team", "sales", "0", 0),
        ("team", "search", "9", 90),
    ]
    assert listed[2] | {"opens_at": "", "resets_at": ""} == {
        "budget": "team", "per": "team", "subject": "search", "key_name": None, "window": "month", "zone": "Europe/Berlin",
        "opens_at": "", "resets_at": "", "limit": "10", "soft": "8", "spent": "9", "held": "0", "left": "1",
        "percent": 90, "over": "0", "unpriced": 0,
    }  # fmt: skip


def test_the_list_is_for_people_too(home: Path) -> None:
    run(home, "correct", "team", "--subject", "search", "--by", "9.25", "--reason", "why")
    shown = run(home, "list").stdout.splitlines()

    assert shown[0].split() == "budget subject window limit spent held left % used resets".split()
    assert shown[2].split() == "all/of.it total $100.00 $0 $0 $100.00 0 .......... never".split()
    assert shown[4].endswith(" 00:00 Europe/Berlin")
    assert shown[4].split()[:-3] == "team search month $10.00 $9.25 $0 $0.75 92 #########.".split()


def test_a_key_is_named_and_who_is_no_longer_meant_is_not_listed(home: Path) -> None:
    """The name of a key beside its id; a team that was taken out of `match` since is gone."""
    config = home / "turnout.toml"
    config.write_text(config.read_text() + '\n[budgets.keys]\nlimit = "1"\nper = "key"\nwindow = "total"\n')
    made = CliRunner().invoke(main, ["keys", "create", "nightly", "--config", str(config), "--json"])
    key_id = json.loads(made.stdout)["id"]
    with closing(sqlite3.connect(home / "data/turnout.db")) as database:
        database.execute("INSERT INTO accounts VALUES ('keys', ?, 0, NULL, 1000000000, 0, 5, 0, 0)", (key_id,))
        database.commit()
    assert run(home, "correct", "team", "--subject", "search", "--by", "0.5", "--reason", "why").exit_code == 0
    config.write_text(config.read_text().replace('"search", ', "").replace(', "search"', ""))
    listed = {(each["budget"], each["subject"]): each for each in json.loads(run(home, "list", "--json").stdout)}

    assert listed["keys", key_id]["key_name"] == "nightly"
    assert ("team", "sales") in listed and ("team", "search") not in listed
    assert "nightly" in run(home, "list").stdout


def test_the_list_is_filtered(home: Path) -> None:
    run(home, "correct", "team", "--subject", "search", "--by", "8", "--reason", "why")

    def subjects(*words: str) -> list[str]:
        return [each["subject"] for each in json.loads(run(home, "list", "--json", *words).stdout)]

    assert subjects("--near", "80") == ["search"]
    assert subjects("--near", "81") == []
    assert subjects("--budget", "team") == ["sales", "search"]


def test_the_csv_has_the_fields_of_the_json(home: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(home, "list", "--csv").stdout)))
    listed = json.loads(run(home, "list", "--json").stdout)

    assert tuple(rows[0]) == COLUMNS == tuple(listed[0])
    assert rows[1]["limit"] == "10" and rows[0]["resets_at"] == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("correct", "teams", "--by", "1", "--reason", "r"), "Did you mean 'team'?"),
        (("correct", "team", "--by", "1", "--reason", "r"), "name one of its subjects. There are: sales, search."),
        (("correct", "team", "--subject", "sales", "--reason", "r"), "`by`, a difference, or `to`"),
        (("correct", "team", "--subject", "sales", "--by", "5,0", "--reason", "r"), "such as 12.00 or -5.00, not '5,0'."),
        (("list", "--budget", "tea"), "There is no budget 'tea' in the configuration. Did you mean 'team'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_exit_1(home: Path, words: tuple[str, ...], said: str) -> None:
    done = run(home, *words)

    assert (done.exit_code, done.stdout) == (1, "")
    assert said in done.stderr


def test_without_budgets_the_list_says_how_to_write_one(home: Path) -> None:
    (home / "turnout.toml").write_text('[storage]\ndir = "data"\n')

    assert "Write a `[budgets.NAME]` section" in run(home, "list").stdout
    assert json.loads(run(home, "list", "--json").stdout) == []


# ---- through a server ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = CONFIG + '\n[[keys]]\nname = "nobody"\nsecret_env = "NOBODY_KEY"\n'
    environ = {"NOBODY_KEY": "sk-nobody-0123456789"}
    with running_gateway(tmp_path_factory.mktemp("server"), config, environ) as gateway:
        yield gateway


def test_a_running_server_is_asked(server: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its record names the administrator's key, and a list read beside it says the same as its own."""
    home = server.database.parent
    (home / "turnout.toml").write_text(f'[storage]\ndir = "{home}"\n{CONFIG}')
    monkeypatch.setenv("TURNOUT_ADMIN_KEY", server.admin_key)

    done = run(home, "correct", "all/of.it", "--url", server.url, "--by", "12.5", "--reason", "bought elsewhere")

    assert done.stdout == "The budget 'all/of.it' had spent $0, and now $12.50. $87.50 of $100.00 is left.\n"
    (entry,) = server.rows("audit")
    assert (entry["action"], entry["object"]) == ("budget.correct", "all/of.it")
    assert entry["actor"] not in ("cli", "")
    beside = run(home, "list", "--json").stdout
    assert json.loads(run(home, "list", "--json", "--url", server.url).stdout) == json.loads(beside)
    refused = run(home, "correct", "all/of.it", "--url", server.url, "--to", "-1", "--reason", "r")
    assert "answered 400: $12.5 was spent, and less than nothing can't be." in refused.stderr


def test_only_administrators_see_and_correct(server: Gateway) -> None:
    with httpx.Client(base_url=server.url) as client:
        for method, path in (("GET", "/admin/budgets"), ("POST", "/admin/budgets/team/correct")):
            assert client.request(method, path).status_code == 401
            assert client.request(method, path, headers=server.headers).status_code == 403
        admin = {"authorization": f"Bearer {server.admin_key}"}
        missing = client.post("/admin/budgets/none/correct", headers=admin, json={"by": "1", "reason": "r"})
    assert (missing.status_code, missing.json()["error"]["param"]) == (404, "budget")
