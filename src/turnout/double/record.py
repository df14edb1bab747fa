"""What the double saw: requests byte for byte, connections, and its own bill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from turnout.core.json import Json, JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Token counts by class. `input` contains `cached` and `cache_write`; `cache_write` contains `cache_write_1h`;
    `output` contains `reasoning`."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request, exactly as it came."""

    number: int
    """From 1, over all connections."""
    connection: int
    """From 1; requests on one connection share it."""
    at: float
    """Monotonic seconds when the last byte of the body had arrived."""
    method: str
    target: str
    """The request target, query included."""
    head: bytes
    """The raw bytes up to and including the blank line."""
    header_list: tuple[tuple[str, str], ...]
    """Names as they were written, in order, duplicates kept."""
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-case name; the last of duplicates."""
        return {name.lower(): value for name, value in self.header_list}

    @property
    def json(self) -> JsonObject:
        """The body as a JSON object; empty where it is none."""
        try:
            value: Json = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def model(self) -> str:
        """The model in the body, or in a Gemini path; empty when there is none."""
        name = self.json.get("model")
        if isinstance(name, str):
            return name
        _, found, rest = self.path.partition("/models/")
        return rest.partition(":")[0] if found else ""


@dataclass(slots=True, kw_only=True)
class Connected:
    """One TCP connection. Owned by the server; read it from anywhere."""

    number: int
    opened_at: float
    requests: int = 0
    closed_at: float | None = None
    """Monotonic seconds when it ended, from either side; None while it is open."""
    closed_by_peer: bool = False
    """The client ended it, not the script."""


@dataclass(slots=True, kw_only=True)
class BillLine:
    """What the double charges for one request. Billed when the answer begins, as providers do."""

    number: int
    model: str
    tokens: Tokens
    steps: int = 0
    """Steps of the body that were done. Providers charge for what was generated when a caller left."""
    delivered: bool = False
    """The whole answer was written."""
