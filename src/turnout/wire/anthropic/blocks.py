"""Content blocks to neutral parts, in requests and in answers alike.

A block that Turnout does not know becomes Opaque, whole: new kinds appear every few months, and only a target of
this dialect can use them.
"""

from __future__ import annotations

import base64

import orjson

from turnout.core.errors import InvalidField
from turnout.core.json import Json, JsonMap, JsonObject
from turnout.core.target import Dialect
from turnout.wire import fields
from turnout.wire.neutral import Media, Opaque, Part, Text, Thinking, ToolCall, ToolResult


def parse_block(block: JsonObject, path: str, origin: str | None = None) -> Part:
    """One block. `origin` is the provider that wrote it, None in what a client sent."""
    kind = fields.text(block, "type", path)
    match kind:
        case "text":
            return Text(
                text=fields.text(block, "text", path),
                cache_control=fields.optional_object(block, "cache_control", path),
                annotations=tuple(fields.optional_objects(block, "citations", path)),
            )
        case "image" | "document":
            return _media(block, kind, path)
        case "thinking":
            return Thinking(
                text=fields.text(block, "thinking", path),
                signature=fields.optional_text(block, "signature", path) or None,
                origin=origin,
            )
        case "redacted_thinking":
            return Thinking(text="", encrypted=fields.text(block, "data", path), origin=origin)
        case "tool_use":
            return _tool_call(block, path, origin)
        case "tool_result":
            return _tool_result(block, path)
        case _:
            return opaque(block)


def opaque(block: JsonMap) -> Opaque:
    """A block carried whole."""
    kind = block.get("type")
    return Opaque(dialect=Dialect.ANTHROPIC, kind=kind if isinstance(kind, str) else "unknown", raw=block)


def _tool_call(block: JsonObject, path: str, origin: str | None) -> ToolCall:
    arguments = fields.optional_object(block, "input", path)
    if arguments is None:
        fields.missing(path + "input")
    return ToolCall(
        id=fields.text(block, "id", path),
        name=fields.text(block, "name", path),
        arguments=orjson.dumps(arguments).decode(),
        origin=origin,
        cache_control=fields.optional_object(block, "cache_control", path),
    )


def _media(block: JsonObject, kind: str, path: str) -> Media | Opaque:
    source = fields.optional_object(block, "source", path)
    if source is None:
        fields.missing(path + "source")
    inside = path + "source."
    data = url = file_id = media_type = None
    match fields.text(source, "type", inside):
        case "base64":
            data, media_type = fields.text(source, "data", inside), fields.text(source, "media_type", inside)
        case "text":
            data = base64.b64encode(fields.text(source, "data", inside).encode()).decode()
            media_type = "text/plain"
        case "url":
            url = fields.text(source, "url", inside)
        case "file":
            file_id = fields.text(source, "file_id", inside)
        case _:
            return opaque(block)
    return Media(
        kind="image" if kind == "image" else "document",
        media_type=media_type,
        data=data,
        url=url,
        file_id=file_id,
        name=fields.optional_text(block, "title", path),
        cache_control=fields.optional_object(block, "cache_control", path),
    )


def _tool_result(block: JsonObject, path: str) -> ToolResult:
    return ToolResult(
        call_id=fields.text(block, "tool_use_id", path),
        content=_result_content(block.get("content"), path + "content"),
        is_error=fields.optional_flag(block, "is_error", path) or False,
        cache_control=fields.optional_object(block, "cache_control", path),
    )


def _result_content(content: Json, path: str) -> tuple[Text | Media, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(text=content),)
    if not isinstance(content, list):
        fields.refuse(path, "a string or an array", content)
    parts: list[Text | Media] = []
    for i, item in enumerate(content):
        block = fields.as_object(item, f"{path}[{i}]")
        part = parse_block(block, f"{path}[{i}].")
        if isinstance(part, Text | Media):
            parts.append(part)
        elif isinstance(part, Opaque):
            # Search results, tool references: a result holds words and media only, so the block is quoted.
            parts.append(Text(text=orjson.dumps(block).decode()))
        else:
            raise InvalidField(f"'{path}[{i}].type' can't be '{block['type']}'.", param=f"{path}[{i}].type")
    return tuple(parts)
