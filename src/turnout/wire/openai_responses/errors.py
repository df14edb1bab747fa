"""Errors of the Responses API: the body is that of chat completions; a failed response has an error of its own."""

from __future__ import annotations

from turnout.core.errors import BudgetExceeded, Fault, TurnoutError, UpstreamRejected
from turnout.core.json import Json, JsonMap, JsonObject
from turnout.wire.neutral import Failed
from turnout.wire.openai_chat.errors import parse_error, render_error

__all__ = ["failed", "parse_error", "rejected", "render_error", "response_error"]

_STATUSES = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "too_many_requests": 429,
    "insufficient_quota": 429,
    "server_error": 500,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "overloaded_error": 503,
    "service_unavailable": 503,
    "vector_store_timeout": 504,
    "model_not_found": 404,
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "cyber_policy": 400,
    "bio_policy": 400,
    "image_content_policy_violation": 400,
}
_PASSED = frozenset({"insufficient_quota", "context_length_exceeded", "invalid_prompt", "rate_limit_exceeded"})
"""Codes that Codex acts on; it tries again after any other: codex-rs/codex-api/src/sse/responses.rs."""


def status_of(code: str | None) -> int:
    """The HTTP status that an error inside a stream would have had."""
    if code is None:
        return 502
    if code.isdigit() and 400 <= int(code) <= 599:
        return int(code)
    if code.startswith(("invalid_", "image_", "unsupported_", "empty_")):
        return 400
    return _STATUSES.get(code, 502)


def failed(error: Json) -> Failed:
    """An `error` object, of a failed response or of an `error` event."""
    if isinstance(error, str) and error:
        return Failed(error)
    found: JsonMap = error if isinstance(error, dict) else {}
    message, code = found.get("message"), found.get("code") or found.get("type")
    word = str(code) if isinstance(code, str | int) and code != "error" else None
    text = message if isinstance(message, str) and message else "The provider's response failed without a message."
    return Failed(text, word, status_of(word))


def rejected(event: Failed) -> UpstreamRejected:
    """The same as an exception. The caller is told 401 or 403 only about the caller's own key, so those become 502."""
    status = 502 if event.status in (401, 402, 403, 500) else event.status
    fault = Fault.CALLER if status in (400, 413, 422) else Fault.UPSTREAM
    return UpstreamRejected(
        event.message, upstream_status=event.status, status=status, code=event.code or "upstream_rejected", fault=fault
    )


def response_error(error: TurnoutError) -> JsonObject:
    """The `error` of a failed response, in words that clients act on."""
    if error.code in _PASSED:
        code = error.code
    elif isinstance(error, BudgetExceeded):
        code = "insufficient_quota"
    elif error.status == 429:
        code = "rate_limit_exceeded"
    else:
        code = "invalid_prompt" if error.fault is Fault.CALLER else "server_error"
    return {"code": code, "message": error.message}
