"""How the process starts and ends when something stands in its way: found by review."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from fault_world import ask, body, target, upstream
from test_lifecycle import HEADERS, process

from harness import running_gateway
from turnout.double import Double, Repeat, Reply


def test_a_taken_port_is_told_in_a_line(tmp_path: Path) -> None:
    """The operator reads what to do, and no traceback."""
    file = tmp_path / "turnout.toml"
    file.write_text("providers_from_environment = false\n[local]\nenabled = false\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "turnout", "serve", "--config", str(file)]
        ended = subprocess.run(
            [*command, "--port", str(taken.getsockname()[1])],
            env={**os.environ, "TURNOUT_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert ended.returncode == 1
    assert "can't be listened on" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_i14_a_caller_who_does_not_read_can_not_keep_the_server_from_ending(tmp_path: Path) -> None:
    """After the drain and the last words the process ends with 0, and the request has its record."""
    flood = Reply(headers=(("content-type", "text/event-stream"),), framing="chunked", body=(Repeat(_event()),))
    with Double(lambda _: flood) as double, socket.socket() as stuck:
        config = '[log]\nformat = "json"\n[server]\ndrain_seconds = 0.5\n'
        config += upstream("up", "chat", double.url) + target("m", "up", "chat")
        with process(tmp_path, config) as running:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.connect(("127.0.0.1", int(running.url.rpartition(":")[2])))
            data = json.dumps(body("chat", "m", True)).encode()
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: {HEADERS['authorization']}\r\n"
            stuck.sendall(head.encode() + b"content-length: %d\r\n\r\n" % len(data) + data)
            time.sleep(1.5)
            running.child.send_signal(signal.SIGTERM)
            assert running.child.wait(20) == 0
            assert [row["outcome"] for row in running.requests()] == ["truncated"]


def _event() -> bytes:
    choices = [{"index": 0, "delta": {"content": "x" * 100_000}}]
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def test_a_log_that_takes_nothing_costs_no_record(tmp_path: Path) -> None:
    """A request whose line can't be written is answered and recorded all the same."""

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    with Double() as double:
        config = "[log]\nrequests = true\n" + upstream("up", "chat", double.url) + target("m", "up", "chat")
        with running_gateway(tmp_path, config) as gateway:
            gateway.running.services.journal._stream = Full()
            assert ask(gateway, "chat", body("chat", "m", False)).status == 200
            assert [row["outcome"] for row in gateway.requests(wait_for=1)] == ["ok"]


def test_a_file_that_is_being_written_is_read_when_it_is_whole(tmp_path):
    """Truncate, wait, write: at no time is the empty file in use."""
    import threading
    import time

    from harness import deployment, provider, running_gateway
    from turnout.double import Double

    with Double() as double:
        config = provider("up", double.url + "/v1") + deployment("m1", "up", "echo")
        with running_gateway(tmp_path, config) as gateway:
            file = tmp_path / "turnout.toml"
            text = file.read_text()
            seen: set[bool] = set()
            stop = threading.Event()

            def look() -> None:
                while not stop.is_set():
                    seen.add("m1" in gateway.running.services.reloader.current.catalogue.routes)
                    time.sleep(0.01)

            watcher = threading.Thread(target=look)
            watcher.start()
            for _ in range(12):  # an empty file stands for 0.15 s in every 0.2
                file.write_text("")
                time.sleep(0.15)
                file.write_text(text + "\n# changed\n")
                time.sleep(0.05)
            stop.set()
            watcher.join()

    assert seen == {True}
