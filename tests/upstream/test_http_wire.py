"""Answers that are framed in good, odd and hostile ways."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable

import pytest
from calls import provider, request
from test_http import against, read_all

from turnout.catalogue.model import Timeouts
from turnout.core.errors import UpstreamBroken, UpstreamUnreachable
from turnout.double import Close, Double, Repeat, Reply, Reset, Send, Wait, json, openai, raw
from turnout.upstream.headers import Headers
from turnout.upstream.http import HttpTransport

Act = Callable[[HttpTransport, Double], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\n"
PATIENT = Timeouts(first_byte=5, idle=5, total=10)


def closing(*steps: bytes) -> Reply:
    """Bytes, each in a write of its own, then the end of the connection."""
    return Reply(framing="raw", body=(*(step for data in steps for step in (Send(data), Wait(0.01))), Close()))


WHOLE: dict[str, tuple[Reply, bytes]] = {
    "until the connection closes": (closing(OK + b"\r\nab", b"cd"), b"abcd"),
    "until the connection closes, empty": (closing(OK + b"\r\n"), b""),
    "HTTP/1.0": (closing(b"HTTP/1.0 200 OK\r\n\r\nabcd"), b"abcd"),
    "chunk extensions and trailers": (
        raw(OK + b"transfer-encoding: chunked\r\n\r\n2;x=y\r\nab\r\n2\r\ncd\r\n0\r\nx-sum: 1\r\n\r\n"),
        b"abcd",
    ),
    "interim answers": (
        raw(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
            + OK
            + b"content-length: 2\r\n\r\nab"
        ),
        b"ab",
    ),
    "no content": (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), b""),
    "an empty value and no reason": (raw(b"HTTP/1.1 200\r\nx-empty:\r\ncontent-length: 1\r\n\r\na"), b"a"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_every_legal_framing_is_read(name: str) -> None:
    """RFC 9112, section 6.3."""
    reply, body = WHOLE[name]

    async def act(transport: HttpTransport, double: Double) -> None:
        assert body == await read_all(transport, double.url, PATIENT)
        assert body == await read_all(transport, double.url, PATIENT)
        assert transport.connections_in_use == 0

    against([reply], act)


HOSTILE: dict[str, Reply] = {
    "two framings": raw(OK + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    "two framings, turned": raw(OK + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    "an unknown coding": closing(OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "a coding that hides": closing(OK + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "two equal lengths": raw(OK + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}"),
    "a list of lengths": raw(OK + b"content-length: 2, 2\r\n\r\n{}"),
    "a negative length": raw(OK + b"content-length: -2\r\n\r\n{}"),
    "a length with a sign": raw(OK + b"content-length: +2\r\n\r\n{}"),
    "a chunk without an end": raw(OK + b"transfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n"),
    "a huge chunk size": raw(OK + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc"),
    "a space before the colon": raw(OK + b"content-length : 2\r\n\r\n{}"),
    "a bare line feed": raw(b"HTTP/1.1 200 OK\ncontent-length: 2\n\n{}"),
    "another protocol": raw(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
    "HTTP/2": raw(b"HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
    "interim answers without end": Reply(
        framing="raw", body=(Repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, None, 0.0),)
    ),
    "a header without end": Reply(framing="raw", body=(Send(OK + b"x: "), Repeat(b"x" * 1000, None, 0.0))),
    "a trailer without end": Reply(
        framing="raw", body=(Send(OK + b"transfer-encoding: chunked\r\n\r\n0\r\nx: "), Repeat(b"x" * 1000, None, 0.0))
    ),
    "a chunk extension without end": Reply(
        framing="raw", body=(Send(OK + b"transfer-encoding: chunked\r\n\r\n1;"), Repeat(b"x" * 1000, None, 0.0))
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_could_be_read_in_two_ways_is_broken(name: str) -> None:
    """Nothing is guessed, nothing without an end is kept, and the connection is given up."""

    async def act(transport: HttpTransport, double: Double) -> None:
        with pytest.raises(UpstreamBroken):
            await read_all(transport, double.url, PATIENT)
        assert transport.connections_in_use == 0
        assert await double.until(lambda d: d.open_connections == 0, 1.0)

    against([HOSTILE[name]], act)


def test_an_answer_in_the_same_packet_as_the_first_goes_nowhere() -> None:
    """The first answer is good; the connection is not used again."""
    both = (OK + b"content-length: 1\r\n\r\na") + (OK + b"content-length: 1\r\n\r\nb")

    async def act(transport: HttpTransport, double: Double) -> None:
        assert await read_all(transport, double.url, PATIENT) == b"a"
        assert await read_all(transport, double.url, PATIENT) == b"a"
        assert len(double.connections) == 2

    against([raw(both)], act)


@pytest.mark.parametrize("header", ["connection: close", "keep-alive: timeout=1", "Keep-Alive: max=9, timeout=0"])
def test_a_connection_is_kept_no_longer_than_the_provider_says(header: str) -> None:
    """`Connection: close`, and a timeout with a second's margin."""
    name, _, value = header.partition(": ")

    async def act(transport: HttpTransport, double: Double) -> None:
        await read_all(transport, double.url)
        await read_all(transport, double.url)
        assert len(double.connections) == 2

    against([json(b"{}", headers=((name, value),))], act)


