"""OpenAI Responses, the stream: events to bytes.

The order is the API's own: `response.created`, `response.in_progress`, then per item `output_item.added`, its parts,
`output_item.done`, and at last the whole response in `response.completed`, `.incomplete` or `.failed`. Codex takes
nothing else for an end; it passes over `event: error` (pain case 25). Texts in a row are the content of one message,
so a message stays open until something else begins. Every event carries its type twice, and a number that grows.
"""

from __future__ import annotations

import orjson

from turnout.core.errors import TurnoutError
from turnout.core.json import Json, JsonMap, JsonObject
from turnout.wire.assemble import merge_usage
from turnout.wire.bridging import unwrap_custom
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
    StopReason,
    Usage,
    UsageReported,
)
from turnout.wire.openai_responses.errors import rejected, response_error
from turnout.wire.openai_responses.output import (
    OPAQUE_ITEMS,
    Ids,
    ItemStatus,
    call_item,
    envelope,
    message_item,
    outcome_of,
    reasoning_item,
    text_content,
)
from turnout.wire.openai_responses.usage import render_usage

PING = b": keep-alive\n\n"


class _Message:
    """A message that may still grow."""

    __slots__ = ("content", "item_id", "open", "output_index", "sealed")

    def __init__(self, item_id: str, output_index: int) -> None:
        self.item_id = item_id
        self.output_index = output_index
        self.content: list[Json] = []
        self.open = 0
        self.sealed = False


class _Part:
    """An open part: the place and the bytes that its deltas share."""

    __slots__ = ("annotations", "encrypted", "head", "place", "start", "tail", "texts", "word")

    def __init__(self, start: PartStarted, word: str, place: JsonObject) -> None:
        self.start = start
        self.word = word
        """The event's name without `.delta`; empty for a part that is written at its end."""
        self.place = place
        """Item, output index, and index within the item."""
        kind = f"response.{word}.delta"
        fields = orjson.dumps({"type": kind, **place})[:-1]
        self.head = f"event: {kind}\ndata: ".encode() + fields + b',"delta":'
        self.tail = b',"logprobs":[],"sequence_number":' if word == "output_text" else b',"sequence_number":'
        self.texts: list[str] = []
        self.annotations: list[Json] = []
        self.encrypted: str | None = None


