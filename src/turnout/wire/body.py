"""JSON bodies: bytes to an object, with errors a caller can act on."""

from __future__ import annotations

import orjson

from turnout.core.errors import InvalidJson
from turnout.core.json import Json, JsonObject

MAX_DEPTH = 256
"""Deeper JSON is refused; orjson itself stops at 1024, and walking it further on is recursive."""


def load_object(data: bytes) -> JsonObject:
    """The JSON object in `data`. Raises InvalidJson with the position."""
    if not data.strip():
        raise InvalidJson("The request body is empty; send a JSON object.")
    try:
        value: Json = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(f"The request body is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InvalidJson("The request body must be a JSON object.")
    # Brackets bound the depth from above, and counting them is far cheaper than walking.
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise InvalidJson(f"The request body is nested more than {MAX_DEPTH} levels deep.")
    return value


def _depth(root: Json) -> int:
    deepest = 0
    stack: list[tuple[Json, int]] = [(root, 1)]
    while stack:
        value, level = stack.pop()
        deepest = max(deepest, level)
        if isinstance(value, dict):
            stack.extend((child, level + 1) for child in value.values())
        elif isinstance(value, list):
            stack.extend((child, level + 1) for child in value)
    return deepest


def dump(value: JsonObject) -> bytes:
    """The object as compact JSON bytes."""
    return orjson.dumps(value)
