"""A real PostgreSQL server of the tests' own: made in a temporary directory, killed at the end."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

PASSWORD = "tn-test-p%40ss"
"""As it stands in the URL; the password itself has an @."""


def programs() -> Path:
    """The directory of `initdb` and `postgres`. Fails where there is none: these tests are not to be skipped."""
    found = [Path(path) for name in ("initdb", "postgres") if (path := shutil.which(name))]
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    for place in (*newest, *(path.resolve().parent for path in found)):
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise AssertionError(
        "These tests start a PostgreSQL server and found no `initdb` and `postgres`: run `apt-get install postgresql`."
    )


def _servant() -> dict[str, object]:
    """Arguments of subprocess: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise AssertionError("Root can't run PostgreSQL, and there is neither a user `postgres` nor `nobody`.")


@dataclass
class Server:
    """A server on 127.0.0.1. Databases are made by `database`."""

    home: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    _names: Iterator[int] = field(default_factory=itertools.count)

    def url(self, name: str = "postgres") -> str:
        return f"postgresql://turnout:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Returns when it takes connections."""
        options = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "40",
            "shared_buffers": "16MB",
            "log_min_messages": "fatal",
            **self.settings,
        }
        arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(programs() / "postgres"), "-D", str(self.home / "data"), *arguments],
                stdout=log, stderr=log, cwd="/", start_new_session=True, **_servant(),  # type: ignore[arg-type]
            )  # fmt: skip
        for _ in range(600):
            assert self.process.poll() is None, (self.home / "log").read_text()
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url(), connect_timeout=2).close()
                return
            time.sleep(0.05)
        raise AssertionError("the PostgreSQL server does not answer")

    def kill(self) -> None:
        """SIGKILL for the postmaster and its children."""
        if self.process is None:
            return
        children = self._children()
        self._signal(signal.SIGKILL)
        self.process.wait()
        self.process = None
        for _ in range(500):
            if not any(Path(f"/proc/{pid}").exists() for pid in children):
                return
            time.sleep(0.01)
        raise AssertionError("PostgreSQL's processes do not go")

    def pause(self) -> None:
        """Stops every process: the port is open and says nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None, "the server runs"
        for pid in (self.process.pid, *self._children()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _children(self) -> list[int]:
        """Each connection has a process of its own, which outlives a killed parent for a moment."""
        assert self.process is not None, "the server runs"
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return [
                int(pid)
                for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            ]
        return []

    def database(self, template: str = "template0") -> str:
        """The URL of a new database."""
        name = f"t{next(self._names)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def server(**settings: str) -> Iterator[Server]:
    """A new server, until the block ends."""
    # Not below pytest's own directory: another user can't enter that.
    home = Path(tempfile.mkdtemp(prefix="turnout-pg-"))
    servant = _servant()
    one = Server(home=home, port=_free_port(), settings=settings)
    try:
        secret = home / "password"
        secret.write_text(PASSWORD.replace("%40", "@") + "\n")
        if servant:
            for path in (home, secret):
                os.chown(path, servant["user"], servant["group"])  # type: ignore[arg-type]
        subprocess.run(
            [str(programs() / "initdb"), "-D", str(home / "data"), "-U", "turnout", "-A", "scram-sha-256",
             "--pwfile", str(secret), "--no-sync", "-E", "UTF8", "--locale=C"],
            check=True, capture_output=True, cwd="/", **servant,  # type: ignore[call-overload]
        )  # fmt: skip
        one.start()
        yield one
    finally:
        one.kill()
        shutil.rmtree(home, ignore_errors=True)
