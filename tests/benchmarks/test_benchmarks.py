"""The benchmark measures what it says, and refuses answers that do not count."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent.parent / "benchmarks"
ONE_ROUND = ["--rounds", "1", "--starts", "1", "--scale", "0.01", "--no-parts", "--only", "turnout,turnout_unmetered"]


def _run(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE / script), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, dict[str, list[float]]], Path]:
    """One round with next to no requests: the report, the samples, the folder it worked in."""
    folder = tmp_path_factory.mktemp("bench")
    figures = tmp_path_factory.mktemp("out") / "figures.json"
    done = _run("run.py", *ONE_ROUND, "--dir", str(folder), "--json", str(figures))
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(figures.read_text())["samples"], folder


def test_a_small_run_measures_every_cost_of_the_gateway(small_run: tuple[str, dict, Path]) -> None:
    """CPU of each load and of both starts, memory, and the install size are above zero."""
    turnout = small_run[1]["turnout"]
    costs = ["json_cpu", "one_cpu", "burst_cpu", "paced_cpu", "prompt_cpu", "start_fresh_cpu", "start_cpu"]
    sizes = ["idle_memory", "load_memory", "install_mb", "install_distributions"]

    assert all(turnout[name][0] > 0 for name in costs + sizes)
    assert {"one_added", "ttft_added", "prompt_added"} <= set(turnout)


def test_what_money_adds_is_shown(small_run: tuple[str, dict, Path]) -> None:
    """It is Turnout's CPU less that of the same without money, in the same round."""
    report, samples, _ = small_run
    with_money, without = samples["turnout"], samples["turnout_unmetered"]

    assert with_money["money_json_cpu"][0] == with_money["json_cpu"][0] - without["json_cpu"][0]
    assert "| of which money | at most 150 µs |" in report
    assert report.count("\n| CPU per JSON request, µs") == 2


def test_a_target_without_its_peer_is_not_called_reached(small_run: tuple[str, dict, Path]) -> None:
    """Ratios to servers that were left out are marked as not measured."""
    rows = [line for line in small_run[0].splitlines() if "at most" in line]

    assert sum("not measured" in line for line in rows) >= 6
    assert all(line.endswith(("| reached |", "| not reached |", "| not measured |")) for line in rows)


def test_a_run_leaves_nothing_behind(small_run: tuple[str, dict, Path]) -> None:
    """Its folder is empty afterwards."""
    assert list(small_run[2].iterdir()) == []


def test_a_run_that_is_stopped_takes_its_servers_down(tmp_path: Path) -> None:
    """After SIGTERM no process works in its folder, and the folder is gone."""
    command = [sys.executable, str(HERE / "run.py"), *ONE_ROUND, "--dir", str(tmp_path)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("*/*/home/turnout.db")):
        assert time.monotonic() < deadline, "no server came up"
        time.sleep(0.02)
    run.send_signal(signal.SIGTERM)

    assert run.wait(30) == 130
    assert list(tmp_path.iterdir()) == []
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path).encode() in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


# ---- the load generator ------------------------------------------------------------------

ANSWER = b'{"choices":[{"message":{"content":"#1# @1@ hello"}}]}'
STREAM = b'data: {"choices":[{"delta":{"content":"#1# @1@"}}]}\n\n'


@pytest.fixture
def canned(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server that gives everyone the same answer."""
    status, body = request.param
    reply = b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while connection.recv(65536):
                connection.sendall(reply)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    thread.join(5)
    listener.close()


@pytest.mark.parametrize(
    ("canned", "options", "fault"),
    [
        ((200, ANSWER), [], None),
        ((200, ANSWER), ["--count", "2"], "not of request 2"),
        ((500, ANSWER), [], "status 500"),
        ((200, STREAM + b"data: [DONE]\n\n"), ["--stream"], None),
        ((200, STREAM + b"data: [DONE]\n\n"), ["--stream", "--chunks", "2"], "1 of 2 chunks"),
        ((200, STREAM), ["--stream"], "without [DONE]"),
    ],
    indirect=["canned"],
)
def test_only_whole_answers_of_the_own_request_count(canned: int, options: list[str], fault: str | None) -> None:
    """A cached answer, an error, a lost chunk and a cut stream each end the load with a word about it."""
    done = _run("load.py", "--port", str(canned), *options)

    said = json.loads(done.stdout)["fault"]
    assert (said is None) == (fault is None) == (done.returncode == 0)
    assert fault is None or fault in said


# ---- the clocks --------------------------------------------------------------------------


def test_cpu_of_ended_children_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that waits for a child which used 0.3 s of CPU shows them."""
    monkeypatch.syspath_prepend(str(HERE))
    import processes

    burn = "import time\nwhile time.process_time() < 0.3: pass"
    shell = shutil.which("sh")
    assert shell is not None
    with subprocess.Popen(
        [shell, "-c", f"'{sys.executable}' -c '{burn}'; echo done; read x"], stdin=-1, stdout=-1
    ) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == b"done\n"
        used = processes.cpu_seconds(it.pid)
        it.communicate(b"\n")

    assert 0.28 <= used < 3
