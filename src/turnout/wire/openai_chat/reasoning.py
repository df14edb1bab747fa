"""How much to think, in the words of one provider's chat completions."""

from __future__ import annotations

from turnout.core.json import JsonObject
from turnout.core.target import Quirks
from turnout.wire.effort import effort_of_budget, nearest_effort, wants_thinking
from turnout.wire.neutral import Reasoning


def write_reasoning(reasoning: Reasoning | None, quirks: Quirks, body: JsonObject) -> None:
    """Sets the target's own switches. What it has no word for is left to its default."""
    if reasoning is None:
        return
    on = wants_thinking(reasoning, quirks)
    if quirks.thinking_switch == "thinking_type":
        body["thinking"] = {"type": "enabled" if on else "disabled"}
    elif quirks.thinking_switch == "enable_thinking":
        body["chat_template_kwargs"] = {"enable_thinking": on}
    effort = reasoning.effort
    if effort is None and reasoning.budget_tokens:
        effort = effort_of_budget(reasoning.budget_tokens)
    if not on:
        effort = "none"
    level = nearest_effort(effort, quirks.effort_levels) if effort else None
    if level is not None and (on or quirks.thinking_switch == "none"):
        body["reasoning_effort"] = level
