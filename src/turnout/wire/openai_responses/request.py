"""OpenAI Responses, the request: body to neutral.

Source: the types of openai-python 3.54, `types/responses/response_create_params.py`.

Nothing is stored here, so the fields of stored state (`previous_response_id`, `conversation`) stay in `extra`: a
Responses provider may take them on the byte lane, and every other dialect refuses them by name. So does `background`,
which the gateway lets nobody have: who would learn what it cost? A field
inside `reasoning` or `text` that is not known stands in `extra` under its path, such as `reasoning.mode`.
"""

from __future__ import annotations

from typing import cast, get_args

from turnout.core.errors import InvalidField
from turnout.core.json import Json, JsonMap, JsonObject
from turnout.core.target import Dialect
from turnout.wire import fields
from turnout.wire.neutral import (
    Effort,
    HostedTool,
    Message,
    OutputFormat,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolChoice,
)
from turnout.wire.openai_responses.items import messages

_KNOWN = frozenset(
    "model input instructions tools tool_choice parallel_tool_calls max_output_tokens temperature top_p top_logprobs "
    "reasoning include text stream store metadata user safety_identifier prompt_cache_key service_tier".split()
)
HINTS = frozenset({"stream_options", "client_metadata", "prompt_cache_options", "prompt_cache_retention"})
"""Fields that change no answer. They are left out wherever the bytes do not travel as they came."""
_DEFAULTS: JsonObject = {"truncation": "disabled", "background": False, "reasoning.context": "auto"}
"""A field that says what would hold without it."""

STATE_FIELDS = ("previous_response_id", "conversation", "prompt")
"""What may stand for `input` at a provider that stores conversations."""

ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"


def parse_request(body: JsonObject) -> Request:
    """The neutral request. Raises InvalidField naming the field."""
    extra: JsonObject = {name: value for name, value in body.items() if name not in _KNOWN and value is not None}
    include = _include(body, extra)
    user = fields.optional_text(body, "safety_identifier") or fields.optional_text(body, "user")
    top_logprobs = fields.optional_int(body, "top_logprobs", least=0)
    output, verbosity = _text(body, extra)
    request = Request(
        dialect=Dialect.OPENAI_RESPONSES,
        model=fields.text(body, "model"),
        messages=_conversation(body),
        tools=_tools(body),
        tool_choice=_tool_choice(body, extra),
        parallel_tool_calls=fields.optional_flag(body, "parallel_tool_calls"),
        max_tokens=fields.optional_int(body, "max_output_tokens", least=1),
        temperature=fields.optional_number(body, "temperature", least=0, most=2),
        top_p=fields.optional_number(body, "top_p", least=0, most=1),
        logprobs=LOGPROBS in include,
        top_logprobs=top_logprobs or None,
        output=output,
        verbosity=verbosity,
        reasoning=_reasoning(body, extra, encrypted=ENCRYPTED in include),
        stream=fields.optional_flag(body, "stream") or False,
        stream_usage=True,
        user=user,
        cache_key=fields.optional_text(body, "prompt_cache_key"),
        service_tier=fields.optional_text(body, "service_tier"),
        metadata=fields.optional_object(body, "metadata"),
        store=fields.optional_flag(body, "store"),
        extra={name: value for name, value in extra.items() if not _says_nothing(name, value)},
    )
    if not request.messages and not any(request.extra.get(name) for name in STATE_FIELDS):
        raise InvalidField("'input' must hold the conversation; it is empty.", param="input")
    return request


def _says_nothing(name: str, value: Json) -> bool:
    return name in HINTS or (name in _DEFAULTS and value == _DEFAULTS[name])


def _conversation(body: JsonObject) -> tuple[Message, ...]:
    if body.get("input") is None and not any(body.get(name) for name in STATE_FIELDS):
        fields.missing("input")
    rest = messages(body)
    instructions = fields.optional_text(body, "instructions")
    return (Message("system", (Text(text=instructions),)), *rest) if instructions else rest


