"""Neutral messages as Anthropic's `system` and alternating turns.

Rules
1. System and developer messages at the head become `system`. Later ones become a text block of a user turn, marked
   as a system reminder: only the newest models take system turns inside a conversation, and hoisting them to the
   head would change their meaning and the cached prefix.
2. Adjacent messages of one side become one turn; tool results stand first in theirs, as the API demands.
3. Empty and blank texts are left out, because they are refused. A conversation starts with a user turn; where not, a
   turn of one dot is put before it. Without any turn, the system text becomes the user's.
4. Cache markers stay on the block they stood on.
"""

from __future__ import annotations

import base64
import re
import zlib
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from turnout.core.errors import Unsupported
from turnout.core.json import Json, JsonMap, JsonObject
from turnout.core.target import Dialect, Target
from turnout.wire.anthropic.response import is_citation, tool_input
from turnout.wire.anthropic.thinking import may_return, placeholder, recalled, thinking_block
from turnout.wire.codec import Vault
from turnout.wire.neutral import Media, Opaque, Part, Request, Text, Thinking, ToolCall, ToolResult

_BAD_ID = re.compile(r"[^a-zA-Z0-9_-]")
_MAGIC = {"/9j/": "image/jpeg", "iVBO": "image/png", "R0lG": "image/gif", "UklG": "image/webp"}
"""How base64 of an image begins, for callers that name no type."""
_DATA_URL = re.compile(r"data:([^;,]*)(?:;[^,]*)?;base64,(.*)", re.DOTALL)


class Conversation(NamedTuple):
    """What a request's messages amount to here."""

    system: Json
    messages: list[Json]
    unthought: bool
    """The running tool loop has a turn without the thinking that led to its call."""


@dataclass(slots=True)
class _Turn:
    role: Literal["user", "assistant"]
    parts: list[Part] = field(default_factory=list[Part])


def render_turns(request: Request, target: Target, vault: Vault, thinks: bool) -> Conversation:
    """Writes the conversation. Raises Unsupported for media that the target can't take."""
    head, turns = _split(request)
    system = [_text(part, request.dialect) for part in head if part.text.strip()]
    messages: list[Json] = []
    unthought = False
    for i, turn in enumerate(turns):
        if turn.role == "user":
            blocks = _user_blocks(turn.parts, request, target)
        else:
            blocks, bare = _assistant_blocks(turn.parts, request, target, vault, thinks)
            unthought = bare and i == len(turns) - 2
        if blocks:
            _append(messages, turn.role, blocks)
    if not messages and system:
        return Conversation(None, [{"role": "user", "content": _compact(system)}], False)
    if not messages or _role(messages[0]) == "assistant":
        messages.insert(0, {"role": "user", "content": "."})
    return Conversation(_compact(system) if system else None, messages, unthought)


def _split(request: Request) -> tuple[list[Text], list[_Turn]]:
    head: list[Text] = []
    turns: list[_Turn] = []
    for message in request.messages:
        parts = list(message.parts)
        if message.role in ("system", "developer"):
            texts = [part for part in parts if isinstance(part, Text)]
            if not turns:
                head.extend(texts)
                continue
            parts = [
                Text(text=f"<system-reminder>\n{part.text}\n</system-reminder>", cache_control=part.cache_control)
                for part in texts
                if part.text.strip()
            ]
        role = "assistant" if message.role == "assistant" else "user"
        if not turns or turns[-1].role != role:
            turns.append(_Turn(role))
        turns[-1].parts.extend(parts)
    return head, turns


def _append(messages: list[Json], role: str, blocks: list[JsonObject]) -> None:
    last = messages[-1] if messages else None
    if isinstance(last, dict) and last["role"] == role:  # the turn between them was empty
        content = last["content"]
        joined: list[Json] = list(content) if isinstance(content, list) else [{"type": "text", "text": content}]
        joined.extend(blocks)
        last["content"] = joined
        return
    messages.append({"role": role, "content": _compact(blocks)})


def _compact(blocks: list[JsonObject]) -> Json:
    """A single plain text as a string."""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return blocks[0]["text"]
    return list(blocks)


def _role(message: Json) -> Json:
    return message["role"] if isinstance(message, dict) else None


def _user_blocks(parts: list[Part], request: Request, target: Target) -> list[JsonObject]:
    results = [_tool_result(part, request, target) for part in parts if isinstance(part, ToolResult)]
    others: list[JsonObject] = []
    for part in parts:
        if isinstance(part, Text) and part.text.strip():
            others.append(_text(part, request.dialect))
        elif isinstance(part, Media):
            others.append(_media(part, request, target))
        elif isinstance(part, Opaque) and part.dialect is Dialect.ANTHROPIC:
            others.append(dict(part.raw))
    return results + others


