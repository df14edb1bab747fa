"""Calls through an HTTP proxy, which is a small real one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from calls import KEY, provider, request
from test_tls import certificate, serving

from turnout.core.errors import UpstreamUnreachable
from turnout.double import Double, openai
from turnout.upstream.http import HttpTransport


class SmallProxy:
    """Passes CONNECT on to `port`, whatever host was asked for; answers with `refusal` where it is given."""

    def __init__(self, port: int, refusal: bytes = b"") -> None:
        self.port = port
        self.refusal = refusal
        self.heads: list[bytes] = []
        self.passed = bytearray()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            if self.refusal:
                writer.write(self.refusal)
                return writer.close()
            there, back = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(b"HTTP/1.1 200 Connection established\r\nvia: small\r\n\r\n")
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            self.passed += data
            sink.write(data)
        sink.close()


def through(proxy: SmallProxy, act: Callable[[str], Awaitable[None]]) -> None:
    async def main() -> None:
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        await act(f"http://user:p%40ss@127.0.0.1:{server.sockets[0].getsockname()[1]}")
        server.close()
        await asyncio.sleep(0.02)

    asyncio.run(asyncio.wait_for(main(), 10))


def test_https_goes_through_a_tunnel_that_the_proxy_can_not_read(tmp_path: Path) -> None:
    """CONNECT with the proxy's password, TLS to the provider inside, its name checked, the connection used again."""
    path = certificate(tmp_path)

    async def main() -> None:
        async with Double([openai.chat()], tls=serving(path)) as double:
            proxy = SmallProxy(double.port)
            server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
            address = f"http://user:p%40ss@127.0.0.1:{server.sockets[0].getsockname()[1]}"
            transport = HttpTransport([provider(double.url)], ca_file=str(path), proxies={"https": address})
            for _ in range(2):
                response = await transport.send(request(double.url))
                assert await response.read(1 << 20) == openai.chat().content
                response.close()
            await transport.close()
            server.close()
            await asyncio.sleep(0.05)
            assert len(proxy.heads) == 1
            head = proxy.heads[0]
            assert head.startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % double.port)
            assert b"proxy-authorization: Basic dXNlcjpwQHNz\r\n" in head
            assert KEY.encode() not in head + bytes(proxy.passed)
            assert "proxy-authorization" not in double.requests[0].headers

    asyncio.run(asyncio.wait_for(main(), 10))


def test_plain_http_is_passed_on_by_its_whole_url() -> None:
    """The double stands for the proxy: it sees the absolute form, and the name is never looked up here."""

    async def main() -> None:
        async with Double([openai.chat()]) as double:
            address = double.url.replace("//", "//user:p%40ss@")
            transport = HttpTransport([provider("http://no-such-name.invalid:81")], proxies={"http": address})
            response = await transport.send(request("http://no-such-name.invalid:81"))
            assert await response.read(1 << 20) == openai.chat().content
            response.close()
            await transport.close()
            seen = double.requests[0]
            assert seen.target == "http://no-such-name.invalid:81/v1/chat/completions"
            assert seen.headers["host"] == "no-such-name.invalid:81"
            assert seen.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"

    asyncio.run(main())


REFUSALS = {
    "407": b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
    "502": b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
    "not valid HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "more than its answer": b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "closed": b"HTTP/1.1 200",
    "too long": b"HTTP/1.1 200 OK\r\nx: " + b"x" * 40_000,
}


@pytest.mark.parametrize("words", REFUSALS)
def test_a_proxy_that_does_not_connect_is_unreachable(words: str) -> None:
    """Nothing was sent to the provider, and the reason is told."""
    proxy = SmallProxy(1, REFUSALS[words])

    async def act(address: str) -> None:
        transport = HttpTransport([provider("https://api.acme.test")], proxies={"https": address})
        with pytest.raises(UpstreamUnreachable, match=words):
            await transport.send(request("https://api.acme.test"))
        assert transport.connections_in_use == 0
        await transport.close()
        assert KEY.encode() not in b"".join(proxy.heads)

    through(proxy, act)


def test_the_policy_holds_through_a_proxy() -> None:
    """What is not configured is refused here, and the proxy is not asked."""
    proxy = SmallProxy(1)

    async def act(address: str) -> None:
        transport = HttpTransport([provider("https://api.acme.test")], proxies={"https": address, "http": address})
        for url in ("https://evil.test", "http://169.254.169.254"):
            with pytest.raises(UpstreamUnreachable, match="egress"):
                await transport.send(request(url))
        await transport.close()
        assert proxy.heads == []

    through(proxy, act)
