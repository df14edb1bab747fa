"""How many connections there are, and whose turn it is."""

from __future__ import annotations

import asyncio

import pytest
from calls import QUICK, provider, request
from test_http import against, read_all

from turnout.catalogue.model import Timeouts
from turnout.core.errors import UpstreamUnreachable
from turnout.double import Double, Received, Reply, Send, Wait, faults, openai
from turnout.upstream.http import HttpTransport

SLOW = Timeouts(connect=5, first_byte=5, idle=5, total=10)
SHORT_PAUSE = Reply(framing="chunked", body=(Send(b"a"), Wait(0.03), Send(b"b")))


def test_the_limit_holds_and_turns_are_fair() -> None:
    """Ten calls over two connections are served in the order in which they were made."""

    async def act(transport: HttpTransport, double: Double) -> None:
        async def call(number: int) -> None:
            response = await transport.send(request(double.url, body=b'{"model":"%d"}' % number, timeouts=SLOW))
            assert await response.read(10) == b"ab"
            assert transport.connections_in_use <= 2
            response.close()

        await asyncio.gather(*(call(number) for number in range(10)))
        assert [int(received.model or "") for received in double.requests] == list(range(10))
        assert len(double.connections) == 2
        assert transport.connections_in_use == 0

    against([SHORT_PAUSE], act, limit_per_host=2)


def test_a_caller_that_stops_waiting_loses_only_its_own_turn() -> None:
    """Whoever is cancelled in the queue, before or just after a slot was handed over, leaves no slot behind."""

    async def act(transport: HttpTransport, double: Double) -> None:
        loop = asyncio.get_running_loop()
        for when in (0.0, 0.01, 0.03, 0.05, 0.07):
            calls = [loop.create_task(read_all(transport, double.url, SLOW)) for _ in range(6)]
            loop.call_later(when, lambda tasks=calls: [task.cancel() for task in tasks[1:4]])
            done = await asyncio.gather(*calls, return_exceptions=True)
            assert [done[0], done[4], done[5]] == [b"ab"] * 3
            assert transport.connections_in_use == 0
        first = await transport.send(request(double.url, timeouts=SLOW))
        waiting = loop.create_task(transport.send(request(double.url, timeouts=SLOW)))
        await asyncio.sleep(0.01)
        first.close()  # hands the slot over ...
        waiting.cancel()  # ... to one that is gone when it would take it
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert transport.connections_in_use == 0
        assert await read_all(transport, double.url, SLOW) == b"ab"

    against([SHORT_PAUSE], act, limit_per_host=1)


def test_no_free_slot_is_unreachable_after_the_connect_timeout() -> None:
    """Nothing was sent, and the queue is as before."""

    async def act(transport: HttpTransport, double: Double) -> None:
        held = await transport.send(request(double.url, timeouts=SLOW))
        with pytest.raises(UpstreamUnreachable, match="in time"):
            await transport.send(request(double.url, timeouts=Timeouts(connect=0.05)))
        held.close()
        assert transport.connections_in_use == 0
        assert len(double.requests) == 1

    against([faults.stall(openai.chat_stream(), 5)], act, limit_per_host=1)


def test_a_connection_that_ended_while_idle_is_not_tried() -> None:
    """The provider's orderly goodbye is noticed, and the next call gets a new connection."""

    def script(received: Received) -> Reply:
        good = openai.chat()
        return Reply(framing="chunked", body=(Send(good.content),)) if received.number > 1 else good

    async def act(transport: HttpTransport, double: Double) -> None:
        await read_all(transport, double.url)
        await double.stop()
        await asyncio.sleep(0.02)
        with pytest.raises(UpstreamUnreachable):
            await read_all(transport, double.url)
        assert transport.connections_in_use == 0

    against(Double(script), act)


def test_closing_the_transport_ends_every_call() -> None:
    """Also one that waits for its answer and one that waits for a slot; a later call is refused."""

    async def main() -> None:
        async with Double([faults.never_answers()]) as double:
            transport = HttpTransport([provider(double.url)], limit_per_host=1)
            loop = asyncio.get_running_loop()
            calls = [loop.create_task(transport.send(request(double.url, timeouts=SLOW))) for _ in range(2)]
            assert await double.until(lambda d: len(d.requests) == 1)
            await transport.close()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(error, Exception) for error in ended)
            assert await double.until(lambda d: d.open_connections == 0, 1.0)
            with pytest.raises(UpstreamUnreachable):
                await transport.send(request(double.url, timeouts=QUICK))
            assert transport.connections_in_use == 0

    asyncio.run(asyncio.wait_for(main(), 10))


def test_two_lookups_at_once_are_one() -> None:
    """A burst of calls to a new host asks for its address once, and then for its lifetime not again."""
    asked: list[str] = []

    async def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        await asyncio.sleep(0.02)
        return ["127.0.0.1"]

    async def main() -> None:
        async with Double([openai.chat()]) as double:
            url = f"http://acme.test:{double.port}"
            transport = HttpTransport([provider(url, self_hosted=True)], lookup=lookup)
            loop = asyncio.get_running_loop()
            calls = [loop.create_task(read_all(transport, url)) for _ in range(5)]
            await asyncio.sleep(0.01)
            calls[0].cancel()
            done = await asyncio.gather(*calls, return_exceptions=True)
            assert done[1:] == [openai.chat().content] * 4
            await transport.close()

    asyncio.run(main())
    assert asked == ["acme.test"]


def test_a_dead_address_gives_way_to_a_live_one() -> None:
    """Addresses that refuse are passed over at once, in both families."""

    async def main() -> None:
        async with Double([openai.chat()], host="127.0.0.1") as double:

            async def lookup(host: str, port: int) -> list[str]:
                return ["127.0.0.3", "::1", "127.0.0.1"]

            url = f"http://acme.test:{double.port}"
            transport = HttpTransport([provider(url, self_hosted=True)], lookup=lookup)
            assert await read_all(transport, url) == openai.chat().content
            await transport.close()

    asyncio.run(main())
