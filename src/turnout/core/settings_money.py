"""Reads `[money]` and `[budgets.NAME]`: amounts, windows and time zones. Knows no window's edges and no spending."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from turnout.core.money import Money
from turnout.core.names import did_you_mean
from turnout.core.settings_model import BudgetPer, BudgetSettings, BudgetWindow, MoneySettings
from turnout.core.settings_names import check_name
from turnout.core.toml_table import Table

MOST = Money.of(10_000_000)
"""US dollars. A larger limit is a mistyped one."""
_MOST_TOKENS = 100_000_000
_WINDOWS = ("hour", "day", "week", "month", "total")
_SUBJECTS = ("key", "team", "tag", "route", "user", "all")
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_AS_TEXT = (
    'must be text, such as "50.00": a number with a point has no exact value in binary, and money is counted exactly.'
)


def read_money(table: Table) -> MoneySettings:
    """`[money]`."""
    found = MoneySettings(
        enabled=table.flag("enabled", True),
        outage_allowance=_amount(table, "outage_allowance"),
        outage_seconds=table.number("outage_seconds", 60.0, least=1, most=86_400),
        hold_output=table.optional_integer("hold_output", least=1, most=_MOST_TOKENS),
    )
    table.done()
    return found


def read_budgets(root: Table) -> Mapping[str, BudgetSettings]:
    """Every `[budgets.NAME]`."""
    return {name: _budget(name, table) for name, table in root.tables("budgets")}


def _budget(name: str, table: Table) -> BudgetSettings:
    check_name(name, table)
    usual = BudgetSettings(name=name)
    found = BudgetSettings(
        name=name,
        limit=_amount(table, "limit"),
        soft=_amount(table, "soft"),
        window=cast("BudgetWindow", table.choice("window", _WINDOWS, usual.window)),
        zone=table.text("zone", usual.zone, check=zone_fault),
        per=cast("BudgetPer", table.choice("per", _SUBJECTS, usual.per)),
        match=table.texts("match", empty="must not be empty. Leave it out where the budget is for every one."),
    )
    _check(table, found)
    table.done()
    return found


def _amount(table: Table, key: str) -> Money | None:
    text = table.optional_text(key, check=_amount_fault, mistyped=_AS_TEXT)
    return Money.of(text) if text is not None else None


def _amount_fault(text: str) -> str | None:
    if not _AMOUNT.fullmatch(text):
        return f'must be an amount in US dollars such as "50.00", without a sign and without commas, not {text!r}.'
    if not Money.of(0) < Money.of(text) <= MOST:
        return f'must be more than "0" and at most "{MOST.usd}" US dollars, not {text!r}.'
    return None


def _check(table: Table, budget: BudgetSettings) -> None:
    """What one value says of another."""
    if not (table.has("limit") or table.has("soft")):
        table.wrong("", "needs `limit`, above which requests are refused, or `soft`, above which there is a warning.")
    if budget.limit is not None and budget.soft is not None and budget.soft > budget.limit:
        table.wrong("soft", f"is more than `limit` ({budget.limit}): the warning would come after the refusals.")
    if budget.per == "all" and table.has("match"):
        table.wrong("match", 'names subjects, and this budget is for all. Write `per`, such as per = "team".')
    if budget.window == "total" and table.has("zone"):
        table.wrong("zone", 'means nothing here: window = "total" never ends.')


def zone_fault(name: str) -> str | None:
    """What is wrong with the name of a time zone; None when nothing is. UTC needs no data of the machine's."""
    if name == "UTC":
        return None
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = available_timezones()
    else:
        return None
    if not known:
        return (
            "can't be checked: this machine has no time zone data. Install the system's `tzdata` package, or"
            " `pip install tzdata`, or leave `zone` out for UTC."
        )
    hint = did_you_mean(name, known)
    return f"'{name}' is no time zone. Write UTC or an IANA name such as Europe/Berlin. {hint}".rstrip()
