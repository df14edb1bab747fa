"""The Responses stream as clients read it: the real openai SDK, our own reader, and random streams."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import OpenAI

from turnout.core.errors import Overloaded, RateLimited, UpstreamBroken
from turnout.core.target import Dialect, Quirks, Target
from turnout.wire.assemble import assemble, replay
from turnout.wire.codec import Answering
from turnout.wire.neutral import (
    Ended,
    Event,
    Failed,
    Finished,
    Message,
    Opaque,
    PartDelta,
    PartStarted,
    PartStopped,
    Ping,
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
from turnout.wire.openai_responses import CODEC

FOLDER = Path(__file__).parent / "transcripts" / "openai_responses"
TARGET = Target(model="m", provider="p", dialect=Dialect.OPENAI_RESPONSES, quirks=Quirks(custom_tools=True))
REQUEST = Request(
    dialect=Dialect.OPENAI_RESPONSES,
    model="fast",
    messages=(Message("system", (Text(text="Be brief."),)), Message("user", (Text(text="Hi"),))),
    tools=(
        Tool(name="get_weather", parameters={"type": "object", "properties": {}}),
        Tool(
            name="apply_patch", custom=True, format={"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
        ),
    ),
    stream=True,
)
ANSWERING = Answering(request=REQUEST, model="fast", response_id="01h2xyz", created=1795300000)


def write(events: list[Event], answering: Answering = ANSWERING) -> bytes:
    assert CODEC.writer is not None
    writer = CODEC.writer(answering)
    return b"".join(writer.write(event) for event in events)


def read(data: bytes) -> list[Event]:
    assert CODEC.reader is not None
    reader = CODEC.reader(TARGET)
    return [*reader.feed(data), *reader.close()]


def data_of(stream: bytes) -> list[dict[str, Any]]:
    lines = [line[6:] for line in stream.split(b"\n") if line.startswith(b"data: ")]
    return [orjson.loads(line) for line in lines]


@contextmanager
def serving(body: bytes, kind: str = "text/event-stream") -> Iterator[OpenAI]:
    """An OpenAI client before a server that answers everything with `body`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="k", max_retries=0) as client:
            yield client
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


ANSWER = Response(
    id="chatcmpl-9",
    model="m",
    parts=(
        Thinking(text="Let me think.", origin="p"),
        Text(text="Hello "),
        Text(text="wörld"),
        ToolCall(id="call_1", name="get_weather", arguments='{"city":"Paris"}'),
        ToolCall(id="call_2", name="apply_patch", arguments='{"input":"*** Begin\\n"}'),
    ),
    stop_reason="tool_calls",
    usage=Usage(input_tokens=10, cached_tokens=4, output_tokens=6, reasoning_tokens=2),
)


def test_the_sdk_reads_a_stream() -> None:
    """`client.responses.stream` builds the final response, with the bridged call back as a custom one."""
    with serving(write(list(replay(ANSWER)))) as client, client.responses.stream(model="fast", input="Hi") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()

    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert final.output_text == "Hello wörld"
    reasoning, message, call, patch = final.output
    assert reasoning.type == "reasoning" and reasoning.summary[0].text == "Let me think."
    assert message.type == "message" and [part.type for part in message.content] == ["output_text"] * 2
    assert call.type == "function_call" and call.arguments == '{"city":"Paris"}'
    assert patch.type == "custom_tool_call" and patch.input == "*** Begin\n" and patch.call_id == "call_2"
    assert final.usage is not None
    assert final.usage.total_tokens == 16
    assert final.usage.input_tokens_details.cached_tokens == 4
    assert final.usage.input_tokens_details.cache_write_tokens == 0
    assert final.usage.output_tokens_details.reasoning_tokens == 2
    assert final.instructions == "Be brief." and len(final.tools) == 2


def test_the_sdk_validates_the_whole_response() -> None:
    """The body of an answer without a stream passes the SDK's own strict model, field by field."""
    assert CODEC.render_response is not None
    body = CODEC.render_response(ANSWER, ANSWERING)
    with serving(orjson.dumps(body), "application/json") as client:
        answer = client.responses.create(model="fast", input="Hi")

    type(answer).model_validate(body)
    assert answer.id == "resp_01h2xyz" and answer.status == "completed" and answer.output_text == "Hello wörld"


def test_stream_and_whole_answer_agree() -> None:
    """The response in the terminal event is the one that a caller without a stream gets."""
    assert CODEC.render_response is not None
    streamed = data_of(write(list(replay(ANSWER))))[-1]["response"]

    assert CODEC.render_response(ANSWER, ANSWERING) == streamed


def test_every_event_validates_and_is_numbered() -> None:
    """Each event passes the strict model of its type, has an `event:` line of that type, and the next number."""
    stream = write(list(replay(ANSWER)))
    from openai.types.responses import ResponseStreamEvent
    from pydantic import TypeAdapter

    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    events = data_of(stream)
    for event in events:
        adapter.validate_python(event)

    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    names = [line[7:].decode() for line in stream.split(b"\n") if line.startswith(b"event: ")]
    assert names == [event["type"] for event in events]


def test_the_order_is_the_api_s_own() -> None:
    """One text gives exactly the events of the real API, in its order."""
    answer = Response(id="", model="m", parts=(Text(text="Hi"),), stop_reason="end")

    assert [event["type"].removeprefix("response.") for event in data_of(write(list(replay(answer))))] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


