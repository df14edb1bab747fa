"""Gemini's stream (`streamGenerateContent?alt=sse`): bytes to events.

Each event's data is one GenerateContentResponse. There is no terminal mark: a stream is complete when it ends after a
finish reason, and cut when it ends before one.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from turnout.core.errors import UpstreamBroken
from turnout.core.json import Json
from turnout.core.target import Target
from turnout.wire.gemini.chunk import Answer
from turnout.wire.neutral import Event, Ping
from turnout.wire.sse import SseEvent, SseParser

_MAX_EVENT_BYTES = 32 << 20
"""Gemini sends a function call, or a generated image in base64, as one event."""


class GeminiReader:
    """Reads one stream."""

    __slots__ = ("_answer", "_provider", "_sse")

    def __init__(self, target: Target) -> None:
        self._answer = Answer(target)
        self._provider = target.provider
        self._sse = SseParser(_MAX_EVENT_BYTES)

    def feed(self, data: bytes) -> Sequence[Event]:
        """See `codec.StreamReader`."""
        return self._read(self._sse.feed(data))

    def close(self) -> Sequence[Event]:
        """See `codec.StreamReader`."""
        return [*self._read(self._sse.close()), *self._answer.end()]

    def _read(self, raw: list[SseEvent]) -> list[Event]:
        events: list[Event] = []
        for sse in raw:
            if self._answer.over:
                break
            data = sse.data.strip()
            if not data:
                events.append(Ping())
            elif data != b"[DONE]":  # some proxies before Gemini add it
                events.extend(self._answer.take(self._object(data)))
        return events

    def _object(self, data: bytes) -> dict[str, Json]:
        try:
            value: Json = orjson.loads(data)
        except orjson.JSONDecodeError:
            value = None
        if isinstance(value, list) and len(value) == 1:
            value = value[0]  # errors come wrapped in an array
        if not isinstance(value, dict):
            raise UpstreamBroken(f"{self._provider} sent a stream event that is not a JSON object.")
        return value
