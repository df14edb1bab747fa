"""The Messages stream, read and written."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.core.errors import RateLimited, UpstreamBroken
from turnout.core.target import Dialect, Target
from turnout.wire.anthropic import CODEC
from turnout.wire.assemble import assemble, replay
from turnout.wire.codec import Answering
from turnout.wire.neutral import (
    Ended,
    Event,
    Failed,
    Finished,
    Opaque,
    PartDelta,
    PartSigned,
    PartStarted,
    PartStopped,
    Ping,
    Request,
    Response,
    Started,
    Text,
    Thinking,
    ToolCall,
    Usage,
    UsageReported,
)
from turnout.wire.sse import SseParser
from turnout.wire.state import StreamState

TRANSCRIPTS = Path(__file__).parent / "transcripts" / "anthropic"
TARGET = Target(model="claude-x", provider="anthropic", dialect=Dialect.ANTHROPIC)
REQUEST = Request(dialect=Dialect.ANTHROPIC, model="m", messages=())
ANSWERING = Answering(request=REQUEST, model="shown", response_id="abc", created=0)
COMPLETE = ("text", "thinking", "tools", "server_tool")


def transcript(name: str) -> bytes:
    return (TRANSCRIPTS / f"{name}.sse").read_bytes()


def read(chunks: list[bytes]) -> tuple[list[Event], str | None]:
    """All events, and the message of the error that ended them, if any."""
    reader = CODEC.reader(TARGET)
    events: list[Event] = []
    try:
        for chunk in chunks:
            events.extend(reader.feed(chunk))
        events.extend(reader.close())
    except UpstreamBroken as error:
        return events, error.message
    return events, None


def write(events: list[Event]) -> bytes:
    writer = CODEC.writer(ANSWERING)
    return b"".join(writer.write(event) for event in events)


def follow(events: list[Event]) -> StreamState:
    state = StreamState()
    for event in events:
        state.move(event)
    return state


def sse(*objects: dict) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (o["type"].encode(), orjson.dumps(o)) for o in objects)


START = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "c", "usage": {"input_tokens": 5, "output_tokens": 1}},
}
STOP = {"type": "message_stop"}


def delta(reason: str | None = "end_turn", usage: object = None) -> dict:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}


@pytest.mark.parametrize("name", [path.stem for path in sorted(TRANSCRIPTS.glob("*.sse"))])
def test_a_transcript_gives_the_same_legal_events_wherever_it_is_cut(name: str):
    """Bytes may arrive cut anywhere, and the order of events is always legal."""
    data = transcript(name)
    whole = read([data])
    follow(whole[0])

    assert read([data[i : i + 1] for i in range(len(data))]) == whole
    for cut in range(1, len(data)):
        assert read([data[:cut], data[cut:]]) == whole


def test_text_with_citations_and_caches_is_read():
    """Unknown deltas and events are skipped; the neutral input count contains the caches."""
    events, error = read([transcript("text")])
    response = assemble(events, Dialect.ANTHROPIC)

    assert error is None and isinstance(events[-1], Ended) and Ping() in events
    assert [part.text for part in response.parts if isinstance(part, Text)] == ["Grüß Gott, \u2028\n 世界 👋"]
    assert response.parts[0].annotations[0]["type"] == "char_location"
    assert (response.stop_reason, response.stop_sequence) == ("stop_sequence", "END")
    usage = response.usage
    assert (usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens) == (2112, 2000, 100)
    assert (usage.cache_write_1h_tokens, usage.output_tokens, usage.service_tier) == (40, 17, "standard")


def test_thinking_is_read_with_its_signature():
    """Signed and redacted thinking keep their private values; input counts of the start survive the end."""
    response = assemble(read([transcript("thinking")])[0], Dialect.ANTHROPIC, "anthropic")

    assert response.parts == (
        Thinking(text="Let me count.", signature="EqQBCgIYAhIM1gbcDa9GJwZA2b3h", origin="anthropic"),
        Thinking(text="", encrypted="EmwKAhgBEgy3va3pzix", origin="anthropic"),
        Text(text="Three."),
    )
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.reasoning_tokens) == (30, 40, 31)


def test_parallel_tool_calls_are_read():
    """Each tool_use block is a call with its own id."""
    response = assemble(read([transcript("tools")])[0], Dialect.ANTHROPIC)

    calls = [(p.id, p.name, p.arguments) for p in response.parts if isinstance(p, ToolCall)]
    assert calls == [("toolu_01A", "weather", '{"city": "Paris"}'), ("toolu_01B", "time", "{}")]
    assert response.stop_reason == "tool_calls"


def test_a_server_tool_is_carried_whole():
    """Blocks without a neutral form are given at their end, with their input."""
    response = assemble(read([transcript("server_tool")])[0], Dialect.ANTHROPIC)

    use, result, text = response.parts
    assert isinstance(use, Opaque) and use.raw["input"] == {"query": "trains"}
    assert isinstance(result, Opaque) and result.kind == "web_search_tool_result"
    assert text == Text(text="They run.")
    assert response.stop_reason == "pause" and response.usage.input_tokens == 10682


def test_an_error_event_becomes_failed_with_its_status():
    """An overloaded provider says so inside the stream; nothing after it is read."""
    events, error = read([transcript("error") + sse(STOP)])

    assert error is None
    assert events[-1] == Failed("Overloaded", "overloaded_error", 529)


@pytest.mark.parametrize(
    "kind, status",
    [
        ("invalid_request_error", 400),
        ("rate_limit_error", 429),
        ("api_error", 500),
        ("timeout_error", 504),
        ("odd", 502),
    ],
)
def test_error_types_have_statuses(kind: str, status: int):
    """The status is the one the same error has outside a stream."""
    events, _ = read([sse({"type": "error", "error": {"type": kind, "message": "m"}})])

    assert events == [Failed("m", kind, status)]


def test_a_cut_stream_is_broken():
    """End of file without a stop reason is never a complete answer (pain 22)."""
    events, error = read([transcript("cut")])

    assert isinstance(events[-1], PartDelta)
    assert "ended before" in error


def test_a_missing_message_stop_is_forgiven_after_a_stop_reason():
    """The stop reason completes the answer, whatever half event follows it (F12)."""
    data = sse(START, delta())

    assert read([data]) == read([data + b'event: message_stop\ndata: {"type":"mess'])
    assert read([data])[0][-2:] == [Finished("end"), Ended()]


@pytest.mark.parametrize(
    "data",
    [
        b"data: {not json}\n\n",
        b"data: [1]\n\n",
        sse(START, START),
        sse({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        sse(START, {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}),
        sse(START, {"type": "content_block_delta", "index": [0], "delta": {"type": "text_delta", "text": "x"}}),
        sse(START, {"type": "content_block_stop", "index": 3}),
        sse(START, {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use"}}),
        sse(START, STOP),
        sse(delta()),
        sse(
            START,
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        ),
    ],
)
def test_bytes_that_are_no_stream_are_broken(data: bytes):
    """Malformed JSON and an impossible order are the provider's fault, and are said to be."""
    events, error = read([data])

    follow(events)
    assert error is not None


