"""Identifiers: sortable by time, random enough not to be guessed, made from a passed source."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

RandomBytes = Callable[[int], bytes]
"""`os.urandom`, or a seeded stand-in in tests."""


class RandomPool:
    """Random bytes of the system, fetched by the page: a system call for each id would give up the interpreter's lock
    each time. For ids only; keys come from the system directly."""

    __slots__ = ("_place", "_pool", "_source")

    def __init__(self, source: RandomBytes, size: int = 4096) -> None:
        self._source = source
        self._pool = source(size)
        self._place = 0

    def __call__(self, count: int) -> bytes:
        """`count` fresh bytes, at most the pool's size."""
        end = self._place + count
        if end > len(self._pool):
            self._pool, end = self._source(len(self._pool)), count
        taken = self._pool[end - count : end]
        self._place = end
        return taken


def new_id(prefix: str, now: datetime, random_bytes: RandomBytes) -> str:
    """`prefix_` + 32 hexadecimal digits: 48 bits of milliseconds, then 80 random bits, as in a ULID. Sorts by time."""
    milliseconds = int(now.timestamp() * 1000)
    return f"{prefix}_{(milliseconds.to_bytes(6, 'big') + random_bytes(10)).hex()}"
