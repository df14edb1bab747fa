"""Identifiers: sortable by time, random enough not to be guessed, made from a passed source."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

RandomBytes = Callable[[int], bytes]
"""`os.urandom`, or a seeded stand-in in tests."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case


def _base32(value: int, length: int) -> str:
    letters: list[str] = []
    for _ in range(length):
        letters.append(_ALPHABET[value & 31])
        value >>= 5
    return "".join(reversed(letters))


def new_id(prefix: str, now: datetime, random_bytes: RandomBytes) -> str:
    """`prefix_` + 26 letters: 48 bits of milliseconds, then 80 random bits (the layout of a ULID)."""
    milliseconds = int(now.timestamp() * 1000)
    return f"{prefix}_{_base32(milliseconds, 10)}{_base32(int.from_bytes(random_bytes(10), 'big'), 16)}"
