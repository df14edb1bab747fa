"""An answer whose headers are here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from turnout.core.errors import UpstreamError
from turnout.upstream import faults
from turnout.upstream.connection import Connection
from turnout.upstream.pool import Pool


class HttpResponse:
    """See `UpstreamResponse`. Holds the connection until it is closed."""

    __slots__ = ("_connection", "_pool", "_whole", "headers", "status")

    def __init__(self, connection: Connection, pool: Pool) -> None:
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers
        self._connection: Connection | None = connection
        self._pool = pool
        self._whole = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        while data := await self._next():
            yield data

    async def read(self, limit: int) -> bytes:
        """The whole body, up to `limit` bytes."""
        parts: list[bytes] = []
        size = 0
        while data := await self._next():
            size += len(data)
            if size > limit:
                raise self._too_long(limit)
            parts.append(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Gives the connection back if the answer came to its end, else aborts it. Idempotent."""
        connection = self._connection
        if connection is not None:
            self._connection = None
            self._whole = connection.complete
            self._pool.give_back(connection)

    async def _next(self) -> bytes:
        """The next bytes; empty at the end."""
        connection = self._connection
        if connection is None:
            if self._whole:
                return b""
            raise faults.given_up("the provider")
        try:
            return connection.take() or await connection.more()
        except UpstreamError:
            self.close()
            raise

    def _too_long(self, limit: int) -> UpstreamError:
        connection = self._connection
        self.close()
        return faults.too_long(connection.host if connection is not None else "the provider", limit)
