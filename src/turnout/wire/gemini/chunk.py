"""A GenerateContentResponse as neutral events: a whole answer is one such object, a stream is several.

Only the first candidate is read; Turnout never asks for more. Rules:

1. Text and thought parts of following objects continue each other; a function call comes whole.
2. The finish reason is kept until the end: Gemini may send more objects after it.
3. A thought signature is kept where it must come back, on function calls, and on thoughts. On plain text Google only
   recommends it, and no neutral part has a place for it.

Shapes: google-genai 3.4 `types.py`; https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import hashlib
import re

import orjson

from turnout.core.errors import UpstreamBroken
from turnout.core.json import Json, JsonMap
from turnout.core.target import Target
from turnout.wire.gemini.errors import failed
from turnout.wire.gemini.usage import parse_usage
from turnout.wire.neutral import (
    Ended,
    Event,
    Failed,
    Finished,
    PartDelta,
    PartKind,
    PartSigned,
    PartStarted,
    PartStopped,
    Started,
    StopReason,
    Usage,
    UsageReported,
)

_STOP_REASONS: dict[str, StopReason] = {
    "STOP": "end",
    "MAX_TOKENS": "max_tokens",
    "CONTINUATION": "max_tokens",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
}
"""Any other reason (MALFORMED_FUNCTION_CALL, OTHER, one not known yet) is a failure: there is no answer to show."""
_UNFIT = re.compile(r"[^A-Za-z0-9_-]")
"""What may not stand in a tool call's id at Anthropic."""


class Answer:
    """Turns the objects of one answer into events. Owns the state between them."""

    __slots__ = (
        "_blocked",
        "_call_ids",
        "_finish",
        "_finish_message",
        "_id",
        "_kind",
        "_next",
        "_target",
        "_usage",
        "over",
    )

    def __init__(self, target: Target) -> None:
        self._target = target
        self._id: str | None = None
        self._next = 0
        self._kind: PartKind | None = None
        """What the part at `_next - 1` is, while it is open."""
        self._call_ids: set[str] = set()
        self._finish: str | None = None
        self._finish_message: str | None = None
        self._blocked = False
        self._usage: Usage | None = None
        self.over = False
        """An error or the end was given; nothing follows."""

    def take(self, chunk: JsonMap) -> list[Event]:
        """The events of one object."""
        error = chunk.get("error")
        if error:
            self.over = True
            return [failed(error) if isinstance(error, dict) else Failed(str(error))]
        events: list[Event] = []
        raw = chunk.get("usageMetadata")
        usage = parse_usage(raw) if isinstance(raw, dict) else None
        if self._id is None:
            self._start(chunk, usage, events)
        elif usage is not None and usage != self._usage:
            events.append(UsageReported(usage))
        self._usage = usage or self._usage
        feedback = chunk.get("promptFeedback")
        self._blocked = self._blocked or (isinstance(feedback, dict) and bool(feedback.get("blockReason")))
        candidates = chunk.get("candidates")
        first = candidates[0] if isinstance(candidates, list) and candidates else None
        if isinstance(first, dict):
            self._candidate(first, events)
        return events

    def end(self) -> list[Event]:
        """Call when there are no more objects. Raises UpstreamBroken where the answer is not complete."""
        if self.over:
            return []
        self.over = True
        events: list[Event] = []
        self._stop(events)
        if self._finish is None and not self._blocked:
            raise UpstreamBroken(f"The answer of {self._target.provider} ended without a finish reason.")
        finish = self._finish or "PROHIBITED_CONTENT"
        reason = _STOP_REASONS.get(finish)
        if reason is None:
            shown = self._finish_message or f"The model stopped with '{finish}' instead of an answer."
            return [*events, Failed(shown, finish, 502)]
        if reason == "end" and self._call_ids:
            reason = "tool_calls"
        return [*events, Finished(reason), Ended()]

    def _start(self, chunk: JsonMap, usage: Usage | None, events: list[Event]) -> None:
        given, model = chunk.get("responseId"), chunk.get("modelVersion")
        self._id = given if isinstance(given, str) else ""
        events.append(Started(self._id, model if isinstance(model, str) and model else self._target.model, usage))

    def _candidate(self, candidate: JsonMap, events: list[Event]) -> None:
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        for part in parts if isinstance(parts, list) else []:
            if isinstance(part, dict):
                self._part(part, events)
        finish, message = candidate.get("finishReason"), candidate.get("finishMessage")
        if isinstance(finish, str) and finish != "FINISH_REASON_UNSPECIFIED":
            self._finish = finish
            self._finish_message = message if isinstance(message, str) and message else None

    def _part(self, part: JsonMap, events: list[Event]) -> None:
        text, signature = part.get("text"), part.get("thoughtSignature")
        signature = signature if isinstance(signature, str) and signature else None
        call = part.get("functionCall")
        if isinstance(call, dict):
            self._call(call, signature, events)
        elif part.get("thought") is True:
            self._thought(text if isinstance(text, str) else "", signature, events)
        elif isinstance(text, str):
            if text:
                self._open("text", events)
                events.append(PartDelta(self._next - 1, text))
        else:
            self._opaque(part, events)

    def _thought(self, text: str, signature: str | None, events: list[Event]) -> None:
        if text or signature:
            self._open("thinking", events)
        if text:
            events.append(PartDelta(self._next - 1, text))
        if signature:
            events.append(PartSigned(self._next - 1, signature))

    def _call(self, call: JsonMap, signature: str | None, events: list[Event]) -> None:
        self._stop(events)
        name, arguments = call.get("name"), call.get("args")
        name = name if isinstance(name, str) else ""
        written = orjson.dumps(arguments if isinstance(arguments, dict) else {}).decode()
        call_id = self._call_id(call.get("id"), name, written)
        index = self._next
        self._next += 1
        events += [
            PartStarted(index, "tool_call", call_id, name, signature=signature),
            PartDelta(index, written),
            PartStopped(index),
        ]

    def _call_id(self, given: Json, name: str, arguments: str) -> str:
        """The call's own id, or one made from the answer's id (from the call itself where there is none)."""
        number = len(self._call_ids)
        if isinstance(given, str) and given:
            call_id = given if given not in self._call_ids else f"{given}_{number}"
        else:
            seed = self._id or hashlib.sha256(f"{name}\n{arguments}".encode()).hexdigest()[:16]
            call_id = f"call_{_UNFIT.sub('-', seed)}_{number}"
        self._call_ids.add(call_id)
        return call_id

    def _opaque(self, part: JsonMap, events: list[Event]) -> None:
        """Generated images, executed code and what comes next: carried whole, named by its first member."""
        kind = next((key for key, value in part.items() if isinstance(value, dict)), None)
        if kind is None:
            return  # an empty part, or a signature alone
        self._stop(events)
        events += [PartStarted(self._next, "opaque", raw={"type": kind, **part}), PartStopped(self._next)]
        self._next += 1

    def _open(self, kind: PartKind, events: list[Event]) -> None:
        if self._kind == kind:
            return
        self._stop(events)
        self._kind = kind
        events.append(PartStarted(self._next, kind))
        self._next += 1

    def _stop(self, events: list[Event]) -> None:
        if self._kind is not None:
            self._kind = None
            events.append(PartStopped(self._next - 1))
