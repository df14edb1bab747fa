"""The real transport: HTTP/1.1 over pooled connections.

What each timeout counts, in seconds: `connect`: waiting for a slot, name lookup, TCP and TLS, on new connections.
`first_byte`: from the call until the answer's headers, connecting included. `idle`: while a reader waits for the next
bytes; a slow reader is not the provider's silence. `total`: from the call until the body's end.

It never follows a redirect, keeps no cookie, reads no netrc, asks for no compression and resends nothing: a POST that
was sent may have been billed. A connection goes back to the pool when its answer has come to its end (so read on behind
a dialect's terminal event, up to the end of the body); otherwise it is aborted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from turnout.catalogue.model import Provider, Timeouts
from turnout.core.deadline import Deadline
from turnout.upstream import faults
from turnout.upstream.connection import Connection
from turnout.upstream.dial import Dialler, client_tls
from turnout.upstream.egress import EgressPolicy, policy_of
from turnout.upstream.names import Lookup, Names, system_lookup
from turnout.upstream.pool import Pool
from turnout.upstream.proxy import Proxy, parse_proxies
from turnout.upstream.request_head import RequestHead
from turnout.upstream.response import HttpResponse
from turnout.upstream.transport import UpstreamRequest
from turnout.upstream.url import Url, parse_url

_MAX_ROUTES = 4096
_PLAIN_ENCODINGS = ("", "identity")


class _Route:
    """What is known of a URL before a call: it is worked out once. `refusal`: why no call may go there."""

    __slots__ = ("head", "host", "pool", "refusal")

    def __init__(self, host: str, head: RequestHead, pool: Pool, refusal: str | None) -> None:
        self.host = host
        self.head = head
        self.pool = pool
        self.refusal = refusal


class HttpTransport:
    """Sends requests to the configured providers. Make it inside the running loop; close it at the end."""

    def __init__(
        self,
        providers: Iterable[Provider],
        *,
        limit_per_host: int = 1000,
        keepalive: float = 60.0,
        dns_seconds: float = 30.0,
        ca_file: str | None = None,
        proxies: Mapping[str, str] | None = None,
        lookup: Lookup = system_lookup,
    ) -> None:
        """`ca_file` replaces the system's certificates. `proxies` maps `http` and `https` to a proxy's URL
        (`urllib.request.getproxies()` gives the environment's); through one, the proxy does the name lookups."""
        self._loop = asyncio.get_running_loop()
        self._proxies = parse_proxies(proxies or {})
        self._proxy_urls = list((proxies or {}).values())
        names = Names(lookup, policy_of(providers, also=self._proxy_urls), self._loop, seconds=dns_seconds)
        self._dialler = Dialler(names, client_tls(ca_file), self._loop)
        self._limit = limit_per_host
        self._keepalive = keepalive
        self._pools: dict[tuple[str, str, int], Pool] = {}
        self._routes: dict[str, _Route] = {}
        self._closed = False

    async def send(self, request: UpstreamRequest) -> HttpResponse:
        """Sends one request; returns when the headers are here."""
        started = self._loop.time()
        timeouts = request.timeouts
        route = self._routes.get(request.url) or self._new_route(request.url)
        if route.refusal is not None:
            raise faults.unreachable(faults.EgressRefused(route.refusal), route.host)
        try:
            head = route.head.write(request.method, request.headers, len(request.body))
        except ValueError as error:
            raise faults.unreachable(error, route.host) from error
        pool = route.pool
        connection = pool.take() or await self._acquire(route, timeouts)
        request.progress.sent = True
        try:
            await connection.exchange(head, request.body, started + min(timeouts.first_byte, timeouts.total))
            encoding = connection.headers.get("content-encoding", "")
            if encoding and encoding.lower() not in _PLAIN_ENCODINGS:
                raise faults.encoded(route.host, encoding.lower())
        except BaseException:
            pool.give_back(connection)
            raise
        connection.begin_body(timeouts.idle, started + timeouts.total)
        return HttpResponse(connection, pool)

    def reload(self, providers: Iterable[Provider]) -> None:
        """Replaces the set of providers that may be connected to. Requests under way go on."""
        policy = policy_of(providers, also=self._proxy_urls)
        self._dialler.names.policy = policy
        self._routes.clear()
        for (_, host, port), pool in self._pools.items():
            if policy.refusal_of_origin(host, port) is not None:
                pool.drop_idle()

    @property
    def connections_in_use(self) -> int:
        """Connections that serve a request now; 0 when nothing is under way."""
        return sum(pool.in_use for pool in self._pools.values())

    async def close(self) -> None:
        """Closes every connection."""
        self._closed = True
        self._dialler.names.close()
        for pool in self._pools.values():
            pool.close()
        await asyncio.sleep(0)  # the loop takes leave of the sockets

    async def _acquire(self, route: _Route, timeouts: Timeouts) -> Connection:
        try:
            with Deadline(min(timeouts.connect, timeouts.first_byte, timeouts.total)):
                return await route.pool.acquire()
        except faults.NO_CONNECTION as error:
            raise faults.unreachable(error, route.host) from error

    def _new_route(self, text: str) -> _Route:
        try:
            url = parse_url(text)
            if url.userinfo:
                raise ValueError("the URL holds a password")
        except ValueError as error:
            raise faults.unreachable(error, "the provider") from error
        proxy = self._proxies.get(url.scheme)
        passed_on = proxy is not None and url.scheme == "http"
        extra = proxy.authorization if proxy is not None and passed_on else ""
        head = RequestHead(url, proxied=passed_on, extra=extra)
        route = _Route(url.host, head, self._pool(url, proxy), self._policy.refusal_of_origin(*url.origin))
        if len(self._routes) >= _MAX_ROUTES:
            self._routes.clear()
        self._routes[text] = route
        return route

    @property
    def _policy(self) -> EgressPolicy:
        return self._dialler.names.policy

    def _pool(self, url: Url, proxy: Proxy | None) -> Pool:
        key = (url.scheme, url.host, url.port)
        pool = self._pools.get(key)
        if pool is None:

            async def dial(on_lost: Callable[[Connection], None]) -> Connection:
                return await self._dialler.dial(url, proxy, lambda: Connection(url.host, self._loop, on_lost))

            pool = self._pools[key] = Pool(dial, self._loop, limit=self._limit, keepalive=self._keepalive)
        return pool