@pytest.mark.parametrize("begun", [True, False])
def test_failure_is_a_failed_response(begun: bool) -> None:
    """Codex hears only `response.failed`; it is a whole response, also before anything began, and nothing follows."""
    assert CODEC.writer is not None
    writer = CODEC.writer(ANSWERING)
    if begun:
        writer.write(Started("resp_up", "m"))
        writer.write(PartStarted(0, "text"))
        writer.write(PartDelta(0, "Hal"))
    stream = writer.fail(UpstreamBroken("The provider's stream was cut."))
    (event,) = data_of(stream)

    assert stream.startswith(b"event: response.failed\n")
    assert event["response"]["status"] == "failed"
    assert event["response"]["error"] == {"code": "server_error", "message": "The provider's stream was cut."}
    assert event["response"]["id"] == ("resp_up" if begun else "resp_01h2xyz")
    assert writer.write(PartDelta(0, "lo")) == writer.write(Ended()) == writer.fail(Overloaded("x")) == b""


def test_failure_speaks_codes_that_clients_act_on() -> None:
    """A limit is told as a limit, an upstream's in-band failure as what it was."""
    assert CODEC.writer is not None
    (limited,) = data_of(CODEC.writer(ANSWERING).fail(RateLimited("Wait.")))
    (full,) = data_of(write([Failed("Too long.", "context_length_exceeded", 400)]))

    assert limited["response"]["error"]["code"] == "rate_limit_exceeded"
    assert full["response"]["error"]["code"] == "context_length_exceeded"


def test_output_limit_is_incomplete() -> None:
    """An answer that hit its limit ends with `response.incomplete`, and its last item is marked."""
    answer = Response(id="", model="m", parts=(Text(text="Half"),), stop_reason="max_tokens")
    last = data_of(write(list(replay(answer))))[-1]

    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["output"][0]["status"] == "incomplete"


def test_ping_is_a_comment() -> None:
    """Keep-alive bytes are no event for any client."""
    assert write([Ping()]).startswith(b":") and data_of(write([Ping()])) == []


def test_parts_of_another_dialect_are_left_out() -> None:
    """An opaque part that the Responses API does not know never reaches its client; one that it knows does."""
    started = Started("x", "m")
    events: list[Event] = [started]
    for index, kind in enumerate(("server_tool_use", "web_search_call")):
        raw = {"type": kind, "id": f"i{index}"}
        events += [PartStarted(index, "opaque", raw=raw), PartStopped(index)]
    output = data_of(write([*events, Finished("end"), Ended()]))[-1]["response"]["output"]

    assert output == [{"type": "web_search_call", "id": "i1"}]


@pytest.mark.parametrize("name", ["text", "reasoning", "parallel_calls", "custom_tool", "web_search", "incomplete"])
def test_what_is_read_is_written_and_read_again(name: str) -> None:
    """Upstream bytes, read, written for a caller and read again, are the same answer."""
    first = assemble(read((FOLDER / f"{name}.sse").read_bytes()), Dialect.OPENAI_RESPONSES)
    events = read((FOLDER / f"{name}.sse").read_bytes())
    second = assemble(read(write(events)), Dialect.OPENAI_RESPONSES)

    assert (first.parts, first.stop_reason, first.id) == (second.parts, second.stop_reason, second.id)


# ---- random streams ----------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
parts = st.one_of(
    st.builds(lambda t: Text(text=t), words.filter(bool)),
    st.builds(lambda t: Text(text=t, refusal=True), words.filter(bool)),
    st.builds(lambda t: Thinking(text=t, item_id="rs_1", encrypted="E"), words),
    st.builds(lambda t, n: ToolCall(id=f"call_{n}", name="f", arguments=t), words, st.integers(0, 99)),
    st.builds(
        lambda t, n: ToolCall(id=f"call_{n}", name="apply_patch", arguments=t, custom=True), words, st.integers()
    ),
    st.just(Opaque(dialect=Dialect.OPENAI_RESPONSES, kind="mcp_call", raw={"type": "mcp_call", "id": "m"})),
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Event], list[Any]]:
    """A legal stream with parts that overlap, and the parts that it amounts to."""
    wanted = draw(st.lists(parts, max_size=6))
    queues: list[list[Event]] = []
    for i, part in enumerate(wanted):
        one = list(replay(Response(id="", model="m", parts=(part,), stop_reason="end")))[1:-2]
        moved: list[Event] = []
        for event in one:
            fields = {name: getattr(event, name) for name in event.__dataclass_fields__}
            moved.append(type(event)(**{**fields, "index": i}))
        queues.append(moved)
    events: list[Event] = [Started("resp_1", "m")]
    started = 0
    while any(queues):
        ready = [i for i, queue in enumerate(queues) if queue and i <= started]
        i = draw(st.sampled_from(ready))
        event = queues[i].pop(0)
        started += isinstance(event, PartStarted)
        events.append(event)
    return [*events, Finished("end"), UsageReported(Usage(input_tokens=1, output_tokens=2)), Ended()], wanted


@settings(max_examples=150, deadline=None)
@given(streams())
def test_any_legal_stream_survives(drawn: tuple[list[Event], list[Any]]) -> None:
    """Whatever overlaps, the written stream is read back as the same parts in the same order."""
    events, wanted = drawn
    answer = assemble(read(write(events)), Dialect.OPENAI_RESPONSES)

    assert list(answer.parts) == wanted
    assert answer.usage is not None and (answer.usage.input_tokens, answer.usage.output_tokens) == (1, 2)
