"""Token counts of Gemini: `usageMetadata` to the neutral classes.

The prompt count contains cached tokens. The candidates count leaves out the thoughts, and the prompt count what
server-side tools put into the prompt; the total is the sum of all four. Zeros are left out of the JSON.
https://ai.google.dev/api/generate-content#UsageMetadata
"""

from __future__ import annotations

from turnout.core.json import JsonMap
from turnout.wire.counts import count
from turnout.wire.neutral import Usage

_TIERS = {"ON_DEMAND": "standard", "ON_DEMAND_FLEX": "flex", "ON_DEMAND_PRIORITY": "priority"}
"""google-genai 3.4 `types.TrafficType`. Another word, such as that of provisioned throughput, stays as it is: it is not
the usual service."""
_SILENT = ("", "TRAFFIC_TYPE_UNSPECIFIED")


def parse_usage(usage: JsonMap) -> Usage:
    """The neutral counts; what is not believable counts as not reported."""
    prompt = count(usage.get("promptTokenCount"))
    tools = count(usage.get("toolUsePromptTokenCount"))
    written = count(usage.get("candidatesTokenCount"))
    thoughts = count(usage.get("thoughtsTokenCount"))
    total = count(usage.get("totalTokenCount"))
    sent = None if prompt is None else prompt + (tools or 0)
    if written is not None or thoughts is not None:
        output = (written or 0) + (thoughts or 0)
    else:
        output = total - sent if total is not None and sent is not None and total >= sent else None
    traffic = usage.get("trafficType")
    return Usage(
        input_tokens=sent,
        cached_tokens=count(usage.get("cachedContentTokenCount")),
        output_tokens=output,
        reasoning_tokens=thoughts,
        service_tier=_TIERS.get(traffic, traffic) if isinstance(traffic, str) and traffic not in _SILENT else None,
        raw=usage,
    )
