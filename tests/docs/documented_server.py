"""The quick start, running as the documents tell it: `turnout up` in a home directory of its own."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from turnout.upstream.local_weights import DEFAULT_MODEL, Weights, model_path

_LAST_LINE = "Stop with Ctrl-C."


@dataclass(frozen=True)
class QuickStart:
    """A server that `turnout up` started, and what a shell beside it sees."""

    url: str
    home: Path
    environ: dict[str, str]


@contextlib.contextmanager
def quick_started(home: Path, smollm2: Weights) -> Iterator[QuickStart]:
    """On a free port, with the weights in place, until the block ends."""
    data = home / ".local/share/turnout"
    data.mkdir(parents=True, mode=0o700)
    weights = model_path(data, DEFAULT_MODEL)
    weights.parent.mkdir(mode=0o700)
    weights.symlink_to(smollm2.path)
    scripts = str(Path(sys.executable).parent)
    environ = {"HOME": str(home), "PATH": f"{scripts}:{os.environ['PATH']}", "LANG": "C.UTF-8", "COLUMNS": "160"}
    log = (home / "server.log").open("w+")
    process = subprocess.Popen(
        ["turnout", "up", "--port", "0"], cwd=home, env=environ, stdout=subprocess.PIPE, stderr=log, text=True
    )
    try:
        told = _welcome(process, log.name)
        yield QuickStart(next(word for word in told.split() if word.startswith("http://")), home, environ)
    finally:
        process.terminate()
        process.communicate(timeout=20)
        log.close()


def _welcome(process: subprocess.Popen[str], log: str) -> str:
    """What it printed, up to its last line. Fails after a minute."""
    assert process.stdout is not None
    lines: list[str] = []
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while _LAST_LINE not in "".join(lines):
            assert selector.select(60), f"the quick start is silent: {Path(log).read_text()}"
            piece = os.read(process.stdout.fileno(), 65536).decode()
            assert piece, f"the quick start ended: {Path(log).read_text()}"
            lines.append(piece)
    return "".join(lines)
