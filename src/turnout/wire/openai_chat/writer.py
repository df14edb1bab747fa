"""OpenAI chat completions, the stream: events to bytes."""

from __future__ import annotations

import orjson

from turnout.core.errors import TurnoutError
from turnout.core.json import Json, JsonObject
from turnout.wire.assemble import merge_usage
from turnout.wire.bridging import unwrap_custom
from turnout.wire.codec import Answering
from turnout.wire.neutral import (
    Ended,
    Event,
    Finished,
    PartDelta,
    PartStarted,
    PartStopped,
    Started,
    StopReason,
    Usage,
    UsageReported,
)
from turnout.wire.openai_chat.errors import error_object
from turnout.wire.openai_chat.response import finish_reason, response_id
from turnout.wire.openai_chat.usage import render_usage

_DONE = b"data: [DONE]\n\n"
PING = b": keep-alive\n\n"


class ChatWriter:
    """Writes one stream.

    Every delta has a `content` key, because some clients read it without looking (pain case 39). The usage chunk, which
    has no choices, is sent only to those who asked for it.
    """

    __slots__ = ("_answering", "_buffers", "_calls", "_custom", "_head", "_kinds", "_tail", "_usage")

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._head = b""
        self._tail = b',"usage":null}\n\n' if answering.request.stream_usage else b"}\n\n"
        self._usage: Usage | None = None
        self._kinds: dict[int, str] = {}
        self._calls: dict[int, int] = {}
        self._custom = answering.request.custom_tools()
        self._buffers: dict[int, list[str]] = {}
        """Bridged calls of custom tools: their input is known only when the arguments are whole."""

    def write(self, event: Event) -> bytes:
        """See `codec.StreamWriter`."""
        match event:
            case PartDelta(index=index, text=text):
                return self._delta(index, text)
            case Started():
                self._begin(event)
                return self._choice({"role": "assistant", "content": ""})
            case PartStarted():
                return self._part(event)
            case PartStopped(index=index) if index in self._buffers:
                text = unwrap_custom("".join(self._buffers.pop(index)))
                return self._call_delta(index, {"custom": {"input": text}})
            case UsageReported(usage=usage):
                self._usage = merge_usage(self._usage, usage)
                return b""
            case Finished(reason=reason):
                return self._choice({}, reason)
            case Ended():
                return self._usage_chunk() + _DONE
            case _:
                return b""

    def fail(self, error: TurnoutError) -> bytes:
        """See `codec.StreamWriter`. The error chunk is what openai-python raises on; `[DONE]` does not follow."""
        return b"data: " + orjson.dumps({"error": error_object(error)}) + b"\n\n"

    def ping(self) -> bytes:
        """A comment."""
        return PING

    def _begin(self, event: Started) -> None:
        if event.usage is not None:
            self._usage = event.usage
        head: JsonObject = {
            "id": response_id(event.id, self._answering),
            "object": "chat.completion.chunk",
            "created": event.created or self._answering.created,
            "model": self._answering.model,
        }
        self._head = b"data: " + orjson.dumps(head)[:-1] + b","

    def _delta(self, index: int, text: str) -> bytes:
        kind = self._kinds[index]
        if kind == "text":
            delta = b'{"content":' + orjson.dumps(text) + b"}"
        elif kind == "thinking":
            delta = b'{"content":null,"reasoning_content":' + orjson.dumps(text) + b"}"
        elif kind == "refusal":
            delta = b'{"content":null,"refusal":' + orjson.dumps(text) + b"}"
        elif kind == "custom":
            return self._call_delta(index, {"custom": {"input": text}})
        elif kind == "buffer":
            self._buffers[index].append(text)
            return b""
        elif kind == "tool_call":
            return self._call_delta(index, {"function": {"arguments": text}})
        else:
            return b""
        return (
            self._head
            + b'"choices":[{"index":0,"delta":'
            + delta
            + b',"logprobs":null,"finish_reason":null}]'
            + self._tail
        )

    def _part(self, event: PartStarted) -> bytes:
        index, kind = event.index, str(event.kind)
        if kind == "text" and event.refusal:
            kind = "refusal"
        if kind != "tool_call":
            self._kinds[index] = kind
            return b""
        self._calls[index] = len(self._calls)
        bridged = event.name in self._custom and not event.custom
        if bridged:
            self._buffers[index] = []
        custom = event.custom or bridged
        self._kinds[index] = "buffer" if bridged else "custom" if custom else "tool_call"
        word, field = ("custom", "input") if custom else ("function", "arguments")
        return self._call_delta(index, {"id": event.call_id, "type": word, word: {"name": event.name, field: ""}})

    def _call_delta(self, index: int, call: JsonObject) -> bytes:
        return self._choice({"content": None, "tool_calls": [{"index": self._calls[index], **call}]})

    def _choice(self, delta: JsonObject, reason: StopReason | None = None) -> bytes:
        finish: Json = finish_reason(reason, refused="refusal" in self._kinds.values()) if reason else None
        choice: JsonObject = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._head + b'"choices":[' + orjson.dumps(choice) + b"]" + self._tail

    def _usage_chunk(self) -> bytes:
        if not self._answering.request.stream_usage:
            return b""
        return self._head + b'"choices":[],"usage":' + orjson.dumps(render_usage(self._usage)) + b"}\n\n"
