"""Reading `[money]` and `[budgets]`: amounts, windows, zones, and every way to get them wrong."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.core.money import Money
from turnout.core.problems import ConfigProblems
from turnout.core.settings import settings_from
from turnout.core.settings_model import BudgetSettings, MoneySettings, Settings
from turnout.core.toml_source import parse_toml


def _read(text: str) -> Settings:
    return settings_from(parse_toml(text, file="t.toml"), {})


def _problem(text: str) -> str:
    with pytest.raises(ConfigProblems) as raised:
        _read(text)
    assert len(raised.value.problems) == 1, raised.value
    return str(raised.value.problems[0])


def test_without_a_word_of_money_there_are_no_budgets() -> None:
    settings = _read("")

    assert (settings.budgets, settings.money) == ({}, MoneySettings(enabled=True, hold_output=None))


def test_a_budget_is_read() -> None:
    settings = _read(
        '[money]\nhold_output = 4096\n[budgets.engineering]\nlimit = "500.00"\nsoft = "400"\nwindow = "week"\n'
        'zone = "Europe/Berlin"\nper = "team"\nmatch = ["engineering", "research"]\n'
    )

    assert settings.money.hold_output == 4096
    assert settings.budgets["engineering"] == BudgetSettings(
        name="engineering",
        limit=Money.of("500"),
        soft=Money.of("400"),
        window="week",
        zone="Europe/Berlin",
        per="team",
        match=("engineering", "research"),
    )


def test_a_limit_alone_is_a_month_of_everyones() -> None:
    assert _read('[budgets.all]\nlimit = "0.000000001"').budgets["all"] == BudgetSettings(
        name="all", limit=Money.of("0.000000001"), window="month", zone="UTC", per="all"
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("limit = 50.0", 't.toml:2: budgets.b.limit: must be text, such as "50.00": a number with a point has no exact'),
        ("limit = 50", "t.toml:2: budgets.b.limit: must be text"),
        ("limit = true", "t.toml:2: budgets.b.limit: must be text"),
        ('limit = "$50"', 'must be an amount in US dollars such as "50.00", without a sign and without commas'),
        ('limit = "1,000"', "without commas, not '1,000'."),
        ('limit = "-5"', "without a sign"),
        ('limit = "1e3"', "must be an amount in US dollars"),
        ('limit = "1_000"', "must be an amount in US dollars"),
        ('limit = "nan"', "must be an amount in US dollars"),
        ('limit = "٥٠"', "must be an amount in US dollars"),
        ('limit = "0.0000000001"', "must be an amount in US dollars"),  # finer than what is stored
        ('limit = ""', "must not be empty"),
        ('limit = "0"', 'must be more than "0" and at most "10000000" US dollars, not \'0\'.'),
        ('limit = "10000000.01"', 'must be more than "0" and at most "10000000" US dollars'),
        ('soft = "0.00"', "budgets.b.soft: must be more than"),
        ('limit = "5"\nsoft = "5.01"', "t.toml:3: budgets.b.soft: is more than `limit` ($5): the warning would come after"),
        ("", "t.toml:1: budgets.b: needs `limit`, above which requests are refused, or `soft`"),
        ('limit = "5"\nwindow = "year"', "budgets.b.window: must be one of 'hour', 'day', 'week', 'month', 'total'"),
        ('limit = "5"\nper = "teams"', "Did you mean 'team'?"),
        ('limit = "5"\nzone = "Europe/Berlni"', "is no time zone. Write UTC or an IANA name such as Europe/Berlin. Did you"),
        ('limit = "5"\nzone = "CET+1"', "t.toml:3: budgets.b.zone: 'CET+1' is no time zone."),
        ('limit = "5"\nzone = "../../etc/passwd"', "is no time zone."),
        ('limit = "5"\nzone = "Europe"', "is no time zone."),
        ('limit = "5"\nzone = "\\u0000"', "is no time zone."),
        ('limit = "5"\nwindow = "total"\nzone = "Europe/Berlin"', "means nothing here"),
        ('limit = "5"\nmatch = ["a"]', "t.toml:3: budgets.b.match: names subjects, and this budget is for all."),
        ('limit = "5"\nper = "team"\nmatch = []', "must not be empty. Leave it out"),
        ('limit = "5"\nper = "team"\nmatch = ["a", "a"]', "t.toml:4: budgets.b.match[1]: 'a' is given twice."),
        ('limit = "5"\nlimits = "6"', "t.toml:3: budgets.b.limits: unknown key. Did you mean 'limit'?"),
    ],
)  # fmt: skip
def test_a_wrong_budget_is_told_with_its_place(written: str, said: str) -> None:
    assert said in _problem(f"[budgets.b]\n{written}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[budgets.""]\nlimit = "5"', 't.toml:1: budgets."": a name has letters, digits'),
        ('[budgets."-b"]\nlimit = "5"', "a name has letters, digits"),
        ("budgets = 5", "budgets: must be a table, not an integer."),
        ("[money]\nhold_output = 0", "t.toml:2: money.hold_output: must lie between 1 and 100,000,000, not 0."),
        (
            "[money]\nhold = 5",
            "t.toml:2: money.hold: unknown key. Known here: 'enabled', 'outage_allowance', 'outage_seconds', 'hold_output'.",
        ),
        ('[routes.r]\ntargets = ["a"]\nunknown_price = "ignore"', "must be one of 'flag', 'refuse', not 'ignore'."),
    ],
)
def test_a_mistake_in_a_section_is_told(text: str, said: str) -> None:
    assert said in _problem(text)


def test_a_route_says_what_becomes_of_an_unknown_price() -> None:
    settings = _read('[routes.a]\ntargets = ["x"]\n[routes.b]\ntargets = ["x"]\nunknown_price = "refuse"\n')

    assert [route.unknown_price for route in settings.routes.values()] == ["flag", "refuse"]


def test_a_machine_without_zones_says_what_to_install() -> None:
    """The only zone such a machine has is UTC."""
    code = (
        "import sys; sys.modules['tzdata'] = None\n"
        "from turnout.core.settings_money import zone_fault\n"
        "print(zone_fault('UTC'), zone_fault('Europe/Berlin'))"
    )
    environ = {**os.environ, "PYTHONTZPATH": ""}
    told = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True).stdout

    assert told.startswith("None can't be checked: this machine has no time zone data. Install the system's `tzdata`")


@given(st.text(max_size=20))
def test_an_amount_is_exact_or_a_problem(text: str) -> None:
    try:
        budget = _read(f"[budgets.b]\nlimit = {_toml(text)}").budgets["b"]
    except ConfigProblems:
        return
    assert budget.limit == Money.of(text)


def _toml(text: str) -> str:
    return (
        '"' + "".join(f"\\U{ord(character):08x}" for character in text if not 0xD800 <= ord(character) < 0xE000) + '"'
    )
