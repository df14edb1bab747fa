"""HttpTransport against a real socket that fails in every way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from calls import KEY, QUICK, provider, request

from turnout.catalogue.model import Timeouts
from turnout.core.errors import UpstreamBroken, UpstreamError, UpstreamTimeout, UpstreamUnreachable
from turnout.double import Answer, Close, Double, Received, Reply, Send, Stall, Wait, faults, json, openai, raw, text
from turnout.upstream.http import HttpTransport

LONG = Answer(text=" ".join(["word"] * 60))
STREAM = openai.chat_stream(LONG)


def against(
    script: Double | list[Reply] | Callable[[Received], Reply],
    act: Callable[[HttpTransport, Double], Awaitable[None]],
    *,
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
    **options: float,
) -> Double:
    """Runs `act` with a transport that may reach the double only."""

    async def main(double: Double) -> None:
        async with double:
            transport = HttpTransport([provider(double.url + "/v1")], **options)  # type: ignore[arg-type]
            try:
                await act(transport, double)
            finally:
                await transport.close()

    double = script if isinstance(script, Double) else Double(script)
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(main(double), 20))
    return double


async def read_all(transport: HttpTransport, url: str, timeouts: Timeouts = QUICK) -> bytes:
    response = await transport.send(request(url, timeouts=timeouts))
    try:
        return b"".join([chunk async for chunk in response.chunks()])
    finally:
        response.close()


def test_a_whole_answer_arrives_byte_for_byte() -> None:
    """The status, the headers and the body are the provider's own."""

    async def act(transport: HttpTransport, double: Double) -> None:
        response = await transport.send(request(double.url))
        body = await response.read(1 << 20)
        response.close()
        assert (response.status, response.headers["Content-Type"]) == (200, "application/json")
        assert openai.chat().content == body
        assert transport.connections_in_use == 0

    against([openai.chat()], act)


def test_the_request_is_sent_exactly_as_given() -> None:
    """Only host, accept, accept-encoding: identity and content-length are added; the body is untouched."""

    async def act(transport: HttpTransport, double: Double) -> None:
        await read_all(transport, double.url)

    sent = against([openai.chat()], act).requests[0]
    assert sent.target == "/v1/chat/completions"
    assert sent.body == b'{"model":"m","stream":true}'
    names = sorted(name.lower() for name, _ in sent.header_list)
    assert names == [
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    ]
    assert sent.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("split", [1, 2, 3, 7, 64])
def test_a_stream_cut_anywhere_is_the_same_stream(split: int) -> None:
    """F21, F22: the size of TCP writes does not change the bytes."""
    import dataclasses

    async def act(transport: HttpTransport, double: Double) -> None:
        timeouts = Timeouts(first_byte=5, idle=5, total=10)
        assert STREAM.content == await read_all(transport, double.url, timeouts)

    against([dataclasses.replace(STREAM, split=split)], act)


