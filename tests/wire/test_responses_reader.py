"""The Responses stream as providers send it: recorded shapes, cut anywhere, read into neutral events."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.core.errors import UpstreamBroken
from turnout.core.target import Dialect, Quirks, Target
from turnout.wire.assemble import assemble
from turnout.wire.neutral import (
    Ended,
    Event,
    Failed,
    Finished,
    Opaque,
    PartDelta,
    PartSigned,
    PartStarted,
    Ping,
    Started,
    Text,
    Thinking,
    ToolCall,
    Usage,
    UsageReported,
)
from turnout.wire.openai_responses import CODEC
from turnout.wire.state import StreamState

FOLDER = Path(__file__).parent / "transcripts" / "openai_responses"
NAMES = sorted(path.stem for path in FOLDER.glob("*.sse"))
KEYS = (
    "type", "id", "item_id", "output_index", "content_index", "summary_index", "delta", "text", "part", "item",
    "response", "status", "output", "usage", "error", "name", "call_id", "arguments", "content", "summary",
    "encrypted_content", "annotations", "annotation", "created_at", "message", "code", "incomplete_details",
)  # fmt: skip
TARGET = Target(model="gpt-5.5", provider="openai", dialect=Dialect.OPENAI_RESPONSES, quirks=Quirks(custom_tools=True))


def read(*pieces: bytes, close: bool = True) -> list[Event]:
    """The events of a stream that arrives in these pieces."""
    assert CODEC.reader is not None
    reader = CODEC.reader(TARGET)
    events = [event for piece in pieces for event in reader.feed(piece)]
    if close:
        events += reader.close()
    return events


def transcript(name: str) -> bytes:
    return (FOLDER / f"{name}.sse").read_bytes()


def sse(*events: str) -> bytes:
    return "".join(f"data: {event}\n\n" for event in events).encode()


@pytest.mark.parametrize("name", NAMES)
def test_events_do_not_depend_on_where_the_bytes_are_cut(name: str) -> None:
    """Byte by byte, and in two pieces cut anywhere, the events are those of the whole."""
    data = transcript(name)
    whole = read(data, close=False)

    assert whole == read(*(data[i : i + 1] for i in range(len(data))), close=False)
    for cut in range(0, len(data), 7):
        assert whole == read(data[:cut], data[cut:], close=False)


@pytest.mark.parametrize("name", NAMES)
def test_events_are_legal(name: str) -> None:
    """Every recorded stream obeys the table of `wire.state`."""
    state = StreamState()
    for event in read(transcript(name), close=False):
        state.move(event)

    assert state.phase == {"failed": "failed", "cut": "open"}.get(name, "ended")


def test_text_is_read() -> None:
    """A plain answer gives its words, its usage and its end."""
    response = assemble(read(transcript("text")), Dialect.OPENAI_RESPONSES, "openai")

    assert response.parts == (Text(text="Grüße aus 東京 🙂"),)
    assert response.stop_reason == "end"
    assert response.id.startswith("resp_")
    assert response.created == 1795300000
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.service_tier) == (
        12,
        7,
        "standard",
    )


def test_summary_parts_become_one_thinking_part_with_its_seal() -> None:
    """Two summary parts are one text; the seal is the finished item's, not the partial one before it."""
    response = assemble(read(transcript("reasoning")), Dialect.OPENAI_RESPONSES, "openai")

    assert response.parts == (
        Thinking(
            text="**Checking** the sum\n\nAdding it up", encrypted="gAAAAABsealed==", item_id="rs_01", origin="openai"
        ),
        Text(text="42"),
    )
    assert response.usage is not None and response.usage.cached_tokens == 64 and response.usage.reasoning_tokens == 32


def test_interleaved_calls_stay_apart() -> None:
    """Deltas of parallel calls go to their own call."""
    response = assemble(read(transcript("parallel_calls")), Dialect.OPENAI_RESPONSES, "openai")

    assert [(part.id, part.arguments) for part in response.parts if isinstance(part, ToolCall)] == [
        ("call_A", '{"city":"Paris"}'),
        ("call_B", '{"city":"Oslo"}'),
    ]
    assert response.stop_reason == "tool_calls"


def test_custom_call_is_read_as_free_text() -> None:
    """A patch arrives as it was written."""
    (part,) = assemble(read(transcript("custom_tool")), Dialect.OPENAI_RESPONSES).parts

    assert isinstance(part, ToolCall) and part.custom
    assert part.arguments == '*** Begin Patch\n*** Add File: a.py\n+x = "1"\n*** End Patch'


def test_hosted_item_is_carried_whole_and_in_place() -> None:
    """A web search stands before the text that cites it; unknown events and pings do no harm."""
    events = read(transcript("web_search"))
    search, text = assemble(events, Dialect.OPENAI_RESPONSES).parts

    assert isinstance(search, Opaque) and search.raw["id"] == "ws_01" and search.kind == "web_search_call"
    assert isinstance(text, Text) and text.annotations[0]["url"] == "https://example.com/points"
    assert events.count(Ping()) == 2
    assert len([event for event in events if isinstance(event, PartSigned)]) == 1


def test_failed_response_is_a_failure_with_its_status_and_usage() -> None:
    """`response.failed` gives the provider's code, and keeps the counts that were reported with it."""
    events = read(transcript("failed"))

    assert events[-1] == Failed("Rate limit reached. Please try again in 2s.", "rate_limit_exceeded", 429)
    assert isinstance(events[-2], UsageReported) and events[-2].usage.output_tokens == 3


def test_incomplete_response_says_why() -> None:
    """`response.incomplete` is a finished answer that hit its limit."""
    events = read(transcript("incomplete"))

    assert events[-3] == Finished("max_tokens")
    assert isinstance(events[-2], UsageReported)
    assert events[-1] == Ended()


