"""From an upstream's stream to the caller's: whole events only, and the truth about how it ended.

Nothing is forwarded before the first event that bears content, so that until then another deployment can still be
tried (pain cases 19-25, invariant I11). After it, a fault becomes the caller's own kind of error event and never a
clean end.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import orjson

from turnout.core.errors import Fault, TurnoutError, UpstreamBroken, UpstreamRejected
from turnout.core.fault_point import fault_point
from turnout.core.json import Json
from turnout.gateway.outlet import Headers, Outlet
from turnout.gateway.tally import Tally
from turnout.wire.codec import StreamReader, StreamWriter
from turnout.wire.neutral import Ended, Event, Failed

MAX_HELD = 4 << 20
"""Bytes held back before the first content; more is a fault."""


class Lane(Protocol):
    """Makes the caller's bytes out of what came."""

    def take(self, chunk: bytes, events: Sequence[Event]) -> bytes:
        """The bytes that may go out now."""
        ...

    def rest(self, events: Sequence[Event]) -> bytes:
        """What is left at the end of the stream."""
        ...


class ByteLane:
    """Forwards the upstream's own bytes, cut at event boundaries.

    `terminator` is the dialect's last event: added where a provider never sends it, and nothing behind it goes out.
    """

    __slots__ = ("_carry", "_hide_usage", "_latest", "_terminator")

    def __init__(self, *, hide_usage: bool, terminator: bytes) -> None:
        self._carry = self._latest = b""
        self._hide_usage = hide_usage
        self._terminator = terminator

    def take(self, chunk: bytes, events: Sequence[Event]) -> bytes:
        """Whole events of `chunk`; the reader has found no fault in them."""
        if events and type(events[-1]) is Ended:
            return self._last(self._carry + chunk)
        self._latest = chunk
        if self._carry:
            chunk = self._carry + chunk
        if chunk.endswith(b"\n\n"):
            self._carry = b""
            return self._shown(chunk)
        cut = max(chunk.rfind(b"\n\n") + 2, chunk.rfind(b"\r\n\r\n") + 4, chunk.rfind(b"\r\r") + 2)
        if cut < 5 and not chunk.startswith((b"\n\n", b"\r")):
            self._carry = chunk
            return b""
        self._carry = chunk[cut:]
        return self._shown(chunk[:cut])

    def rest(self, events: Sequence[Event]) -> bytes:
        """An event that the stream's end completed, and the end itself where the provider left it out."""
        del events
        carry, self._carry = self._carry, b""
        shown = self._shown(carry.rstrip(b"\r\n") + b"\n\n") if carry.strip() else b""
        # A stream whose lines end with CR has its last event completed by nothing but its end.
        said = carry.strip() or self._latest.rstrip(b"\r\n")
        return shown if is_terminal(said) else shown + self._terminator

    def _last(self, data: bytes) -> bytes:
        """Up to the terminal event: what stands behind it (a second `[DONE]`) is not for the caller."""
        if data.endswith(_DONE) and data.count(b"[DONE]") == 1:  # the usual case
            return self._shown(data)
        start = 0
        for end in _EVENT_END.finditer(data):
            event = data[start : end.start()]
            if any(mark in event for mark in _TERMINAL_MARKS) and is_terminal(event):
                return self._shown(data[: end.end()])
            start = end.end()
        return self._shown(data)

    def _shown(self, data: bytes) -> bytes:
        """Without the usage chunk that the caller did not ask for (some clients break on its empty `choices`)."""
        if not self._hide_usage or b'"usage"' not in data:
            return data
        separator = b"\r\n\r\n" if b"\r\n\r\n" in data else b"\n\n"
        blocks = data.split(separator)
        return separator.join(block for block in blocks if not _only_usage(block))


_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_DONE = b"data: [DONE]\n\n"
_TERMINAL_TYPES = frozenset({"message_stop", "response.completed", "response.incomplete"})
_TERMINAL_MARKS = (b"[DONE]", b"message_stop", b"response.completed", b"response.incomplete")


def is_terminal(data: bytes) -> bool:
    """Whether the last event in `data`, its line end cut off, is one that ends a stream well."""
    line = data.replace(b"\r", b"\n").rpartition(b"\n")[2]
    value = line.removeprefix(b"data:").strip()
    if value == b"[DONE]":
        return True
    if value[:1] != b"{":
        return False
    try:
        event: Json = orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return isinstance(event, dict) and event.get("type") in _TERMINAL_TYPES


def _only_usage(block: bytes) -> bool:
    _, found, data = block.partition(b"data:")
    if not found or b'"usage"' not in data:
        return False
    try:
        chunk: Json = orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return isinstance(chunk, dict) and not chunk.get("choices") and bool(chunk.get("usage"))


class TranslatedLane:
    """Writes the events in the caller's dialect."""

    __slots__ = ("_writer",)

    def __init__(self, writer: StreamWriter) -> None:
        self._writer = writer

    def take(self, chunk: bytes, events: Sequence[Event]) -> bytes:
        """The events, written."""
        del chunk
        return b"".join([self._writer.write(event) for event in events if not isinstance(event, Failed)])

    def rest(self, events: Sequence[Event]) -> bytes:
        """The last events, written."""
        return self.take(b"", events)


async def relay(
    chunks: AsyncIterator[bytes],
    reader: StreamReader,
    lane: Lane,
    tally: Tally,
    outlet: Outlet,
    headers: Headers,
) -> bytes:
    """Forwards the whole stream; returns the last bytes, which the caller of this function sends when all is recorded.

    Raises the stream's own error. Whether another deployment may be tried is told by `outlet.committed`.
    """
    held: list[bytes] = []
    held_bytes = 0
    async for chunk in chunks:
        events = reader.feed(chunk)
        tally.add(events)
        if tally.failed is not None:
            raise in_band_error(tally.failed)
        reader.feed(b"")  # raises where a bad event stands in the chunk: nothing of its bytes may go out
        data = lane.take(chunk, events)
        if tally.ended:
            # The caller of this function reads on to the end of the body, so that the connection can be used again.
            held.append(data)
            fault_point("stream ended")
            return b"".join(held)
        if outlet.committed:
            if data:
                await outlet.send(data)
                fault_point("mid stream")
            continue
        held.append(data)
        held_bytes += len(data)
        if tally.content:
            if not outlet.opened:
                await outlet.open(headers)
            await outlet.send(b"".join(held))
            held.clear()
        elif held_bytes > MAX_HELD:
            raise UpstreamBroken("The provider sent megabytes of stream without any content.")
    events = reader.close()
    tally.add(events)
    held.append(lane.rest(events))
    if not tally.content:
        raise UpstreamBroken("The provider's stream ended without an answer.")
    return b"".join(held)


_CALLERS = frozenset({400, 413, 422})
_KEPT = frozenset({429, 503, 504})
"""As with error statuses (see `upstream.rejections`): the provider's 401 speaks of our key, not of the caller's."""


def in_band_error(failed: Failed) -> TurnoutError:
    """An error event of the provider, as our error."""
    said, code = failed.status, failed.code or "upstream_error"
    if said in _CALLERS:
        # Another deployment would say the same, and this one is well.
        return UpstreamRejected(failed.message, upstream_status=said, status=said, code=code, fault=Fault.CALLER)
    if said in (401, 402, 403, 404):
        code = "upstream_error"
    status = said if said in _KEPT else 503 if said == 529 else 502
    return UpstreamRejected(failed.message, upstream_status=said, status=status, code=code)