BROKEN: dict[str, tuple[Reply, type[UpstreamError]]] = {
    "F9 reset before headers": (faults.reset_before_headers(), UpstreamBroken),
    "close before headers": (faults.close_before_headers(), UpstreamBroken),
    "F10 reset mid-stream": (faults.cut_after(STREAM, 40, reset=True), UpstreamBroken),
    "F11 end mid-stream": (faults.cut_after(STREAM, 40), UpstreamBroken),
    "F6 slow first byte": (faults.slow_first_byte(STREAM, 3), UpstreamTimeout),
    "never answers": (faults.never_answers(), UpstreamTimeout),
    "F7 stall mid-stream": (faults.stall(STREAM, 20), UpstreamTimeout),
    "stall inside a length-framed body": (
        Reply(framing="raw", body=(Send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"), Stall())),
        UpstreamTimeout,
    ),
    "F8 drip beyond the deadline": (faults.drip(STREAM, 0.05), UpstreamTimeout),
    "F19 half a body": (faults.half_a_body(openai.chat()), UpstreamBroken),
    "F25 gzip bomb": (faults.gzip_bomb(1 << 20), UpstreamBroken),
    "F27 header flood": (faults.header_flood(), UpstreamBroken),
    "F27 long header": (faults.long_header(), UpstreamBroken),
    "F27 NUL header": (faults.nul_header(), UpstreamBroken),
    "not HTTP": (faults.not_http(), UpstreamBroken),
    "bad chunk size": (raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n"), UpstreamBroken),
    "two lengths": (raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} "), UpstreamBroken),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_fault_has_its_error_class(name: str) -> None:
    """A fault on the wire becomes our error for it, and the connection is given up."""
    reply, expected = BROKEN[name]

    async def act(transport: HttpTransport, double: Double) -> None:
        with pytest.raises(UpstreamError) as caught:
            await read_all(transport, double.url)
        assert expected is type(caught.value)
        assert KEY not in caught.value.message
        assert transport.connections_in_use == 0
        if name != "F25 gzip bomb":  # refused for its encoding, after a complete body: that connection is sound
            assert await double.until(lambda d: d.open_connections == 0, 1.0)

    against([reply], act)


def test_refused_connection_is_unreachable_at_once() -> None:
    """F1: nothing was sent, and it is known within 50 ms."""

    async def main() -> None:
        url = f"http://127.0.0.1:{faults.closed_port()}"
        transport = HttpTransport([provider(url)])
        loop = asyncio.get_running_loop()
        started = loop.time()
        with pytest.raises(UpstreamUnreachable) as caught:
            await transport.send(request(url))
        assert loop.time() - started < 0.05
        assert "127.0.0.1" in caught.value.message
        await transport.close()

    asyncio.run(main())


def test_a_handshake_that_stalls_is_unreachable() -> None:
    """F5: a server that takes the connection and never speaks TLS is given up after the connect timeout."""

    async def main() -> None:
        async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        stalled = await asyncio.start_server(mute, "127.0.0.1", 0)
        url = f"https://127.0.0.1:{stalled.sockets[0].getsockname()[1]}"
        transport = HttpTransport([provider(url)])
        with pytest.raises(UpstreamUnreachable):
            await transport.send(request(url, timeouts=Timeouts(connect=0.1)))
        await transport.close()
        stalled.close()
        await asyncio.sleep(0.02)

    asyncio.run(main())


def test_a_server_without_tls_is_unreachable() -> None:
    """F5: no downgrade to plain HTTP."""

    async def act(transport: HttpTransport, double: Double) -> None:
        url = double.url.replace("http:", "https:")
        transport.reload([provider(url)])
        with pytest.raises(UpstreamUnreachable):
            await transport.send(request(url, timeouts=Timeouts(connect=0.1)))
        assert not double.requests

    against([openai.chat()], act)


def test_a_redirect_is_not_followed_and_the_key_stays_here() -> None:
    """F26: the caller sees the 302; the place it points at gets no connection."""

    async def act(transport: HttpTransport, double: Double) -> None:
        async with Double() as attacker:
            double.script = [faults.redirect(attacker.url + "/steal")]
            transport.reload([provider(double.url), provider(attacker.url)])
            response = await transport.send(request(double.url))
            await response.read(100)
            response.close()
            assert response.status == 302
            assert attacker.connections == []

    against([], act)


def test_cookies_are_not_kept() -> None:
    """A cookie that a provider sets is not sent to it again."""

    async def act(transport: HttpTransport, double: Double) -> None:
        await read_all(transport, double.url)
        await read_all(transport, double.url)
        assert "cookie" not in double.requests[1].headers

    against([json(b"{}", headers=(("set-cookie", "a=b; Path=/"),))], act)


def test_a_finished_connection_is_used_again() -> None:
    """Two calls one after the other share a connection, streamed or not."""

    async def act(transport: HttpTransport, double: Double) -> None:
        await read_all(transport, double.url)
        await read_all(transport, double.url)

    assert len(against([openai.chat(), STREAM], act).connections) == 1


def test_a_body_over_the_limit_is_refused() -> None:
    """I16: limit - 1 and limit pass, limit + 1 does not."""

    async def act(transport: HttpTransport, double: Double) -> None:
        for limit, fits in ((11, True), (10, True), (9, False)):
            response = await transport.send(request(double.url))
            if fits:
                assert await response.read(limit) == b"x" * 10
            else:
                with pytest.raises(UpstreamBroken):
                    await response.read(limit)
            response.close()

    against([text("x" * 10)], act)


def test_a_body_in_many_pieces_over_the_limit_is_refused() -> None:
    """I16: an endless stream is read up to the limit only."""

    async def act(transport: HttpTransport, double: Double) -> None:
        response = await transport.send(request(double.url))
        with pytest.raises(UpstreamBroken):
            await response.read(100_000)
        assert await double.until(lambda d: d.open_connections == 0, 1.0)

    against([faults.endless(STREAM)], act)


def test_a_slow_reader_is_not_an_idle_provider() -> None:
    """The idle timeout counts the provider's silence, not the time we take to use a chunk."""

    async def act(transport: HttpTransport, double: Double) -> None:
        response = await transport.send(request(double.url, timeouts=Timeouts(idle=0.1, total=5)))
        got = bytearray()
        async for chunk in response.chunks():
            got += chunk
            await asyncio.sleep(0.25)
        assert bytes(got) == b"ab"
        response.close()

    against([Reply(framing="chunked", body=(Send(b"a"), Wait(0.05), Send(b"b"), Wait(0.3)))], act)


def test_pings_keep_an_idle_stream_alive() -> None:
    """Any byte from the provider counts as activity."""
    steps = [step for _ in range(8) for step in (Send(b": ping\n\n"), Wait(0.05))]

    async def act(transport: HttpTransport, double: Double) -> None:
        body = await read_all(transport, double.url, Timeouts(idle=0.12, total=5))
        assert body == b": ping\n\n" * 8

    against([Reply(framing="chunked", body=tuple(steps))], act)


def test_closing_in_mid_stream_ends_the_upstream_connection_within_a_second() -> None:
    """I12: the provider sees the end at once, also while it is silent."""

    async def act(transport: HttpTransport, double: Double) -> None:
        response = await transport.send(request(double.url))
        await anext(response.chunks())
        closed = double.clock.monotonic()
        response.close()
        response.close()
        assert await double.until(lambda d: d.open_connections == 0, 1.0)
        ended = double.connections[0].closed_at
        assert ended is not None and ended - closed < 0.5
        assert double.connections[0].closed_by_peer

    against([faults.stall(STREAM, 5)], act)


def test_cancelling_while_waiting_for_headers_ends_the_upstream_connection() -> None:
    """I12: a caller that leaves before the first byte does not leave its request running."""

    async def act(transport: HttpTransport, double: Double) -> None:
        call = asyncio.get_running_loop().create_task(transport.send(request(double.url, timeouts=Timeouts())))
        assert await double.until(lambda d: len(d.requests) == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await double.until(lambda d: d.open_connections == 0, 1.0)
        assert transport.connections_in_use == 0

    against([faults.never_answers()], act)


def test_cancelling_a_large_upload_ends_the_upstream_connection() -> None:
    """I12: a body that the provider does not read is not flushed first."""

    async def main() -> None:
        ended = asyncio.Event()

        async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(0.3)
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            try:
                while await reader.read(1 << 20):
                    pass
            except ConnectionError:
                pass
            ended.set()
            writer.close()

        server = await asyncio.start_server(deaf, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        transport = HttpTransport([provider(url)])
        big = request(url, body=b"x" * (32 << 20), timeouts=Timeouts())
        call = asyncio.get_running_loop().create_task(transport.send(big))
        await asyncio.sleep(0.1)
        call.cancel()
        await asyncio.wait([call])
        await asyncio.wait_for(ended.wait(), 1.0)
        await transport.close()
        server.close()

    asyncio.run(main())


def test_a_stale_pooled_connection_is_told_apart() -> None:
    """A kept-alive connection that ends without one byte gives UpstreamBroken with `stale`, and nothing is resent."""

    async def act(transport: HttpTransport, double: Double) -> None:
        await read_all(transport, double.url)
        with pytest.raises(UpstreamBroken) as caught:
            await read_all(transport, double.url)
        assert caught.value.stale
        assert [request.connection for request in double.requests] == [1, 1]

    against([openai.chat(), faults.close_before_headers()], act)


def test_a_fresh_connection_that_ends_is_not_stale() -> None:
    """The first request of a connection may have been billed."""

    async def act(transport: HttpTransport, double: Double) -> None:
        with pytest.raises(UpstreamBroken) as caught:
            await read_all(transport, double.url)
        assert not caught.value.stale

    against([faults.close_before_headers()], act)


def test_a_pooled_connection_that_ends_inside_the_status_line_is_not_stale() -> None:
    """Once a byte of the answer came, the provider had the request."""

    async def act(transport: HttpTransport, double: Double) -> None:
        await read_all(transport, double.url)
        with pytest.raises(UpstreamBroken) as caught:
            await read_all(transport, double.url)
        assert not caught.value.stale

    against([openai.chat(), Reply(framing="raw", body=(Send(b"HTTP/1.1 200 OK\r\nx-a: b\r\n"), Close()))], act)


def test_an_answer_nobody_asked_for_reaches_no_other_request() -> None:
    """I12, incident 41: a connection on which bytes came while it was idle is not used again."""

    async def act(transport: HttpTransport, double: Double) -> None:
        good = openai.chat().content
        assert good == await read_all(transport, double.url)
        await asyncio.sleep(0.1)
        assert good == await read_all(transport, double.url)
        assert len(double.connections) == 2

    against([faults.second_answer(openai.chat()), openai.chat()], act)


def test_500_random_cancels_leak_nothing_and_mix_nothing() -> None:
    """I12: after cancels at random moments no connection is in use, and every answer reached its own request."""
    rng = random.Random(41)

    def script(received: Received) -> Reply:
        word = str(received.json["model"])
        return openai.chat_stream(Answer(text=f"{word} " * 20, model=word)).__class__(
            framing="chunked",
            body=tuple(step for _ in range(6) for step in (Send(f"<{word}>".encode()), Wait(0.002))),
        )

    async def act(transport: HttpTransport, double: Double) -> None:
        async def call(number: int) -> None:
            response = await transport.send(request(double.url, body=b'{"model":"m%d"}' % number, timeouts=Timeouts()))
            try:
                body = b"".join([chunk async for chunk in response.chunks()])
            finally:
                response.close()
            assert b"<m%d>" % number * 6 == body

        loop = asyncio.get_running_loop()
        before = len(asyncio.all_tasks())
        for batch in range(25):
            calls = [loop.create_task(call(batch * 20 + number)) for number in range(20)]
            for task in calls:
                if rng.random() < 0.8:
                    loop.call_later(rng.random() * 0.03, task.cancel)
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert [r for r in results if r is not None and not isinstance(r, asyncio.CancelledError)] == []
        assert transport.connections_in_use == 0
        await asyncio.sleep(0.05)
        doubles_own = sum(connection.closed_at is None for connection in double.connections)
        assert before + doubles_own >= len(asyncio.all_tasks())
        assert await read_own(transport, double) == b"<m9999>" * 6

    async def read_own(transport: HttpTransport, double: Double) -> bytes:
        response = await transport.send(request(double.url, body=b'{"model":"m9999"}', timeouts=Timeouts()))
        body = await response.read(1000)
        response.close()
        return body

    against(script, act)  # type: ignore[arg-type]
