"""The double does what it is told, and its answers are those of the real dialects."""

from __future__ import annotations

import asyncio
import http.client
import json as stdlib_json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from anthropic.types import Message as AnthropicMessage
from anthropic.types import RawMessageStreamEvent
from google.genai.types import GenerateContentResponse
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from turnout.double import (
    Answer,
    Close,
    Double,
    Reply,
    Send,
    Tokens,
    ToolUse,
    Wait,
    anthropic,
    faults,
    gemini,
    openai,
    raw,
    responses,
    text,
)

FULL = Answer(
    text="Good morning to you.",
    reasoning="They greet me.",
    tools=(ToolUse(name="look", arguments='{"city":"Oslo","days":3}', id="call_a"), ToolUse(name="stop", id="call_b")),
    tokens=Tokens(input=100, cached=60, cache_write=10, output=40, reasoning=15),
)
ANSWERS = [Answer(), FULL, Answer(tokens=None), Answer(finish="length"), Answer(finish="refusal", text="")]


def exchange(double: Double, data: bytes, *, half_close: bool = False) -> bytes:
    """Sends raw bytes, and reads until the double closes or is silent."""
    with socket.create_connection(("127.0.0.1", double.port)) as sock:
        sock.settimeout(0.3)
        sock.sendall(data)
        got = b""
        try:
            while chunk := sock.recv(65536):
                got += chunk
        except TimeoutError:
            pass
        return got


