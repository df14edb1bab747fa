"""The real transport, on aiohttp.

What each timeout counts, in seconds: `connect`: pool, name lookup, TCP and TLS, on new connections. `first_byte`: from
the call until the answer's headers, connecting included. `idle`: while a reader waits for the next bytes; a slow reader
is not the provider's silence. `total`: from the call until the body's end.

It never follows a redirect, keeps no cookie, reads no netrc, asks for no compression and resends nothing: a POST that
was sent may have been billed. A connection goes back to the pool when its answer has come to its end (so read on behind
a dialect's terminal event, up to the end of the body); otherwise it is aborted.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import lru_cache
from io import BytesIO

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from turnout.catalogue.model import Provider
from turnout.core.deadline import Deadline
from turnout.core.errors import UpstreamBroken, UpstreamTimeout
from turnout.upstream import connector, faults
from turnout.upstream.egress import policy_of
from turnout.upstream.transport import UpstreamRequest

_READ_BUFFER = 64 * 1024
"""Bytes held for a slow reader before the socket is paused (aiohttp pauses at twice this)."""
_MAX_HEADER = 16 * 1024
_LARGE_BODY = 1 << 20
_PLAIN_ENCODINGS = ("", "identity")


class HttpResponse:
    """An answer whose headers are here. See `UpstreamResponse`."""

    __slots__ = ("_deadline", "_handle", "_idle", "_loop", "_response", "_waiting_since", "headers", "status")

    def __init__(
        self, response: aiohttp.ClientResponse, loop: asyncio.AbstractEventLoop, idle: float, deadline: float
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._loop = loop
        self._idle = idle
        self._deadline = deadline
        self._waiting_since = 0.0
        self._handle: asyncio.TimerHandle | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        while data := await self._next():
            yield data

    async def read(self, limit: int) -> bytes:
        """The whole body, up to `limit` bytes."""
        data = await self._next()
        if len(data) <= limit and self._response.content.at_eof():
            return data  # one piece: the usual case
        parts, size = [data], len(data)
        while data:
            if size > limit:
                self.close()
                raise UpstreamBroken(f"{self._host} sent more than {limit} bytes.")
            data = await self._next()
            parts.append(data)
            size += len(data)
        return b"".join(parts)

    def close(self) -> None:
        """Aborts the connection, unless the body had come to its end."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if not self._response.closed:
            self._response.close()

    @property
    def _host(self) -> str:
        return self._response.host

    async def _next(self) -> bytes:
        """The next bytes; empty at the end."""
        content = self._response.content
        if self._handle is None and not content.is_eof():
            self._watch()
        self._waiting_since = self._loop.time()
        try:
            return await content.readany()
        except faults.MAPPED as error:
            self.close()
            raise faults.translate(error, self._host) from error
        finally:
            self._waiting_since = 0.0

    # One timer looks after idle and total, and is set again only when it fires: a timer per chunk would cost more
    # than reading the chunk.

    def _watch(self) -> None:
        self._handle = None
        if self._response.content.is_eof():
            return
        now = self._loop.time()
        since = self._waiting_since or now
        if now >= self._deadline:
            self._expire("did not finish its answer in time")
        elif now - since >= self._idle:
            self._expire(f"sent nothing for {self._idle:g} seconds")
        else:
            self._handle = self._loop.call_at(min(self._deadline, since + self._idle), self._watch)

    def _expire(self, what: str) -> None:
        self._response.content.set_exception(UpstreamTimeout(f"{self._host} {what}."))
        self.close()


class HttpTransport:
    """Sends requests to the configured providers. Make it inside the running loop; close it at the end."""

    def __init__(
        self,
        providers: Iterable[Provider],
        *,
        limit_per_host: int = 1000,
        keepalive: float = 60.0,
        dns_seconds: int = 30,
        ca_file: str | None = None,
        proxies: Mapping[str, str] | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """`ca_file` replaces the system's certificates. `proxies` maps `http` and `https` to a proxy's URL
        (`urllib.request.getproxies()` gives the environment's); through one, the proxy does the name lookups."""
        self._proxies = {scheme: URL(url) for scheme, url in (proxies or {}).items() if scheme in ("http", "https")}
        guard = connector.GuardedResolver(
            resolver or connector.threaded_resolver(), policy_of(providers, also=map(str, self._proxies.values()))
        )
        self._connector = connector.GuardedConnector(
            guard,
            tls=ssl.create_default_context(cafile=ca_file),
            limit_per_host=limit_per_host,
            keepalive=keepalive,
            dns_seconds=dns_seconds,
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,  # it would read netrc, and ask for a proxy in a thread, at every request
            request_class=connector.Pooled,
            middlewares=(connector.mark_stale,),
            read_bufsize=_READ_BUFFER,
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        self._loop = asyncio.get_running_loop()
        # Both hold one entry for each configured URL or timeout.
        self._url = lru_cache(maxsize=4096)(URL)
        self._timeout = lru_cache(maxsize=256)(_connect_timeout)

    async def send(self, request: UpstreamRequest) -> HttpResponse:
        """Sends one request; returns when the headers are here."""
        started = self._loop.time()
        timeouts = request.timeouts
        url = self._url(request.url)
        try:
            with Deadline(min(timeouts.first_byte, timeouts.total)):
                response = await self._session.request(
                    request.method,
                    url,
                    data=_payload(request.body),
                    headers=request.headers,
                    allow_redirects=False,
                    timeout=self._timeout(timeouts.connect),
                    proxy=self._proxies.get(url.scheme) if self._proxies else None,
                )
        except faults.MAPPED as error:
            raise faults.translate(error, url.host or request.url) from error
        answer = HttpResponse(response, self._loop, timeouts.idle, started + timeouts.total)
        if (encoding := response.headers.get("content-encoding", "").lower()) not in _PLAIN_ENCODINGS:
            answer.close()
            raise UpstreamBroken(f"{url.host} sent '{encoding[:20]}' content, though none was asked for.")
        return answer

    def reload(self, providers: Iterable[Provider]) -> None:
        """Replaces the set of providers that may be connected to. Requests under way go on."""
        proxies = map(str, self._proxies.values())
        self._connector.guard.policy = policy_of(providers, also=proxies)

    @property
    def connections_in_use(self) -> int:
        """Connections that serve a request now; 0 when nothing is under way."""
        return self._connector.connections

    async def close(self) -> None:
        """Closes every connection."""
        await self._session.close()
        await self._connector.guard.close()


def _payload(body: bytes) -> bytes | BytesIO | None:
    # Large bodies are written in pieces, so that one upload does not hold up the loop (aiohttp warns of it).
    return BytesIO(body) if len(body) > _LARGE_BODY else body or None


def _connect_timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=seconds, ceil_threshold=float("inf"))
