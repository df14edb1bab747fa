"""The same faults on the loop that production runs on."""

from __future__ import annotations

import asyncio

import pytest
from test_http import BROKEN, STREAM, against, read_all
from test_http_wire import HOSTILE, PATIENT

from turnout.core.errors import UpstreamError
from turnout.double import Double, faults
from turnout.upstream.http import HttpTransport

uvloop = pytest.importorskip("uvloop", reason="there is none on Windows")
FAULTY = {name: reply for name, (reply, _) in BROKEN.items()} | HOSTILE


def test_a_connection_carries_two_streams() -> None:
    """Byte for byte, on one connection."""

    async def act(transport: HttpTransport, double: Double) -> None:
        for _ in range(2):
            assert await read_all(transport, double.url, PATIENT) == STREAM.content

    assert len(against([STREAM], act, loop=uvloop.new_event_loop).connections) == 1


@pytest.mark.parametrize("name", FAULTY)
def test_every_fault_is_told_and_leaves_nothing(name: str) -> None:
    """As on the standard library's loop."""

    async def act(transport: HttpTransport, double: Double) -> None:
        with pytest.raises(UpstreamError):
            await read_all(transport, double.url)
        assert transport.connections_in_use == 0

    against([FAULTY[name]], act, loop=uvloop.new_event_loop)


def test_cancelling_ends_the_connection() -> None:
    """The provider sees the end within a second."""

    async def act(transport: HttpTransport, double: Double) -> None:
        call = asyncio.get_running_loop().create_task(read_all(transport, double.url, PATIENT))
        assert await double.until(lambda d: len(d.requests) == 1)
        call.cancel()
        await asyncio.wait([call])
        assert await double.until(lambda d: d.open_connections == 0, 1.0)

    against([faults.never_answers()], act, loop=uvloop.new_event_loop)
