"""What would happen to a request: the decision with its reasons, through the same code that serves, nothing sent."""

from __future__ import annotations

from turnout.catalogue.model import Catalogue, Deployment
from turnout.core.errors import InvalidField, TurnoutError, Unsupported
from turnout.core.health import HealthSnapshot
from turnout.core.json import Json, JsonObject
from turnout.gateway.endpoints import HOT
from turnout.gateway.intake import Intake, read_intake
from turnout.gateway.prepare import prepare
from turnout.gateway.services import Services
from turnout.routing.decision import Candidate, Decision, decide
from turnout.wire import fields
from turnout.wire.body import dump
from turnout.wire.codec import Vault, no_vault


def explain(services: Services, body: JsonObject, key_id: str) -> JsonObject:
    """For a running server: with its health and its bindings. A conversation belongs to a key and may be named by a
    header, so `key` (an id) and `headers` may stand beside the request; without `key` it is the asking one's."""
    catalogue = services.reloader.current.catalogue
    key_id = fields.optional_text(body, "key") or key_id
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
    )


def explain_offline(catalogue: Catalogue, body: JsonObject) -> JsonObject:
    """For the command line: every deployment healthy, no conversation bound."""
    return told(_intake(catalogue, body, "offline", b"offline"), catalogue, HealthSnapshot(), bound=None, now=0.0)


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
    vault: Vault = no_vault,
) -> JsonObject:
    """The decision as an object. An impossible request is told as its error."""
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
    return {"features": about, **_decision(intake, decision, vault)}


def _decision(intake: Intake, decision: Decision, vault: Vault) -> JsonObject:
    candidates: list[Json] = [_candidate(intake, decision, each, vault) for each in decision.candidates]
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
    }


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
