"""One stream's trouble is not another's: the task that keeps all of them alive."""

from __future__ import annotations

import asyncio
import contextlib

from turnout.core.clock import SystemClock
from turnout.gateway.outlet import Outlet, Pinger
from turnout.gateway.receive import Message, Send


def _outlet(send: Send) -> Outlet:
    return Outlet(send, SystemClock())


async def _pinged_beside(trouble: Send, seconds: float = 1.0) -> int:
    """How many pings a sound stream gets beside one whose `send` is `trouble`."""
    got: list[bytes] = []

    async def sound(message: Message) -> None:
        got.append(message.get("body", b""))

    pinger = Pinger(SystemClock(), 0.1)
    streams = [_outlet(trouble), _outlet(sound)]
    for each in streams:
        pinger.add(each, b": ping\n\n", [])
    task = asyncio.create_task(pinger.run())
    await asyncio.sleep(seconds)
    alive = not task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert alive
    return got.count(b": ping\n\n")


def test_a_caller_who_does_not_read_stops_no_other_keep_alive() -> None:
    """A ping that waits for a full connection does not hold up the next stream's."""

    async def stuck(message: Message) -> None:
        await asyncio.Event().wait()

    assert asyncio.run(_pinged_beside(stuck)) >= 3


def test_a_connection_that_takes_no_ping_ends_nothing_else() -> None:
    """A ping that comes when its answer has just ended is the server's error for that ping and nothing more."""

    async def broken(message: Message) -> None:
        raise RuntimeError("Unexpected ASGI message 'http.response.body' sent, after response already completed.")

    assert asyncio.run(_pinged_beside(broken)) >= 3
