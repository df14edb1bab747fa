"""A load generator: a fixed number of requests over a fixed number of kept connections, every answer checked.

The loop is closed: each connection sends its next request when the last answer is whole, so the figures describe a
service at that concurrency and not at an arrival rate. An answer counts only with status 200, its own id, as many
stamps as chunks were asked for (see `upstream`), and `[DONE]` at the end of a stream. Prints one line of JSON; exits
with 1 at the first answer that does not count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from typing import cast

import httptools
import uvloop

_STAMP = re.compile(rb"@(\d+)@")
_LONGEST_STAMP = 24
"""Bytes of a stamp that may stand on both sides of a cut."""


def percentile(values: list[float], share: float) -> float:
    """By rank; with few values it is the largest one."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _now_us() -> int:
    return time.monotonic_ns() // 1000


@dataclass(slots=True)
class Job:
    """What to send, and what came of it. Times in microseconds."""

    port: int
    count: int
    stream: bool
    chunks: int
    gap_us: int
    ttft_us: int
    pad: int
    first_id: int
    headers: list[str]
    begun: int = 0
    done: int = 0
    connections: int = 0
    latency: list[float] = field(default_factory=list[float])
    first: list[float] = field(default_factory=list[float])
    delay: list[float] = field(default_factory=list[float])
    fault: str | None = None

    def request(self) -> tuple[int, bytes]:
        """The next request's id and bytes. No two have the same body."""
        number = self.first_id + self.begun
        self.begun += 1
        wish = f"[bench id={number} chunks={self.chunks} gap_us={self.gap_us} ttft_us={self.ttft_us}]"
        words = ("lorem ipsum dolor sit amet " * (self.pad // 27 + 1))[: self.pad]
        body: dict[str, object] = {
            "model": "m1",
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": f"{wish} Say something about foxes. {words}"},
            ],
            "max_tokens": 256,
            "temperature": 0.7,
        }
        if self.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        data = json.dumps(body).encode()
        lines = [
            "POST /v1/chat/completions HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "Content-Type: application/json",
            f"Content-Length: {len(data)}",
            *self.headers,
        ]
        return number, "\r\n".join(lines).encode() + b"\r\n\r\n" + data


class Caller(asyncio.Protocol):
    """One connection, one request in flight."""

    def __init__(self, job: Job, finished: asyncio.Event) -> None:
        self.job = job
        self.finished = finished
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class, with the same methods
        self.job.connections += 1
        self._next()

    def _next(self) -> None:
        if self.job.begun >= self.job.count:
            self.transport.close()
            return
        self.parser = httptools.HttpResponseParser(self)
        self.body: list[bytes] = []
        self.carry = b""
        self.stamps = 0
        self.first_at: int | None = None
        self.number, data = self.job.request()
        self.busy = True
        self.sent_at = _now_us()
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.now = _now_us()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not HTTP: {error}")

    def on_body(self, data: bytes) -> None:
        self.body.append(data)
        text = self.carry + data
        end = 0
        for found in _STAMP.finditer(text):
            end = found.end()
            self.stamps += 1
            self.job.delay.append(self.now - int(found[1]))
            if self.first_at is None:
                self.first_at = self.now
        self.carry = text[max(end, len(text) - _LONGEST_STAMP) :]

    def on_message_complete(self) -> None:
        job = self.job
        problem = self._problem(b"".join(self.body))
        if problem is not None:
            self._fail(problem)
            return
        self.busy = False
        job.done += 1
        job.latency.append(self.now - self.sent_at)
        if self.first_at is not None:
            job.first.append(self.first_at - self.sent_at)
        if job.done == job.count:
            self.finished.set()
        if self.parser.should_keep_alive():
            asyncio.get_running_loop().call_soon(self._next)  # the parser is still inside its callback
        else:
            self.transport.close()

    def _problem(self, body: bytes) -> str | None:
        status = self.parser.get_status_code()
        wanted = self.job.chunks if self.job.stream else 1
        if status != 200:
            return f"status {status}: {body[:300]!r}"
        if b"#%d#" % self.number not in body:
            return f"the answer is not of request {self.number}: {body[:300]!r}"
        if self.stamps != wanted:
            return f"{self.stamps} of {wanted} chunks arrived"
        if self.job.stream and not body.rstrip().endswith(b"data: [DONE]"):
            return f"the stream ends without [DONE]: {body[-100:]!r}"
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        if self.busy and not self.finished.is_set():
            self._fail(f"the connection broke before the answer was whole: {exc or 'closed'}")
        elif self.job.begun < self.job.count and not self.finished.is_set():
            self.reopening = asyncio.ensure_future(connect(self.job, self.finished))

    def _fail(self, problem: str) -> None:
        self.busy = False
        self.job.fault = self.job.fault or problem
        self.finished.set()
        self.transport.abort()


async def connect(job: Job, finished: asyncio.Event) -> None:
    """Opens one connection, which sends as long as there is something to send."""
    try:
        await asyncio.get_running_loop().create_connection(lambda: Caller(job, finished), "127.0.0.1", job.port)
    except OSError as error:
        job.fault = job.fault or f"no connection: {error}"
        finished.set()


async def drive(job: Job, concurrency: int, seconds: float) -> dict[str, float]:
    """Sends everything and waits for all; `wall` in seconds, the other times in milliseconds. What went wrong stands in
    `job.fault`."""
    finished = asyncio.Event()
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(connect(job, finished) for _ in range(min(concurrency, job.count))))
            await finished.wait()
    except TimeoutError:
        job.fault = f"{job.done} of {job.count} answers within {seconds:g} s"
    wall = time.perf_counter() - begun
    if job.fault is None and job.done != job.count:
        job.fault = f"{job.done} of {job.count} answers"
    figures: dict[str, float] = {"wall": wall, "connections": job.connections}
    for name, values in (("latency", job.latency), ("first", job.first), ("delay", job.delay)):
        if values:
            figures |= {f"{name}_p50": percentile(values, 0.5) / 1e3, f"{name}_p99": percentile(values, 0.99) / 1e3}
    return figures


def main() -> None:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--concurrency", type=int, default=1)
    options.add_argument("--count", type=int, default=1)
    options.add_argument("--stream", action="store_true")
    options.add_argument("--chunks", type=int, default=1)
    options.add_argument("--gap-us", type=int, default=0)
    options.add_argument("--ttft-us", type=int, default=0)
    options.add_argument("--pad", type=int, default=0, help="bytes of text to add to the prompt")
    options.add_argument("--first-id", type=int, default=1, help="the first request's number; others count up")
    options.add_argument("--timeout", type=float, default=120.0)
    options.add_argument("--header", action="append", default=[], help="a header line; may be repeated")
    given = options.parse_args()
    job = Job(
        port=given.port,
        count=given.count,
        stream=given.stream,
        chunks=given.chunks,
        gap_us=given.gap_us,
        ttft_us=given.ttft_us,
        pad=given.pad,
        first_id=given.first_id,
        headers=given.header,
    )
    figures = uvloop.run(drive(job, given.concurrency, given.timeout))
    print(json.dumps({"fault": job.fault, "figures": figures}))
    sys.exit(1 if job.fault else 0)


if __name__ == "__main__":
    main()
