"""How much the core weighs: the distributions of `requirements/core.lock`, and Turnout itself."""

from __future__ import annotations

import compileall
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from servers import HERE, BenchmarkFailed

ROOT = HERE.parent
LOCK = ROOT / "requirements" / "core.lock"
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", re.MULTILINE)
_BLOCK = 512
"""Bytes of a unit of st_blocks, on every file system (stat(2))."""


@dataclass(frozen=True, slots=True)
class InstallSize:
    """Bytes of all files, Turnout's own included."""

    plain: int
    """As the wheels hold them."""
    compiled: int | None
    """With the compiled form of every module, as pip leaves them. None where only some have been compiled."""
    disk: int | None
    """The same as `du` counts it, in whole blocks of this file system."""
    distributions: int
    """Turnout's own is one of them."""
    how: str

    def figures(self) -> dict[str, float]:
        """As the results hold them; a megabyte is 10**6 bytes."""
        figures: dict[str, float] = {"install_mb": self.plain / 1e6, "install_distributions": self.distributions}
        if self.compiled is not None and self.disk is not None:
            figures |= {"install_compiled_mb": self.compiled / 1e6, "install_disk_mb": self.disk / 1e6}
        return figures


def of_this_environment() -> InstallSize:
    """By the files that the installed distributions of the lock list. Raises BenchmarkFailed where one is missing."""
    names = _PIN.findall(LOCK.read_text())
    try:
        files = {path for name in names for path in _files(distribution(name))}
    except PackageNotFoundError as error:
        raise BenchmarkFailed(f"{error} is in {LOCK.name} and not installed here") from None
    plain = sum(_size(path) for path in {*files, *_package(ROOT / "src" / "turnout")} if path.suffix != ".pyc")
    return InstallSize(plain, None, None, len(names) + 1, "files of the installed distributions")


def of_a_fresh_environment(scratch: Path) -> InstallSize:
    """Installs the lock into a new virtual environment without pip, and weighs it. Asks the package index."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        venv.create(folder, with_pip=False)
        python = Path(folder) / "bin" / "python"
        command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise BenchmarkFailed(f"the lock can't be installed: {done.stderr[-500:]}")
        shutil.copytree(ROOT / "src" / "turnout", Path(folder) / "turnout", ignore=shutil.ignore_patterns("*.pyc"))
        compileall.compile_dir(Path(folder) / "turnout", quiet=2)
        count = sum(1 for _ in Path(folder).rglob("*.dist-info"))
        every = [path for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink()]
        plain = sum(_size(path) for path in every if path.suffix != ".pyc")
        disk = sum(path.stat().st_blocks for path in every) * _BLOCK
        return InstallSize(plain, sum(map(_size, every)), disk, count + 1, "a fresh virtual environment")


def _files(installed: Distribution) -> list[Path]:
    return [Path(str(installed.locate_file(file))).resolve() for file in installed.files or ()]


def _package(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
