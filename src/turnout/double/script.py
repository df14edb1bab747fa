"""What the double is told to answer: replies made of steps. Knows no dialect and no socket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from turnout.double.record import Received, Tokens


@dataclass(frozen=True, slots=True)
class Send:
    """Writes these bytes, with one write."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Says nothing for that many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Repeat:
    """Writes the same bytes again and again: `times` times, or until the peer goes away when None."""

    data: bytes
    times: int | None = None
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Reset:
    """Drops the connection with a TCP reset."""


@dataclass(frozen=True, slots=True)
class Close:
    """Ends the connection in the ordinary way (FIN), wherever the answer stands."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Says nothing more, and keeps the connection open until the peer closes it."""


Step: TypeAlias = "Send | Wait | Repeat | Reset | Close | Stall"
Framing = Literal["length", "chunked", "close", "raw"]
"""How the body's end is marked: by content-length, by chunks, by the end of the connection; `raw`: the steps are all
that is written, status line and headers included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer. `body` holds the steps after the headers; each `Send` becomes one HTTP chunk when chunked."""

    status: int = 200
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: tuple[Step, ...] = ()
    framing: Framing = "length"
    delay: float = 0.0
    """Seconds of silence before the status line."""
    split: int | None = None
    """Cuts everything that is written into pieces of this many bytes, each in a TCP write of its own."""
    split_pause: float = 0.0
    """Seconds between these pieces; 0 lets the network join them again."""
    tokens: Tokens | None = None
    """What this answer costs, for the double's own bill; None: nothing is billed."""

    @property
    def content(self) -> bytes:
        """The body's bytes, without pauses (an endless `Repeat` counts once)."""
        parts: list[bytes] = []
        for step in self.body:
            if isinstance(step, Send):
                parts.append(step.data)
            elif isinstance(step, Repeat):
                parts.append(step.data * (step.times or 1))
        return b"".join(parts)


Script: TypeAlias = "Sequence[Reply] | Callable[[Received], Reply]"
"""Replies in order of arrival (the last one serves all further requests), or a function of the request."""


def text(body: bytes | str, *, status: int = 200, content_type: str = "text/plain") -> Reply:
    """A plain answer with a content-length."""
    data = body.encode() if isinstance(body, str) else body
    return Reply(status=status, headers=(("content-type", content_type),), body=(Send(data),) if data else ())


def json(body: bytes, *, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Reply:
    """A JSON answer with a content-length."""
    return Reply(status=status, headers=(("content-type", "application/json"), *headers), body=(Send(body),))


def sse(frames: Sequence[bytes], *, tokens: Tokens | None = None) -> Reply:
    """A stream of server-sent events, one chunk for each frame."""
    return Reply(
        headers=(("content-type", "text/event-stream"), ("cache-control", "no-cache")),
        body=tuple(Send(frame) for frame in frames),
        framing="chunked",
        tokens=tokens,
    )


def raw(*steps: Step | bytes) -> Reply:
    """Exactly these bytes on the connection; status line and headers are yours to write."""
    return Reply(framing="raw", body=tuple(Send(step) if isinstance(step, bytes) else step for step in steps))
