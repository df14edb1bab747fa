"""How many of a model's tokens a text becomes, for each token of the neutral counter.

Two models are compared by what the same text costs at each, never by a token: a new tokenizer may make a third more
tokens of it. The ratio of a model depends on what the text is made of (`wire.content`). It begins as a prior, measured
once per tokenizer (`data/token_ratios.toml`), and is drawn towards what the providers reported for the team's own
requests, in two steps: by how far the model is off its priors over all content, then by the content's own calls.

Pure: what was learned is passed in. Ratios are statistics and may be floats; money is made of tokens, not of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from turnout.catalogue.calendar_file import open_table, read_data
from turnout.catalogue.tokenizers import tokenizer_of
from turnout.core.toml_table import Table

RATIOS_FILE = "token_ratios.toml"
UNKNOWN = "unknown"
"""The row of a tokenizer that is not known."""
CLASSES = ("prose", "code", "structured", "cjk", "other_script", "mixed")
"""As `wire.content` names them."""
LEAST_CALLS, LEAST_TOKENS = 8, 2_000
"""Fewer calls, or fewer neutral tokens in them, teach nothing."""
PRIOR_CALLS = 20
"""A prior weighs as much as this number of calls."""
_LEAST_FACTOR, _MOST_FACTOR = 0.25, 4.0
_DEVIATIONS = 1.645
"""Standard deviations from the middle to the ends of what holds 9 of 10."""
_ALIKE = 0.8
"""Correlation of one text's logarithmic ratios at two tokenizers. Measured with the priors: the median of all pairs was
0.93 for prose, 0.96 for code, 0.98 for structured, 0.82 and 0.77 for other scripts."""


class Ratio(NamedTuple):
    """Tokens of a model for one neutral token."""

    value: float
    """Of the sums of many texts."""
    low: float
    """9 of 10 texts lie from here ..."""
    high: float
    """... to here."""
    source: str


class Estimate(NamedTuple):
    """A number of tokens that nobody counted."""

    tokens: int
    low: int
    high: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What providers reported for calls of one model with one class of content."""

    model: str
    content: str
    calls: int
    reported: int
    """Input tokens by the provider, summed."""
    neutral: int
    """The same prompts by the neutral counter, summed."""
    spread: float = 0.0
    """Standard deviation of a call's ratio."""

    @property
    def ratio(self) -> float:
        """Of the sums, so that a call weighs as much as its prompt is long."""
        return self.reported / self.neutral

    @property
    def teaches(self) -> bool:
        """Whether it is enough to learn from."""
        return self.calls >= LEAST_CALLS and self.neutral >= LEAST_TOKENS


Priors = Mapping[str, Mapping[str, Ratio]]
"""By tokenizer, then by class of content."""


@lru_cache(maxsize=1)
def load_priors() -> Priors:
    """The shipped priors. Raises ConfigError at a defect of the data."""
    return parse_priors(read_data(RATIOS_FILE), RATIOS_FILE)


def parse_priors(text: bytes, file: str) -> Priors:
    """Priors from TOML. Raises ConfigError naming `file` and the key."""
    root, problems = open_table(text, file)
    found = {name: _prior(name, root.table(name)) for name in root.names()}
    if UNKNOWN not in found:
        root.wrong(UNKNOWN, "must be given: the ratios of a tokenizer that is not known.")
    problems.raise_any()
    return found


