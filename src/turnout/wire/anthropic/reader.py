"""An upstream's Messages stream to neutral events.

https://platform.claude.com/docs/en/build-with-claude/streaming

Rules
1. The `type` in the data decides, not the `event:` line. Unknown types, and deltas of unknown type, are skipped.
2. A block of a kind without a neutral form (server tools) is collected and given whole at its end.
3. Blocks that the provider forgot to stop are stopped at the end. Everything else out of order is `UpstreamBroken`.
4. What went wrong is raised after the events before it were given, wherever the bytes were cut.
"""

from __future__ import annotations

import orjson

from turnout.core.errors import UpstreamBroken
from turnout.core.json import Json, JsonObject
from turnout.core.target import Target
from turnout.wire.anthropic.errors import STATUS_OF_TYPE, fault_of
from turnout.wire.anthropic.response import parse_reason
from turnout.wire.anthropic.usage import parse_usage
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
    UsageReported,
)
from turnout.wire.sse import SseEvent, SseParser

_TEXT_OF_DELTA = {"text_delta": "text", "input_json_delta": "partial_json", "thinking_delta": "thinking"}


class _Whole:
    """A block that is given at its end: an opaque one, or a tool call whose input stood in its start."""

    __slots__ = ("block", "pieces")

    def __init__(self, block: JsonObject) -> None:
        self.block = dict(block)
        self.pieces: list[str] = []


