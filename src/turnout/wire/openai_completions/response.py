"""Legacy completions, the answer: whole and as a stream. The stream differs from chat only in its chunks."""

from __future__ import annotations

import orjson

from turnout.core.errors import TurnoutError, UpstreamBroken
from turnout.core.json import Json, JsonObject
from turnout.core.target import Target
from turnout.wire.assemble import merge_usage
from turnout.wire.codec import Answering
from turnout.wire.neutral import (
    Ended,
    Event,
    Finished,
    PartDelta,
    PartStarted,
    Response,
    Started,
    Text,
    Usage,
    UsageReported,
)
from turnout.wire.openai_chat.errors import error_object
from turnout.wire.openai_chat.reader import ChatReader
from turnout.wire.openai_chat.response import INTERRUPTED, finish_reason, response_id, stop_reason
from turnout.wire.openai_chat.usage import parse_usage, render_usage
from turnout.wire.openai_chat.writer import PING


def parse_response(body: JsonObject, target: Target) -> Response:
    """The first choice. Raises UpstreamBroken where there is none."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    text = choice.get("text") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(text, str):
        raise UpstreamBroken(f"{target.provider} answered 200 with a body that holds no completion.")
    finish = choice.get("finish_reason")
    if not isinstance(finish, str) or finish in INTERRUPTED:
        raise UpstreamBroken(f"{target.provider} answered 200 with a completion that is not finished.")
    usage, created = body.get("usage"), body.get("created")
    return Response(
        id=str(body.get("id") or ""),
        model=str(body.get("model") or target.model),
        parts=(Text(text=text),),
        stop_reason=stop_reason(finish, tool_calls=False),
        usage=parse_usage(usage, target.quirks, tier=body.get("service_tier")) if isinstance(usage, dict) else None,
        created=created if isinstance(created, int) else None,
    )


def render_response(response: Response, answering: Answering) -> JsonObject:
    """The whole body."""
    text = "".join(part.text for part in response.parts if isinstance(part, Text))
    choice: JsonObject = {
        "index": 0,
        "text": text,
        "logprobs": None,
        "finish_reason": finish_reason(response.stop_reason),
    }
    return {
        "id": response_id(response.id, answering, "cmpl-"),
        "object": "text_completion",
        "created": response.created or answering.created,
        "model": answering.model,
        "choices": [choice],
        "usage": render_usage(response.usage),
    }


def reader(target: Target) -> ChatReader:
    """A reader of the stream, which is that of chat but for where the words stand."""
    return ChatReader(target, text_chunks=True)


class CompletionWriter:
    """Writes a stream: the words only, as a completion has no other parts."""

    __slots__ = ("_answering", "_head", "_text", "_usage")

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._head: JsonObject = {}
        self._text: set[int] = set()
        self._usage: Usage | None = None

    def write(self, event: Event) -> bytes:
        """See `codec.StreamWriter`."""
        match event:
            case Started():
                self._usage = event.usage
                self._head = {
                    "id": response_id(event.id, self._answering, "cmpl-"),
                    "object": "text_completion",
                    "created": event.created or self._answering.created,
                    "model": self._answering.model,
                }
                return b""
            case PartStarted(index=index, kind="text"):
                self._text.add(index)
                return b""
            case PartDelta(index=index, text=text) if index in self._text:
                return self._chunk(text, None)
            case UsageReported(usage=usage):
                self._usage = merge_usage(self._usage, usage)
                return b""
            case Finished(reason=reason):
                return self._chunk("", finish_reason(reason))
            case Ended():
                return self._usage_chunk() + b"data: [DONE]\n\n"
            case _:
                return b""

    def fail(self, error: TurnoutError) -> bytes:
        """See `codec.StreamWriter`."""
        return b"data: " + orjson.dumps({"error": error_object(error)}) + b"\n\n"

    def ping(self) -> bytes:
        """A comment."""
        return PING

    def _chunk(self, text: str, finish: Json) -> bytes:
        choice: JsonObject = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
        return b"data: " + orjson.dumps({**self._head, "choices": [choice]}) + b"\n\n"

    def _usage_chunk(self) -> bytes:
        if not self._answering.request.stream_usage:
            return b""
        return b"data: " + orjson.dumps({**self._head, "choices": [], "usage": render_usage(self._usage)}) + b"\n\n"
