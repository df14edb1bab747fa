"""The schema's revisions, and the child process that brings a database to the last one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from turnout.core.errors import StorageUnavailable

REVISIONS = ("0001", "0002", "0003")
"""The schema's revisions, oldest first; the last is the one this version works on."""


def migrate_in_child(name: str, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Runs `ledger.migrate`, whose imports would stay in a server's memory. Raises StorageUnavailable; its message may
    hold what the driver said. `environ` is added to this process's own."""
    umask = os.umask(0o077)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "turnout.ledger.migrate", *arguments],
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StorageUnavailable(f"{name} could not be migrated: {error}.") from None
    finally:
        os.umask(umask)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise StorageUnavailable(f"{name} could not be migrated to schema {REVISIONS[-1]}: {said}")