def _include(body: JsonObject, extra: JsonObject) -> frozenset[str]:
    names = [
        fields.as_text(each, f"include[{i}]") for i, each in enumerate(fields.optional_list(body, "include") or [])
    ]
    rest: list[Json] = [name for name in names if name not in (ENCRYPTED, LOGPROBS)]
    if rest:
        extra["include"] = rest
    return frozenset(names)


# ---- tools -------------------------------------------------------------------------------


def _tools(body: JsonObject) -> tuple[Tool | HostedTool, ...]:
    return tuple(_tool(tool, f"tools[{i}].") for i, tool in enumerate(fields.optional_objects(body, "tools")))


def _tool(tool: JsonObject, path: str) -> Tool | HostedTool:
    kind = fields.text(tool, "type", path)
    if kind not in ("function", "custom"):
        return HostedTool(dialect=Dialect.OPENAI_RESPONSES, kind=kind, raw=tool)
    custom = kind == "custom"
    return Tool(
        name=fields.text(tool, "name", path),
        description=fields.optional_text(tool, "description", path),
        parameters=None if custom else fields.optional_object(tool, "parameters", path),
        strict=None if custom else fields.optional_flag(tool, "strict", path),
        custom=custom,
        format=fields.optional_object(tool, "format", path) if custom else None,
    )


def _tool_choice(body: JsonObject, extra: JsonObject) -> ToolChoice | None:
    choice = body.get("tool_choice")
    match choice:
        case None:
            return None
        case "auto" | "none" | "required":
            return ToolChoice(mode=choice)
        case {"type": "function" | "custom"}:
            return ToolChoice(mode="named", name=fields.text(cast(JsonMap, choice), "name", "tool_choice."))
        case dict():
            fields.text(choice, "type", "tool_choice.")
            extra["tool_choice"] = choice
            return None
        case str():
            raise InvalidField(
                f"'tool_choice' must be auto, none, required or an object, not '{choice}'.", param="tool_choice"
            )
        case _:
            fields.refuse("tool_choice", "a string or an object", choice)


# ---- settings with parts -----------------------------------------------------------------


def _rest(obj: JsonMap, known: tuple[str, ...], head: str, extra: JsonObject) -> None:
    extra.update({head + name: value for name, value in obj.items() if name not in known and value is not None})


def _text(body: JsonObject, extra: JsonObject) -> tuple[OutputFormat | None, str | None]:
    text = fields.optional_object(body, "text") or {}
    _rest(text, ("format", "verbosity"), "text.", extra)
    return _format(text, extra), fields.optional_text(text, "verbosity", "text.")


def _format(text: JsonObject, extra: JsonObject) -> OutputFormat | None:
    form = fields.optional_object(text, "format", "text.")
    if form is None:
        return None
    kind = fields.text(form, "type", "text.format.")
    if kind == "json_object":
        return OutputFormat(kind="json_object")
    if kind == "json_schema":
        schema = fields.optional_object(form, "schema", "text.format.")
        if schema is None:
            fields.missing("text.format.schema")
        return OutputFormat(
            kind="json_schema",
            name=fields.text(form, "name", "text.format."),
            schema=schema,
            strict=fields.optional_flag(form, "strict", "text.format."),
            description=fields.optional_text(form, "description", "text.format."),
        )
    if kind != "text":
        extra["text.format"] = form
    return None


def _reasoning(body: JsonObject, extra: JsonObject, *, encrypted: bool) -> Reasoning | None:
    value = fields.optional_object(body, "reasoning")
    if value is None:
        return Reasoning(encrypted=True) if encrypted else None
    _rest(value, ("effort", "summary", "generate_summary"), "reasoning.", extra)
    effort = fields.optional_text(value, "effort", "reasoning.")
    if effort is not None and effort not in get_args(Effort):
        raise InvalidField(
            f"'reasoning.effort' must be one of {', '.join(get_args(Effort))}, not '{effort}'.",
            param="reasoning.effort",
        )
    summary = fields.optional_text(value, "summary", "reasoning.")
    return Reasoning(
        effort=cast("Effort | None", effort),
        enabled=None if effort is None else effort != "none",
        summary=summary or fields.optional_text(value, "generate_summary", "reasoning."),
        encrypted=encrypted,
    )
