"""The numbers that GGUF files use for types: of metadata values, of tensors, and of whole files.

Tensor types are `enum ggml_type` with the sizes of gguf-py's GGML_QUANT_SIZES, file types are `enum llama_ftype`
(https://github.com/ggml-org/llama.cpp/blob/master/gguf-py/gguf/constants.py, read in November 2026).
"""

from __future__ import annotations

from typing import NamedTuple


class Scalar(NamedTuple):
    """A metadata value of fixed size: its `struct` format, and its bytes."""

    format: str
    size: int


class Block(NamedTuple):
    """How a tensor type is stored: so many elements in so many bytes."""

    block: int
    size: int


_SCALARS = {
    0: Scalar("<B", 1),
    1: Scalar("<b", 1),
    2: Scalar("<H", 2),
    3: Scalar("<h", 2),
    4: Scalar("<I", 4),
    5: Scalar("<i", 4),
    6: Scalar("<f", 4),
    7: Scalar("<?", 1),
    10: Scalar("<Q", 8),
    11: Scalar("<q", 8),
    12: Scalar("<d", 8),
}


def scalar_of(kind: int) -> Scalar | None:
    """The scalar of that number; None for texts (8), arrays (9) and numbers that mean nothing."""
    return _SCALARS.get(kind)


TENSOR_TYPES = {
    0: Block(1, 4),  # F32
    1: Block(1, 2),  # F16
    2: Block(32, 18),  # Q4_0
    3: Block(32, 20),  # Q4_1
    6: Block(32, 22),  # Q5_0
    7: Block(32, 24),  # Q5_1
    8: Block(32, 34),  # Q8_0
    10: Block(256, 84),  # Q2_K
    11: Block(256, 110),  # Q3_K
    12: Block(256, 144),  # Q4_K
    13: Block(256, 176),  # Q5_K
    14: Block(256, 210),  # Q6_K
    15: Block(256, 292),  # Q8_K
    16: Block(256, 66),  # IQ2_XXS
    17: Block(256, 74),  # IQ2_XS
    18: Block(256, 98),  # IQ3_XXS
    19: Block(256, 50),  # IQ1_S
    20: Block(32, 18),  # IQ4_NL
    21: Block(256, 110),  # IQ3_S
    22: Block(256, 82),  # IQ2_S
    23: Block(256, 136),  # IQ4_XS
    24: Block(1, 1),  # I8
    25: Block(1, 2),  # I16
    26: Block(1, 4),  # I32
    27: Block(1, 8),  # I64
    28: Block(1, 8),  # F64
    29: Block(256, 56),  # IQ1_M
    30: Block(1, 2),  # BF16
    34: Block(256, 54),  # TQ1_0
    35: Block(256, 66),  # TQ2_0
    39: Block(32, 17),  # MXFP4
}

FILE_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4_MOE",
}
