"""A chat completions body for a target of the same dialect: its quirks applied, all else left alone."""

from __future__ import annotations

from turnout.core.errors import Unsupported
from turnout.core.json import Json, JsonObject
from turnout.core.target import Quirks, Target
from turnout.wire.codec import Adapted, Vault
from turnout.wire.openai_chat.reasoning import nearest_effort
from turnout.wire.openai_chat.render import CUSTOM_INPUT_SCHEMA


def adapt(body: JsonObject, target: Target, vault: Vault) -> Adapted:
    """A changed copy, or the body itself where the target takes it as it is."""
    quirks = target.quirks
    changes: JsonObject = {}
    dropped: list[str] = []
    messages = body.get("messages")
    if isinstance(messages, list):
        adapted = [_message(message, target, vault) for message in messages]
        if any(new is not old for new, old in zip(adapted, messages, strict=True)):
            changes["messages"] = adapted
    tools = body.get("tools")
    if isinstance(tools, list) and not quirks.custom_tools:
        bridged = [_tool(tool) for tool in tools]
        if any(new is not old for new, old in zip(bridged, tools, strict=True)):
            changes["tools"] = bridged
    _reasoning(body, quirks, changes)
    if quirks.max_tokens_field == "max_tokens" and "max_completion_tokens" in body:
        changes["max_tokens"] = body["max_completion_tokens"]
    refused = {name for name in quirks.unsupported if body.get(name) is not None}
    form = body.get("response_format")
    if not quirks.json_schema and isinstance(form, dict) and form.get("type") == "json_schema":
        refused.add("response_format")
    if _forced(body) and not _may_force(body, quirks, changes):
        refused.add("tool_choice")
    for name in sorted(refused):
        if name not in target.drop:
            raise Unsupported(
                f"'{name}' can't be sent: '{target.model}' at {target.provider} refuses it. Leave it out, choose "
                f"another model, or add '{name}' to the route's `drop` list.",
                param=name,
            )
        dropped.append(name)
    if not changes and not dropped:
        return Adapted(body, False)
    new = {name: value for name, value in body.items() if name not in refused}
    new.update(changes)
    if "max_tokens" in changes:
        new.pop("max_completion_tokens", None)
    if new.get("reasoning_effort") is None:
        new.pop("reasoning_effort", None)
    return Adapted(new, True, tuple(dropped))


def _message(message: Json, target: Target, vault: Vault) -> Json:
    if not isinstance(message, dict):
        return message
    quirks = target.quirks
    if message.get("role") == "developer" and "developer" not in quirks.system_roles:
        return {**message, "role": quirks.system_roles[0]}
    if message.get("role") == "assistant" and quirks.replay_reasoning != "never":
        return _with_reasoning(message, target, vault)
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


def _tool(tool: Json) -> Json:
    if not isinstance(tool, dict) or tool.get("type") != "custom":
        return tool
    custom = tool.get("custom")
    function: JsonObject = {"name": None, "parameters": CUSTOM_INPUT_SCHEMA}
    if isinstance(custom, dict):
        function.update({key: custom[key] for key in ("name", "description") if key in custom})
    return {"type": "function", "function": function}


def _reasoning(body: JsonObject, quirks: Quirks, changes: JsonObject) -> None:
    effort = body.get("reasoning_effort")
    if not isinstance(effort, str) or effort in quirks.effort_levels:
        return
    level = nearest_effort(effort, quirks.effort_levels)
    if level is not None:
        changes["reasoning_effort"] = level
    elif effort == "none" and quirks.thinking_switch == "thinking_type":
        changes["thinking"] = {"type": "disabled"}
        changes["reasoning_effort"] = None  # taken out below


def _forced(body: JsonObject) -> bool:
    choice = body.get("tool_choice")
    return choice == "required" or (isinstance(choice, dict) and choice.get("type") != "allowed_tools")


def _may_force(body: JsonObject, quirks: Quirks, changes: JsonObject) -> bool:
    """Switches off thinking that only the model's default would start; thinking that was asked for stays."""
    if quirks.forced_tool_choice != "not_thinking":
        return quirks.forced_tool_choice == "always"
    thinking = body.get("thinking")
    if isinstance(thinking, dict):
        return thinking.get("type") == "disabled"
    if body.get("reasoning_effort") not in (None, "none"):
        return False
    if quirks.thinking_default:
        changes["thinking"] = {"type": "disabled"}
    return True
