"""Token counts: Anthropic's classes to neutral ones and back.

Anthropic's `input_tokens` leaves out what was read from and written to the prompt cache; the neutral count contains
both. https://platform.claude.com/docs/en/build-with-claude/prompt-caching#tracking-cache-performance
"""

from __future__ import annotations

from turnout.core.json import Json, JsonMap, JsonObject
from turnout.wire.counts import count
from turnout.wire.neutral import Usage

_CARRIED = ("server_tool_use", "inference_geo", "speed")
_TIERS = ("standard", "priority", "batch")


def _inside(raw: JsonMap, key: str, inner: str) -> int | None:
    nested = raw.get(key)
    return count(nested.get(inner)) if isinstance(nested, dict) else None


def _word(raw: JsonMap, key: str) -> str | None:
    word = raw.get(key)
    return word if isinstance(word, str) and word else None


def parse_usage(raw: Json) -> Usage | None:
    """The usage object of a message. None where there is none; wrong values count as not reported."""
    if not isinstance(raw, dict):
        return None
    fresh = count(raw.get("input_tokens"))
    read = count(raw.get("cache_read_input_tokens"))
    hour = _inside(raw, "cache_creation", "ephemeral_1h_input_tokens")
    minutes = _inside(raw, "cache_creation", "ephemeral_5m_input_tokens")
    written = count(raw.get("cache_creation_input_tokens"))
    parts = (hour or 0) + (minutes or 0)
    if written is None and (hour is not None or minutes is not None):
        written = parts
    return Usage(
        # Where the writes' parts are more than their sum, each of them stands beside the fresh tokens all the same.
        input_tokens=None if fresh is None else fresh + (read or 0) + max(written or 0, parts),
        cached_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=hour,
        output_tokens=count(raw.get("output_tokens")),
        reasoning_tokens=_inside(raw, "output_tokens_details", "thinking_tokens"),
        service_tier=_word(raw, "service_tier"),
        speed=_word(raw, "speed"),
        inference_geo=_word(raw, "inference_geo"),
        raw=raw,
    )


def render_usage(usage: Usage | None) -> JsonObject:
    """The usage object of `message` and `message_start`. Counts that nobody reported are 0: the SDK requires them."""
    usage = usage or Usage()
    read, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    hour = min(usage.cache_write_1h_tokens or 0, written)
    body: JsonObject = {
        "input_tokens": max(0, (usage.input_tokens or 0) - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written - hour, "ephemeral_1h_input_tokens": hour},
        "output_tokens": usage.output_tokens or 0,
        "service_tier": usage.service_tier if usage.service_tier in _TIERS else None,
    }
    if usage.reasoning_tokens is not None:
        body["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    body.update((key, usage.raw[key]) for key in _CARRIED if key in usage.raw)
    return body


def render_delta_usage(usage: Usage | None) -> JsonObject:
    """The cumulative usage object of `message_delta`. Input counts stand in it only where they are known, because
    they replace those of `message_start`."""
    usage = usage or Usage()
    body: JsonObject = {"output_tokens": usage.output_tokens or 0}
    if usage.input_tokens is not None:
        read, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
        body["input_tokens"] = max(0, usage.input_tokens - read - written)
        body["cache_creation_input_tokens"] = written
        body["cache_read_input_tokens"] = read
    if usage.reasoning_tokens is not None:
        body["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if "server_tool_use" in usage.raw:
        body["server_tool_use"] = usage.raw["server_tool_use"]
    return body
