"""Quirks written as data, laid over quirks: a model's over its provider's, an operator's over both."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Literal, TypeAlias, cast, get_args, get_origin, get_type_hints

from turnout.core.errors import ConfigError
from turnout.core.names import did_you_mean
from turnout.core.target import Quirks

QuirkOverrides: TypeAlias = "Mapping[str, object]"
"""Fields of Quirks by name, with values as TOML gives them: texts, booleans, whole numbers, arrays of texts."""


def merge_quirks(base: Quirks, overrides: QuirkOverrides) -> Quirks:
    """`base` with the named fields replaced (arrays too: they do not add up). Raises ConfigError naming the field."""
    if not overrides:
        return base
    return dataclasses.replace(base, **{name: _value(name, value) for name, value in overrides.items()})


def _value(name: str, value: object) -> object:
    kinds = _kinds()
    if name not in kinds:
        raise ConfigError(f"'{name}' is no quirk. {did_you_mean(name, kinds)}".rstrip())
    kind = kinds[name]
    if get_origin(kind) is Literal:
        allowed = get_args(kind)
        if value in allowed and isinstance(value, str):
            return value
        raise ConfigError(f"quirk '{name}' must be one of {', '.join(allowed)}, not {value!r}.")
    if kind in (bool, int, str):
        if type(value) is kind:
            return value
        word = {bool: "true or false", int: "a whole number", str: "a text"}[kind]
        raise ConfigError(f"quirk '{name}' must be {word}, not {value!r}.")
    return _texts(name, value, cast("type[tuple[str, ...]] | type[frozenset[str]]", get_origin(kind)))


def _texts(
    name: str, value: object, kind: type[tuple[str, ...]] | type[frozenset[str]]
) -> tuple[str, ...] | frozenset[str]:
    if isinstance(value, list | tuple | set | frozenset):
        items = [item for item in cast("list[object]", value) if isinstance(item, str)]
        if len(items) == len(cast("list[object]", value)):
            return kind(items)
    raise ConfigError(f"quirk '{name}' must be an array of texts, not {value!r}.")


@functools.cache
def _kinds() -> dict[str, type]:
    """The type of each field of Quirks."""
    return get_type_hints(Quirks)
