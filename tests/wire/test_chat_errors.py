"""Error bodies of OpenAI-like servers, and ours."""

from __future__ import annotations

import orjson
import pytest

from turnout.core.errors import (
    InvalidField,
    RateLimited,
    TurnoutError,
    Unauthenticated,
    UpstreamBroken,
    UpstreamTimeout,
)
from turnout.wire.openai_chat.errors import parse_error, render_error, status_of


@pytest.mark.parametrize(
    ("body", "message", "code", "param"),
    [
        (b'{"error":{"message":"m","type":"t","param":"p","code":"c"}}', "m", "c", "p"),
        (b'{"error":{"message":"m","type":"t","param":null,"code":null}}', "m", "t", None),
        (b'{"error":"plain"}', "plain", None, None),
        (b'{"object":"error","message":"m","type":"BadRequestError","code":400}', "m", "400", None),
        (b'{"detail":"Not Found"}', "Not Found", None, None),
        (b'{"detail":[{"loc":["body"],"msg":"field required"},{"msg":"b"}]}', "field required; b", None, None),
        (b'[{"error":{"code":400,"message":"m","status":"X"}}]', "m", "400", None),
        (b'{"error":{"message":5}}', "The provider gave no message.", None, None),
        (b'{"error":null,"message":"m"}', "m", None, None),
        (b"{}", "The provider gave no message.", None, None),
        (b"[]", "The provider answered with an error of an unknown shape.", None, None),
        (b"<!doctype html><HTML>502</HTML>", "The provider answered with an HTML page.", None, None),
        (b"upstream connect error", "The provider answered with a body that is not JSON.", None, None),
        (b"\xff\xfe", "The provider answered with a body that is not JSON.", None, None),
        (b"", "The provider answered with an empty body.", None, None),
        (b"[" * 5000, "The provider answered with a body that is not JSON.", None, None),
    ],
)
def test_error_bodies(body: bytes, message: str, code: str | None, param: str | None) -> None:
    """Whatever an error body looks like, it is read and never raises."""
    assert parse_error(body) == (message, code, param)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (429, 429),
        ("429", 429),
        (200, 502),
        ("rate_limit_exceeded", 429),
        ("odd", 502),
        (None, 502),
        (True, 502),
        ([], 502),
    ],
)
def test_status_of_an_error_in_a_stream(code: object, status: int) -> None:
    """A code that says a status is believed; anything else is a 502."""
    assert status_of(code) == status  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidField("m", param="p"), "invalid_request_error"),
        (Unauthenticated("m"), "authentication_error"),
        (RateLimited("m"), "rate_limit_error"),
        (UpstreamBroken("m"), "server_error"),
        (UpstreamTimeout("m"), "timeout_error"),
    ],
)
def test_our_errors(error: TurnoutError, kind: str) -> None:
    """Every error has the four members that OpenAI's clients read."""
    body = orjson.loads(render_error(error, "req_1"))

    assert body == {"error": {"message": "m", "type": kind, "param": error.param, "code": error.code}}
