"""The ASGI application: the model endpoints by hand, because every microsecond of them counts, the rest by Starlette.

The life of a model request: admitted (not draining, not full) -> authenticated -> read -> parsed -> allowed -> decided
-> limited -> tried -> answered -> recorded. Whatever ends it, its record is awaited before the task ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from turnout.core.errors import (
    BodyTimeout,
    CallerError,
    MethodNotAllowed,
    StorageUnavailable,
    TurnoutError,
)
from turnout.core.fault_point import fault_point
from turnout.core.ids import new_id
from turnout.core.target import Dialect
from turnout.gateway.auth import Principal, authorise_route
from turnout.gateway.counting import count_tokens
from turnout.gateway.endpoints import HOT, Endpoint
from turnout.gateway.executor import Execution, ended_by_us, error_headers
from turnout.gateway.intake import Intake, read_intake
from turnout.gateway.limits import anthropic_headers, openai_headers
from turnout.gateway.outlet import Headers, Outlet
from turnout.gateway.receive import ClientGone, DisconnectWatch, Receive, Scope, Send, header_map, read_body
from turnout.gateway.services import Services
from turnout.ledger.budgets import Who
from turnout.ledger.record import Outcome, RequestRecord
from turnout.wire.codecs import CODECS

INTERNAL = "Turnout failed to handle this request; that is a defect. The server's log has it under this request id."


Asgi: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class Application:
    """Answers HTTP. `rest` is the ASGI application for every path that reaches no model."""

    def __init__(self, services: Services, rest: Asgi) -> None:
        self._services = services
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request, or the server's lifespan."""
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        # Decided on the path as the server parsed it, never on a URL that the Host header had a part in.
        endpoint = HOT.get(scope["path"])
        if endpoint is None:
            await self._rest(scope, receive, send)
            return
        await ModelRequest(self._services, endpoint, scope).handle(receive, send)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # Codex tries one; a fast refusal sends it back to HTTP
            await receive()
            await send({"type": "websocket.close", "code": 1000})


