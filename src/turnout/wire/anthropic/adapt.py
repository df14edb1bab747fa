"""A target's quirks, applied to a body that is in this dialect already.

The body that came in is never changed; a member that must change is copied on the way down to it. For Anthropic itself
(`signed_thinking` and `keep_billing_line`) nothing is touched, with one exception: thinking without a signature can't
be Anthropic's, is refused there, and is taken out. It comes from another model that served the conversation before.
"""

from __future__ import annotations

from typing import cast, get_args

from turnout.core.errors import Unsupported
from turnout.core.json import Json, JsonObject
from turnout.core.target import Target
from turnout.wire.anthropic.thinking import BUDGET, effort_of, nearest_level, off, placeholder, recalled, thinking_block
from turnout.wire.codec import Adapted, Vault
from turnout.wire.neutral import Effort, ToolCall

BILLING = "x-anthropic-billing-header:"
"""Claude Code's attribution line at the head of `system`. It changes from request to request, which defeats the prompt
cache of every other provider."""

_THINKING = ("thinking", "redacted_thinking")


def adapt(body: JsonObject, target: Target, vault: Vault) -> Adapted:
    """The body for `target`. Raises Unsupported for a field that it refuses and the route does not drop."""
    quirks = target.quirks
    changes: JsonObject = {}
    dropped: list[str] = []
    if not quirks.keep_billing_line:
        _strip_billing(body, changes)
    if quirks.unsupported:
        _convert_thinking(body, changes, target)
    if not quirks.signed_thinking:
        _fit_thinking(body, changes, target)
    _fit_history(body, changes, target, vault)
    if quirks.unsupported:
        _leave_out(body, changes, target, dropped)
    if not changes:
        return Adapted(body, False, tuple(dropped))
    merged = {**body, **changes}
    return Adapted({key: value for key, value in merged.items() if value is not None}, True, tuple(dropped))


def _strip_billing(body: JsonObject, changes: JsonObject) -> None:
    system = body.get("system")
    if isinstance(system, str):
        if system.startswith(BILLING):
            changes["system"] = _after_first_line(system) or None
        return
    if not isinstance(system, list) or not system:
        return
    first = system[0]
    text = first.get("text") if isinstance(first, dict) else None
    if isinstance(first, dict) and isinstance(text, str) and text.startswith(BILLING):
        rest = _after_first_line(text)
        head: list[Json] = [{**first, "text": rest}] if rest else []
        changes["system"] = head + system[1:] or None


def _after_first_line(text: str) -> str:
    return text.partition("\n")[2].lstrip("\n")


