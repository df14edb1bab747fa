"""Ways for an upstream to fail, by name. Most take a good reply and spoil it.

Numbers in brackets are the faults of Turnout's own fault table (F1-F30, S1-S11), so that tests can name them.
"""

from __future__ import annotations

import dataclasses
import gzip
import socket

import orjson

from turnout.core.json import JsonObject
from turnout.double.script import Close, Repeat, Reply, Reset, Send, Stall, Step, Wait, json, raw, text


def closed_port() -> int:
    """A port where nobody listens: connection refused (F1, S1)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---- time


def slow_first_byte(reply: Reply, seconds: float) -> Reply:
    """Silence before the status line (F6, S4)."""
    return dataclasses.replace(reply, delay=seconds)


def never_answers() -> Reply:
    """Takes the request and says nothing."""
    return raw(Stall())


def stall(reply: Reply, after: int) -> Reply:
    """Silence after that many events, with the connection left open (F7, S6)."""
    return dataclasses.replace(reply, body=(*reply.body[:after], Stall()))


def drip(reply: Reply, pause: float) -> Reply:
    """One byte at a time (F8; with pause 0 it is F21 and F22: cut everywhere)."""
    return dataclasses.replace(reply, split=1, split_pause=pause)


def endless(reply: Reply, pause: float = 0.0) -> Reply:
    """The first event, then the second one for ever (F24)."""
    first, second = reply.body[:2]
    assert isinstance(second, Send), "an endless stream repeats its second event"
    return dataclasses.replace(reply, body=(first, Repeat(second.data, None, pause)))


# ---- the connection


def reset_before_headers() -> Reply:
    """A reset in place of an answer (F9)."""
    return raw(Reset())


def close_before_headers() -> Reply:
    """The connection ends in place of an answer, as a stale keep-alive connection does."""
    return raw(Close())


def cut_after(reply: Reply, events: int, *, reset: bool = False) -> Reply:
    """The connection ends after that many events, by FIN (F11, S5) or by reset (F10)."""
    # The pause lets the bytes out: a reset throws away what the peer has not read.
    end: tuple[Step, ...] = (Wait(0.02), Reset()) if reset else (Close(),)
    return dataclasses.replace(reply, body=(*reply.body[:events], *end))


def half_a_body(reply: Reply) -> Reply:
    """Half of a body whose content-length promised all of it (F19 on the wire)."""
    data = reply.content
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data)
    return raw(head + data[: len(data) // 2], Close())


def second_answer(reply: Reply) -> Reply:
    """An answer that nobody asked for follows at once on the same connection: it must reach no other request."""
    poison = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{"poison":"yes!"}'
    data = reply.content
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data)
    return raw(head + data, Wait(0.01), poison)


# ---- status lines and headers


def status(code: int, body: JsonObject | None = None, **headers: str) -> Reply:
    """An error status; underscores in header names become hyphens: `retry_after="2"` (F14, F15, F16, S2, S3)."""
    given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return json(orjson.dumps(body or {"error": {"message": f"The double says {code}."}}), status=code, headers=given)


def redirect(location: str, code: int = 302) -> Reply:
    """Leads elsewhere (F26)."""
    return Reply(status=code, headers=(("location", location),))


def html_200() -> Reply:
    """A proxy's page where JSON should be (F18)."""
    return text("<!doctype html><html><body>Sign in</body></html>", content_type="text/html")


def empty_200(*, stream: bool = False) -> Reply:
    """A good status and no body at all (S9)."""
    kind = "text/event-stream" if stream else "application/json"
    return Reply(headers=(("content-type", kind),), framing="chunked" if stream else "length")


def header_flood(count: int = 5000) -> Reply:
    """Thousands of headers (F27)."""
    return Reply(headers=tuple((f"x-flood-{number}", "x" * 50) for number in range(count)))


def long_header(size: int = 1 << 20) -> Reply:
    """One gigantic header (F27)."""
    return Reply(headers=(("x-long", "x" * size),))


def nul_header() -> Reply:
    """A NUL in a header (F27)."""
    return raw(b"HTTP/1.1 200 OK\r\nx-nul: a\x00b\r\ncontent-length: 2\r\n\r\n{}")


def not_http() -> Reply:
    """Another protocol answers."""
    return raw(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", Close())


def gzip_bomb(size: int = 64 << 20) -> Reply:
    """A small body that inflates to `size` bytes, sent although nobody asked for gzip (F25)."""
    packed = gzip.compress(b" " * size, 9)
    return Reply(headers=(("content-type", "application/json"), ("content-encoding", "gzip")), body=(Send(packed),))


# ---- the body


def malformed_line(reply: Reply, at: int) -> Reply:
    """One broken event among good ones (S7)."""
    return insert(reply, at, b'data: {"choices": [{"delta": {"con\n\n')


def insert(reply: Reply, at: int, frame: bytes) -> Reply:
    """Any bytes as an event of their own at that place."""
    return dataclasses.replace(reply, body=(*reply.body[:at], Send(frame), *reply.body[at:]))


def error_in_band(reply: Reply, after: int, frame: bytes) -> Reply:
    """The dialect's own error event after some good ones, then the end (F29, S8)."""
    return dataclasses.replace(reply, body=(*reply.body[:after], Send(frame)))


def error_200(message: str = "The model is overloaded.") -> Reply:
    """An error body under status 200 (S8)."""
    return json(orjson.dumps({"error": {"message": message, "type": "server_error", "code": None, "param": None}}))


def truncated_json(reply: Reply) -> Reply:
    """A body that is framed well and ends in the middle of its JSON (F19)."""
    data = reply.content
    return dataclasses.replace(reply, body=(Send(data[: len(data) // 2]),), framing="length")


def invalid_utf8(reply: Reply) -> Reply:
    """Bytes that are no UTF-8 in place of the first letter of `Hello` (F20)."""
    return _each(reply, b"Hello", b"\xff\xfeello")


def huge_line(reply: Reply, at: int, size: int = 64 << 20) -> Reply:
    """An event of `size` bytes without a line end (F23)."""
    block = b"x" * 65536
    steps = (Send(b'data: {"a":"'), Repeat(block, size // len(block)))
    return dataclasses.replace(reply, body=(*reply.body[:at], *steps, *reply.body[at:]))


def without_last(reply: Reply, count: int = 1) -> Reply:
    """The stream ends properly, without its last events: no terminal mark (F12) or, with more, no finish."""
    return dataclasses.replace(reply, body=reply.body[: len(reply.body) - count])


def duplicate_done(reply: Reply) -> Reply:
    """The terminal event twice (F13, S11)."""
    return dataclasses.replace(reply, body=(*reply.body, reply.body[-1]))


def data_after_end(reply: Reply, frame: bytes) -> Reply:
    """More data behind the terminal event (F13)."""
    return dataclasses.replace(reply, body=(*reply.body, Send(frame)))


def line_ends(reply: Reply, end: bytes) -> Reply:
    """Other line ends in the stream, CR or CRLF (F22)."""
    return _each(reply, b"\n", end)


def with_comments(reply: Reply) -> Reply:
    """A byte-order mark first, and a comment before every event (F22)."""
    steps = [Send(b": keep-alive\n\n" + step.data) if isinstance(step, Send) else step for step in reply.body]
    return dataclasses.replace(reply, body=(Send(b"\xef\xbb\xbf"), *steps))


def _each(reply: Reply, old: bytes, new: bytes) -> Reply:
    steps = [Send(step.data.replace(old, new)) if isinstance(step, Send) else step for step in reply.body]
    return dataclasses.replace(reply, body=tuple(steps))
