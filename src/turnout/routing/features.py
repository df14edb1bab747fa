"""What a routing decision may know of a request. No content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from turnout.core.target import Dialect

Operation = Literal["chat", "completion", "embedding", "count_tokens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """A request, as far as routing is concerned."""

    asked: str
    """The model or route name in the request."""
    dialect: Dialect
    operation: Operation = "chat"
    stream: bool = False
    input_tokens: int = 0
    """Estimated, see `wire.estimate`."""
    max_output: int | None = None
    tools: bool = False
    images: bool = False
    session: str | None = None
    """Names the conversation, for prompt-cache affinity; a keyed hash, never the client's own text."""
