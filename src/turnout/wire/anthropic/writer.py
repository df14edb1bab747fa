"""Neutral events to a Messages stream for the caller.

Rules
1. Blocks stand one after another, in the order in which their parts started. Where parts interleave, the later
   ones wait until those before them are complete.
2. A text or thinking block opens with its first content, so that no empty block is written: clients send blocks back,
   and empty ones are refused.
3. `message_delta` is written at `Ended`, because usage may come after the stop reason.
4. Every event has its `event:` line; the SDK ignores events without one.
"""

from __future__ import annotations

from collections import deque

import orjson

from turnout.core.errors import TurnoutError
from turnout.core.json import JsonMap, JsonObject
from turnout.wire.anthropic.errors import STATUS_OF_TYPE, error_object
from turnout.wire.anthropic.response import is_citation, message_id, render_reason, stop_details
from turnout.wire.anthropic.usage import render_delta_usage, render_usage
from turnout.wire.assemble import merge_usage
from turnout.wire.codec import Answering
from turnout.wire.neutral import (
    Ended,
    Event,
    Failed,
    Finished,
    PartDelta,
    PartSigned,
    PartStarted,
    PartStopped,
    Ping,
    Started,
    Usage,
    UsageReported,
)
from turnout.wire.sse import encode

PING = b'event: ping\ndata: {"type": "ping"}\n\n'
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_OWN_BLOCKS = frozenset({"server_tool_use", "container_upload", "mcp_tool_use", "compaction"})


def _event(name: str, body: JsonObject) -> bytes:
    return encode(orjson.dumps({"type": name, **body}), name.encode())


def is_own_block(raw: JsonMap) -> bool:
    """Whether an opaque part is one of this dialect: a server tool's call or result."""
    kind = raw.get("type")
    return isinstance(kind, str) and (kind in _OWN_BLOCKS or kind.endswith("_tool_result"))


class _Block:
    """A part on its way to being a content block."""

    __slots__ = ("closed", "free_text", "head", "number", "start", "waiting")

    def __init__(self, start: PartStarted) -> None:
        self.start = start
        self.number: int | None = None
        """Its index on the wire, once it is open there."""
        self.head = b""
        """The bytes of a delta event up to its text."""
        self.closed = False
        """Nothing more of it is written: a redacted block is complete when it opens."""
        self.free_text: list[str] = []
        """A custom tool's input, which must become an object."""
        self.waiting: list[Event] = []