def test_events_before_a_malformed_one_are_given():
    """What was complete is delivered before the error is raised."""
    reader = CODEC.reader(TARGET)

    assert isinstance(reader.feed(sse(START) + b"data: {\n\n")[0], Started)
    with pytest.raises(UpstreamBroken):
        reader.feed(b"")


@pytest.mark.parametrize("wrong", [None, -1, 1.5, 10**18, "7", True, {}, []])
def test_a_count_that_can_not_be_is_not_reported(wrong: object):
    """Null, negative, fractional and absurd counts are None, not errors."""
    events, error = read([sse(START, delta(usage={"input_tokens": 9, "output_tokens": wrong}), STOP)])

    usage = next(event.usage for event in events if isinstance(event, UsageReported))
    assert error is None
    assert usage.output_tokens in ((1,) if wrong is None else (None,))  # null keeps what was said before
    assert usage.input_tokens == 9


@pytest.mark.parametrize("usage", [None, 3, "x", []])
def test_usage_of_a_wrong_type_is_no_usage(usage: object):
    """A stream whose usage is nonsense is still an answer."""
    start = {"type": "message_start", "message": {"id": "msg_1", "model": "c", "usage": usage}}
    events, error = read([sse(start, delta(usage=usage), STOP)])

    assert error is None and isinstance(events[-1], Ended)
    assert not any(isinstance(event, UsageReported) for event in events)


def test_a_forgotten_block_stop_is_made_up_for():
    """A block still open at the stop reason ends there."""
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "hi"}}
    events, error = read([sse(START, start, delta(), {"type": "content_block_stop", "index": 0}, STOP, STOP)])

    assert error is None and follow(events).phase == "ended"
    assert PartStopped(0) in events and PartDelta(0, "hi") in events


def test_a_tool_input_in_the_start_event_is_kept():
    """Some providers give the whole input at once; where pieces follow, the pieces count."""
    start = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}},
    }
    piece = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "input_json_delta", "partial_json": '{"b":2}'},
    }
    stop = {"type": "content_block_stop", "index": 0}

    whole = assemble(read([sse(START, start, stop, delta("tool_use"), STOP)])[0], Dialect.ANTHROPIC)
    pieces = assemble(read([sse(START, start, piece, stop, delta("tool_use"), STOP)])[0], Dialect.ANTHROPIC)
    assert whole.parts[0].arguments == '{"a":1}'
    assert pieces.parts[0].arguments == '{"b":2}'


