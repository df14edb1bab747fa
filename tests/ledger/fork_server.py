"""Gateways in processes of their own, forked from one that has everything imported: a start takes 60 ms, not a second.

Run as a program it takes orders on its standard input and forks a gateway for each. Only here is a fault point armed:
a child can kill itself at the n-th passing of a point, or find its database away from some point on.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

NEVER = 10**9
_START_SECONDS = 20.0
_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A gateway to start, and what is to happen to it."""

    config: str
    environ: Mapping[str, str] = field(default_factory=dict)
    log: str = "/dev/null"
    kill: str = ""
    """The point at which it kills itself, and its how-manieth passing."""
    passing: int = 1
    freeze: bool = False
    """It stops there (SIGSTOP) and does not die."""
    away: str = ""
    """The point whose `away_from`-th passing takes the database away, for `away_for` transactions."""
    away_from: int = 1
    away_for: int = NEVER
    fail: str = ""
    """The point at which the database fails just once, and its how-manieth passing since `armed` exists."""
    fail_at: int = 1
    bad_row: bool = False
    armed: str = ""
    """A file: nothing is counted before it is there. Empty: from the start."""
    dead_seconds: float = 35.0
    beat_seconds: float = 10.0
    idle_seconds: float = 10.0
    """How long PostgreSQL lets a transaction be idle."""


class ForkServer:
    """The parent's side."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, str(Path(__file__))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, order: Order) -> Forked:
        """Returns when it listens, or is dead."""
        told = self._ask({"start": asdict(order)})
        return Forked(self, told["pid"], told["url"])

    def wait(self, pid: int) -> int:
        """Waits for its end: the exit code, negative for a signal."""
        return int(self._ask({"wait": pid})["code"])

    def _ask(self, question: object) -> dict[str, object]:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(json.dumps(question) + "\n")
        self._child.stdin.flush()
        return json.loads(self._child.stdout.readline())

    def close(self) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait(5)
        self._child.stdout.close()


class Forked:
    """A gateway that runs, or has run."""

    def __init__(self, server: ForkServer, pid: int, url: str) -> None:
        self._server = server
        self._code: int | None = None
        self.pid = pid
        self.url = url
        """Empty where it died before it listened."""

    def send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends the signal, and returns the exit code."""
        if self._code is None:
            self.send(number)
        return self.wait()

    def wait(self) -> int:
        if self._code is None:
            self._code = self._server.wait(self.pid)
        return self._code

    @property
    def memory(self) -> int:
        """Bytes of its own, in memory or swapped out."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        found = {
            name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if "kB" in rest
        }
        return 1024 * (found["RssAnon"] + found["VmSwap"])


@contextlib.contextmanager
def fork_server() -> Iterator[ForkServer]:
    server = ForkServer()
    try:
        yield server
    finally:
        server.close()


# ---- in the forked process -----------------------------------------------------------------


def _hook(order: Order) -> Callable[[str], None]:
    passed: dict[str, int] = {}
    guard = threading.Lock()

    def hook(name: str) -> None:
        if order.armed and not os.path.exists(order.armed):
            return
        with guard:
            passed[name] = count = passed.get(name, 0) + 1
        if name == order.kill and count == order.passing:
            os.kill(os.getpid(), signal.SIGSTOP if order.freeze else signal.SIGKILL)
        if name == "begin" and order.away and passed.get(order.away, 0) >= order.away_from:
            passed["away"] = passed.get("away", 0) + 1
            if passed["away"] <= order.away_for:
                raise sqlite3.OperationalError("disk I/O error")
        if name == order.fail and count == order.fail_at:
            raise (sqlite3.IntegrityError if order.bad_row else sqlite3.OperationalError)("made to fail")

    return hook


def _serve(order: Order, told: int) -> int:
    import uvloop

    from turnout import upkeep
    from turnout.app import Surroundings, gateway
    from turnout.core.errors import TurnoutError
    from turnout.core.fault_point import arm
    from turnout.ledger import orphans, postgres_store
    from turnout.serving import listen, serve_until_stopped, url_of

    orphans.DEAD_SECONDS, upkeep.BEAT_SECONDS = order.dead_seconds, order.beat_seconds
    limits = postgres_store.PostgresLimits(idle=order.idle_seconds)
    postgres_store.PostgresLimits = lambda: limits
    if order.kill or order.away or order.fail:
        arm(_hook(order))

    async def main(log) -> None:
        async with gateway(Path(order.config), Surroundings(environ=order.environ, log=log)) as running:
            listener = listen("127.0.0.1", 0)

            async def up() -> None:
                os.write(told, url_of(listener).encode())
                os.close(told)

            await serve_until_stopped(running, listener, when_up=up)

    with open(order.log, "a", buffering=1) as log:
        try:
            uvloop.run(main(log))
        except TurnoutError as error:
            log.write(f"not started: {error.message}\n")
            return 1
    return 0


def _fork(order: Order) -> dict[str, object]:
    hear, tell = os.pipe()
    pid = os.fork()
    if not pid:
        code = 70
        try:
            os.close(hear)
            ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)  # a test that fails leaves nothing behind
            null = os.open("/dev/null", os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)
            code = _serve(order, tell)
        finally:
            os._exit(code)
    os.close(tell)
    if not select.select([hear], [], [], _START_SECONDS)[0]:
        os.kill(pid, signal.SIGKILL)
    url = os.read(hear, 200).decode()
    os.close(hear)
    return {"pid": pid, "url": url}


def _obey() -> None:
    import uvloop  # noqa: F401

    import turnout.app  # noqa: F401
    from turnout import serving  # noqa: F401
    from turnout.catalogue.prices import load_prices

    load_prices()
    for line in sys.stdin:
        question = json.loads(line)
        if "start" in question:
            answer = _fork(Order(**question["start"]))
        else:
            _, status = os.waitpid(question["wait"], 0)
            answer = {"code": os.waitstatus_to_exitcode(status)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _obey()
