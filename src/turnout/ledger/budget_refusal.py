"""What a caller is told whom a budget refuses: which one, how much is left, when there is more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from turnout.core.errors import BudgetExceeded
from turnout.core.money import NOTHING, Money
from turnout.ledger.budgets import Budget
from turnout.ledger.posting import Refused
from turnout.ledger.windows import zone_of

_NANO = Decimal("0.000000001")
_MICRO = Decimal("0.000001")
_CENTS = 2
SOON = 60.0
"""Seconds. A window that ends within this is worth a retry; clients wait no longer."""
_EACH = {"hour": "an hour", "day": "a day", "week": "a week", "month": "a month", "total": "in all"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def exceeded(refused: Refused, budget: Budget, now: datetime) -> BudgetExceeded:
    """The error for a caller. `budget` is the rule that the account belongs to."""
    account = refused.account
    assert account.limit_nano is not None, "a budget without a limit refuses nothing"
    limit = money(account.limit_nano)
    left = max(NOTHING, money(account.limit_nano - refused.spent_nano - refused.held_nano))
    resets_at = None if account.closes_ms is None else _EPOCH + timedelta(milliseconds=account.closes_ms)
    wait = None if resets_at is None else (resets_at - now).total_seconds()
    whose = label(budget, account.subject)
    wanted = shown(money(refused.wanted_nano), up=True)
    message = " ".join(
        [
            f"The budget '{account.budget}' ({_terms(budget, whose, limit)}) has {shown(left)} left,"
            f" and this request could cost up to {wanted}.",
            *_set_aside(refused),
            _until(budget, resets_at),
            f"Ask for a smaller max_tokens, or have `[budgets.{account.budget}] limit` raised.",
        ]
    )
    return BudgetExceeded(
        message,
        budget=account.budget,
        subject=whose,
        limit=limit,
        left=left,
        resets_at=resets_at,
        retry_after=max(wait, 0.0) if wait is not None and wait <= SOON else None,
    )


def money(nanodollars: int) -> Money:
    """An amount as it is stored, exactly."""
    return Money(Decimal(nanodollars) * _NANO)


def shown(amount: Money, *, up: bool = False) -> str:
    """`$500.00`, `$0.12`, `$0.000043`: two places at least and six at most, rounded down unless `up`. So what is left
    never looks like enough for what does not fit."""
    rounded = amount.usd.quantize(_MICRO, rounding=ROUND_CEILING if up else ROUND_FLOOR)
    whole, _, fraction = format(rounded, "f").partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(_CENTS, '0')}"


def label(budget: Budget, subject: str) -> str:
    """Whose an account is, in words: `team engineering`, `user alice`; empty where all share it."""
    if budget.per == "all":
        return ""
    # The key is left out: its caller knows it, and reads the user's name.
    return f"{budget.per} {subject.partition('/')[2] if budget.per == 'user' else subject}"


def _terms(budget: Budget, whose: str, limit: Money) -> str:
    zone = None if budget.window == "total" else budget.zone
    return ", ".join(filter(None, [whose, f"{shown(limit)} {_EACH[budget.window]}", zone]))


def _set_aside(refused: Refused) -> list[str]:
    if not refused.held_nano:
        return []
    return [
        f"{shown(money(refused.held_nano), up=True)} is set aside for requests under way; part of it may come back."
    ]


def _until(budget: Budget, resets_at: datetime | None) -> str:
    if resets_at is None:
        return "It never resets."
    local = resets_at.astimezone(zone_of(budget.zone))
    return f"It resets at {local.isoformat(timespec='minutes')}."
