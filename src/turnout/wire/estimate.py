"""How many tokens a request is, without the model's tokenizer.

A neutral counter: four ASCII characters are one token, any other character is one (OpenRouter counts this way and calls
it QuadChars). Everything that reaches the model counts: instructions, tools, tool calls and results, media. Good for
"does it fit" and for rate limits; a bill is never made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import orjson

from turnout.wire.neutral import HostedTool, Media, Opaque, Part, Request, Text, Thinking, ToolCall, ToolResult

MEDIA_TOKENS = 1_600
"""A large image on the providers that publish it (Anthropic: width x height / 750, scaled down to 1568 px)."""
MESSAGE_TOKENS = 4
"""Marks of role and turn around a message."""


def text_tokens(text: str) -> int:
    """Tokens of a text by the neutral counter, rounded up."""
    if text.isascii():
        return (len(text) + 3) // 4
    ascii_letters = len(text.encode("ascii", "ignore"))
    return (ascii_letters + 3) // 4 + len(text) - ascii_letters


@dataclass(frozen=True, slots=True)
class Meter:
    """How texts, and JSON, are counted. What stands around them in a request is counted the same way by all meters."""

    text: Callable[[str], int]
    json: Callable[[bytes], int]
    """Definitions of tools and schemas, in UTF-8."""


NEUTRAL = Meter(text_tokens, lambda raw: len(raw) // 3)


def request_tokens(request: Request, meter: Meter = NEUTRAL) -> int:
    """Prompt tokens of a request, by the neutral counter unless another is given."""
    text, json = meter.text, meter.json
    total = MESSAGE_TOKENS * len(request.messages)
    for message in request.messages:
        for part in message.parts:
            total += _part(part, text)
    for tool in request.tools:
        if isinstance(tool, HostedTool):
            total += json(orjson.dumps(tool.raw))
            continue
        total += text(tool.name) + text(tool.description or "")
        if tool.parameters:
            total += json(orjson.dumps(tool.parameters))
    if request.output is not None and request.output.schema:
        total += json(orjson.dumps(request.output.schema))
    return total


def _part(part: Part, count: Callable[[str], int]) -> int:
    match part:
        case Text(text=text) | Thinking(text=text):
            return count(text)
        case ToolCall():
            return count(part.name) + count(part.arguments) + MESSAGE_TOKENS
        case ToolResult():
            return sum(_part(each, count) for each in part.content) + MESSAGE_TOKENS
        case Media():
            if part.kind == "image" or part.data is None:
                return MEDIA_TOKENS
            return max(MEDIA_TOKENS, len(part.data) // 12)  # base64 of a text or a PDF: 4 letters are 3 bytes
        case Opaque():
            return len(orjson.dumps(part.raw)) // 4


def answer_tokens(parts: Iterable[Part]) -> int:
    """Output tokens of what came so far, where the provider's count is lost."""
    return sum(_part(part, text_tokens) for part in parts)
