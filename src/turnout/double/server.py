"""The double itself: a TCP server on a port of its own, in a thread or in the running loop.

All mutable state is owned by the loop the server runs in; the lists may be read from anywhere.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable
from types import TracebackType

from turnout.core.clock import Clock, SystemClock
from turnout.double.connection import DoubleConnection, header_list
from turnout.double.echo import echo
from turnout.double.record import BillLine, Connected, Received
from turnout.double.script import Reply, Script


class Double:
    """An upstream that answers what it is told, byte for byte, and remembers everything.

    `with Double(script) as double:` runs it in a thread; `async with` runs it in the caller's loop. Without a
    script it is an echo model in every dialect. `double.script = ...` may be changed between requests.
    """

    def __init__(
        self,
        script: Script = echo,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.script = script
        self.clock: Clock = clock or SystemClock()
        self.requests: list[Received] = []
        self.connections: list[Connected] = []
        self.bill: list[BillLine] = []
        self._host, self._port, self._tls = host, port, tls
        self._scripted = 0
        self._live: set[DoubleConnection] = set()
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # -- what tests ask

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """`http://127.0.0.1:port`, without a trailing slash."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self._port}"

    @property
    def open_connections(self) -> int:
        """Connections that neither side has closed."""
        return sum(connection.closed_at is None for connection in self.connections)

    def wait_for(self, condition: Callable[[Double], bool], seconds: float = 2.0) -> bool:
        """Waits (blocking) until the condition holds; False when it does not within the time. Not for use in the
        loop that the double itself runs in: see `until`."""
        deadline = self.clock.monotonic() + seconds
        pause = threading.Event()
        while not condition(self):
            if self.clock.monotonic() > deadline:
                return False
            pause.wait(0.002)
        return True

    async def until(self, condition: Callable[[Double], bool], seconds: float = 2.0) -> bool:
        """As `wait_for`, without blocking the loop."""
        deadline = self.clock.monotonic() + seconds
        while not condition(self):
            if self.clock.monotonic() > deadline:
                return False
            await asyncio.sleep(0.002)
        return True

    # -- what connections ask

    def received(self, connection: Connected, head: bytes, body: bytes) -> Received:
        """Writes a request down."""
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        request = Received(
            number=len(self.requests) + 1,
            connection=connection.number,
            at=self.clock.monotonic(),
            method=method,
            target=rest.rpartition(" ")[0],
            head=head,
            header_list=header_list(head),
            body=body,
        )
        self.requests.append(request)
        return request

    def reply_to(self, request: Received) -> Reply:
        """The script's answer."""
        script = self.script
        if callable(script):
            return script(request)
        reply = script[min(self._scripted, len(script) - 1)]
        self._scripted += 1
        return reply

    def billed(self, line: BillLine) -> None:
        """Writes down what an answer costs."""
        self.bill.append(line)

    # -- life

    async def start(self) -> None:
        """Listens, in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._server = await self._loop.create_server(self._accept, self._host, self._port, ssl=self._tls)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stops listening and drops every connection."""
        assert self._server is not None, "the double was not started"
        self._server.close()
        tasks = [connection.task for connection in self._live if connection.task is not None]
        for connection in list(self._live):
            connection.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self) -> DoubleConnection:
        seen = Connected(number=len(self.connections) + 1, opened_at=self.clock.monotonic())
        self.connections.append(seen)
        connection = DoubleConnection(self, seen, self._live.discard)
        self._live.add(connection)
        return connection

    async def __aenter__(self) -> Double:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: object, trace: TracebackType | None) -> None:
        await self.stop()

    def __enter__(self) -> Double:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="turnout-double", daemon=True)
        self._thread.start()
        ready.wait()
        if self._server is None:
            raise OSError(f"The double can't listen on {self._host}:{self._port}.")
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: object, trace: TracebackType | None) -> None:
        assert self._loop is not None and self._thread is not None
        asyncio.run_coroutine_threadsafe(self.stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self, ready: threading.Event) -> None:
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self.start())
            ready.set()
            loop.run_forever()
            loop.run_until_complete(asyncio.sleep(0))
        except OSError:  # the port is taken; __enter__ says so
            ready.set()
        finally:
            loop.close()
