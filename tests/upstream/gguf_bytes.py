"""Writes small GGUF files, right and wrong."""

from __future__ import annotations

import struct


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def tensor(name: str, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + dimensions + struct.pack("<IQ", kind, offset)


ARCHITECTURE = pair("general.architecture", 8, text("llama"))


def gguf(
    pairs: list[bytes],
    tensors: list[bytes],
    data: bytes,
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
    alignment: int = 32,
) -> bytes:
    """A file; `counts` are the claimed numbers of tensors and pairs where they shall differ from the real ones."""
    claimed = counts or (len(tensors), len(pairs))
    header = b"GGUF" + struct.pack("<IQQ", version, *claimed) + b"".join(pairs) + b"".join(tensors)
    return header + bytes(-len(header) % alignment) + data


def small_gguf() -> bytes:
    """A whole file: two tensors of 32 and 64 parameters, and one pair of each kind."""
    pairs = [
        ARCHITECTURE,
        pair("general.name", 8, text("Tiny")),
        pair("general.file_type", 4, struct.pack("<I", 2)),
        pair("llama.context_length", 4, struct.pack("<I", 512)),
        pair("tokenizer.chat_template", 8, text("{{ messages }}")),
        pair("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 2) + text("a") + text("b")),
        pair("tokenizer.ggml.scores", 9, struct.pack("<IQ", 6, 2) + bytes(8)),
    ]
    tensors = [tensor("a", (32,), 0, 0), tensor("b", (32, 2), 2, 128)]
    return gguf(pairs, tensors, bytes(128 + 36))
