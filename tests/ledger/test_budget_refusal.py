"""What a caller is told whom a budget refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from turnout.core.errors import BudgetExceeded
from turnout.core.money import Money
from turnout.core.settings_model import BudgetPer, BudgetSettings, BudgetWindow
from turnout.ledger.budget_refusal import exceeded, money, shown
from turnout.ledger.budgets import Budgets, Who
from turnout.ledger.posting import Refused

NOW = datetime(2026, 11, 22, 4, 39, tzinfo=UTC)
WHO = Who(key_id="k1", key_name="app", team="engineering", tags=("batch",), route="chat", end_user="alice")


def refusal(
    per: BudgetPer = "team",
    *,
    now: datetime = NOW,
    window: BudgetWindow = "month",
    zone: str = "Europe/Berlin",
    spent: str = "499.88",
    held: str = "0",
    wanted: str = "0.84",
) -> BudgetExceeded:
    rule = BudgetSettings(name="engineering", limit=Money.of("500"), window=window, zone=zone, per=per)
    budgets = Budgets.of([rule])
    (account,) = budgets.accounts_for(WHO, now)
    amounts = (Money.of(amount).nanodollars() for amount in (spent, held, wanted))
    return exceeded(Refused(account, *amounts), budgets.rules["engineering"], now)


def test_the_refusal_says_which_budget_how_much_is_left_and_when_it_resets() -> None:
    error = refusal()

    assert error.message == (
        "The budget 'engineering' (team engineering, $500.00 a month, Europe/Berlin) has $0.12 left, and this request"
        " could cost up to $0.84. It resets at 2026-12-01T00:00+01:00. Ask for a smaller max_tokens, or have"
        " `[budgets.engineering] limit` raised."
    )
    assert (error.budget, error.subject, error.limit, error.left) == (
        "engineering",
        "team engineering",
        Money.of(500),
        Money.of("0.12"),
    )
    assert error.resets_at == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert (error.status, error.code, error.should_retry, error.retry_after) == (429, "budget_exceeded", False, None)


def test_money_set_aside_is_told_apart() -> None:
    error = refusal(spent="100", held="399.99", wanted="0.02")

    assert "has $0.01 left" in error.message
    assert "$399.99 is set aside for requests under way; part of it may come back." in error.message


@pytest.mark.parametrize(
    ("per", "words"),
    [
        ("all", "($500.00 a month,"),
        ("key", "(key k1, $500.00"),
        ("tag", "(tag batch, $500.00"),
        ("route", "(route chat, $500.00"),
        ("user", "(user alice, $500.00"),
    ],
)
def test_whose_budget_it_is_is_said(per: BudgetPer, words: str) -> None:
    assert words in refusal(per).message


def test_an_overdrawn_budget_has_nothing_left() -> None:
    error = refusal(spent="501.5")

    assert error.left == Money.of(0)
    assert "has $0.00 left" in error.message


def test_a_window_that_ends_within_a_minute_is_worth_a_retry() -> None:
    end = datetime(2026, 11, 30, 23, tzinfo=UTC)
    soon, later = refusal(now=end - timedelta(seconds=60)), refusal(now=end - timedelta(seconds=60.5))

    assert (soon.should_retry, soon.retry_after) == (True, 60.0)
    assert (later.should_retry, later.retry_after) == (False, None)


def test_a_total_budget_never_resets() -> None:
    error = refusal(window="total", zone="UTC")

    assert "($500.00 in all)" not in error.message
    assert "(team engineering, $500.00 in all) has" in error.message
    assert "It never resets." in error.message
    assert error.resets_at is None


@pytest.mark.parametrize(
    ("nano", "down", "up"),
    [
        (0, "$0.00", "$0.00"),
        (500_000_000_000, "$500.00", "$500.00"),
        (120_000_000, "$0.12", "$0.12"),
        (43_000, "$0.000043", "$0.000043"),
        (43_001, "$0.000043", "$0.000044"),
        (1, "$0.00", "$0.000001"),
        (1_999_999_999, "$1.999999", "$2.00"),
    ],
)
def test_amounts_are_shown_so_that_little_left_never_looks_enough(nano: int, down: str, up: str) -> None:
    assert (shown(money(nano)), shown(money(nano), up=True)) == (down, up)
