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

from turnout.catalogue.highest import ceiling, prompt_cost
from turnout.catalogue.model import Catalogue, Deployment, Route
from turnout.catalogue.priced import price_key
from turnout.catalogue.reload import Reloader
from turnout.catalogue.service import Service, Words, service
from turnout.catalogue.tariff import PriceKey, Tier, UnknownPrice, price
from turnout.catalogue.usage_classes import BillableTokens, billable
from turnout.core.clock import Clock
from turnout.core.errors import PriceUnknown
from turnout.core.fault_point import fault_point
from turnout.core.money import Money
from turnout.core.settings_model import Settings
from turnout.gateway.intake import Intake
from turnout.gateway.journal import Journal
from turnout.gateway.metrics import Metrics
from turnout.ledger.bookkeeping import Standing
from turnout.ledger.budget_refusal import exceeded
from turnout.ledger.budgets import Budgets, Who
from turnout.ledger.posting import AccountRef, Call, Hold, Posting, Refused, void
from turnout.ledger.ratios_live import MEDIA_FLAG, LiveRatios
from turnout.ledger.writer import Writer
from turnout.wire.neutral import Usage
from turnout.wire.odd_counts import odd_counts

UNKNOWN_OUTPUT = 32_768
"""Output tokens to set aside where neither the request nor the catalogue knows a maximum."""
_MOST_FLAGS = 8
_TELL_AGAIN = 600.0
"""Seconds between two log lines of the same oddity at the same deployment."""
_MOST_TOLD = 1_000
_AFTER = timedelta(seconds=60)
"""How long after its own deadline a call's hold is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a call came to."""

    usage: Usage
    """The provider's counts, with ours where its are missing."""
    own: Usage
    """Our own counts of what was sent and seen."""
    estimated: bool
    billed: bool
    """False: refused or never sent, so that nothing can have been charged."""


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
    ) -> None:
        self._ratios = ratios or LiveRatios()
        self._writer = writer
        self._clock = clock
        self._reloader = reloader
        self._metrics = metrics
        self._journal = journal
        self._settings: Settings | None = None
        self._budgets = Budgets()
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
        now = self._clock.now()
        accounts = self.budgets.accounts_for(replace(who, route=route.name), now) if self.budgets else ()
        held = self._reckon(intake, who, route, deployment, accounts, now, request_id, number)
        try:
            fault_point("hold queued")
            answer = await self._writer.reserve(held.hold)
            fault_point("hold committed")
        except asyncio.CancelledError:
            self._writer.post([void(held.hold, now, "never_called")])
            raise
        if isinstance(answer, Refused):
            self._metrics.refused_by_budget(answer.account.budget)
            raise exceeded(answer, self.budgets.rules[answer.account.budget], now)
        if answer:
            self._warn(answer)
        return held

    def end(self, held: Held, ending: Ending, intake: Intake) -> Posting:
        """The posting of a call that has ended."""
        hold, now = held.hold, self._clock.now()
        if not ending.billed:
            return void(hold, now, "not_billed")
        usage = ending.usage
        tokens, flags, estimated = _counts(ending, intake)
        said = Words(tier=usage.service_tier, speed=usage.speed, geo=usage.inference_geo)
        bought = service(said=said, asked=held.asked)
        key = _key(held.deployment, bought)
        cost = bought.unpriced() if key is None else price(held.catalogue.prices, tokens, key, hold.call.started_at)
        row, amount = "", hold.amount_nano
        if isinstance(cost, UnknownPrice):
            flags.append(cost.reason.value)
            estimated = estimated or amount is not None
        else:
            row, amount = cost.row.id, cost.total.nanodollars()
            if hold.amount_nano is not None and amount > hold.amount_nano:
                flags.append("above_hold")
        estimated = estimated or ending.estimated
        if intake.features.images:
            flags.append(MEDIA_FLAG)
        posting = Posting(
            call=hold.call,
            kind="settle",
            posted_at=now,
            held_nano=hold.amount_nano,
            cost_nano=amount,
            tier=(bought.tier or Tier.STANDARD).value,
            region=key.region if key is not None else bought.region or "",
            input_tokens=tokens.input.count,
            cached_tokens=tokens.cached.count,
            cache_write_tokens=tokens.cache_write.count,
            cache_write_1h_tokens=tokens.cache_write_1h.count,
            output_tokens=tokens.output.count,
            reasoning_tokens=tokens.reasoning.count,
            price_row=row,
            catalogue_version=held.catalogue.price_version,
            estimated=estimated,
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
        asked = _asked(intake)
        key = _key(deployment, service(asked=asked))
        most, sunk = self._amounts(intake, deployment, catalogue, key, now)
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
            amount_nano=None if isinstance(most, UnknownPrice) else most.nanodollars(),
            sunk_nano=None if isinstance(sunk, UnknownPrice) else sunk.nanodollars(),
            accounts=accounts,
        )
        return Held(hold=hold, asked=asked, deployment=deployment, catalogue=catalogue)

    def _amounts(
        self, intake: Intake, deployment: Deployment, catalogue: Catalogue, key: PriceKey | None, now: datetime
    ) -> tuple[Money | UnknownPrice, Money | UnknownPrice]:
        if key is None:
            unknown = service(asked=_asked(intake)).unpriced()
            return unknown, unknown
        tokens = self._ratios.current.estimate(
            intake.features.input_tokens, model=deployment.model, content=intake.content
        ).tokens
        writes = deployment.provider.preset != "anthropic" or b'"cache_control"' in intake.raw
        most = ceiling(
            catalogue.prices,
            key,
            now,
            input_tokens=tokens,
            max_output=self._most_output(intake, deployment),
            writes_cache=writes,
        )
        return most, prompt_cost(catalogue.prices, key, now, tokens)

    def _most_output(self, intake: Intake, deployment: Deployment) -> int:
        """Output tokens that an answer can have, all choices together."""
        features = intake.features
        if features.operation == "embedding":
            return 0
        room = deployment.max_output
        if room is None and deployment.context is not None:
            room = max(deployment.context - features.input_tokens, 1)
        asked = features.max_output or self._reloader.current.settings.money.hold_output
        if asked is not None and room is not None:
            asked = min(asked, room)
        return (asked or room or UNKNOWN_OUTPUT) * intake.request.choices

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
                    spent_usd=standing.spent_nano / 1e9,
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


