"""A conversation as data, in no dialect, and what a client made of its answer. Knows nothing of Turnout's own types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import BaseModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Somebody's words, perhaps with a picture."""

    role: Literal["user", "assistant"]
    text: str
    picture: str = ""
    """A data URL or an https URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A tool call; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """The assistant called tools, in one turn."""

    calls: tuple[Call, ...]
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the tools said, by call id."""

    results: tuple[tuple[str, str], ...]


Turn: TypeAlias = "Said | Called | Answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """What a client asks."""

    turns: tuple[Turn, ...] = (Said(role="user", text="Hello"),)
    system: str = ""
    tools: tuple[type[BaseModel], ...] = ()
    """Each model is a tool of its name."""
    force: str = ""
    """The tool that must be called."""
    schema: type[BaseModel] | None = None
    effort: str = ""
    stop: tuple[str, ...] = ()
    max_tokens: int = 4000
    temperature: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Tokens by class as a client's own arithmetic has them: `input` holds the cached and the written ones."""

    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """What the client's library returned."""

    text: str
    reasoning: str
    calls: tuple[Call, ...]
    finish: Literal["stop", "length", "tools", "refusal", "other"]
    parsed: BaseModel | None
    counts: Counts
    model: str
