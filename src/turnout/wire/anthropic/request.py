"""A Messages request to the neutral form.

Left out on purpose, because no other dialect has them and the answer does not depend on them: see `HINTS`.
"""

from __future__ import annotations

from typing import cast, get_args

from turnout.core.errors import InvalidField
from turnout.core.json import Json, JsonMap, JsonObject
from turnout.core.target import Dialect
from turnout.wire import fields
from turnout.wire.anthropic.blocks import parse_block
from turnout.wire.neutral import (
    Effort,
    HostedTool,
    Message,
    OutputFormat,
    Part,
    Reasoning,
    Request,
    Role,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
)

HINTS = frozenset({"cache_control", "diagnostics", "context_management", "user_profile_id", "workspace_id"})
"""Caching, cache diagnosis, context editing and account labels: they cost or help nothing at another provider."""

_KNOWN = HINTS | {
    "model", "messages", "system", "tools", "tool_choice", "max_tokens", "temperature", "top_p", "top_k",
    "stop_sequences", "stream", "metadata", "service_tier", "thinking", "output_config", "output_format",
}  # fmt: skip

_ROLES = ("user", "assistant", "system")
_TIER = {"standard_only": "default"}


def parse_request(body: JsonObject) -> Request:
    """Reads a request. Raises InvalidField naming the field, e.g. `messages[2].content[0].type`."""
    max_tokens = fields.optional_int(body, "max_tokens", least=0)  # 0 only fills the prompt cache
    if max_tokens is None:
        fields.missing("max_tokens")
    choice, parallel = _tool_choice(body)
    metadata = fields.optional_object(body, "metadata") or {}
    tier = fields.optional_text(body, "service_tier")
    output, extra = _output(body)
    return Request(
        dialect=Dialect.ANTHROPIC,
        model=fields.text(body, "model"),
        messages=tuple(_messages(body)),
        tools=tuple(_tool(tool, f"tools[{i}].") for i, tool in enumerate(fields.optional_objects(body, "tools"))),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        max_tokens=max_tokens,
        temperature=fields.optional_number(body, "temperature", least=0, most=1),
        top_p=fields.optional_number(body, "top_p", least=0, most=1),
        top_k=fields.optional_int(body, "top_k", least=0),
        stop=_stop(body),
        output=output,
        reasoning=_reasoning(body),
        stream=fields.optional_flag(body, "stream") or False,
        stream_usage=True,
        user=fields.optional_text(metadata, "user_id", "metadata."),
        service_tier=_TIER.get(tier, tier) if tier else None,
        metadata={key: value for key, value in metadata.items() if key != "user_id"} or None,
        extra=extra | {key: value for key, value in body.items() if key not in _KNOWN},
    )


def _messages(body: JsonObject) -> list[Message]:
    messages: list[Message] = []
    system = body.get("system")
    if system is not None:
        parts = _content(system, "system")
        for i, part in enumerate(parts):
            if not isinstance(part, Text):
                raise InvalidField(f"'system[{i}].type' must be 'text'.", param=f"system[{i}].type")
        if parts:
            messages.append(Message("system", parts))
    for i, item in enumerate(fields.objects(body, "messages")):
        path = f"messages[{i}]."
        role = fields.text(item, "role", path)
        if role not in _ROLES:
            raise InvalidField(
                f"'{path}role' must be 'user', 'assistant' or 'system', not '{role}'.", param=path + "role"
            )
        if item.get("content") is None:
            fields.missing(path + "content")
        parts = _content(item["content"], path + "content")
        results = tuple(part for part in parts if isinstance(part, ToolResult))
        if not results:
            messages.append(Message(cast(Role, role), parts))
            continue
        if role != "user":
            raise InvalidField(f"'{path}content': only a user turn holds tool results.", param=path + "content")
        messages.append(Message("tool", results))
        rest = tuple(part for part in parts if not isinstance(part, ToolResult))
        if rest:
            messages.append(Message("user", rest))
    return messages


def _content(value: Json, path: str) -> tuple[Part, ...]:
    if isinstance(value, str):
        return (Text(text=value),)
    if not isinstance(value, list):
        fields.refuse(path, "a string or an array", value)
    return tuple(parse_block(fields.as_object(item, f"{path}[{i}]"), f"{path}[{i}].") for i, item in enumerate(value))


