"""OpenAI Responses, the `input` list: items to neutral messages.

Source: the types of openai-python 3.54, `types/responses/response_input_item_param.py`. An item or content part of a
type that is not known here is carried whole as `Opaque`, in its place: Codex and OpenAI add types faster than we read
them. What is left behind, because the neutral form has no place for it: ids and `status` of messages and calls,
`phase`, `namespace`, `caller` and `prompt_cache_breakpoint`. They reach a Responses target on the byte lane.
"""

from __future__ import annotations

from turnout.core.errors import InvalidField
from turnout.core.json import Json, JsonMap, JsonObject
from turnout.core.target import Dialect
from turnout.wire import fields
from turnout.wire.data_url import split_data_url
from turnout.wire.neutral import Media, Message, Opaque, Part, Role, Text, Thinking, ToolCall, ToolResult

SYNTHETIC_REASONING = "rs_turnout"
"""Head of the ids that we give to reasoning of providers without ids. OpenAI does not know such an item."""

_ROLES: dict[str, Role] = {"user": "user", "system": "system", "developer": "developer", "assistant": "assistant"}
_CONTENT_KINDS = frozenset({"refusal", "text", "reasoning_text", "summary_text", "encrypted_content"})


def is_content_kind(kind: str) -> bool:
    """Whether a type belongs to a content part, not to an item."""
    return kind.startswith(("input_", "output_")) or kind in _CONTENT_KINDS


def messages(body: JsonObject) -> tuple[Message, ...]:
    """The conversation in `input`. Items of one assistant turn, and results in a row, become one message."""
    value = body.get("input")
    if isinstance(value, str):
        return (Message("user", (Text(text=value),)),)
    if value is not None and not isinstance(value, list):
        fields.refuse("input", "a string or an array", value)
    out: list[Message] = []
    for i, each in enumerate(value or []):
        path = f"input[{i}]"
        role, parts = _item(fields.as_object(each, path), f"{path}.")
        if out and role in ("assistant", "tool") and out[-1].role == role:
            out[-1] = Message(role, out[-1].parts + parts)
        else:
            out.append(Message(role, parts))
    return tuple(out)


def _item(item: JsonObject, path: str) -> tuple[Role, tuple[Part, ...]]:
    kind = fields.optional_text(item, "type", path)
    if kind is None:
        kind = "message" if "role" in item else "item_reference" if "id" in item else fields.missing(path + "type")
    match kind:
        case "message":
            return _message(item, path)
        case "function_call":
            return "assistant", (_call(item, path, "arguments"),)
        case "custom_tool_call":
            return "assistant", (_call(item, path, "input"),)
        case "function_call_output" | "custom_tool_call_output":
            return "tool", (_result(item, path, custom=kind.startswith("custom")),)
        case "reasoning":
            return "assistant", thinking(item)
        case _:
            return _opaque_role(kind), (Opaque(dialect=Dialect.OPENAI_RESPONSES, kind=kind, raw=item),)


def _opaque_role(kind: str) -> Role:
    if kind.endswith(("_output", "_response")):
        return "tool"
    return "developer" if kind == "additional_tools" else "assistant"


def _message(item: JsonObject, path: str) -> tuple[Role, tuple[Part, ...]]:
    name = fields.text(item, "role", path)
    role = _ROLES.get(name)
    if role is None:
        raise InvalidField(
            f"'{path}role' must be user, assistant, system or developer, not '{name}'.", param=f"{path}role"
        )
    return role, _content(item, "content", path)


def _content(item: JsonObject, key: str, path: str) -> tuple[Part, ...]:
    value = item.get(key)
    if isinstance(value, str):
        return (Text(text=value),)
    if value is not None and not isinstance(value, list):
        fields.refuse(path + key, "a string or an array", value)
    parts = fields.objects(item, key, path)
    return tuple(_part(part, f"{path}{key}[{i}].") for i, part in enumerate(parts))