class ModelRequest:
    """One request to a model endpoint."""

    __slots__ = (
        "_endpoint",
        "_error",
        "_execution",
        "_headers",
        "_intake",
        "_method",
        "_outcome",
        "_principal",
        "_received",
        "_received_at",
        "_scope",
        "_services",
        "id",
    )

    def __init__(self, services: Services, endpoint: Endpoint, scope: Scope) -> None:
        self._services = services
        self._endpoint = endpoint
        self._scope = scope
        self._method: str = scope["method"]
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._received_at = services.clock.now()
        self._received = services.clock.monotonic()
        self.id = new_id("req", self._received_at, services.random_bytes)
        self._principal: Principal | None = None
        self._intake: Intake | None = None
        self._execution: Execution | None = None
        self._outcome: Outcome = "rejected"
        self._error: TurnoutError | None = None

    async def handle(self, receive: Receive, send: Send) -> None:
        """Answers and records. Raises only what the server itself must know: a cancellation at its end."""
        outlet = Outlet(send, self._services.clock)
        try:
            task = self._services.traffic.enter()
        except TurnoutError as error:
            await self._refuse(error, outlet)
            return
        try:
            await self._guarded(receive, outlet)
        finally:
            self._services.traffic.answered()
            fault_point("answered")
            try:
                await self._record(outlet)
            finally:
                self._services.traffic.leave(task)
                if self._error is not None:  # its frames know it too: the body would stay until a collection
                    self._error.__traceback__ = None

    async def _guarded(self, receive: Receive, outlet: Outlet) -> None:
        watch: DisconnectWatch | None = None
        try:
            raw, headers = await self._admit(receive)
            watch = DisconnectWatch(self._scope, lambda: outlet.closed)
            await self._serve(raw, headers, outlet, watch)
        except TurnoutError as error:
            self._fail(error, outlet)
            await self._refuse(error, outlet)
        except ClientGone:
            self._outcome = "cancelled"
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None, "a request runs in a task"
            task.uncancel()
            self._outcome = "cancelled"
            if watch is None or not watch.gone:  # the server ends, and the caller is still there to be told
                self._fail(ended_by_us(), outlet)
                await self._refuse(ended_by_us(), outlet)
        except Exception as error:
            self._services.journal.error("defect", request=self.id, kind=type(error).__name__, where=where(error))
            fault = TurnoutError(INTERNAL)
            self._fail(fault, outlet)
            await self._refuse(fault, outlet)
        finally:
            if watch is not None:
                watch.stop()

    def _fail(self, error: TurnoutError, outlet: Outlet) -> None:
        self._error = error
        attempted = self._execution is not None and bool(self._execution.attempts)
        self._outcome = "truncated" if outlet.committed else "error" if attempted else "rejected"

    async def _admit(self, receive: Receive) -> tuple[bytes, dict[bytes, bytes]]:
        """The body of a caller who may ask. The key comes first: nobody unknown makes us read or parse."""
        if self._method != "POST":
            raise MethodNotAllowed(f"{self._endpoint.path} takes POST, not {self._method}.")
        services = self._services
        self._principal = services.auth.authenticate(self._headers)
        server = services.reloader.current.settings.server
        headers = header_map(self._headers)
        return await read_body(receive, headers, server.max_body_bytes, server.body_timeout), headers

    async def _serve(self, raw: bytes, headers: dict[bytes, bytes], outlet: Outlet, watch: DisconnectWatch) -> None:
        services, principal = self._services, self._principal
        assert principal is not None, "the caller is known by now"
        self._intake = intake = read_intake(
            self._endpoint,
            raw,
            headers,
            principal.key_id,
            services.session_key,
            default_model=services.reloader.current.catalogue.default_route,
        )
        self._authorise(principal, intake)
        if not services.writer.healthy and not services.billing.carries_on():
            raise StorageUnavailable(
                "This server can't write its records at the moment, so it takes no requests.",
                retry_after=2.0,
                should_retry=True,
            )
        lease = services.limiter.admit(principal, intake.features.input_tokens + (intake.features.max_output or 0))
        execution: Execution | None = None
        try:
            self._execution = execution = Execution(
                services=services,
                intake=intake,
                request_id=self.id,
                outlet=outlet,
                base_headers=self._base_headers(principal),
                created=int(self._received_at.timestamp()),
                who=_who(principal, intake),
            )
            execution.decide()
            if intake.endpoint.operation == "count_tokens":
                await count_tokens(execution)
            else:
                await self._answer(execution, intake, outlet)
            self._outcome = "ok"
        finally:
            lease.release(execution.tokens if execution else 0)
            if self._outcome == "ok":
                watch.stop()

    async def _answer(self, execution: Execution, intake: Intake, outlet: Outlet) -> None:
        services = self._services
        services.retries.earn()
        if not intake.request.stream:
            await execution.run()
            return
        writer = CODECS[self._endpoint.dialect].writer
        assert writer is not None, "a dialect that callers speak streams"
        services.pinger.add(outlet, writer(execution.answering()).ping(), execution.base_headers)
        try:
            await execution.run()
        finally:
            services.pinger.remove(outlet)

    def _authorise(self, principal: Principal, intake: Intake) -> None:
        if principal.routes is None:
            return
        # A name that does not exist is no secret: say that, rather than that it may not be used.
        route = self._services.reloader.current.catalogue.resolve(intake.features.asked)
        if route.name not in principal.routes:  # an alias is allowed with its route
            authorise_route(principal, intake.features.asked)

    def _base_headers(self, principal: Principal | None) -> Headers:
        name = self.id.encode()
        headers: Headers = [(b"x-request-id", name)]
        if self._endpoint.dialect is Dialect.ANTHROPIC:
            headers.append((b"request-id", name))
        if principal is not None and (principal.rpm is not None or principal.tpm is not None):
            services = self._services
            if self._endpoint.dialect is Dialect.ANTHROPIC:
                standing = anthropic_headers(services.limiter, principal, services.clock)
            else:
                standing = openai_headers(services.limiter, principal)
            headers.extend((name.encode(), value.encode()) for name, value in standing)
        return headers

    async def _refuse(self, error: TurnoutError, outlet: Outlet) -> None:
        if self._execution is not None:
            await self._execution.tell(error)
            return
        if outlet.closed:
            return
        codec = CODECS[self._endpoint.dialect]
        assert codec.render_error is not None, "a dialect that callers speak writes errors"
        headers = [*self._base_headers(self._principal), *error_headers(error)]
        if isinstance(error, MethodNotAllowed):
            headers.append((b"allow", b"POST"))
        if isinstance(error, BodyTimeout):  # else the rest may trickle in for ever
            headers.append((b"connection", b"close"))
        await outlet.whole(codec.error_status(error), headers, codec.render_error(error, self.id))

    async def _record(self, outlet: Outlet) -> None:
        """Writes the record of a request whose caller is known. Who has no key leaves no row: that would let anyone
        fill the disk."""
        services, principal, execution = self._services, self._principal, self._execution
        if principal is None:
            return
        now = services.clock.monotonic()
        decision = execution.decision if execution else None
        features = self._intake.features if self._intake else None
        record = RequestRecord(
            id=self.id,
            received_at=self._received_at,
            key_id=principal.key_id,
            endpoint=self._endpoint.path,
            asked=features.asked[:200] if features else "",
            route=decision.route.name if decision else "",
            deployment=execution.answered_by if execution else None,
            reason=decision.reason if decision else "",
            stream=self._intake.request.stream if self._intake else False,
            status=outlet.status or 499,
            outcome=self._outcome,
            error_code=self._error.code if self._error else None,
            duration_ms=round((now - self._received) * 1000),
            ttft_ms=None if outlet.first_sent is None else round((outlet.first_sent - self._received) * 1000),
            catalogue_version=services.reloader.current.catalogue.version,
            session=features.session if features else None,
            dropped=",".join(execution.dropped) if execution else "",
            team=principal.team,
            end_user=self._intake.end_user if self._intake else "",
            tags=_tags(principal, self._intake) if self._intake else principal.tags,
            attempts=tuple(execution.attempts) if execution else (),
        )
        services.metrics.record(record)
        if services.reloader.current.settings.log.requests or self._outcome == "truncated":
            services.journal.info(
                "request",
                request=record.id,
                key=record.key_id,
                endpoint=record.endpoint,
                route=record.route,
                deployment=record.deployment,
                status=record.status,
                outcome=record.outcome,
                error=record.error_code,
                ms=record.duration_ms,
                attempts=len(record.attempts),
            )
        elif isinstance(self._error, TurnoutError) and not isinstance(self._error, CallerError):
            services.journal.warning(
                "request failed",
                request=record.id,
                route=record.route,
                error=self._error.code,
                said=self._error.message,
            )
        try:
            fault_point("end queued")
            await services.writer.write(record, tuple(execution.postings) if execution else ())
        except StorageUnavailable as error:
            services.metrics.lost_record()
            services.journal.error("record lost", request=record.id, why=error.message)
        services.observe(record, self._headers)  # last, so that nothing in it can cost a record


def _who(principal: Principal, intake: Intake) -> Who:
    """Whose money a request spends. Its route is known once it is decided."""
    return Who(
        key_id=principal.key_id,
        key_name=principal.name,
        team=principal.team,
        tags=_tags(principal, intake),
        end_user=intake.end_user,
    )


def _tags(principal: Principal, intake: Intake) -> tuple[str, ...]:
    return tuple(sorted({*principal.tags, *intake.tags})) if intake.tags else principal.tags


def where(error: BaseException) -> str:
    """File and line of a defect. Its message is left out: it may quote what a caller sent."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