class Writer:
    """Writes one stream; see the module's rules."""

    __slots__ = ("_answering", "_blocks", "_dead", "_finished", "_next", "_queue", "_tools_called", "_usage")

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._blocks: dict[int, _Block] = {}
        self._queue: deque[_Block] = deque()
        """Parts that are not complete on the wire, in order; the first one is being written."""
        self._next = 0
        self._usage: Usage | None = None
        self._finished: Finished | None = None
        self._tools_called = False
        self._dead = False

    def write(self, event: Event) -> bytes:
        """The bytes for one event; may be empty."""
        if type(event) is PartDelta:
            block = self._blocks[event.index]
            if block.number is not None and not block.start.custom:
                return b"" if self._dead else block.head + orjson.dumps(event.text) + b"}}\n\n"
        if self._dead:
            return b""
        match event:
            case PartDelta() | PartSigned() | PartStopped():
                return self._to_block(event)
            case PartStarted():
                return self._start_part(event)
            case UsageReported():
                self._usage = merge_usage(self._usage, event.usage)
                return b""
            case Started():
                return self._start(event)
            case Finished():
                self._finished = event
                return b""
            case Ended():
                return self._end()
            case Failed():
                return self._failed(event)
            case Ping():
                return PING

    def fail(self, error: TurnoutError) -> bytes:
        """An `error` event; the SDK raises it."""
        if self._dead:
            return b""
        self._dead = True
        return encode(orjson.dumps(error_object(error)), b"error")

    def ping(self) -> bytes:
        """A `ping` event."""
        return b"" if self._dead else PING

    def _known_at_start(self) -> Usage | None:
        """Where the provider counts at the end only, our estimate: Claude Code records what stands here (pain 13)."""
        if self._usage is None or self._usage.input_tokens is None:
            return merge_usage(self._usage, Usage(input_tokens=self._answering.input_tokens))
        return self._usage

    def _start(self, event: Started) -> bytes:
        self._usage = event.usage
        return _event(
            "message_start",
            {
                "message": {
                    "id": message_id(event.id, self._answering),
                    "type": "message",
                    "role": "assistant",
                    "model": self._answering.model,
                    "content": [],
                    "stop_reason": None,
                    "stop_sequence": None,
                    "stop_details": None,
                    "usage": render_usage(self._known_at_start()),
                }
            },
        )

    def _end(self) -> bytes:
        self._dead = True
        finished = self._finished or Finished("end")
        word = render_reason(finished.reason, self._tools_called)
        delta: JsonObject = {
            "stop_reason": word,
            "stop_sequence": finished.stop_sequence,
            "stop_details": stop_details(word),
        }
        return _event("message_delta", {"delta": delta, "usage": render_delta_usage(self._usage)}) + _STOP

    def _failed(self, event: Failed) -> bytes:
        self._dead = True
        known = {status: kind for kind, status in STATUS_OF_TYPE.items()}
        kind = event.code if event.code in STATUS_OF_TYPE else known.get(event.status, "api_error")
        return encode(orjson.dumps({"type": "error", "error": {"type": kind, "message": event.message}}), b"error")

    def _start_part(self, event: PartStarted) -> bytes:
        block = self._blocks[event.index] = _Block(event)
        self._queue.append(block)
        if event.kind == "tool_call":
            self._tools_called = True
        return self._open_now(block) if self._queue[0] is block else b""

    def _to_block(self, event: PartDelta | PartSigned | PartStopped) -> bytes:
        block = self._blocks[event.index]
        if self._queue[0] is not block:
            block.waiting.append(event)
            return b""
        return self._apply(block, event)

    def _apply(self, block: _Block, event: Event) -> bytes:
        match event:
            case PartDelta():
                return self._delta(block, event.text)
            case PartSigned():
                return self._signed(block, event)
            case _:
                return self._stop_part(block)

    def _delta(self, block: _Block, text: str) -> bytes:
        if block.start.custom:
            block.free_text.append(text)
            return b""
        if block.closed or not text or block.start.kind == "opaque":
            return b""
        opening = self._open(block) if block.number is None else b""
        return opening + block.head + orjson.dumps(text) + b"}}\n\n"

    def _signed(self, block: _Block, event: PartSigned) -> bytes:
        if block.closed or block.start.kind not in ("text", "thinking"):
            return b""
        if event.annotation is not None:
            if block.start.kind != "text" or not is_citation(event.annotation.get("type")):
                return b""
            return self._extra(block, {"type": "citations_delta", "citation": dict(event.annotation)})
        if event.signature is not None:
            return self._extra(block, {"type": "signature_delta", "signature": event.signature})
        # An OpenAI item has an id, and its encrypted form means nothing to clients of this dialect.
        if event.encrypted is None or block.number is not None or block.start.item_id is not None:
            return b""
        block.closed = True
        return self._whole({"type": "redacted_thinking", "data": event.encrypted})

    def _extra(self, block: _Block, delta: JsonObject) -> bytes:
        opening = self._open(block) if block.number is None else b""
        return opening + _event("content_block_delta", {"index": block.number, "delta": delta})

    def _stop_part(self, block: _Block) -> bytes:
        """Ends a block and lets the next ones catch up."""
        out = self._close(block)
        self._queue.popleft()
        while self._queue:
            block = self._queue[0]
            out += self._open_now(block)
            waiting, block.waiting = block.waiting, []
            for event in waiting:
                if type(event) is PartStopped:
                    out += self._close(block)
                    self._queue.popleft()
                    break
                out += self._apply(block, event)
            else:
                break
        return out

    def _close(self, block: _Block) -> bytes:
        if block.number is None or block.closed:
            return b""
        block.closed = True
        last = b""
        if block.start.custom:
            text = orjson.dumps({"input": "".join(block.free_text)}).decode()
            last = block.head + orjson.dumps(text) + b"}}\n\n"
        return last + _event("content_block_stop", {"index": block.number})

    def _open_now(self, block: _Block) -> bytes:
        """What a part writes when its turn comes: tool calls and opaque blocks open at once."""
        start = block.start
        if start.kind == "tool_call":
            return self._open(block)
        if start.kind == "opaque" and start.raw is not None and is_own_block(start.raw):
            block.closed = True
            return self._whole(dict(start.raw))
        if start.kind == "thinking" and start.signature:
            return self._extra(block, {"type": "signature_delta", "signature": start.signature})
        return b""

    def _open(self, block: _Block) -> bytes:
        start, number = block.start, self._next
        self._next += 1
        block.number = number
        content: JsonObject
        match start.kind:
            case "text":
                kind, key = "text_delta", "text"
                content = {"type": "text", "text": ""}
            case "thinking":
                kind, key = "thinking_delta", "thinking"
                content = {"type": "thinking", "thinking": "", "signature": ""}
            case _:
                kind, key = "input_json_delta", "partial_json"
                call_id = start.call_id or f"toolu_{self._answering.response_id}_{number}"
                content = {"type": "tool_use", "id": call_id, "name": start.name or "", "input": {}}
        block.head = (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%s","%s":'
            % (number, kind.encode(), key.encode())
        )
        opening = _event("content_block_start", {"index": number, "content_block": content})
        return opening + block.head + b'""}}\n\n' if start.kind == "tool_call" else opening

    def _whole(self, content: JsonObject) -> bytes:
        """A block that is complete when it starts. Input goes in a delta, as Anthropic itself sends it."""
        number = self._next
        self._next += 1
        delta = b""
        if "input" in content:
            text = orjson.dumps(content["input"]).decode()
            delta = _event(
                "content_block_delta", {"index": number, "delta": {"type": "input_json_delta", "partial_json": text}}
            )
            content["input"] = {}
        opening = _event("content_block_start", {"index": number, "content_block": content})
        return opening + delta + _event("content_block_stop", {"index": number})


def writer(answering: Answering) -> Writer:
    """A writer of one stream."""
    return Writer(answering)