def _convert_thinking(body: JsonObject, changes: JsonObject, target: Target) -> None:
    """Adaptive thinking to a budget, or a budget to adaptive thinking, for a model that takes only the other."""
    quirks, thinking = target.quirks, body.get("thinking")
    if not isinstance(thinking, dict):
        return
    kind, budget = thinking.get("type"), thinking.get("budget_tokens")
    rest = {key: value for key, value in thinking.items() if key not in ("type", "budget_tokens")}
    config = body.get("output_config")
    config = config if isinstance(config, dict) else {}
    if kind == "adaptive" and "thinking.adaptive" in quirks.unsupported:
        wanted, most = BUDGET.get(_effort(config) or "medium", BUDGET["medium"]), body.get("max_tokens")
        budget = min(wanted, most // 2) if isinstance(most, int) else wanted
        if budget < quirks.min_thinking_budget:
            changes["thinking"] = off(quirks)
        else:
            changes["thinking"] = {"type": "enabled", "budget_tokens": budget, **rest}
    elif kind == "enabled" and isinstance(budget, int) and "thinking.budget_tokens" in quirks.unsupported:
        changes["thinking"] = {"type": "adaptive", **rest}
        if _effort(config) is None and "output_config.effort" not in quirks.unsupported:
            changes["output_config"] = {**config, "effort": nearest_level(effort_of(budget), quirks)}


def _effort(config: JsonObject) -> Effort | None:
    effort = config.get("effort")
    return cast("Effort", effort) if isinstance(effort, str) and effort in get_args(Effort) else None


def _fit_thinking(body: JsonObject, changes: JsonObject, target: Target) -> None:
    """Small budgets, efforts and forced tools for a target that is not Anthropic."""
    quirks = target.quirks
    thinking = changes.get("thinking", body.get("thinking"))
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    if isinstance(budget, int) and budget < quirks.min_thinking_budget:
        changes["thinking"] = off(quirks)
    config = changes.get("output_config", body.get("output_config"))
    effort = _effort(config) if isinstance(config, dict) else None
    if isinstance(config, dict) and effort is not None:
        level = nearest_level(effort, quirks)
        if level != effort:
            changes["output_config"] = {**config, "effort": level}
    choice = body.get("tool_choice")
    forced = isinstance(choice, dict) and choice.get("type") in ("any", "tool")
    if forced and thinking is None and quirks.thinking_default and quirks.forced_tool_choice == "not_thinking":
        changes["thinking"] = {"type": "disabled"}


def _fit_history(body: JsonObject, changes: JsonObject, target: Target, vault: Vault) -> None:
    messages = body.get("messages")
    if not isinstance(messages, list):
        return
    thinking = changes.get("thinking", body.get("thinking"))
    if isinstance(thinking, dict):
        thinks = thinking.get("type") != "disabled"
    else:
        thinks = target.quirks.thinking_default or target.quirks.foreign_thinking == "placeholder"
    fitted: list[Json] | None = None
    for i, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") != "assistant":
            continue
        content = message.get("content")
        if not isinstance(content, list):
            continue
        blocks = _unsigned_out(content) if target.quirks.signed_thinking else _fit(content, target, vault, thinks)
        if blocks is None:
            continue
        if fitted is None:
            fitted = list(messages)
        fitted[i] = {**message, "content": blocks or [{"type": "text", "text": "."}]}
    if fitted is not None:
        changes["messages"] = fitted


def _kind(block: Json) -> Json:
    return block.get("type") if isinstance(block, dict) else None


def _unsigned_out(content: list[Json]) -> list[Json] | None:
    """The blocks without thinking that lacks a signature; None where there is none such."""
    for block in content:
        if isinstance(block, dict) and block.get("type") == "thinking" and not block.get("signature"):
            return [
                b for b in content if not (isinstance(b, dict) and _kind(b) == "thinking" and not b.get("signature"))
            ]
    return None


def _fit(content: list[Json], target: Target, vault: Vault, thinks: bool) -> list[Json] | None:
    """The blocks of an assistant turn as a target without Anthropic's signatures takes them; None: as they are."""
    has_thinking = any(_kind(block) in _THINKING for block in content)
    calls = [block for block in content if isinstance(block, dict) and block.get("type") == "tool_use"]
    wanted = bool(calls) and thinks and target.quirks.foreign_thinking == "placeholder"
    if not wanted:
        return [block for block in content if _kind(block) not in _THINKING] if has_thinking else None
    if any(_kind(block) == "thinking" for block in content):
        # It may be the target's own, which must return unchanged; signatures are not checked there.
        if not any(_kind(block) == "redacted_thinking" for block in content):
            return None
        return [block for block in content if _kind(block) != "redacted_thinking"]
    rest = [block for block in content if _kind(block) not in _THINKING]
    lost = [ToolCall(id=str(call.get("id", "")), name="", arguments="") for call in calls]
    found = recalled(lost, target, vault)
    head: list[Json] = [thinking_block(part) for part in found] or [placeholder(target.quirks)]
    return head + rest


def _leave_out(body: JsonObject, changes: JsonObject, target: Target, dropped: list[str]) -> None:
    """Takes out what the target refuses, or says which field it is. Names with a dot mean a member."""
    for name in sorted(target.quirks.unsupported):
        outer, _, inner = name.partition(".")
        if outer == "thinking" and inner:
            continue  # converted, not left out
        value = changes.get(outer, body.get(outer))
        if value is None or (inner and (not isinstance(value, dict) or value.get(inner) is None)):
            continue
        if name not in target.drop and outer not in target.drop:
            raise Unsupported(
                f"The model '{target.model}' does not take '{name}'. Remove it, or let the route drop '{name}'.",
                param=name,
            )
        dropped.append(name)
        if inner and isinstance(value, dict):
            changes[outer] = {key: item for key, item in value.items() if key != inner} or None
        else:
            changes[outer] = None
