"""Free-form (custom) tools where only functions exist: a function with one text, wrapped and unwrapped."""

from __future__ import annotations

import orjson

from turnout.core.json import Json, JsonMap, JsonObject

CUSTOM_INPUT_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The tool's whole input, as free text."}},
    "required": ["input"],
    "additionalProperties": False,
}
"""Arguments of a function that stands for a free-form tool where only functions exist."""


def bridged_description(description: str | None, form: JsonMap | None) -> str:
    """What a function that stands for a custom tool says of itself: with the grammar, which nothing else can hold."""
    grammar = form.get("definition") if form else None
    if not isinstance(grammar, str):
        return description or ""
    return f"{description or ''}\n\nThe input must follow this grammar:\n{grammar}".strip()


def unwrap_custom(arguments: str) -> str:
    """The free text out of a bridged call's `{"input": ...}`; arguments of any other shape as they are."""
    try:
        value: Json = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
    text = value.get("input") if isinstance(value, dict) else None
    return text if isinstance(text, str) else arguments
