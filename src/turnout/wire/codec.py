"""What a dialect is to the rest of Turnout: a value of functions.

`gateway` looks a Codec up by Dialect and never asks which dialect it holds. All functions are pure; a reader
and a writer hold the state of one stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from turnout.core.errors import TurnoutError
from turnout.core.json import JsonObject
from turnout.core.target import Dialect, Target
from turnout.wire.neutral import Event, Rendered, Request, Response, Thinking


class StreamReader(Protocol):
    """Bytes of an upstream's stream in, neutral events out. Cut the bytes anywhere: the events are the same.

    It raises `UpstreamBroken` at bytes that are no stream of this dialect. Every id and index it
    emits obeys `wire.state`. After `Ended` it ignores what follows (a second `[DONE]`, trailing blanks).
    """

    def feed(self, data: bytes) -> Sequence[Event]:
        """Events that `data` completed."""
        ...

    def close(self) -> Sequence[Event]:
        """Call at end of file. Emits `Ended` where the dialect allows an end without a mark (a finish reason was
        seen); raises `UpstreamBroken` where the stream is cut."""
        ...


class StreamWriter(Protocol):
    """Neutral events in, bytes of the caller's dialect out."""

    def write(self, event: Event) -> bytes:
        """The bytes for one event; may be empty. `Ended` gives the dialect's terminal bytes, exactly once."""
        ...

    def fail(self, error: TurnoutError) -> bytes:
        """The dialect's own in-band error, after which nothing is written. Never a clean terminal mark."""
        ...

    def ping(self) -> bytes:
        """Bytes that keep the connection alive and that every client of the dialect ignores."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """What a response writer needs beside the answer."""

    request: Request
    """What the caller asked (whether usage was asked for, tools, formats to echo)."""
    model: str
    """The model name to show: what the caller asked for."""
    response_id: str
    """Used where the upstream's id does not fit the caller's dialect; unique per request, letters and digits."""
    created: int
    """Seconds since 1970, for dialects that carry a time."""
    input_tokens: int | None = None
    """Our estimate of the prompt, for a dialect that names a count before the provider has told its own."""


class UpstreamFault(NamedTuple):
    """An upstream's error body, read."""

    message: str
    code: str | None
    """The provider's own type or code, e.g. `rate_limit_error`, `context_length_exceeded`."""
    param: str | None


Vault = Callable[[str], "Sequence[Thinking]"]
"""Reasoning that belongs to a tool-call id, as it was when the provider sent it; empty when lost."""


class Adapted(NamedTuple):
    """A same-dialect body after a target's quirks were applied."""

    body: JsonObject
    changed: bool
    dropped: tuple[str, ...] = ()


def usual_status(error: TurnoutError) -> int:
    """The status that the error itself names."""
    return error.status


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One dialect. A dialect that is only spoken upstream (Gemini) has no caller's side, and the other way round."""

    dialect: Dialect
    parse_request: Callable[[JsonObject], Request] | None = None
    """Raises `InvalidField` naming the field."""
    render_request: Callable[[Request, Target, Vault], Rendered] | None = None
    """Raises `Unsupported` naming the caller's field where the target can't express it and may not drop it."""
    adapt: Callable[[JsonObject, Target, Vault], Adapted] | None = None
    """Applies a target's quirks to a body of this same dialect, leaving all else alone. `changed` False means that the
    original bytes may be sent. Does not touch `model`."""
    parse_response: Callable[[JsonObject, Target], Response] | None = None
    """Raises `UpstreamBroken` where the object is no answer of this dialect."""
    render_response: Callable[[Response, Answering], JsonObject] | None = None
    reader: Callable[[Target], StreamReader] | None = None
    writer: Callable[[Answering], StreamWriter] | None = None
    parse_error: Callable[[bytes], UpstreamFault] | None = None
    """Reads an error body; never raises (an HTML page gives a short message that says so)."""
    render_error: Callable[[TurnoutError, str], bytes] | None = None
    """The error body for the caller; the second argument is the request id."""
    error_status: Callable[[TurnoutError], int] = usual_status
    """The HTTP status of an error, where the dialect has one of its own for it."""


def no_vault(_call_id: str) -> Sequence[Thinking]:
    """A vault that holds nothing."""
    return ()
