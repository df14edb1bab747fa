"""A chat completions body for a target of the same dialect: its quirks applied, all else left alone."""

from __future__ import annotations

import orjson

from turnout.core.errors import Unsupported
from turnout.core.json import Json, JsonObject
from turnout.core.target import Quirks, Target
from turnout.wire.bridging import CUSTOM_INPUT_SCHEMA
from turnout.wire.codec import Adapted, Vault
from turnout.wire.effort import nearest_effort


def adapt(body: JsonObject, target: Target, vault: Vault) -> Adapted:
    """A changed copy, or the body itself where the target takes it as it is."""
    quirks = target.quirks
    changes: JsonObject = {}
    hints = _hints(body, quirks)
    removed = set(hints)
    _messages(body, target, vault, changes)
    if not quirks.custom_tools:
        _bridge_tools(body, changes)
    _reasoning(body, quirks, changes, removed)
    _max_tokens(body, quirks, changes, removed)
    refused = {name for name in quirks.unsupported if body.get(name) is not None}
    form = body.get("response_format")
    if not quirks.json_schema and isinstance(form, dict) and form.get("type") == "json_schema":
        refused.add("response_format")
        changes["response_format"] = {"type": "json_object"}
    if _forced(body) and not _may_force(body, quirks, changes):
        refused.add("tool_choice")
        changes.pop("tool_choice", None)
    for name in sorted(refused - target.drop):
        raise Unsupported(
            f"'{name}' can't be sent: '{target.model}' at {target.provider} refuses it. Leave it out, choose "
            f"another model, or add '{name}' to the route's `drop` list.",
            param=name,
        )
    if not changes and not refused and not removed:
        return Adapted(body, False)
    gone = refused | removed
    new = {name: value for name, value in body.items() if name not in gone}
    new.update(changes)
    return Adapted(new, True, tuple(sorted(refused | set(hints))))


def _hints(body: JsonObject, quirks: Quirks) -> list[str]:
    """Switches the target does not know and can do without."""
    hints: list[str] = []
    if not quirks.parallel_tool_calls and body.get("parallel_tool_calls") is not None:
        hints.append("parallel_tool_calls")
    if not quirks.stream_usage and body.get("stream_options") is not None:
        hints.append("stream_options")
    return hints


def _max_tokens(body: JsonObject, quirks: Quirks, changes: JsonObject, removed: set[str]) -> None:
    if quirks.max_tokens_field != "max_tokens" or "max_completion_tokens" not in body:
        return
    removed.add("max_completion_tokens")
    if body["max_completion_tokens"] is not None:
        changes["max_tokens"] = body["max_completion_tokens"]


# ---- messages and tools ------------------------------------------------------------------


def _messages(body: JsonObject, target: Target, vault: Vault, changes: JsonObject) -> None:
    messages = body.get("messages")
    if isinstance(messages, list):
        adapted = [_message(message, target, vault) for message in messages]
        if any(new is not old for new, old in zip(adapted, messages, strict=True)):
            changes["messages"] = adapted


def _message(message: Json, target: Target, vault: Vault) -> Json:
    if not isinstance(message, dict):
        return message
    quirks = target.quirks
    if message.get("role") == "developer" and "developer" not in quirks.system_roles:
        return {**message, "role": quirks.system_roles[0]}
    if message.get("role") != "assistant":
        return message
    if quirks.replay_reasoning != "never":
        message = _with_reasoning(message, target, vault)
    calls = message.get("tool_calls")
    if isinstance(calls, list) and not quirks.custom_tools:
        bridged = [_bridge_call(call) for call in calls]
        if any(new is not old for new, old in zip(bridged, calls, strict=True)):
            return {**message, "tool_calls": bridged}
    return message