def _tool(tool: JsonObject, path: str) -> Tool | HostedTool:
    kind = fields.optional_text(tool, "type", path)
    if kind is not None and kind != "custom":
        return HostedTool(dialect=Dialect.ANTHROPIC, kind=kind, raw=tool)
    schema = fields.optional_object(tool, "input_schema", path)
    if schema is None:
        fields.missing(path + "input_schema")
    return Tool(
        name=fields.text(tool, "name", path),
        description=fields.optional_text(tool, "description", path),
        parameters=schema,
        strict=fields.optional_flag(tool, "strict", path),
        cache_control=fields.optional_object(tool, "cache_control", path),
    )


def _tool_choice(body: JsonObject) -> tuple[ToolChoice | None, bool | None]:
    raw = fields.optional_object(body, "tool_choice")
    if raw is None:
        return None, None
    single = fields.optional_flag(raw, "disable_parallel_tool_use", "tool_choice.")
    parallel = None if single is None else not single
    match fields.text(raw, "type", "tool_choice."):
        case "auto":
            return ToolChoice(mode="auto"), parallel
        case "any":
            return ToolChoice(mode="required"), parallel
        case "none":
            return ToolChoice(mode="none"), parallel
        case "tool":
            return ToolChoice(mode="named", name=fields.text(raw, "name", "tool_choice.")), parallel
        case other:
            raise InvalidField(
                f"'tool_choice.type' must be 'auto', 'any', 'tool' or 'none', not '{other}'.", param="tool_choice.type"
            )


def _reasoning(body: JsonObject) -> Reasoning | None:
    thinking = fields.optional_object(body, "thinking")
    config: JsonMap = fields.optional_object(body, "output_config") or {}
    effort = fields.optional_text(config, "effort", "output_config.")
    if effort is not None and effort not in get_args(Effort):
        raise InvalidField(
            f"'output_config.effort' must be one of {', '.join(get_args(Effort))}, not '{effort}'.",
            param="output_config.effort",
        )
    enabled = budget = summary = None
    if thinking is not None:
        match fields.text(thinking, "type", "thinking."):
            case "enabled":
                enabled = True
                budget = fields.optional_int(thinking, "budget_tokens", "thinking.", least=1)
                if budget is None:
                    fields.missing("thinking.budget_tokens")
            case "adaptive" | "between_tools":
                enabled = True
            case "disabled":
                enabled = False
            case other:
                raise InvalidField(
                    f"'thinking.type' must be 'enabled', 'adaptive', 'between_tools' or 'disabled', not '{other}'.",
                    param="thinking.type",
                )
        if fields.optional_text(thinking, "display", "thinking.") == "summarized":
            summary = "auto"
    if thinking is None and effort is None:
        return None
    return Reasoning(effort=cast("Effort | None", effort), budget_tokens=budget, enabled=enabled, summary=summary)


def _output(body: JsonObject) -> tuple[OutputFormat | None, JsonObject]:
    """The output format, and the members of `output_config` that the neutral form does not know."""
    config = fields.optional_object(body, "output_config") or {}
    extra = {f"output_config.{key}": value for key, value in config.items() if key not in ("effort", "format")}
    path = "output_config.format"
    raw = fields.optional_object(config, "format", "output_config.")
    if raw is None:
        path = "output_format"  # where the beta of structured outputs had it
        raw = fields.optional_object(body, path)
    if raw is None:
        return None, extra
    kind = fields.text(raw, "type", path + ".")
    if kind != "json_schema":
        raise InvalidField(f"'{path}.type' must be 'json_schema', not '{kind}'.", param=path + ".type")
    schema = fields.optional_object(raw, "schema", path + ".")
    if schema is None:
        fields.missing(path + ".schema")
    return OutputFormat(kind="json_schema", schema=schema, strict=True), extra


def _stop(body: JsonObject) -> tuple[str, ...]:
    items = fields.optional_list(body, "stop_sequences") or []
    return tuple(fields.as_text(item, f"stop_sequences[{i}]") for i, item in enumerate(items))
