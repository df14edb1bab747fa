"""OpenAI chat completions, the request: body to neutral and back.

Source: platform.openai.com/docs/api-reference/chat/create, and the types of openai-python 3.54.
Fields of other vendors that travel in the same dialect (`reasoning_content`, `thinking`) are read too.
"""

from __future__ import annotations

from typing import get_args

import orjson

from turnout.core.errors import InvalidField
from turnout.core.json import JsonObject
from turnout.core.target import Dialect
from turnout.wire import fields
from turnout.wire.data_url import split_data_url
from turnout.wire.neutral import (
    Effort,
    HostedTool,
    Media,
    Message,
    Opaque,
    OutputFormat,
    Part,
    Reasoning,
    Request,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

_KNOWN = frozenset(
    "model messages tools tool_choice parallel_tool_calls max_tokens max_completion_tokens temperature top_p top_k "
    "presence_penalty frequency_penalty seed stop n logprobs top_logprobs logit_bias response_format verbosity "
    "reasoning_effort thinking stream stream_options user safety_identifier prompt_cache_key service_tier metadata "
    "store functions function_call".split()
)
_COMMON = frozenset("model messages max_tokens max_completion_tokens temperature stream stream_options".split())
_EFFORTS = frozenset(get_args(Effort))


def parse_request(body: JsonObject) -> Request:
    """The neutral request. Raises InvalidField naming the field."""
    if _COMMON.issuperset(body):
        return _parse_common(body)
    stream_options = fields.optional_object(body, "stream_options") or {}
    max_tokens = fields.optional_int(body, "max_completion_tokens", least=1)
    if max_tokens is None:
        max_tokens = fields.optional_int(body, "max_tokens", least=1)
    return Request(
        dialect=Dialect.OPENAI_CHAT,
        model=fields.text(body, "model"),
        messages=_messages(body),
        tools=_allowed(_tools(body), body),
        tool_choice=_tool_choice(body),
        parallel_tool_calls=fields.optional_flag(body, "parallel_tool_calls"),
        max_tokens=max_tokens,
        temperature=fields.optional_number(body, "temperature", least=0, most=2),
        top_p=fields.optional_number(body, "top_p", least=0, most=1),
        top_k=fields.optional_int(body, "top_k"),
        presence_penalty=fields.optional_number(body, "presence_penalty", least=-2, most=2),
        frequency_penalty=fields.optional_number(body, "frequency_penalty", least=-2, most=2),
        seed=fields.optional_int(body, "seed"),
        stop=_stop(body),
        choices=fields.optional_int(body, "n", least=1) or 1,
        logprobs=bool(fields.optional_flag(body, "logprobs")),
        top_logprobs=fields.optional_int(body, "top_logprobs", least=0),
        logit_bias=fields.optional_object(body, "logit_bias"),
        output=_output(body),
        verbosity=fields.optional_text(body, "verbosity"),
        reasoning=_reasoning(body),
        stream=bool(fields.optional_flag(body, "stream")),
        stream_usage=bool(fields.optional_flag(stream_options, "include_usage", "stream_options.")),
        user=fields.optional_text(body, "safety_identifier") or fields.optional_text(body, "user"),
        cache_key=fields.optional_text(body, "prompt_cache_key"),
        service_tier=fields.optional_text(body, "service_tier"),
        metadata=fields.optional_object(body, "metadata"),
        store=fields.optional_flag(body, "store"),
        extra={name: value for name, value in body.items() if name not in _KNOWN and value is not None},
    )


def _parse_common(body: JsonObject) -> Request:
    """Most requests have a handful of fields: looking for forty costs more than reading the six."""
    stream_options = fields.optional_object(body, "stream_options") or {}
    max_tokens = fields.optional_int(body, "max_completion_tokens", least=1)
    return Request(
        dialect=Dialect.OPENAI_CHAT,
        model=fields.text(body, "model"),
        messages=_messages(body),
        max_tokens=fields.optional_int(body, "max_tokens", least=1) if max_tokens is None else max_tokens,
        temperature=fields.optional_number(body, "temperature", least=0, most=2),
        stream=bool(fields.optional_flag(body, "stream")),
        stream_usage=bool(fields.optional_flag(stream_options, "include_usage", "stream_options.")),
    )


def _messages(body: JsonObject) -> tuple[Message, ...]:
    messages = fields.objects(body, "messages")
    if not messages:
        raise InvalidField("'messages' must hold at least one message.", param="messages")
    return tuple(_message(message, f"messages[{i}].") for i, message in enumerate(messages))


def _message(message: JsonObject, path: str) -> Message:
    role = fields.text(message, "role", path)
    name = fields.optional_text(message, "name", path)
    if role in ("tool", "function"):
        call_id = fields.text(message, "tool_call_id" if role == "tool" else "name", path)
        content = [p for p in _content(message, path) if isinstance(p, Text | Media)]
        return Message("tool", (ToolResult(call_id=call_id, content=tuple(content)),))
    if role == "assistant":
        return Message("assistant", tuple(_assistant_parts(message, path)), name)
    roles: dict[str, Role] = {"system": "system", "developer": "developer", "user": "user"}
    if role not in roles:
        raise InvalidField(
            f"'{path}role' must be system, developer, user, assistant or tool, not '{role}'.", param=f"{path}role"
        )
    return Message(roles[role], tuple(_content(message, path, required=True)), name)


def _assistant_parts(message: JsonObject, path: str) -> list[Part]:
    parts: list[Part] = []
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(reasoning, str) and reasoning:
        parts.append(Thinking(text=reasoning))
    parts.extend(_content(message, path))
    refusal = fields.optional_text(message, "refusal", path)
    if refusal:
        parts.append(Text(text=refusal, refusal=True))
    for i, call in enumerate(fields.optional_objects(message, "tool_calls", path)):
        parts.append(_tool_call(call, f"{path}tool_calls[{i}]."))
    legacy = fields.optional_object(message, "function_call", path)
    if legacy is not None:
        name = fields.text(legacy, "name", f"{path}function_call.")
        arguments = fields.text(legacy, "arguments", f"{path}function_call.")
        parts.append(ToolCall(id=name, name=name, arguments=arguments))
    return parts


def _tool_call(call: JsonObject, path: str) -> ToolCall:
    call_id = fields.text(call, "id", path)
    if call.get("type") == "custom":
        custom = fields.as_object(call.get("custom"), f"{path}custom")
        name = fields.text(custom, "name", f"{path}custom.")
        return ToolCall(id=call_id, name=name, arguments=fields.text(custom, "input", f"{path}custom."), custom=True)
    function = fields.as_object(call.get("function"), f"{path}function")
    arguments = function.get("arguments", "")
    if isinstance(arguments, dict):  # Ollama's clients send an object
        arguments = orjson.dumps(arguments).decode()
    return ToolCall(
        id=call_id,
        name=fields.text(function, "name", f"{path}function."),
        arguments=fields.as_text(arguments, f"{path}function.arguments"),
    )


def _content(message: JsonObject, path: str, *, required: bool = False) -> list[Part]:
    content = message.get("content")
    if isinstance(content, str):
        return [Text(text=content)] if content or required else []
    if content is None:
        if required:
            fields.missing(f"{path}content")
        return []
    if not isinstance(content, list):
        fields.refuse(f"{path}content", "a string or an array", content)
    return [
        _content_part(fields.as_object(part, f"{path}content[{i}]"), f"{path}content[{i}].")
        for i, part in enumerate(content)
    ]


def _content_part(part: JsonObject, path: str) -> Part:
    kind = fields.text(part, "type", path)
    if kind == "text":
        return Text(
            text=fields.text(part, "text", path), cache_control=fields.optional_object(part, "cache_control", path)
        )
    if kind == "refusal":
        return Text(text=fields.text(part, "refusal", path), refusal=True)
    if kind == "image_url":
        return _image(part, path)
    if kind == "input_audio":
        audio = fields.as_object(part.get("input_audio"), f"{path}input_audio")
        form = fields.text(audio, "format", f"{path}input_audio.")
        return Media(kind="audio", media_type=f"audio/{form}", data=fields.text(audio, "data", f"{path}input_audio."))
    if kind == "file":
        return _file(part, path)
    return Opaque(dialect=Dialect.OPENAI_CHAT, kind=kind, raw=part)


def _image(part: JsonObject, path: str) -> Media:
    value = part.get("image_url")
    # Some clients flatten it.
    image: JsonObject = {"url": value} if isinstance(value, str) else fields.as_object(value, f"{path}image_url")
    url = fields.text(image, "url", f"{path}image_url.")
    detail = fields.optional_text(image, "detail", f"{path}image_url.")
    cache = fields.optional_object(part, "cache_control", path)
    inline = split_data_url(url)
    if inline is None:
        return Media(kind="image", url=url, detail=detail, cache_control=cache)
    return Media(kind="image", media_type=inline[0], data=inline[1], detail=detail, cache_control=cache)


def _file(part: JsonObject, path: str) -> Media:
    file = fields.as_object(part.get("file"), f"{path}file")
    data = fields.optional_text(file, "file_data", f"{path}file.")
    inline = split_data_url(data) if data else None
    return Media(
        kind="document",
        media_type=inline[0] if inline else None,
        data=inline[1] if inline else data,
        file_id=fields.optional_text(file, "file_id", f"{path}file."),
        name=fields.optional_text(file, "filename", f"{path}file."),
    )


def _allowed(tools: tuple[Tool | HostedTool, ...], body: JsonObject) -> tuple[Tool | HostedTool, ...]:
    """`tool_choice.allowed_tools` means the same as sending only those tools."""
    choice = body.get("tool_choice")
    if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
        return tools
    allowed = fields.as_object(choice.get("allowed_tools"), "tool_choice.allowed_tools")
    names: set[str] = set()
    for i, entry in enumerate(fields.optional_objects(allowed, "tools", "tool_choice.allowed_tools.")):
        inner = entry.get(str(entry.get("type")))
        path = f"tool_choice.allowed_tools.tools[{i}]."
        names.add(fields.text(inner if isinstance(inner, dict) else entry, "name", path))
    return tuple(tool for tool in tools if not isinstance(tool, Tool) or tool.name in names)


def _tools(body: JsonObject) -> tuple[Tool | HostedTool, ...]:
    tools: list[Tool | HostedTool] = []
    for i, tool in enumerate(fields.optional_objects(body, "tools")):
        path = f"tools[{i}]."
        kind = fields.text(tool, "type", path)
        if kind == "function":
            tools.append(_function(fields.as_object(tool.get("function"), f"{path}function"), f"{path}function."))
        elif kind == "custom":
            custom = fields.as_object(tool.get("custom"), f"{path}custom")
            tools.append(
                Tool(
                    name=fields.text(custom, "name", f"{path}custom."),
                    description=fields.optional_text(custom, "description", f"{path}custom."),
                    custom=True,
                    format=fields.optional_object(custom, "format", f"{path}custom."),
                )
            )
        else:
            tools.append(HostedTool(dialect=Dialect.OPENAI_CHAT, kind=kind, raw=tool))
    for i, function in enumerate(fields.optional_objects(body, "functions")):
        tools.append(_function(function, f"functions[{i}]."))
    return tuple(tools)


def _function(function: JsonObject, path: str) -> Tool:
    return Tool(
        name=fields.text(function, "name", path),
        description=fields.optional_text(function, "description", path),
        parameters=fields.optional_object(function, "parameters", path),
        strict=fields.optional_flag(function, "strict", path),
    )


def _tool_choice(body: JsonObject) -> ToolChoice | None:
    field = "tool_choice" if body.get("tool_choice") is not None else "function_call"
    choice = body.get(field)
    if choice is None:
        return None
    for mode in ("auto", "none", "required"):
        if choice == mode:
            return ToolChoice(mode=mode)
    if not isinstance(choice, dict):
        raise InvalidField(f"'{field}' must be auto, none, required or an object.", param=field)
    if field == "function_call":
        return ToolChoice(mode="named", name=fields.text(choice, "name", "function_call."))
    kind = fields.text(choice, "type", "tool_choice.")
    if kind == "allowed_tools":
        allowed = fields.as_object(choice.get("allowed_tools"), "tool_choice.allowed_tools")
        return ToolChoice(mode="required" if allowed.get("mode") == "required" else "auto")
    named = fields.as_object(choice.get(kind), f"tool_choice.{kind}")
    return ToolChoice(mode="named", name=fields.text(named, "name", f"tool_choice.{kind}."))


def _stop(body: JsonObject) -> tuple[str, ...]:
    stop = body.get("stop")
    if isinstance(stop, str):
        return (stop,)
    return tuple(fields.as_text(item, f"stop[{i}]") for i, item in enumerate(fields.optional_list(body, "stop") or []))


def _output(body: JsonObject) -> OutputFormat | None:
    form = fields.optional_object(body, "response_format")
    if form is None:
        return None
    kind = fields.text(form, "type", "response_format.")
    if kind == "text":
        return None
    if kind == "json_object":
        return OutputFormat(kind="json_object")
    if kind != "json_schema":
        raise InvalidField(
            f"'response_format.type' must be text, json_object or json_schema, not '{kind}'.",
            param="response_format.type",
        )
    path = "response_format.json_schema"
    schema = fields.as_object(form.get("json_schema"), path)
    return OutputFormat(
        kind="json_schema",
        name=fields.text(schema, "name", f"{path}."),
        schema=fields.optional_object(schema, "schema", f"{path}."),
        strict=fields.optional_flag(schema, "strict", f"{path}."),
        description=fields.optional_text(schema, "description", f"{path}."),
    )


def _reasoning(body: JsonObject) -> Reasoning | None:
    effort = fields.optional_text(body, "reasoning_effort")
    thinking = fields.optional_object(body, "thinking")
    if effort is None and thinking is None:
        return None
    if effort is not None and effort not in _EFFORTS:
        raise InvalidField(
            f"'reasoning_effort' must be one of {', '.join(get_args(Effort))}, not '{effort}'.",
            param="reasoning_effort",
        )
    kind = fields.text(thinking, "type", "thinking.") if thinking else None
    return Reasoning(
        effort=effort,  # pyright: ignore[reportArgumentType] checked against the literal just above
        enabled=None if kind is None else kind != "disabled",
        budget_tokens=fields.optional_int(thinking, "budget_tokens", "thinking.") if thinking else None,
    )