class ResponsesWriter:
    """Writes one stream."""

    __slots__ = (
        "_answering", "_custom", "_envelope", "_ids", "_items", "_message", "_messages", "_over", "_parts", "_reason",
        "_refused", "_sequence", "_usage",
    )  # fmt: skip

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._custom = answering.request.custom_tools()
        self._ids = Ids(answering)
        self._envelope: JsonObject | None = None
        self._sequence = 0
        self._items: list[JsonObject | None] = []
        """Finished items by output index."""
        self._parts: dict[int, _Part] = {}
        self._message: _Message | None = None
        self._messages: dict[int, _Message] = {}
        """The message of each open text part."""
        self._usage: Usage | None = None
        self._reason: StopReason | None = None
        self._refused = False
        self._over = False

    def write(self, event: Event) -> bytes:
        """See `codec.StreamWriter`."""
        if type(event) is PartDelta:  # the hot path
            return self._delta(event)
        if self._over:
            return b""
        match event:
            case Started():
                return self._begin(event)
            case PartStarted():
                return self._start(event)
            case PartSigned():
                return self._sign(event)
            case PartStopped(index=index):
                return self._stop(index)
            case UsageReported(usage=usage):
                self._usage = merge_usage(self._usage, usage)
            case Finished(reason=reason):
                self._reason = reason
                return self._seal()
            case Ended():
                return self._end()
            case Failed():
                return self.fail(rejected(event))
            case Ping():
                return PING
            case _:
                pass
        return b""

    def fail(self, error: TurnoutError) -> bytes:
        """See `codec.StreamWriter`. A whole response that failed, also where none had begun."""
        if self._over:
            return b""
        self._over = True
        body = self._envelope or envelope(self._answering, "", None)
        return self._final("failed", {**body, "status": "failed", "error": response_error(error)})

    def ping(self) -> bytes:
        """A comment."""
        return PING

    # ---- the response --------------------------------------------------------------------

    def _event(self, name: str, fields: JsonMap) -> bytes:
        kind = f"response.{name}"
        data = orjson.dumps({"type": kind, **fields, "sequence_number": self._sequence})
        self._sequence += 1
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

    def _begin(self, event: Started) -> bytes:
        self._usage = event.usage
        body = envelope(self._answering, event.id, event.created)
        self._envelope = body
        return self._event("created", {"response": body}) + self._event("in_progress", {"response": body})

    def _end(self) -> bytes:
        self._over = True
        outcome = outcome_of(self._reason or "end", refused=self._refused)
        body = {**(self._envelope or envelope(self._answering, "", None)), "status": outcome.status}
        if outcome.reason is not None:
            body["incomplete_details"] = {"reason": outcome.reason}
        return self._final(outcome.status, body)

    def _final(self, name: str, body: JsonObject) -> bytes:
        body["output"] = [item for item in self._items if item is not None]
        body["usage"] = render_usage(self._usage)
        return self._event(name, {"response": body})

    # ---- items ---------------------------------------------------------------------------

    def _status(self) -> ItemStatus:
        return "incomplete" if self._reason in ("max_tokens", "context_exceeded", "content_filter") else "completed"

    def _add(self, item: JsonObject) -> tuple[int, bytes]:
        index = len(self._items)
        self._items.append(None)
        return index, self._event("output_item.added", {"output_index": index, "item": item})

    def _done(self, index: int, item: JsonObject) -> bytes:
        self._items[index] = item
        return self._event("output_item.done", {"output_index": index, "item": item})

    def _seal(self) -> bytes:
        """No more content comes to the current message."""
        message, self._message = self._message, None
        if message is None:
            return b""
        message.sealed = True
        return b"" if message.open else self._close_message(message)

    def _close_message(self, message: _Message) -> bytes:
        return self._done(message.output_index, message_item(message.item_id, message.content, self._status()))

    # ---- parts ---------------------------------------------------------------------------

    def _start(self, event: PartStarted) -> bytes:
        if event.kind == "text":
            return self._start_text(event)
        if event.kind == "opaque":
            return self._opaque(event.raw or {})
        head = self._seal()
        if event.kind == "thinking":
            item_id = self._ids.reasoning(event.item_id)
            index, added = self._add(reasoning_item(item_id, "", None, "in_progress"))
            place: JsonObject = {"item_id": item_id, "output_index": index, "summary_index": 0}
            self._parts[event.index] = _Part(event, "reasoning_summary_text", place)
            return head + added
        custom = event.custom or event.name in self._custom
        item_id = self._ids.next("ctc" if custom else "fc")
        item = call_item(item_id, event.call_id or "", event.name or "", "", "in_progress", custom=custom)
        index, added = self._add(item)
        word = "custom_tool_call_input" if custom else "function_call_arguments"
        bridged = custom and not event.custom
        place = {"item_id": item_id, "output_index": index}
        self._parts[event.index] = _Part(event, "" if bridged else word, place)
        return head + added

    def _start_text(self, event: PartStarted) -> bytes:
        message, added = self._message, b""
        if message is None:
            item_id = self._ids.next("msg")
            index, added = self._add(message_item(item_id, [], "in_progress"))
            message = self._message = _Message(item_id, index)
        place: JsonObject = {
            "item_id": message.item_id,
            "output_index": message.output_index,
            "content_index": len(message.content),
        }
        empty = text_content("", [], refusal=event.refusal)
        message.content.append(empty)
        message.open += 1
        self._refused = self._refused or event.refusal
        self._messages[event.index] = message
        self._parts[event.index] = _Part(event, "refusal" if event.refusal else "output_text", place)
        return added + self._event("content_part.added", {**place, "part": empty})

    def _opaque(self, raw: JsonMap) -> bytes:
        if raw.get("type") not in OPAQUE_ITEMS:
            return b""
        head, item = self._seal(), dict(raw)
        index, added = self._add(item)
        return head + added + self._done(index, item)

    def _delta(self, event: PartDelta) -> bytes:
        part = self._parts.get(event.index)
        if part is None or self._over:
            return b""
        head = b""
        if not part.texts and part.word == "reasoning_summary_text":
            empty: JsonObject = {"type": "summary_text", "text": ""}
            head = self._event("reasoning_summary_part.added", {**part.place, "part": empty})
        part.texts.append(event.text)
        if not part.word:
            return b""
        number = self._sequence
        self._sequence = number + 1
        return head + part.head + orjson.dumps(event.text) + part.tail + b"%d}\n\n" % number

    def _sign(self, event: PartSigned) -> bytes:
        part = self._parts.get(event.index)
        if part is None:
            return b""
        part.encrypted = event.encrypted or part.encrypted
        if event.annotation is None or part.word != "output_text":
            return b""
        found: Json = dict(event.annotation)
        fields: JsonObject = {**part.place, "annotation_index": len(part.annotations), "annotation": found}
        part.annotations.append(found)
        return self._event("output_text.annotation.added", fields)

    def _stop(self, index: int) -> bytes:
        part = self._parts.pop(index, None)
        if part is None:
            return b""
        text = "".join(part.texts)
        if part.start.kind == "text":
            return self._stop_text(index, part, text)
        if part.start.kind == "thinking":
            return self._stop_thinking(part, text)
        return self._stop_call(part, text)

    def _stop_text(self, index: int, part: _Part, text: str) -> bytes:
        message = self._messages.pop(index)
        refusal = part.word == "refusal"
        content = text_content(text, part.annotations, refusal=refusal)
        place = part.place["content_index"]
        assert isinstance(place, int)
        message.content[place] = content
        message.open -= 1
        whole: JsonObject = {"refusal": text} if refusal else {"text": text, "logprobs": []}
        out = self._event(f"{part.word}.done", {**part.place, **whole})
        out += self._event("content_part.done", {**part.place, "part": content})
        return out + (self._close_message(message) if message.sealed and not message.open else b"")

    def _stop_thinking(self, part: _Part, text: str) -> bytes:
        out = b""
        if text:
            out += self._event("reasoning_summary_text.done", {**part.place, "text": text})
            summary: JsonObject = {"type": "summary_text", "text": text}
            out += self._event("reasoning_summary_part.done", {**part.place, "part": summary})
        own = part.start.item_id is not None and part.start.item_id == part.place["item_id"]
        item_id = str(part.place["item_id"])
        return out + self._item_done(
            part, reasoning_item(item_id, text, part.encrypted if own else None, self._status())
        )

    def _stop_call(self, part: _Part, text: str) -> bytes:
        custom = part.word != "function_call_arguments"
        out = b""
        if not part.word:  # a function that stood for a custom tool
            text = unwrap_custom(text)
            out = self._event("custom_tool_call_input.delta", {**part.place, "delta": text})
        if custom:
            out += self._event("custom_tool_call_input.done", {**part.place, "input": text})
        else:
            out += self._event(
                "function_call_arguments.done", {**part.place, "name": part.start.name, "arguments": text}
            )
        call_id, name = part.start.call_id or "", part.start.name or ""
        item = call_item(str(part.place["item_id"]), call_id, name, text, self._status(), custom=custom)
        return out + self._item_done(part, item)

    def _item_done(self, part: _Part, item: JsonObject) -> bytes:
        index = part.place["output_index"]
        assert isinstance(index, int)
        return self._done(index, item)
