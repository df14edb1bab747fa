"""Server-sent events: bytes in, events out, cut anywhere.

By the HTML standard, section 9.2.6: lines end with CR, LF or CRLF (and nothing else: U+2028 and U+0085 are text),
a leading byte-order mark is skipped, lines that start with a colon are comments, several `data` lines are joined
with LF. One departure, because providers do it: an event that ends with the stream instead of with a blank line is
given by `close`.
"""

from __future__ import annotations

from typing import NamedTuple

from turnout.core.errors import UpstreamBroken

MAX_EVENT_BYTES = 1 << 20
"""A longer event is an attack or a fault: nothing legal comes near it."""

_BOM = b"\xef\xbb\xbf"


class SseEvent(NamedTuple):
    """One event. `name` is empty where the stream gave none."""

    name: bytes
    data: bytes


class SseParser:
    """Splits a stream into events. Comments give an event with empty data and the name `:`."""

    __slots__ = ("_buffer", "_max", "_started")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._buffer = b""
        self._started = False
        self._max = max_event_bytes

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that `data` completed. Raises UpstreamBroken at an event over the limit."""
        buffer = self._buffer + data if self._buffer else data
        if not self._started:
            if len(buffer) < 3 and _BOM.startswith(buffer):
                self._buffer = buffer
                return []
            self._started = True
            buffer = buffer.removeprefix(_BOM)
        if b"\r" in buffer:
            held = buffer.endswith(b"\r")  # its LF may come with the next bytes
            if held:
                buffer = buffer[:-1]
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if held:
                buffer += b"\r"
        blocks = buffer.split(b"\n\n")
        self._buffer = blocks.pop()
        events: list[SseEvent] = []
        most = self._max
        for block in blocks:
            if block.startswith(b"data: ") and b"\n" not in block and len(block) <= most:
                events.append(SseEvent(b"", block[6:]))  # nearly every event there is
            elif block:
                if self._too_long(block, events):
                    return events
                self._read_block(block, events)
        self._too_long(self._buffer, events)
        return events

    def close(self) -> list[SseEvent]:
        """What stood behind the last blank line, read as an event."""
        block, self._buffer = self._buffer.rstrip(b"\r\n"), b""
        events: list[SseEvent] = []
        self._too_long(block, events)
        if block:
            self._read_block(block, events)
        return events

    def _too_long(self, block: bytes, events: list[SseEvent]) -> bool:
        """Raises at an event over the limit, or on the next call where there are events to give first."""
        # Line ends around an event do not count: they stand in one cut of the bytes and not in another.
        if len(block) <= self._max or len(block.strip(b"\r\n")) <= self._max:
            return False
        if not events:
            raise UpstreamBroken(f"The provider sent a stream event of more than {self._max} bytes.")
        self._buffer = block
        return True

    @staticmethod
    def _read_block(block: bytes, events: list[SseEvent]) -> None:
        if block.startswith(b"data:") and b"\n" not in block:
            data = block[5:]
            events.append(SseEvent(b"", data[1:] if data[:1] == b" " else data))
            return
        name = b""
        lines: list[bytes] = []
        comment = False
        for line in block.split(b"\n"):
            if not line:
                continue
            key, _, value = line.partition(b":")
            if not key:
                comment = True
                continue
            if value[:1] == b" ":
                value = value[1:]
            if key == b"data":
                lines.append(value)
            elif key == b"event":
                name = value
        if lines:
            events.append(SseEvent(name, b"\n".join(lines)))
        elif comment:
            events.append(SseEvent(b":", b""))


def encode(data: bytes, name: bytes = b"") -> bytes:
    """One event as bytes. `data` holds no line breaks (compact JSON has none)."""
    if name:
        return b"event: " + name + b"\ndata: " + data + b"\n\n"
    return b"data: " + data + b"\n\n"
