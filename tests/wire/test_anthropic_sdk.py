"""What Turnout writes, read by Anthropic's own SDK over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import anthropic
import pytest

from turnout.core.errors import RateLimited, UpstreamTimeout
from turnout.core.target import Dialect, Target
from turnout.wire.anthropic import CODEC
from turnout.wire.codec import Answering
from turnout.wire.neutral import (
    Ended,
    Event,
    Finished,
    PartDelta,
    PartStarted,
    PartStopped,
    Request,
    Started,
    Usage,
    UsageReported,
)

TRANSCRIPTS = Path(__file__).parent / "transcripts" / "anthropic"
TARGET = Target(model="claude-x", provider="anthropic", dialect=Dialect.ANTHROPIC)
REQUEST = Request(dialect=Dialect.ANTHROPIC, model="m", messages=())
ANSWERING = Answering(request=REQUEST, model="shown", response_id="abc", created=0)
ASK = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}


@contextmanager
def serving(body: bytes, status: int = 200, kind: str = "text/event-stream") -> Iterator[anthropic.Anthropic]:
    """A client of a server that answers every request with `body`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as client:
            yield client
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def rewritten(name: str) -> bytes:
    """A recorded stream, read and written again."""
    reader, writer = CODEC.reader(TARGET), CODEC.writer(ANSWERING)
    events = [*reader.feed((TRANSCRIPTS / f"{name}.sse").read_bytes()), *reader.close()]
    return writer.ping() + b"".join(writer.write(event) for event in events)


@pytest.mark.parametrize("name", ["text", "thinking", "tools", "server_tool"])
def test_the_sdk_accumulates_the_same_message(name: str):
    """From our rewriting and from the recorded bytes the SDK builds the same content, stop and counts."""
    messages = []
    for body in (rewritten(name), (TRANSCRIPTS / f"{name}.sse").read_bytes()):
        with serving(body) as client, client.messages.stream(**ASK) as stream:
            messages.append(stream.get_final_message())
    ours, theirs = messages

    assert [block.to_dict() for block in ours.content] == [block.to_dict() for block in theirs.content]
    assert (ours.id, ours.stop_reason, ours.stop_sequence) == (theirs.id, theirs.stop_reason, theirs.stop_sequence)
    assert ours.usage.output_tokens == theirs.usage.output_tokens
    assert ours.usage.input_tokens == theirs.usage.input_tokens
    assert (ours.usage.cache_read_input_tokens or 0) == (theirs.usage.cache_read_input_tokens or 0)
    assert ours.usage.server_tool_use == theirs.usage.server_tool_use


def test_the_sdk_reads_interleaved_calls_of_another_dialect():
    """Parallel calls as OpenAI interleaves them become two tool_use blocks with their inputs."""
    events: list[Event] = [
        Started("chatcmpl-1", "gpt"),
        PartStarted(0, "tool_call", "call_a", "f"),
        PartStarted(1, "tool_call", "call_b", "g"),
        PartDelta(0, '{"x":'),
        PartDelta(1, '{"y":'),
        PartDelta(0, "1}"),
        PartDelta(1, "2}"),
        PartStopped(0),
        PartStopped(1),
        Finished("tool_calls"),
        UsageReported(Usage(input_tokens=30, cached_tokens=10, output_tokens=7)),
        Ended(),
    ]
    writer = CODEC.writer(ANSWERING)
    with (
        serving(b"".join(writer.write(event) for event in events)) as client,
        client.messages.stream(**ASK) as stream,
    ):
        message = stream.get_final_message()

    assert [(block.id, block.input) for block in message.content] == [("call_a", {"x": 1}), ("call_b", {"y": 2})]
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (20, 10)
    assert message.stop_reason == "tool_use"


def test_the_sdk_raises_our_stream_error():
    """A failure in the middle of a stream reaches the caller as an exception with our words."""
    writer = CODEC.writer(ANSWERING)
    body = writer.write(Started("x", "m")) + writer.fail(UpstreamTimeout("Silent for 30 s."))
    with (
        serving(body) as client,
        pytest.raises(anthropic.APIStatusError, match="Silent for 30 s"),
        client.messages.stream(**ASK) as stream,
    ):
        stream.get_final_message()


def test_the_sdk_maps_our_error_body():
    """The status gives the class, the body the message and the request id."""
    body = CODEC.render_error(RateLimited("Wait."), "req_7")
    with serving(body, 429, "application/json") as client, pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(**ASK)

    assert caught.value.body == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "Wait."},
        "request_id": "req_7",
    }
