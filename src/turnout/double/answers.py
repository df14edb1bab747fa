"""What a model says, in no dialect, and the shapes shared by the canned builders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import orjson

from turnout.core.json import Json
from turnout.double.record import Tokens

Finish = Literal["stop", "length", "tools", "refusal"]
CREATED = 1_780_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """The model asks for a tool. `arguments` is JSON text, broken if you like."""

    name: str
    arguments: str = "{}"
    id: str = "call_1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the double says. Every builder turns the same answer into its dialect."""

    text: str = "Hello there, world."
    reasoning: str = ""
    tools: tuple[ToolUse, ...] = ()
    tokens: Tokens | None = field(default_factory=lambda: Tokens(input=11, output=7))
    """None: the provider reports no usage, and bills nothing."""
    usage: Json = None
    """A usage object to send instead of the honest one, as broken as you like."""
    tier: str | None = None
    """The service that the answer says it was given by, in the dialect's own word; None: it does not say."""
    speed: str | None = None
    """Anthropic's."""
    geo: str | None = None
    """Anthropic's."""
    finish: Finish | None = None
    """Where None: `tools` when there are tools, else `stop`."""
    model: str = "echo-1"
    id: str = "01"

    @property
    def ending(self) -> Finish:
        """Why the model stopped."""
        return self.finish or ("tools" if self.tools else "stop")


def words(text: str) -> Iterator[str]:
    """The text in pieces of a word each, as models stream it; joined they are the text."""
    start = 0
    for position, letter in enumerate(text):
        if letter == " " and position > start:
            yield text[start:position]
            start = position
    if start < len(text):
        yield text[start:]


def pieces(text: str, size: int = 12) -> Iterator[str]:
    """The text in pieces of equal length, as models stream a tool's arguments."""
    for start in range(0, len(text), size):
        yield text[start : start + size]


def dumps(value: Mapping[str, Json]) -> bytes:
    """Compact JSON."""
    return orjson.dumps(dict(value))


def frame(value: Mapping[str, Json], event: str = "") -> bytes:
    """One server-sent event."""
    data = b"data: " + dumps(value) + b"\n\n"
    return b"event: " + event.encode() + b"\n" + data if event else data
