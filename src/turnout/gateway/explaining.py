"""What would happen to a request: the decision with its reasons, through the same code that serves, nothing sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from turnout.catalogue.model import Catalogue, Deployment, Route
from turnout.catalogue.reload import Loaded
from turnout.catalogue.tariff import UnknownPrice
from turnout.core.errors import InvalidField, TurnoutError, Unsupported
from turnout.core.health import HealthSnapshot
from turnout.core.json import Json, JsonObject
from turnout.core.settings_model import Settings
from turnout.gateway.endpoints import HOT
from turnout.gateway.intake import Intake, read_intake
from turnout.gateway.prepare import prepare
from turnout.gateway.services import Services
from turnout.gateway.set_aside import set_aside
from turnout.ledger.budget_lines import usd
from turnout.ledger.budget_refusal import money
from turnout.ledger.budgets import Budgets, Who
from turnout.ledger.posting import AccountRef
from turnout.ledger.ratios_live import LiveRatios
from turnout.routing.decision import Candidate, Decision, decide
from turnout.wire import fields
from turnout.wire.body import dump
from turnout.wire.codec import Vault, no_vault

SOME_KEY = "(key)"
"""Stands for a key's id where nobody says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """What decides how much a request sets aside, and from what."""

    settings: Settings
    budgets: Budgets
    who: Who
    """Whose money it is, but for what the request itself says."""
    ratios: LiveRatios
    now: datetime

    def accounts(self, intake: Intake, route: Route) -> tuple[AccountRef, ...]:
        """Where the request must find room."""
        tags = tuple(sorted({*self.who.tags, *intake.tags}))
        whose = replace(self.who, route=route.name, end_user=intake.end_user, tags=tags)
        return self.budgets.accounts_for(whose, self.now)


def explain(services: Services, body: JsonObject, who: Who) -> JsonObject:
    """For a running server: with its health and its bindings. A conversation belongs to a key and may be named by a
    header, so `headers` may stand beside the request. `who` is the key that would ask."""
    current = services.reloader.current
    catalogue, key_id = current.catalogue, who.key_id
    intake = _intake(catalogue, body, key_id, services.session_key)
    route = catalogue.resolve(intake.features.asked)
    session = intake.features.session or ""
    return told(
        intake,
        catalogue,
        services.health.snapshot(),
        bound=services.bindings.get(route.name, session),
        now=services.clock.monotonic(),
        vault=services.vault.of(key_id),
        purse=Purse(
            settings=current.settings,
            budgets=services.billing.budgets,
            who=who,
            ratios=services.ratios,
            now=services.clock.now(),
        ),
    )


def explain_offline(loaded: Loaded, body: JsonObject, now: datetime) -> JsonObject:
    """For the command line: every deployment healthy, no conversation bound, a key of no name, team or tags."""
    purse = Purse(
        settings=loaded.settings,
        budgets=Budgets.of(loaded.settings.budgets.values()),
        who=Who(key_id=SOME_KEY, key_name=""),
        ratios=LiveRatios(),
        now=now,
    )
    intake = _intake(loaded.catalogue, body, "offline", b"offline")
    return told(intake, loaded.catalogue, HealthSnapshot(), bound=None, now=0.0, purse=purse)


def _intake(catalogue: Catalogue, body: JsonObject, key_id: str, session_key: bytes) -> Intake:
    path = fields.optional_text(body, "endpoint") or "/v1/chat/completions"
    endpoint = HOT.get(path)
    if endpoint is None:
        raise InvalidField(f"'{path}' is no model endpoint; they are {', '.join(HOT)}.", param="endpoint")
    request = fields.as_object(body.get("request"), "request")
    default = catalogue.default_route
    given = fields.as_object(body.get("headers") or {}, "headers")
    headers = {name.lower().encode(): fields.text(given, name, "headers").encode() for name in given}
    return read_intake(endpoint, dump(request), headers, key_id, session_key, default_model=default)


