"""What chat clients get: bytes parsed by the real client library, and read back by our own reader."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import openai
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_client import served

from turnout.core.errors import UpstreamBroken
from turnout.core.target import Dialect, Target
from turnout.wire.assemble import assemble, replay
from turnout.wire.body import dump
from turnout.wire.codec import Answering
from turnout.wire.neutral import (
    Ended,
    Event,
    Finished,
    PartDelta,
    PartStarted,
    PartStopped,
    Request,
    Response,
    Started,
    Text,
    Thinking,
    Tool,
    ToolCall,
    Usage,
    UsageReported,
)
from turnout.wire.openai_chat.errors import render_error
from turnout.wire.openai_chat.reader import ChatReader
from turnout.wire.openai_chat.response import parse_response, render_response
from turnout.wire.openai_chat.writer import ChatWriter
from turnout.wire.state import StreamState

TARGET = Target(model="m", provider="acme", dialect=Dialect.OPENAI_CHAT)
USAGE = Usage(input_tokens=10, cached_tokens=4, output_tokens=6, reasoning_tokens=2)
PLAIN = Response(id="msg_1", model="up", parts=(Text(text="Hello"),), stop_reason="end", usage=USAGE)
RICH = Response(
    id="msg_1",
    model="up",
    parts=(
        Thinking(text="Let me see."),
        Text(text="Calling."),
        ToolCall(id="c1", name="f", arguments='{"a":1}'),
        ToolCall(id="c2", name="patch", arguments='{"input":"*** x"}'),
        ToolCall(id="c3", name="patch", arguments="*** y", custom=True),
        ToolCall(id="c4", name="patch", arguments="broken {"),
    ),
    stop_reason="tool_calls",
    usage=USAGE,
)
TOOLS = (Tool(name="f"), Tool(name="patch", custom=True))


def answering(*, usage: bool = True, tools: tuple[Tool, ...] = TOOLS) -> Answering:
    request = Request(
        dialect=Dialect.OPENAI_CHAT, model="gpt", messages=(), tools=tools, stream=True, stream_usage=usage
    )
    return Answering(request=request, model="gpt", response_id="r1", created=1_790_000_000)


def written(events: Iterable[Event], to: Answering) -> bytes:
    writer = ChatWriter(to)
    return b"".join(writer.write(event) for event in events)


def streamed(body: bytes) -> list[openai.types.chat.ChatCompletionChunk]:
    with served(body) as client:
        return list(client.chat.completions.create(model="gpt", messages=[], stream=True))


# ---- the real client ---------------------------------------------------------------------


@pytest.mark.parametrize("usage", [True, False])
def test_the_client_reads_a_stream(usage: bool) -> None:
    """Words, ids, the finish reason, and the usage chunk for those who asked for it only."""
    chunks = streamed(written(replay(PLAIN), answering(usage=usage)))
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]

    assert {(c.id, c.model, c.created, c.object) for c in chunks} == {
        ("chatcmpl-r1", "gpt", 1_790_000_000, "chat.completion.chunk")
    }
    assert choices[0].delta.role == "assistant"
    assert "".join(choice.delta.content or "" for choice in choices) == "Hello"
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    assert [bool(chunk.choices) for chunk in chunks].count(False) == usage
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    if usage:
        last = chunks[-1].usage
        assert last is not None
        assert (last.prompt_tokens, last.completion_tokens, last.total_tokens) == (10, 6, 16)
        assert last.prompt_tokens_details is not None and last.prompt_tokens_details.cached_tokens == 4
        assert last.completion_tokens_details is not None and last.completion_tokens_details.reasoning_tokens == 2


def test_the_client_accumulates_tool_calls() -> None:
    """The library's own accumulation of deltas gives the calls, bridged ones unwrapped."""
    body = written(replay(RICH), answering())
    calls: dict[int, dict[str, str]] = {}
    for chunk in streamed(body):
        for choice in chunk.choices:
            for delta in choice.delta.tool_calls or []:
                call = calls.setdefault(delta.index, {"id": "", "name": "", "text": ""})
                inner = delta.to_dict().get("custom") or (delta.function.to_dict() if delta.function else {})
                assert isinstance(inner, dict)
                call["id"] += delta.id or ""
                call["name"] += str(inner.get("name") or "")
                call["text"] += str(inner.get("arguments") or inner.get("input") or "")

    assert list(calls.values()) == [
        {"id": "c1", "name": "f", "text": '{"a":1}'},
        {"id": "c2", "name": "patch", "text": "*** x"},
        {"id": "c3", "name": "patch", "text": "*** y"},
        {"id": "c4", "name": "patch", "text": "broken {"},
    ]


