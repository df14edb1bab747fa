"""JSON as a type. What a parser returns, before a dialect has read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"
JsonMap: TypeAlias = "Mapping[str, Json]"
"""A JSON object that its holder does not change."""