def _part(part: JsonObject, path: str) -> Text | Media | Opaque:
    kind = fields.text(part, "type", path)
    match kind:
        case "input_text" | "output_text" | "text":
            return Text(text=fields.text(part, "text", path), annotations=citations(part))
        case "refusal":
            return Text(text=fields.text(part, "refusal", path), refusal=True)
        case "input_image":
            return _image(part, path)
        case "input_file":
            return _file(part, path)
        case "input_audio":
            audio = fields.as_object(part.get("input_audio"), f"{path}input_audio")
            form = fields.text(audio, "format", f"{path}input_audio.")
            data = fields.text(audio, "data", f"{path}input_audio.")
            return Media(kind="audio", media_type=f"audio/{form}", data=data)
        case _:
            return Opaque(dialect=Dialect.OPENAI_RESPONSES, kind=kind, raw=part)


def citations(part: JsonMap) -> tuple[JsonMap, ...]:
    """The citations of a text part, as they are."""
    value = part.get("annotations")
    return tuple(each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()


def _image(part: JsonObject, path: str) -> Media:
    url = fields.optional_text(part, "image_url", path)
    file_id = fields.optional_text(part, "file_id", path)
    detail = fields.optional_text(part, "detail", path)
    if url is None and file_id is None:
        fields.missing(f"{path}image_url")
    inline = split_data_url(url) if url else None
    if inline is not None:
        return Media(kind="image", media_type=inline[0], data=inline[1], detail=detail)
    return Media(kind="image", url=url, file_id=file_id, detail=detail)


def _file(part: JsonObject, path: str) -> Media:
    data = fields.optional_text(part, "file_data", path)
    url = fields.optional_text(part, "file_url", path)
    file_id = fields.optional_text(part, "file_id", path)
    if data is None and url is None and file_id is None:
        fields.missing(f"{path}file_data")
    inline = split_data_url(data) if data else None
    return Media(
        kind="document",
        media_type=inline[0] if inline else None,
        data=inline[1] if inline else data,
        url=url,
        file_id=file_id,
        name=fields.optional_text(part, "filename", path),
    )


def _call(item: JsonObject, path: str, key: str) -> ToolCall:
    return ToolCall(
        id=fields.text(item, "call_id", path),
        name=fields.text(item, "name", path),
        arguments=fields.text(item, key, path),
        custom=key == "input",
    )


def _result(item: JsonObject, path: str, *, custom: bool) -> ToolResult:
    call_id = fields.text(item, "call_id", path)
    parts: list[Text | Media] = []
    for i, part in enumerate(_content(item, "output", path)):
        if not isinstance(part, Text | Media):
            raise InvalidField(
                f"'{path}output[{i}].type' must be input_text, input_image or input_file.",
                param=f"{path}output[{i}].type",
            )
        parts.append(part)
    return ToolResult(call_id=call_id, content=tuple(parts), custom=custom)


def _texts(value: Json, separator: str) -> str:
    parts = [part.get("text") for part in value if isinstance(part, dict)] if isinstance(value, list) else []
    return separator.join(text for text in parts if isinstance(text, str))


def thinking(item: JsonMap, origin: str | None = None) -> tuple[Thinking, ...]:
    """A reasoning item: its summary, and the reasoning itself where a server shows it.

    Two parts with the same `item_id` where it has both; the encrypted form is on the last. Our own items hold the
    reasoning as it came from the provider, though it stands in the summary, where clients look for it.
    """
    item_id, sealed = item.get("id"), item.get("encrypted_content")
    item_id = item_id if isinstance(item_id, str) and item_id else None
    sealed = sealed if isinstance(sealed, str) and sealed else None
    summary, content = _texts(item.get("summary"), "\n\n"), _texts(item.get("content"), "")
    ours = item_id is not None and item_id.startswith(SYNTHETIC_REASONING)
    parts: list[Thinking] = []
    if summary and content:
        parts.append(Thinking(text=summary, summary=True, item_id=item_id, origin=origin))
    parts.append(
        Thinking(
            text=content or summary,
            summary=not content and not ours,
            item_id=item_id,
            encrypted=sealed,
            origin=origin,
        )
    )
    return tuple(parts)
