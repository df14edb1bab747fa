"""Which budgets a request falls under, and whose money it is."""

from __future__ import annotations

import timeit
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.core.money import Money
from turnout.core.settings_model import BudgetPer, BudgetSettings
from turnout.ledger.budgets import Budgets, Who
from turnout.ledger.posting import AccountRef

NOW = datetime(2026, 11, 22, 4, 39, tzinfo=UTC)
NOVEMBER, DECEMBER = 1_793_491_200_000, 1_796_083_200_000
ALICE = Who(key_id="k1", key_name="app", team="engineering", tags=("batch", "nightly"), route="chat", end_user="alice")


def rule(name: str, per: BudgetPer, *match: str) -> BudgetSettings:
    return BudgetSettings(name=name, limit=Money.of("5"), per=per, match=match)


def subjects(per: BudgetPer, *match: str, who: Who = ALICE) -> list[str]:
    return [account.subject for account in Budgets.of([rule("b", per, *match)]).accounts_for(who, NOW)]


def test_no_budgets_no_accounts() -> None:
    budgets = Budgets()

    assert not budgets
    assert budgets.accounts_for(ALICE, NOW) == ()


def test_an_account_is_a_budget_of_a_subject_in_a_window() -> None:
    budgets = Budgets.of([rule("team", "team")])

    assert budgets.accounts_for(ALICE, NOW) == (AccountRef("team", "engineering", NOVEMBER, DECEMBER, 5_000_000_000),)


def test_a_soft_budget_limits_nothing() -> None:
    budgets = Budgets.of([BudgetSettings(name="s", soft=Money.of("0.5"), window="total")])

    assert budgets.accounts_for(ALICE, NOW) == (AccountRef("s", "", 0, None, None),)
    assert budgets.rules["s"].soft_nano == 500_000_000


@pytest.mark.parametrize(
    ("per", "match", "expected"),
    [
        ("all", (), [""]),
        ("key", (), ["k1"]),
        ("key", ("app",), ["k1"]),
        ("key", ("k1",), ["k1"]),
        ("key", ("k2", "other"), []),
        ("team", (), ["engineering"]),
        ("team", ("engineering", "sales"), ["engineering"]),
        ("team", ("sales",), []),
        ("tag", (), ["batch", "nightly"]),
        ("tag", ("nightly",), ["nightly"]),
        ("tag", ("weekly",), []),
        ("route", (), ["chat"]),
        ("route", ("code",), []),
        ("user", (), ["k1/alice"]),
        ("user", ("alice", "bob"), ["k1/alice"]),
        ("user", ("bob",), []),
    ],
)
def test_whose_money_it_is(per: BudgetPer, match: tuple[str, ...], expected: list[str]) -> None:
    assert subjects(per, *match) == expected


def test_leaving_the_end_user_out_is_no_way_round() -> None:
    """Requests without a user share one account of their key; those of other keys have their own."""
    nobody = Who(key_id="k1", key_name="app", route="chat")

    assert subjects("user", who=nobody) == ["k1/(none)"]
    assert subjects("user", "alice", who=nobody) == []


def test_one_key_cannot_spend_the_money_of_another_keys_user() -> None:
    other = Who(key_id="k2", key_name="other", end_user="alice")

    assert subjects("user", who=other) == ["k2/alice"]


def test_a_key_without_a_team_or_tags_is_under_no_such_budget() -> None:
    bare = Who(key_id="k1", key_name="app", route="chat")

    assert subjects("team", who=bare) == subjects("tag", who=bare) == []


def test_the_window_moves_on() -> None:
    budgets = Budgets.of([rule("b", "all")])
    first = budgets.accounts_for(ALICE, NOW)[0]
    later = budgets.accounts_for(ALICE, NOW + timedelta(days=9))[0]

    assert first.closes_ms == later.opens_ms == DECEMBER


pers = st.sampled_from(["key", "team", "tag", "route", "user", "all"])
names = st.text("abc", min_size=1, max_size=2)


@given(st.dictionaries(names, pers, max_size=6), st.lists(names, max_size=4), names, names)
def test_locks_are_always_taken_in_one_order(
    rules: dict[str, BudgetPer], tags: list[str], team: str, user: str
) -> None:
    """Whatever the order of the rules and of the tags, and each account once."""
    budgets = Budgets.of(rule(name, per) for name, per in rules.items())
    who = Who(key_id="k", key_name="n", team=team, tags=tuple(tags), route="r", end_user=user)
    keys = [account[:3] for account in budgets.accounts_for(who, NOW)]

    assert keys == sorted(set(keys))


def test_asking_takes_microseconds() -> None:
    """It stands in the path of each request. Ten times what it takes on a slow machine, so that only a change of kind
    fails: a zone looked up, a calendar walked."""
    budgets = Budgets.of(
        BudgetSettings(name=str(per), limit=Money.of(5), per=per, window="day", zone="Europe/Berlin")
        for per in ("key", "team", "user")
    )
    best = min(timeit.repeat(lambda: budgets.accounts_for(ALICE, NOW), number=200, repeat=5)) / 200

    assert best < 60e-6
