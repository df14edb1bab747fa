"""The embedded model behind the transport seam: started when the server starts, started again when it dies.

URLs that begin with `embedded:` go to it, all others to the HTTP transport. Owns the engine and a transport of its own
that can reach nothing but the engine.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable

from turnout.catalogue.load import EMBEDDED_BASE
from turnout.catalogue.model import Provider
from turnout.core.errors import ConfigError, UpstreamUnreachable
from turnout.upstream.http import HttpTransport
from turnout.upstream.local_engine import LocalEngine
from turnout.upstream.transport import Transport, UpstreamRequest, UpstreamResponse


class EmbeddedModel:
    """Sends requests to the embedded model."""

    def __init__(self, make_engine: Callable[[], LocalEngine]) -> None:
        self._make = make_engine
        self._engine: LocalEngine | None = None
        self._transport: HttpTransport | None = None
        self._starting = asyncio.Lock()
        self.problem: str | None = None
        """Why it could not be started the last time."""

    @property
    def running(self) -> bool:
        """It can answer now."""
        return self._engine is not None and self._engine.running

    async def start(self) -> None:
        """Returns when it can answer. Raises ConfigError with what to do."""
        async with self._starting:
            if self.running:
                return
            await self._stop()
            try:
                engine = self._make()
                await engine.start()
            except ConfigError as error:
                self.problem = error.message
                raise
            self.problem = None
            address = Provider(
                name="local",
                preset="embedded",
                title="",
                base_url=engine.base_url,
                endpoints={},
                self_hosted=True,
            )
            self._engine, self._transport = engine, HttpTransport([address])

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """See `Transport`. A dead engine is started again first."""
        try:
            await self.start()
        except ConfigError as error:
            raise UpstreamUnreachable(f"The embedded model does not run: {error.message}") from error
        engine, transport = self._engine, self._transport
        assert engine is not None and transport is not None, "started just above"
        base = engine.base_url.removesuffix("/v1")
        headers = {**request.headers, "authorization": f"Bearer {engine.api_key.reveal()}"}
        url = base + request.url.removeprefix(EMBEDDED_BASE)
        return await transport.send(dataclasses.replace(request, url=url, headers=headers))

    async def close(self) -> None:
        """Stops it. Idempotent."""
        async with self._starting:
            await self._stop()

    async def _stop(self) -> None:
        engine, transport = self._engine, self._transport
        self._engine = self._transport = None
        if transport is not None:
            await transport.close()
        if engine is not None:
            await engine.close()


class Transports:
    """Chooses by URL."""

    def __init__(self, http: Transport, embedded: Transport | None) -> None:
        self._http = http
        self._embedded = embedded

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """See `Transport`."""
        if request.url.startswith(EMBEDDED_BASE):
            if self._embedded is None:
                raise UpstreamUnreachable("The embedded model is switched off.", should_retry=False)
            return await self._embedded.send(request)
        return await self._http.send(request)