@pytest.mark.parametrize("name", COMPLETE)
def test_what_is_written_reads_back_the_same(name: str):
    """Reader to writer to reader loses nothing but the model's name, which is the caller's."""
    first, _ = read([transcript(name)])
    second, error = read([write(first)])

    assert error is None
    one, two = (assemble(events, Dialect.ANTHROPIC) for events in (first, second))
    assert (one.parts, one.stop_reason, one.stop_sequence) == (two.parts, two.stop_reason, two.stop_sequence)
    assert two.model == "shown" and two.id == one.id
    fields = (
        "input_tokens",
        "cached_tokens",
        "cache_write_tokens",
        "cache_write_1h_tokens",
        "output_tokens",
        "reasoning_tokens",
    )
    for field in fields[:5]:
        assert (getattr(one.usage, field) or 0) == (getattr(two.usage, field) or 0)
    assert one.usage.reasoning_tokens == two.usage.reasoning_tokens


def names(data: bytes) -> list[str]:
    return [event.name.decode() for event in SseParser().feed(data)]


def test_interleaved_parts_are_written_one_after_another():
    """Parallel calls that a provider interleaves wait for each other (only one block is open at a time)."""
    events: list[Event] = [
        Started("x", "m"),
        PartStarted(0, "tool_call", "a", "f"),
        PartStarted(1, "tool_call", "b", "g"),
        PartDelta(1, '{"y":'),
        PartDelta(0, '{"x":'),
        PartDelta(1, "2}"),
        PartStopped(1),
        PartDelta(0, "1}"),
        PartStopped(0),
        Finished("end"),
        Ended(),
    ]
    data = write(events)
    objects = [json.loads(event.data) for event in SseParser().feed(data)]

    assert [o["index"] for o in objects if "index" in o] == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert objects[2]["delta"] == {"type": "input_json_delta", "partial_json": ""}
    assert objects[-2]["delta"]["stop_reason"] == "tool_use"
    calls = assemble(read([data])[0], Dialect.ANTHROPIC).parts
    assert [(c.id, c.arguments) for c in calls] == [("a", '{"x":1}'), ("b", '{"y":2}')]


def test_every_event_has_its_name_and_the_end_waits_for_usage():
    """message_delta is written at the end, with counts that came after the stop reason."""
    events: list[Event] = [
        Started("chatcmpl-1", "m"),
        PartStarted(0, "text"),
        PartDelta(0, "hi"),
        PartStopped(0),
        Finished("end"),
        UsageReported(Usage(input_tokens=100, cached_tokens=60, output_tokens=5, reasoning_tokens=2)),
        Ended(),
    ]
    data = write(events)
    objects = [json.loads(event.data) for event in SseParser().feed(data)]

    assert names(data) == [o["type"] for o in objects]
    assert objects[0]["message"]["id"] == "msg_abc"
    assert objects[-2]["usage"] == {
        "input_tokens": 40,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 60,
        "output_tokens": 5,
        "output_tokens_details": {"thinking_tokens": 2},
    }


