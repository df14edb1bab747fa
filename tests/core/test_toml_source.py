"""Where each key of a TOML file stands."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.core.problems import ConfigProblems
from turnout.core.toml_source import KeyPath, dotted, key_lines, load_toml, parse_toml

SAMPLE = '''\
# a comment with [brackets] and "quotes"
title = "x" # [not.a.table]

[server]
port = 4000
"odd key" = 1
'lit.eral' = 2
a.b . "c" = 3

[routes."gpt-5.5"]
targets = [
  "one",  # ] not the end
  { deployment = "two", weight = 3 },
  """three
four""",
]
after = true

text = """
[fake]
key = 1
"""
raw = \'\'\'
[fake2]
\'\'\'
tight = """a\\""""""
when = 1979-05-27 07:32:00
last = 0

[[keys]]
name = "a"
[keys.inner]
deep = 1
[[keys]]
name = "b"
inline = { x.y = [ { z = 1 } ] }
'''


def _paths(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every path that tomllib's values have."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths(inner, (*path, index))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("server",), 4),
        (("server", "port"), 5),
        (("server", "odd key"), 6),
        (("server", "lit.eral"), 7),
        (("server", "a", "b", "c"), 8),
        (("routes", "gpt-5.5"), 10),
        (("routes", "gpt-5.5", "targets"), 11),
        (("routes", "gpt-5.5", "targets", 0), 12),
        (("routes", "gpt-5.5", "targets", 1, "weight"), 13),
        (("routes", "gpt-5.5", "targets", 2), 14),
        (("routes", "gpt-5.5", "after"), 17),
        (("routes", "gpt-5.5", "text"), 19),
        (("routes", "gpt-5.5", "raw"), 23),
        (("routes", "gpt-5.5", "tight"), 26),
        (("routes", "gpt-5.5", "last"), 28),
        (("keys", 0), 30),
        (("keys", 0, "name"), 31),
        (("keys", 0, "inner", "deep"), 33),
        (("keys", 1), 34),
        (("keys", 1, "name"), 35),
        (("keys", 1, "inline", "x", "y", 0, "z"), 36),
    ],
)
def test_each_key_has_the_line_it_stands_on(path: KeyPath, line: int) -> None:
    """Tables, dotted and quoted keys, arrays, inline tables and multi-line strings are all followed."""
    assert line == parse_toml(SAMPLE).positions.lines[path]


def test_what_looks_like_a_table_inside_a_string_is_none() -> None:
    """A header inside a multi-line string is text."""
    assert not [path for path in key_lines(SAMPLE) if "fake" in path or "fake2" in path]


def test_windows_line_ends_count_once() -> None:
    """CRLF is one line end."""
    assert key_lines("a = 1\r\n\r\nb = 2\r\n")[("b",)] == 3


def test_a_key_that_is_not_there_has_the_line_of_its_table() -> None:
    """A missing key is reported at the table that lacks it."""
    assert parse_toml(SAMPLE).positions.line(("server", "absent", "deeper")) == 4
    assert parse_toml(SAMPLE).positions.line(("absent",)) is None


def test_a_path_is_shown_as_it_is_written() -> None:
    """Names with odd letters are quoted, items have their index."""
    assert dotted(("routes", "gpt-5.5", "targets", 1, "weight")) == 'routes."gpt-5.5".targets[1].weight'


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = 1\nb = \n", 2), ("a = 1\n[a\n", 2), ('a = 1\n\nb = "', 3), ("a = 1\na = 2\n", 2), ("[x]\n[x]\n", 2)],
)
def test_a_syntax_error_tells_its_line(text: str, line: int) -> None:
    """The line comes from the parser, or is the last where the text ends too soon."""
    with pytest.raises(ConfigProblems) as caught:
        parse_toml(text, file="t.toml")

    (problem,) = caught.value.problems
    assert ("t.toml", line) == (problem.file, problem.line)
    assert "not valid TOML" in problem.message


def test_a_file_that_is_absent_or_not_utf8_is_a_problem(tmp_path: Path) -> None:
    """No exception of the operating system gets out."""
    bad = tmp_path / "bad.toml"
    bad.write_bytes(b"a = '\xff'")

    with pytest.raises(ConfigProblems, match="No such file"):
        load_toml(tmp_path / "absent.toml")
    with pytest.raises(ConfigProblems, match="not UTF-8"):
        load_toml(bad)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    path = tmp_path / "bom.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\n")

    assert load_toml(path).values == {"a": 1}


@pytest.mark.parametrize("text", ["a = " + "[" * 50_000, "a = " + "9" * 5_000, "a = " + "[" * 200 + "]" * 200])
def test_hostile_nesting_and_numbers_end_in_a_problem_or_a_value(text: str) -> None:
    """Neither the parser's nor the scanner's stack overflows."""
    key_lines(text)
    try:
        parse_toml(text)
    except ConfigProblems as error:
        assert error.problems


_TOML_PIECES = st.lists(
    st.sampled_from(
        ["[", "]", "{", "}", "=", ".", ",", '"', "'", '"""', "'''", "\\", "\n", "\r\n", "#", " ", "a", "b-c", "1", "é"]
    ),
    max_size=40,
).map("".join)


@given(st.one_of(st.text(), _TOML_PIECES))
def test_the_scanner_never_fails_and_misses_no_key(text: str) -> None:
    """On any text it returns, and where the text is TOML every path has a line within the text."""
    lines = key_lines(text)

    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
    try:
        values = tomllib.loads(text)
    except ValueError:
        return
    assert set(_paths(values)) <= set(lines)


_KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=6)
_LEAVES = st.one_of(
    st.integers(-5, 5),
    st.booleans(),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12),
    st.just(datetime.datetime(1979, 5, 27, 7, 32, tzinfo=datetime.UTC)),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=8,
)


def _string(text: str, style: int) -> str:
    if style == 1 and "'" not in text and text.isprintable():
        return f"'{text}'"
    escaped = "".join(f"\\U{ord(c):08X}" if c in '"\\' or not c.isprintable() else c for c in text)
    return f'"""{escaped}"""' if style == 2 else f'"{escaped}"'


def _written(value: object, style: int) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _string(value, style)
    if isinstance(value, list):
        gap = "\n  # ] }\n" if style == 2 else " "
        return f"[{gap}" + f",{gap}".join(_written(item, style) for item in value) + f"{gap}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_string(k, style % 2)} = {_written(v, style)}" for k, v in value.items()) + "}"
    return str(value)


@given(
    st.dictionaries(_KEYS, st.dictionaries(_KEYS, _VALUES, max_size=4), max_size=4), st.integers(0, 2), st.booleans()
)
def test_every_key_of_generated_toml_has_the_line_it_was_written_on(
    tables: dict[str, dict[str, object]], style: int, many: bool
) -> None:
    """Documents are written out by hand with the lines noted on the way."""
    text, wanted = "", dict[KeyPath, int]()
    for name, table in tables.items():
        base: KeyPath = (name, 0) if many else (name,)
        wanted[base] = text.count("\n") + 1
        quoted = _string(name, style % 2)
        text += f"[[{quoted}]]\n" if many else f"[ {quoted} ] # note\n"
        for key, value in table.items():
            wanted[(*base, key)] = text.count("\n") + 1
            text += f"{_string(key, style % 2)} = {_written(value, style)}\n"

    source = parse_toml(text)

    assert wanted == {path: source.positions.lines[path] for path in wanted}
    assert set(_paths(source.values)) <= set(source.positions.lines)
