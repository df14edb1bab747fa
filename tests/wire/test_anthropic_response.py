"""Whole answers and errors of the Messages dialect."""

from __future__ import annotations

import dataclasses
import json

import anthropic
import pytest
from anthropic.types import Message

from turnout.core.errors import (
    BodyTooLarge,
    ContextTooLong,
    Draining,
    Forbidden,
    InvalidField,
    Overloaded,
    RateLimited,
    TurnoutError,
    Unauthenticated,
    UnknownModel,
    UpstreamBroken,
    UpstreamRejected,
    UpstreamTimeout,
)
from turnout.core.target import Dialect, Target
from turnout.wire.anthropic import CODEC
from turnout.wire.codec import Answering
from turnout.wire.neutral import Opaque, Request, Response, Text, Thinking, ToolCall, Usage

TARGET = Target(model="claude-x", provider="anthropic", dialect=Dialect.ANTHROPIC)
REQUEST = Request(dialect=Dialect.ANTHROPIC, model="m", messages=())
ANSWERING = Answering(request=REQUEST, model="shown", response_id="abc", created=0)
BODY = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "Hello"},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1]}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "stop_details": None,
    "usage": {
        "input_tokens": 10,
        "cache_creation_input_tokens": 5,
        "cache_read_input_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 2},
        "output_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 8},
        "service_tier": "standard",
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
    },
}


def test_an_answer_is_read():
    """Blocks become parts that know who made them; counts contain the caches."""
    response = CODEC.parse_response(BODY, TARGET)

    assert response.parts == (
        Thinking(text="hm", signature="sig", origin="anthropic"),
        Thinking(text="", encrypted="xyz", origin="anthropic"),
        Text(text="Hello"),
        Opaque(dialect=Dialect.ANTHROPIC, kind="server_tool_use", raw=BODY["content"][3]),
        ToolCall(id="toolu_1", name="f", arguments='{"a":[1]}', origin="anthropic"),
    )
    assert response.stop_reason == "tool_calls"
    assert response.usage.input_tokens == 115 and response.usage.reasoning_tokens == 8


def test_an_answer_survives_the_neutral_form():
    """Read and written again, an answer differs in the model's name only."""
    written = CODEC.render_response(CODEC.parse_response(BODY, TARGET), ANSWERING)

    assert written == BODY | {"model": "shown"}


@pytest.mark.parametrize(
    "reason, word",
    [
        ("end", "end_turn"),
        ("max_tokens", "max_tokens"),
        ("stop_sequence", "stop_sequence"),
        ("pause", "pause_turn"),
        ("refusal", "refusal"),
        ("content_filter", "refusal"),
        ("context_exceeded", "model_context_window_exceeded"),
    ],
)
def test_stop_reasons_are_written(reason: str, word: str):
    """Every neutral reason has a word, and the SDK's type takes the whole message."""
    response = Response(id="chatcmpl-1", model="m", parts=(Text(text="x"), Text(text="")), stop_reason=reason)
    body = CODEC.render_response(response, ANSWERING)

    message = Message.model_validate(body, strict=True)
    assert (message.stop_reason, message.id, len(message.content)) == (word, "msg_abc", 1)
    assert (message.usage.input_tokens, message.usage.output_tokens) == (0, 0)
    if word != "refusal":
        assert CODEC.parse_response(body, TARGET).stop_reason == reason


def test_a_call_makes_the_stop_reason_tool_use():
    """Clients run tools only after tool_use, and some providers say a plain stop; without a call it is no tool_use."""
    call = ToolCall(id="", name="f", arguments="")
    with_call = Response(id="x", model="m", parts=(call,), stop_reason="end")
    without = Response(id="x", model="m", parts=(), stop_reason="tool_calls")

    body = CODEC.render_response(with_call, ANSWERING)
    assert body["stop_reason"] == "tool_use"
    assert body["content"] == [{"type": "tool_use", "id": "toolu_abc_0", "name": "f", "input": {}}]
    assert CODEC.render_response(without, ANSWERING)["stop_reason"] == "end_turn"


@pytest.mark.parametrize(
    "arguments, value",
    [("", {}), ('{"a":1}', {"a": 1}), ('{"a":', {"_raw": '{"a":'}), ("[1]", {"_raw": "[1]"})],
)
def test_arguments_become_an_input_object(arguments: str, value: dict):
    """The dialect demands an object; what is none stays readable."""
    response = Response(
        id="x", model="m", parts=(ToolCall(id="a", name="f", arguments=arguments),), stop_reason="tool_calls"
    )

    assert CODEC.render_response(response, ANSWERING)["content"][0]["input"] == value


