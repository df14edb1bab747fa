"""A TOML file as values, and the line of each key in it.

`tomllib` gives the values. It does not tell where they stood, so a small scanner walks the same text once more and
notes the line of every table, key and array item. The scanner knows no types and accepts more than TOML: it only
ever runs on text that `tomllib` has accepted, and on anything else it stops without an exception.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, cast

from turnout.core.problems import ConfigProblems, Problem

KeyPath: TypeAlias = "tuple[str | int, ...]"
"""Keys from the root down; an int is the index of an array item."""
TomlTable: TypeAlias = "Mapping[str, object]"

_DEEPEST = 64
"""Nested arrays and inline tables below this get the line of their parent."""
_LINE_OF_ERROR = re.compile(r"\(at line (\d+), column \d+\)")
_BARE_PART = re.compile(r"[A-Za-z0-9_-]+")


def dotted(path: KeyPath) -> str:
    """A path as the operator would write it: `routes."gpt-5.5".targets[1]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE_PART.fullmatch(part) else f'"{part}"'
            text += f".{name}" if text else name
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Where each key of a file stands."""

    file: str = "turnout.toml"
    lines: Mapping[KeyPath, int] = field(default_factory=dict[KeyPath, int])

    def line(self, path: KeyPath) -> int | None:
        """The line of a key, or of the nearest table around it that has one; None for a key that no file holds."""
        while path:
            if (line := self.lines.get(path)) is not None:
                return line
            path = path[:-1]
        return None

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem at a key."""
        return Problem(self.file, self.line(path), dotted(path), message)


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlSource:
    """A parsed file."""

    values: TomlTable = field(default_factory=dict[str, object])
    positions: Positions = field(default_factory=Positions)


def load_toml(path: Path) -> TomlSource:
    """Reads a file. Raises ConfigProblems when it can't be read or is not TOML."""
    name = _shown(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigProblems([Problem(name, None, "", f"can't be read: {error.strerror or error}.")]) from error
    except UnicodeDecodeError as error:
        raise ConfigProblems([Problem(name, None, "", f"is not UTF-8 (byte {error.start}).")]) from error
    return parse_toml(text, file=name)


def _shown(path: Path) -> str:
    """The file's name as it appears in messages: relative where it stands under the current directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def parse_toml(text: str, *, file: str = "turnout.toml") -> TomlSource:
    """Parses TOML. Raises ConfigProblems with the line of a syntax error."""
    try:
        values = cast("TomlTable", tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigProblems([_syntax_problem(str(error), text, file)]) from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, or brackets nested past Python's stack
        raise ConfigProblems([Problem(file, None, "", "holds a value too large or too deeply nested.")]) from error
    return TomlSource(values=values, positions=Positions(file=file, lines=key_lines(text)))


def _syntax_problem(said: str, text: str, file: str) -> Problem:
    found = _LINE_OF_ERROR.search(said)
    line = int(found.group(1)) if found else text.rstrip().count("\n") + 1
    reason = said.split(" (at ")[0]
    return Problem(file, line, "", f"not valid TOML: {reason[:1].lower()}{reason[1:]}.")


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line (from 1) of every table, key and array item. Never raises; stops at what it can't follow."""
    scanner = _Scanner(text.replace("\r\n", "\n"))
    with contextlib.suppress(_Stop):
        scanner.document()
    return scanner.lines


class _Stop(Exception):
    """The text is not TOML from here on."""


class _Scanner:
    """Walks TOML text once. Owns its position and the lines found; one instance serves one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._arrays: dict[KeyPath, int] = {}
        """Index of the newest item of each array of tables."""
        self.lines: dict[KeyPath, int] = {}

    def document(self) -> None:
        table: KeyPath = ()
        while self._skip_blank():
            if self._peek() == "[":
                table = self._header()
            else:
                self._assignment(table, depth=0)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, count: int = 1) -> str:
        taken = self._text[self._at : self._at + count]
        if not taken:
            raise _Stop
        self._at += len(taken)
        self._line += taken.count("\n")
        return taken

    def _expect(self, character: str) -> None:
        if self._take() != character:
            raise _Stop

    def _skip_spaces(self) -> None:
        while self._peek() in (" ", "\t"):
            self._take()

    def _skip_blank(self) -> bool:
        """Goes past spaces, line ends and comments. False at the end of the text."""
        while character := self._peek():
            if character == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            elif character in " \t\n":
                self._take()
            else:
                return True
        return False

    def _header(self) -> KeyPath:
        """`[table]` or `[[array of tables]]`; gives the path of what follows."""
        line = self._line
        self._expect("[")
        many = self._peek() == "["
        if many:
            self._take()
        parts = self._dotted_key()
        self._expect("]")
        if many:
            self._expect("]")
        path = self._note((), parts[:-1], line)
        last = (*path, parts[-1])
        self.lines.setdefault(last, line)
        if not many:
            return self._newest(last)
        self._arrays[last] = self._arrays.get(last, -1) + 1
        item = self._newest(last)
        self.lines[item] = line
        return item

    def _newest(self, path: KeyPath) -> KeyPath:
        """A path that names an array of tables means its newest item."""
        index = self._arrays.get(path)
        return path if index is None else (*path, index)

    def _note(self, base: KeyPath, parts: list[str], line: int) -> KeyPath:
        """Notes the line of each step of a dotted key that has none yet; gives the path of the last."""
        path = base
        for part in parts:
            path = (*path, part)
            self.lines.setdefault(path, line)
            path = self._newest(path)
        return path

    def _assignment(self, table: KeyPath, depth: int) -> None:
        line = self._line
        parts = self._dotted_key()
        self._expect("=")
        path = self._note(table, parts, line)
        self._skip_spaces()
        self._value(path, depth)

    def _dotted_key(self) -> list[str]:
        parts = [self._key_part()]
        while self._peek() == ".":
            self._take()
            parts.append(self._key_part())
        return parts

    def _key_part(self) -> str:
        """One part of a dotted key with the spaces around it."""
        self._skip_spaces()
        if self._peek() in ('"', "'"):
            start = self._at
            self._string()
            part = _unquoted(self._text[start : self._at])
        else:
            found = _BARE_PART.match(self._text, self._at)
            if found is None:
                raise _Stop
            part = self._take(len(found.group()))
        self._skip_spaces()
        return part

    def _value(self, path: KeyPath, depth: int) -> None:
        if depth > _DEEPEST:
            raise _Stop
        character = self._peek()
        if character in ('"', "'"):
            self._string()
        elif character == "[":
            self._array(path, depth)
        elif character == "{":
            self._inline_table(path, depth)
        else:
            while (character := self._peek()) and character not in ",]}#\n":
                self._take()

    def _string(self) -> None:
        quote = self._peek()
        triple = quote * 3
        if not self._text.startswith(triple, self._at):
            self._take()
            self._until(quote, escapes=quote == '"')
            return
        self._take(3)
        self._until(triple, escapes=quote == '"')
        while self._peek() == quote:  # up to two quotes may stand before the closing three
            self._take()

    def _until(self, end: str, *, escapes: bool) -> None:
        while not self._text.startswith(end, self._at):
            if self._take() == "\\" and escapes:
                self._take()
        self._take(len(end))

    def _array(self, path: KeyPath, depth: int) -> None:
        self._expect("[")
        index = 0
        while self._skip_blank() and self._peek() != "]":
            item = (*path, index)
            self.lines[item] = self._line
            self._value(item, depth + 1)
            self._skip_blank()
            if self._peek() == ",":
                self._take()
            elif self._peek() != "]":
                raise _Stop
            index += 1
        self._expect("]")

    def _inline_table(self, path: KeyPath, depth: int) -> None:
        self._expect("{")
        while self._skip_blank() and self._peek() != "}":
            self._assignment(path, depth + 1)
            self._skip_blank()
            if self._peek() == ",":
                self._take()
            elif self._peek() != "}":
                raise _Stop
        self._expect("}")


def _unquoted(part: str) -> str:
    """The name that a quoted key spells, escapes resolved. `tomllib` knows the escapes; so ask it."""
    try:
        return next(iter(tomllib.loads(f"{part} = 0")))
    except (tomllib.TOMLDecodeError, StopIteration):
        raise _Stop from None