def _with_reasoning(message: JsonObject, target: Target, vault: Vault) -> JsonObject:
    quirks = target.quirks
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        calls = []
    if (quirks.replay_reasoning == "tool_turns" and not calls) or message.get(quirks.reasoning_field):
        return message
    other = message.get("reasoning" if quirks.reasoning_field == "reasoning_content" else "reasoning_content")
    text = other if isinstance(other, str) else ""
    for call in calls:
        call_id = call.get("id") if isinstance(call, dict) else None
        if not text and isinstance(call_id, str):
            text = "".join(part.text for part in vault(call_id) if part.origin in (None, target.provider))
    return {**message, quirks.reasoning_field: text or quirks.reasoning_placeholder}


def _bridge_tools(body: JsonObject, changes: JsonObject) -> None:
    """Free-form tools become functions of one text: their definitions and the choice of one."""
    tools = body.get("tools")
    if isinstance(tools, list):
        bridged = [_bridge_tool(tool) for tool in tools]
        if any(new is not old for new, old in zip(bridged, tools, strict=True)):
            changes["tools"] = bridged
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "custom":
        changes["tool_choice"] = {"type": "function", "function": choice.get("custom")}


def _bridge_tool(tool: Json) -> Json:
    if not isinstance(tool, dict) or tool.get("type") != "custom":
        return tool
    custom = tool.get("custom")
    function: JsonObject = {"name": None, "parameters": CUSTOM_INPUT_SCHEMA}
    if isinstance(custom, dict):
        function.update({key: custom[key] for key in ("name", "description") if key in custom})
    return {"type": "function", "function": function}


def _bridge_call(call: Json) -> Json:
    custom = call.get("custom") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(custom, dict):
        return call
    arguments = orjson.dumps({"input": custom.get("input")}).decode()
    return {
        "id": call.get("id"),
        "type": "function",
        "function": {"name": custom.get("name"), "arguments": arguments},
    }


# ---- reasoning ---------------------------------------------------------------------------


def _reasoning(body: JsonObject, quirks: Quirks, changes: JsonObject, removed: set[str]) -> None:
    effort = body.get("reasoning_effort")
    if not isinstance(effort, str) or effort in quirks.effort_levels:
        return
    level = nearest_effort(effort, quirks.effort_levels)
    if level is not None:
        changes["reasoning_effort"] = level
    elif effort == "none" and quirks.thinking_switch != "none":
        _switch_off(body, quirks, changes)
        removed.add("reasoning_effort")


def _switch_off(body: JsonObject, quirks: Quirks, changes: JsonObject) -> None:
    if quirks.thinking_switch == "thinking_type":
        changes["thinking"] = {"type": "disabled"}
    elif quirks.thinking_switch == "enable_thinking":
        given = body.get("chat_template_kwargs")
        changes["chat_template_kwargs"] = {**(given if isinstance(given, dict) else {}), "enable_thinking": False}
    elif "none" in quirks.effort_levels:
        changes["reasoning_effort"] = "none"


def _forced(body: JsonObject) -> bool:
    choice = body.get("tool_choice")
    return choice == "required" or (isinstance(choice, dict) and choice.get("type") != "allowed_tools")


def _may_force(body: JsonObject, quirks: Quirks, changes: JsonObject) -> bool:
    """Switches off thinking that only the model's default would start; thinking that was asked for stays."""
    if quirks.forced_tool_choice != "not_thinking":
        return quirks.forced_tool_choice == "always"
    asked = _asked_thinking(body)
    if asked is None and quirks.thinking_default:
        _switch_off(body, quirks, changes)
    return not asked


def _asked_thinking(body: JsonObject) -> bool | None:
    """What the caller said about thinking; None where nothing."""
    thinking, template = body.get("thinking"), body.get("chat_template_kwargs")
    if isinstance(thinking, dict):
        return thinking.get("type") != "disabled"
    if isinstance(template, dict) and isinstance(template.get("enable_thinking"), bool):
        return bool(template["enable_thinking"])
    effort = body.get("reasoning_effort")
    return None if effort is None else effort != "none"
