"""The memory of DeepSeek-V4, computed from the shape of the model: every parameter, and every byte of its cache.

Three kinds of layers: *window* layers see the last 128 tokens; *sparse* layers see also some blocks of 4, chosen by an
indexer with keys of its own; *heavy* layers see also all blocks of 128. A cache entry is 448 values in FP8 with 7
scales and 64 in bf16; an index key is 128 values in FP4 with 4 scales. The multi-token prediction block is not counted:
it is not needed to serve, and adds 2 %. Formats follow the release: routed experts FP4, other large matrices FP8,
compressors, router, embedding and norms bf16, the rest fp32. Which of the small ones is which changes the sum by less
than 1 %.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

from turnout.planning.footprint import Footprint, Stored

_HEAD = 512
_INDEX_HEADS, _INDEX_HEAD = 64, 128
_VOCABULARY = 129_280
_STREAMS = 4
_WINDOW = 128
_SPARSE_BLOCK, _HEAVY_BLOCK = 4, 128
_ENTRY = 448 + 7 + 2 * 64
_INDEX_KEY = 64 + 4
_FP32 = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class V4Shape:
    """What sets the sizes of the family apart."""

    hidden: int
    heads: int
    query_rank: int
    output_groups: int
    output_rank: int
    experts: int
    expert_width: int
    window_layers: int
    sparse_layers: int
    heavy_layers: int

    @property
    def layers(self) -> int:
        """All of them."""
        return self.window_layers + self.sparse_layers + self.heavy_layers


def v4_footprint(title: str, shape: V4Shape, source: str) -> Footprint:
    """Its memory."""
    return Footprint(
        title=title,
        weights=v4_weights(shape),
        cache_per_token=shape.sparse_layers * Fraction(_ENTRY + _INDEX_KEY, _SPARSE_BLOCK)
        + shape.heavy_layers * Fraction(_ENTRY, _HEAVY_BLOCK),
        cache_per_sequence=Fraction(shape.layers * _WINDOW * _ENTRY + _unfinished(shape)),
        source=source,
    )


def _unfinished(shape: V4Shape) -> int:
    """Bytes of blocks that are not full yet: a key-value and a score for each, in fp32."""
    sparse = 2 * _SPARSE_BLOCK * (2 * _HEAD + 2 * _INDEX_HEAD)
    return 2 * _FP32 * (shape.sparse_layers * sparse + shape.heavy_layers * _HEAVY_BLOCK * _HEAD)


def v4_weights(shape: V4Shape) -> dict[Stored, int]:
    """How many parameters are stored in which format."""
    d, found = shape.hidden, Counter[Stored]()
    for layers, part in (
        (shape.layers, _attention(shape)),
        (shape.sparse_layers, _sparse(shape)),
        (shape.heavy_layers, _heavy(shape)),
        (shape.layers, _experts(shape)),
        (1, {Stored.BF16: 2 * _VOCABULARY * d + d, Stored.FP32: _STREAMS * _STREAMS * d + _STREAMS + 1}),
    ):
        found.update({stored: layers * count for stored, count in part.items()})
    return dict(found)


def _attention(shape: V4Shape) -> dict[Stored, int]:
    """What every layer has, its two connections between streams and its two norms included."""
    d, wide = shape.hidden, shape.heads * _HEAD
    down, up, shared = d * shape.query_rank, shape.query_rank * wide, d * _HEAD
    out = wide * shape.output_rank + shape.output_groups * shape.output_rank * d
    mixed = (2 + _STREAMS) * _STREAMS
    return {
        Stored.FP8: down + up + shared + out,
        Stored.BF16: shape.query_rank + _HEAD + 2 * d,
        Stored.FP32: shape.heads + 2 * (mixed * _STREAMS * d + mixed + 3),
    }


def _sparse(shape: V4Shape) -> dict[Stored, int]:
    """The compressor of blocks of 4, and the indexer with its own."""
    d = shape.hidden
    compressors = 2 * d * 2 * _HEAD + _HEAD + 2 * d * 2 * _INDEX_HEAD + _INDEX_HEAD
    return {
        Stored.FP8: shape.query_rank * _INDEX_HEADS * _INDEX_HEAD,
        Stored.BF16: compressors + d * _INDEX_HEADS,
        Stored.FP32: _SPARSE_BLOCK * (2 * _HEAD + 2 * _INDEX_HEAD),
    }


def _heavy(shape: V4Shape) -> dict[Stored, int]:
    """The compressor of blocks of 128."""
    return {Stored.BF16: 2 * shape.hidden * _HEAD + _HEAD, Stored.FP32: _HEAVY_BLOCK * _HEAD}


def _experts(shape: V4Shape) -> dict[Stored, int]:
    """The routed ones, the shared one, and the router."""
    one = 3 * shape.hidden * shape.expert_width
    return {Stored.EXPERTS: shape.experts * one, Stored.FP8: one, Stored.BF16: shape.experts * shape.hidden}
