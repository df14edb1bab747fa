"""The loads that are put on a server, and what is measured under each."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count

from servers import HERE, BenchmarkFailed, Server, environ

SETTLE_SECONDS = 0.3
"""Between the last answer and the reading of the CPU clock, so that work put off, such as writing a record, counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One kind of load."""

    name: str
    concurrency: int
    count: int
    stream: bool = False
    chunks: int = 1
    gap_us: int = 0
    ttft_us: int = 0
    pad: int = 0

    @property
    def units(self) -> int:
        """What the CPU time is divided by: requests, or chunks of streams."""
        return self.count * (self.chunks if self.stream else 1)

    def said(self) -> str:
        """The settings in words."""
        words = [f"c={self.concurrency}"]
        if self.stream:
            words.append(f"{self.chunks} chunks")
            words.append(f"{self.gap_us / 1000:g} ms apart" if self.gap_us else "as fast as they are read")
        if self.pad:
            words.append(f"prompt of {self.pad // 1000} KB")
        return ", ".join(words)


PHASES = (
    Phase(name="json", concurrency=32, count=2000),
    Phase(name="one", concurrency=1, count=300),
    Phase(name="burst", concurrency=16, count=200, stream=True, chunks=100),
    Phase(name="paced", concurrency=8, count=32, stream=True, chunks=50, gap_us=10_000, ttft_us=20_000),
    Phase(name="ttft", concurrency=1, count=40, stream=True, chunks=5, gap_us=2000, ttft_us=5000),
    Phase(name="prompt", concurrency=1, count=20, pad=400_000),
)
"""Shared by all servers; the counts are those of a server that names none of its own in `peers.toml`."""


def scaled(phase: Phase, count_: int, scale: float) -> Phase:
    """The same load, more or less of it; never fewer requests than connections."""
    return replace(phase, count=max(phase.concurrency, round(count_ * scale)))


class Ids:
    """Numbers that no two requests of a run share, so that no cache can answer."""

    def __init__(self) -> None:
        self._next = count(1)

    def take(self, many: int) -> int:
        """The first of `many` numbers."""
        first = next(self._next)
        for _ in range(many - 1):
            next(self._next)
        return first


def measure(phase: Phase, server: Server | None, port: int, ids: Ids, timeout: float) -> dict[str, float]:
    """Runs the load to its end; figures by name, times in ms, CPU in microseconds per request or chunk. `server` is
    None for the provider itself. Raises BenchmarkFailed at any wrong answer."""
    name = server.recipe.name if server else "direct"
    headers: Mapping[str, str] = server.recipe.headers if server else {}
    before = server.cpu_seconds() if server else 0.0
    try:
        load = _drive(phase, headers, port, ids.take(phase.count), timeout)
    except BenchmarkFailed as error:
        tail = f"\nIts log ends:\n{server.tail()}" if server else ""
        raise BenchmarkFailed(f"{name}, phase {phase.name}: {error}{tail}") from None
    figures = {f"{phase.name}_{key}": load[key] for key in _WANTED[phase.name]}
    figures[f"{phase.name}_rate"] = phase.units / load["wall"]
    figures[f"{phase.name}_connections"] = load["connections"]
    if server:
        time.sleep(SETTLE_SECONDS)
        figures[f"{phase.name}_cpu"] = (server.cpu_seconds() - before) / phase.units * 1e6
    return figures


_WANTED = {
    "json": ("latency_p50", "latency_p99"),
    "one": ("latency_p50", "latency_p99"),
    "burst": ("latency_p50",),
    "paced": ("delay_p50", "delay_p99"),
    "ttft": ("first_p50", "first_p99"),
    "prompt": ("latency_p50", "latency_p99"),
}
ADDED = {"one_added": "one_latency_p50", "ttft_added": "ttft_first_p50", "prompt_added": "prompt_latency_p50"}
"""Figures that are another one less the provider's own of the same round."""


def _drive(phase: Phase, headers: Mapping[str, str], port: int, first_id: int, timeout: float) -> dict[str, float]:
    command = [sys.executable, str(HERE / "load.py"), "--port", str(port)]
    command += ["--concurrency", str(phase.concurrency), "--count", str(phase.count)]
    command += ["--chunks", str(phase.chunks), "--gap-us", str(phase.gap_us), "--ttft-us", str(phase.ttft_us)]
    command += ["--pad", str(phase.pad), "--first-id", str(first_id), "--timeout", str(timeout)]
    command += ["--stream"] if phase.stream else []
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environ({}), timeout=timeout + 30)
    if not done.stdout:
        raise BenchmarkFailed(f"the load generator ended with {done.returncode}: {done.stderr[-500:]}")
    said = json.loads(done.stdout)
    if said["fault"]:
        raise BenchmarkFailed(said["fault"])
    return said["figures"]
