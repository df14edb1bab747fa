"""How much to think, and which thinking may be sent back.

Anthropic accepts only thinking that it signed itself. DeepSeek's endpoint wants some thinking block on every assistant
turn that calls a tool, unless thinking is switched off, and does not check its signature.
https://platform.claude.com/docs/en/build-with-claude/extended-thinking
https://github.com/musistudio/claude-code-router/pull/1639

A model with the quirk `adaptive_thinking` gets `{type: adaptive}` and an effort; any other gets a budget, and an effort
too where the catalogue says which efforts it takes. Names in `Quirks.unsupported` that are read here: `thinking` (it
can't think), `thinking.adaptive` (a body of this dialect that says so gets a budget) and `output_config.effort`.
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
    effort = reasoning.effort
    budget = reasoning.budget_tokens
    if quirks.adaptive_thinking:
        effort, budget = effort or (effort_of(budget) if budget is not None else None), None
    elif budget is None:
        budget = min(BUDGET.get(effort or "medium", 8192), max_tokens // 2)
    level = nearest_level(effort, quirks) if effort is not None and takes_effort(quirks) else None
    if budget is None:
        return Plan({"type": "adaptive"}, level, True)
    budget = min(budget, max_tokens - 1)
    if budget < quirks.min_thinking_budget:
        return Plan(off(quirks), None, False)
    return Plan({"type": "enabled", "budget_tokens": budget}, level, True)


def is_anthropic(quirks: Quirks) -> bool:
    """Whether the target is Anthropic itself, or passes everything on to it."""
    return quirks.signed_thinking and quirks.keep_billing_line


def takes_effort(quirks: Quirks) -> bool:
    """Whether the target knows `output_config.effort`."""
    known = quirks.adaptive_thinking or quirks.effort_levels != _NORM
    return known and "output_config.effort" not in quirks.unsupported


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
    own = part.origin == target.provider
    if part.encrypted is not None and not part.text:
        sent_here = part.origin is None and from_anthropic and part.item_id is None
        return (own and quirks.signed_thinking) or (sent_here and is_anthropic(quirks))
    if not own and part.origin is not None:
        return False
    if calls_tools and quirks.foreign_thinking == "placeholder":
        return True  # the text is worth more than a placeholder, and no signature is checked there
    return quirks.signed_thinking and bool(part.signature)


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