def told(
    intake: Intake,
    catalogue: Catalogue,
    health: HealthSnapshot,
    *,
    bound: str | None,
    now: float,
    purse: Purse,
    vault: Vault = no_vault,
) -> JsonObject:
    """The decision as an object, with what it sets aside. An impossible request is told as its error."""
    features = intake.features
    about: JsonObject = {
        "asked": features.asked,
        "dialect": features.dialect.value,
        "operation": features.operation,
        "stream": features.stream,
        "input_tokens": features.input_tokens,
        "max_output": features.max_output,
        "tools": features.tools,
        "images": features.images,
        "session": features.session,
    }
    draw = int((features.session or "0")[:8], 16) / 2**32
    try:
        decision = decide(features, catalogue, health, bound=bound, draw=draw, now=now)
    except TurnoutError as error:
        return {"features": about, "error": {"status": error.status, "code": error.code, "message": error.message}}
    return {"features": about, **_decision(intake, decision, vault, catalogue, purse)}


def _decision(intake: Intake, decision: Decision, vault: Vault, catalogue: Catalogue, purse: Purse) -> JsonObject:
    accounts = purse.accounts(intake, decision.route) if purse.settings.money.enabled else ()
    candidates: list[Json] = []
    for each in decision.candidates:
        shown = _candidate(intake, decision, each, vault)
        if purse.settings.money.enabled and shown.get("refused") is None:
            shown["set_aside"] = _set_aside(intake, decision.route, each.deployment, catalogue, purse, accounts)
        candidates.append(shown)
    rejected: list[Json] = [
        {"deployment": each.deployment, "cause": each.cause, "reason": each.reason} for each in decision.rejected
    ]
    route = decision.route
    return {
        "route": route.name,
        "strategy": route.strategy,
        "max_attempts": route.max_attempts,
        "reason": decision.reason,
        "candidates": candidates,
        "rejected": rejected,
        "budgets": [_budget(each) for each in accounts],
    }


def _set_aside(
    intake: Intake,
    route: Route,
    deployment: Deployment,
    catalogue: Catalogue,
    purse: Purse,
    accounts: tuple[AccountRef, ...],
) -> JsonObject:
    """The hold that would be made, by the code that makes it."""
    hold_output = purse.settings.money.hold_output
    found = set_aside(intake, deployment, catalogue, purse.now, ratios=purse.ratios, hold_output=hold_output)
    most = found.bounds.most
    about: JsonObject = {"input_tokens": found.input_tokens, "max_output": found.max_output}
    if isinstance(most, UnknownPrice):
        limited = any(each.limit_nano is not None for each in accounts)
        return {**about, "usd": None, "unknown": most.message, "refused": limited or route.unknown_price == "refuse"}
    rows = () if found.key is None else catalogue.prices.in_force(found.key, purse.now)
    listed: list[Json] = [row.id for row in rows] if isinstance(rows, tuple) else []
    return {**about, "usd": usd(money(most)), "price_rows": listed}


def _budget(account: AccountRef) -> JsonObject:
    limit = account.limit_nano
    return {"budget": account.budget, "subject": account.subject, "limit": None if limit is None else usd(money(limit))}


def _candidate(intake: Intake, decision: Decision, candidate: Candidate, vault: Vault) -> JsonObject:
    shown = _deployment(candidate.deployment)
    shown["dialect"] = candidate.dialect.value
    try:
        prepared = prepare(intake, candidate, decision.route.drop, vault)
    except Unsupported as error:
        shown.update(lane=None, refused=error.message)
        return shown
    shown.update(lane=prepared.lane, dropped=list(prepared.dropped))
    return shown


def _deployment(deployment: Deployment) -> JsonObject:
    return {
        "deployment": deployment.name,
        "provider": deployment.provider.name,
        "model": deployment.model,
        "context": deployment.context,
        "jurisdiction": deployment.data.jurisdiction,
        "region": deployment.data.region,
    }