def test_an_idle_connection_expires() -> None:
    """It is closed when its time is up, not when it is next wanted."""

    async def act(transport: HttpTransport, double: Double) -> None:
        await read_all(transport, double.url)
        assert double.open_connections == 1
        assert await double.until(lambda d: d.open_connections == 0, 1.0)

    against([openai.chat()], act, keepalive=0.05)


def test_an_error_keeps_what_came_before_it() -> None:
    """The bytes before a cut are handed out, then the cut is told, again and again."""

    async def act(transport: HttpTransport, double: Double) -> None:
        response = await transport.send(request(double.url))
        await asyncio.sleep(0.1)
        assert await anext(response.chunks()) == b"ab"
        for _ in range(2):
            with pytest.raises(UpstreamBroken):
                await anext(response.chunks())
        response.close()

    against([Reply(framing="chunked", body=(Send(b"a"), Wait(0.02), Send(b"b"), Wait(0.02), Reset()))], act)


def test_a_slow_reader_stops_the_provider() -> None:
    """What is held for a reader that does not read is bounded, and nothing is lost."""
    size = 32 << 20

    async def act(transport: HttpTransport, double: Double) -> None:
        response = await transport.send(request(double.url, timeouts=PATIENT))
        tracemalloc.start()
        await asyncio.sleep(0.2)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < 2 << 20
        assert len(await response.read(size)) == size
        response.close()

    # Small pieces: the double's own buffer for the socket does not count as ours.
    against([Reply(framing="chunked", body=(Repeat(b"x" * (1 << 16), size >> 16, 0.0),))], act)


def test_an_answer_that_comes_before_the_upload_ends_is_read() -> None:
    """A 413 is told at once; the connection, whose request is not whole, is not used again."""

    async def main() -> None:
        async def picky(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
            await reader.read(1)
            await asyncio.sleep(0.2)
            writer.close()

        server = await asyncio.start_server(picky, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        transport = HttpTransport([provider(url)])
        response = await transport.send(request(url, body=b"x" * (64 << 20), timeouts=PATIENT))
        assert (response.status, await response.read(10)) == (413, b"no")
        response.close()
        assert transport.connections_in_use == 0
        await transport.close()
        server.close()
        await asyncio.sleep(0.25)

    asyncio.run(main())


def test_headers_do_not_mind_case_and_join_lines() -> None:
    """A repeated name is one list."""
    headers = Headers([(b"X-A", b"1"), (b"x-a", b"2"), (b"Retry-After", b"3")])
    assert (headers["x-A"], headers.get("RETRY-AFTER"), headers.get("none"), headers.get("none", "d")) == (
        "1, 2",
        "3",
        None,
        "d",
    )
    assert ("X-a" in headers, "y" in headers, len(headers), list(headers)) == (True, False, 2, ["x-a", "retry-after"])


def test_a_url_that_is_none_is_unreachable() -> None:
    """So are a password in it and a header that can't be written."""

    async def act(transport: HttpTransport, double: Double) -> None:
        for url in ("http://", "nonsense", f"http://u:p@127.0.0.1:{double.port}"):
            with pytest.raises(UpstreamUnreachable):
                await transport.send(request(url))
        bad = request(double.url)
        for headers in ({"x": "a\r\nb: c"}, {"content-length": "0"}):
            with pytest.raises(UpstreamUnreachable, match="could be written"):
                await transport.send(type(bad)(url=bad.url, headers=headers, body=b""))
        assert double.connections == []

    against([openai.chat()], act)
