"""The caller's side of the wire, outbound: one whole answer, or a stream that is opened once and ended once."""

from __future__ import annotations

import asyncio
import contextlib

from turnout.core.clock import Clock
from turnout.gateway.receive import Send

Headers = list[tuple[bytes, bytes]]

_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")
_NO_STORE = [(b"cache-control", b"no-store"), (b"vary", b"authorization, x-api-key")]


class Outlet:
    """Writes the answer of one request.

    `opened`: the HTTP status is out, so that a later error must be told in the stream. `committed`: something
    of an answer is out, so that no other deployment may be tried. A keep-alive opens and does not commit.
    """

    __slots__ = ("_clock", "_send", "closed", "committed", "first_sent", "last_sent", "opened", "sending", "status")

    def __init__(self, send: Send, clock: Clock) -> None:
        self._send = send
        self._clock = clock
        self.opened = self.committed = self.closed = self.sending = False
        self.last_sent = clock.monotonic()
        self.status = 0
        self.first_sent: float | None = None
        """When the first content of an answer went out; None for errors."""

    async def whole(
        self, status: int, headers: Headers, body: bytes, content_type: bytes = b"application/json"
    ) -> None:
        """The whole answer at once."""
        self.opened = self.committed = self.closed = True
        self.status = status
        length = str(len(body)).encode()
        head = [(b"content-type", content_type), (b"content-length", length), *_NO_STORE, *headers]
        await self._send({"type": "http.response.start", "status": status, "headers": head})
        await self._send({"type": "http.response.body", "body": body})

    async def open(self, headers: Headers) -> None:
        """Status 200 and the headers of a stream."""
        self.opened = True
        self.status = 200
        await self._send({"type": "http.response.start", "status": 200, "headers": [_STREAM, *_NO_STORE, *headers]})

    async def send(self, data: bytes) -> None:
        """More of the stream: always whole events, so that a keep-alive can stand between any two sends."""
        if not self.committed:
            self.committed = True
            self.first_sent = self._clock.monotonic()
        self.sending = True  # and so it stays where the request is cancelled because its caller does not read
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self.sending = False
        self.last_sent = self._clock.monotonic()

    async def end(self, data: bytes = b"") -> None:
        """The last bytes of the stream."""
        if not self.closed:
            self.closed = True
            await self._send({"type": "http.response.body", "body": data})

    async def ping(self, data: bytes, headers: Headers) -> None:
        """Keeps the connection alive; opens the stream where it is not open."""
        if self.sending or self.closed:
            return
        self.sending = True
        try:
            if not self.opened:
                await self.open(headers)
            if not self.closed:
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
        finally:
            self.sending = False
        self.last_sent = self._clock.monotonic()


class Pinger:
    """Pings every stream that has been silent for too long. One task for all of them; the application owns it."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._streams: dict[Outlet, tuple[bytes, Headers]] = {}

    def add(self, outlet: Outlet, ping: bytes, headers: Headers) -> None:
        """Watches a stream until `remove`."""
        self._streams[outlet] = (ping, headers)

    def remove(self, outlet: Outlet) -> None:
        """Forgets it; fine where it was never added."""
        self._streams.pop(outlet, None)

    async def run(self) -> None:
        """Runs until cancelled."""
        async with asyncio.TaskGroup() as pings:  # a task each: a ping waits where its caller does not read
            while True:
                await asyncio.sleep(min(1.0, self._seconds / 4))
                due = self._clock.monotonic() - self._seconds
                for outlet, (ping, headers) in self._streams.items():
                    if outlet.last_sent <= due and not outlet.sending:
                        pings.create_task(_pinged(outlet, ping, headers))


async def _pinged(outlet: Outlet, ping: bytes, headers: Headers) -> None:
    with contextlib.suppress(RuntimeError):  # the server's, for a ping that waited while its answer ended
        await outlet.ping(ping, headers)
