"""A workload in a line: `1M calls/day, 1000 in, 500 out, 30% cached`. Read strictly; exact counts and shares.

A call of a workload is a mean: 30 % of 1,001 tokens are 300.3 of them, and nothing is rounded. Knows no price, no
model, and not when the calls are made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from turnout.catalogue.usage_classes import MOST_TOKENS, TokenClass

_COUNT = re.compile(r"(\d+|\d{1,3}(?:,\d{3})+)(\.\d+)?([kKMB]?)")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*(%?)")
_SUFFIXES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9}
_MOST_CALLS = 10**12
_BETWEEN = re.compile(r"(?<!\d),|,(?!\d{3}(?!\d))")
"""A comma between parts, not one that groups the digits of 1,000."""
_PART = re.compile(r"([\d.,]+\s*[kKMB%]?)\s*([^\d\s%].*)")

EXAMPLE = "1M calls/day, 1000 in, 500 out, 30% cached"


def read_count(text: str) -> int:
    """A whole number, such as `1M`, `1.5k` or `1,000`. Raises ValueError."""
    match = _COUNT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"'{text.strip()}' is no count. Write a number such as 1000, 1,000, 1.5k or 1M.")
    number = Fraction(match[1].replace(",", "") + (match[2] or "")) * _SUFFIXES[match[3]]
    if number.denominator != 1:
        raise ValueError(f"'{text.strip()}' is not a whole number.")
    return int(number)


def read_share(text: str) -> Fraction:
    """A part of the whole: `30%`, or `0.3`. Raises ValueError."""
    match = _SHARE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"'{text.strip()}' is no share. Write it as 30% or 0.3.")
    share = Fraction(match[1]) / (100 if match[2] else 1)
    if share > 1:
        hint = "" if match[2] else f" Did you mean {text.strip()}%?"
        raise ValueError(f"A share is at most 100%, and '{text.strip()}' is more.{hint}")
    return share


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Calls a day, and the mean call. Raises ValueError where a part is larger than its whole."""

    calls_per_day: int
    input_tokens: int
    """Of a call, cached reads and cache writes included."""
    output_tokens: int
    """Reasoning included."""
    cached: Fraction = Fraction(0)
    """Of the input: read from a cache."""
    cache_write: Fraction = Fraction(0)
    """Of the input: written to a cache, for the provider's usual lifetime."""
    reasoning: Fraction = Fraction(0)
    """Of the output."""
    off_peak: Fraction | None = None
    """Share of the calls made in off-peak hours; None: as the clock has it."""

    def __post_init__(self) -> None:
        if not 0 < self.calls_per_day <= _MOST_CALLS:
            raise ValueError("The calls a day are more than 0 and at most a million million.")
        if not 0 <= self.input_tokens <= MOST_TOKENS or not 0 <= self.output_tokens <= MOST_TOKENS:
            raise ValueError(f"The tokens of a call are from 0 to {MOST_TOKENS:,}.")
        if self.input_tokens + self.output_tokens == 0:
            raise ValueError("A call without tokens has nothing to price: say how many go in and out.")
        if self.cached + self.cache_write > 1:
            raise ValueError("Cached reads and cache writes are parts of the input, and here they are more than it.")

    def tokens(self, ratio: Fraction = Fraction(1)) -> dict[TokenClass, Fraction]:
        """The mean call by class of tokens, where a model's tokenizer makes `ratio` tokens of one counted here."""
        whole, out = self.input_tokens * ratio, self.output_tokens * ratio
        return {
            TokenClass.INPUT: whole * (1 - self.cached - self.cache_write),
            TokenClass.CACHED: whole * self.cached,
            TokenClass.CACHE_WRITE: whole * self.cache_write,
            TokenClass.OUTPUT: out * (1 - self.reasoning),
            TokenClass.REASONING: out * self.reasoning,
        }

    def with_cached(self, share: Fraction) -> Workload:
        """The same with another cached share."""
        return replace(self, cached=share)


_CALLS = ("calls/day", "calls a day", "calls per day", "requests/day", "requests a day", "requests per day")
_NAMES: dict[str, str] = {
    **dict.fromkeys(_CALLS, "calls_per_day"),
    **dict.fromkeys(("in", "input", "input tokens", "tokens in"), "input_tokens"),
    **dict.fromkeys(("out", "output", "output tokens", "tokens out"), "output_tokens"),
    "cached": "cached",
    **dict.fromkeys(("cache write", "cache writes", "written"), "cache_write"),
    "reasoning": "reasoning",
    "off-peak": "off_peak",
}
_COUNTS = ("calls_per_day", "input_tokens", "output_tokens")
_WORDS = {"calls_per_day": "calls/day", "input_tokens": "in", "output_tokens": "out"}


def read_parts(line: str) -> dict[str, int | Fraction]:
    """What a line says, by the names of Workload's fields. Raises ValueError naming the part that it can't read."""
    found: dict[str, int | Fraction] = {}
    for part in (each.strip() for each in _BETWEEN.split(line)):
        match = _PART.fullmatch(part)
        name = None if match is None else _NAMES.get(" ".join(match[2].lower().split()))
        if match is None or name is None:
            known = "calls/day, in, out, cached, cache write, reasoning, off-peak"
            raise ValueError(f"'{part}' is no part of a workload. The parts are: {known}; such as '{EXAMPLE}'.")
        if name in found:
            raise ValueError(f"'{part}' says a second time what was said before.")
        found[name] = read_count(match[1]) if name in _COUNTS else _percent(part, match[1])
    return found


def _percent(part: str, text: str) -> Fraction:
    """In a line a share carries its sign: `30 cached` could be tokens."""
    if "%" not in text:
        raise ValueError(f"'{part}' needs a percent sign, such as 30% cached.")
    return read_share(text)


def made(parts: dict[str, int | Fraction]) -> Workload:
    """A workload of what a line and options said together. Raises ValueError where something is missing."""
    missing = [_WORDS[name] for name in _COUNTS if name not in parts]
    if missing:
        raise ValueError(f"The workload does not say: {', '.join(missing)}. Write it such as '{EXAMPLE}'.")
    counts = {name: int(parts[name]) for name in _COUNTS}
    shares = {name: Fraction(value) for name, value in parts.items() if name not in _COUNTS}
    return Workload(
        calls_per_day=counts["calls_per_day"],
        input_tokens=counts["input_tokens"],
        output_tokens=counts["output_tokens"],
        cached=shares.get("cached", Fraction(0)),
        cache_write=shares.get("cache_write", Fraction(0)),
        reasoning=shares.get("reasoning", Fraction(0)),
        off_peak=shares.get("off_peak"),
    )


def read_workload(line: str) -> Workload:
    """`1M calls/day, 1000 in, 500 out, 30% cached`. Raises ValueError."""
    return made(read_parts(line))
