"""Money around a call: what is set aside before it, and what it turns out to have cost.

    hold = await billing.hold(...)      raises BudgetExceeded, PriceUnknown, StorageUnavailable: then nothing is sent
    ...                                 the call
    posting = billing.end(hold, ...)    exactly once, however the call ended; written with the request's record

What can't be priced is never 0: where a hold knew a price the hold's amount is the cost, marked as estimated, else the
cost is unknown. Odd counts are replaced by our own, flagged and told in the log and the metrics.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from turnout.catalogue.model import Catalogue, Deployment, Route
from turnout.catalogue.reload import Reloader
from turnout.catalogue.service import Words
from turnout.catalogue.tariff import Tier, UnknownPrice
from turnout.core.clock import Clock
from turnout.core.errors import PriceUnknown
from turnout.core.fault_point import fault_point
from turnout.core.settings_model import Settings
from turnout.gateway.intake import Intake
from turnout.gateway.journal import Journal
from turnout.gateway.metrics import Metrics
from turnout.gateway.reckoning import (
    Ending,
    cost_of,
    counted,
    served,
)
from turnout.gateway.set_aside import set_aside
from turnout.ledger.bookkeeping import Granted, Standing
from turnout.ledger.budget_refusal import exceeded, money, shown
from turnout.ledger.budgets import Budgets, Who
from turnout.ledger.leases import Leases
from turnout.ledger.posting import AccountRef, Call, Hold, Posting, Refused, void
from turnout.ledger.ratios_live import MEDIA_FLAG, LiveRatios
from turnout.ledger.writer import Writer

_TELL_AGAIN = 600.0
"""Seconds between two log lines of the same oddity at the same deployment."""
_MOST_TOLD = 1_000
_AFTER = timedelta(seconds=60)
"""How long after its own deadline a call's hold is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A hold that was granted, and how it was reckoned."""

    hold: Hold
    asked: Words
    deployment: Deployment
    catalogue: Catalogue


