"""Money of one call to a deployment: set aside before it (a hold), then ended exactly once (a posting).

    hold -> settle    the call was made: what it cost, or what it is estimated to have cost
         -> void      nothing was billed: refused, or never sent
         -> expire    nobody ended it: the process died. What is certain to be lost is taken as its cost
    expire -> correct the call ended after all; the difference

One state machine for every path: an answer, an error, a fallback, a caller who leaves, a stop, a crash. The hold names
the budgets' accounts that it weighs on, and its end is charged to the same ones, whatever hour it is by then.
Amounts are whole nanodollars; None is "not known", never 0. Knows no tariff and no HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

Kind = Literal["settle", "void", "expire", "correct"]

LEASE = "lease_"
"""How the request ids of leases begin (`leases`): holds that no call is made for, and that no posting ends."""


class AccountRef(NamedTuple):
    """A budget of one subject in one window."""

    budget: str
    subject: str
    """The key id, team, tag, route or end user whose it is; empty where the budget is shared by all."""
    opens_ms: int
    closes_ms: int | None
    """The first instant after the window; None where it never ends."""
    limit_nano: int | None
    """None: nothing is refused (a soft budget)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who calls whom: what reports group by."""

    request_id: str
    number: int
    """Of the attempt, from 1."""
    key_id: str
    team: str = ""
    end_user: str = ""
    tags: tuple[str, ...] = ()
    """Sorted, each at most once."""
    route: str
    deployment: str
    provider: str
    model: str
    """The provider's name of it."""
    channel: str
    """Whose price list."""
    started_at: datetime
    """The instant whose tariff holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What is set aside for a call before it is made."""

    call: Call
    expires_at: datetime
    """When it is given up even though its process lives."""
    amount_nano: int | None
    """The most that the call can cost; None where no price is known."""
    sunk_nano: int | None
    """What is taken as spent if the process dies in the call: the prompt."""
    accounts: tuple[AccountRef, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """How a hold ended."""

    call: Call
    kind: Kind
    posted_at: datetime
    held_nano: int | None
    cost_nano: int | None
    tier: str = "standard"
    region: str = "global"
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    price_row: str = ""
    """Id of the tariff's row; empty where no price is known."""
    catalogue_version: str = ""
    estimated: bool = False
    """The counts are ours, or the price is: the provider's never came."""
    flags: tuple[str, ...] = ()
    """What was wrong with the counts, or why there is no price."""
    neutral_tokens: int = 0
    """The prompt by the neutral counter, beside the provider's own count: ratios are learned from the two."""
    content: str = ""
    """The prompt's content class."""
    accounts: tuple[AccountRef, ...] = ()
    """The hold's."""


class Refused(NamedTuple):
    """A budget that has no room for a hold."""

    account: AccountRef
    spent_nano: int
    held_nano: int
    wanted_nano: int


def void(hold: Hold, at: datetime | None = None, reason: str = "never_called") -> Posting:
    """The end of a hold whose call was billed nothing."""
    return Posting(
        call=hold.call,
        kind="void",
        posted_at=at or hold.call.started_at,
        held_nano=hold.amount_nano,
        cost_nano=0,
        flags=(reason,),
        accounts=hold.accounts,
    )
