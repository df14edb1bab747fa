"""The benchmark of the ledger runs on every database, and its figures agree with one another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent.parent / "benchmarks/ledger.py"


def test_every_ledger_is_measured() -> None:
    """A line for each ledger, number of budgets and of callers; callers at once share commits."""
    words = ["--requests", "64", "--rounds", "1", "--callers", "1,16", "--budgets", "0,2"]
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, timeout=120)
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:] if line.startswith("|")]

    assert done.returncode == 0, done.stderr
    cases = {tuple(row[:3]) for row in rows}
    assert cases == {(p, b, c) for p in ("sqlite", "shared", "postgres") for b in "02" for c in ("1", "16")}
    assert all(float(row[9]) >= float(row[8]) > 0 < float(row[5].replace(",", "")) for row in rows)
    assert all((row[7] == "-") == (row[0] != "postgres") for row in rows)
    assert min(float(row[10]) for row in rows if row[2] == "16") > max(float(row[10]) for row in rows if row[2] == "1")
    assert "each commit synced" in done.stdout and "machine: " in done.stdout
