"""Which of our models is meant by a name in an export. Providers write `gpt-5.5-2026-04-23` or `Claude Opus 4.7` for
what was asked for as `gpt-5.5` and `claude-opus-4-7`.

A name is matched as the person said, exactly, by an alias in the price table, or by its words without the date of a
snapshot: in this order, and only where one of our names fits. Knows no counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from turnout.catalogue.tariff import PriceBook

_SNAPSHOT = re.compile(r"[-@ ](?:20\d{6}|20\d{2}-\d{2}-\d{2})$")
_SEPARATORS = re.compile(r"[-._ :]+")


def matched(
    theirs: Iterable[str], ours: Iterable[str], book: PriceBook, given: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Our name for each of theirs, and a sentence for each that is written differently. A name that nothing fits stays
    as it is."""
    own, found, notes = list(dict.fromkeys(ours)), dict[str, str](), list[str]()
    for name in dict.fromkeys(theirs):
        if name in given:
            found[name], reason = given[name], "as given"
        elif name in own:
            found[name] = name
            continue
        else:
            found[name], reason = _nearest(name, own, book)
        if found[name] != name:
            notes.append(f"'{name}' in the export is taken as '{found[name]}' ({reason}).")
    return found, notes


def related(one: str, other: str, book: PriceBook) -> bool:
    """Whether two names may mean the same model."""
    return one != other and (stem(one) == stem(other) or other in _aliases(one, book))


def stem(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words of a name and its numbers, without the date of a snapshot. Words in any order, numbers in theirs:
    `claude-4.7-opus` is `claude-opus-4-7`, and 4.7 is not 7.4."""
    words = [word for word in _SEPARATORS.split(_SNAPSHOT.sub("", name.strip().lower())) if word]
    return tuple(sorted(word for word in words if not word.isdigit())), tuple(word for word in words if word.isdigit())


def _nearest(name: str, own: list[str], book: PriceBook) -> tuple[str, str]:
    aliases = _aliases(name, book)
    for reason, fitting in (
        ("an alias in the price table", [each for each in own if each in aliases]),
        ("the same words", [each for each in own if stem(each) == stem(name)]),
    ):
        if len(fitting) == 1:
            return fitting[0], reason
    return name, ""


def _aliases(name: str, book: PriceBook) -> set[str]:
    """Every name that stands in a price row beside this one."""
    found: set[str] = set()
    for (_, known), rows in book.rows.items():
        for row in rows if known == name else ():
            found |= {row.key.model, *row.aliases, *((row.serves,) if row.serves else ())}
    return found
