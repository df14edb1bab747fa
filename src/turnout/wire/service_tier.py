"""OpenAI's `service_tier` in an answer, which stands beside the usage and decides its price."""

from __future__ import annotations

from turnout.core.json import Json

_NEUTRAL = {"default": "standard"}


def served_tier(value: Json) -> str | None:
    """The tier in neutral words; a word that is not known stays as it is. `auto` says nothing of what was served."""
    if not isinstance(value, str) or not value or value == "auto":
        return None
    return _NEUTRAL.get(value, value)
