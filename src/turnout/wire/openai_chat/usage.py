"""Token counts of chat completions: the prompt count contains cached tokens, the completion count reasoning.

Source: openai-python 3.54 `types/completion_usage.py`; DeepSeek adds `prompt_cache_hit_tokens`
(api-docs.deepseek.com/guides/kv_cache).
"""

from __future__ import annotations

from turnout.core.json import Json, JsonMap, JsonObject
from turnout.core.target import Quirks
from turnout.wire.counts import count
from turnout.wire.neutral import Usage
from turnout.wire.service_tier import served_tier


def _details(usage: JsonMap, key: str) -> JsonMap:
    details = usage.get(key)
    return details if isinstance(details, dict) else {}


def parse_usage(usage: JsonMap, quirks: Quirks, *, tier: Json = None) -> Usage:
    """The neutral counts. `tier` is the answer's `service_tier`, which stands beside its usage."""
    prompt = _details(usage, "prompt_tokens_details")
    completion = _details(usage, "completion_tokens_details")
    cached = count(prompt.get("cached_tokens"))
    if cached is None:
        cached = count(usage.get("prompt_cache_hit_tokens"))
    total_input = count(usage.get("prompt_tokens"))
    if total_input is not None and not quirks.input_includes_cached:
        total_input += cached or 0
    written, reasoning = count(usage.get("completion_tokens")), count(completion.get("reasoning_tokens"))
    if (
        written is not None
        and reasoning
        and count(usage.get("total_tokens")) == ((count(usage.get("prompt_tokens")) or 0) + written + reasoning)
    ):
        # xAI counts reasoning beside the completion, as its own total shows: docs.x.ai/docs/guides/reasoning.
        written += reasoning
    return Usage(
        input_tokens=total_input,
        cached_tokens=cached,
        cache_write_tokens=count(prompt.get("cache_write_tokens")),
        output_tokens=written,
        reasoning_tokens=reasoning,
        service_tier=served_tier(tier),
        raw=usage,
    )


def render_usage(usage: Usage | None) -> JsonObject:
    """The object a chat client expects. Counts that nobody reported are 0, as the type demands numbers."""
    usage = usage or Usage()
    sent, written = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "prompt_tokens": sent,
        "completion_tokens": written,
        "total_tokens": sent + written,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens or 0,
            "cache_write_tokens": usage.cache_write_tokens or 0,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
    }
