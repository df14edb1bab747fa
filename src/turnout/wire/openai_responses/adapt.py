"""A Responses body for a target of the same dialect: its quirks applied, all else left alone.

Custom tools are bridged to functions where the target knows no custom tools; its answer then has to go through the
reader and the writer, which gives the calls back as custom ones. Reasoning items of our own making (of providers that
seal nothing) are taken out, since no server knows their ids.
"""

from __future__ import annotations

import orjson

from turnout.core.errors import Unsupported
from turnout.core.json import Json, JsonObject
from turnout.core.target import Quirks, Target
from turnout.wire.bridging import CUSTOM_INPUT_SCHEMA, bridged_description
from turnout.wire.codec import Adapted, Vault
from turnout.wire.effort import nearest_effort
from turnout.wire.openai_responses.items import SYNTHETIC_REASONING
from turnout.wire.openai_responses.render import SILENT

_OWNER = Quirks()


def adapt(body: JsonObject, target: Target, vault: Vault) -> Adapted:
    """A changed copy, or the body itself where the target takes it as it is."""
    del vault  # a Responses client sends its own reasoning items back
    quirks = target.quirks
    changes: JsonObject = {}
    _items(body, quirks, changes)
    if not quirks.custom_tools:
        _tools(body, changes)
    _effort(body, quirks, changes)
    dropped = _unsupported(body, target, changes)
    if not changes:
        return Adapted(body, False)
    new = {name: changes.get(name, value) for name, value in body.items()}
    return Adapted({name: value for name, value in new.items() if value is not None}, True, dropped)


def _items(body: JsonObject, quirks: Quirks, changes: JsonObject) -> None:
    items = body.get("input")
    if not isinstance(items, list):
        return
    kept = [item for item in items if not _synthetic(item)]
    adapted = [_item(item, quirks) for item in kept]
    if len(kept) < len(items) or any(new is not old for new, old in zip(adapted, kept, strict=True)):
        changes["input"] = adapted


def _synthetic(item: Json) -> bool:
    if not isinstance(item, dict) or item.get("type") != "reasoning":
        return False
    item_id = item.get("id")
    return isinstance(item_id, str) and item_id.startswith(SYNTHETIC_REASONING)


def _item(item: Json, quirks: Quirks) -> Json:
    if not isinstance(item, dict):
        return item
    role = item.get("role")
    if role in ("system", "developer") and role not in quirks.system_roles:
        return {**item, "role": quirks.system_roles[0]}
    kind = item.get("type")
    if quirks.custom_tools or kind not in ("custom_tool_call", "custom_tool_call_output"):
        return item
    if kind == "custom_tool_call_output":
        return {**item, "type": "function_call_output"}
    rest = {name: value for name, value in item.items() if name not in ("input", "id")}
    arguments = orjson.dumps({"input": item.get("input")}).decode()
    return {**rest, "type": "function_call", "arguments": arguments}


def _tools(body: JsonObject, changes: JsonObject) -> None:
    tools = body.get("tools")
    if isinstance(tools, list):
        bridged = [_tool(tool) for tool in tools]
        if any(new is not old for new, old in zip(bridged, tools, strict=True)):
            changes["tools"] = bridged
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "custom":
        changes["tool_choice"] = {**choice, "type": "function"}


def _tool(tool: Json) -> Json:
    if not isinstance(tool, dict) or tool.get("type") != "custom":
        return tool
    rest = {name: value for name, value in tool.items() if name != "format"}
    description, form = tool.get("description"), tool.get("format")
    said = description if isinstance(description, str) else None
    rest["description"] = bridged_description(said, form if isinstance(form, dict) else None)
    return {**rest, "type": "function", "parameters": CUSTOM_INPUT_SCHEMA, "strict": False}


def _effort(body: JsonObject, quirks: Quirks, changes: JsonObject) -> None:
    """Only for a target with levels of its own: the owner may know levels that we do not."""
    reasoning = body.get("reasoning")
    if quirks.effort_levels == _OWNER.effort_levels or not isinstance(reasoning, dict):
        return
    effort = reasoning.get("effort")
    if isinstance(effort, str) and effort not in quirks.effort_levels:
        level = nearest_effort(effort, quirks.effort_levels)
        rest = {name: value for name, value in reasoning.items() if name != "effort"}
        changes["reasoning"] = {**rest, "effort": level} if level is not None else rest or None


def _unsupported(body: JsonObject, target: Target, changes: JsonObject) -> tuple[str, ...]:
    """Takes out what the target refuses; a quirk may name a field inside a field, such as `text.verbosity`."""
    dropped: list[str] = []
    for name in sorted(target.quirks.unsupported):
        head, _, tail = name.partition(".")
        held = changes.get(head, body.get(head))
        value = held.get(tail) if tail and isinstance(held, dict) else None if tail else held
        if value is None:
            continue
        if name not in SILENT:
            if name not in target.drop:
                raise Unsupported(
                    f"'{name}' can't be sent: '{target.model}' at {target.provider} refuses it. Leave it out, choose "
                    f"another model, or add '{name}' to the route's `drop` list.",
                    param=name,
                )
            dropped.append(name)
        rest = {key: each for key, each in held.items() if key != tail} if tail and isinstance(held, dict) else None
        changes[head] = rest or None
    return tuple(dropped)
