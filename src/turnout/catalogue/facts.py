"""What is known of a model beside what routing needs: what it takes and gives, how its cache works, whose it is.

`data/facts.toml` holds facts in groups; a group says for which models its facts hold, who says so, where it was read
and when. A fact that no group states is not known. Nothing is decided by them: they are shown. Knows no price (they are
in `prices`) and no limit (`presets`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TypeAlias

from turnout.catalogue.calendar_file import open_table, read_data, required_day
from turnout.core.toml_table import Table

FACTS_FILE = "facts.toml"
Value: TypeAlias = "str | int | bool | tuple[str, ...]"
_MODALITIES = ("text", "image", "pdf", "audio", "video")
_MOST_TOKENS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that somebody says of a model."""

    name: str
    value: Value
    source: str
    """Where to check it: the page of whoever is responsible for it."""
    read_in: str
    """Where it was read, with version: a public table, or the source itself."""
    verified: date | None
    """When it was read there. None, for what other files than this one say: it stands at their head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Facts of the same origin for the same models."""

    provider: str | None
    """The preset's name, for facts about a model at one provider; None: wherever it runs."""
    models: tuple[str, ...]
    """Names or patterns, in small letters, of the whole name or of what stands behind its last slash."""
    facts: tuple[Fact, ...]

    def specificity(self, provider: str, model: str) -> tuple[bool, bool, int] | None:
        """How closely the group names the model; None where it does not."""
        if self.provider not in (None, provider):
            return None
        whole = model.lower()
        bare = whole.rpartition("/")[2]
        fitting = [each for each in self.models if fnmatchcase(whole, each) or fnmatchcase(bare, each)]
        closest = max(((not _is_pattern(each), len(each)) for each in fitting), default=None)
        return None if closest is None else (self.provider is not None, *closest)


@lru_cache(maxsize=1)
def load_facts() -> tuple[Group, ...]:
    """The shipped facts. Raises ConfigError at a defect of the data."""
    return parse_facts(read_data(FACTS_FILE), FACTS_FILE)


def facts_of(provider: str, model: str, groups: Sequence[Group] | None = None) -> tuple[Fact, ...]:
    """What is known of a model at a provider, in the order of `FACTS`. Of two groups with the same fact, the one that
    names the model more closely wins: at this provider before anywhere, by its name before by a pattern."""
    best: dict[str, tuple[tuple[bool, bool, int], Fact]] = {}
    for group in load_facts() if groups is None else groups:
        rank = group.specificity(provider, model)
        for fact in group.facts if rank is not None else ():
            if rank is not None and (fact.name not in best or rank > best[fact.name][0]):
                best[fact.name] = rank, fact
    return tuple(best[name][1] for name in FACTS if name in best)


def parse_facts(text: bytes, file: str) -> tuple[Group, ...]:
    """Groups from TOML. Raises ConfigError naming `file` and the key."""
    root, problems = open_table(text, file)
    groups: list[Group] = []
    taken: set[tuple[str | None, str, str]] = set()
    for table in root.array_of_tables("facts"):
        group = _group(table)
        for model, name in ((model, fact.name) for model in group.models for fact in group.facts):
            if (group.provider, model, name) in taken:
                table.wrong("models", f"`{name}` of '{model}' is stated twice.")
            taken.add((group.provider, model, name))
        groups.append(group)
    root.done()
    problems.raise_any()
    return tuple(groups)


def _group(table: Table) -> Group:
    source, read_in = table.required_text("source"), table.required_text("read_in")
    verified = required_day(table, "verified")
    models = table.texts("models", empty="names no model.")
    if not models:
        table.wrong("", "needs `models`.")
    for model in models:
        if model != model.lower():
            table.wrong("models", f"'{model}' must be in small letters.")
    facts = [
        Fact(name=name, value=value, source=source, read_in=read_in, verified=verified)
        for name, read in FACTS.items()
        if table.has(name) and (value := read(table, name)) is not None
    ]
    if not facts:
        table.wrong("", f"states no fact. There are: {', '.join(FACTS)}.")
    group = Group(provider=table.optional_text("provider"), models=models, facts=tuple(facts))
    table.done()
    return group


def _is_pattern(name: str) -> bool:
    return any(sign in name for sign in "*?[")


def _text(table: Table, key: str) -> str | None:
    return table.optional_text(key)


def _flag(table: Table, key: str) -> bool:
    return table.flag(key, default=False)


def _tokens(table: Table, key: str) -> int | None:
    return table.optional_integer(key, least=1, most=_MOST_TOKENS)


def _lifetimes(table: Table, key: str) -> tuple[str, ...]:
    return table.texts(key, check=_lifetime, empty="must name one, such as '5m'.")


def _modalities(table: Table, key: str) -> tuple[str, ...]:
    return table.texts(key, check=_modality, empty="must name one.")


def _country(table: Table, key: str) -> str | None:
    return table.optional_text(key, check=_iso)


def _lifetime(text: str) -> str | None:
    return None if text[:-1].isdigit() and text[-1] in "smhd" else "must be a time such as '5m', '1h' or '24h'."


def _modality(text: str) -> str | None:
    return None if text in _MODALITIES else f"'{text}' is none of {', '.join(_MODALITIES)}."


def _iso(text: str) -> str | None:
    return None if len(text) == 2 and text.isupper() else "must be an ISO 3166 code such as 'US', or 'EU'."


FACTS: dict[str, Callable[[Table, str], Value | None]] = {
    "input": _modalities,
    "output": _modalities,
    "structured_output": _flag,
    "logprobs": _flag,
    "reasoning_returned": _text,
    "cache_min_tokens": _tokens,
    "cache_lifetimes": _lifetimes,
    "open_weights": _flag,
    "licence": _text,
    "maker": _text,
    "maker_jurisdiction": _country,
}
"""Every fact, in the order in which they are shown.

input, output        what is known to be taken and given; what is not listed is not known
structured_output    an answer can be forced into a JSON schema
logprobs             the probabilities of tokens can be asked for
reasoning_returned   how the model's reasoning comes back
cache_min_tokens     a shorter prompt is not cached
cache_lifetimes      how long a written prefix lives, the usual one first
"""


def conflicts(models: Iterable[tuple[str, str]], groups: Sequence[Group]) -> list[str]:
    """Sentences for facts that two groups state differently and equally closely: nobody could say which wins."""
    found: list[str] = []
    for provider, model in models:
        by_rank: dict[tuple[str, tuple[bool, bool, int]], Value] = {}
        for group in groups:
            rank = group.specificity(provider, model)
            for fact in group.facts if rank is not None else ():
                if rank is not None and by_rank.setdefault((fact.name, rank), fact.value) != fact.value:
                    found.append(f"{provider}/{model}: {fact.name} is stated twice, equally closely.")
    return found
