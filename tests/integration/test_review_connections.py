"""What one connection may do to another request, or to itself: found by review, proved on the socket."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fault_world import body, good, target, upstream, world

from harness import KEY, Gateway
from turnout.double import Double, Received, Reply, Send, Stall, Wait


def _request(payload: object, *, key: str = KEY, path: str = "/v1/chat/completions") -> bytes:
    data = json.dumps(payload).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


@contextlib.contextmanager
def _connection(gateway: Gateway, *, receive_buffer: int | None = None) -> Iterator[socket.socket]:
    parts = urlsplit(gateway.url)
    with socket.socket() as connection:
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(10)
        connection.connect((parts.hostname, parts.port))
        yield connection


def _read_until(connection: socket.socket, mark: bytes, seconds: float = 5.0) -> bytes:
    """What came up to `mark`; what came until the end or the time where it never does."""
    found = b""
    deadline = time.monotonic() + seconds
    while mark not in found and time.monotonic() < deadline:
        connection.settimeout(max(0.05, deadline - time.monotonic()))
        try:
            piece = connection.recv(65536)
        except TimeoutError:
            break
        if not piece:
            break
        found += piece
    return found


def _stream(reply: Reply, *more: Send | Wait | Stall) -> Reply:
    return Reply(headers=reply.headers, framing=reply.framing, body=(*reply.body, *more), tokens=reply.tokens)


def test_a_stream_that_is_read_on_keeps_the_watch_of_the_next_request(tmp_path: Path) -> None:
    """A caller who leaves during the second request of a connection ends it upstream, though the first one's upstream
    had left its body open behind the terminal event."""
    started = threading.Event()

    def slow(request: Received) -> Reply:
        started.set()
        return Reply(delay=30.0)

    replies = {"first": lambda _: _stream(good("chat", True), Stall()), "second": slow}

    def config(double: Double) -> str:
        text = upstream("up", "chat", double.url)
        return text + target("first", "up", "chat") + target("second", "up", "chat")

    with world(tmp_path, replies, config) as (gateway, _):
        with _connection(gateway) as connection:
            connection.sendall(_request(body("chat", "first", True)))
            assert b"0\r\n\r\n" in _read_until(connection, b"0\r\n\r\n")
            connection.sendall(_request(body("chat", "second", False)))
            assert started.wait(5)
            time.sleep(0.8)  # the first request has stopped reading on
            assert gateway.running.services.traffic.in_flight == 1
        deadline = time.monotonic() + 1.0
        while gateway.running.services.traffic.in_flight and time.monotonic() < deadline:
            time.sleep(0.01)
        assert gateway.running.services.traffic.in_flight == 0
        assert gateway.requests(wait_for=2)[1]["outcome"] == "cancelled"


def test_a_head_in_two_pieces_before_a_large_body_is_not_too_large(tmp_path: Path) -> None:
    """Only the head counts against its limit, not the body that arrives in the same read."""
    with world(
        tmp_path,
        {"m": lambda _: good("chat", False)},
        lambda d: upstream("up", "chat", d.url) + target("m", "up", "chat"),
    ) as (
        gateway,
        _,
    ):
        whole = _request(body("chat", "m", False, "word " * 100_000))
        with _connection(gateway) as connection:
            for _ in range(3):  # the kernel's buffers grow with what they carry
                connection.sendall(whole)
                assert b"200" in _read_until(connection, b"}}")
            connection.sendall(whole[:60])
            time.sleep(0.1)
            gateway.loop.call_soon_threadsafe(time.sleep, 0.3)  # busy, so that the rest is read at once
            time.sleep(0.05)
            with contextlib.suppress(ConnectionError):
                connection.sendall(whole[60:])
            assert _read_until(connection, b"\r\n").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("rest", [b"x", b"\r\n"], ids=["body", "blank line"])
def test_a_refused_caller_can_not_hold_the_connection_by_trickling(tmp_path: Path, rest: bytes) -> None:
    """After a 401 the rest of the body has as long as a head has."""
    config = "[server]\nheader_timeout = 0.3\n"
    with world(tmp_path, {}, lambda _: config) as (gateway, _), _connection(gateway) as connection:
        length = 1000 if rest == b"x" else 0
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % length)
        assert b"401" in _read_until(connection, b"}}")
        start = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - start < 3.0:
                connection.sendall(rest)
                connection.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(100):
                        break
        assert time.monotonic() - start < 2.0
