"""The benchmark of reports runs, and asks what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent.parent / "benchmarks/ledger_report.py"


def test_a_small_month_is_filled_and_every_question_answered() -> None:
    """A line for each question, with seconds above zero and the place where it was read."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--postings", "2000", "--runs", "1"], capture_output=True, text=True, timeout=120
    )
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:] if line.startswith("|")]

    assert done.returncode == 0, done.stderr
    assert {row[1] for row in rows} == {"sums", "postings", "both"} and len(rows) >= 14
    assert float(rows[-1][2]) > 0 < float(rows[-1][3])
    assert "2,000 postings in " in done.stdout and "machine: " in done.stdout
