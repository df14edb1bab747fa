"""How many tokens a request is, without the model's tokenizer.

A neutral counter: four ASCII characters are one token, any other character is one (OpenRouter counts this way and calls
it QuadChars). Everything that reaches the model counts: instructions, tools, tool calls and results, media. Good for
"does it fit" and for rate limits; a bill is never made of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import orjson

from turnout.wire.neutral import HostedTool, Media, Message, Opaque, Part, Request, Text, Thinking, ToolCall, ToolResult

MEDIA_TOKENS = 1_600
"""A large image on the providers that publish it (Anthropic: width x height / 750, scaled down to 1568 px)."""
MESSAGE_TOKENS = 4
"""Marks of role and turn around a message."""
COUNT_MARGIN = 1.15
"""On top when a caller asks for a count: clients compact by it, and a count too low ends in a deadlock (pain 38)."""


def text_tokens(text: str) -> int:
    """Tokens of a text by the neutral counter, rounded up."""
    if text.isascii():
        return (len(text) + 3) // 4
    ascii_letters = len(text.encode("ascii", "ignore"))
    return (ascii_letters + 3) // 4 + len(text) - ascii_letters


def request_tokens(request: Request) -> int:
    """Prompt tokens of a request."""
    total = sum(MESSAGE_TOKENS + _parts(message) for message in request.messages)
    for tool in request.tools:
        if isinstance(tool, HostedTool):
            total += len(orjson.dumps(tool.raw)) // 3
            continue
        total += text_tokens(tool.name) + text_tokens(tool.description or "")
        if tool.parameters:
            total += len(orjson.dumps(tool.parameters)) // 3
    if request.output is not None and request.output.schema:
        total += len(orjson.dumps(request.output.schema)) // 3
    return total


def counted_tokens(request: Request) -> int:
    """The estimate with its safety margin, for an endpoint that counts."""
    return math.ceil(request_tokens(request) * COUNT_MARGIN)


def _parts(message: Message) -> int:
    return sum(map(_part, message.parts))


def _part(part: Part) -> int:
    match part:
        case Text(text=text) | Thinking(text=text):
            return text_tokens(text)
        case ToolCall():
            return text_tokens(part.name) + text_tokens(part.arguments) + MESSAGE_TOKENS
        case ToolResult():
            return sum(map(_part, part.content)) + MESSAGE_TOKENS
        case Media():
            if part.kind == "image" or part.data is None:
                return MEDIA_TOKENS
            return max(MEDIA_TOKENS, len(part.data) // 12)  # base64 of a text or a PDF: 4 letters are 3 bytes
        case Opaque():
            return len(orjson.dumps(part.raw)) // 4


def answer_tokens(parts: Iterable[Part]) -> int:
    """Output tokens of what came so far, where the provider's count is lost."""
    return sum(map(_part, parts))
