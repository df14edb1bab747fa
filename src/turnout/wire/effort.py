"""How much to think, between scales: levels of one provider, levels of another, budgets in tokens."""

from __future__ import annotations

from typing import get_args

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
