"""What a model takes of memory: its weights by the format that they are stored in, and its cache by token and sequence.

Bytes are fractions until they are shown: a scale for 128 x 128 weights is 1/16,384 of a byte for each. Knows no GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction


class Stored(Enum):
    """How weights are stored in the release."""

    EXPERTS = "experts"
    """The routed experts: FP4 in V4's release."""
    FP8 = "fp8"
    BF16 = "bf16"
    FP32 = "fp32"


class Precision(Enum):
    """How weights are served."""

    RELEASE = "release"
    """As published: experts in FP4, the rest as it is stored."""
    FP8 = "fp8"
    BF16 = "bf16"


_FP4 = Fraction(1, 2) + Fraction(1, 32)
"""Half a byte, and a scale of one byte for 32 weights (MXFP4)."""
_FP8 = 1 + Fraction(1, 128 * 128)
"""A byte, and a scale of one byte for a block of 128 x 128."""
BYTES: Mapping[Precision, Mapping[Stored, Fraction]] = {
    Precision.RELEASE: {
        Stored.EXPERTS: _FP4,
        Stored.FP8: _FP8,
        Stored.BF16: Fraction(2),
        Stored.FP32: Fraction(4),
    },
    Precision.FP8: {Stored.EXPERTS: _FP8, Stored.FP8: _FP8, Stored.BF16: Fraction(2), Stored.FP32: Fraction(4)},
    Precision.BF16: {
        Stored.EXPERTS: Fraction(2),
        Stored.FP8: Fraction(2),
        Stored.BF16: Fraction(2),
        Stored.FP32: Fraction(4),
    },
}
"""For each weight, scales included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """A model's memory."""

    title: str
    weights: Mapping[Stored, int]
    """How many parameters are stored in which format."""
    cache_per_token: Fraction
    """Bytes of the key-value cache that a token adds to its sequence."""
    cache_per_sequence: Fraction = Fraction(0)
    """Bytes that a sequence takes however short it is: windows and unfinished blocks."""
    cache_heads: int = 1
    """Among how many GPUs a cache can be split by its heads. With one head each GPU holds all of it."""
    source: str = "the question"

    @property
    def parameters(self) -> int:
        """All of them."""
        return sum(self.weights.values())

    def part_bytes(self, precision: Precision) -> dict[Stored, Fraction]:
        """The weights, by format."""
        return {stored: count * BYTES[precision][stored] for stored, count in self.weights.items()}

    def expert_bytes(self, precision: Precision) -> Fraction:
        """The weights that are split among GPUs however attention is."""
        return self.part_bytes(precision).get(Stored.EXPERTS, Fraction(0))

    def other_bytes(self, precision: Precision) -> Fraction:
        """All other weights."""
        return sum(self.part_bytes(precision).values(), Fraction(0)) - self.expert_bytes(precision)

    def cache_bytes(self, context: int, sequences: int) -> Fraction:
        """The cache of so many sequences of so many tokens."""
        return sequences * (context * self.cache_per_token + self.cache_per_sequence)
