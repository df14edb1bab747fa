"""Opens connections: socket, proxy, TLS. Raises OSError for whatever fails; nothing was sent then.

The guards, each where it can't be walked around:
1. Every request, also on a pooled connection: is its origin configured? (`http.HttpTransport`)
2. Every lookup: only permitted addresses are passed on. (`names.Names`)
3. Every socket, as it is made: never to a link-local or metadata address. (`sockets.open_socket`)
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TypeVar

from turnout.upstream.names import Names
from turnout.upstream.proxy import Proxy, Tunnel
from turnout.upstream.sockets import open_socket
from turnout.upstream.url import Url

P = TypeVar("P", bound=asyncio.Protocol)


def client_tls(ca_file: str | None) -> ssl.SSLContext:
    """Verifies certificate and host name. `ca_file` replaces the system's authorities."""
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


class Dialler:
    """Connects a protocol to where a URL points."""

    def __init__(self, names: Names, tls: ssl.SSLContext, loop: asyncio.AbstractEventLoop) -> None:
        self.names = names
        self._tls = tls
        self._loop = loop

    async def dial(self, url: Url, proxy: Proxy | None, make: Callable[[], P]) -> P:
        """A protocol that is connected to the URL's host, or to the proxy that will pass its requests on."""
        if proxy is None:
            return await self._direct(url, make)
        if url.scheme == "http":
            return await self._direct(proxy.url, make)
        tunnel = await self._direct(proxy.url, lambda: Tunnel(self._loop))
        try:
            raw = await tunnel.open(url, proxy)
            protocol = make()
            transport = await self._loop.start_tls(raw, protocol, self._tls, server_hostname=url.host)
            if transport is None or transport.is_closing():
                raise ConnectionResetError("the proxy closed the tunnel")
            # start_tls leaves this call out, since it is meant for a protocol that has been connected before.
            protocol.connection_made(transport)
            return protocol
        except BaseException:
            tunnel.abort()
            raise

    async def _direct(self, url: Url, make: Callable[[], P]) -> P:
        addresses = await self.names.addresses(url.host, url.port)
        sock = await open_socket(addresses, url.port, self._loop)
        try:
            if url.scheme == "https":
                name = url.host.rstrip(".")
                _, protocol = await self._loop.create_connection(make, sock=sock, ssl=self._tls, server_hostname=name)
            else:
                _, protocol = await self._loop.create_connection(make, sock=sock)
        except BaseException:
            sock.close()
            raise
        return protocol
