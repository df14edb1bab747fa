"""How much to think, in the words of one provider's chat completions."""

from __future__ import annotations

from typing import get_args

from turnout.core.json import JsonObject
from turnout.core.target import Quirks
from turnout.wire.neutral import Effort, Reasoning

_ORDER: tuple[str, ...] = get_args(Effort)


def nearest_effort(effort: str, levels: tuple[str, ...]) -> str | None:
    """The level of the target that is nearest to `effort`, the stronger one of two; None where it knows none.

    `none` is never mapped to a level that thinks, nor the other way round.
    """
    if effort in levels:
        return effort
    thinking = [level for level in levels if level != "none" and level in _ORDER]
    if effort == "none" or not thinking:
        return None
    place = _ORDER.index(effort) if effort in _ORDER else _ORDER.index("medium")
    return min(thinking, key=lambda level: (abs(_ORDER.index(level) - place), -_ORDER.index(level)))


def effort_of_budget(tokens: int) -> Effort:
    """A budget in tokens as a level. No vendor defines this; the steps are ours."""
    return "low" if tokens <= 2048 else "medium" if tokens <= 8192 else "high"


def wants_thinking(reasoning: Reasoning | None, quirks: Quirks) -> bool:
    """Whether the model will think, given what the caller said and what the model does by itself."""
    if reasoning is None or (reasoning.enabled is None and reasoning.effort is None and not reasoning.budget_tokens):
        return quirks.thinking_default
    return reasoning.enabled is not False and reasoning.effort != "none"


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
