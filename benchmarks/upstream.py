"""A model provider that costs nothing: OpenAI chat completions as JSON and as a stream, on 127.0.0.1.

What it answers is written in the prompt, so that it arrives whatever a gateway does to the rest of the body:

    [bench id=17 chunks=50 gap_us=10000 ttft_us=20000]

`id` comes back as `#17#`, by which a caller knows that the answer is its own and from no cache. Every content chunk,
and every whole answer, carries a stamp `@123456@`: the microsecond of CLOCK_MONOTONIC at which it was written. With
`gap_us=0` the chunks come as a burst, as fast as they are read. Each is one write, as real providers flush them.

Prints `port N` and serves until its standard input closes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import time
from dataclasses import dataclass
from typing import cast

import httptools
import uvloop

_DIRECTIVE = re.compile(rb"\[bench ([^\]]*)\]")
_STREAM = re.compile(rb'"stream"\s*:\s*true')
_USAGE = re.compile(rb'"include_usage"\s*:\s*true')

BURST_EVENTS = 8
"""So many events of a burst are written at a stroke; then the other streams have their turn."""

_SHARED = b'{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"m1",'
_FIRST = _SHARED + b'"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}'
_CHUNK = _SHARED + b'"choices":[{"index":0,"delta":{"content":"%s"},"logprobs":null,"finish_reason":null}]}'
_LAST = _SHARED + b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
_COUNTS = b'"usage":{"prompt_tokens":20,"completion_tokens":%d,"total_tokens":%d}'
_WHOLE = (
    b'{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"m1","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"#%d# @%d@ The quick brown fox jumps over the lazy dog."},'
    b'"logprobs":null,"finish_reason":"stop"}],%s}'
)
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks of the provider."""

    id: int = 0
    chunks: int = 1
    gap_us: int = 0
    ttft_us: int = 0

    @classmethod
    def read(cls, body: bytes) -> Wish:
        """The wish in a request body; the defaults where it holds none."""
        found = _DIRECTIVE.search(body)
        if found is None:
            return cls()
        pairs = (word.split("=") for word in found[1].decode().split())
        return cls(**{name: int(value) for name, value in pairs})


def stamp() -> int:
    """Now, in microseconds of a clock that all processes of this machine share."""
    return time.monotonic_ns() // 1000


def _event(data: bytes) -> bytes:
    line = b"data: " + data + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(line), line)


class Provider(asyncio.Protocol):
    """One connection. Callers send one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class, with the same methods
        self.fd: int = transport.get_extra_info("socket").fileno()
        self.parser = httptools.HttpRequestParser(self)
        self.body: list[bytes] = []
        self.wish = Wish()
        self.sent = 0
        self.paused = False
        self.waiting = False
        self.usage = False

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        body = b"".join(self.body)
        self.body.clear()
        self.wish = Wish.read(body)
        if self.parser.get_method() != b"POST":
            listed = b'{"object":"list","data":[{"id":"m1","object":"model"}]}'
            self._send(_JSON_HEAD % len(listed) + listed)
        elif _STREAM.search(body):
            self._begin(usage=_USAGE.search(body) is not None)
        else:
            answer = _WHOLE % (self.wish.id, stamp(), _COUNTS % (12, 32))
            self._send(_JSON_HEAD % len(answer) + answer)

    # ---- streams -------------------------------------------------------------------------

    def _begin(self, *, usage: bool) -> None:
        self.sent = 0
        self.usage = usage
        self.due = self.loop.time() + self.wish.ttft_us / 1e6
        self._send(_STREAM_HEAD + _event(_FIRST))
        if self.wish.ttft_us:
            self.loop.call_at(self.due, self._step)
        else:
            self.loop.call_soon(self._step)

    def _step(self) -> None:
        """Writes what is due: one event where they are paced, a few of a burst; then comes again."""
        if self.transport.is_closing():
            return
        if self.sent == self.wish.chunks:
            self._end()
            return
        many = 1 if self.wish.gap_us else min(BURST_EVENTS, self.wish.chunks - self.sent)
        for chunk in [self._chunk() for _ in range(many)]:
            self._send(chunk)
        if self.paused:
            self.waiting = True
        elif self.wish.gap_us and self.sent < self.wish.chunks:
            self.due += self.wish.gap_us / 1e6
            self.loop.call_at(self.due, self._step)
        else:
            self.loop.call_soon(self._step)

    def _chunk(self) -> bytes:
        mark = b"#%d# " % self.wish.id if self.sent == 0 else b""
        self.sent += 1
        return _event(_CHUNK % (mark + b"@%d@ word" % stamp()))

    def _end(self) -> None:
        tail = _event(_LAST)
        if self.usage:
            counts = _COUNTS % (self.wish.chunks, self.wish.chunks + 20)
            tail += _event(_SHARED + b'"choices":[],' + counts + b"}")
        self._send(tail + _event(b"[DONE]") + b"0\r\n\r\n")

    def _send(self, data: bytes) -> None:
        """Writes at once. A transport would gather what is written in one turn of the loop, as no provider does."""
        if not self.transport.get_write_buffer_size():
            try:
                data = data[os.write(self.fd, data) :]
            except BlockingIOError:
                pass
            except OSError:
                self.transport.abort()
                return
        if data:
            self.transport.write(data)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self.waiting:
            self.waiting = False
            self.loop.call_soon(self._step)


async def serve(port: int) -> None:
    """Serves until standard input closes."""
    loop = asyncio.get_running_loop()
    closed = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), closed.set)
    server = await loop.create_server(Provider, "127.0.0.1", port, backlog=4096)
    print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
    await closed.wait()
    server.close()


def main() -> None:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--port", type=int, default=0, help="0 takes a free one (the default)")
    uvloop.run(serve(options.parse_args().port))


if __name__ == "__main__":
    main()
