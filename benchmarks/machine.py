"""Where and how a run was made."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

from servers import HERE


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def describe() -> dict[str, str]:
    """The machine."""
    usable = len(os.sched_getaffinity(0))
    return {
        "machine": f"{_processor()}, {usable} CPUs, {_memory_gb():.0f} GB",
        "system": f"Linux {platform.release()}, Python {platform.python_version()}",
        "commit": _commit(),
    }


def _commit() -> str:
    """What of the repository was measured."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude", "*"],
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=30,
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def file_system(folder: Path) -> str:
    """What the records are written to: on tmpfs a commit costs nothing, on a disk it waits."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, type_, *_ = line.split(" ")
        inside = str(folder.resolve()).startswith(where.rstrip("/") + "/")
        if inside and len(where) >= len(best):
            best, kind = where, type_
    return kind


def load_average() -> str:
    """Over 1, 5 and 15 minutes."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())
