"""What one attempt's answer amounted to: usage, stop reason, and the reasoning worth keeping."""

from __future__ import annotations

from collections.abc import Sequence

from turnout.core.target import Target
from turnout.wire.assemble import Assembler, merge_usage
from turnout.wire.estimate import answer_tokens
from turnout.wire.neutral import (
    Ended,
    Event,
    Failed,
    Finished,
    Part,
    PartDelta,
    PartSigned,
    PartStarted,
    Response,
    Started,
    Text,
    Usage,
    UsageReported,
)


class Tally:
    """Follows the events of a stream, or takes a whole response."""

    __slots__ = ("_letters", "_private", "_texts", "_whole", "content", "ended", "failed", "finished", "usage")

    def __init__(self, target: Target) -> None:
        self._private = Assembler(target.dialect, target.provider)
        """Reasoning and tool calls only: words are counted, not kept."""
        self._letters = 0
        self._texts: set[int] = set()
        self._whole: Response | None = None
        self.usage: Usage | None = None
        self.content = False
        """Something that a caller would call an answer has come."""
        self.finished = self.ended = False
        self.failed: Failed | None = None

    def add(self, events: Sequence[Event]) -> None:
        """Takes some events in order."""
        for event in events:
            if type(event) is PartDelta:
                self.content = True
                if event.index in self._texts:
                    text = event.text
                    # Four ASCII letters are a token, and so is any other letter: as `wire.estimate` counts.
                    self._letters += (
                        len(text) if text.isascii() else 4 * len(text) - 3 * len(text.encode("ascii", "ignore"))
                    )
                else:
                    self._private.add(event)
            else:
                self._rare(event)

    def _rare(self, event: Event) -> None:
        match event:
            case PartStarted(kind="text", index=index):
                self._texts.add(index)
            case PartStarted():
                self.content = True
                self._private.add(event)
            case PartSigned(index=index):
                if index not in self._texts:
                    self._private.add(event)
            case UsageReported(usage=usage) | Started(usage=Usage() as usage):
                self.usage = merge_usage(self.usage, usage)
            case Finished():
                self.finished = self.content = True
            case Ended():
                self.ended = True
            case Failed():
                self.failed = event
            case _:
                pass

    def whole(self, response: Response) -> None:
        """Takes a response that came in one piece."""
        self.usage = response.usage
        self._whole = response
        self.content = self.finished = self.ended = True

    @property
    def private_parts(self) -> tuple[Part, ...]:
        """Reasoning and tool calls of a stream."""
        return self._private.parts

    def estimated_usage(self, input_tokens: int) -> Usage:
        """Where the provider's counts never came: our own of what was sent and seen."""
        if self._whole is not None:
            return Usage(input_tokens=input_tokens, output_tokens=answer_tokens(self._whole.parts))
        spoken = (self._letters + 3) // 4 + answer_tokens(p for p in self.private_parts if not isinstance(p, Text))
        return Usage(input_tokens=input_tokens, output_tokens=spoken)