class Billing:
    """Sets money aside and reckons what calls cost. One per process; owned by the event loop."""

    def __init__(
        self,
        *,
        writer: Writer,
        clock: Clock,
        reloader: Reloader,
        metrics: Metrics,
        journal: Journal,
        ratios: LiveRatios | None = None,
        leases: Leases | None = None,
    ) -> None:
        self._leases = leases
        self._away_since: float | None = None
        self._ratios = ratios or LiveRatios()
        self._writer = writer
        self._clock = clock
        self._reloader = reloader
        self._metrics = metrics
        self._journal = journal
        self._settings: Settings | None = None
        self._budgets = Budgets()
        self._lent: set[tuple[str, int]] = set()
        """Calls under way that a lease covers."""
        self._told: dict[tuple[str, tuple[str, ...]], float] = {}
        self._warned: set[tuple[str, str, int]] = set()

    @property
    def budgets(self) -> Budgets:
        """The rules of the settings in force."""
        settings = self._reloader.current.settings
        if settings is not self._settings:
            self._settings = settings
            self._budgets = Budgets.of(settings.budgets.values())
        return self._budgets

    async def hold(
        self, intake: Intake, who: Who, route: Route, deployment: Deployment, *, request_id: str, number: int
    ) -> Held | None:
        """Sets aside what a call can cost. None where money is switched off."""
        if not self._reloader.current.settings.money.enabled:
            return None
        now, budgets = self._clock.now(), self.budgets  # a reload while the hold is written changes nothing for it
        accounts = budgets.accounts_for(replace(who, route=route.name), now) if budgets else ()
        held = self._reckon(intake, who, route, deployment, accounts, now, request_id, number)
        try:
            fault_point("hold queued")
            answer = await self._set_aside(held.hold)
            fault_point("hold committed")
        except asyncio.CancelledError:
            self._writer.post([void(held.hold, now, "never_called")])
            raise
        if isinstance(answer, Refused):
            self._metrics.refused_by_budget(answer.account.budget)
            raise exceeded(answer, budgets.rules[answer.account.budget], now)
        if answer:
            self._warn(answer)
        return held

    def carries_on(self) -> bool:
        """Whether calls may be begun though the database is away, as far as leases cover them."""
        if self._leases is None:
            return False
        now = self._clock.monotonic()
        if self._away_since is None:
            self._away_since = now
        return now - self._away_since < self._reloader.current.settings.money.outage_seconds

    async def _set_aside(self, hold: Hold) -> Granted | Refused:
        """The database's answer; where it is away and a lease covers the hold, it is granted."""
        leases = self._leases
        if leases is None or hold.amount_nano is None:
            answer = await self._writer.reserve(hold)
            assert answer != "lent", "nothing covers it"
            return answer
        covered = leases.take(hold) if self._writer.healthy or self.carries_on() else False
        lent = False
        try:
            answer = await self._writer.reserve(hold, covered=covered)
            lent = answer == "lent"
        finally:
            if covered and not lent:
                leases.give_back(hold, hold.amount_nano)
        if answer == "lent":
            self._lent.add((hold.call.request_id, hold.call.number))
            return ()
        self._away_since = None
        leases.note(hold.accounts, hold.call.started_at)
        return answer

    def end(self, held: Held, ending: Ending, intake: Intake) -> Posting:
        """The posting of a call that has ended."""
        posting = self._posting(held, ending, intake)
        key = (held.hold.call.request_id, held.hold.call.number)
        if key in self._lent and self._leases is not None:
            self._lent.discard(key)
            self._leases.give_back(held.hold, (held.hold.amount_nano or 0) - (posting.cost_nano or 0))
        return posting

    def _posting(self, held: Held, ending: Ending, intake: Intake) -> Posting:
        hold, now = held.hold, self._clock.now()
        if not ending.billed:
            return void(hold, now, "not_billed")
        usage, book, at = ending.usage, held.catalogue.prices, hold.call.started_at
        counts, flags, estimated = counted(ending, intake.features.operation)
        said = Words(tier=usage.service_tier, speed=usage.speed, geo=usage.inference_geo)
        bought, assumed = served(book, held.deployment, said, held.asked, at)
        cost = cost_of(book, counts, held.deployment, bought, at)
        row, amount, region = "", hold.amount_nano, bought.region or ""
        if isinstance(cost, UnknownPrice):
            flags.append(cost.reason.value)
            estimated = estimated or amount is not None
        else:
            row, amount, region = cost.row.id, cost.amount, cost.row.key.region
            if hold.amount_nano is not None and amount > hold.amount_nano:
                flags.append("above_hold")
        if assumed:
            flags.append("tier_unsaid")
        if intake.features.images:
            flags.append(MEDIA_FLAG)
        posting = Posting(
            call=hold.call,
            kind="settle",
            posted_at=now,
            held_nano=hold.amount_nano,
            cost_nano=amount,
            tier=(bought.tier or Tier.STANDARD).value,
            region=region,
            input_tokens=counts.input,
            cached_tokens=counts.cached,
            cache_write_tokens=counts.cache_write,
            cache_write_1h_tokens=counts.cache_write_1h,
            output_tokens=counts.output,
            reasoning_tokens=counts.reasoning,
            price_row=row,
            catalogue_version=held.catalogue.price_version,
            estimated=estimated or ending.estimated or assumed,
            flags=tuple(flags),
            neutral_tokens=intake.features.input_tokens,
            content=intake.content,
            accounts=hold.accounts,
        )
        self._tell(posting)
        return posting

    # ---- before the call -------------------------------------------------------------------

    def _reckon(
        self,
        intake: Intake,
        who: Who,
        route: Route,
        deployment: Deployment,
        accounts: tuple[AccountRef, ...],
        now: datetime,
        request_id: str,
        number: int,
    ) -> Held:
        catalogue = self._reloader.current.catalogue
        hold_output = self._reloader.current.settings.money.hold_output
        found = set_aside(intake, deployment, catalogue, now, ratios=self._ratios, hold_output=hold_output)
        key, (most, sunk) = found.key, found.bounds
        if isinstance(most, UnknownPrice):
            self._unpriced(most, route, deployment, accounts)
        call = Call(
            request_id=request_id,
            number=number,
            key_id=who.key_id,
            team=who.team,
            end_user=who.end_user,
            tags=who.tags,
            route=route.name,
            deployment=deployment.name,
            provider=deployment.provider.name,
            model=deployment.model,
            channel=key.channel if key is not None else deployment.channel or deployment.provider.name,
            started_at=now,
        )
        hold = Hold(
            call=call,
            expires_at=now + timedelta(seconds=deployment.timeouts.total) + _AFTER,
            amount_nano=None if isinstance(most, UnknownPrice) else most,
            sunk_nano=None if isinstance(sunk, UnknownPrice) else sunk,
            accounts=accounts,
        )
        return Held(hold=hold, asked=found.asked, deployment=deployment, catalogue=catalogue)

    def _unpriced(
        self, unknown: UnknownPrice, route: Route, deployment: Deployment, accounts: Sequence[AccountRef]
    ) -> None:
        """Refuses where the route says so, and where a budget has to hold: what can't be reckoned can't be limited."""
        limited = next((ref.budget for ref in accounts if ref.limit_nano is not None), None)
        if route.unknown_price == "flag" and limited is None:
            return
        why = f"the route '{route.name}' refuses such" if limited is None else f"the budget '{limited}' must hold"
        raise PriceUnknown(
            f"What '{deployment.name}' costs is not known, and {why}. {unknown.message}"
            " The operator can write its price: `[prices]` in turnout.toml.",
        )

    def _warn(self, standings: Sequence[Standing]) -> None:
        """Says once per window that a budget has passed its soft limit."""
        for standing in standings:
            ref = standing.account
            rule = self._budgets.rules.get(ref.budget)
            if rule is None or rule.soft_nano is None or standing.spent_nano < rule.soft_nano:
                continue
            key = (ref.budget, ref.subject, ref.opens_ms)
            if key not in self._warned:
                if len(self._warned) > 10_000:
                    self._warned.clear()
                self._warned.add(key)
                self._metrics.soft_limit_passed(ref.budget)
                self._journal.warning(
                    "budget past its soft limit",
                    budget=ref.budget,
                    subject=ref.subject,
                    spent=shown(money(standing.spent_nano)),
                )

    # ---- after the call --------------------------------------------------------------------

    def _tell(self, posting: Posting) -> None:
        self._metrics.posted(posting)
        if any(flag != MEDIA_FLAG for flag in posting.flags) and self._is_news(posting):
            self._journal.warning(
                "usage flagged",
                request=posting.call.request_id,
                deployment=posting.call.deployment,
                flags=",".join(posting.flags),
            )

    def _is_news(self, posting: Posting) -> bool:
        """Whether the log has not been told of such flags at this deployment for a while. The metrics count each."""
        key = (posting.call.deployment, posting.flags)
        now = self._clock.monotonic()
        told = self._told.get(key)
        if told is not None and now - told < _TELL_AGAIN:
            return False
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told[key] = now
        return True
