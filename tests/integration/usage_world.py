"""A gateway before one upstream that answers recorded shapes: a usage object, as bytes, in each dialect, whole and
streamed. Deployments carry the vendors' own presets and the shipped prices, by a clock that the test sets."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import httpx

from harness import Gateway, deployment, provider, running_gateway
from turnout.double import Double, Reply, sse
from turnout.double import json as json_reply

Shape = Literal["chat", "responses", "messages", "gemini"]
CALLED: dict[Shape, str] = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "gemini": "/v1/chat/completions",
}
WORDS = "Hello there, my friends."
"""24 letters: six tokens by our own count."""


class SetClock:
    """Stands at the instant that a test sets; intervals are real."""

    def __init__(self, at: str) -> None:
        self.set(at)

    def set(self, at: str) -> None:
        self._now = datetime.fromisoformat(at).astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return time.monotonic()


def recorded(shape: Shape, usage: bytes, *, stream: bool, beside: bytes = b"", twice: bool = False) -> Reply:
    """An answer with exactly this usage, empty for none; `beside` are further members of the body."""
    if shape == "messages":
        return _messages(usage, stream, twice)
    name = {"chat": b"usage", "responses": b"usage", "gemini": b"usageMetadata"}[shape]
    counted = b',"%s":%s' % (name, usage) if usage else b""
    tail = counted + (b"," + beside if beside else b"")
    if shape == "gemini":
        text = (
            b'{"candidates":[{"content":{"role":"model","parts":[{"text":"%s"}]},"finishReason":"STOP","index":0}]%s}'
        )
        whole = text % (WORDS.encode(), tail)
        return sse([b"data: " + whole + b"\n\n"]) if stream else json_reply(whole)
    if shape == "responses":
        return _responses(tail, stream)
    head = b'"id":"c1","created":1780000000,"model":"m"'
    if not stream:
        message = b'{"index":0,"message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}' % WORDS.encode()
        return json_reply(b'{%s,"object":"chat.completion","choices":[%s]%s}' % (head, message, tail))
    chunk = b'data: {%s,"object":"chat.completion.chunk","choices":[%s]%s}\n\n'
    frames = [
        chunk % (head, b'{"index":0,"delta":{"role":"assistant","content":"%s"}}' % WORDS.encode(), b""),
        chunk % (head, b'{"index":0,"delta":{},"finish_reason":"stop"}', b""),
        *([chunk % (head, b"", tail)] * (1 + twice) if tail else []),
    ]
    return sse([*frames, b"data: [DONE]\n\n"])


def _responses(tail: bytes, stream: bool) -> Reply:
    item = (
        b'{"id":"m1","type":"message","role":"assistant","status":"completed","content":'
        b'[{"type":"output_text","text":"%s","annotations":[]}]}' % WORDS.encode()
    )
    whole = b'{"id":"r1","object":"response","created_at":1780000000,"status":"completed","model":"m","output":[%s]%s}'
    done = whole % (item, tail)
    if not stream:
        return json_reply(done)
    begun = done.replace(b'"completed"', b'"in_progress"', 1).replace(tail, b"") if tail else done
    where = b'"item_id":"m1","output_index":0,"content_index":0'
    events = [
        (b"response.created", b'"response":' + begun),
        (b"response.output_item.added", b'"output_index":0,"item":{"id":"m1","type":"message","role":"assistant","status":"in_progress","content":[]}'),
        (b"response.content_part.added", where + b',"part":{"type":"output_text","text":"","annotations":[]}'),
        (b"response.output_text.delta", where + b',"delta":"%s"' % WORDS.encode()),
        (b"response.output_text.done", where + b',"text":"%s"' % WORDS.encode()),
        (b"response.output_item.done", b'"output_index":0,"item":' + item),
        (b"response.completed", b'"response":' + done),
    ]  # fmt: skip
    return sse([b'event: %s\ndata: {"type":"%s",%s}\n\n' % (kind, kind, rest) for kind, rest in events])


def _messages(usage: bytes, stream: bool, twice: bool) -> Reply:
    counted = b',"usage":' + usage if usage else b""
    head = b'"id":"m1","type":"message","role":"assistant","model":"m"'
    text = b'{"type":"text","text":"%s"}' % WORDS.encode()
    if not stream:
        return json_reply(
            b'{%s,"content":[%s],"stop_reason":"end_turn","stop_sequence":null%s}' % (head, text, counted)
        )
    events = [
        (b"message_start", b'"message":{%s,"content":[],"stop_reason":null,"stop_sequence":null%s}' % (head, counted)),
        (b"content_block_start", b'"index":0,"content_block":{"type":"text","text":""}'),
        (b"content_block_delta", b'"index":0,"delta":{"type":"text_delta","text":"%s"}' % WORDS.encode()),
        (b"content_block_stop", b'"index":0'),
        *[(b"message_delta", b'"delta":{"stop_reason":"end_turn","stop_sequence":null}' + counted)] * (1 + twice),
        (b"message_stop", b""),
    ]
    return sse(
        [b'event: %s\ndata: {"type":"%s"%s}\n\n' % (kind, kind, b"," + rest if rest else b"") for kind, rest in events]
    )


MODELS: dict[str, tuple[str, str, str]] = {
    # deployment: preset, model, endpoint
    "sol": ("openai", "gpt-5.6-sol", "openai_chat"),
    "gpt": ("openai", "gpt-5.5", "openai_chat"),
    "terra": ("openai", "gpt-5.6-terra", "openai_responses"),
    "opus": ("anthropic", "claude-opus-5", "anthropic"),
    "gemini": ("google", "gemini-3.1-pro-preview", "gemini"),
    "deepseek": ("deepseek", "deepseek-v4-pro", "openai_chat"),
    "grok": ("xai", "grok-4.7", "openai_chat"),
    "groq": ("groq", "openai/gpt-oss-120b", "openai_chat"),
    "mistral": ("mistral", "mistral-medium-latest", "openai_chat"),
    "router": ("openrouter", "vendor/model", "openai_chat"),
    "unpriced": ("openrouter", "vendor/newest", "openai_chat"),
}
OWN = """
[prices.openrouter]
rows = [ { model = "vendor/model", from = "2026-01-01", input = "1", cached = "0.1", output = "2" } ]
"""


@contextlib.contextmanager
def usage_world(folder: Path, clock: SetClock | None = None, more: str = "") -> Iterator[tuple[Gateway, Double]]:
    """All of MODELS."""
    with Double() as double:
        text = OWN
        for preset in dict.fromkeys(preset for preset, _, _ in MODELS.values()):
            base = double.url + {"anthropic": "", "google": "/v1beta"}.get(preset, "/v1")
            text += provider(preset, base, preset=preset)
        for name, (preset, model, endpoint) in MODELS.items():
            room = "context = 1000000\nmax_output = 64000\n"
            text += deployment(name, preset, model, f'{room}endpoints = ["{endpoint}"]')
        with running_gateway(folder, text + more, clock=clock) as gateway:
            yield gateway, double


def settled(
    gateway: Gateway, double: Double, name: str, reply: Reply, asked: dict[str, object] | None = None, *, stream: bool
) -> dict[str, object]:
    """Asks once, and returns the posting."""
    double.script = lambda _: reply
    endpoint = MODELS[name][2]
    body: dict[str, object] = {"model": name, "stream": stream, **(asked or {})}
    turns = [{"role": "user", "content": "Say hello to my friends."}]
    path = {"anthropic": "/v1/messages", "openai_responses": "/v1/responses"}.get(endpoint, "/v1/chat/completions")
    body["input" if endpoint == "openai_responses" else "messages"] = turns
    if endpoint == "anthropic":
        body["max_tokens"] = 1000
    told = httpx.post(gateway.url + path, json=body, headers=gateway.headers, timeout=10)
    assert told.status_code == 200, told.text
    assert WORDS.encode() in told.content
    for _ in range(500):
        found = [row for row in gateway.rows("postings") if row["request_id"] == told.headers["x-request-id"]]
        if found:
            assert len(found) == 1
            return found[0]
        time.sleep(0.01)
    raise AssertionError("nothing was posted")
