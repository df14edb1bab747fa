"""Errors of Google's APIs: `{"error": {code, message, status, details}}`, alone, in an array, or inside a stream.

https://ai.google.dev/gemini-api/docs/troubleshooting and https://google.aip.dev/193
"""

from __future__ import annotations

import orjson

from turnout.core.json import Json, JsonMap
from turnout.wire.codec import UpstreamFault
from turnout.wire.neutral import Failed

CONTEXT_LENGTH = "context_length_exceeded"
"""Google has no code of its own for this: it is INVALID_ARGUMENT with a sentence."""

_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


def parse_error(data: bytes) -> UpstreamFault:
    """What an error body says. `code` is the status word, or the reason where it says more (`API_KEY_INVALID`)."""
    try:
        body: Json = orjson.loads(data)
    except orjson.JSONDecodeError:
        shown = "an HTML page" if b"<html" in data[:2000].lower() else "a body that is not JSON"
        return UpstreamFault(f"The provider answered with {shown if data.strip() else 'an empty body'}.", None, None)
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str):
        return UpstreamFault(error, None, None)
    if not isinstance(error, dict):
        return UpstreamFault("The provider answered with an error of an unknown shape.", None, None)
    return read_error(error)


def read_error(error: JsonMap) -> UpstreamFault:
    """The members of an `error` object."""
    message = error.get("message")
    shown = message if isinstance(message, str) and message else "The provider gave no message."
    status = error.get("status")
    code = status if isinstance(status, str) else None
    reason, field = _details(error)
    if code == "INVALID_ARGUMENT":
        code = CONTEXT_LENGTH if _is_too_long(shown) else reason or code
    return UpstreamFault(shown, code, field)


def failed(error: JsonMap) -> Failed:
    """An error that came inside a stream or a body with status 200."""
    fault = read_error(error)
    number, word = error.get("code"), error.get("status")
    status = _STATUSES.get(word, 502) if isinstance(word, str) else 502
    if isinstance(number, int) and not isinstance(number, bool) and 400 <= number <= 599:
        status = number
    return Failed(fault.message, fault.code, status)


def _is_too_long(message: str) -> bool:
    # "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    lowered = message.lower()
    return "token count" in lowered and "exceeds the maximum" in lowered


def _details(error: JsonMap) -> tuple[str | None, str | None]:
    """The machine-readable reason, and the field at fault."""
    details = error.get("details")
    reason = field = None
    for detail in details if isinstance(details, list) else []:
        if not isinstance(detail, dict):
            continue
        given, violations = detail.get("reason"), detail.get("fieldViolations")
        if reason is None and isinstance(given, str):
            reason = given
        first = violations[0] if isinstance(violations, list) and violations else None
        named = first.get("field") if isinstance(first, dict) else None
        if field is None and isinstance(named, str):
            field = named
    return reason, field
