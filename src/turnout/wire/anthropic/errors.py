"""Errors of the Messages dialect: bodies, types and statuses.

https://platform.claude.com/docs/en/api/errors
"""

from __future__ import annotations

import orjson

from turnout.core.errors import BudgetExceeded, ContextTooLong, Draining, Overloaded, TurnoutError, UpstreamRejected
from turnout.core.json import Json, JsonObject
from turnout.wire.codec import UpstreamFault

STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The HTTP status that an error type has outside a stream."""

_TYPE_OF_STATUS = {status: kind for kind, status in STATUS_OF_TYPE.items()} | {408: "timeout_error"}

_TOO_LONG = "prompt is too long"
"""Clients (Claude Code among them) look for these words to compact the conversation."""

_SHOWN = 300


def error_status(error: TurnoutError) -> int:
    """Its HTTP status. An empty purse is 402 in this dialect, so that no client takes it for a rate and waits."""
    return 402 if isinstance(error, BudgetExceeded) else error.status


def error_type(error: TurnoutError) -> str:
    """Anthropic's name for the error."""
    if isinstance(error, Overloaded | Draining) or (isinstance(error, UpstreamRejected) and error.status == 503):
        return "overloaded_error"
    known = _TYPE_OF_STATUS.get(error_status(error))
    if known is not None:
        return known
    return "invalid_request_error" if error.status < 500 else "api_error"


def error_object(error: TurnoutError, request_id: str | None = None) -> JsonObject:
    """The body of an error answer, and the data of an `error` event."""
    message = error.message
    if isinstance(error, ContextTooLong) and _TOO_LONG not in message.lower():
        message = f"{_TOO_LONG}: {message}"
    body: JsonObject = {"type": "error", "error": {"type": error_type(error), "message": message}}
    if request_id is not None:
        body["request_id"] = request_id
    return body


def render_error(error: TurnoutError, request_id: str) -> bytes:
    """The error body for the caller."""
    return orjson.dumps(error_object(error, request_id))


def parse_error(body: bytes) -> UpstreamFault:
    """Reads an error body. Takes Anthropic's shape, OpenAI's, and what proxies put in between; never raises."""
    try:
        value: Json = orjson.loads(body)
    except orjson.JSONDecodeError:
        return UpstreamFault(_describe(body), None, None)
    if not isinstance(value, dict):
        return UpstreamFault(_describe(body), None, None)
    return fault_of(value)


def fault_of(value: JsonObject) -> UpstreamFault:
    """The message, type and parameter in an error object."""
    error = value.get("error")
    if isinstance(error, str):
        return UpstreamFault(error[:_SHOWN], None, None)
    inner = error if isinstance(error, dict) else value
    message = inner.get("message") or value.get("message") or value.get("detail")
    kind = inner.get("type") if inner is not value else inner.get("code")
    code = kind if isinstance(kind, str) else inner.get("code")
    param = inner.get("param")
    return UpstreamFault(
        message if isinstance(message, str) else "The provider gave no reason.",
        code if isinstance(code, str) else None,
        param if isinstance(param, str) else None,
    )


def _describe(body: bytes) -> str:
    text = body.strip()
    if not text:
        return "The provider's error has no body."
    if text[:1] == b"<":
        return "The provider answered with an HTML page instead of an API error."
    return "The provider's error is not JSON: " + text[:_SHOWN].decode("utf-8", "replace")
