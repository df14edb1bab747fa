"""The legal order of stream events. An illegal move raises and changes nothing.

    state      Started  PartStarted  PartDelta/Signed/Stopped  UsageReported  Finished  Ended   Failed
    new        open     -            -                         -              -         -       failed
    open       -        open         open (part must be open)  open           finished  -       failed
    finished   -        -            finished (part open)      finished       -         ended   failed
    ended      -        -            -                         -              -         -       -
    failed     -        -            -                         -              -         -       -

Ping is legal before the end. An index is used once. A reader that has no `Started` of its own makes one up.
"""

from __future__ import annotations

from typing import Literal

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

Phase = Literal["new", "open", "finished", "ended", "failed"]


class IllegalEvent(Exception):
    """A reader or a writer broke the order of events: a defect of ours, not of the provider."""


class StreamState:
    """Follows one stream."""

    __slots__ = ("_used", "open_parts", "phase")

    def __init__(self) -> None:
        self.phase: Phase = "new"
        self.open_parts: set[int] = set()
        self._used: set[int] = set()

    def move(self, event: Event) -> None:
        """Takes one event, or raises IllegalEvent."""
        phase = self.phase
        if phase in ("ended", "failed"):
            raise IllegalEvent(f"{type(event).__name__} after the stream has {phase}")
        match event:
            case Ping():
                return
            case Started():
                self._require(phase == "new", event)
                self.phase = "open"
            case PartStarted(index=index):
                self._require(phase == "open" and index not in self._used, event)
                self._used.add(index)
                self.open_parts.add(index)
            case PartDelta(index=index) | PartSigned(index=index):
                self._require(index in self.open_parts, event)
            case PartStopped(index=index):
                self._require(index in self.open_parts, event)
                self.open_parts.discard(index)
            case UsageReported():
                self._require(phase in ("open", "finished"), event)
            case Finished():
                self._require(phase == "open", event)
                self.phase = "finished"
            case Ended():
                self._require(phase == "finished" and not self.open_parts, event)
                self.phase = "ended"
            case Failed():
                self.phase = "failed"

    def _require(self, legal: bool, event: Event) -> None:
        if not legal:
            raise IllegalEvent(f"{event!r} is not legal in state '{self.phase}' with parts {self.open_parts} open")
