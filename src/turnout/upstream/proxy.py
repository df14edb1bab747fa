"""HTTP proxies: what they are told, and the tunnel that they make for TLS."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import unquote

from turnout.upstream.url import Url, parse_url

_MAX_ANSWER = 16 * 1024


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and the header line that opens it: empty where it asks for no password."""

    url: Url
    authorization: str = ""


def parse_proxies(urls: Mapping[str, str]) -> dict[str, Proxy]:
    """Proxies by the scheme of the URLs that go through them. Raises ValueError for a URL that is none."""
    return {scheme: _proxy(parse_url(url)) for scheme, url in urls.items() if scheme in ("http", "https")}


def _proxy(url: Url) -> Proxy:
    if not url.userinfo:
        return Proxy(url)
    credentials = base64.b64encode(unquote(url.userinfo).encode()).decode()
    return Proxy(url, f"proxy-authorization: Basic {credentials}\r\n")


class Tunnel(asyncio.Protocol):
    """A connection to a proxy that is asked to connect it on."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._answered: asyncio.Future[None] = loop.create_future()
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None
        self._lost: Exception | None = None

    async def open(self, url: Url, proxy: Proxy) -> asyncio.Transport:
        """The transport, open to the URL's host. Raises OSError where the proxy does not connect it."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the proxy closed the connection")
        authority = f"{url.bracketed}:{url.port}"
        head = f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n{proxy.authorization}\r\n"
        transport.write(head.encode())
        await self._answered
        version, _, rest = bytes(self._data).partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            raise ConnectionError("the proxy's answer is not valid HTTP")
        if not rest.startswith(b"2"):
            raise ConnectionError(f"the proxy answered {rest[:3].decode()}")
        if not self._data.endswith(b"\r\n\r\n") or self._data.count(b"\r\n\r\n") > 1:
            raise ConnectionError("the proxy sent more than its answer")  # TLS is begun by our side
        return transport

    def abort(self) -> None:
        """Ends the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no asyncio class

    def data_received(self, data: bytes) -> None:
        self._data += data
        if b"\r\n\r\n" in self._data:
            self._done(None)
        elif len(self._data) > _MAX_ANSWER:
            self._done(ConnectionError("the proxy's answer is too long"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._done(exc or ConnectionResetError("the proxy closed the connection"))

    def _done(self, error: Exception | None) -> None:
        if self._answered.done():
            return
        if error is None:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(error)
            self._answered.exception()  # nobody may be waiting any more
