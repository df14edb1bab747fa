"""Recorded shapes of chat completion streams, read whole and cut at every byte."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from turnout.core.errors import UpstreamBroken
from turnout.core.target import Dialect, Target
from turnout.wire.assemble import Assembler
from turnout.wire.neutral import Ended, Event, Failed, Finished, Part, PartDelta, Text, Thinking, ToolCall, Usage
from turnout.wire.openai_chat import CODEC
from turnout.wire.state import StreamState

FOLDER = Path(__file__).parent / "transcripts" / "openai_chat"
TARGET = Target(model="m-1", provider="acme", dialect=Dialect.OPENAI_CHAT)
ALL = sorted(path.stem for path in FOLDER.glob("*.sse"))


def read(pieces: Sequence[bytes]) -> tuple[list[Event], str | None]:
    """The events of a stream, and what its error said."""
    assert CODEC.reader is not None
    reader = CODEC.reader(TARGET)
    events: list[Event] = []
    try:
        for piece in pieces:
            events.extend(reader.feed(piece))
        events.extend(reader.close())
    except UpstreamBroken as error:
        return events, error.message
    return events, None


def whole(name: str) -> tuple[list[Event], str | None]:
    return read([(FOLDER / f"{name}.sse").read_bytes()])


def assembled(name: str) -> Assembler:
    events, error = whole(name)
    assert error is None
    assembler = Assembler(Dialect.OPENAI_CHAT, "acme")
    for event in events:
        assembler.add(event)
    return assembler


def call(call_id: str, city: str) -> ToolCall:
    return ToolCall(id=call_id, name="weather", arguments=f'{{"city":"{city}"}}', origin="acme")


def thought(text: str) -> Thinking:
    return Thinking(text=text, origin="acme")


PARTS: dict[str, tuple[Part, ...]] = {
    "text_usage": (Text(text="Hello 🌍"),),
    "deepseek_reasoning_tools": (
        thought("Two cities; ask both."),
        Text(text="Looking."),
        call("call_00_a", "Oslo"),
        call("call_01_b", "Rome"),
    ),
    "ollama_tools_index0": (thought("Hmm."), call("call_x1", "Oslo"), call("call_x2", "Rome")),
    "vllm_usage_every_chunk": (thought("Think."), Text(text="Hi")),
    "no_done": (Text(text="Hello 🌍"),),
    "duplicate_done": (Text(text="Hello 🌍"),),
    "crlf_comments_bom": (Text(text="a\u2028b\u2029c\u0085d"),),
    "cr_only": (Text(text="a\u2028b\u2029c\u0085d"),),
    "multi_line_data": (Text(text="Hel"),),
    "refusal": (Text(text="Well"), Text(text="I can't do that.", refusal=True)),
    "mistral_content_list": (thought("Hm"), Text(text="Yes")),
    "content_and_reasoning_together": (thought("A"), Text(text="B")),
    "empty_finish_reasons": (Text(text="ab"),),
    "second_choice": (Text(text="one"),),
    "azure_filter_first": (Text(text="Hello 🌍"),),
    "custom_tool": (ToolCall(id="call_c", name="patch", arguments="*** Begin", custom=True, origin="acme"),),
    "moonshot_usage_in_choice": (Text(text="k"),),
}
FAILED = {
    "error_in_band": Failed("The engine is overloaded", "overloaded_error", 503),
    "error_first": Failed("Rate limit", "429", 429),
    "vllm_flat_error": Failed("Out of blocks", "500", 500),
    "openrouter_error": Failed("Provider disconnected", "502", 502),
    "deepseek_interrupted": Failed("The provider interrupted its answer.", "insufficient_system_resource", 503),
}
BROKEN = {
    "cut": "ended before the answer was complete",
    "done_without_finish": "without a finish reason",
    "malformed": "not JSON",
    "html_line": "not JSON",
}


def test_every_transcript_has_an_expectation() -> None:
    """No recording lies here without a claim about it."""
    assert sorted([*PARTS, *FAILED, *BROKEN]) == ALL


@pytest.mark.parametrize("name", ALL)
def test_cuts_do_not_change_the_events(name: str) -> None:
    """A stream fed whole, in two pieces cut at any byte, or byte by byte gives the same events, all legal."""
    data = (FOLDER / f"{name}.sse").read_bytes()
    expected = read([data])
    state = StreamState()
    for event in expected[0]:
        state.move(event)

    assert read([data[i : i + 1] for i in range(len(data))]) == expected
    for cut in range(1, len(data)):
        assert read([data[:cut], data[cut:]]) == expected, f"cut at byte {cut}"


@pytest.mark.parametrize("name", PARTS)
def test_parts_are_read(name: str) -> None:
    """A complete stream amounts to the parts the provider sent, and ends once."""
    events, error = whole(name)

    assert error is None
    assert assembled(name).parts == PARTS[name]
    assert [type(event) for event in events].count(Ended) == 1
    assert isinstance(events[-1], Ended)


@pytest.mark.parametrize("name", FAILED)
def test_in_band_errors_are_failures(name: str) -> None:
    """An error inside a 200 stream is the last event, with the status it would have had."""
    events, error = whole(name)

    assert error is None
    assert events[-1] == FAILED[name]
    assert not any(isinstance(event, Ended | Finished) for event in events)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_streams_are_told(name: str) -> None:
    """A cut or malformed stream raises, after the events that were good."""
    events, error = whole(name)

    assert error is not None and BROKEN[name] in error and "acme" in error
    assert not any(isinstance(event, Ended) for event in events)


USAGES = {
    "text_usage": Usage(input_tokens=19, cached_tokens=16, output_tokens=3, reasoning_tokens=0),
    "deepseek_reasoning_tools": Usage(input_tokens=100, cached_tokens=64, output_tokens=50, reasoning_tokens=9),
    "vllm_usage_every_chunk": Usage(input_tokens=5, output_tokens=3),
    "moonshot_usage_in_choice": Usage(input_tokens=4, output_tokens=1),
}


@pytest.mark.parametrize("name", USAGES)
def test_usage_is_the_last_report(name: str) -> None:
    """The counts are those of the last chunk that reported any."""
    usage = assembled(name).usage

    assert usage is not None
    assert dataclasses.replace(usage, raw={}) == USAGES[name]


def test_usage_of_an_interrupted_answer_is_kept() -> None:
    """What was billed before DeepSeek gave up is reported before the failure."""
    assembler = assembled("deepseek_interrupted")

    assert assembler.usage is not None and assembler.usage.input_tokens == 7


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("text_usage", "end"),
        ("deepseek_reasoning_tools", "tool_calls"),
        ("mistral_content_list", "max_tokens"),
        ("second_choice", "end"),
    ],
)
def test_stop_reasons(name: str, reason: str) -> None:
    """The finish reason is the one of the first choice, in neutral words."""
    assert assembled(name).stop_reason == reason


def test_parallel_calls_stay_apart_while_interleaved() -> None:
    """Deltas of two open calls carry the index of their own part."""
    events, _ = whole("deepseek_reasoning_tools")
    deltas = [event.index for event in events if isinstance(event, PartDelta)]

    assert deltas == [0, 0, 1, 2, 3, 2, 3]


def _chunk(delta: str, finish: str = "null") -> bytes:
    return f'data: {{"choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}\n\n'.encode()


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        # Two calls with one id under two numbers: ids stay unique for the caller's dialect.
        (
            '[{"index":0,"id":"c","function":{"name":"f"}},{"index":1,"id":"c","function":{"name":"f"}}]',
            [("c", "f", ""), ("c_1", "f", "")],
        ),
        (
            '[{"index":0,"id":"c","function":{"name":"f"}},{"index":1,"id":"c_2","function":{"name":"f"}},'
            '{"index":2,"id":"c","function":{"name":"f"}}]',
            [("c", "f", ""), ("c_2", "f", ""), ("c_2_2", "f", "")],
        ),
        # No id, no index, arguments as an object.
        ('[{"function":{"name":"f","arguments":{"a":1}}}]', [("call_0", "f", '{"a":1}')]),
        # Junk between good calls.
        ('[null,7,{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]', [("c", "f", "{}")]),
        ("{}", []),
    ],
)
def test_odd_tool_calls(calls: str, expected: list[tuple[str, str, str]]) -> None:
    """Missing, doubled and mistyped members of a tool call give a legal part or none."""
    events, error = read([_chunk(f'{{"tool_calls":{calls}}}'), _chunk("{}", '"stop"')])
    assert error is None
    state, assembler = StreamState(), Assembler(Dialect.OPENAI_CHAT)
    for event in events:
        state.move(event)
        assembler.add(event)

    found = [(part.id, part.name, part.arguments) for part in assembler.parts if isinstance(part, ToolCall)]
    assert found == expected


@pytest.mark.parametrize(
    "delta", ['{"content":5}', '{"content":null}', "null", "[]", '{"refusal":{}}', '{"reasoning":[]}']
)
def test_mistyped_deltas_are_passed_over(delta: str) -> None:
    """A delta of an unknown shape gives no part and no crash."""
    events, error = read([_chunk(delta), _chunk('{"content":"x"}', '"stop"')])

    assert error is None
    assert [event.text for event in events if isinstance(event, PartDelta)] == ["x"]
