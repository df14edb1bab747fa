"""How much to think, in Gemini's words.

Gemini 3 takes a level, Gemini 2.5 a budget in tokens, and no model takes both. A target with `effort_levels` is of the
first kind. https://ai.google.dev/gemini-api/docs/thinking
"""

from __future__ import annotations

from turnout.core.json import JsonObject
from turnout.core.target import Quirks
from turnout.wire.effort import effort_of_budget, nearest_effort, wants_thinking
from turnout.wire.neutral import Reasoning

_BUDGETS = {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
"""Google's own mapping of reasoning efforts: https://ai.google.dev/gemini-api/docs/openai#thinking"""

MAX_BUDGET = 24_576
"""The largest budget that every Gemini 2.5 model takes."""


def thinking_config(reasoning: Reasoning | None, quirks: Quirks) -> JsonObject:
    """The value of `thinkingConfig`; empty where the model's default is meant."""
    if reasoning is None:
        return {}
    on = wants_thinking(reasoning, quirks)
    config: JsonObject = {"includeThoughts": True} if on else {}
    if quirks.effort_levels:
        level = _level(reasoning, quirks, on=on)
        if level is not None:
            config["thinkingLevel"] = level.upper()
    else:
        budget = _budget(reasoning, on=on)
        if budget is not None:
            config["thinkingBudget"] = min(max(budget, quirks.min_thinking_budget), MAX_BUDGET)
    return config


def _level(reasoning: Reasoning, quirks: Quirks, *, on: bool) -> str | None:
    """The nearest level. These models can't be told not to think: the weakest level is as near as it gets."""
    if not on:
        return next((level for level in quirks.effort_levels if level != "none"), None)
    effort = reasoning.effort
    if effort is None and reasoning.budget_tokens:
        effort = effort_of_budget(reasoning.budget_tokens)
    return nearest_effort(effort, quirks.effort_levels) if effort else None


def _budget(reasoning: Reasoning, *, on: bool) -> int | None:
    """Tokens to think with; None leaves them to the model."""
    if not on:
        return 0
    if reasoning.budget_tokens:
        return reasoning.budget_tokens
    return _BUDGETS[reasoning.effort] if reasoning.effort else None
