"""uvicorn's HTTP protocol with the limits it lacks: how long and how large a request's head may be.

uvicorn waits for ever for a head that trickles in (security incident class "slow loris"). The body has its limits in
`receive`. Idle connections between requests are uvicorn's own `timeout_keep_alive`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from turnout.gateway.receive import ON_DISCONNECT

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 200

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class _HeadWithBody:
    """The transport of one answer: holds the head back until the first of the body is there, so that they leave in one
    system call. Every answer here follows its head with a body at once."""

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 100"):
            self._head = data
            return
        self._transport.write(data)

    def close(self) -> None:
        if self._head:
            self._transport.write(self._head)
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class GuardedProtocol(HttpToolsProtocol):
    """Closes a connection whose head is too slow or too large. `header_timeout` (seconds) is set by `with_timeout`."""

    header_timeout: float = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # the base class's own signature, passed on whole
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._rest_timer: asyncio.TimerHandle | None = None
        self._head_bytes = self._head_raw = 0
        self._head_count = 0
        self._head_refused = False
        self._on_disconnect: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_done()
        self._rest_done()
        super().connection_lost(exc)
        if self._on_disconnect is not None:
            self._on_disconnect()

    def subscribe(self, on_disconnect: Callable[[], None]) -> Callable[[], None]:
        """What to call when the connection is lost: one listener, the request that is being answered. Returns what
        ends that; a request that is answered may still be at work when the connection's next one listens."""
        self._on_disconnect = on_disconnect
        if self.transport.is_closing():
            self.loop.call_soon(on_disconnect)

        def end() -> None:
            if self._on_disconnect is on_disconnect:
                self._on_disconnect = None

        return end

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[ON_DISCONNECT] = self.subscribe  # pyright: ignore[reportGeneralTypeIssues] an extension of the scope
        self._head_bytes = self._head_raw = self._head_count = 0
        self._rest_done()
        if self._head_timer is None:
            self._wait_for_head()

    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        self._head_count += 1
        if self._head_bytes > MAX_HEAD_BYTES or self._head_count > MAX_HEADERS:
            self._refuse()
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_done()
        if not self._head_refused:
            super().on_headers_complete()
            if self.scope["method"] == "HEAD":  # its answer has no body that the head could wait for
                return
            self.cycle.transport = _HeadWithBody(self.transport)  # pyright: ignore[reportAttributeAccessIssue] what it uses of one

    def data_received(self, data: bytes) -> None:
        if self._head_refused:
            return
        super().data_received(data)
        # The parser keeps a single endless header to itself, so what arrives before the head is whole is counted too.
        if self._head_timer is not None:
            self._head_raw += len(data) // 2
            if self._head_raw > 4 * MAX_HEAD_BYTES:
                self._refuse()
        elif self._unwatched() and self._rest_timer is None:
            self._rest_timer = self.loop.call_later(self.header_timeout, self._too_slow)

    def _unwatched(self) -> bool:
        """What came is the rest of a body whose request was refused, or blank lines: it has ended uvicorn's wait for
        the next request, and nobody else waits for its end."""
        open_still = not self.transport.is_closing()  # and then there is a cycle, since a head was whole
        return open_still and self.timeout_keep_alive_task is None and self.cycle.response_complete

    def _refuse(self) -> None:
        if not self._head_refused:
            self._head_refused = True
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(self.header_timeout, self._too_slow)

    def _head_done(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _rest_done(self) -> None:
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None

    def _too_slow(self) -> None:
        self._head_timer = self._rest_timer = None
        if not self.transport.is_closing():
            self.transport.close()


def with_timeout(seconds: float) -> type[GuardedProtocol]:
    """The protocol class for one server."""
    return type("Protocol", (GuardedProtocol,), {"header_timeout": seconds})
