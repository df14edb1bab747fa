"""A short text that changes when the catalogue does."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Set
from enum import Enum
from typing import cast

from turnout.core.secret import Secret

_LENGTH = 12


def fingerprint(*values: object) -> str:
    """The first letters of a SHA-256 over frozen values. Secrets are left out: a new key is the same catalogue."""
    text = json.dumps([_plain(value) for value in values], separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def _plain(value: object) -> object:
    """Values as JSON. Mappings keep their order, because the first endpoint is the best one."""
    if isinstance(value, Secret):
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, _plain(getattr(value, field.name))) for field in dataclasses.fields(value)]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return [(_plain(key), _plain(inner)) for key, inner in cast("Mapping[object, object]", value).items()]
    if isinstance(value, Set):
        return sorted(str(item) for item in cast("Set[object]", value))
    if isinstance(value, tuple | list):
        return [_plain(item) for item in cast("list[object]", value)]
    assert value is None or isinstance(value, str | int | float), f"a {type(value).__name__} has no canonical form"
    return value
