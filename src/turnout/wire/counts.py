"""Token counts as providers report them."""

from __future__ import annotations

from turnout.core.json import Json

MAX_TOKENS = 10**9
"""A larger count is nonsense: no provider reads a billion tokens at once. As a cost it would lock its payers out."""


def count(value: Json) -> int | None:
    """A plausible count, or None: providers have sent null, floats, negatives and 10^18."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TOKENS:
        return None
    return value
