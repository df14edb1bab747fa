"""The connections to one origin: how many may be in use, which are idle, and whose turn it is.

A slot is held from `take` or `acquire` to `give_back`. Who waits for one gets it in the order of asking: a freed slot
is handed to the next in line, and nobody can overtake.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from turnout.upstream.connection import Connection

Dial = Callable[[Callable[[Connection], None]], Awaitable[Connection]]
"""Makes a connection that tells the given function when it ends while it is idle."""


class Pool:
    """Owns the connections to one origin. The last one used is used again first, so that spare ones can expire."""

    __slots__ = ("_all", "_closed", "_dial", "_idle", "_keepalive", "_limit", "_loop", "_waiting", "in_use")

    def __init__(self, dial: Dial, loop: asyncio.AbstractEventLoop, *, limit: int, keepalive: float) -> None:
        self.in_use = 0
        """Slots that are held."""
        self._dial = dial
        self._loop = loop
        self._limit = limit
        self._keepalive = keepalive
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def take(self) -> Connection | None:
        """An idle connection, if there is one and a slot for it."""
        if self.in_use >= self._limit or (connection := self._spare()) is None:
            return None
        self.in_use += 1
        return connection

    async def acquire(self) -> Connection:
        """An idle connection or a new one, as soon as there is a slot. Raises what dialling raises."""
        if self.in_use < self._limit:
            self.in_use += 1
        else:
            await self._turn()
        try:
            connection = self._spare() or await self._dial(self._forget)
            if self._closed:
                connection.abort()
                raise ConnectionAbortedError("the transport is closed")
        except BaseException:
            self._leave()
            raise
        self._all.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Ends the use of a connection: it is kept where its answer came to a good end."""
        if not self._closed and connection.release(self._keepalive):
            self._idle.append(connection)
        else:
            connection.abort()
            self._all.discard(connection)
        self._leave()

    def drop_idle(self) -> None:
        """Ends the connections that serve no request."""
        while self._idle:
            self._idle.pop().abort()

    def close(self) -> None:
        """Ends every connection."""
        self._closed = True
        for connection in list(self._all):
            connection.abort()

    def _spare(self) -> Connection | None:
        now = self._loop.time()
        while self._idle:
            connection = self._idle.pop()
            if connection.fit and now < connection.expires:
                return connection
            connection.abort()
        return None

    def _forget(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    async def _turn(self) -> None:
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter.cancelled():
                self._waiting.remove(waiter)
            else:
                self._leave()  # the slot had been handed over just before
            raise

    def _leave(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.in_use -= 1
