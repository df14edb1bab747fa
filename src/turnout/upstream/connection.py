"""One connection to an upstream: writes a request, reads its answer, then the next.

    IDLE --send--> HEAD --headers--> BODY --end--> DONE --release--> IDLE
      any of them --fault, abort, loss--> DEAD          (DONE may lose its socket and still be read)

1. Bytes that nobody asked for end the connection: the next request would take them for its own answer.
2. What is buffered is handed out before a fault is told. The fault is told on every later read.
3. One timer serves every state. It is not moved when a deadline moves back: it looks at the clock when it fires.
4. A length of header, trailer or chunk framing without any body in it is bounded; so is what is held for a slow reader.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from turnout.core.errors import UpstreamError
from turnout.core.fault_point import fault_point
from turnout.upstream import faults
from turnout.upstream.headers import Headers

IDLE: Final = 0
HEAD: Final = 1
BODY: Final = 2
DONE: Final = 3
DEAD: Final = 4

_VERSIONS = ("1.1", "1.0")
_MAX_LINE = 16 * 1024
_MAX_FRAMING = 64 * 1024
_MAX_LINES = 200
_MAX_HELD = 128 * 1024
"""Bytes of body held for a slow reader before the socket is paused."""
_PIECE = 256 * 1024
_LARGE = 1 << 20
"""Bodies above this are written piece by piece: neither the loop nor our memory should be held up by one upload."""


class Connection(asyncio.Protocol):
    """A socket and what is being read from it. `on_lost` is told when an idle one ends."""

    __slots__ = (
        "_any_byte", "_deadline", "_due", "_error", "_framing", "_held", "_idle", "_keep", "_lines", "_loop",
        "_on_lost", "_parser", "_parts", "_paused", "_served", "_state", "_timer", "_timer_at", "_to_end", "_transport",
        "_unsent", "_waiter", "_write_paused", "expires", "headers", "host", "status",
    )  # fmt: skip

    def __init__(self, host: str, loop: asyncio.AbstractEventLoop, on_lost: Callable[[Connection], None]) -> None:
        self.host = host
        self.status = 0
        self.headers = _NO_HEADERS
        self.expires = math.inf
        """When it may not be used again, on the loop's clock."""
        self._loop = loop
        self._on_lost = on_lost
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._state: int = IDLE
        self._waiter: asyncio.Future[None] | None = None
        self._error: UpstreamError | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._due = self._deadline = math.inf
        self._idle = 0.0
        self._lines: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._held = self._framing = self._served = 0
        self._any_byte = self._keep = self._to_end = self._unsent = self._paused = self._write_paused = False

    # -- what its user calls

    async def exchange(self, head: bytes, body: bytes, due: float) -> None:
        """Writes a request and returns when the answer's headers are here. Whatever else happens, also a cancellation,
        ends the connection. `due`: when to give up, on the loop's clock."""
        transport = self._transport
        if self._state != IDLE or transport is None or transport.is_closing():
            raise faults.unreachable(ConnectionResetError("it was closed at once"), self.host)
        self._state = HEAD
        self._any_byte = self._keep = self._to_end = self._unsent = False
        self._framing = 0
        try:
            self._watch(due)
            if len(body) <= _LARGE:
                transport.write(head + body)
            else:
                await self._upload(transport, head, body)
            fault_point("call sent")
            while self._state == HEAD:
                await self._wait()
        except BaseException:
            self.abort()
            raise
        if self._error is not None:
            raise self._error

    def begin_body(self, idle: float, deadline: float) -> None:
        """Sets the pause, in seconds, and the time, on the loop's clock, that the body may take."""
        self._idle = idle
        self._deadline = deadline
        self._watch(deadline if self._state == BODY else math.inf)

    def take(self) -> bytes:
        """What is here of the body; empty when nothing is."""
        parts = self._parts
        if not parts:
            return b""
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self._parts = []
        self._held = 0
        if self._paused:
            self._paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
        return data

    async def more(self) -> bytes:
        """The next bytes of the body; empty at its end. Raises UpstreamTimeout or UpstreamBroken."""
        while not self._parts and self._state == BODY:
            self._watch(min(self._loop.time() + self._idle, self._deadline))
            try:
                await self._wait()
            finally:
                # A slow reader is not the provider's silence: only the deadline counts until the next wait.
                if self._state == BODY:
                    self._due = self._deadline
        if not self._parts and self._state != DONE:
            raise self._error or faults.given_up(self.host)
        return self.take()

    @property
    def complete(self) -> bool:
        """The answer is here to its end, and was handed out."""
        return self._state == DONE and not self._parts

    @property
    def fit(self) -> bool:
        """An idle connection that can serve now."""
        transport = self._transport
        return self._state == IDLE and transport is not None and not transport.is_closing()

    def release(self, keepalive: float) -> bool:
        """Makes it idle, for `keepalive` seconds. False, and it is ended, where it can't be used again."""
        transport = self._transport
        sent = not self._unsent and not self._write_paused
        if self._state != DONE or not self._keep or not sent or transport is None or transport.is_closing():
            self.abort()
            return False
        self.take()
        self._state = IDLE
        self._served += 1
        self.expires = self._loop.time() + min(keepalive, _promised(self.headers))
        self._watch(self.expires)
        return True

    def abort(self) -> None:
        """Ends it at once: nothing is flushed, no goodbye is waited for. Idempotent."""
        if self._state != DEAD:
            self._end(faults.given_up(self.host))

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no asyncio class

    def data_received(self, data: bytes) -> None:
        before = self._state
        if before != HEAD and before != BODY:
            return self._unasked()
        self._any_byte = True
        self._framing += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            if self._state == DONE:
                return self._unasked()
            return self._end(faults.not_http(self.host))
        if self._framing > _MAX_FRAMING:
            return self._end(faults.not_http(self.host))
        if self._waiter is not None and (self._parts or self._state != before):
            self._wake()

    def eof_received(self) -> None:
        if self._state == BODY and self._to_end:
            self._finish()
        else:
            self._lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._state == BODY and self._to_end and exc is None:
            self._finish()
        else:
            self._lost(exc)
        self._transport = None
        del self._parser  # it holds this object

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._wake()

    # -- what the parser calls

    def on_message_begin(self) -> None:
        if self._state != HEAD:
            raise ValueError("a second answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._state != HEAD:
            return  # a trailer; `_framing` bounds it
        self._lines.append((name, value))
        if len(name) + len(value) > _MAX_LINE or len(self._lines) > _MAX_LINES:
            raise ValueError("too much header")

    def on_headers_complete(self) -> None:
        lines = self._lines
        self._lines = []
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101 or status < 100:
                raise ValueError("no such answer was asked for")
            return
        if self._parser.get_http_version() not in _VERSIONS:
            raise ValueError("not HTTP/1")
        if sum([len(name) + len(value) for name, value in lines]) > _MAX_FRAMING:
            raise ValueError("too much header")
        headers = Headers(lines)
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if coding is not None and (coding.lower() != "chunked" or length is not None):
            raise ValueError("two framings, or an unknown one")
        if length is not None and not length.isdecimal():
            raise ValueError("two lengths")
        self._to_end = coding is None and length is None and status not in (204, 304)
        self.status = status
        self.headers = headers
        self._state = BODY

    def on_body(self, body: bytes) -> None:
        self._framing = 0
        self._parts.append(body)
        self._held += len(body)
        transport = self._transport
        if self._held > _MAX_HELD and not self._paused and transport is not None and not transport.is_closing():
            self._paused = True
            transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._state == BODY:  # else it was an interim answer
            # Behind this call the parser has forgotten what the headers said.
            self._keep = self._parser.should_keep_alive() and not self._to_end
            self._framing = 0
            self._state = DONE
            self._due = math.inf

    # -- inside

    async def _upload(self, transport: asyncio.Transport, head: bytes, body: bytes) -> None:
        """Writes a large body as fast as it is taken, until an answer comes."""
        transport.write(head)
        view = memoryview(body)
        for start in range(0, len(body), _PIECE):
            while self._write_paused and self._state == HEAD:
                await self._wait()
            if self._state != HEAD:
                self._unsent = True
                return
            transport.write(view[start : start + _PIECE])

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _watch(self, due: float) -> None:
        """Sets the time at which the present state has lasted too long."""
        self._due = due
        if due < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = due
            self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._timer_at = math.inf
        now = self._loop.time()
        if now < self._due:
            if self._due < math.inf:
                self._watch(self._due)
        elif self._state == HEAD:
            self._end(faults.silent(self.host))
        elif self._state == BODY:
            late = now >= self._deadline
            self._end(faults.late(self.host) if late else faults.idle(self.host, self._idle))
        elif self._state == IDLE:
            self.abort()

    def _finish(self) -> None:
        """A body whose end is the connection's."""
        self._state = DONE
        self._due = math.inf
        self._wake()

    def _unasked(self) -> None:
        """Bytes came that belong to no request. What was read of the answer before them is good."""
        self._keep = False
        if self._state == DONE:
            self._wake()
        else:
            self.abort()

    def _lost(self, error: Exception | None) -> None:
        if self._state == HEAD:
            stale = self._served > 0 and not self._any_byte
            self._end(faults.ended(error, self.host, stale=stale))
        elif self._state == BODY:
            self._end(faults.cut(self.host))
        elif self._state == DONE:
            self._keep = False
        else:
            self.abort()

    def _end(self, error: UpstreamError) -> None:
        idle = self._state == IDLE
        self._state = DEAD
        self._error = error
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        if idle:
            self._on_lost(self)
        self._wake()


def _promised(headers: Headers) -> float:
    """Seconds for which the upstream keeps an idle connection, less one for the way; infinite when it does not say."""
    value = headers.get("keep-alive")
    if value is None:
        return math.inf
    for item in value.split(","):
        name, _, seconds = item.partition("=")
        if name.strip().lower() == "timeout" and seconds.strip().isdecimal():
            return max(0.0, int(seconds) - 1.0)
    return math.inf


_NO_HEADERS = Headers(())