class Reader:
    """Reads one stream; see the module's rules."""

    __slots__ = (
        "_broken",
        "_done",
        "_finished",
        "_open",
        "_parser",
        "_started",
        "_target",
        "_usage",
        "_used",
        "_whole",
    )

    def __init__(self, target: Target) -> None:
        self._target = target
        self._parser = SseParser()
        self._started = self._finished = self._done = False
        self._broken: UpstreamBroken | None = None
        self._open: set[int] = set()
        self._used: set[int] = set()
        self._whole: dict[int, _Whole] = {}
        self._usage: JsonObject = {}

    def feed(self, data: bytes) -> list[Event]:
        """Events that `data` completed."""
        if self._broken is not None:
            raise self._broken
        return [] if self._done else self._read(self._parser.feed(data))

    def close(self) -> list[Event]:
        """End of file: fine after `message_stop` or a stop reason, else the stream was cut."""
        if self._broken is not None:
            raise self._broken
        if self._done:
            return []
        events: list[Event] = []
        try:
            for item in self._parser.close():
                self._take(item, events)
        except UpstreamBroken:
            if not self._finished:
                raise
        if self._done:
            return events
        if not self._finished:
            raise UpstreamBroken("The provider's stream ended before the answer was complete.")
        self._end(events)
        return events

    def _read(self, items: list[SseEvent]) -> list[Event]:
        events: list[Event] = []
        try:
            for item in items:
                self._take(item, events)
        except UpstreamBroken as error:
            self._broken = error
            if not events:
                raise
        return events

    def _take(self, item: SseEvent, events: list[Event]) -> None:
        data = item.data
        if self._done:
            return
        if not data or data == b"[DONE]":
            if item.name == b":":
                events.append(Ping())
            return
        try:
            obj: Json = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise UpstreamBroken("The provider sent a stream event that is not valid JSON.") from None
        if not isinstance(obj, dict):
            raise UpstreamBroken("The provider sent a stream event that is not a JSON object.")
        match obj.get("type"):
            case "content_block_delta":
                self._delta(obj, events)
            case "content_block_start":
                self._start_block(obj, events)
            case "content_block_stop":
                self._stop_block(self._index(obj), events)
            case "message_start":
                self._start(obj, events)
            case "message_delta":
                self._message_delta(obj, events)
            case "message_stop":
                if not self._finished:
                    raise UpstreamBroken("The provider ended its stream without a stop reason.")
                self._end(events)
            case "ping":
                events.append(Ping())
            case kind:
                if kind == "error" or isinstance(obj.get("error"), dict):
                    self._fail(obj, events)

    def _start(self, obj: JsonObject, events: list[Event]) -> None:
        message = obj.get("message")
        if self._started or not isinstance(message, dict):
            raise UpstreamBroken("The provider's stream has a wrong 'message_start'.")
        self._started = True
        identity, model = message.get("id"), message.get("model")
        usage = message.get("usage")
        if isinstance(usage, dict):
            self._usage = usage
        events.append(
            Started(
                identity if isinstance(identity, str) else "",
                model if isinstance(model, str) else self._target.model,
                parse_usage(usage),
            )
        )

    def _index(self, obj: JsonObject) -> int:
        index = obj.get("index")
        if not isinstance(index, int) or not self._started:
            raise UpstreamBroken("The provider sent a content event without an index or before 'message_start'.")
        return index

    def _start_block(self, obj: JsonObject, events: list[Event]) -> None:
        index, block = self._index(obj), obj.get("content_block")
        if index in self._used or self._finished or not isinstance(block, dict):
            raise UpstreamBroken(f"The provider started content block {index} out of order.")
        self._used.add(index)
        self._open.add(index)
        match block.get("type"):
            case "text":
                events.append(PartStarted(index, "text"))
                self._add_text(index, block.get("text"), events)
                citations = block.get("citations")
                for citation in citations if isinstance(citations, list) else []:
                    if isinstance(citation, dict):
                        events.append(PartSigned(index, annotation=citation))
            case "thinking":
                events.append(PartStarted(index, "thinking"))
                self._add_text(index, block.get("thinking"), events)
                self._sign(index, block.get("signature"), events)
            case "redacted_thinking":
                data = block.get("data")
                events.append(PartStarted(index, "thinking"))
                events.append(PartSigned(index, encrypted=data if isinstance(data, str) else None))
            case "tool_use":
                call_id, name = block.get("id"), block.get("name")
                if not isinstance(call_id, str) or not isinstance(name, str):
                    raise UpstreamBroken("The provider sent a tool call without an id or a name.")
                events.append(PartStarted(index, "tool_call", call_id, name))
                if block.get("input"):
                    self._whole[index] = _Whole(block)
            case _:
                self._whole[index] = _Whole(block)

    def _delta(self, obj: JsonObject, events: list[Event]) -> None:
        index, delta = obj.get("index"), obj.get("delta")
        if not isinstance(index, int) or index not in self._open or not isinstance(delta, dict):
            raise UpstreamBroken(f"The provider sent more of content block {index}, which is not open.")
        if self._whole and index in self._whole:
            self._collect(index, delta, events)
            return
        kind = delta.get("type")
        key = _TEXT_OF_DELTA.get(kind) if isinstance(kind, str) else None
        if key is not None:
            text = delta.get(key)
            if isinstance(text, str):
                if text:
                    events.append(PartDelta(index, text))
            elif text is not None:
                raise UpstreamBroken(f"The provider sent a '{kind}' whose text is not a string.")
        elif kind == "signature_delta":
            self._sign(index, delta.get("signature"), events)
        elif kind == "citations_delta":
            citation = delta.get("citation")
            if isinstance(citation, dict):
                events.append(PartSigned(index, annotation=citation))

    def _collect(self, index: int, delta: JsonObject, events: list[Event]) -> None:
        whole = self._whole[index]
        piece = delta.get("partial_json")
        if isinstance(piece, str):
            if piece and whole.block.get("type") == "tool_use":
                del self._whole[index]  # the input comes in pieces after all
                events.append(PartDelta(index, piece))
                return
            whole.pieces.append(piece)
            return
        for key, value in delta.items():
            if key != "type":
                old = whole.block.get(key)
                whole.block[key] = old + value if isinstance(old, str) and isinstance(value, str) else value

    def _stop_block(self, index: int, events: list[Event]) -> None:
        if self._finished and index in self._used:
            return  # it was stopped with the answer
        if index not in self._open:
            raise UpstreamBroken(f"The provider stopped content block {index}, which is not open.")
        whole = self._whole.pop(index, None)
        if whole is not None:
            if whole.block.get("type") == "tool_use":
                events.append(PartDelta(index, orjson.dumps(whole.block["input"]).decode()))
            else:
                self._give_opaque(index, whole, events)
        self._open.discard(index)
        events.append(PartStopped(index))

    @staticmethod
    def _give_opaque(index: int, whole: _Whole, events: list[Event]) -> None:
        pieces = "".join(whole.pieces)
        if pieces:
            try:
                whole.block["input"] = orjson.loads(pieces)
            except orjson.JSONDecodeError:
                whole.block["input"] = {"_raw": pieces}
        events.append(PartStarted(index, "opaque", raw=whole.block))

    def _message_delta(self, obj: JsonObject, events: list[Event]) -> None:
        if not self._started:
            raise UpstreamBroken("The provider sent 'message_delta' before 'message_start'.")
        usage = obj.get("usage")
        if isinstance(usage, dict):
            # Counts are cumulative and come piecemeal; the neutral input count needs all three of its classes.
            self._usage = self._usage | {key: value for key, value in usage.items() if value is not None}
            report = parse_usage(self._usage)
            if report is not None:
                events.append(UsageReported(report))
        delta = obj.get("delta")
        reason = delta.get("stop_reason") if isinstance(delta, dict) else None
        if isinstance(delta, dict) and isinstance(reason, str) and not self._finished:
            # A block whose stop was forgotten, or which is given only whole, ends here: no part starts after Finished.
            self._close_blocks(events)
            self._finished = True
            sequence = delta.get("stop_sequence")
            events.append(Finished(parse_reason(reason), sequence if isinstance(sequence, str) else None))

    def _close_blocks(self, events: list[Event]) -> None:
        for index in sorted(self._open):
            self._stop_block(index, events)

    def _end(self, events: list[Event]) -> None:
        self._done = True
        events.append(Ended())

    def _fail(self, obj: JsonObject, events: list[Event]) -> None:
        fault = fault_of(obj)
        self._done = True
        events.append(Failed(fault.message, fault.code, STATUS_OF_TYPE.get(fault.code or "", 502)))

    @staticmethod
    def _add_text(index: int, text: Json, events: list[Event]) -> None:
        if isinstance(text, str) and text:
            events.append(PartDelta(index, text))

    @staticmethod
    def _sign(index: int, signature: Json, events: list[Event]) -> None:
        if isinstance(signature, str) and signature:
            events.append(PartSigned(index, signature))


def reader(target: Target) -> Reader:
    """A reader of one stream from `target`."""
    return Reader(target)
