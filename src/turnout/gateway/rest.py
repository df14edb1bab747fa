"""Every path that reaches no model: model lists, health, metrics, administration. Starlette, from the same table."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from importlib.metadata import version

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from turnout.core.errors import BodyTooLarge, InvalidField, MethodNotAllowed, NotFound, TurnoutError
from turnout.core.json import Json, JsonObject
from turnout.core.target import Dialect
from turnout.gateway import models
from turnout.gateway.application import INTERNAL, where
from turnout.gateway.auth import Principal, require_admin
from turnout.gateway.endpoints import ENDPOINTS, HOT, Endpoint
from turnout.gateway.executor import error_headers
from turnout.gateway.explaining import explain
from turnout.gateway.feedback import feedback_of
from turnout.gateway.metrics import CONTENT_TYPE
from turnout.gateway.services import Services
from turnout.ledger.budget_lines import budget_lines, line_to_json
from turnout.ledger.budgets import Budgets, Who
from turnout.ledger.corrections import Corrector, corrected_to_json, correction_from_json
from turnout.ledger.feedback import give
from turnout.ledger.keys import issued_to_json, row_to_json, spec_from_json
from turnout.wire import fields
from turnout.wire.body import load_object
from turnout.wire.codecs import CODECS

_MOST_BODY = 10 << 20
Handler = Callable[[Services, Request, Principal | None], Awaitable[Response]]


def rest_app(services: Services) -> Starlette:
    """The application for everything but the model endpoints. Each path of the table has a handler, and the other
    way round: a path without a declared access can't be served."""
    table = {(each.method, each.path): each for each in ENDPOINTS if each.operation is None}
    handlers = {**_HANDLERS, ("POST", "/v1/feedback"): _feedback_handler()}
    assert table.keys() == handlers.keys(), "every endpoint of the table has a handler, and no other exists"
    routes = [
        Route(path, _guarded(services, endpoint, handlers[method, path]), methods=[method])
        for (method, path), endpoint in table.items()
    ]

    async def missing(request: Request, error: Exception) -> Response:
        del error
        wrong_method = any(
            route.matches({**request.scope, "method": each})[0].value == 2
            for route in routes
            for each in ("GET", "POST", "DELETE")
        )
        if wrong_method or request.url.path in HOT:
            return _refusal(services, request, MethodNotAllowed(f"{request.method} is not taken here."))
        return _refusal(
            services, request, NotFound(f"There is nothing at {request.url.path}. The endpoints are under /v1/.")
        )

    app = Starlette(routes=routes, exception_handlers={404: missing, 405: missing})
    app.router.redirect_slashes = False  # the redirect would lead to whatever host the Host header names
    return app


