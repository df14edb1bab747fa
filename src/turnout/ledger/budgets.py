"""Budgets: whose money a request spends, and which accounts it must find room in. Pure; knows no table.

A request may fall under several budgets, and all of them must have room. Whose money it is:

    per     subject of the account           a request that has none
    key     the key's id                     every request has one
    team    the key's team                   does not fall under the budget: only an administrator gives a team
    tag     each of its tags                 does not fall under the budget
    route   the route, by its own name       every request has one
    user    `KEY_ID/END_USER`                counts as `KEY_ID/(none)`: leaving the field out is no way round
    all     empty                            every request

An end user belongs to a key, so that no caller can use up the money of another's users by naming them.
`match` picks subjects; each of them has an amount of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from turnout.core.errors import NotFound
from turnout.core.names import did_you_mean
from turnout.core.settings_model import BudgetPer, BudgetSettings, BudgetWindow
from turnout.ledger.posting import AccountRef
from turnout.ledger.windows import Windows

NO_USER = "(none)"
"""The end user of a request that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """What of a request decides which budgets it falls under."""

    key_id: str
    key_name: str
    team: str = ""
    tags: tuple[str, ...] = ()
    route: str = ""
    end_user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A rule: at most so much in each window, for each subject. Amounts are nanodollars."""

    name: str
    limit_nano: int | None
    """None: nothing is refused."""
    soft_nano: int | None
    """Where a warning is due; None: never."""
    window: BudgetWindow
    zone: str
    per: BudgetPer
    match: frozenset[str]
    """Empty: every subject."""

    @classmethod
    def of(cls, settings: BudgetSettings) -> Budget:
        """The rule that the operator wrote."""
        return cls(
            name=settings.name,
            limit_nano=None if settings.limit is None else settings.limit.nanodollars(),
            soft_nano=None if settings.soft is None else settings.soft.nanodollars(),
            window=settings.window,
            zone=settings.zone,
            per=settings.per,
            match=frozenset(settings.match),
        )

    def subjects(self, who: Who) -> tuple[str, ...]:
        """Whose accounts a request weighs on, sorted. Empty: it does not fall under this budget."""
        match self.per:
            case "all":
                return ("",)
            case "key":
                return (who.key_id,) if self._takes(who.key_id) or who.key_name in self.match else ()
            case "team":
                return (who.team,) if who.team and self._takes(who.team) else ()
            case "route":
                return (who.route,) if self._takes(who.route) else ()
            case "tag":
                return tuple(sorted({tag for tag in who.tags if self._takes(tag)}))
            case "user":
                user = who.end_user or NO_USER
                # A key in the configuration is called by its name, which may have a stroke in it, and so may a user.
                key_id = who.key_id.replace("/", "%2F")
                return (f"{key_id}/{user}",) if self._takes(who.end_user) else ()

    def still_takes(self, subject: str, key_name: str = "") -> bool:
        """Whether an account of this rule still counts for it: its subject may have been taken out of `match` since.
        `key_name` is that of the subject's key, where it has one."""
        match self.per:
            case "all":
                return True
            case "key":
                return self._takes(subject) or key_name in self.match
            case "user":
                user = subject.partition("/")[2]
                return self._takes("" if user == NO_USER else user)
            case _:
                return self._takes(subject)

    def known_subjects(self) -> tuple[str, ...]:
        """Those that the rule names itself, by the name that their account has."""
        if self.per == "all":
            return ("",)
        # A key may be matched by its name and a user by any key: their accounts are called otherwise.
        return tuple(sorted(self.match)) if self.per in ("team", "tag", "route") else ()

    def _takes(self, subject: str) -> bool:
        return not self.match or subject in self.match


class Budgets:
    """All rules, and the windows that are open. One per process; made anew when the settings are read again."""

    def __init__(self, budgets: Iterable[Budget] = ()) -> None:
        self.rules = {budget.name: budget for budget in sorted(budgets, key=lambda budget: budget.name)}
        self._windows = Windows()

    @classmethod
    def of(cls, settings: Iterable[BudgetSettings]) -> Budgets:
        """`Budgets.of(settings.budgets.values())`."""
        return cls(Budget.of(each) for each in settings)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def named(self, name: str) -> Budget:
        """The rule of that name. Raises NotFound with the nearest names."""
        if name in self.rules:
            return self.rules[name]
        hint = did_you_mean(name, self.rules) or f"There are: {', '.join(self.rules) or 'none'}."
        raise NotFound(f"There is no budget '{name}' in the configuration. {hint}", param="budget")

    def window(self, rule: Budget, at: datetime) -> tuple[int, int | None]:
        """When the rule's window of an instant opens and closes, in milliseconds since 1970; None: never."""
        return self._windows.milliseconds(rule.window, rule.zone, at)

    def accounts_for(self, who: Who, at: datetime) -> tuple[AccountRef, ...]:
        """Where a request needs room, sorted by budget and subject: whoever locks them locks in one order."""
        if not self.rules:
            return ()
        found: list[AccountRef] = []
        for name, rule in self.rules.items():
            subjects = rule.subjects(who)
            if not subjects:
                continue
            opens_ms, closes_ms = self.window(rule, at)
            found.extend(AccountRef(name, subject, opens_ms, closes_ms, rule.limit_nano) for subject in subjects)
        return tuple(found)
