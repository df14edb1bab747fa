"""From stream events to a whole response, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from turnout.core.target import Dialect
from turnout.wire.neutral import (
    Ended,
    Event,
    Finished,
    Opaque,
    Part,
    PartDelta,
    PartSigned,
    PartStarted,
    PartStopped,
    Response,
    Started,
    StopReason,
    Text,
    Thinking,
    ToolCall,
    Usage,
    UsageReported,
)


def merge_usage(old: Usage | None, new: Usage) -> Usage:
    """`new` over `old`, field by field: what `new` does not report keeps the old value."""
    if old is None:
        return new
    changes = {f.name: getattr(new, f.name) for f in dataclasses.fields(Usage)}
    kept = {name: value for name, value in changes.items() if value is not None and value != {}}
    return dataclasses.replace(old, **kept)


class _Open:
    __slots__ = ("annotations", "encrypted", "signature", "start", "texts")

    def __init__(self, start: PartStarted) -> None:
        self.start = start
        self.texts: list[str] = []
        self.signature = start.signature
        self.encrypted: str | None = None
        self.annotations: list[dict[str, object]] = []


class Assembler:
    """Collects the events of one stream. `origin` marks the provider of private values."""

    def __init__(self, dialect: Dialect, origin: str | None = None) -> None:
        self._dialect = dialect
        self._origin = origin
        self._parts: dict[int, _Open] = {}
        self.id = ""
        self.model = ""
        self.created: int | None = None
        self.usage: Usage | None = None
        self.stop_reason: StopReason | None = None
        self.stop_sequence: str | None = None

    def add(self, event: Event) -> None:
        """Takes one event."""
        match event:
            case PartDelta(index=index, text=text):
                self._parts[index].texts.append(text)
            case Started():
                self.id, self.model, self.created = event.id, event.model, event.created
                if event.usage is not None:
                    self.usage = merge_usage(self.usage, event.usage)
            case PartStarted(index=index):
                self._parts[index] = _Open(event)
            case PartSigned(index=index):
                part = self._parts[index]
                part.signature = event.signature or part.signature
                part.encrypted = event.encrypted or part.encrypted
                if event.annotation is not None:
                    part.annotations.append(dict(event.annotation))
            case UsageReported(usage=usage):
                self.usage = merge_usage(self.usage, usage)
            case Finished():
                self.stop_reason, self.stop_sequence = event.reason, event.stop_sequence
            case _:
                pass

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts so far, in order of their index."""
        return tuple(self._part(self._parts[index]) for index in sorted(self._parts))

    def response(self) -> Response:
        """The whole answer. Call it after `Finished`."""
        assert self.stop_reason is not None, "a response is complete only after Finished"
        return Response(
            id=self.id,
            model=self.model,
            parts=self.parts,
            stop_reason=self.stop_reason,
            stop_sequence=self.stop_sequence,
            usage=self.usage,
            created=self.created,
        )

    def _part(self, part: _Open) -> Part:
        start, text = part.start, "".join(part.texts)
        if start.kind == "text":
            return Text(text=text, refusal=start.refusal, annotations=tuple(part.annotations))  # pyright: ignore[reportArgumentType] annotations are Json objects by construction
        if start.kind == "thinking":
            return Thinking(
                text=text,
                signature=part.signature,
                encrypted=part.encrypted,
                item_id=start.item_id,
                origin=self._origin,
            )
        if start.kind == "tool_call":
            return ToolCall(
                id=start.call_id or "",
                name=start.name or "",
                arguments=text,
                custom=start.custom,
                signature=part.signature,
                origin=self._origin,
            )
        raw = start.raw or {}
        kind = raw.get("type")
        return Opaque(dialect=self._dialect, kind=kind if isinstance(kind, str) else "unknown", raw=raw)


def assemble(events: Iterable[Event], dialect: Dialect, origin: str | None = None) -> Response:
    """The response that a complete stream amounts to."""
    assembler = Assembler(dialect, origin)
    for event in events:
        assembler.add(event)
    return assembler.response()


def replay(response: Response) -> Iterator[Event]:
    """The shortest stream that amounts to `response`."""
    yield Started(response.id, response.model, None, response.created)
    for index, part in enumerate(response.parts):
        match part:
            case Text():
                yield PartStarted(index, "text", refusal=part.refusal)
                if part.text:
                    yield PartDelta(index, part.text)
                for annotation in part.annotations:
                    yield PartSigned(index, annotation=annotation)
            case Thinking():
                yield PartStarted(index, "thinking", item_id=part.item_id)
                if part.text:
                    yield PartDelta(index, part.text)
                if part.signature or part.encrypted:
                    yield PartSigned(index, part.signature, part.encrypted)
            case ToolCall():
                yield PartStarted(index, "tool_call", part.id, part.name, custom=part.custom, signature=part.signature)
                if part.arguments:
                    yield PartDelta(index, part.arguments)
            case Opaque():
                yield PartStarted(index, "opaque", raw=part.raw)
            case _:
                raise AssertionError(f"{type(part).__name__} can't stand in a response")
        yield PartStopped(index)
    yield Finished(response.stop_reason, response.stop_sequence)
    if response.usage is not None:
        yield UsageReported(response.usage)
    yield Ended()
