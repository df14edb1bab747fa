"""What is wrong with a provider's own usage object: counts that are no counts. Readers skip those (`counts`); whoever
pays by them must know."""

from __future__ import annotations

from turnout.core.json import JsonMap
from turnout.wire.counts import count

_DEPTH = 3


def odd_counts(raw: JsonMap) -> list[str]:
    """`odd:NAME` for each field of tokens that is negative, huge, broken or no number. A null is only a missing one."""
    found: list[str] = []
    _look(raw, _DEPTH, found)
    return found


def _look(raw: JsonMap, depth: int, found: list[str]) -> None:
    for name, value in raw.items():
        if isinstance(value, dict):
            if depth:
                _look(value, depth - 1, found)
        elif _is_count(name) and value is not None and not isinstance(value, list) and count(value) is None:
            found.append(f"odd:{name[:40]}")


def _is_count(name: str) -> bool:
    return name.endswith(("_tokens", "TokenCount"))
