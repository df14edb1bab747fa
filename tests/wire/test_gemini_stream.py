"""Gemini answers: streams and whole bodies to neutral events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from turnout.core.errors import UpstreamBroken, UpstreamRejected
from turnout.core.target import Dialect, Target
from turnout.wire.assemble import assemble
from turnout.wire.gemini import CODEC
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
    Response,
    Started,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from turnout.wire.state import StreamState

FOLDER = Path(__file__).parent / "transcripts" / "gemini"
TARGET = Target(model="gemini-3.8-flash", provider="google", dialect=Dialect.GEMINI)
ALL = sorted(path.stem for path in FOLDER.glob("*.sse"))
COMPLETE = [name for name in ALL if name not in ("cut", "error_in_stream", "malformed_call")]
ID = "kZ0haZ-dLtvqkdUP7pKp-A8"
KEYS = "candidates content parts text thought functionCall args finishReason error usageMetadata promptFeedback".split()


def _bytes(name: str) -> bytes:
    return (FOLDER / f"{name}.sse").read_bytes()


def _objects(name: str) -> list[dict[str, object]]:
    return [json.loads(line[6:]) for line in _bytes(name).decode().splitlines() if line.startswith("data: ")]


def _read(chunks: Iterable[bytes]) -> list[Event | str]:
    """The events, and in the end the word `broken` where the stream was."""
    assert CODEC.reader is not None
    reader = CODEC.reader(TARGET)
    events: list[Event | str] = []
    try:
        for chunk in chunks:
            events.extend(reader.feed(chunk))
        events.extend(reader.close())
    except UpstreamBroken:
        events.append("broken")
    return events


def _events(name: str) -> list[Event]:
    events = _read([_bytes(name)])
    assert "broken" not in events
    return [event for event in events if not isinstance(event, str)]


def _response(name: str) -> Response:
    return assemble(_events(name), Dialect.GEMINI, "google")


@pytest.mark.parametrize("name", [name for name in ALL if name != "error_in_stream"])
def test_the_transcripts_are_of_googles_shape(name: str) -> None:
    """Google's own types accept every object of every transcript."""
    for each in _objects(name):
        types.GenerateContentResponse.model_validate(each)


@pytest.mark.parametrize("name", ALL)
def test_a_stream_may_be_cut_anywhere(name: str) -> None:
    """At every split into two, and byte by byte, the events are those of the whole stream."""
    data = _bytes(name)
    whole = _read([data])
    for place in range(len(data) + 1):
        assert _read([data[:place], data[place:]]) == whole
    assert _read(bytes([byte]) for byte in data) == whole


@pytest.mark.parametrize("name", ALL)
def test_the_events_are_in_legal_order(name: str) -> None:
    """The state machine of streams takes every event of every transcript."""
    state = StreamState()
    for event in _read([_bytes(name)]):
        if not isinstance(event, str):
            state.move(event)
    assert state.phase in ("ended", "failed", "open")
    assert (state.phase == "ended") == (name in COMPLETE)


def test_text_is_one_part() -> None:
    """Text of several objects is one part, and a signature alone adds none."""
    response = _response("text")
    assert response.parts == (Text(text="Grüße aus 東京 🗼"),)
    assert (response.id, response.model, response.stop_reason) == (ID, "gemini-3.8-flash", "end")


def test_thoughts_text_and_call_are_three_parts() -> None:
    """A thought, an answer and a signed call keep their order, and the call decides the stop reason."""
    response = _response("thinking_and_call")
    assert response.parts == (
        Thinking(text="**Checking the weather**\n\nI need the tool for Paris.\n", origin="google"),
        Text(text="Let me look."),
        ToolCall(
            id="qw31x9",
            name="get_weather",
            arguments='{"city":"Paris","days":2}',
            signature="CiwBjz1rX0a2F1c3",
            origin="google",
        ),
    )
    assert response.stop_reason == "tool_calls"


