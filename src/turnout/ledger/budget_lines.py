"""Where budgets stand: one line for each account that is open, as commands and the admin API show it.

Read from `accounts` alone. A line stands for what admission sees: accounts of a rule that was taken out of the
configuration, of a window that it no longer has, or of a subject that it no longer names, weigh on nothing and are not
shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from turnout.core.json import JsonObject
from turnout.core.money import Money, plain
from turnout.ledger import statements
from turnout.ledger.budget_refusal import money
from turnout.ledger.budgets import Budget, Budgets
from turnout.ledger.keys import list_keys
from turnout.ledger.rows import from_ms, to_ms
from turnout.ledger.store import Store

_OF_KEYS = ("key", "user")
"""Budgets whose subjects are keys, or belong to one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLine:
    """A budget of one subject in the window that is open."""

    rule: Budget
    subject: str
    opens_ms: int
    closes_ms: int | None
    spent_nano: int = 0
    held_nano: int = 0
    """Set aside for requests under way."""
    over_nano: int = 0
    """What calls cost more than was set aside for them, beyond the limit."""
    unpriced: int = 0
    """Calls that are not in `spent`, because no price is known."""
    key_name: str = ""
    """Of the key that the subject is or belongs to; empty where there is none in the database."""

    @property
    def left_nano(self) -> int | None:
        """None where nothing is refused."""
        if self.rule.limit_nano is None:
            return None
        return max(0, self.rule.limit_nano - self.spent_nano - self.held_nano)

    @property
    def percent(self) -> int:
        """Of the limit, or of the soft one where there is no other; rounded down, and above 100 when overdrawn."""
        whole = self.rule.limit_nano or self.rule.soft_nano
        assert whole, "a budget has one of the two, and neither is 0"
        return 100 * (self.spent_nano + self.held_nano) // whole


def budget_lines(store: Store, budgets: Budgets, at: datetime) -> list[BudgetLine]:
    """All lines by budget and subject, those of subjects that are named in the rules even if they have spent
    nothing."""
    found = {(line.rule.name, line.subject): line for line in _expected(budgets, at)}
    names = _key_names(store, budgets)
    open_now = {rule.name: (rule, *budgets.window(rule, at)) for rule in budgets.rules.values()}
    for budget, subject, opens_ms, held, spent, over, unpriced in store.execute(
        statements.SELECT_OPEN_ACCOUNTS, (to_ms(at),)
    ):
        if budget not in open_now or open_now[budget][1] != opens_ms:
            continue
        rule, _, closes_ms = open_now[budget]
        name = names.get(subject.partition("/")[0], "") if rule.per in _OF_KEYS else ""
        if not rule.still_takes(subject, name):
            continue
        found[budget, subject] = BudgetLine(
            rule=rule,
            subject=subject,
            opens_ms=opens_ms,
            closes_ms=closes_ms,
            spent_nano=spent,
            held_nano=held,
            over_nano=over,
            unpriced=unpriced,
            key_name=name,
        )
    return [found[key] for key in sorted(found)]


def _key_names(store: Store, budgets: Budgets) -> dict[str, str]:
    """By id; read only where a budget has keys."""
    if not any(rule.per in _OF_KEYS for rule in budgets.rules.values()):
        return {}
    return {row.id: row.spec.name for row in list_keys(store)}


def _expected(budgets: Budgets, at: datetime) -> list[BudgetLine]:
    lines: list[BudgetLine] = []
    for rule in budgets.rules.values():
        opens_ms, closes_ms = budgets.window(rule, at)
        for subject in rule.known_subjects():
            lines.append(BudgetLine(rule=rule, subject=subject, opens_ms=opens_ms, closes_ms=closes_ms))
    return lines


def line_to_json(line: BudgetLine) -> JsonObject:
    """As the admin API and `--json` show it. Amounts are US dollars as text, so that no reader makes floats of them."""
    rule = line.rule
    return {
        "budget": rule.name,
        "per": rule.per,
        "subject": line.subject,
        "key_name": line.key_name or None,
        "window": rule.window,
        "zone": rule.zone,
        "opens_at": _iso(line.opens_ms),
        "resets_at": _iso(line.closes_ms),
        "limit": _usd(rule.limit_nano),
        "soft": _usd(rule.soft_nano),
        "spent": _usd(line.spent_nano),
        "held": _usd(line.held_nano),
        "left": _usd(line.left_nano),
        "percent": line.percent,
        "over": _usd(line.over_nano),
        "unpriced": line.unpriced,
    }


def usd(amount: Money) -> str:
    """`12.5`, exactly."""
    return plain(amount.usd)


def _usd(nano: int | None) -> str | None:
    return None if nano is None else usd(money(nano))


def _iso(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else from_ms(milliseconds).isoformat(timespec="seconds").replace("+00:00", "Z")