def post(double: Double, path: str, body: dict[str, object]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", double.port, timeout=5)
    try:
        connection.request("POST", path, stdlib_json.dumps(body))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def events(reply: Reply) -> list[object]:
    blocks = reply.content.decode().split("\n\n")
    data = [line.removeprefix("data: ") for block in blocks for line in block.split("\n") if line.startswith("data: ")]
    return [stdlib_json.loads(line) for line in data if line != "[DONE]"]


# ---- bytes


def test_a_raw_reply_is_written_byte_for_byte() -> None:
    """Even when it is no HTTP at all."""
    with Double([raw(b"\x00\x01 hello", Close())]) as double:
        assert exchange(double, b"GET / HTTP/1.1\r\n\r\n") == b"\x00\x01 hello"


def test_the_request_is_recorded_byte_for_byte() -> None:
    """Case, order and duplicates of headers, the query and the body are kept."""
    head = b"POST /v1/x?a=1&b HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a:  2\r\nContent-Length: 5\r\n\r\n"
    with Double([text("ok")]) as double:
        exchange(double, head + b"\xff{}\r\n")
        (seen,) = double.requests
    assert (head, b"\xff{}\r\n") == (seen.head, seen.body)
    assert (seen.method, seen.target, seen.path) == ("POST", "/v1/x?a=1&b", "/v1/x")
    assert seen.header_list == (("Host", "h"), ("X-A", "1"), ("x-a", "2"), ("Content-Length", "5"))
    assert seen.headers["x-a"] == "2"


def test_a_chunked_request_is_read_to_its_end() -> None:
    """The body is what the chunks amount to."""
    head = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
    with Double([text("ok")]) as double:
        exchange(double, head + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
        assert double.requests[0].body == b"abcde"


def test_pipelined_requests_are_answered_in_order() -> None:
    """On one connection, by the script's order; the last reply serves all that follow."""
    with Double([text("one"), text("two")]) as double:
        got = exchange(double, b"GET / HTTP/1.1\r\n\r\n" * 3)
        assert [request.connection for request in double.requests] == [1, 1, 1]
    assert got.count(b"one") == 1 and got.count(b"two") == 2


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_each_framing_gives_the_same_body(framing: str) -> None:
    """A client reads the same bytes however their end is marked."""
    body = (Send(b"abc"), Wait(0.01), Send(b"de"))
    with Double([Reply(framing=framing, body=body)]) as double:  # type: ignore[arg-type]
        assert post(double, "/", {}) == (200, b"abcde")


def test_a_reset_is_a_reset() -> None:
    """The client sees ECONNRESET, not an end of file."""
    with Double([faults.reset_before_headers()]) as double, pytest.raises(ConnectionResetError):
        post(double, "/", {})


def test_a_client_that_leaves_is_noticed_at_once() -> None:
    """The time at which the peer closed is written down, also while the script is silent."""
    with Double([faults.never_answers()]) as double:
        with socket.create_connection(("127.0.0.1", double.port)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert double.wait_for(lambda d: len(d.requests) == 1)
            assert double.open_connections == 1
            left = double.clock.monotonic()
        assert double.wait_for(lambda d: d.open_connections == 0)
        (seen,) = double.connections
        assert seen.closed_by_peer
        assert seen.closed_at is not None and seen.closed_at - left < 0.5


def test_a_script_that_closes_is_not_blamed_on_the_client() -> None:
    """`closed_by_peer` tells who ended it."""
    with Double([faults.close_before_headers()]) as double:
        assert exchange(double, b"GET / HTTP/1.1\r\n\r\n") == b""
        assert double.wait_for(lambda d: d.open_connections == 0)
        assert not double.connections[0].closed_by_peer


def test_a_taken_port_is_an_error() -> None:
    """In a thread as in the loop."""
    with Double() as double, pytest.raises(OSError, match=str(double.port)), Double(port=double.port):
        pass


def test_it_runs_in_the_callers_loop_too() -> None:
    """`async with` needs no thread, and leaves no task behind."""

    async def main() -> int:
        async with Double([faults.never_answers()]) as double:
            _, writer = await asyncio.open_connection("127.0.0.1", double.port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await double.until(lambda d: len(d.requests) == 1)
            writer.close()
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1


def test_the_bill_says_what_was_begun_and_what_was_delivered() -> None:
    """A cut answer is billed and not delivered; an error is not billed."""
    cut = faults.cut_after(openai.chat_stream(FULL), 3)
    with Double([openai.chat(FULL), cut, faults.status(500)]) as double:
        post(double, "/v1/chat/completions", {"model": "m"})
        with pytest.raises(http.client.IncompleteRead):
            post(double, "/v1/chat/completions", {"model": "m"})
        post(double, "/v1/chat/completions", {"model": "m"})
        lines = [(line.number, line.model, line.tokens.output, line.delivered) for line in double.bill]
    assert lines == [(1, "m", 40, True), (2, "m", 40, False)]


# ---- dialects: each shape is what the vendor's own SDK types accept


@pytest.mark.parametrize("answer", ANSWERS)
def test_whole_answers_fit_the_vendors_types(answer: Answer) -> None:
    """Validated strictly enough to refuse missing and mistyped fields."""
    ChatCompletion.model_validate_json(openai.chat(answer).content)
    Completion.model_validate_json(openai.completion(answer).content)
    Response.model_validate_json(responses.responses(answer).content)
    GenerateContentResponse.model_validate_json(gemini.generate(answer).content)
    if answer.tokens is not None:  # Anthropic always reports its usage
        AnthropicMessage.model_validate_json(anthropic.messages(answer).content)
    CreateEmbeddingResponse.model_validate_json(openai.embeddings(3).content)


@pytest.mark.parametrize("answer", ANSWERS)
def test_streams_fit_the_vendors_types(answer: Answer) -> None:
    """Event by event."""
    for chunk in events(openai.chat_stream(answer)):
        ChatCompletionChunk.model_validate(chunk)
    for chunk in events(openai.completion_stream(answer)):
        for choice in chunk["choices"]:  # type: ignore[index]
            choice["finish_reason"] = choice["finish_reason"] or "stop"  # null before the end; the SDK does not check
        Completion.model_validate(chunk)
    adapter: TypeAdapter[object] = TypeAdapter(ResponseStreamEvent)
    for number, event in enumerate(events(responses.responses_stream(answer))):
        assert number == adapter.validate_python(event).sequence_number  # type: ignore[attr-defined]
    chunks = [GenerateContentResponse.model_validate(chunk) for chunk in events(gemini.generate_stream(answer))]
    assert chunks[-1].candidates is not None and chunks[-1].candidates[0].finish_reason is not None
    claude: TypeAdapter[object] = TypeAdapter(RawMessageStreamEvent)
    for event in events(anthropic.messages_stream(answer, pings=0)) if answer.tokens is not None else []:
        claude.validate_python(event)


@pytest.mark.parametrize("interleave", [False, True])
def test_streamed_tool_calls_amount_to_the_whole_ones(interleave: bool) -> None:
    """F30: in order or taking turns, the pieces join to the same arguments."""
    whole = ChatCompletion.model_validate_json(openai.chat(FULL).content).choices[0].message.tool_calls or []
    joined: dict[int, list[str]] = {}
    order: list[int] = []
    for event in events(openai.chat_stream(FULL, interleave=interleave)):
        for choice in ChatCompletionChunk.model_validate(event).choices:
            for call in choice.delta.tool_calls or []:
                assert call.function is not None
                row = joined.setdefault(call.index, [call.id or "", call.function.name or "", ""])
                row[2] += call.function.arguments or ""
                order.append(call.index)
    assert [[c.id, c.function.name, c.function.arguments] for c in whole] == [joined[0], joined[1]]  # type: ignore[union-attr]
    assert interleave == (order != sorted(order))


def test_usage_counts_in_each_dialects_own_way() -> None:
    """Anthropic excludes the cache from its input, Gemini the thoughts from its candidates; the total is the same."""
    tokens = FULL.tokens
    assert tokens is not None
    chat = ChatCompletion.model_validate_json(openai.chat(FULL).content).usage
    claude = AnthropicMessage.model_validate_json(anthropic.messages(FULL).content).usage
    google = GenerateContentResponse.model_validate_json(gemini.generate(FULL).content).usage_metadata
    assert chat is not None and google is not None
    assert (chat.prompt_tokens, chat.completion_tokens) == (100, 40)
    assert (claude.input_tokens, claude.cache_read_input_tokens, claude.cache_creation_input_tokens) == (30, 60, 10)
    assert (google.candidates_token_count, google.thoughts_token_count) == (25, 15)


ECHOES = [
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "one two"}]}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "text", "text": "one two"}]}]}),
    ("/v1/completions", {"prompt": "one two"}),
    ("/v1/responses", {"input": "one two"}),
    ("/v1/responses", {"input": [{"role": "user", "content": [{"type": "input_text", "text": "one two"}]}]}),
    ("/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": "one two"}]}),
    ("/v1beta/models/g:generateContent", {"contents": [{"role": "user", "parts": [{"text": "one two"}]}]}),
    ("/v1beta/models/g:streamGenerateContent?alt=sse", {"contents": [{"parts": [{"text": "one two"}]}]}),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("path", "body"), ECHOES)