def test_calls_without_ids_get_unique_ones() -> None:
    """Ids are made from the answer's id, so that they differ between turns and are the same on every reading."""
    calls = [part for part in _response("parallel_calls").parts if isinstance(part, ToolCall)]
    assert [call.id for call in calls] == [f"call_{ID}_0", f"call_{ID}_1", f"call_{ID}_2"]
    assert [call.signature for call in calls] == ["CpABAXLI2nw=", None, None]
    assert [call.arguments for call in calls] == ['{"city":"Paris"}', '{"city":"Lyon"}', "{}"]


@pytest.mark.parametrize("response_id", [None, "", "a/b+c=="])
def test_a_made_id_is_fit_for_every_dialect(response_id: str | None) -> None:
    """An id holds only letters, digits, `_` and `-`, also where the answer has no usable id."""
    part = {"functionCall": {"name": "f", "args": {"a": 1}}}
    body = {"responseId": response_id, "candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}
    assert CODEC.parse_response is not None
    call = CODEC.parse_response(json.loads(json.dumps(body)), TARGET).parts[0]
    assert isinstance(call, ToolCall)
    assert call.id.startswith("call_")
    assert call.id.replace("_", "").replace("-", "").isalnum()


def test_two_calls_with_the_same_id_are_told_apart() -> None:
    """A second call under a used id gets another one."""
    part = {"functionCall": {"name": "f", "args": {}, "id": "x"}}
    events = _read([b"data: " + json.dumps({"candidates": [{"content": {"parts": [part, part]}}]}).encode() + b"\n\n"])
    assert [event.call_id for event in events if isinstance(event, PartStarted)] == ["x", "x_1"]


def test_a_signed_thought_keeps_its_signature() -> None:
    """The signature of a thought part stands on the thinking part."""
    part = {"text": "hm", "thought": True, "thoughtSignature": "c2ln"}
    events = _read([b"data: " + json.dumps({"candidates": [{"content": {"parts": [part]}}]}).encode() + b"\n\n"])
    assert PartSigned(0, "c2ln") in events


def test_what_the_provider_ran_itself_is_carried_whole() -> None:
    """Executed code and its result are opaque parts named by their member."""
    parts = _response("code_execution").parts
    assert [part.kind for part in parts if isinstance(part, Opaque)] == ["executableCode", "codeExecutionResult"]
    assert parts[-1] == Text(text="It is 4.")


def test_nothing_is_lost_after_a_finish_reason() -> None:
    """Words that come after the object with the finish reason still belong to the answer."""
    assert _response("parts_after_finish").parts == (Text(text="One two"),)


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("text", (8, None, 38, 27)),
        ("thinking_and_call", (61, 40, 71, 49)),
        ("parallel_calls", (40, None, 48, 12)),
        ("max_tokens_while_thinking", (10, None, 64, 64)),
        ("code_execution", (50, None, 14, None)),
        ("blocked_prompt", (12, None, 0, None)),
    ],
)
def test_tokens_are_counted_as_google_bills_them(name: str, usage: tuple[int | None, ...]) -> None:
    """Output is candidates plus thoughts, input contains cached tokens and what tools put into the prompt."""
    found = _response(name).usage
    assert found is not None
    assert (found.input_tokens, found.cached_tokens, found.output_tokens, found.reasoning_tokens) == usage
    total = found.raw["totalTokenCount"]
    assert (found.input_tokens or 0) + (found.output_tokens or 0) == total


def test_the_service_tier_is_the_one_that_served() -> None:
    """The kind of traffic that Google billed names the tier."""
    usage = _response("text").usage
    assert usage is not None
    assert usage.service_tier == "priority"


