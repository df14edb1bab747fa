"""How much to think, and which thinking may be sent back.

Anthropic accepts only thinking that it signed itself. DeepSeek's endpoint wants some thinking block on every assistant
turn that calls a tool, unless thinking is switched off, and does not check its signature.
https://platform.claude.com/docs/en/build-with-claude/extended-thinking
https://github.com/musistudio/claude-code-router/pull/1639

Names in `Quirks.unsupported` that are read here: `thinking` (it can't think), `thinking.adaptive` (budgets only),
`thinking.budget_tokens` (adaptive only: Claude Opus 4.7 and later), `output_config.effort`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from turnout.core.json import JsonObject
from turnout.core.target import Quirks, Target
from turnout.wire.codec import Vault
from turnout.wire.neutral import Effort, Reasoning, Thinking, ToolCall

LEVELS: tuple[Effort, ...] = ("low", "medium", "high", "xhigh", "max")
"""Anthropic's `output_config.effort`, weakest first."""

BUDGET: dict[Effort, int] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 32000,
    "max": 32000,
}
"""Thinking tokens for an effort, for models that take a budget only."""

_ALL: tuple[Effort, ...] = ("none", "minimal", *LEVELS)
_NORM = Quirks().effort_levels


class Plan(NamedTuple):
    """What the body says of thinking."""

    thinking: JsonObject | None
    effort: str | None
    on: bool
    """Whether the model will think (by default too)."""


def plan(reasoning: Reasoning | None, quirks: Quirks, max_tokens: int) -> Plan:
    """The `thinking` and `output_config.effort` for a caller's wish; `max_tokens` bounds the budget."""
    if reasoning is None:
        return Plan(None, None, quirks.thinking_default)
    if reasoning.enabled is False or reasoning.effort == "none":
        return Plan({"type": "disabled"}, None, False)
    budgets_only = "thinking.adaptive" in quirks.unsupported
    effort = reasoning.effort
    budget = reasoning.budget_tokens
    if budget is not None and "thinking.budget_tokens" in quirks.unsupported:
        effort, budget = effort or effort_of(budget), None
    if budget is None and budgets_only:
        budget = min(BUDGET.get(effort or "medium", 8192), max_tokens // 2)
    level = None
    if effort is not None and "output_config.effort" not in quirks.unsupported:
        level = nearest_level(effort, quirks)
    if budget is None:
        return Plan({"type": "adaptive"}, level, True)
    budget = min(budget, max_tokens - 1)
    if budget < quirks.min_thinking_budget:
        return Plan(off(quirks), None, False)
    return Plan({"type": "enabled", "budget_tokens": budget}, level, True)


def off(quirks: Quirks) -> JsonObject | None:
    """How to have no thinking: say so only to a model that thinks by default."""
    return {"type": "disabled"} if quirks.thinking_default else None


def effort_of(budget: int) -> Effort:
    """The weakest effort whose budget covers `budget`."""
    for level in LEVELS:
        if budget <= BUDGET[level]:
            return level
    return "max"


def nearest_level(effort: Effort, quirks: Quirks) -> str:
    """The nearest effort that the target takes; of two as near, the stronger. DeepSeek takes high and max only."""
    allowed = LEVELS if quirks.effort_levels == _NORM else tuple(x for x in LEVELS if x in quirks.effort_levels)
    wanted = _ALL.index(effort)
    return min(allowed or LEVELS, key=lambda level: (abs(_ALL.index(level) - wanted), -_ALL.index(level)))


def may_return(part: Thinking, target: Target, *, calls_tools: bool, from_anthropic: bool) -> bool:
    """Whether a thinking part of the history may be sent to `target`."""
    quirks = target.quirks
    if part.encrypted is not None and not part.text:
        known = part.origin == target.provider or (part.origin is None and from_anthropic and part.item_id is None)
        return known and quirks.signed_thinking
    if quirks.signed_thinking:
        return bool(part.signature) and part.origin in (None, target.provider)
    if part.origin is None:
        return calls_tools and quirks.foreign_thinking == "placeholder"
    return part.origin == target.provider


def recalled(calls: Sequence[ToolCall], target: Target, vault: Vault) -> list[Thinking]:
    """The thinking that led to these calls, as the vault has it. Parallel calls share one chain of thought."""
    for call in calls:
        parts = [
            part
            for part in vault(call.id)
            if may_return(part, target, calls_tools=True, from_anthropic=False) and part.origin == target.provider
        ]
        if parts:
            return parts
    return []


def thinking_block(part: Thinking) -> JsonObject:
    """A thinking part as a block."""
    if part.encrypted is not None and not part.text:
        return {"type": "redacted_thinking", "data": part.encrypted}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}


def placeholder(quirks: Quirks) -> JsonObject:
    """A thinking block for a turn whose thinking is lost."""
    return {"type": "thinking", "thinking": quirks.reasoning_placeholder, "signature": ""}
