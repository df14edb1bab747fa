"""What a dialect must know of the model it writes for: its name there, and how it departs from the norm.

The values are data (`catalogue/data/providers.toml`, each with its source); this is only their shape.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal


class Dialect(Enum):
    """The wire protocols that Turnout reads and writes."""

    OPENAI_CHAT = "openai_chat"
    OPENAI_RESPONSES = "openai_responses"
    OPENAI_COMPLETIONS = "openai_completions"
    OPENAI_EMBEDDINGS = "openai_embeddings"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"


ReasoningField = Literal["reasoning_content", "reasoning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How a provider's dialect departs from the dialect's owner. Every default is the owner's rule."""

    system_roles: tuple[str, ...] = ("system", "developer")
    """Roles that carry instructions; the first is used where the caller's is not among them."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_completion_tokens"
    reasoning_field: ReasoningField = "reasoning_content"
    """Where assistant messages carry reasoning text in chat completions."""
    replay_reasoning: Literal["never", "tool_turns", "always"] = "never"
    """When reasoning must be sent back: on assistant turns with tool calls, or on all of them."""
    reasoning_placeholder: str = " "
    """What to send for reasoning that must be sent back and was lost."""
    effort_levels: tuple[str, ...] = ("none", "minimal", "low", "medium", "high", "xhigh")
    """Reasoning efforts the target takes, weakest first; others are mapped to the nearest."""
    thinking_switch: Literal["none", "thinking_type", "enable_thinking"] = "none"
    """How thinking is switched on or off in chat completions: not at all, `thinking: {type}`, or
    `chat_template_kwargs.enable_thinking`."""
    thinking_default: bool = False
    """The model thinks unless it is told not to."""
    forced_tool_choice: Literal["always", "not_thinking", "never"] = "always"
    """When `tool_choice` may name a tool or require one."""
    json_schema: bool = True
    """Structured output by schema; where False only `json_object` is known."""
    custom_tools: bool = False
    """Takes tools of type `custom` (free-form input); elsewhere they are bridged to functions."""
    images: bool = True
    parallel_tool_calls: bool = True
    """Takes the `parallel_tool_calls` switch."""
    stream_usage: bool = True
    """Takes `stream_options.include_usage`."""
    input_includes_cached: bool = True
    """Whether the reported input count contains the cached tokens."""
    signed_thinking: bool = False
    """Anthropic dialect: takes signed `thinking` blocks of its own making. Where False they are removed."""
    foreign_thinking: Literal["strip", "placeholder"] = "strip"
    """Anthropic dialect: what to do with thinking that another provider made."""
    keep_billing_line: bool = False
    """Anthropic dialect: the `x-anthropic-billing-header:` line in `system` is meant for this provider."""
    min_thinking_budget: int = 1024
    """Anthropic dialect: smallest `thinking.budget_tokens`; smaller ones switch thinking off. Gemini dialect: smallest
    `thinkingBudget`, which stands for "off" where it is not 0."""
    adaptive_thinking: bool = False
    """Anthropic dialect: thinks by `thinking: {type: adaptive}` and `output_config.effort`, and refuses
    `thinking.budget_tokens`."""
    unsupported: frozenset[str] = frozenset()
    """Parameters the target refuses, by their name in its own dialect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The model that a request is written for."""

    model: str
    """The name the provider knows it by."""
    provider: str
    dialect: Dialect
    quirks: Quirks = field(default_factory=Quirks)
    max_output: int | None = None
    """Most tokens it can write; used where the dialect requires a maximum and the caller gave none."""
    drop: frozenset[str] = frozenset()
    """Parameters (by the caller's field name) that the route allows to be left out when the target can't express
    them. Anything else that can't be expressed raises `Unsupported`."""
