"""One call to one deployment, from the first byte sent to the last byte relayed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import orjson

from turnout.core.errors import Fault, TurnoutError, UpstreamBroken, UpstreamRejected, UpstreamTimeout
from turnout.core.fault_point import fault_point
from turnout.core.json import Json, JsonObject
from turnout.core.target import Dialect
from turnout.gateway.intake import Intake
from turnout.gateway.outlet import Headers, Outlet
from turnout.gateway.prepare import Prepared
from turnout.gateway.reckoning import Ending
from turnout.gateway.relay import ByteLane, TranslatedLane, relay
from turnout.gateway.services import Services
from turnout.gateway.tally import Tally
from turnout.ledger.record import AttemptRecord, Outcome
from turnout.routing.decision import Candidate
from turnout.upstream.endpoint import headers_for, url_for
from turnout.upstream.rejections import rejection
from turnout.upstream.transport import UpstreamRequest, UpstreamResponse
from turnout.wire.body import dump
from turnout.wire.codec import Answering
from turnout.wire.codecs import CODECS
from turnout.wire.neutral import Response, Usage

MAX_ANSWER = 64 << 20
"""Bytes of a whole answer: a thousand large embeddings fit, an endless body does not."""
MAX_ERROR = 1 << 20

_TERMINATORS = {
    Dialect.OPENAI_CHAT: b"data: [DONE]\n\n",
    Dialect.OPENAI_COMPLETIONS: b"data: [DONE]\n\n",
    Dialect.ANTHROPIC: b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
}
"""What ends a good stream. Some providers leave it out after a finish reason; some clients wait for it."""


class Answer(NamedTuple):
    """What the caller gets at the end of a good attempt: a whole body, or the last bytes of a stream."""

    body: bytes
    unread: AsyncIterator[bytes] | None
    """A stream's body behind its terminal event: read it to its end, and the connection can be used again."""


