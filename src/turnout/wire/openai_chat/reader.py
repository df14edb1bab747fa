"""OpenAI chat completions, the stream: bytes to events.

Follows the first choice only; others travel in the byte lane and nowhere else. Providers differ in the end:
OpenAI sends `[DONE]`, some never do, so a finish reason is what makes an answer complete.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from turnout.core.errors import UpstreamBroken
from turnout.core.json import Json, JsonMap, JsonObject
from turnout.core.target import Target
from turnout.wire.neutral import (
    Ended,
    Event,
    Failed,
    Finished,
    PartDelta,
    PartKind,
    PartStarted,
    PartStopped,
    Ping,
    Started,
    UsageReported,
)
from turnout.wire.openai_chat.errors import status_of
from turnout.wire.openai_chat.response import INTERRUPTED, split_content, stop_reason
from turnout.wire.openai_chat.usage import parse_usage
from turnout.wire.sse import SseEvent, SseParser


class ChatReader:
    """Reads one stream."""

    __slots__ = (
        "_broken",
        "_call_parts",
        "_calls",
        "_ended",
        "_finished",
        "_ids",
        "_next",
        "_open",
        "_open_kind",
        "_open_refusal",
        "_sse",
        "_started",
        "_target",
        "_text_chunks",
        "_tier",
    )

    def __init__(self, target: Target, *, text_chunks: bool = False) -> None:
        self._target = target
        self._text_chunks = text_chunks
        """Legacy completions: the same stream, with the words in `text` instead of in a delta."""
        self._sse = SseParser()
        self._started = self._finished = self._ended = False
        self._broken: UpstreamBroken | None = None
        self._next = 0
        self._open = -1
        self._open_kind: PartKind | None = None
        self._open_refusal = False
        self._calls: dict[int, tuple[int, str]] = {}
        """Tool index of the provider: our part index and the call's id, of the latest call under it."""
        self._call_parts: list[int] = []
        self._ids: set[str] = set()
        self._tier: Json = None
        """The newest `service_tier`: not every server repeats it beside the usage."""

    def feed(self, data: bytes) -> Sequence[Event]:
        """See `codec.StreamReader`. What was good before a bad line is given; the next call raises."""
        if self._broken is not None:
            raise self._broken
        return self._read(self._sse.feed(data))

    def close(self) -> Sequence[Event]:
        """See `codec.StreamReader`."""
        if self._broken is not None:
            raise self._broken
        events = self._read(self._sse.close())
        if not self._ended and self._broken is None:
            if not self._finished:
                raise UpstreamBroken(f"The stream of {self._target.provider} ended before the answer was complete.")
            self._ended = True
            events.append(Ended())
        return events

    def _read(self, raw: list[SseEvent]) -> list[Event]:
        events: list[Event] = []
        for _, data in raw:
            if self._ended:
                break
            if not data.startswith(b"{"):
                data = data.strip()
            if data.startswith(b"{"):
                try:
                    chunk: Json = orjson.loads(data)
                except orjson.JSONDecodeError:
                    return self._break(events, "sent a stream line that is not JSON")
                self._chunk(chunk, events)  # pyright: ignore[reportArgumentType] text that starts with a brace is an object
            elif data == b"[DONE]":
                if not self._finished:
                    return self._break(events, "ended its stream without a finish reason")
                self._ended = True
                events.append(Ended())
            elif not data:
                events.append(Ping())
            else:
                return self._break(events, "sent a stream line that is not JSON")
        return events

    def _break(self, events: list[Event], what: str) -> list[Event]:
        """Keeps the error for the next call where there is something to give first: where bytes are cut must not
        decide whether words and counts are lost."""
        self._broken = UpstreamBroken(f"{self._target.provider} {what}.")
        if not events:
            raise self._broken
        return events

    def _chunk(self, chunk: JsonObject, events: list[Event]) -> None:
        error = chunk.get("error")
        if error:
            self._ended = True
            events.append(_failed(error))
            return
        if not self._started:
            self._started = True
            created = chunk.get("created")
            events.append(
                Started(
                    str(chunk.get("id") or ""),
                    str(chunk.get("model") or self._target.model),
                    None,
                    created if isinstance(created, int) else None,
                )
            )
        usage = chunk.get("usage")
        finish: Json = None
        choices = chunk.get("choices")
        if isinstance(choices, list) and choices:
            choice = choices[0]
            if isinstance(choice, dict) and not choice.get("index") and not self._finished:
                delta = {"content": choice.get("text")} if self._text_chunks else choice.get("delta")
                if isinstance(delta, dict):
                    self._delta(delta, events)
                finish = choice.get("finish_reason")
                usage = usage or choice.get("usage")  # Moonshot puts it there
        elif chunk.get("object") == "error":  # vLLM up to 0.9: the error's fields without a wrapper
            self._ended = True
            events.append(_failed(chunk))
            return
        # Some servers send an empty reason with every chunk.
        if finish and isinstance(finish, str) and finish not in INTERRUPTED:
            self._finish(finish, events)
        self._tier = chunk.get("service_tier") or self._tier
        if isinstance(usage, dict):
            events.append(UsageReported(parse_usage(usage, self._target.quirks, tier=self._tier)))
        if isinstance(finish, str) and finish in INTERRUPTED:
            self._ended = True
            events.append(Failed("The provider interrupted its answer.", finish, 503))

    def _delta(self, delta: JsonMap, events: list[Event]) -> None:
        text = delta.get("content")
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(text, list):
            thought, text = split_content(text)
            reasoning = reasoning or thought
        if reasoning and isinstance(reasoning, str):
            events.append(PartDelta(self._part("thinking", events), reasoning))
        if text and isinstance(text, str):
            events.append(PartDelta(self._part("text", events), text))
            if len(delta) == 1:
                return
        refusal = delta.get("refusal")
        if refusal and isinstance(refusal, str):
            events.append(PartDelta(self._part("text", events, refusal=True), refusal))
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            for place, call in enumerate(calls):
                if isinstance(call, dict):
                    self._call(call, place, events)

    def _part(self, kind: PartKind, events: list[Event], *, refusal: bool = False) -> int:
        if self._open_kind != kind or self._open_refusal is not refusal:
            self._stop_open(events)
            self._open, self._open_kind, self._open_refusal = self._next, kind, refusal
            self._next += 1
            events.append(PartStarted(self._open, kind, refusal=refusal))
        return self._open

    def _stop_open(self, events: list[Event]) -> None:
        if self._open_kind is not None:
            events.append(PartStopped(self._open))
            self._open_kind = None

    def _call(self, call: JsonMap, place: int, events: list[Event]) -> None:
        number = call.get("index")
        number = number if isinstance(number, int) else place
        custom = call.get("custom")
        inner = custom if isinstance(custom, dict) else call.get("function")
        inner = inner if isinstance(inner, dict) else {}
        given = call.get("id")
        known = self._calls.get(number)
        # A second id under a known number is a new call: some servers number every call 0.
        if known is None or (isinstance(given, str) and given and given != known[1] and inner.get("name")):
            self._stop_open(events)
            call_id = given if isinstance(given, str) and given else f"call_{self._next}"
            known = self._calls[number] = (self._next, call_id)
            self._call_parts.append(self._next)
            self._next += 1
            shown = call_id
            while shown in self._ids:
                shown += f"_{known[0]}"
            self._ids.add(shown)
            events.append(
                PartStarted(known[0], "tool_call", shown, str(inner.get("name") or ""), custom=isinstance(custom, dict))
            )
        arguments = inner.get("input" if isinstance(custom, dict) else "arguments")
        if isinstance(arguments, dict):
            arguments = orjson.dumps(arguments).decode()
        if arguments and isinstance(arguments, str):
            events.append(PartDelta(known[0], arguments))

    def _finish(self, finish: str, events: list[Event]) -> None:
        self._stop_open(events)
        events.extend(PartStopped(index) for index in self._call_parts)
        self._finished = True
        events.append(Finished(stop_reason(finish, tool_calls=bool(self._calls))))


def _failed(error: Json) -> Failed:
    if isinstance(error, dict):
        code = error.get("code") or error.get("type")
        message = error.get("message")
        shown = message if isinstance(message, str) and message else "The provider reported an error."
        return Failed(shown, str(code) if code is not None else None, status_of(code))
    return Failed(str(error), None, 502)