def test_without_a_script_it_echoes_in_every_dialect(path: str, body: dict[str, object], stream: bool) -> None:
    """The last words of the caller come back, and are billed."""
    with Double() as double:
        status, answer = post(double, path, {"model": "m", "stream": stream, **body})
        assert status == 200
        assert b"one two" in answer or (b'"one"' in answer and b'" two"' in answer)
        assert Tokens(input=2, output=2) == double.bill[0].tokens


def test_a_model_name_may_ask_for_a_failure() -> None:
    """For trying things out without a script."""
    with Double() as double:
        assert post(double, "/v1/chat/completions", {"model": "fail-429"})[0] == 429
        assert post(double, "/v1/chat/completions", {"model": "fail-empty"}) == (200, b"")
        with pytest.raises(ConnectionResetError):
            post(double, "/v1/messages", {"model": "acme/fail-reset"})
        assert post(double, "/v1/nothing", {})[0] == 404


def test_the_command_serves_until_it_is_stopped() -> None:
    """`python -m turnout.double --port 0` says where it listens, answers, and ends on SIGINT."""
    command = [sys.executable, "-m", "turnout.double", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
        connection.request("POST", "/v1/chat/completions", b'{"model":"m","messages":[]}')
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert process.wait(5) == 0
        assert time.monotonic() - began < 3