def test_the_client_library_streams_to_a_message() -> None:
    """`chat.completions.stream` of the library builds the final message out of our chunks."""
    functions_only = dataclasses.replace(RICH, parts=RICH.parts[:3])
    with (
        served(written(replay(functions_only), answering())) as client,
        client.chat.completions.stream(model="gpt", messages=[], stream_options={"include_usage": True}) as stream,
    ):
        final = stream.get_final_completion()
    message = final.choices[0].message

    assert message.content == "Calling."
    assert message.tool_calls is not None
    assert [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls] == [
        ("c1", "f", '{"a":1}')
    ]
    assert final.usage is not None and final.usage.total_tokens == 16


def test_the_client_reads_a_whole_answer() -> None:
    """The body is a valid ChatCompletion with function and custom calls and reasoning."""
    with served(dump(render_response(RICH, answering())), "application/json") as client:
        completion = client.chat.completions.create(model="gpt", messages=[])
    message = completion.choices[0].message
    openai.types.chat.ChatCompletion.model_validate(completion.to_dict(), strict=True)

    assert completion.id == "chatcmpl-r1"
    assert completion.choices[0].finish_reason == "tool_calls"
    assert message.content == "Calling."
    assert message.to_dict()["reasoning_content"] == "Let me see."
    assert [call.type for call in message.tool_calls or []] == ["function", "custom", "custom", "custom"]
    assert [call.custom.input for call in message.tool_calls or [] if call.type == "custom"] == [
        "*** x",
        "*** y",
        "broken {",
    ]


def test_the_client_raises_at_an_error_in_the_stream() -> None:
    """An error after words is an exception at the client, with our message, and no clean end."""
    writer = ChatWriter(answering())
    body = b"".join(writer.write(event) for event in [Started("i", "m"), PartStarted(0, "text"), PartDelta(0, "He")])
    body += writer.ping() + writer.fail(UpstreamBroken("acme cut the stream."))

    assert b"[DONE]" not in body
    with pytest.raises(openai.APIError, match="acme cut the stream"):
        streamed(body)


def test_the_client_reads_an_error_body() -> None:
    """An error status becomes the library's own class with message and code."""
    with (
        served(render_error(UpstreamBroken("acme is down."), "req_1"), "application/json", 502) as client,
        pytest.raises(openai.InternalServerError, match="acme is down") as raised,
    ):
        client.chat.completions.create(model="gpt", messages=[])
    assert raised.value.code == "upstream_broken"


# ---- bytes -------------------------------------------------------------------------------


def chunks_of(body: bytes) -> list[dict[str, object]]:
    lines = [line[6:] for line in body.split(b"\n\n") if line.startswith(b"data: {")]
    return [orjson.loads(line) for line in lines]


def test_every_delta_but_the_last_has_content() -> None:
    """Clients that read `delta.content` without looking survive."""
    deltas = [c["delta"] for chunk in chunks_of(written(replay(RICH), answering())) for c in chunk["choices"]]  # type: ignore[attr-defined]

    assert [delta for delta in deltas if "content" not in delta] == [{}]
    assert deltas[-1] == {}


def test_usage_is_null_or_absent_before_the_end() -> None:
    """With `include_usage` each chunk has `usage: null`; without it none has the key."""
    asked = chunks_of(written(replay(PLAIN), answering()))
    silent = chunks_of(written(replay(PLAIN), answering(usage=False)))

    assert [chunk["usage"] for chunk in asked[:-1]] == [None] * (len(asked) - 1)
    assert asked[-1]["choices"] == []
    assert not any("usage" in chunk for chunk in silent)


def test_the_end_is_written_once() -> None:
    """One `[DONE]`, and it is the last thing."""
    body = written(replay(PLAIN), answering())

    assert body.count(b"[DONE]") == 1
    assert body.endswith(b"data: [DONE]\n\n")


def test_bridged_calls_wait_for_their_end_and_do_not_mix() -> None:
    """Two interleaved bridged calls are unwrapped apart."""
    events: list[Event] = [
        Started("i", "m"),
        PartStarted(0, "tool_call", "a", "patch"),
        PartStarted(1, "tool_call", "b", "patch"),
        PartDelta(0, '{"inp'),
        PartDelta(1, '{"input":"2'),
        PartDelta(0, 'ut":"1"}'),
        PartDelta(1, '"}'),
        PartStopped(1),
        PartStopped(0),
        Finished("tool_calls"),
        Ended(),
    ]
    response = assemble(read(written(events, answering())), Dialect.OPENAI_CHAT)

    assert [(p.id, p.arguments, p.custom) for p in response.parts if isinstance(p, ToolCall)] == [
        ("a", "1", True),
        ("b", "2", True),
    ]


def test_the_upstreams_own_chat_id_is_kept() -> None:
    """An id that is already one of this dialect is not replaced."""
    assert render_response(dataclasses.replace(PLAIN, id="chatcmpl-7"), answering())["id"] == "chatcmpl-7"