@pytest.mark.parametrize("wrong", [None, 1.5, -1, 10**18, "7", True, [], {}])
def test_a_count_that_can_not_be_true_is_not_reported(wrong: object) -> None:
    """Null, fractions, negatives and absurd numbers become None, and never an exception."""
    usage = {"promptTokenCount": wrong, "cachedContentTokenCount": wrong, "candidatesTokenCount": wrong}
    body = {"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}], "usageMetadata": usage}
    assert CODEC.parse_response is not None
    found = CODEC.parse_response(json.loads(json.dumps(body)), TARGET).usage
    assert found == Usage(raw=json.loads(json.dumps(usage)))


@pytest.mark.parametrize(
    ("reason", "neutral"),
    [("STOP", "end"), ("MAX_TOKENS", "max_tokens")]
    + [(r, "content_filter") for r in ("SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "LANGUAGE")],
)
def test_finish_reasons(reason: str, neutral: str) -> None:
    """Each finish reason has one neutral meaning."""
    body = {"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": reason}]}
    events = _read([b"data: " + json.dumps(body).encode() + b"\n\n"])
    assert events[-2:] == [Finished(neutral), Ended()]  # pyright: ignore[reportArgumentType] the table holds stop reasons


@pytest.mark.parametrize("reason", types.FinishReason)
def test_every_reason_google_knows_ends_the_stream(reason: types.FinishReason) -> None:
    """No finish reason of Google's leaves a stream open, and none but a known one is shown as a success."""
    body = {"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": reason.value}]}
    last = _read([b"data: " + json.dumps(body).encode() + b"\n\n"])[-1]
    assert isinstance(last, Ended | Failed) or (last == "broken" and "UNSPECIFIED" in reason.value)


def test_a_blocked_prompt_is_content_filtered_and_never_a_plain_end() -> None:
    """A prompt that Google refuses gives no parts and says why there are none."""
    events = _events("blocked_prompt")
    assert isinstance(events[0], Started)
    assert events[1:] == [Finished("content_filter"), Ended()]


def test_a_malformed_call_is_a_failure() -> None:
    """What the model could not write is an error with Google's own word and message, never an empty success."""
    events = _events("malformed_call")
    assert events[-2:] == [
        PartStopped(0),
        Failed("Malformed function call: print(get_weather(", "MALFORMED_FUNCTION_CALL", 502),
    ]


def test_an_error_in_the_stream_is_a_failure_with_its_status() -> None:
    """An error object after content ends the stream, with the status it would have had."""
    events = _events("error_in_stream")
    assert events[-1] == Failed("The model is overloaded. Please try again later.", "UNAVAILABLE", 503)
    assert PartDelta(0, "Half an") in events


def test_a_cut_stream_is_broken() -> None:
    """The end of the file before a finish reason raises."""
    assert _read([_bytes("cut")])[-1] == "broken"
    assert _read([]) == ["broken"]


@pytest.mark.parametrize("data", [b"data: {\n\n", b"data: 7\n\n", b"data: [1,2]\n\n", b"data: <html>\n\n"])
def test_bytes_of_no_stream_are_refused(data: bytes) -> None:
    """An event that is no JSON object raises UpstreamBroken."""
    assert _read([data]) == ["broken"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner),
    )
)
def test_no_object_makes_the_reader_fall_over(value: object) -> None:
    """Whatever JSON comes, the reader gives legal events or says that the stream is broken."""
    state = StreamState()
    for event in _read([b"data: " + json.dumps(value).encode() + b"\n\n"]):
        if not isinstance(event, str):
            state.move(event)


def test_whole_and_streamed_answers_are_the_same() -> None:
    """The same parts in one body and in a stream give the same response."""
    objects = _objects("thinking_and_call")
    parts = [part for each in objects for part in each["candidates"][0]["content"].get("parts", [])]  # type: ignore[index]
    last = objects[-1] | {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    assert CODEC.parse_response is not None
    assert CODEC.parse_response(json.loads(json.dumps(last)), TARGET) == _response("thinking_and_call")


def test_a_body_that_is_no_answer_is_broken() -> None:
    """A body without candidates, or without a finish reason, is not an answer."""
    assert CODEC.parse_response is not None
    for body in ({}, {"hello": 1}, {"candidates": []}, {"candidates": [{"content": {"parts": [{"text": "a"}]}}]}):
        with pytest.raises(UpstreamBroken):
            CODEC.parse_response(json.loads(json.dumps(body)), TARGET)


def test_an_error_with_status_200_is_a_rejection() -> None:
    """A body that holds an error is one, whatever the HTTP status was."""
    assert CODEC.parse_response is not None
    with pytest.raises(UpstreamRejected) as caught:
        CODEC.parse_response({"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}, TARGET)
    assert (caught.value.upstream_status, caught.value.message) == (429, "slow down")