def _guarded(services: Services, endpoint: Endpoint, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            principal = None
            if endpoint.access != "public":
                principal = services.auth.authenticate(request.headers.raw)
            if endpoint.access == "admin":
                assert principal is not None, "authenticated just above"
                require_admin(principal)
            return await handler(services, request, principal)
        except TurnoutError as error:
            return _refusal(services, request, error)
        except Exception as error:
            services.journal.error("defect", path=endpoint.path, kind=type(error).__name__, where=where(error))
            return _refusal(services, request, TurnoutError(INTERNAL))

    return handle


def _refusal(services: Services, request: Request, error: TurnoutError) -> Response:
    """An error in the shape that the client's SDK reads."""
    dialect = Dialect.ANTHROPIC if _is_anthropic(request) else Dialect.OPENAI_CHAT
    codec = CODECS[dialect]
    assert codec.render_error is not None, "callers speak both dialects"
    request_id = "req_" + services.random_bytes(12).hex()
    response = _json(codec.render_error(error, request_id), codec.error_status(error))
    response.headers["x-request-id"] = response.headers["request-id"] = request_id
    for name, value in error_headers(error):
        response.headers[name.decode()] = value.decode()
    return response


def _is_anthropic(request: Request) -> bool:
    """Their SDKs and Claude Code send the version header; nobody else does."""
    return "anthropic-version" in request.headers or request.url.path.startswith("/v1/messages")


def _json(body: bytes, status: int = 200) -> Response:
    headers = {"cache-control": "no-store", "vary": "authorization, x-api-key"}
    return Response(body, status, headers, "application/json")


def _dumped(value: Json, status: int = 200) -> Response:
    return _json(orjson.dumps(value), status)


async def _body(request: Request) -> JsonObject:
    return load_object(await _raw_body(request))


async def _raw_body(request: Request) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > _MOST_BODY:
            raise BodyTooLarge(f"The request body is larger than {_MOST_BODY} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


# ---- models ------------------------------------------------------------------------------


async def _models(services: Services, request: Request, principal: Principal | None) -> Response:
    assert principal is not None, "the endpoint asks for a key"
    catalogue = services.reloader.current.catalogue
    named = models.visible(catalogue, principal)
    if _is_anthropic(request):
        limit = request.query_params.get("limit", "1000")
        if not limit.isdecimal() or len(limit) > 4 or not 1 <= int(limit) <= 1000:
            raise InvalidField("'limit' must be a number from 1 to 1000.", param="limit")
        after, before = request.query_params.get("after_id"), request.query_params.get("before_id")
        return _dumped(models.anthropic_list(catalogue, named, int(limit), after=after, before=before))
    return _dumped(models.openai_list(catalogue, named))


async def _model(services: Services, request: Request, principal: Principal | None) -> Response:
    assert principal is not None, "the endpoint asks for a key"
    catalogue = services.reloader.current.catalogue
    named = models.find(catalogue, principal, request.path_params["model"])
    shape = models.anthropic_model if _is_anthropic(request) else models.openai_model
    return _dumped(shape(catalogue, named))


# ---- feedback ----------------------------------------------------------------------------

_FEEDBACK_AT_ONCE = 4
"""Writes of feedback that the writer may have queued, so that a flood of it makes no request wait for its record."""
_RECORD_SECONDS = 0.3
"""An answer can be in its reader's hands a moment before its record is on disk, above all at another replica."""


def _feedback_handler() -> Handler:
    turns = asyncio.Semaphore(_FEEDBACK_AT_ONCE)

    async def handle(services: Services, request: Request, principal: Principal | None) -> Response:
        assert principal is not None, "the endpoint asks for a key"
        given = feedback_of(await _body(request), principal.key_id, services.clock.now())

        async def write() -> None:
            async with turns:
                await services.writer.run(lambda store: give(store, given))

        try:
            await write()
        except NotFound:
            await asyncio.sleep(_RECORD_SECONDS)
            await write()
        return _dumped({"request_id": given.request_id, "recorded": [*sorted(given.values)]})

    return handle


# ---- operation ---------------------------------------------------------------------------


async def _healthz(services: Services, request: Request, principal: Principal | None) -> Response:
    """The process is alive. What it serves is on `/readyz`."""
    del request, principal
    catalogue = services.reloader.current.catalogue
    return _dumped(
        {
            "status": "ok",
            "version": version("turnout"),
            "catalogue": catalogue.version,
            "prices": catalogue.price_version,
        }
    )


async def _readyz(services: Services, request: Request, principal: Principal | None) -> Response:
    del request, principal
    problems = services.problems()
    return _dumped({"ready": not problems, "problems": list(problems)}, 503 if problems else 200)


async def _metrics(services: Services, request: Request, principal: Principal | None) -> Response:
    del request, principal
    loaded = services.reloader.current
    if not loaded.settings.telemetry.metrics:
        raise NotFound("Metrics are switched off: `[telemetry] metrics`.")
    page = services.metrics.page(
        in_flight=services.traffic.in_flight,
        ready=not services.problems(),
        version=version("turnout"),
        catalogue=loaded.catalogue.version,
        prices=loaded.catalogue.price_version,
        spilled=services.writer.spilled,
        lost_ends=services.writer.lost,
    )
    return Response(page, 200, {"content-type": CONTENT_TYPE.decode(), "cache-control": "no-store"})


async def _reload(services: Services, request: Request, principal: Principal | None) -> Response:
    del request, principal
    result = services.reload()
    status = 422 if result.problems else 200
    return _dumped(
        {
            "swapped": result.swapped,
            "problems": [str(problem) for problem in result.problems],
            "needs_restart": list(result.needs_restart),
        },
        status,
    )


async def _explain(services: Services, request: Request, principal: Principal | None) -> Response:
    """The decision for `{"endpoint": "/v1/...", "request": {...}}`, without sending anything. `key` and `headers` may
    stand beside them: see `explain`. Without `key` it is the asking one's money."""
    assert principal is not None, "the endpoint asks for a key"
    body = await _body(request)
    who = Who(key_id=principal.key_id, key_name=principal.name, team=principal.team, tags=principal.tags)
    asked = fields.optional_text(body, "key")
    if asked is not None and asked != who.key_id:
        specs = {row.id: row.spec for row in await services.keys.list()}
        spec = specs.get(asked)
        who = (
            Who(key_id=asked, key_name="")
            if spec is None
            else Who(key_id=asked, key_name=spec.name, team=spec.team, tags=spec.tags)
        )
    said = explain(services, body, who)
    budgets, now = _budgets(services), services.clock.now()
    wanted = _objects(said.get("budgets"))
    if wanted:
        lines = await services.writer.run(lambda store: budget_lines(store, budgets, now))
        left: dict[tuple[Json, Json], Json] = {
            (each.rule.name, each.subject): line_to_json(each)["left"] for each in lines
        }
        for each in wanted:  # an account that is not there yet has all of its limit
            each["left"] = left.get((each["budget"], each["subject"]), each["limit"])
    return _dumped(said)


def _objects(value: Json) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


# ---- keys --------------------------------------------------------------------------------


async def _list_keys(services: Services, request: Request, principal: Principal | None) -> Response:
    del request, principal
    now = services.clock.now()
    return _dumped({"keys": [row_to_json(row, now) for row in await services.keys.list()]})


async def _create_key(services: Services, request: Request, principal: Principal | None) -> Response:
    assert principal is not None, "the endpoint asks for a key"
    issued = await services.keys.create(spec_from_json(await _body(request)), principal.key_id)
    return _dumped(issued_to_json(issued, services.clock.now()), 201)


async def _revoke_key(services: Services, request: Request, principal: Principal | None) -> Response:
    assert principal is not None, "the endpoint asks for a key"
    row = await services.keys.revoke(request.path_params["id"], principal.key_id)
    services.limiter.forget(row.id)
    return _dumped(row_to_json(row, services.clock.now()))


async def _rotate_key(services: Services, request: Request, principal: Principal | None) -> Response:
    assert principal is not None, "the endpoint asks for a key"
    raw = await _raw_body(request)
    seconds = fields.optional_int(load_object(raw), "grace_seconds", least=0) if raw else None
    if seconds is not None and seconds > 30 * 86_400:
        raise InvalidField("'grace_seconds' must be at most 2592000 (30 days).", param="grace_seconds")
    key_id = request.path_params["id"]
    issued = await services.keys.rotate(key_id, principal.key_id, timedelta(seconds=seconds or 0))
    return _dumped(issued_to_json(issued, services.clock.now()))


# ---- budgets -----------------------------------------------------------------------------


async def _list_budgets(services: Services, request: Request, principal: Principal | None) -> Response:
    del request, principal
    budgets, now = _budgets(services), services.clock.now()
    lines = await services.writer.run(lambda store: budget_lines(store, budgets, now))

    def page() -> bytes:
        return orjson.dumps({"budgets": [line_to_json(line) for line in lines]})

    # With a budget per user there may be a hundred thousand: the streams go on meanwhile.
    return _json(await asyncio.to_thread(page))


async def _correct_budget(services: Services, request: Request, principal: Principal | None) -> Response:
    assert principal is not None, "the endpoint asks for a key"
    wanted, name = correction_from_json(await _body(request)), request.path_params["name"]
    corrector = Corrector(
        budgets=_budgets(services),
        now=services.clock.now(),
        random_bytes=services.random_bytes,
        actor=principal.key_id,
    )
    made = await services.writer.run(lambda store: corrector.correct(store, name, wanted))
    return _dumped(corrected_to_json(made))


def _budgets(services: Services) -> Budgets:
    return Budgets.of(services.reloader.current.settings.budgets.values())


_HANDLERS: dict[tuple[str, str], Handler] = {
    ("GET", "/v1/models"): _models,
    ("GET", "/v1/models/{model:path}"): _model,
    ("GET", "/healthz"): _healthz,
    ("GET", "/readyz"): _readyz,
    ("GET", "/metrics"): _metrics,
    ("GET", "/admin/keys"): _list_keys,
    ("POST", "/admin/keys"): _create_key,
    ("POST", "/admin/keys/{id}/revoke"): _revoke_key,
    ("POST", "/admin/keys/{id}/rotate"): _rotate_key,
    ("GET", "/admin/budgets"): _list_budgets,
    ("POST", "/admin/budgets/{name:path}/correct"): _correct_budget,
    ("POST", "/admin/reload"): _reload,
    ("POST", "/admin/explain"): _explain,
}
