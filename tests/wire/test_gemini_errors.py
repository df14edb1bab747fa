"""Error bodies of Google's APIs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.wire.gemini import CODEC
from turnout.wire.gemini.errors import CONTEXT_LENGTH, parse_error


def _body(code: int, status: str, message: str, *details: object) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


INFO = "type.googleapis.com/google.rpc.ErrorInfo"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (
            _body(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."),
            ("You exceeded your current quota.", "RESOURCE_EXHAUSTED", None),
        ),
        (
            _body(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
                {"@type": INFO, "reason": "API_KEY_INVALID", "domain": "googleapis.com"},
            ),
            ("API key not valid. Please pass a valid API key.", "API_KEY_INVALID", None),
        ),
        (
            _body(
                400,
                "INVALID_ARGUMENT",
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            ),
            (
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                CONTEXT_LENGTH,
                None,
            ),
        ),
        (
            _body(
                400,
                "INVALID_ARGUMENT",
                "Invalid value",
                {"@type": BAD_REQUEST, "fieldViolations": [{"field": "contents[0].parts", "description": "x"}]},
            ),
            ("Invalid value", "INVALID_ARGUMENT", "contents[0].parts"),
        ),
        ({"error": "just words"}, ("just words", None, None)),
        ({"error": {"code": 500}}, ("The provider gave no message.", None, None)),
    ],
)
def test_an_error_body_is_read_alone_and_in_an_array(body: dict[str, object], fault: tuple[str | None, ...]) -> None:
    """Message, code and field are found; streaming endpoints wrap the same object in an array."""
    assert parse_error(json.dumps(body).encode()) == fault
    assert parse_error(json.dumps([body]).encode()) == fault


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"<html><h1>502</h1></html>", "HTML"), (b"", "empty"), (b"nope", "not JSON"), (b"[]", "unknown shape")],
)
def test_a_body_of_another_shape_is_described(data: bytes, told: str) -> None:
    """The message says what came instead, and does not repeat it."""
    fault = parse_error(data)
    assert told in fault.message
    assert fault.code is None


@given(st.binary() | st.recursive(st.none() | st.text(), lambda v: st.lists(v) | st.dictionaries(
    st.sampled_from(["error", "details", "status", "message", "fieldViolations"]), v)).map(
    lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_body_makes_the_reader_of_errors_fall_over(data: bytes) -> None:
    """It always has a message."""
    assert CODEC.parse_error is not None
    assert isinstance(CODEC.parse_error(data).message, str)
