"""What a decision and its execution may not do to a deployment or to a count: found by review."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fault_world import ask, body, good, route, target, upstream, world
from raw_http import post

from turnout.core.health import Circuit
from turnout.double import Double, Received, Repeat, Reply, faults


def test_tokens_are_counted_beyond_the_context_and_behind_an_open_circuit(tmp_path: Path) -> None:
    """Clients decide by the count when to shorten a conversation, so it is never refused for being long."""

    def config(double: Double) -> str:
        text = "[breaker]\nfailures = 1\nopen_seconds = 60\n" + upstream("up", "chat", double.url)
        return text + target("m", "up", "chat", "context = 1000\n")

    counting = body("messages", "m", False, "word " * 5000)
    del counting["max_tokens"], counting["stream"]
    with world(tmp_path, {"m": lambda _: faults.status(500)}, config) as (gateway, _):
        counted = post(gateway.url, "/v1/messages/count_tokens", counting)
        assert (counted.status, counted.json["input_tokens"] > 1000) == (200, True), counted.body
        ask(gateway, "chat", body("chat", "m", False))
        assert gateway.running.services.health.snapshot().of("m").circuit is Circuit.OPEN
        assert post(gateway.url, "/v1/messages/count_tokens", counting).status == 200


def test_a_fallback_does_not_exceed_what_a_deployment_takes_at_once(tmp_path: Path) -> None:
    """The place that was free at the decision may be taken when the first deployment has failed."""
    most, now, lock = 0, 0, threading.Lock()

    def one(request: Received) -> Reply:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        return Reply(delay=1.5, headers=good("chat", False).headers, body=good("chat", False).body)

    replies = {"bad": lambda _: Reply(status=500, delay=0.5), "one": one}

    def config(double: Double) -> str:
        text = upstream("up", "chat", double.url) + target("bad", "up", "chat")
        return text + target("one", "up", "chat", "max_concurrency = 1\n") + route("r", ["bad", "one"], attempts=2)

    with world(tmp_path, replies, config) as (gateway, _), ThreadPoolExecutor() as pool:
        routed = pool.submit(ask, gateway, "chat", body("chat", "r", False))
        time.sleep(0.2)
        direct = pool.submit(ask, gateway, "chat", body("chat", "one", False))
        assert direct.result().status == 200
        assert routed.result().status == 502
    assert most == 1


def test_a_caller_who_does_not_read_benches_no_deployment(tmp_path: Path) -> None:
    """A route's time that passes while the caller takes nothing says nothing of the provider."""
    event = b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n'
    flood = Reply(
        headers=(("content-type", "text/event-stream"),), framing="chunked", body=(Repeat(event % (b"x" * 100_000)),)
    )

    def config(double: Double) -> str:
        text = "[breaker]\nfailures = 1\nopen_seconds = 60\n" + upstream("up", "chat", double.url)
        return text + target("m", "up", "chat") + route("r", ["m"], extra="total_timeout = 1.5")

    with world(tmp_path, {"m": lambda _: flood}, config) as (gateway, _), socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", int(gateway.url.rpartition(":")[2])))
        data = json.dumps(body("chat", "r", True)).encode()
        stuck.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: %s\r\ncontent-length: %d\r\n\r\n"
            % (gateway.headers["authorization"].encode(), len(data))
            + data
        )
        time.sleep(2.5)
        stuck.close()
        record = gateway.requests(wait_for=1)[0]
        assert record["outcome"] == "truncated"
        assert gateway.running.services.health.snapshot().of("m").circuit is Circuit.CLOSED
