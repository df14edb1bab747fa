"""The real process: how it starts, reloads, drains, stops and dies."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from fault_world import PATHS, SPEECHES, Speech, Told, body, good, stream_error, target, terminators, upstream

from harness import KEY
from turnout.double import Answer, Double, Received, Reply, Tokens, Wait, faults

HEADERS = {"authorization": f"Bearer {KEY}"}


class Process:
    """`turnout serve` in a process of its own."""

    def __init__(self, folder: Path, config: str) -> None:
        self.home, self.file = folder / "home", folder / "turnout.toml"
        self.write(config)
        environ = {
            **os.environ,
            "TURNOUT_HOME": str(self.home),
            "TEST_KEY": KEY,
            "UPSTREAM_KEY": "sk-upstream-0123456789",
            "TURNOUT_ADMIN_KEY": "admin-0123456789abcdef0123456789",
        }
        self.child = subprocess.Popen(
            [sys.executable, "-m", "turnout", "serve", "--config", str(self.file), "--port", "0"],
            env=environ,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self.lines: list[str] = []
        self._news: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = str(json.loads(self.wait_for_line('"listening"'))["url"])

    def write(self, config: str) -> None:
        """Puts another configuration in place."""
        text = "providers_from_environment = false\n" + config
        text += '\n[local]\nenabled = false\n[[keys]]\nname = "test"\nsecret_env = "TEST_KEY"\n'
        self.file.write_text(text)

    def _read(self) -> None:
        assert self.child.stderr is not None
        for line in self.child.stderr:
            self.lines.append(line)
            self._news.put(line)

    def wait_for_line(self, part: str, seconds: float = 15) -> str:
        """The next line of the log with `part` in it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                if part in (line := self._news.get(timeout=0.2)):
                    return line
            if self.child.poll() is not None:
                break
        raise AssertionError(f"no line with {part}: {self.lines}")

    def requests(self) -> list[dict[str, object]]:
        """The records on disk."""
        with contextlib.closing(sqlite3.connect(f"file:{self.home / 'turnout.db'}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("SELECT * FROM requests ORDER BY rowid")]

    def close(self) -> None:
        """Ends it, whatever it does."""
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait(10)
        self._reader.join(5)
        assert self.child.stderr is not None
        self.child.stderr.close()


@contextlib.contextmanager
def process(folder: Path, config: str) -> Iterator[Process]:
    """A served configuration."""
    running = Process(folder, config)
    try:
        yield running
    finally:
        running.close()


LOG = '[log]\nformat = "json"\n'


def _config(url: str, drain: float = 5, names: tuple[str, ...] = ("m",)) -> str:
    text = LOG + f"[server]\ndrain_seconds = {drain}\nkeepalive_seconds = 60\n" + upstream("up", "chat", url)
    return text + "".join(target(name, "up", "chat") for name in names)


def _words(seconds: float) -> Reply:
    """A stream that takes that long between its first words and its last."""
    reply = good("chat", True)
    steps = (*reply.body[:5], Wait(seconds), *reply.body[5:])
    return Reply(headers=reply.headers, body=steps, framing="chunked", tokens=reply.tokens)


def _stream(url: str, speech: Speech, started: threading.Event, model: str = "m") -> Told:
    with httpx.Client(timeout=20) as client:
        request = body(speech, model, True)
        with client.stream("POST", url + PATHS[speech], json=request, headers=HEADERS) as response:
            content = b""
            for piece in response.iter_raw():
                content += piece
                started.set()
            return Told(response.status_code, response.headers, content, 0)


def test_i14_a_stop_lets_a_running_stream_end_and_refuses_new_requests(tmp_path: Path) -> None:
    """Readiness is false at once, new requests get 503 with Retry-After, the stream ends well, and the code is 0."""
    with (
        Double(lambda _: _words(1.5)) as double,
        process(tmp_path, _config(double.url)) as server,
        ThreadPoolExecutor() as pool,
        httpx.Client(timeout=5) as client,
    ):
        assert client.get(server.url + "/readyz").status_code == 200
        started = threading.Event()
        running = pool.submit(_stream, server.url, "chat", started)
        assert started.wait(5)
        server.child.send_signal(signal.SIGTERM)
        server.wait_for_line("draining")
        ready = client.get(server.url + "/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        for speech in SPEECHES:
            refused = client.post(server.url + PATHS[speech], json=body(speech, "m", False), headers=HEADERS)
            assert refused.status_code == 503 and refused.headers["retry-after"] == "1"
        told = running.result(10)
        assert stream_error("chat", told) is None and terminators("chat", told) == 1
        assert server.child.wait(5) == 0
        assert [row["outcome"] for row in server.requests()] == ["ok"]


def test_i14_what_outlasts_the_drain_gets_an_error_event_and_a_record(tmp_path: Path) -> None:
    """Streams in every dialect are told that the server ends, whole answers get a 503, and each is on record."""
    replies = {"stream": lambda: _words(30), "whole": faults.never_answers}

    def script(request: Received) -> Reply:
        return replies["stream" if request.json.get("stream") else "whole"]()

    with (
        Double(script) as double,
        process(tmp_path, _config(double.url, drain=0.5)) as server,
        ThreadPoolExecutor(5) as pool,
    ):
        events = {speech: threading.Event() for speech in SPEECHES}
        running = {speech: pool.submit(_stream, server.url, speech, events[speech]) for speech in SPEECHES}
        whole = pool.submit(
            httpx.post, server.url + PATHS["chat"], json=body("chat", "m", False), headers=HEADERS, timeout=20
        )
        assert all(event.wait(5) for event in events.values())
        assert double.wait_for(lambda d: len(d.requests) == 4)
        server.child.send_signal(signal.SIGTERM)
        for speech, future in running.items():
            told = future.result(5)
            error = stream_error(speech, told)
            assert error is not None and "shutting down" in str(error["message"])
            assert terminators(speech, told) == 0
        assert whole.result(5).status_code == 503 and "retry-after" in whole.result().headers
        assert server.child.wait(5) == 0
        rows = server.requests()
        assert sorted(str(row["outcome"]) for row in rows) == ["error", "truncated", "truncated", "truncated"]
        assert {row["error_code"] for row in rows} == {"shutting_down"}


def test_i14_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """Who asks twice does not wait for the drain."""
    with (
        Double(lambda _: _words(30)) as double,
        process(tmp_path, _config(double.url, drain=30)) as server,
        ThreadPoolExecutor() as pool,
    ):
        started = threading.Event()
        running = pool.submit(_stream, server.url, "chat", started)
        assert started.wait(5)
        server.child.send_signal(signal.SIGTERM)
        server.wait_for_line("draining")
        server.child.send_signal(signal.SIGTERM)
        assert server.child.wait(2) != 0
        with pytest.raises(httpx.HTTPError):
            running.result(5)


def test_a_stop_with_nothing_under_way_is_quick(tmp_path: Path) -> None:
    """An idle kept-alive connection holds up nothing."""
    with Double() as double, process(tmp_path, _config(double.url, drain=30)) as server, httpx.Client() as client:
        assert client.get(server.url + "/healthz").status_code == 200
        began = time.monotonic()
        server.child.send_signal(signal.SIGINT)
        assert server.child.wait(5) == 0
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("by", ["signal", "file", "admin"])
def test_a_changed_configuration_is_taken_and_a_broken_one_changes_nothing(tmp_path: Path, by: str) -> None:
    """By SIGHUP, by a look at the file and by the admin endpoint: a new deployment is served without a restart, a
    broken file keeps the last good one, and a stream that runs is not touched."""
    with (
        Double(lambda r: _words(2.5) if r.json.get("stream") else good("chat", False)) as double,
        process(tmp_path, _config(double.url)) as server,
        httpx.Client(timeout=5, headers=HEADERS) as client,
        ThreadPoolExecutor() as pool,
    ):
        admin = {"authorization": "Bearer admin-0123456789abcdef0123456789"}

        def told_to_reload() -> None:
            if by == "signal":
                server.child.send_signal(signal.SIGHUP)
            elif by == "admin":
                client.post(server.url + "/admin/reload", headers=admin)

        def status(model: str) -> int:
            return client.post(server.url + PATHS["chat"], json=body("chat", model, False)).status_code

        started = threading.Event()
        running = pool.submit(_stream, server.url, "chat", started)
        assert started.wait(5) and status("new") == 404
        server.write(_config(double.url, names=("m", "new")))
        told_to_reload()
        server.wait_for_line("configuration reloaded", 5)
        assert status("new") == 200
        server.write("this is = = no toml")
        told_to_reload()
        server.wait_for_line("configuration refused", 5)
        assert (status("new"), status("m"), client.get(server.url + "/readyz").status_code) == (200, 200, 200)
        assert stream_error("chat", running.result(10)) is None


def test_i1_a_killed_process_keeps_the_record_of_every_answer_given(tmp_path: Path) -> None:
    """kill -9 under load: what a caller had whole 50 ms before is on disk, and the next start serves from there."""

    def script(request: Received) -> Reply:
        stream = bool(request.json.get("stream"))
        return good("chat", stream, Answer(text="Hi there.", tokens=Tokens(input=1, output=2)))

    with Double(script) as double:
        for number in range(3):
            done: list[tuple[float, str]] = []
            with process(tmp_path, _config(double.url)) as server:
                with ThreadPoolExecutor(8) as pool:
                    futures = [pool.submit(_until_killed, server.url, done, each) for each in range(8)]
                    time.sleep(0.8 + number * 0.13)
                    server.child.kill()
                    killed = time.monotonic()
                    for future in futures:
                        future.result(15)
                server.child.wait(5)
                recorded = {row["id"] for row in server.requests()}
            answered = {request_id for at, request_id in done if at < killed - 0.05}
            assert len(answered) > 20, "the test saw some load"
            assert answered <= recorded, f"{len(answered - recorded)} answered requests have no record"


def _until_killed(url: str, done: list[tuple[float, str]], number: int) -> None:
    speech = SPEECHES[number % 3]
    with httpx.Client(timeout=5, headers=HEADERS) as client, contextlib.suppress(httpx.HTTPError):
        while True:
            response = client.post(url + PATHS[speech], json=body(speech, "m", number % 2 == 0))
            assert response.status_code == 200
            done.append((time.monotonic(), response.headers["x-request-id"]))
