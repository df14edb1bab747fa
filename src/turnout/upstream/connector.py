"""The sockets under `HttpTransport`: aiohttp's pool, kept inside the egress policy.

Three guards, each at the level where it can't be walked around:
1. Every request, also on a pooled connection: is its origin configured? (`GuardedConnector.connect`)
2. Every name lookup: only permitted addresses are passed on, and the socket goes to one of these: there is no second
   lookup that could answer otherwise. (`GuardedResolver`)
3. Every socket, as it is made: never to a link-local or metadata address. (`_guarded_socket`)
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import weakref

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from turnout.upstream.egress import EgressPolicy, parse_address, refusal_of_address


class EgressRefused(OSError):
    """The egress policy forbids this connection; the text says why."""


class StaleConnectionError(aiohttp.ServerDisconnectedError):
    """A pooled connection ended before any byte of the answer."""


class Pooled(ClientRequest):
    """A request that knows whether its connection had served another one before."""

    DEFAULT_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}  # noqa: RUF012 aiohttp's own declaration
    reused = False


class GuardedResolver(AbstractResolver):
    """Lets through the addresses that the policy permits. Serves the last good answer while lookups fail."""

    def __init__(self, inner: AbstractResolver, policy: EgressPolicy) -> None:
        self.policy = policy
        self._inner = inner
        self._last: dict[tuple[str, int], list[ResolveResult]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The permitted addresses of a host. Raises EgressRefused when there are none."""
        if (reason := self.policy.refusal_of_origin(host, port)) is not None:
            raise EgressRefused(reason)
        try:
            found = await self._inner.resolve(host, port, family)
        except OSError:
            if (last := self._last.get((host, port))) is None:
                raise
            found = last
        reasons = [self.policy.refusal_of(host, port, result["host"]) for result in found]
        good = [result for result, reason in zip(found, reasons, strict=True) if reason is None]
        if not good:
            told = "; ".join(sorted({reason for reason in reasons if reason is not None}))
            raise EgressRefused(f"'{host}' may not be connected to: {told or 'it has no address'}")
        self._last[host, port] = good
        return good

    async def close(self) -> None:
        """Closes the resolver underneath."""
        await self._inner.close()


class GuardedConnector(aiohttp.TCPConnector):
    """aiohttp's connection pool with the egress policy, and without its two leaks: a pooled connection that holds an
    answer nobody asked for is thrown away, and a connection given up is aborted at once."""

    def __init__(
        self,
        resolver: GuardedResolver,
        *,
        tls: ssl.SSLContext,
        limit_per_host: int,
        keepalive: float,
        dns_seconds: int,
    ) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType] aiohttp's socket address is a bare tuple
            resolver=resolver,
            ssl=tls,
            limit=0,
            limit_per_host=limit_per_host,
            keepalive_timeout=keepalive,
            ttl_dns_cache=dns_seconds,
            socket_factory=_guarded_socket,
        )
        self.guard = resolver
        self._seen: weakref.WeakSet[ResponseHandler] = weakref.WeakSet()

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:
        """A connection for the request, from the pool or new."""
        if (reason := self.guard.policy.refusal_of_origin(req.host, req.port or 0)) is not None:
            raise EgressRefused(reason)
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            assert protocol is not None, "a new connection has its protocol"
            if protocol not in self._seen:
                self._seen.add(protocol)
                return connection
            if not protocol.should_close:
                assert isinstance(req, Pooled)
                req.reused = True
                return connection
            # Bytes came while it was idle. The next request would take them for its own answer.
            connection.close()

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        if should_close or protocol.should_close:
            # close() would first flush a half-sent body and wait for the peer's TLS goodbye.
            protocol.abort()
        super()._release(key, protocol, should_close=should_close)

    @property
    def connections(self) -> int:
        """Connections in use now."""
        return len(self._acquired)


async def mark_stale(request: ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """aiohttp middleware: tells a pooled connection's death before any answer from other disconnects."""
    try:
        return await handler(request)
    except (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError) as error:
        # aiohttp puts what it had of a status line into `message`; a text means that it had nothing.
        partial = isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str)
        if isinstance(request, Pooled) and request.reused and not partial:
            raise StaleConnectionError from error
        raise


def threaded_resolver() -> AbstractResolver:
    """The operating system's lookup, in the loop's thread pool."""
    return aiohttp.ThreadedResolver(loop=asyncio.get_running_loop())


def _guarded_socket(info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
    family, kind, protocol, _, address = info
    parsed = parse_address(str(address[0]))
    if parsed is not None and (reason := refusal_of_address(parsed, private=True)) is not None:
        raise EgressRefused(reason)
    sock = socket.socket(family=family, type=kind, proto=protocol)
    sock.setblocking(False)
    return sock
