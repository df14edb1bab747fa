"""One table of a configuration file, read key by key with types and bounds.

A reader asks for each key it knows; what nobody asked for is an unknown key. A wrong value becomes a problem and the
default takes its place, so that one run finds every mistake. Keys that have an environment variable take it from
there first: a container can be set up without a file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar, cast

from turnout.core.names import did_you_mean
from turnout.core.problems import ConfigProblems, Problem
from turnout.core.toml_source import KeyPath, Positions, TomlTable

T = TypeVar("T")
Check = Callable[[str], str | None]
"""Says what is wrong with a text, or None."""

_TRUTH: Mapping[str, bool] = {"1": True, "true": True, "yes": True, "on": True} | {
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a number"),
    (str, "a string"),
    (list, "an array"),
    (dict, "a table"),
)


class Problems:
    """Collects what is wrong. Owned by the reading that made it."""

    def __init__(self, positions: Positions) -> None:
        self.positions = positions
        self._found: list[Problem] = []

    def add(self, path: KeyPath, message: str) -> None:
        """Notes a problem at a key of the file."""
        self._found.append(self.positions.problem(path, message))

    def add_environment(self, variable: str, message: str) -> None:
        """Notes a problem with an environment variable."""
        self._found.append(Problem("environment", None, variable, message))

    def __len__(self) -> int:
        return len(self._found)

    def raise_any(self) -> None:
        """Raises ConfigProblems when there is anything to tell."""
        if self._found:
            raise ConfigProblems(self._found)


class Table:
    """A table being read."""

    def __init__(self, values: TomlTable, path: KeyPath, problems: Problems, environ: Mapping[str, str]) -> None:
        self.path = path
        self._values = values
        self._problems = problems
        self._environ = environ
        self._asked: dict[str, None] = {}

    def wrong(self, key: str, message: str) -> None:
        """Notes a problem at one of this table's keys."""
        self._problems.add((*self.path, key) if key else self.path, message)

    def wrong_item(self, key: str, index: int, message: str) -> None:
        """Notes a problem at one item of an array."""
        self._problems.add((*self.path, key, index), message)

    def has(self, key: str) -> bool:
        """Whether the operator wrote this key."""
        self._asked[key] = None
        return key in self._values

    def names(self) -> Iterator[str]:
        """The keys that were written, for tables whose keys are names."""
        for key in self._values:
            self._asked[key] = None
            yield key

    def forbid(self, key: str, remedy: str) -> None:
        """Refuses a key with its own message. It is not offered as a near name."""
        if key in self._values:
            self._asked[key] = None
            self.wrong(key, remedy)

    def done(self) -> None:
        """Every key that nobody asked for is a problem."""
        known = list(self._asked)
        for key in self._values:
            if key not in self._asked:
                self.wrong(key, f"unknown key. {did_you_mean(key, known) or f'Known here: {_listed(known)}.'}")

    def text(self, key: str, default: str = "", *, env: str | None = None, check: Check | None = None) -> str:
        """A string that is not empty, or the default where it is not given."""
        return self.optional_text(key, env=env, check=check) or default

    def optional_text(
        self, key: str, *, env: str | None = None, check: Check | None = None, mistyped: str | None = None
    ) -> str | None:
        """A string that is not empty, or None where it is not given. `mistyped` tells why it must be a string."""
        value, variable = self._raw(key, env)
        if value is None:
            return None
        if not isinstance(value, str):
            return self._fault(key, variable, mistyped) if mistyped else self._mistyped(key, "a string", value)
        fault = "must not be empty." if not value.strip() else check(value) if check else None
        if fault:
            self._fault(key, variable, fault)
            return None
        return value

    def required_text(self, key: str, *, check: Check | None = None) -> str:
        """A string that has no default."""
        if not self.has(key):
            self.wrong("", f"needs `{key}`.")
        return self.text(key, check=check)

    def choice(self, key: str, choices: tuple[str, ...], default: str, *, env: str | None = None) -> str:
        """One of a few words."""
        value, variable = self._raw(key, env)
        if value is None or value in choices:
            return default if value is None else str(value)
        hint = did_you_mean(value, choices) if isinstance(value, str) else ""
        self._fault(key, variable, f"must be one of {_listed(choices)}, not {value!r}. {hint}".rstrip())
        return default

    def flag(self, key: str, default: bool, *, env: str | None = None) -> bool:
        """True or false."""
        value, variable = self._raw(key, env)
        if variable is not None:
            value = _TRUTH.get(str(value).strip().lower(), value)
        if isinstance(value, bool):
            return value
        if value is not None:
            self._fault(key, variable, f"must be true or false, not {value!r}.")
        return default

    def integer(self, key: str, default: int, *, least: int, most: int, env: str | None = None) -> int:
        """A whole number within bounds."""
        found = self.optional_integer(key, least=least, most=most, env=env)
        return default if found is None else found

    def optional_integer(self, key: str, *, least: int, most: int, env: str | None = None) -> int | None:
        """A whole number within bounds, or None where it is not given."""
        value, variable = self._raw(key, env)
        if variable is not None:
            value = _number(str(value), int)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            return self._mistyped(key, "an integer", value, variable)
        return self._bounded(key, variable, value, least, most)

    def number(self, key: str, default: float, *, least: float, most: float, env: str | None = None) -> float:
        """A number within bounds."""
        found = self.optional_number(key, least=least, most=most, env=env)
        return default if found is None else found

    def optional_number(self, key: str, *, least: float, most: float, env: str | None = None) -> float | None:
        """A number within bounds, or None where it is not given. NaN and infinity are out of any bounds."""
        value, variable = self._raw(key, env)
        if variable is not None:
            value = _number(str(value), float)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._mistyped(key, "a number", value, variable)
        return self._bounded(key, variable, float(value), least, most)

    def texts(self, key: str, *, check: Check | None = None, empty: str | None = None) -> tuple[str, ...]:
        """An array of different strings. `empty` is the message where it may not be empty."""
        found: dict[str, None] = {}
        for index, value in enumerate(self.items(key, empty=empty)):
            if not isinstance(value, str) or not value.strip():
                self.wrong_item(key, index, "must be a string that is not empty.")
            elif value in found:
                self.wrong_item(key, index, f"'{value}' is given twice.")
            elif check and (fault := check(value)):
                self.wrong_item(key, index, fault)
            else:
                found[value] = None
        return tuple(found)

    def items(self, key: str, *, empty: str | None = None) -> list[object]:
        """An array as it stands; empty where it is not given. `empty` is the message where it may not be empty."""
        value, _ = self._raw(key, None)
        if isinstance(value, list):
            if not value and empty:
                self.wrong(key, empty)
            return cast("list[object]", value)
        if value is not None:
            self._mistyped(key, "an array", value)
        return []

    def mapping(self, key: str, *, check: Check | None = None) -> dict[str, str]:
        """A table of strings, keys free."""
        table = self.table(key)
        return {name: table.text(name, check=check) for name in table.names()}

    def raw_table(self, key: str) -> TomlTable:
        """A table that another reader checks."""
        value, _ = self._raw(key, None)
        if isinstance(value, dict):
            return cast("TomlTable", value)
        if value is not None:
            self._mistyped(key, "a table", value)
        return {}

    def table(self, key: str) -> Table:
        """A table inside this one; an empty one where it is not given. Whoever asks also calls its `done()`."""
        return self.inner(self.raw_table(key), key)

    def tables(self, key: str) -> Iterator[tuple[str, Table]]:
        """Every table of a table of tables, with its name."""
        outer = self.table(key)
        for name in outer.names():
            yield name, outer.table(name)

    def inner(self, values: TomlTable, *steps: str | int) -> Table:
        """A reader for values found below this table."""
        return Table(values, (*self.path, *steps), self._problems, self._environ)

    def array_of_tables(self, key: str) -> Iterator[Table]:
        """Every table of an array of tables."""
        for index, value in enumerate(self.items(key)):
            if isinstance(value, dict):
                yield self.inner(cast("TomlTable", value), key, index)
            else:
                self.wrong_item(key, index, f"must be a table, not {_kind(value)}.")

    def _raw(self, key: str, env: str | None) -> tuple[object, str | None]:
        """The value and the variable it came from. An empty variable is as good as none."""
        self._asked[key] = None
        if env is not None and (text := self._environ.get(env, "").strip()):
            return text, env
        return self._values.get(key), None

    def _fault(self, key: str, variable: str | None, message: str) -> None:
        if variable is None:
            self.wrong(key, message)
        else:
            self._problems.add_environment(variable, message)

    def _mistyped(self, key: str, wanted: str, value: object, variable: str | None = None) -> None:
        told = repr(value) if variable else _kind(value)
        self._fault(key, variable, f"must be {wanted}, not {told}.")

    def _bounded(self, key: str, variable: str | None, value: T, least: float, most: float) -> T | None:
        number = cast("float", value)
        if math.isfinite(number) and least <= number <= most:
            return value
        self._fault(key, variable, f"must lie between {least:,} and {most:,}, not {value!r}.")
        return None


def _number(text: str, kind: type[int] | type[float]) -> object:
    """A number from an environment variable; the text itself where it is none, for the message."""
    try:
        return kind(text)
    except ValueError:
        return text


def _kind(value: object) -> str:
    for kind, name in _KINDS:
        if isinstance(value, kind):
            return name
    return f"a {type(value).__name__}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "nothing"