def test_cut_stream_is_broken() -> None:
    """An end of file without a terminal event never passes for an answer."""
    with pytest.raises(UpstreamBroken, match="without its terminal event"):
        read(transcript("cut"))


def test_answer_without_deltas_is_read_from_the_terminal_event() -> None:
    """An imitator that sends only `response.completed` loses nothing."""
    parts = assemble(read(transcript("only_terminal")), Dialect.OPENAI_RESPONSES).parts

    assert [type(part) for part in parts] == [Thinking, Text, ToolCall]
    assert isinstance(parts[0], Thinking) and parts[0].text == "**Checking** the sum\n\nAdding it up"


def test_nonsense_counts_are_not_reported() -> None:
    """10^18, a negative, a fraction and null give None, which is not 0."""
    response = assemble(read(transcript("vllm_reasoning")), Dialect.OPENAI_RESPONSES)

    assert response.usage is not None
    assert response.usage == Usage(service_tier="standard", raw=response.usage.raw)
    assert response.parts == (Thinking(text="Let me see.", item_id="rs_02"), Text(text="Yes."))


def test_missing_rest_comes_from_the_done_event() -> None:
    """Deltas that stop short are completed by `output_text.done`, once."""
    place = '"item_id":"msg_1","output_index":0,"content_index":0'
    data = sse(
        f'{{"type":"response.output_text.delta",{place},"delta":"Hel"}}',
        f'{{"type":"response.output_text.done",{place},"text":"Hello"}}',
        '{"type":"response.completed","response":{"status":"completed","output":[]}}',
    )
    events = read(data)

    assert [event.text for event in events if isinstance(event, PartDelta)] == ["Hel", "lo"]
    assert events[0] == Started("", "gpt-5.5")


def test_summary_that_was_closed_is_not_repeated() -> None:
    """A summary followed by the reasoning itself is two parts; the finished item repeats neither."""
    head = '"item_id":"rs_1","output_index":0'
    item = (
        '{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"S"}],'
        '"content":[{"type":"reasoning_text","text":"R"}],"encrypted_content":"E"}'
    )
    data = sse(
        '{"type":"response.output_item.added","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}}',
        f'{{"type":"response.reasoning_summary_text.delta",{head},"summary_index":0,"delta":"S"}}',
        f'{{"type":"response.reasoning_text.delta",{head},"content_index":0,"delta":"R"}}',
        f'{{"type":"response.reasoning_summary_text.done",{head},"summary_index":0,"text":"S"}}',
        f'{{"type":"response.output_item.done","output_index":0,"item":{item}}}',
        '{"type":"response.completed","response":{"status":"completed"}}',
    )

    assert assemble(read(data), Dialect.OPENAI_RESPONSES).parts == (
        Thinking(text="S", item_id="rs_1"),
        Thinking(text="R", item_id="rs_1", encrypted="E"),
    )


def test_call_without_a_name_waits_for_its_finished_item() -> None:
    """A server that names the call late still gives one whole call."""
    data = sse(
        '{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","id":"fc_1"}}',
        '{"type":"response.function_call_arguments.delta","output_index":0,"item_id":"fc_1","delta":"{}"}',
        '{"type":"response.output_item.done","output_index":0,"item":'
        '{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{}"}}',
        '{"type":"response.completed","response":{"status":"completed"}}',
    )
    (part,) = assemble(read(data), Dialect.OPENAI_RESPONSES).parts

    assert isinstance(part, ToolCall) and (part.id, part.name, part.arguments) == ("call_1", "f", "{}")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ('{"type":"error","code":"server_error","message":"Boom","param":null}', Failed("Boom", "server_error", 500)),
        (
            '{"type":"error","error":{"type":"invalid_request_error","message":"No"}}',
            Failed("No", "invalid_request_error", 400),
        ),
        ('{"error":{"message":"Busy","code":503}}', Failed("Busy", "503", 503)),
    ],
)
def test_error_events_fail(event: str, expected: Failed) -> None:
    """An error event of any shape ends the stream with the status it would have had; what follows is ignored."""
    assert read(sse(event, '{"type":"response.completed","response":{"status":"completed"}}')) == [expected]


@pytest.mark.parametrize(
    "data", [b"data: {oops\n\n", b"data: [1]\n\n", b'data: {"type":"response.output_text.delta"}\n\n']
)
def test_malformed_events_break(data: bytes) -> None:
    """What can't be read is never passed over."""
    with pytest.raises(UpstreamBroken):
        read(data)


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, 30), st.sampled_from(KEYS), json)
def test_any_odd_value_gives_a_legal_stream_or_an_error(name: str, place: int, key: str, value: object) -> None:
    """One event with a wrong value anywhere is read legally or breaks the stream; it never crashes the reader."""
    blocks = transcript(name).split(b"\n\n")
    place %= len(blocks)
    head, mark, data = blocks[place].partition(b"data: ")
    if mark:
        event = orjson.loads(data)
        holder = event.get("item") if place % 2 and isinstance(event.get("item"), dict) else event
        holder[key] = value
        blocks[place] = head + mark + orjson.dumps(event)
    state = StreamState()
    try:
        for event in read(b"\n\n".join(blocks)):
            state.move(event)
    except UpstreamBroken:
        return

    assert state.phase in ("ended", "failed")


def test_nothing_follows_the_end() -> None:
    """A second terminal event or `[DONE]` is ignored."""
    data = transcript("text")

    assert read(data) == read(data + data + b"data: [DONE]\n\n")


def test_indices_are_unique() -> None:
    """No part index is used twice."""
    for name in NAMES:
        indices = [event.index for event in read(transcript(name), close=False) if isinstance(event, PartStarted)]
        assert len(indices) == len(set(indices))