# ---- our own reader ----------------------------------------------------------------------


def read(body: bytes) -> Sequence[Event]:
    reader = ChatReader(TARGET)
    events = [*reader.feed(body), *reader.close()]
    state = StreamState()
    for event in events:
        state.move(event)
    assert state.phase == "ended"
    return events


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_PIECES = st.lists(_TEXT, max_size=4)
_REASON = st.sampled_from(["end", "max_tokens", "tool_calls", "content_filter"])


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """A random legal stream of words, reasoning and interleaved tool calls."""
    events: list[Event] = [Started("chatcmpl-x", "gpt", None, 1_790_000_000)]
    calls: list[int] = []
    index = 0
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["text", "thinking"]))
        pieces = draw(_PIECES)
        events += [PartStarted(index, kind), *(PartDelta(index, piece) for piece in pieces), PartStopped(index)]  # type: ignore[arg-type]
        index += 1
    for number in range(draw(st.integers(0, 3))):
        custom = draw(st.booleans())
        events.append(PartStarted(index, "tool_call", f"call_{number}", draw(_TEXT), custom=custom))
        calls.append(index)
        index += 1
    if calls:
        events += [PartDelta(draw(st.sampled_from(calls)), draw(_TEXT)) for _ in range(draw(st.integers(0, 6)))]
    events += [PartStopped(each) for each in calls]
    events.append(Finished("tool_calls" if calls else draw(_REASON.filter(lambda reason: reason != "tool_calls"))))
    if draw(st.booleans()):
        events.append(UsageReported(USAGE))
    return [*events, Ended()]


def merged(response: Response) -> list[object]:
    """The parts as a chat stream can say them: empty ones vanish, neighbours of a kind are one."""
    out: list[object] = []
    for part in response.parts:
        if isinstance(part, ToolCall):
            out.append((part.id, part.name, part.arguments, part.custom))
        elif isinstance(part, Text | Thinking) and part.text:
            kind = type(part).__name__
            if out and isinstance(out[-1], list) and out[-1][0] == kind:
                out[-1][1] += part.text
            else:
                out.append([kind, part.text])
    return out


@given(streams(), st.data())
def test_what_is_written_is_read_back(events: list[Event], data: st.DataObject) -> None:
    """Any legal stream survives being written and read, cut anywhere."""
    body = written(events, answering(tools=()))
    reader = ChatReader(TARGET)
    cut = data.draw(st.integers(0, len(body)))
    again = [*reader.feed(body[:cut]), *reader.feed(body[cut:]), *reader.close()]
    state = StreamState()
    for event in again:
        state.move(event)
    before, after = assemble(events, Dialect.OPENAI_CHAT), assemble(again, Dialect.OPENAI_CHAT)

    assert state.phase == "ended"
    assert merged(after) == merged(before)
    assert after.stop_reason == before.stop_reason
    assert (after.id, after.created) == (before.id, before.created)
    assert after.usage is not None
    assert after.usage.input_tokens == (10 if before.usage else 0)


def test_a_whole_answer_is_read_back() -> None:
    """Rendering and parsing a response gives its parts again."""
    response = parse_response(render_response(RICH, answering(tools=())), TARGET)

    assert merged(response) == merged(RICH)
    assert (response.stop_reason, response.created) == ("tool_calls", 1_790_000_000)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": []},
        {"choices": [{}]},
        {"choices": None},
        {"choices": [{"message": {"content": "x"}}]},
        {"choices": [{"message": {"content": "x"}, "finish_reason": ""}]},
        {"choices": [{"message": {"content": "x"}, "finish_reason": "insufficient_system_resource"}]},
        {"choices": [{"message": {"content": "x"}, "finish_reason": "abort"}]},
        {"error": {"message": "no"}},
    ],
)
def test_an_answer_that_is_none_is_broken(body: dict[str, object]) -> None:
    """A 200 without a finished answer is the provider's fault, never an empty success."""
    with pytest.raises(UpstreamBroken):
        parse_response(body, TARGET)  # type: ignore[arg-type]


def test_odd_messages_are_read() -> None:
    """Content as an array, arguments as an object, calls without ids."""
    message = {
        "reasoning": "r",
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "t"}]},
            {"type": "text", "text": "w"},
            5,
        ],
        "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}, None],
    }
    response = parse_response({"choices": [{"message": message, "finish_reason": "stop"}]}, TARGET)  # type: ignore[dict-item]

    assert response.parts == (
        Thinking(text="r", origin="acme"),
        Thinking(text="t", origin="acme"),
        Text(text="w"),
        ToolCall(id="call_0", name="f", arguments='{"a":1}', origin="acme"),
    )
    assert response.stop_reason == "tool_calls"
