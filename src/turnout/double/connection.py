"""One accepted connection: reads requests, plays replies, writes down what happened."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol, cast

from turnout.core.clock import Clock
from turnout.double.record import BillLine, Connected, Received
from turnout.double.script import Close, Repeat, Reply, Reset, Send, Stall, Step, Wait


class Gone(Exception):
    """The connection ended while a reply was being played, or because the script said so."""


class Book(Protocol):
    """Where a connection writes what it saw, and asks what to answer."""

    clock: Clock

    def received(self, connection: Connected, head: bytes, body: bytes) -> Received: ...

    def reply_to(self, request: Received) -> Reply: ...

    def billed(self, line: BillLine) -> None: ...


class DoubleConnection(asyncio.Protocol):
    """Serves one socket. Owns its task: it is cancelled when the connection is lost."""

    def __init__(self, book: Book, seen: Connected, on_lost: Callable[[DoubleConnection], None]) -> None:
        self._book = book
        self._on_lost = on_lost
        self.seen = seen
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None
        self.task: asyncio.Task[None] | None = None

    # -- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no asyncio class
        self.task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._arrived.set()

    def eof_received(self) -> bool:
        if self.seen.closed_at is None:
            self.seen.closed_by_peer = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.seen.closed_at is None:
            self.seen.closed_at = self._book.clock.monotonic()
            self.seen.closed_by_peer = True
        self._writable.set()
        if self.task is not None:
            self.task.cancel()
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # -- the conversation

    async def _serve(self) -> None:
        try:
            while True:
                head = await self._head()
                body = await self._body(head)
                self.seen.requests += 1
                request = self._book.received(self.seen, head, body)
                await self._play(request, self._book.reply_to(request))
        except Gone:
            return

    async def _head(self) -> bytes:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            await self._more()
        return self._take(end + 4)

    async def _body(self, head: bytes) -> bytes:
        headers = dict(header_list(head.lower()))
        if headers.get("expect") == "100-continue":
            await self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in headers.get("transfer-encoding", ""):
            return await self._chunked()
        length = int(headers.get("content-length", "0"))
        while len(self._buffer) < length:
            await self._more()
        return self._take(length)

    async def _chunked(self) -> bytes:
        body = bytearray()
        while True:
            while (end := self._buffer.find(b"\r\n")) < 0:
                await self._more()
            size = int(self._take(end + 2).split(b";")[0], 16)
            while len(self._buffer) < size + 2:
                await self._more()
            body += self._take(size + 2)[:-2]
            if size == 0:
                return bytes(body)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def _more(self) -> None:
        self._arrived.clear()
        await self._arrived.wait()

    async def _play(self, request: Received, reply: Reply) -> None:
        line: BillLine | None = None
        if reply.tokens is not None:
            line = BillLine(number=request.number, model=request.model, tokens=reply.tokens)
            self._book.billed(line)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.framing != "raw":
            await self._write(_head_of(reply), reply)
        for step in reply.body:
            await self._step(step, reply)
            if line is not None:
                line.steps += 1
        if reply.framing == "chunked":
            await self._write(b"0\r\n\r\n", reply)
        if line is not None:
            line.delivered = True
        if reply.framing == "close":
            self.end()

    async def _step(self, step: Step, reply: Reply) -> None:
        match step:
            case Send(data):
                await self._chunk(data, reply)
            case Repeat(data, times, pause):
                count = 0
                while times is None or count < times:
                    await self._chunk(data, reply)
                    await asyncio.sleep(pause)
                    count += 1
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Stall():
                await asyncio.Event().wait()  # until the peer closes: connection_lost cancels this task
            case Close():
                self.end()
            case Reset():
                self.reset()

    async def _chunk(self, data: bytes, reply: Reply) -> None:
        if reply.framing == "chunked":
            data = b"%x\r\n%s\r\n" % (len(data), data)
        await self._write(data, reply)

    async def _write(self, data: bytes, reply: Reply | None = None) -> None:
        if reply is None or reply.split is None:
            return await self._put(data)
        for start in range(0, len(data), reply.split):
            await self._put(data[start : start + reply.split])
            await asyncio.sleep(reply.split_pause)

    async def _put(self, data: bytes) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            raise Gone
        self._transport.write(data)
        await self._writable.wait()

    def end(self) -> None:
        """Closes from our side, and stops the script."""
        self._closing()
        if self._transport is not None:
            self._transport.close()
        raise Gone

    def reset(self) -> None:
        """Resets the connection, and stops the script."""
        self._closing()
        if self._transport is not None:
            sock: socket.socket = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        raise Gone

    def abort(self) -> None:
        """Ends the connection when the server stops."""
        self._closing()
        if self._transport is not None:
            self._transport.abort()

    def _closing(self) -> None:
        if self.seen.closed_at is None:
            self.seen.closed_at = self._book.clock.monotonic()


def header_list(head: bytes) -> tuple[tuple[str, str], ...]:
    """The header lines of a request head, in order."""
    pairs: list[tuple[str, str]] = []
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            pairs.append((name, value.strip()))
    return tuple(pairs)


def _head_of(reply: Reply) -> bytes:
    reason = reply.reason or _REASONS.get(reply.status, "Status")
    lines = [f"HTTP/1.1 {reply.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    if reply.framing == "length":
        lines.append(f"content-length: {len(reply.content)}")
    elif reply.framing == "chunked":
        lines.append("transfer-encoding: chunked")
    else:
        lines.append("connection: close")
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1")


_REASONS = {status.value: status.phrase for status in HTTPStatus}
