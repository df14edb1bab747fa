"""OpenAI Responses, the stream: bytes to events.

Source: openai-python 3.54 `types/responses/response_stream_event.py`. Servers that imitate the API leave things
out, so:

1. A text opens where it is announced, or at its first delta; reasoning at its first delta. What the deltas did not
   bring is taken from the `done` event, the finished item, or at last from the response in the terminal event.
2. A call opens at `output_item.added`, where its name stands; without a name it waits for `output_item.done`.
3. Reasoning is one part per item; a summary and the reasoning itself are two parts with one `item_id`. The parts of a
   summary are separated by a blank line.
4. Items that we only carry (web search and such) are given whole, at `output_item.done`.
5. Events of a type that is not known are passed over. A stream ends with `response.completed`, `response.incomplete`,
   `response.failed` or `error`; without one of them it was cut.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from turnout.core.errors import UpstreamBroken
from turnout.core.json import Json, JsonMap
from turnout.core.target import Target
from turnout.wire.neutral import (
    Ended,
    Event,
    Finished,
    PartDelta,
    PartSigned,
    PartStarted,
    PartStopped,
    Ping,
    Started,
    UsageReported,
)
from turnout.wire.openai_responses.errors import failed
from turnout.wire.openai_responses.items import citations
from turnout.wire.openai_responses.output import created_at, stop_reason
from turnout.wire.openai_responses.usage import parse_usage
from turnout.wire.sse import SseEvent, SseParser

MAX_EVENT_BYTES = 32 << 20
"""The terminal event repeats the whole answer, and an image in it is one string of base64."""

Where = tuple[Json, Json, str]
"""Output index, index within the item, family: what a delta belongs to."""

_DELTAS: dict[str, tuple[str, str]] = {
    "response.output_text.delta": ("text", "content_index"),
    "response.refusal.delta": ("refusal", "content_index"),
    "response.reasoning_summary_text.delta": ("summary", "summary_index"),
    "response.reasoning_text.delta": ("reasoning", "content_index"),
    "response.function_call_arguments.delta": ("call", "output_index"),
    "response.custom_tool_call_input.delta": ("call", "output_index"),
}
_DONES: dict[str, tuple[str, str, str]] = {
    "response.output_text.done": ("text", "content_index", "text"),
    "response.refusal.done": ("refusal", "content_index", "refusal"),
    "response.reasoning_summary_text.done": ("summary", "summary_index", "text"),
    "response.reasoning_text.done": ("reasoning", "content_index", "text"),
    "response.function_call_arguments.done": ("call", "output_index", "arguments"),
    "response.custom_tool_call_input.done": ("call", "output_index", "input"),
}
_BEGINNINGS = frozenset({"response.created", "response.in_progress", "response.queued"})
_INDICES = ("output_index", "content_index", "summary_index")
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}


class _Part:
    """A part that is open, or a stretch of one: the parts of a summary share an index."""

    __slots__ = ("annotations", "family", "index", "length")

    def __init__(self, index: int, family: str) -> None:
        self.index = index
        self.family = family
        self.length = 0
        self.annotations = 0


class _Item:
    """An output item: its open parts by where their deltas say that they stand."""

    __slots__ = ("closed", "index", "item_id", "kind", "over", "parts")

    def __init__(self, kind: str, item_id: str | None, index: int) -> None:
        self.kind = kind
        self.item_id = item_id
        self.index = index
        """The place of the item's first part, kept free so that the order of items is kept."""
        self.parts: dict[Where, _Part] = {}
        self.closed: set[str] = set()
        """Families that are complete: a summary is, when the reasoning itself begins."""
        self.over = False