@dataclass(slots=True)
class Attempt:
    """The state of one call. `run` makes it; `record` tells of it afterwards, however it ended."""

    services: Services
    intake: Intake
    candidate: Candidate
    prepared: Prepared
    number: int
    started_at: datetime
    started: float
    tally: Tally
    status: int | None = None
    first_byte: float | None = None
    upstream_request_id: str | None = None
    response: UpstreamResponse | None = None
    sent: bool = False
    """The request went out and no answer came back."""
    error_body: bytes | None = None
    """The provider's own words for a fault of the caller, which a caller of the same dialect gets untouched."""

    async def run(self, outlet: Outlet, answering: Answering, headers: Headers) -> Answer:
        """Raises TurnoutError. `outlet.committed` tells whether another deployment may still be tried."""
        response = await self._send()
        if not 200 <= response.status < 300:
            raise await self._rejected(response)
        if self.intake.request.stream:
            return await self._stream(response, outlet, answering, headers)
        return Answer(await self._whole(response, answering), None)

    def close(self) -> None:
        """Gives the connection back, or closes it where the answer was not read to its end."""
        if self.response is not None:
            self.response.close()

    async def _send(self) -> UpstreamResponse:
        deployment, dialect = self.candidate.deployment, self.candidate.dialect
        request = UpstreamRequest(
            url=url_for(deployment, dialect, stream=self.intake.request.stream),
            headers=headers_for(deployment, dialect, self.intake.passthrough),
            body=self.prepared.body,
            timeouts=deployment.timeouts,
        )
        try:
            response = self.response = await self.services.transport.send(request)
        except asyncio.CancelledError:
            self.sent = request.progress.sent
            raise
        fault_point("first byte")
        self.first_byte = self.services.clock.monotonic()
        self.status = response.status
        self.upstream_request_id = response.headers.get("x-request-id") or response.headers.get("request-id")
        return response

    async def _rejected(self, response: UpstreamResponse) -> UpstreamRejected:
        data = await response.read(MAX_ERROR)
        parse_error = CODECS[self.candidate.dialect].parse_error
        assert parse_error is not None, "a dialect spoken upstream reads its errors"
        now = self.services.clock.now()
        error = rejection(self.candidate.deployment, response.status, response.headers, parse_error(data), now)
        if (
            error.fault is Fault.CALLER
            and self.prepared.lane != "translated"
            and _is_error(data, self.candidate.dialect)
        ):
            self.error_body = data
        return error

    async def _whole(self, response: UpstreamResponse, answering: Answering) -> bytes:
        data = await response.read(MAX_ANSWER)
        body = self._parsed(data)
        parse = CODECS[self.candidate.dialect].parse_response
        assert parse is not None, "a dialect spoken upstream reads its answers"
        neutral = parse(body, self.prepared.target)
        self.tally.whole(neutral)
        self._keep(neutral)
        if not self.prepared.rewrite:
            return data
        render = CODECS[self.intake.endpoint.dialect].render_response
        assert render is not None, "a dialect that callers speak writes answers"
        return dump(render(neutral, answering))

    def _parsed(self, data: bytes) -> JsonObject:
        """The body as an object that is no error. A 200 can hold anything (faults S8, S9)."""
        name = self.candidate.deployment.provider.name
        if not data.strip():
            raise UpstreamBroken(f"{name} answered {self.status} with an empty body.")
        try:
            body: Json = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise UpstreamBroken(f"{name} answered {self.status} with a body that is not JSON.") from None
        if not isinstance(body, dict):
            raise UpstreamBroken(f"{name} answered {self.status} with JSON that is no object.")
        if body.get("error") or body.get("type") == "error":
            raise self._error_in_success(data)
        return body

    def _error_in_success(self, data: bytes) -> TurnoutError:
        parse_error = CODECS[self.candidate.dialect].parse_error
        assert parse_error is not None, "a dialect spoken upstream reads its errors"
        fault = parse_error(data)
        return UpstreamRejected(
            f"{self.candidate.deployment.provider.name} answered {self.status} with an error: {fault.message}",
            upstream_status=self.status or 200,
            status=502,
            code=fault.code or "upstream_error",
        )

    async def _stream(
        self, response: UpstreamResponse, outlet: Outlet, answering: Answering, headers: Headers
    ) -> Answer:
        kind = response.headers.get("content-type", "")
        if "event-stream" not in kind:
            data = await response.read(MAX_ERROR)
            self._parsed(data)  # raises for an error in JSON
            raise UpstreamBroken(
                f"{self.candidate.deployment.provider.name} answered a stream request with '{kind[:60]}'."
            )
        codec, own = CODECS[self.candidate.dialect], CODECS[self.intake.endpoint.dialect]
        assert codec.reader is not None and own.writer is not None, "both dialects stream"
        if self.prepared.rewrite:
            lane = TranslatedLane(own.writer(answering))
        else:
            terminator = _TERMINATORS.get(self.candidate.dialect, b"")
            lane = ByteLane(hide_usage=self.prepared.hide_usage, terminator=terminator)
        chunks = response.chunks()
        tail = await relay(chunks, codec.reader(self.prepared.target), lane, self.tally, outlet, headers)
        self._keep_parts()
        return Answer(tail, chunks)

    def _keep(self, response: Response) -> None:
        self.services.vault.keep(self._key_id, response.parts, self.prepared.target.provider)

    def _keep_parts(self) -> None:
        parts = self.tally.private_parts
        if parts:
            self.services.vault.keep(self._key_id, parts, self.prepared.target.provider)

    @property
    def _key_id(self) -> str:
        return self.intake.key_id

    def record(self, request_id: str, outcome: Outcome, error: TurnoutError | None) -> AttemptRecord:
        """What is written of this attempt."""
        clock, deployment = self.services.clock, self.candidate.deployment
        usage, estimated = self._usage()
        return AttemptRecord(
            request_id=request_id,
            number=self.number,
            deployment=deployment.name,
            provider=deployment.provider.name,
            model=deployment.model,
            dialect=self.candidate.dialect.value,
            lane=self.prepared.lane,
            started_at=self.started_at,
            duration_ms=_ms(clock.monotonic() - self.started),
            first_byte_ms=None if self.first_byte is None else _ms(self.first_byte - self.started),
            status=self.status,
            outcome=outcome,
            error_code=error.code if error else None,
            upstream_request_id=self.upstream_request_id,
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            cache_write_1h_tokens=usage.cache_write_1h_tokens,
            output_tokens=usage.output_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            estimated=estimated,
            service_tier=usage.service_tier,
        )

    def ending(self) -> Ending:
        """What it came to, for the ledger."""
        usage, estimated = self._usage()
        if self.tally.finished and self._answered:
            # What is missing in a whole answer is for the ledger to fill, and to tell of.
            usage, estimated = self.tally.usage or Usage(), False
        billed = usage.input_tokens is not None or usage.output_tokens is not None or self._answered
        own = usage
        if not usage.input_tokens or not usage.output_tokens:
            own = self._own()
        return Ending(usage=usage, own=own, estimated=estimated, billed=billed)

    @property
    def _answered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def _usage(self) -> tuple[Usage, bool]:
        """The provider's counts, or ours where an answer was begun and its counts are lost."""
        usage = self.tally.usage
        if usage is not None and usage.input_tokens is None and usage.output_tokens is None:
            usage = None  # an object without a count in it
        answered = self._answered
        if usage is not None and (self.tally.finished or not answered):
            return usage, False
        if not answered and not self.maybe_billed:
            return Usage(), False
        own = self._own()
        if usage is None:
            return own, True
        # What came before the cut is not the final count: Anthropic begins with one output token.
        seen = max(usage.output_tokens or 0, own.output_tokens or 0)
        return replace(usage, input_tokens=usage.input_tokens or own.input_tokens, output_tokens=seen), True

    def _own(self) -> Usage:
        """Our counts of what was sent and seen. Of several choices only the first was read."""
        own = self.tally.estimated_usage(self.intake.features.input_tokens)
        choices = self.intake.request.charged_answers if self.prepared.lane != "translated" else 1
        return own if choices == 1 else replace(own, output_tokens=(own.output_tokens or 0) * choices)

    @property
    def maybe_billed(self) -> bool:
        """The request was sent whole and no answer came: the provider may have worked on it all the same."""
        return self.status is None and self.sent

    def note(self, error: TurnoutError) -> None:
        """Remembers what an error says about what the provider may have done."""
        if isinstance(error, UpstreamTimeout) or (isinstance(error, UpstreamBroken) and not error.stale):
            self.sent = True


def _is_error(data: bytes, dialect: Dialect) -> bool:
    """Whether an error body has its dialect's own shape: servers that speak a dialect often write another's errors."""
    try:
        body: Json = orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return False
    return dialect is not Dialect.ANTHROPIC or (body.get("type") == "error" and isinstance(error.get("type"), str))


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
