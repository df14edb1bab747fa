"""Typed reads from a JSON object: each wrong type becomes an error that names the field.

Usage: `fields.text(body, "model")`; for nested values pass the path so far:
`fields.text(item, "role", f"messages[{i}].")`.
"""

from __future__ import annotations

from typing import NoReturn

from turnout.core.errors import InvalidField
from turnout.core.json import Json, JsonMap, JsonObject

_EXACT = 2**53
"""Floats beyond it stand for no certain whole number, and JSON writers refuse what lies beyond 64 bits."""


def kind_of(value: Json) -> str:
    """The JSON name of a value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def refuse(param: str, expected: str, value: Json) -> NoReturn:
    """Raises the error for a value of the wrong type."""
    raise InvalidField(f"'{param}' must be {expected}, not {kind_of(value)}.", param=param)


def missing(param: str) -> NoReturn:
    """Raises the error for a field that must be there."""
    raise InvalidField(f"'{param}' is required.", param=param)


def text(obj: JsonMap, key: str, path: str = "") -> str:
    """A required string."""
    value = obj.get(key)
    if isinstance(value, str):
        return value
    if value is None:
        missing(path + key)
    refuse(path + key, "a string", value)


def optional_text(obj: JsonMap, key: str, path: str = "") -> str | None:
    """A string, or None where it is absent or null."""
    value = obj.get(key)
    if value is None or isinstance(value, str):
        return value
    refuse(path + key, "a string", value)


def optional_int(obj: JsonMap, key: str, path: str = "", *, least: int | None = None) -> int | None:
    """A whole number (1.0 counts as 1), or None where it is absent or null."""
    value = obj.get(key)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        refuse(path + key, "a whole number", value)
    if least is not None and value < least:
        raise InvalidField(f"'{path + key}' must be at least {least}, not {value}.", param=path + key)
    return value


def optional_number(
    obj: JsonMap, key: str, path: str = "", *, least: float | None = None, most: float | None = None
) -> float | None:
    """A number, or None where it is absent or null. A whole number stays an `int`, so that it is written as it came."""
    value = obj.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(path + key, "a number", value)
    if (least is not None and value < least) or (most is not None and value > most):
        raise InvalidField(f"'{path + key}' must be between {least} and {most}, not {value}.", param=path + key)
    return value


def optional_flag(obj: JsonMap, key: str, path: str = "") -> bool | None:
    """A boolean, or None where it is absent or null."""
    value = obj.get(key)
    if value is None or isinstance(value, bool):
        return value
    refuse(path + key, "a boolean", value)


def optional_object(obj: JsonMap, key: str, path: str = "") -> JsonObject | None:
    """An object, or None where it is absent or null."""
    value = obj.get(key)
    if value is None or isinstance(value, dict):
        return value
    refuse(path + key, "an object", value)


def optional_list(obj: JsonMap, key: str, path: str = "") -> list[Json] | None:
    """An array, or None where it is absent or null."""
    value = obj.get(key)
    if value is None or isinstance(value, list):
        return value
    refuse(path + key, "an array", value)


def objects(obj: JsonMap, key: str, path: str = "") -> list[JsonObject]:
    """A required array of objects."""
    value = obj.get(key)
    if value is None:
        missing(path + key)
    if not isinstance(value, list):
        refuse(path + key, "an array", value)
    return [as_object(item, f"{path}{key}[{i}]") for i, item in enumerate(value)]


def optional_objects(obj: JsonMap, key: str, path: str = "") -> list[JsonObject]:
    """An array of objects; empty where it is absent or null."""
    return objects(obj, key, path) if obj.get(key) is not None else []


def as_object(value: Json, param: str) -> JsonObject:
    """`value` as an object; `param` names it in the error."""
    if isinstance(value, dict):
        return value
    refuse(param, "an object", value)


def as_text(value: Json, param: str) -> str:
    """`value` as a string; `param` names it in the error."""
    if isinstance(value, str):
        return value
    refuse(param, "a string", value)
