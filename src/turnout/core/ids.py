"""Identifiers: sortable by time, random enough not to be guessed, made from a passed source."""

from __future__ import annotations

from base64 import b32hexencode
from collections.abc import Callable
from datetime import datetime

RandomBytes = Callable[[int], bytes]
"""`os.urandom`, or a seeded stand-in in tests."""


def new_id(prefix: str, now: datetime, random_bytes: RandomBytes) -> str:
    """`prefix_` + 26 letters and digits: 48 bits of milliseconds, then 80 random bits, as in a ULID.

    In base32hex (RFC 4648, section 7), whose alphabet sorts as the numbers do, so that ids sort by time.
    """
    milliseconds = int(now.timestamp() * 1000)
    code = b32hexencode(milliseconds.to_bytes(6, "big") + random_bytes(10))
    return f"{prefix}_{code[:26].decode().lower()}"