@dataclass(frozen=True, slots=True)
class Ratios:
    """The ratios of all models, from priors and from what was learned."""

    priors: Priors
    factors: Mapping[str, tuple[float, int]] = field(default_factory=dict[str, tuple[float, int]])
    """By model: how far it is off its priors, and by how many calls that is known."""
    cells: Mapping[tuple[str, str], Learned] = field(default_factory=dict[tuple[str, str], Learned])

    @classmethod
    def of(cls, learned: Iterable[Learned] = (), priors: Priors | None = None) -> Ratios:
        """The shipped priors (or `priors`), drawn towards what was learned."""
        bare = cls(load_priors() if priors is None else priors)
        cells = {(each.model, each.content): each for each in learned if each.neutral > 0}
        factors = {model: bare.factor_of(model, cells.values()) for model in {model for model, _ in cells}}
        return cls(bare.priors, {model: each for model, each in factors.items() if each[1]}, cells)

    def factor_of(self, model: str, cells: Iterable[Learned]) -> tuple[float, int]:
        """Reported tokens over those that the priors let expect, drawn towards 1; and the calls behind it, or 0."""
        own = [each for each in cells if each.model == model]
        calls, expected = sum(each.calls for each in own), sum(self._expected(each) for each in own)
        if calls < LEAST_CALLS or expected < LEAST_TOKENS:
            return 1.0, 0
        factor = sum(each.reported for each in own) / expected
        return min(max(_drawn(factor, calls, 1.0), _LEAST_FACTOR), _MOST_FACTOR), calls

    def _expected(self, cell: Learned) -> float:
        return self.prior(cell.model, cell.content).value * cell.neutral

    def prior(self, model: str, content: str) -> Ratio:
        """What is assumed before any call was made. Content that has no known class may be any."""
        tokenizer = tokenizer_of(model)
        rows = self.priors.get(UNKNOWN if tokenizer is None else tokenizer.id, self.priors[UNKNOWN])
        return rows.get(content) or _any(rows)

    def ratio(self, model: str, content: str) -> Ratio:
        """The model's tokens for one neutral token of such content, and where it comes from."""
        prior = self.prior(model, content)
        factor, calls = self.factors.get(model, (1.0, 0))
        base = Ratio(prior.value * factor, prior.low * factor, prior.high * factor, _source(prior, calls))
        cell = self.cells.get((model, content))
        return base if cell is None or not cell.teaches else _learned(base, cell)

    def estimate(self, neutral: int, *, model: str, content: str) -> Estimate:
        """The model's tokens of a text of so many neutral tokens."""
        ratio = self.ratio(model, content)
        return Estimate(
            math.ceil(neutral * ratio.value),
            math.ceil(neutral * ratio.low),
            math.ceil(neutral * ratio.high),
            ratio.source,
        )

    def convert(self, tokens: int, *, from_model: str, to_model: str, content: str) -> Estimate:
        """The tokens that the same text becomes at another model. The bounds are those of a single text."""
        if from_model == to_model or _same_tokenizer(from_model, to_model):
            return Estimate(tokens, tokens, tokens, "the same tokenizer")
        here, there = self.ratio(from_model, content), self.ratio(to_model, content)
        one, other = _deviation(here), _deviation(there)
        off = math.exp(_DEVIATIONS * math.sqrt(one * one + other * other - 2 * _ALIKE * one * other))
        moved = tokens * there.value / here.value
        return Estimate(round(moved), round(moved / off), round(moved * off), f"{here.source} -> {there.source}")


def _same_tokenizer(one: str, other: str) -> bool:
    tokenizer = tokenizer_of(one)
    return tokenizer is not None and tokenizer == tokenizer_of(other)


def _drawn(seen: float, calls: int, towards: float) -> float:
    return (calls * seen + PRIOR_CALLS * towards) / (calls + PRIOR_CALLS)


def _deviation(ratio: Ratio) -> float:
    """Standard deviation of a text's logarithmic ratio."""
    return (math.log(ratio.high) - math.log(ratio.low)) / (2 * _DEVIATIONS)


def _learned(base: Ratio, cell: Learned) -> Ratio:
    value = _drawn(cell.ratio, cell.calls, base.value)
    prior_spread = (base.high - base.low) / (2 * _DEVIATIONS)
    spread = math.sqrt(_drawn(cell.spread**2, cell.calls, prior_spread**2))
    off = math.exp(_DEVIATIONS * spread / value)
    return Ratio(value, value / off, value * off, f"learned from {cell.calls:,} calls")


def _source(prior: Ratio, calls: int) -> str:
    return f"{prior.source}; moved by {calls:,} calls of all content" if calls else prior.source


def _any(rows: Mapping[str, Ratio]) -> Ratio:
    """For content of no known class: between prose and code, with the bounds of all in Latin letters."""
    latin = [rows[name] for name in ("prose", "code", "structured")]
    middle = math.sqrt(rows["prose"].value * rows["code"].value)
    return Ratio(middle, min(each.low for each in latin), max(each.high for each in latin), latin[0].source)


def _prior(tokenizer: str, table: Table) -> dict[str, Ratio]:
    table.required_text("source")  # for the reader of the file
    whose = "all tokenizers" if tokenizer == UNKNOWN else tokenizer
    found = {name: _ratio(table.table(name), f"prior of {whose}") for name in CLASSES}
    table.done()
    return found


def _ratio(table: Table, source: str) -> Ratio:
    value = table.number("ratio", 1.0, least=0.1, most=10.0)
    low, high = table.number("low", value, least=0.05, most=10.0), table.number("high", value, least=0.1, most=20.0)
    if not low <= value <= high:
        table.wrong("ratio", "must lie from `low` to `high`.")
    if not table.has("ratio"):
        table.wrong("ratio", "must be given.")
    table.done()
    return Ratio(value, low, high, source)
