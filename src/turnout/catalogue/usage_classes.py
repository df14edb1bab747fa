"""What a provider bills by: the classes of tokens, and the counts of one answer.

The counts follow one convention, whatever the dialect: input contains cached reads and cache writes, writes contain
those that live an hour, output contains reasoning. Whether a provider's own input contains them is settled where its
usage is read. Knows no price and no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from turnout.core.money import NO_TOKENS, Tokens

MOST_TOKENS = 10**12
"""More than this in one answer is no count. It is never priced."""


class TokenClass(Enum):
    """What has a price of its own."""

    INPUT = "input"
    """Neither read from a cache nor written to one."""
    CACHED = "cached"
    CACHE_WRITE = "cache_write"
    """Written for the provider's usual lifetime: 5 minutes at Anthropic, 30 minutes at OpenAI."""
    CACHE_WRITE_1H = "cache_write_1h"
    OUTPUT = "output"
    REASONING = "reasoning"
    """Billed as output by every provider that states no price of its own for it."""


class UsageFlag(Enum):
    """What was wrong with the counts, where they were made usable."""

    INPUT_MISSING = "input_missing"
    OUTPUT_MISSING = "output_missing"
    NEGATIVE = "negative"
    """A negative count was taken as not reported."""
    PARTS_EXCEED_INPUT = "parts_exceed_input"
    """Cached and written tokens together were more than the input; the input was raised to their sum."""
    PARTS_EXCEED_WRITES = "parts_exceed_writes"
    REASONING_EXCEEDS_OUTPUT = "reasoning_exceeds_output"
    ABSURD = "absurd"
    """A count above MOST_TOKENS. Not repaired, and not priced."""


UNUSABLE = frozenset({UsageFlag.INPUT_MISSING, UsageFlag.OUTPUT_MISSING, UsageFlag.NEGATIVE, UsageFlag.ABSURD})
"""With one of these the cost is not known: a count that was not reported is not 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillableTokens:
    """The tokens of one answer, or of several. Raises ValueError where a part is larger than its whole."""

    input: Tokens
    """All of it, cached reads and writes included."""
    cached: Tokens = NO_TOKENS
    cache_write: Tokens = NO_TOKENS
    """All writes, those for an hour included."""
    cache_write_1h: Tokens = NO_TOKENS
    output: Tokens
    """All of it, reasoning included."""
    reasoning: Tokens = NO_TOKENS
    requests: int = 1
    """Answers that these counts are the sum of, for a fee per request."""
    flags: frozenset[UsageFlag] = frozenset()

    def __post_init__(self) -> None:
        for name in ("input", "cached", "cache_write", "cache_write_1h", "output", "reasoning"):
            if not isinstance(getattr(self, name), Tokens):
                raise TypeError(f"`{name}` must be Tokens.")
        if self.requests < 0:
            raise ValueError("The number of requests is not negative.")
        if self.cached + self.cache_write > self.input:
            raise ValueError("Cached reads and cache writes are parts of the input, and here they are more than it.")
        if self.cache_write_1h > self.cache_write:
            raise ValueError("Writes for an hour are a part of the cache writes, and here they are more.")
        if self.reasoning > self.output:
            raise ValueError("Reasoning is a part of the output, and here it is more.")

    def __add__(self, other: BillableTokens) -> BillableTokens:
        """The counts of both together, with the flags of both."""
        return BillableTokens(
            input=self.input + other.input,
            cached=self.cached + other.cached,
            cache_write=self.cache_write + other.cache_write,
            cache_write_1h=self.cache_write_1h + other.cache_write_1h,
            output=self.output + other.output,
            reasoning=self.reasoning + other.reasoning,
            requests=self.requests + other.requests,
            flags=self.flags | other.flags,
        )

    def by_class(self) -> dict[TokenClass, Tokens]:
        """Every token exactly once. The sum is input and output together."""
        return {
            TokenClass.INPUT: self.input - self.cached - self.cache_write,
            TokenClass.CACHED: self.cached,
            TokenClass.CACHE_WRITE: self.cache_write - self.cache_write_1h,
            TokenClass.CACHE_WRITE_1H: self.cache_write_1h,
            TokenClass.OUTPUT: self.output - self.reasoning,
            TokenClass.REASONING: self.reasoning,
        }


def billable(
    *,
    input_tokens: int | None,
    cached_tokens: int | None = None,
    cache_write_tokens: int | None = None,
    cache_write_1h_tokens: int | None = None,
    output_tokens: int | None,
    reasoning_tokens: int | None = None,
) -> BillableTokens:
    """Counts as a provider reported them, made consistent. What had to be done is in `flags`.

    Where parts are more than their whole, the whole is raised to the parts: each reported token is billed once.
    Raises TypeError for a count that is no integer.
    """
    flags: set[UsageFlag] = set()
    if input_tokens is None:
        flags.add(UsageFlag.INPUT_MISSING)
    if output_tokens is None:
        flags.add(UsageFlag.OUTPUT_MISSING)
    written, written_1h = _count(cache_write_tokens, flags), _count(cache_write_1h_tokens, flags)
    written = _raised(written, written_1h, UsageFlag.PARTS_EXCEED_WRITES, flags)
    cached, reasoning = _count(cached_tokens, flags), _count(reasoning_tokens, flags)
    whole = _raised(_count(input_tokens, flags), cached + written, UsageFlag.PARTS_EXCEED_INPUT, flags)
    output = _raised(_count(output_tokens, flags), reasoning, UsageFlag.REASONING_EXCEEDS_OUTPUT, flags)
    return BillableTokens(
        input=whole,
        cached=cached,
        cache_write=written,
        cache_write_1h=written_1h,
        output=output,
        reasoning=reasoning,
        flags=frozenset(flags),
    )


def _count(reported: int | None, flags: set[UsageFlag]) -> Tokens:
    if reported is None:
        return NO_TOKENS
    if reported < 0:
        flags.add(UsageFlag.NEGATIVE)
        return NO_TOKENS
    if reported > MOST_TOKENS:
        flags.add(UsageFlag.ABSURD)
    return Tokens(reported)


def _raised(whole: Tokens, parts: Tokens, flag: UsageFlag, flags: set[UsageFlag]) -> Tokens:
    if parts > whole:
        flags.add(flag)
    return max(whole, parts)