def test_message_start_carries_what_is_known_of_the_input():
    """Claude Code records the first counts it sees, so they are never left at zero when known (pain 13)."""
    data = write(
        [Started("x", "m", Usage(input_tokens=50, cached_tokens=20, cache_write_tokens=10, cache_write_1h_tokens=4))]
    )

    usage = json.loads(SseParser().feed(data)[0].data)["message"]["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (20, 20, 0)
    assert usage["cache_creation"] == {"ephemeral_5m_input_tokens": 6, "ephemeral_1h_input_tokens": 4}


def test_a_failure_is_an_error_event_and_the_end():
    """After an error nothing is written: no clean end follows (pain 21)."""
    writer = CODEC.writer(ANSWERING)
    writer.write(Started("x", "m"))
    data = writer.fail(RateLimited("Slow down."))

    assert names(data) == ["error"]
    assert json.loads(SseParser().feed(data)[0].data)["error"] == {"type": "rate_limit_error", "message": "Slow down."}
    assert writer.write(Ended()) == b"" and writer.fail(RateLimited("x")) == b"" and writer.ping() == b""


def test_an_upstream_failure_is_passed_on_as_an_error_event():
    """A code of another dialect becomes the type of its status."""
    data = write([Started("x", "m"), Failed("no", "server_error", 529), Ended()])

    assert names(data) == ["message_start", "error"]
    assert json.loads(SseParser().feed(data)[1].data)["error"]["type"] == "overloaded_error"


def test_a_block_of_another_dialect_is_skipped():
    """OpenAI's own items mean nothing here, and take no index; nor do empty texts or OpenAI's encrypted reasoning."""
    events: list[Event] = [
        Started("x", "m"),
        PartStarted(0, "opaque", raw={"type": "web_search_call", "id": "ws"}),
        PartStopped(0),
        PartStarted(1, "text"),
        PartStopped(1),
        PartStarted(2, "thinking", item_id="rs_1"),
        PartSigned(2, encrypted="gAAAA"),
        PartStopped(2),
        PartStarted(3, "text"),
        PartDelta(3, "hi"),
        PartStopped(3),
        Finished("end"),
        Ended(),
    ]

    assert names(write(events))[1:4] == ["content_block_start", "content_block_delta", "content_block_stop"]
    assert assemble(read([write(events)])[0], Dialect.ANTHROPIC).parts == (Text(text="hi"),)


def test_free_text_of_a_custom_tool_becomes_an_object():
    """The dialect knows JSON input only, so free text waits for its end and stands under one name."""
    events: list[Event] = [
        Started("x", "m"),
        PartStarted(0, "tool_call", None, "patch", custom=True),
        PartDelta(0, "*** Be"),
        PartDelta(0, 'gin "x"'),
        PartStopped(0),
        Finished("tool_calls"),
        Ended(),
    ]
    (call,) = assemble(read([write(events)])[0], Dialect.ANTHROPIC).parts

    assert json.loads(call.arguments) == {"input": '*** Begin "x"'}
    assert call.id == "toolu_abc_0"


def test_comments_and_unfinished_last_events_are_read():
    """A comment is a sign of life; a last event without its blank line counts."""
    data = b": keep-alive\n\n" + sse(START, delta(), STOP).rstrip(b"\n")
    events, error = read([data])

    assert error is None and events[0] == Ping() and events[-1] == Ended()


def test_deltas_of_an_unknown_block_are_collected():
    """Whatever its deltas are called, a block is carried with what they added."""
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "compaction", "content": None}}
    more = {"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "short"}}
    stop = {"type": "content_block_stop", "index": 0}
    events, _ = read([sse(START, start, more, more, stop, delta(), STOP)])

    (block,) = assemble(events, Dialect.ANTHROPIC).parts
    assert block.raw == {"type": "compaction", "content": "shortshort"}
    assert assemble(read([write(events)])[0], Dialect.ANTHROPIC).parts == (block,)


TEXTS = st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8), min_size=1, max_size=4)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Event], Response]:
    """A legal stream with interleaved parts, and the answer it amounts to."""
    kinds = draw(st.lists(st.sampled_from(["text", "thinking", "tool_call"]), max_size=5))
    scripts: list[list[Event]] = []
    for index, kind in enumerate(kinds):
        if kind == "tool_call":
            start = PartStarted(index, "tool_call", f"call_{index}", "f")
            deltas: list[Event] = [PartDelta(index, '{"a":'), PartDelta(index, "1}")]
        else:
            start = PartStarted(index, kind)
            deltas = [PartDelta(index, text) for text in draw(TEXTS)]
            if kind == "thinking" and draw(st.booleans()):
                deltas.append(PartSigned(index, "sig"))
        scripts.append([start, *deltas, PartStopped(index)])
    events: list[Event] = [Started("msg_1", "m", Usage(input_tokens=3))]
    waiting = list(range(len(scripts)))
    started = 0
    while waiting:  # parts start in order, their rest interleaves
        if started < len(scripts) and (started == 0 or draw(st.booleans())):
            events.append(scripts[started].pop(0))
            started += 1
            continue
        ready = [i for i in waiting if i < started]
        if not ready:
            events.append(scripts[started].pop(0))
            started += 1
            continue
        chosen = draw(st.sampled_from(ready))
        events.append(scripts[chosen].pop(0))
        if not scripts[chosen]:
            waiting.remove(chosen)
    events += [Finished("max_tokens"), UsageReported(Usage(input_tokens=3, output_tokens=9)), Ended()]
    return events, assemble(events, Dialect.ANTHROPIC)


@settings(max_examples=150, deadline=None)
@given(streams())
def test_any_legal_stream_survives_writing_and_reading(case: tuple[list[Event], Response]):
    """Whatever interleaves, the answer stays the same."""
    events, expected = case
    follow(events)
    back, error = read([write(events)])

    assert error is None and follow(back).phase == "ended"
    actual = assemble(back, Dialect.ANTHROPIC)
    assert actual.parts == expected.parts
    assert (actual.stop_reason, actual.usage.output_tokens, actual.usage.input_tokens) == ("max_tokens", 9, 3)


def test_a_replayed_answer_is_a_legal_stream():
    """A whole answer, replayed, is written as the blocks it had."""
    response = assemble(read([transcript("thinking")])[0], Dialect.ANTHROPIC)

    assert assemble(read([write(list(replay(response)))])[0], Dialect.ANTHROPIC).parts == response.parts
