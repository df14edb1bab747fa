"""A target's quirks, applied to a body that is in this dialect already.

The body that came in is never changed; a member that must change is copied on the way down to it. For Anthropic itself
(`signed_thinking` and `keep_billing_line`) a body that its API takes is never touched. What it surely refuses is put
right: thinking that another model made when it served the conversation before (it has no signature, or the vault knows
its maker), and a thinking budget for a model that only takes adaptive thinking.
"""

from __future__ import annotations

from typing import cast, get_args

from turnout.core.errors import Unsupported
from turnout.core.json import Json, JsonObject
from turnout.core.target import Target
from turnout.wire.anthropic.thinking import (
    BUDGET,
    effort_of,
    is_anthropic,
    nearest_level,
    off,
    placeholder,
    recalled,
    takes_effort,
    thinking_block,
)
from turnout.wire.attribution import BILLING_LINE
from turnout.wire.codec import Adapted, Vault
from turnout.wire.neutral import Effort, ToolCall

_THINKING = ("thinking", "redacted_thinking")


def adapt(body: JsonObject, target: Target, vault: Vault) -> Adapted:
    """The body for `target`. Raises Unsupported for a field that it refuses and the route does not drop."""
    quirks = target.quirks
    changes: JsonObject = {}
    dropped: list[str] = []
    if not quirks.keep_billing_line:
        _strip_billing(body, changes)
    _convert_thinking(body, changes, target)
    if not is_anthropic(quirks):
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
        if system.startswith(BILLING_LINE):
            changes["system"] = _after_first_line(system) or None
        return
    if not isinstance(system, list) or not system:
        return
    first = system[0]
    text = first.get("text") if isinstance(first, dict) else None
    if isinstance(first, dict) and isinstance(text, str) and text.startswith(BILLING_LINE):
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
    elif kind == "enabled" and isinstance(budget, int) and quirks.adaptive_thinking:
        changes["thinking"] = {"type": "adaptive", **rest}
        if _effort(config) is None and takes_effort(quirks):
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
    if isinstance(config, dict) and effort is not None and takes_effort(quirks):
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
        blocks = _fit(content, target, vault, thinks)
        if blocks is None:
            continue
        if fitted is None:
            fitted = list(messages)
        fitted[i] = {**message, "content": blocks or [{"type": "text", "text": "."}]}
    if fitted is not None:
        changes["messages"] = fitted


def _kind(block: Json) -> Json:
    return block.get("type") if isinstance(block, dict) else None


def _fit(content: list[Json], target: Target, vault: Vault, thinks: bool) -> list[Json] | None:
    """The blocks of an assistant turn as the target takes them; None: as they are."""
    quirks = target.quirks
    has_thinking = any(_kind(block) in _THINKING for block in content)
    demanded = thinks and quirks.foreign_thinking == "placeholder"
    if not has_thinking and not demanded:
        return None
    calls = [
        ToolCall(id=str(block.get("id", "")), name="", arguments="")
        for block in content
        if isinstance(block, dict) and block.get("type") == "tool_use"
    ]
    demanded = demanded and bool(calls)
    foreign = has_thinking and _is_foreign(calls, target, vault)
    kept = [
        block for block in content if _keeps(block, target, demanded) and not (foreign and _kind(block) in _THINKING)
    ]
    if demanded and not any(_kind(block) in _THINKING for block in kept):
        found = recalled(calls, target, vault)
        head: list[Json] = [thinking_block(part) for part in found] or [placeholder(quirks)]
        return head + kept
    return kept if len(kept) < len(content) else None


def _is_foreign(calls: list[ToolCall], target: Target, vault: Vault) -> bool:
    """Whether the vault knows that another provider made the thinking of this turn."""
    origins = {part.origin for call in calls for part in vault(call.id)}
    return bool(origins - {None}) and target.provider not in origins


def _keeps(block: Json, target: Target, demanded: bool) -> bool:
    """Whether a block may go to the target, as far as the block itself shows."""
    if not isinstance(block, dict) or block.get("type") not in _THINKING:
        return True
    if block["type"] == "redacted_thinking":
        return is_anthropic(target.quirks)
    return demanded or (target.quirks.signed_thinking and bool(block.get("signature")))


def _leave_out(body: JsonObject, changes: JsonObject, target: Target, dropped: list[str]) -> None:
    """Takes out what the target refuses, or says which field it is. Names with a dot mean a member."""
    for name in sorted(target.quirks.unsupported):
        outer, _, inner = name.partition(".")
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
