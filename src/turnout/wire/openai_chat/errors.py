"""Error bodies of the OpenAI dialects: `{"error": {message, type, param, code}}`."""

from __future__ import annotations

import orjson

from turnout.core.errors import BudgetExceeded, TurnoutError
from turnout.core.json import Json, JsonObject
from turnout.wire.codec import UpstreamFault

_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_STATUSES = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "overloaded_error": 503,
    "server_error": 502,
}


def status_of(code: Json) -> int:
    """The HTTP status that an in-band error would have had."""
    if isinstance(code, str) and len(code) == 3 and code.isdecimal():
        code = int(code)
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    return _STATUSES.get(code, 502) if isinstance(code, str) else 502


def error_object(error: TurnoutError) -> JsonObject:
    """The object that stands under `error`."""
    return {
        "message": error.message,
        "type": _type(error),
        "param": error.param,
        "code": error.code,
    }


def _type(error: TurnoutError) -> str:
    if isinstance(error, BudgetExceeded):
        return "insufficient_quota"  # OpenAI's word for an empty purse, which clients tell from a rate by it
    return _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")


def render_error(error: TurnoutError, request_id: str) -> bytes:
    """The body. The request id is in the header `x-request-id`, where OpenAI's clients look for it."""
    del request_id
    return orjson.dumps({"error": error_object(error)})


def parse_error(data: bytes) -> UpstreamFault:
    """What an error body says, whatever its shape: OpenAI's, vLLM's flat one, FastAPI's `detail`, or a page."""
    try:
        body: Json = orjson.loads(data)
    except orjson.JSONDecodeError:
        shown = "an HTML page" if b"<html" in data[:2000].lower() else "a body that is not JSON"
        return UpstreamFault(f"The provider answered with {shown if data.strip() else 'an empty body'}.", None, None)
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return UpstreamFault("The provider answered with an error of an unknown shape.", None, None)
    error = body.get("error", body)
    if isinstance(error, str):
        return UpstreamFault(error, None, None)
    if not isinstance(error, dict):
        error = body
    message = error.get("message") or error.get("detail") or body.get("message") or body.get("detail")
    if isinstance(message, list):  # FastAPI's validation errors
        message = "; ".join(str(each.get("msg")) for each in message if isinstance(each, dict))
    code = error.get("code") or error.get("type")
    param = error.get("param")
    return UpstreamFault(
        message if isinstance(message, str) and message else "The provider gave no message.",
        str(code) if code is not None else None,
        param if isinstance(param, str) else None,
    )
