"""Corrections of what a budget has spent, by an administrator, with a reason and a line in the audit log.

Rules
1. The account, the correction and the audit entry are written in one transaction: none without the others.
2. A correction weighs on the window that is open. What postings say stays: an account's spending is the sum of its
   postings and its corrections.
3. Nothing is spent less than nothing. More room for a while is a higher limit, not a correction.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from turnout.core.errors import InvalidField, NotFound
from turnout.core.ids import RandomBytes, new_id
from turnout.core.json import JsonMap, JsonObject
from turnout.core.money import Money
from turnout.core.names import did_you_mean
from turnout.core.settings_money import MOST
from turnout.ledger import audit, statements
from turnout.ledger.budget_lines import BudgetLine, line_to_json, usd
from turnout.ledger.budget_refusal import money
from turnout.ledger.budgets import Budget, Budgets
from turnout.ledger.rows import to_ms
from turnout.ledger.store import Store

_AMOUNT = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{1,9})?")
_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What an administrator asks for: `by` or `to`, one of the two."""

    subject: str | None = None
    """Whose account; None where the budget has one only."""
    by: Money | None = None
    """Added to what is spent; negative takes off."""
    to: Money | None = None
    """What is spent afterwards."""
    reason: str

    def __post_init__(self) -> None:
        if (self.by is None) == (self.to is None):
            raise InvalidField("A correction has `by`, a difference, or `to`, the sum afterwards: one of the two.")
        if not 1 <= len(self.reason.strip()) <= _REASON:
            raise InvalidField(f"`reason` has 1 to {_REASON} characters; it is kept in the audit log.", param="reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """What was done."""

    id: str
    before_nano: int
    line: BudgetLine
    """Afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrector:
    """What every correction needs: the rules, the hour, randomness and who asks."""

    budgets: Budgets
    now: datetime
    random_bytes: RandomBytes
    actor: str

    def correct(self, store: Store, name: str, wanted: Correction) -> Corrected:
        """Changes what the budget `name` has spent. Inside a transaction. Raises NotFound, InvalidField."""
        rule = self.budgets.named(name)
        opens_ms, closes_ms = self.budgets.window(rule, self.now)
        subject = self._subject(store, rule, opens_ms, wanted.subject)
        key = (rule.name, subject, opens_ms)
        select = statements.SELECT_ACCOUNT + store.for_update
        row = store.execute(select, key).fetchone()
        if row is None:
            store.execute(statements.INSERT_ACCOUNT, (*key, closes_ms, rule.limit_nano))
            row = store.execute(select, key).fetchone()
        assert row is not None, "the account was made just now"
        _, held, before, _, unpriced, _ = row
        amount = _amount(wanted, before)
        spent, limit = before + amount, rule.limit_nano
        over = 0 if limit is None else max(0, spent + held - limit)
        store.execute(statements.UPDATE_ACCOUNT, (limit, held, spent, over, unpriced, closes_ms, *key))
        made = Corrected(
            id=new_id("cor", self.now, self.random_bytes),
            before_nano=before,
            line=BudgetLine(
                rule=rule,
                subject=subject,
                opens_ms=opens_ms,
                closes_ms=closes_ms,
                spent_nano=spent,
                held_nano=held,
                over_nano=over,
                unpriced=unpriced,
            ),
        )
        self._note(store, made, wanted.reason.strip())
        return made

    def _subject(self, store: Store, rule: Budget, opens_ms: int, asked: str | None) -> str:
        """The subject, if there is such an account: a mistyped one must not open another."""
        rows = store.execute(statements.SELECT_OPEN_ACCOUNTS, (to_ms(self.now),))
        known = {str(row[1]) for row in rows if row[0] == rule.name and row[2] == opens_ms}
        known.update(rule.known_subjects())
        if asked is None and len(known) == 1:
            return known.pop()
        if asked is None or asked not in known:
            raise NotFound(_no_account(rule, known, asked), param="subject")
        return asked

    def _note(self, store: Store, made: Corrected, reason: str) -> None:
        line, at = made.line, to_ms(self.now)
        amount = line.spent_nano - made.before_nano
        account = (line.rule.name, line.subject, line.opens_ms)
        store.execute(statements.INSERT_CORRECTION, (made.id, at, *account, amount, reason, self.actor))
        detail: JsonObject = {
            "correction": made.id,
            "subject": line.subject,
            "opens_ms": line.opens_ms,
            "before": usd(money(made.before_nano)),
            "after": usd(money(line.spent_nano)),
            "reason": reason,
        }
        audit.append(
            store,
            audit.AuditEntry(
                at=self.now, actor=self.actor, action="budget.correct", object=line.rule.name, detail=detail
            ),
        )


def _amount(wanted: Correction, before: int) -> int:
    """Nanodollars to add. Raises InvalidField where that changes nothing or leaves less than nothing."""
    if wanted.by is not None:
        param, amount = "by", wanted.by.nanodollars()
    else:
        assert wanted.to is not None, "one of the two is given"
        param, amount = "to", wanted.to.nanodollars() - before
    if amount == 0:
        raise InvalidField(f"${usd(money(before))} is what was spent; nothing to correct.", param=param)
    if before + amount < 0:
        raise InvalidField(
            f"${usd(money(before))} was spent, and less than nothing can't be. To give more room, raise the limit.",
            param=param,
        )
    return amount


def _no_account(rule: Budget, known: set[str], asked: str | None) -> str:
    listed = ", ".join(sorted(known)[:20]) + (", ..." if len(known) > 20 else "")
    if not known:
        return f"Nothing was spent under the budget '{rule.name}' in its present window; there is nothing to correct."
    if asked is None:
        return f"The budget '{rule.name}' is per {rule.per}: name one of its subjects. There are: {listed}."
    hint = did_you_mean(asked, known) or f"There are: {listed}."
    return f"The budget '{rule.name}' has no account of '{asked}' in its present window. {hint}"


# ---- JSON, the same on the admin API and on the command line ---------------------------------


def correction_from_json(body: JsonMap) -> Correction:
    """Reads the body of `POST /admin/budgets/{name}/correct`. Raises InvalidField; unknown fields are errors."""
    unknown = sorted(set(body) - {"subject", "by", "to", "reason"})
    if unknown:
        raise InvalidField(f"A correction has no field `{unknown[0]}`.", param=unknown[0])
    return Correction(
        subject=_text(body, "subject"),
        by=_money(body, "by"),
        to=_money(body, "to"),
        reason=_text(body, "reason") or "",
    )


def correction_to_json(wanted: Correction) -> JsonObject:
    """The body of `POST /admin/budgets/{name}/correct`."""
    amounts: JsonObject = {name: usd(each) for name, each in (("by", wanted.by), ("to", wanted.to)) if each is not None}
    return {"subject": wanted.subject, "reason": wanted.reason, **amounts}


def corrected_to_json(made: Corrected) -> JsonObject:
    """The line afterwards, with what was spent before."""
    return {"correction": made.id, "before": usd(money(made.before_nano)), **line_to_json(made.line)}


def money_of(text: str, param: str) -> Money:
    """An amount with a sign, such as `-5.00`. Raises InvalidField."""
    if not _AMOUNT.fullmatch(text):
        raise InvalidField(f"`{param}` is an amount in US dollars such as 12.00 or -5.00, not '{text}'.", param=param)
    amount = Money.of(text)
    if abs(amount.usd) > MOST.usd:
        raise InvalidField(f"`{param}` is more than {usd(MOST)} US dollars.", param=param)
    return amount


def _money(body: JsonMap, param: str) -> Money | None:
    text = _text(body, param)
    return None if text is None else money_of(text, param)


def _text(body: JsonMap, param: str) -> str | None:
    value = body.get(param)
    if value is not None and not isinstance(value, str):
        raise InvalidField(f"`{param}` is a string; amounts too, so that they stay exact.", param=param)
    return value