def test_what_other_providers_keep_private_is_not_shown():
    """OpenAI's encrypted reasoning and items have no block here."""
    parts = (
        Thinking(text="", encrypted="gAAA", item_id="rs_1", origin="openai"),
        Opaque(dialect=Dialect.OPENAI_RESPONSES, kind="web_search_call", raw={"type": "web_search_call"}),
    )
    body = CODEC.render_response(Response(id="x", model="m", parts=parts, stop_reason="end"), ANSWERING)

    assert body["content"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        BODY | {"content": None},
        BODY | {"stop_reason": None},
        BODY | {"content": ["x"]},
        BODY | {"content": [{"type": "text"}]},
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    ],
)
def test_an_object_that_is_no_answer_is_broken(body: dict):
    """An empty or failed answer with status 200 is never a success (S8, S9)."""
    with pytest.raises(UpstreamBroken):
        CODEC.parse_response(body, TARGET)


def test_counts_never_go_below_zero():
    """A provider that reports more cached than input tokens gives 0 fresh ones."""
    usage = Usage(input_tokens=10, cached_tokens=50, output_tokens=1)
    body = CODEC.render_response(dataclasses.replace(CODEC.parse_response(BODY, TARGET), usage=usage), ANSWERING)

    assert body["usage"]["input_tokens"] == 0


@pytest.mark.parametrize(
    "error, kind",
    [
        (InvalidField("m"), "invalid_request_error"),
        (Unauthenticated("m"), "authentication_error"),
        (Forbidden("m"), "permission_error"),
        (UnknownModel("m"), "not_found_error"),
        (BodyTooLarge("m"), "request_too_large"),
        (RateLimited("m"), "rate_limit_error"),
        (TurnoutError("m"), "api_error"),
        (Overloaded("m"), "overloaded_error"),
        (Draining("m"), "overloaded_error"),
        (UpstreamBroken("m"), "api_error"),
        (UpstreamTimeout("m"), "timeout_error"),
        (UpstreamRejected("m", upstream_status=529, status=529), "overloaded_error"),
        (UpstreamRejected("m", upstream_status=402, status=402), "billing_error"),
        (UpstreamRejected("m", upstream_status=422, status=422), "invalid_request_error"),
    ],
)
def test_errors_have_the_types_of_the_dialect(error: TurnoutError, kind: str):
    """The SDK and Claude Code read the type, the message and the request id."""
    body = json.loads(CODEC.render_error(error, "req_1"))

    assert body == {"type": "error", "error": {"type": kind, "message": "m"}, "request_id": "req_1"}
    assert CODEC.parse_error(CODEC.render_error(error, "req_1")) == ("m", kind, None)


def test_a_prompt_that_is_too_long_says_so_in_the_known_words():
    """Claude Code compacts the conversation when it reads them."""
    assert b'"prompt is too long: No room.' in CODEC.render_error(ContextTooLong("No room."), "r")


@pytest.mark.parametrize(
    "body, message, code",
    [
        (b"", "no body", None),
        (b"<html>502</html>", "HTML page", None),
        (b"upstream connect error", "upstream connect error", None),
        (b"\xff\xfe", "not JSON", None),
        (b"[]", "not JSON", None),
        (b'{"error":"nope"}', "nope", None),
        (b'{"detail":"Not here"}', "Not here", None),
        (b'{"error":{"message":"m","type":null,"code":"c","param":"p"}}', "m", "c"),
        (b'{"error":{"message":5}}', "no reason", None),
        (b'{"type":"error","error":{"type":"billing_error","message":"Pay"}}', "Pay", "billing_error"),
    ],
)
def test_any_error_body_is_read(body: bytes, message: str, code: str | None):
    """Whatever stands between the provider and us, the reader of errors never raises."""
    fault = CODEC.parse_error(body)

    assert message in fault.message and fault.code == code


def test_every_error_type_of_the_sdk_is_known():
    """The map of types holds each one that the SDK declares, but for those of the memory store's own endpoints."""
    declared = anthropic.types.shared.error_type.ErrorType.__args__

    assert {kind for kind in declared if not kind.startswith("memory_")} <= {
        json.loads(CODEC.render_error(_of(status), "r"))["error"]["type"] for status in range(400, 600)
    }


def _of(status: int) -> TurnoutError:
    return UpstreamRejected("m", upstream_status=status, status=status)
