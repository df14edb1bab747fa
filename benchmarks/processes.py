"""CPU time and memory of a process with everything it started, read from Linux."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_RSS = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Stat:
    """The fields of /proc/PID/stat that are used here (proc_pid_stat(5))."""

    pid: int
    parent: int
    session: int
    ended_children: float
    """CPU seconds of children that ended and were waited for; the kernel counts these in ticks."""


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()  # a name may hold blanks and parentheses
    return _Stat(pid, int(fields[1]), int(fields[3]), (int(fields[13]) + int(fields[14])) / _TICK)


def tree(root: int, *, with_session: bool = True) -> list[_Stat]:
    """The process and its living descendants; also those of its session whose parent has ended."""
    every = [stat for entry in os.listdir(_PROC) if entry.isdigit() and (stat := _stat(int(entry)))]
    leads = with_session and any(stat.pid == root == stat.session for stat in every)
    found = {root} | {stat.pid for stat in every if leads and stat.session == root}
    grown = True
    while grown:
        more = {stat.pid for stat in every if stat.parent in found} - found
        found |= more
        grown = bool(more)
    return [stat for stat in every if stat.pid in found]


def cpu_seconds(root: int) -> float:
    """CPU time of the tree so far: each process's own clock, which counts nanoseconds and keeps ended threads, and what
    ended children used."""
    total = 0.0
    for stat in tree(root):
        try:
            total += time.clock_gettime((~stat.pid << 3) | 2) + stat.ended_children
        except OSError:
            continue  # it has just ended: its parent's count has it from now on
    return total


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes (2**20). Pss shares a page's size among the processes that map it; RSS counts it in each."""

    pss: float
    rss: float


def memory(root: int) -> Memory:
    """Of the whole tree. Where Pss can't be read, RSS stands for it."""
    pss = rss = 0.0
    for stat in tree(root):
        own = _kilobytes(stat.pid, "status", _RSS) or 0
        rss += own
        shared = _kilobytes(stat.pid, "smaps_rollup", _PSS)
        pss += own if shared is None else shared
    return Memory(pss / 1024, rss / 1024)


def _kilobytes(pid: int, file: str, line: re.Pattern[str]) -> int | None:
    try:
        found = line.search((_PROC / str(pid) / file).read_text())
    except OSError:
        return None
    return int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class MachineTime:
    """CPU seconds since the machine started."""

    busy: float
    """Used by all processes."""
    ours: float
    """Used by this process and everything it started."""
    passed: float
    """All CPUs together."""

    @classmethod
    def read(cls) -> MachineTime:
        """The counts so far."""
        user, nice, system, *_ = (int(x) / _TICK for x in (_PROC / "stat").read_text().split("\n")[0].split()[1:])
        return cls(user + nice + system, cpu_seconds(os.getpid()), time.monotonic() * (os.cpu_count() or 1))


def others_share(before: MachineTime, after: MachineTime) -> float:
    """The part of the CPUs, 0 to 1, that programs outside this benchmark used in between."""
    others = (after.busy - before.busy) - (after.ours - before.ours)
    return max(0.0, others / max(after.passed - before.passed, 1e-9))
