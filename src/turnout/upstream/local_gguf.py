"""Reads the header of a GGUF file without trusting it: what the model is, and whether the file is whole.

The layout (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), all little-endian:

    "GGUF"  u32 version  u64 tensors  u64 pairs
    pair    = text key, u32 type, value           text = u64 length, bytes
    tensor  = text name, u32 dimensions, u64 each, u32 type, u64 offset from the data's start
    padding up to `general.alignment`, then the data

Every length is checked against what is left of the file before it is used, and every count has a limit, so that a
hostile file costs neither memory nor more than seconds. Nothing here knows what loads the model.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from turnout.core.errors import ConfigError
from turnout.upstream.local_gguf_types import FILE_TYPES, TENSOR_TYPES, Scalar, scalar_of

_MAX_HEADER = 64 << 20  # bytes; a vocabulary of 260,000 tokens takes about 15 MiB
_MAX_PAIRS = 1 << 16
_MAX_TENSORS = 1 << 17
_MAX_ITEMS = 1 << 21  # of an array of texts
_MAX_NAME = 1 << 16  # bytes of a key or of a tensor's name
_MAX_KEPT = 1 << 20  # bytes of a text value that is kept; chat templates reach 20 KB
_TEXT, _ARRAY = 8, 9
_REMEDY = "Fetch the file again, or name another one."


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """What a GGUF file says of itself."""

    version: int
    architecture: str
    name: str
    """Empty when the file does not say."""
    context: int | None
    """Tokens the model was trained on."""
    chat_template: bool
    quantisation: str
    """As llama.cpp names it, such as `Q4_1`; `type 99` for one this reader does not know."""
    parameters: int
    tensors: int
    size: int
    """Bytes of the file."""


Value = int | float | bool | str | None
"""A metadata value; None stands for an array, which is skipped."""


def read_gguf(path: Path) -> GgufHeader:
    """Reads and checks a header. Raises ConfigError when the file can't be read, is no GGUF file, or is cut short."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return _header(_Reader(file, size, str(path)))
    except FileNotFoundError:
        raise ConfigError(f"There is no file '{path}'.") from None
    except OSError as error:
        raise ConfigError(f"'{path}' can't be read: {error.strerror or error}.") from error


class _Reader:
    """A file, with a position that never passes its end."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file = file
        self._limit = min(size, _MAX_HEADER)
        self.size = size
        self.name = name
        self.position = 0

    def refuse(self, why: str) -> ConfigError:
        return ConfigError(f"'{self.name}' can't be used as a model: {why}. {_REMEDY}")

    def need(self, count: int) -> None:
        """Raises unless `count` more bytes are there."""
        if count > self._limit - self.position:
            over = self._limit < self.size
            raise self.refuse("its header is larger than 64 MiB" if over else "the file is cut short in its header")

    def take(self, count: int) -> bytes:
        self.need(count)
        data = self._file.read(count)
        if len(data) != count:
            raise self.refuse("the file became shorter while it was read")
        self.position += count
        return data

    def skip(self, count: int) -> None:
        self.need(count)
        self._file.seek(count, 1)
        self.position += count

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def text(self, most: int) -> str:
        length = self.u64()
        if length > most:
            raise self.refuse(f"a text at byte {self.position} claims {length} bytes")
        return self.take(length).decode("utf-8", "replace")

    def scalar(self, kind: Scalar) -> int | float | bool:
        value: int | float | bool = struct.unpack(kind.format, self.take(kind.size))[0]
        return value


def _header(reader: _Reader) -> GgufHeader:
    version, tensors, pairs = _preamble(reader)
    values = _metadata(reader, pairs)
    parameters = _tensors(reader, tensors, _alignment(reader, values))
    architecture = _text(values, "general.architecture")
    if not architecture:
        raise reader.refuse("it names no architecture, so it is not a language model")
    context = values.get(f"{architecture}.context_length")
    file_type = values.get("general.file_type")
    return GgufHeader(
        version=version,
        architecture=architecture,
        name=_text(values, "general.name"),
        context=context if isinstance(context, int) and context > 0 else None,
        chat_template=bool(_text(values, "tokenizer.chat_template")),
        quantisation=FILE_TYPES.get(file_type, f"type {file_type}") if isinstance(file_type, int) else "unknown",
        parameters=parameters,
        tensors=tensors,
        size=reader.size,
    )


def _preamble(reader: _Reader) -> tuple[int, int, int]:
    if reader.size < 24 or reader.take(4) != b"GGUF":
        raise reader.refuse("it is not a GGUF file")
    version = reader.u32()
    if version not in (2, 3):
        raise reader.refuse("its GGUF version is not 2 or 3, or it was written for a big-endian machine")
    tensors, pairs = reader.u64(), reader.u64()
    if not 0 < tensors <= _MAX_TENSORS or pairs > _MAX_PAIRS:
        raise reader.refuse(f"its header claims {tensors} tensors and {pairs} metadata entries")
    return version, tensors, pairs


def _metadata(reader: _Reader, pairs: int) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for _ in range(pairs):
        key = reader.text(_MAX_NAME)
        values[key] = _value(reader, reader.u32())
    return values


def _value(reader: _Reader, kind: int) -> Value:
    if kind == _TEXT:
        return reader.text(_MAX_KEPT)
    if kind == _ARRAY:
        _skip_array(reader)
        return None
    return reader.scalar(_scalar(reader, kind))


def _skip_array(reader: _Reader) -> None:
    kind, count = reader.u32(), reader.u64()
    if kind != _TEXT:
        reader.skip(count * _scalar(reader, kind).size)  # refuses arrays of arrays, as llama.cpp does
        return
    if count > _MAX_ITEMS:
        raise reader.refuse(f"an array claims {count} texts")
    for _ in range(count):
        reader.skip(reader.u64())


def _scalar(reader: _Reader, kind: int) -> Scalar:
    found = scalar_of(kind)
    if found is None:
        raise reader.refuse(f"a metadata entry has the unknown type {kind}")
    return found


def _alignment(reader: _Reader, values: dict[str, Value]) -> int:
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
        raise reader.refuse(f"its alignment is {alignment!r}")
    return alignment


def _tensors(reader: _Reader, count: int, alignment: int) -> int:
    """The number of parameters. Raises when a tensor's data lies beyond the file's end."""
    parameters = last = 0
    for _ in range(count):
        name = reader.text(_MAX_NAME)
        dimensions = reader.u32()
        if not 1 <= dimensions <= 4:
            raise reader.refuse(f"its tensor '{name[:60]}' has {dimensions} dimensions")
        elements = math.prod(reader.u64() for _ in range(dimensions))
        shape = TENSOR_TYPES.get(reader.u32())
        offset = reader.u64()
        # A type we do not know has no known size; its start must still lie within the file.
        length = -(-elements // shape.block) * shape.size if shape else 0
        last = max(last, offset + length)
        parameters += elements
    start = -(-reader.position // alignment) * alignment
    if start + last > reader.size:
        missing = start + last - reader.size
        raise reader.refuse(f"the file is cut short: at least {missing:,} bytes are missing")
    return parameters


def _text(values: dict[str, Value], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""
