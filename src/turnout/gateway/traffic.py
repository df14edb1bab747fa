"""Requests in flight: how many there may be, and how they end when the server does.

State: owned by the event loop.
"""

from __future__ import annotations

import asyncio

from turnout.core.errors import Draining, Overloaded

_RETRY_SECONDS = 1.0


class Traffic:
    """Counts requests in and out."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: set[asyncio.Task[object]] = set()
        self._answered = 0
        """Of the tasks, those that only wait for their record to be on disk. The writer's queue bounds them."""
        self._idle = asyncio.Event()
        self._idle.set()
        self.draining = False

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return len(self._tasks)

    def enter(self) -> asyncio.Task[object]:
        """Admits the current task. Raises Draining or Overloaded."""
        if self.draining:
            raise Draining("This server is shutting down.", retry_after=_RETRY_SECONDS, should_retry=True)
        if len(self._tasks) - self._answered >= self._most:
            raise Overloaded(
                f"This server has {self._most} requests in flight, which is its limit.",
                retry_after=_RETRY_SECONDS,
                should_retry=True,
            )
        task = asyncio.current_task()
        assert task is not None, "a request runs in a task"
        self._tasks.add(task)
        self._idle.clear()
        return task

    def answered(self) -> None:
        """The caller has the whole answer. Follow it with `leave`."""
        self._answered += 1

    def leave(self, task: asyncio.Task[object]) -> None:
        """The request is over, its record written."""
        self._answered -= 1
        self._tasks.discard(task)
        if not self._tasks:
            self._idle.set()

    async def drain(self, grace: float, last_words: float = 5.0) -> None:
        """Refuses new requests, waits `grace` seconds for those under way, then cancels the rest: each tells its caller
        and writes its record, for which it gets `last_words` seconds."""
        self.draining = True
        if await self._wait(grace):
            return
        for task in list(self._tasks):
            task.cancel()
        await self._wait(last_words)

    async def _wait(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True
