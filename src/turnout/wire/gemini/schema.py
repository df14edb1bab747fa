"""Tools in Gemini's words: function declarations with JSON Schema, and how functions may be called.

https://ai.google.dev/gemini-api/docs/function-calling
"""

from __future__ import annotations

from collections.abc import Iterable

from turnout.core.json import Json, JsonMap, JsonObject
from turnout.wire.bridging import CUSTOM_INPUT_SCHEMA
from turnout.wire.neutral import HostedTool, Tool, ToolChoice
from turnout.wire.parameters import Unexpressed

_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}


def json_schema(schema: JsonMap) -> JsonObject:
    """A schema for the `...JsonSchema` fields. The dialect's own URI is not of the subset that Gemini reads."""
    return {key: value for key, value in schema.items() if key != "$schema"}


def declarations(tools: Iterable[Tool | HostedTool], problems: Unexpressed) -> list[Json]:
    """The value of `tools`. A free-form tool becomes a function with one string, `input`."""
    functions: list[Json] = []
    for tool in tools:
        if isinstance(tool, HostedTool):
            problems.cannot("tools", f"the tool type '{tool.kind}' is run by its own provider only", param="tools")
        else:
            functions.append(_declaration(tool))
    return [{"functionDeclarations": functions}] if functions else []


def _declaration(tool: Tool) -> JsonObject:
    function: JsonObject = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.custom:
        function["parametersJsonSchema"] = CUSTOM_INPUT_SCHEMA
    elif tool.parameters:
        function["parametersJsonSchema"] = json_schema(tool.parameters)
    return function


def calling_config(choice: ToolChoice | None, tools: Iterable[Tool | HostedTool]) -> JsonObject | None:
    """The value of `toolConfig`; None for Gemini's default, which is AUTO.

    VALIDATED is AUTO with calls that keep to their schema: what a caller asks for with `strict`.
    """
    mode = _MODES[choice.mode] if choice is not None else "AUTO"
    if mode == "AUTO" and any(isinstance(tool, Tool) and tool.strict for tool in tools):
        mode = "VALIDATED"
    if choice is None and mode == "AUTO":
        return None
    config: JsonObject = {"mode": mode}
    if choice is not None and choice.mode == "named" and choice.name:
        config["allowedFunctionNames"] = [choice.name]
    return {"functionCallingConfig": config}