def _assistant_blocks(
    parts: list[Part], request: Request, target: Target, vault: Vault, thinks: bool
) -> tuple[list[JsonObject], bool]:
    """The blocks, and whether a tool call in them lacks its thinking."""
    calls = [part for part in parts if isinstance(part, ToolCall)]
    native = request.dialect is Dialect.ANTHROPIC
    kept = [
        part
        for part in parts
        if not isinstance(part, Thinking) or may_return(part, target, calls_tools=bool(calls), from_anthropic=native)
    ]
    blocks: list[JsonObject] = []
    thought = any(isinstance(part, Thinking) for part in kept)
    if calls and thinks and not thought:
        blocks.extend(thinking_block(part) for part in recalled(calls, target, vault))
        if not blocks and target.quirks.foreign_thinking == "placeholder":
            blocks.append(placeholder(target.quirks))
        thought = bool(blocks)
    for part in kept:
        match part:
            case Text() if part.text.strip():
                blocks.append(_text(part, request.dialect))
            case Thinking():
                blocks.append(thinking_block(part))
            case ToolCall():
                blocks.append(_tool_use(part))
            case Opaque(dialect=Dialect.ANTHROPIC):
                blocks.append(dict(part.raw))
            case _:
                pass
    return blocks, bool(calls) and not thought


def _marked(block: JsonObject, marker: JsonMap | None) -> JsonObject:
    if marker is not None:
        block["cache_control"] = dict(marker)
    return block


def _text(part: Text, dialect: Dialect) -> JsonObject:
    block: JsonObject = {"type": "text", "text": part.text}
    if dialect is Dialect.ANTHROPIC and part.annotations:
        citations: list[Json] = [dict(note) for note in part.annotations if is_citation(note.get("type"))]
        block["citations"] = citations
    return _marked(block, part.cache_control)


def _tool_use(part: ToolCall) -> JsonObject:
    block: JsonObject = {
        "type": "tool_use",
        "id": legal_id(part.id),
        "name": part.name,
        "input": tool_input(part.arguments, part.custom),
    }
    return _marked(block, part.cache_control)


def _tool_result(part: ToolResult, request: Request, target: Target) -> JsonObject:
    content: list[JsonObject] = []
    for item in part.content:
        if isinstance(item, Media):
            content.append(_media(item, request, target))
        elif item.text.strip():
            content.append(_text(item, request.dialect))
    block: JsonObject = {"type": "tool_result", "tool_use_id": legal_id(part.call_id)}
    if content:
        block["content"] = _compact(content)
    if part.is_error:
        block["is_error"] = True
    return _marked(block, part.cache_control)


def legal_id(call_id: str) -> str:
    """The id with nothing but letters, digits, `_` and `-`, which is all the API takes. Kimi writes
    `functions.name:0`; a checksum keeps two such ids apart."""
    if not _BAD_ID.search(call_id):
        return call_id
    return f"{_BAD_ID.sub('_', call_id)}_{zlib.crc32(call_id.encode()):08x}"


def _media(part: Media, request: Request, target: Target) -> JsonObject:
    if part.kind == "audio" or (part.kind == "image" and not target.quirks.images):
        raise Unsupported(f"The model '{target.model}' takes no {part.kind} input.", param="messages")
    if part.file_id is not None and request.dialect is not Dialect.ANTHROPIC:
        raise Unsupported(
            f"The file id '{part.file_id}' is known to its own provider only; send the {part.kind} inline.",
            param="messages",
        )
    block: JsonObject = {"type": part.kind, "source": _source(part)}
    if part.kind == "document" and part.name:
        block["title"] = part.name
    return _marked(block, part.cache_control)


def _source(part: Media) -> JsonObject:
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    data, media_type = part.data, part.media_type
    if data is None and part.url is not None:
        inline = _DATA_URL.match(part.url)
        if inline is None:
            return {"type": "url", "url": part.url}
        media_type, data = inline.group(1) or media_type, inline.group(2)
    if data is None:
        raise Unsupported(f"The {part.kind} has neither data nor a URL.", param="messages")
    if media_type is None:
        media_type = "application/pdf" if part.kind == "document" else _MAGIC.get(data[:4], "image/png")
    if part.kind == "document" and media_type.startswith("text/"):
        text = base64.b64decode(data).decode("utf-8", "replace")
        return {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "base64", "media_type": media_type, "data": data}
