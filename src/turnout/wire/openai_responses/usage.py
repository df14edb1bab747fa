"""Token counts of the Responses API: input contains cached tokens and cache writes, output contains reasoning.

Source: openai-python 3.54 `types/responses/response_usage.py`, which requires every count that is written here.
"""

from __future__ import annotations

from turnout.core.json import JsonMap, JsonObject
from turnout.core.target import Quirks
from turnout.wire.counts import count
from turnout.wire.neutral import Usage
from turnout.wire.service_tier import served_tier


def parse_usage(response: JsonMap, quirks: Quirks) -> Usage | None:
    """The counts of a response object, with the tier it was served in; None where it reports none."""
    usage = response.get("usage")
    if not isinstance(usage, dict):
        return None
    given, written = usage.get("input_tokens_details"), usage.get("output_tokens_details")
    given = given if isinstance(given, dict) else {}
    written = written if isinstance(written, dict) else {}
    cached = count(given.get("cached_tokens"))
    total = count(usage.get("input_tokens"))
    if total is not None and not quirks.input_includes_cached:
        total += cached or 0
    return Usage(
        input_tokens=total,
        cached_tokens=cached,
        cache_write_tokens=count(given.get("cache_write_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        reasoning_tokens=count(written.get("reasoning_tokens")),
        service_tier=served_tier(response.get("service_tier")),
        raw=usage,
    )


def render_usage(usage: Usage | None) -> JsonObject | None:
    """The object a client expects. A count that nobody reported is 0, as the type demands numbers; null for none."""
    if usage is None:
        return None
    given, written = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "input_tokens": given,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens or 0,
            "cache_write_tokens": usage.cache_write_tokens or 0,
        },
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": given + written,
    }
