"""How each server is started, stopped and asked whether it serves. Their commands and files stand in `peers.toml`."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import processes

HERE = Path(__file__).parent
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
"""Of our environment, what a server gets: no proxies, no keys, no configuration of the user's own."""
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


class BenchmarkFailed(Exception):
    """A server did not start, or an answer was wrong: there are no figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A server of `peers.toml`."""

    name: str
    command: tuple[str, ...]
    version_command: tuple[str, ...]
    env: Mapping[str, str]
    files: Mapping[str, str]
    headers: Mapping[str, str]
    counts: Mapping[str, int]
    """Requests per round of a phase, where they differ from the phase's own."""

    def version(self) -> str:
        """What its command says of itself, in one line."""
        done = subprocess.run(self.version_command, capture_output=True, text=True, timeout=120, env=environ(self.env))
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        return lines[-1] if lines else "unknown"


def _programs(litellm: str | None) -> dict[str, str | None]:
    """Where the servers' programs are; Turnout's is the one of this very environment."""
    own = Path(sys.executable).with_name("turnout")
    return {
        "turnout": str(own) if own.exists() else shutil.which("turnout"),
        "nginx": shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin"),
        "litellm": litellm or shutil.which("litellm"),
    }


def read_recipes(litellm: str | None = None) -> tuple[list[Recipe], list[str]]:
    """The servers that are installed here, and the names of those that are not."""
    table = tomllib.loads((HERE / "peers.toml").read_text())["servers"]
    programs = _programs(litellm)
    found: list[Recipe] = []
    missing: list[str] = []
    for name, entry in table.items():
        program = programs.get(entry["command"][0])
        if program is None:
            missing.append(name)
            continue
        found.append(
            Recipe(
                name=name,
                command=(program, *entry["command"][1:]),
                version_command=(program, *entry["version_command"][1:]),
                env=entry.get("env", {}),
                files=entry.get("files", {}),
                headers=entry.get("headers", {}),
                counts=entry.get("counts", {}),
            )
        )
    return found, missing


def environ(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program that the benchmark starts."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | dict(extra)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_with_parent() -> None:
    """So that a benchmark that is killed leaves nothing behind."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def spawn(command: tuple[str, ...], folder: Path, extra: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Starts a program in a session of its own, its output in `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environ(extra),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )


def stop(process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    """Asks it to end, then makes it and what it started."""
    members = [stat.pid for stat in processes.tree(process.pid)]
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    for pid in members if process.poll() is None else members[1:]:
        if pid == process.pid or _session(pid) == process.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait()


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


class Server:
    """A running server. Use it as a context."""

    def __init__(self, recipe: Recipe, folder: Path, mock_port: int) -> None:
        """`folder` is the server's own; a second start in it finds what the first one left."""
        self.recipe = recipe
        self.folder = folder
        self.port = free_port()
        self._marks = {"@TMP@": str(folder), "@PORT@": str(self.port), "@MOCK_PORT@": str(mock_port)}
        self._log = folder / "server.log"

    def __enter__(self) -> Server:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.recipe.files.items():
            (self.folder / name).write_text(self._filled(text))
        command = tuple(self._filled(word) for word in self.recipe.command)
        env = {"HOME": str(self.folder)} | {name: self._filled(value) for name, value in self.recipe.env.items()}
        self.started = time.perf_counter()
        self.process = spawn(command, self.folder, env, self._log)
        return self

    def __exit__(self, *_: object) -> None:
        stop(self.process)

    def _filled(self, text: str) -> str:
        for mark, value in self._marks.items():
            text = text.replace(mark, value)
        return text

    def wait_for_answer(self, seconds: float) -> float:
        """Asks until a request is answered; the seconds since the start. Asking a port where nobody listens costs the
        server nothing. Raises BenchmarkFailed."""
        body = b'{"model":"m1","messages":[{"role":"user","content":"Are you there?"}],"max_tokens":16}'
        headers = {"content-type": "application/json", **self.recipe.headers}
        said = "nothing"
        while time.perf_counter() - self.started < seconds:
            if self.process.poll() is not None:
                break
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
            try:
                connection.request("POST", "/v1/chat/completions", body, headers)
                response = connection.getresponse()
                answer = response.read()
                if response.status == 200:
                    return time.perf_counter() - self.started
                said = f"{response.status} {answer[:200]!r}"
                time.sleep(0.05)
            except (OSError, http.client.HTTPException):
                time.sleep(0.005)
            finally:
                connection.close()
        raise BenchmarkFailed(f"{self.recipe.name} gave no answer, the last was {said}. Its log ends:\n{self.tail()}")

    def tail(self) -> str:
        """The last lines of its output."""
        return "\n".join(line[:300] for line in self._log.read_text(errors="replace").splitlines()[-8:])

    def cpu_seconds(self) -> float:
        """CPU time so far, of all its processes."""
        return processes.cpu_seconds(self.process.pid)

    def memory(self) -> processes.Memory:
        """Memory now, of all its processes."""
        return processes.memory(self.process.pid)


class Upstream:
    """The mock provider in its own process. Use it as a context."""

    def __enter__(self) -> Upstream:
        self.process = subprocess.Popen(
            (sys.executable, str(HERE / "upstream.py")),
            env=environ({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        assert self.process.stdout is not None, "it was asked for"
        said = self.process.stdout.readline().decode().split()
        if said[:1] != ["port"]:
            stop(self.process)
            raise BenchmarkFailed("the mock provider did not start")
        self.port = int(said[1])
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        stop(self.process)