def _asked(intake: Intake) -> Words:
    def word(name: str) -> str | None:
        value = intake.body.get(name)
        return value if isinstance(value, str) else None

    return Words(tier=intake.request.service_tier, speed=word("speed"), geo=word("inference_geo"))


def _key(deployment: Deployment, bought: Service) -> PriceKey | None:
    """None where the words for the service are not known."""
    return None if bought.tier is None else price_key(deployment, tier=bought.tier, region=bought.region)


def _counts(ending: Ending, intake: Intake) -> tuple[BillableTokens, list[str], bool]:
    """Counts that can be priced, what was wrong with them, and whether some are ours."""
    usage, own = ending.usage, ending.own
    flags = odd_counts(usage.raw)
    estimated = False
    given, output = usage.input_tokens, usage.output_tokens
    if output is None and intake.features.operation == "embedding":
        output = 0
    if given is None:
        flags += [] if ending.estimated else ["input_missing"]
        given, estimated = own.input_tokens or 0, True
    if output is None:
        flags += [] if ending.estimated else ["output_missing"]
        output, estimated = own.output_tokens or 0, True
    tokens = billable(
        input_tokens=given,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_tokens=output,
        reasoning_tokens=usage.reasoning_tokens,
    )
    flags += sorted(flag.value for flag in tokens.flags)
    return tokens, flags[:_MOST_FLAGS], estimated