class ResponsesReader:
    """Reads one stream. See the module's rules."""

    __slots__ = ("_called", "_items", "_next", "_over", "_parts", "_said", "_sse", "_started", "_target")

    def __init__(self, target: Target) -> None:
        self._target = target
        self._sse = SseParser(MAX_EVENT_BYTES)
        self._items: dict[Json, _Item] = {}
        self._parts: dict[Where, _Part] = {}
        self._next = 0
        self._started = False
        self._said = False
        self._called = False
        self._over = False

    def feed(self, data: bytes) -> Sequence[Event]:
        """See `codec.StreamReader`."""
        out: list[Event] = []
        if not self._over:
            for event in self._sse.feed(data):
                self._read(event, out)
        return out

    def close(self) -> Sequence[Event]:
        """See `codec.StreamReader`."""
        out: list[Event] = []
        if not self._over:
            for event in self._sse.close():
                self._read(event, out)
        if not self._over:
            raise UpstreamBroken(f"The stream of {self._target.provider} ended without its terminal event.")
        return out

    def _read(self, event: SseEvent, out: list[Event]) -> None:
        if self._over or event.data == b"[DONE]":
            return
        if not event.data:
            out.append(Ping())
            return
        try:
            body: Json = orjson.loads(event.data)
        except orjson.JSONDecodeError:
            raise UpstreamBroken(f"{self._target.provider} sent a stream event that is not JSON.") from None
        if not isinstance(body, dict):
            raise UpstreamBroken(f"{self._target.provider} sent a stream event that is no object.")
        for name in _INDICES:
            if isinstance(body.get(name), list | dict):
                raise UpstreamBroken(f"{self._target.provider} sent a stream event whose {name} is no number.")
        kind = body.get("type") or event.name.decode(errors="replace")
        delta = _DELTAS.get(kind) if isinstance(kind, str) else None
        if delta is not None:
            self._delta(body, delta[0], delta[1], out)
        elif isinstance(kind, str):
            self._event(kind, body, out)

    def _delta(self, body: JsonMap, family: str, field: str, out: list[Event]) -> None:
        text = body.get("delta")
        if not isinstance(text, str):
            raise UpstreamBroken(f"{self._target.provider} sent a delta that is no text.")
        part = self._parts.get((body.get("output_index"), body.get(field), family))
        if part is None:
            part = self._open(body, family, field, out) if text else None
        if part is not None and text:
            part.length += len(text)
            out.append(PartDelta(part.index, text))

    def _event(self, kind: str, body: JsonMap, out: list[Event]) -> None:
        done = _DONES.get(kind)
        response = body.get("response")
        response = response if isinstance(response, dict) else {}
        if done is not None:
            self._complete(body, done[0], done[1], body.get(done[2]), out)
        elif kind == "response.output_item.added":
            self._added(body, out)
        elif kind == "response.output_item.done":
            item = body.get("item")
            if isinstance(item, dict):
                self._start({}, out)
                self._item_done(self._item(body, item), body.get("output_index"), item, out)
        elif kind == "response.output_text.annotation.added":
            self._annotation(body, out)
        elif kind == "response.content_part.added":
            self._content_added(body, out)
        elif kind == "response.content_part.done":
            self._content_done(body, out)
        elif kind in _BEGINNINGS:
            self._start(response, out)
        elif kind in ("response.completed", "response.incomplete", "response.done"):
            self._end(kind, response, out)
        elif kind in ("response.failed", "response.cancelled"):
            self._fail(response.get("error"), response, out)
        elif kind == "error" or (not kind and body.get("error")):
            self._fail(body.get("error") or dict(body), response, out)
        elif kind == "keepalive":
            out.append(Ping())

    # ---- the response --------------------------------------------------------------------

    def _start(self, response: JsonMap, out: list[Event]) -> None:
        if self._started:
            return
        self._started = True
        found, model = response.get("id"), response.get("model")
        out.append(
            Started(
                found if isinstance(found, str) else "",
                model if isinstance(model, str) and model else self._target.model,
                None,
                created_at(response),
            )
        )

    def _end(self, kind: str, response: JsonMap, out: list[Event]) -> None:
        if not response:
            raise UpstreamBroken(f"{self._target.provider} ended its stream without a response.")
        status = response.get("status")
        if status in ("failed", "cancelled"):
            self._fail(response.get("error"), response, out)
            return
        self._start(response, out)
        self._finish_items(response, out)
        marked = {**response, "status": "incomplete"} if kind == "response.incomplete" else response
        out.append(Finished(stop_reason(marked, called=self._called)))
        self._usage(response, out)
        out.append(Ended())
        self._over = True

    def _finish_items(self, response: JsonMap, out: list[Event]) -> None:
        output = response.get("output")
        items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
        if not self._said:  # the deltas may have been left out altogether
            for i, raw in enumerate(items):
                self._item_done(self._item({"output_index": i}, raw), i, raw, out)
            return
        by_id = {raw["id"]: raw for raw in items if isinstance(raw.get("id"), str)}
        for key, item in list(self._items.items()):
            if not item.over:
                placed = items[key] if isinstance(key, int) and 0 <= key < len(items) else {}
                raw = by_id.get(item.item_id, placed)
                self._item_done(item, key, raw if raw.get("type") == item.kind else {}, out)

    def _usage(self, response: JsonMap, out: list[Event]) -> None:
        usage = parse_usage(response, self._target.quirks)
        if usage is not None:
            out.append(UsageReported(usage))

    def _fail(self, error: Json, response: JsonMap, out: list[Event]) -> None:
        if self._started:
            self._usage(response, out)
        out.append(failed(error))
        self._over = True

    # ---- items ---------------------------------------------------------------------------

    def _item(self, body: JsonMap, raw: JsonMap) -> _Item:
        """The item that an event is about; made up where it was never announced."""
        key = body.get("output_index")
        item = self._items.get(key)
        item_id = raw.get("id") or body.get("item_id")
        item_id = item_id if isinstance(item_id, str) else None
        if item is None or (key is None and item.over):
            kind = raw.get("type")
            item = _Item(kind if isinstance(kind, str) else "message", item_id, self._next)
            self._next += 1
            self._items[key] = item
        return item

    def _added(self, body: JsonMap, out: list[Event]) -> None:
        raw = body.get("item")
        if not isinstance(raw, dict):
            return
        self._start({}, out)
        item = self._item(body, raw)
        if item.kind in _CALLS:
            self._open_call(item, body.get("output_index"), raw, out)

    def _open_call(self, item: _Item, key: Json, raw: JsonMap, out: list[Event]) -> _Part | None:
        call_id, name = raw.get("call_id") or raw.get("id"), raw.get("name")
        if not isinstance(call_id, str) or not isinstance(name, str) or not name:
            return None
        custom = item.kind == "custom_tool_call"
        part = self._place(item, (key, key, "call"))
        out.append(PartStarted(part.index, "tool_call", call_id, name, custom=custom, item_id=item.item_id))
        self._called = True
        self._rest(part, raw.get(_CALLS[item.kind]), out)
        return part

    def _place(self, item: _Item, where: Where) -> _Part:
        """A new part of the item; its first one takes the place that the item has kept."""
        index = item.index
        if item.index < 0:
            index, self._next = self._next, self._next + 1
        item.index = -1
        part = _Part(index, where[2])
        item.parts[where] = self._parts[where] = part
        self._said = True
        return part

    def _open(self, body: JsonMap, family: str, field: str, out: list[Event]) -> _Part | None:
        self._start({}, out)
        item = self._item(body, {"type": "reasoning"} if family in ("summary", "reasoning") else {})
        if item.over or family == "call":
            return None
        where = (body.get("output_index"), body.get(field), family)
        if family in ("summary", "reasoning"):
            return self._open_thinking(item, where, out)
        part = self._place(item, where)
        out.append(PartStarted(part.index, "text", refusal=family == "refusal", item_id=item.item_id))
        return part

    def _open_thinking(self, item: _Item, where: Where, out: list[Event]) -> _Part:
        before = next(reversed(item.parts.values()), None)
        if before is not None and before.family == where[2]:
            part = _Part(before.index, before.family)
            item.parts[where] = self._parts[where] = part
            if where[2] == "summary":
                out.append(PartDelta(part.index, "\n\n"))
            return part
        self._close(item, out)
        part = self._place(item, where)
        out.append(PartStarted(part.index, "thinking", item_id=item.item_id))
        return part

    def _complete(self, body: JsonMap, family: str, field: str, text: Json, out: list[Event]) -> None:
        if not isinstance(text, str) or not text:
            return
        part = self._parts.get((body.get("output_index"), body.get(field), family))
        if part is None and family not in self._item(body, {}).closed:
            part = self._open(body, family, field, out)
        if part is not None:
            self._rest(part, text, out)

    @staticmethod
    def _rest(part: _Part, text: Json, out: list[Event]) -> None:
        """What of the whole text no delta has brought."""
        if isinstance(text, str) and len(text) > part.length:
            out.append(PartDelta(part.index, text[part.length :]))
            part.length = len(text)

    def _annotation(self, body: JsonMap, out: list[Event]) -> None:
        found = body.get("annotation")
        part = self._parts.get((body.get("output_index"), body.get("content_index"), "text"))
        if isinstance(found, dict) and part is not None:
            part.annotations += 1
            out.append(PartSigned(part.index, annotation=found))

    def _content_added(self, body: JsonMap, out: list[Event]) -> None:
        raw = body.get("part")
        kind = raw.get("type") if isinstance(raw, dict) else None
        if kind in ("output_text", "refusal"):
            family = "refusal" if kind == "refusal" else "text"
            if (body.get("output_index"), body.get("content_index"), family) not in self._parts:
                self._open(body, family, "content_index", out)

    def _content_done(self, body: JsonMap, out: list[Event]) -> None:
        raw = body.get("part")
        if isinstance(raw, dict):
            self._content(body, raw, out)

    def _content(self, body: JsonMap, raw: JsonMap, out: list[Event]) -> None:
        family = "refusal" if raw.get("type") == "refusal" else "text"
        if raw.get("type") not in ("output_text", "text", "refusal"):
            return
        self._complete(body, family, "content_index", raw.get("refusal" if family == "refusal" else "text"), out)
        where = (body.get("output_index"), body.get("content_index"), family)
        part = self._parts.get(where)
        if part is None:
            return
        for each in citations(raw)[part.annotations :]:
            out.append(PartSigned(part.index, annotation=each))
            part.annotations += 1

    def _item_done(self, item: _Item, key: Json, raw: JsonMap, out: list[Event]) -> None:
        if item.over:
            return
        if item.kind == "message":
            content = raw.get("content")
            for i, part in enumerate(content if isinstance(content, list) else []):
                if isinstance(part, dict):
                    self._content({"output_index": key, "content_index": i}, part, out)
        elif item.kind == "reasoning":
            self._reasoning_done(item, key, raw, out)
        elif item.kind in _CALLS:
            call = self._parts.get((key, key, "call")) or self._open_call(item, key, raw, out)
            if call is not None:
                self._rest(call, raw.get(_CALLS[item.kind]), out)
        elif raw:
            part = self._place(item, (key, key, "opaque"))
            out.append(PartStarted(part.index, "opaque", raw=raw, item_id=item.item_id))
        self._close(item, out)
        item.over = True

    def _reasoning_done(self, item: _Item, key: Json, raw: JsonMap, out: list[Event]) -> None:
        for field, family, index in (
            ("summary", "summary", "summary_index"),
            ("content", "reasoning", "content_index"),
        ):
            found = raw.get(field)
            for i, part in enumerate(found if isinstance(found, list) else []):
                text = part.get("text") if isinstance(part, dict) else None
                self._complete({"output_index": key, index: i}, family, index, text, out)
        sealed = raw.get("encrypted_content")
        if isinstance(sealed, str) and sealed:
            if not item.parts:
                part = self._place(item, (key, None, "sealed"))
                out.append(PartStarted(part.index, "thinking", item_id=item.item_id))
            out.append(PartSigned(next(reversed(item.parts.values())).index, encrypted=sealed))

    def _close(self, item: _Item, out: list[Event]) -> None:
        item.closed.update(part.family for part in item.parts.values())
        for index in dict.fromkeys(part.index for part in item.parts.values()):
            out.append(PartStopped(index))
        for where in item.parts:
            self._parts.pop(where, None)
        item.parts.clear()
