"""Workloads in a line."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.catalogue.usage_classes import TokenClass
from turnout.cli.simulate_workload_report import describe
from turnout.planning.workload import Workload, read_count, read_share, read_workload


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "1M calls/day, 1000 in, 500 out, 30% cached",
            Workload(calls_per_day=10**6, input_tokens=1000, output_tokens=500, cached=Fraction(3, 10)),
        ),
        (
            "1.5k calls a day,1,000 input,500 output",
            Workload(calls_per_day=1500, input_tokens=1000, output_tokens=500),
        ),
        (
            "2 requests per day, 12.5k in, 0 out, 12.5% cached, 50% cache write, 100% reasoning, 60% off-peak",
            Workload(
                calls_per_day=2,
                input_tokens=12_500,
                output_tokens=0,
                cached=Fraction(1, 8),
                cache_write=Fraction(1, 2),
                reasoning=Fraction(1),
                off_peak=Fraction(3, 5),
            ),
        ),
    ],
)
def test_a_line_is_read(line: str, expected: Workload) -> None:
    """With suffixes, grouped digits and either word for a call."""
    assert read_workload(line) == expected


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "'' is no part of a workload"),
        ("1M calls/day", "does not say: in, out"),
        ("1M calls/day, 1000 in, 500 out, 10 in", "'10 in' says a second time"),
        ("1M calls/day, 1000 in, 500 out, 30 cached", "'30 cached' needs a percent sign"),
        ("1M calls/day, 1000 in, 500 out, 130% cached", "at most 100%"),
        ("1M calls/day, 1000 in, 500 out, 60% cached, 50% cache write", "more than it"),
        ("1M calls/day, 1000 in, 500 out, 3 apples", "'3 apples' is no part of a workload. The parts are: calls/day"),
        ("1M calls/day, -5 in, 500 out", "'-5 in' is no part"),
        ("1.0000001M calls/day, 1 in, 1 out", "is not a whole number"),
        ("1m calls/day, 1 in, 1 out", "'1m calls/day' is no part"),
        ("0 calls/day, 1 in, 1 out", "more than 0"),
        ("1 calls/day, 0 in, 0 out", "nothing to price"),
        ("1 calls/day, 10000B in, 0 out", "from 0 to 1,000,000,000,000"),
        ("1,00 calls/day, 1 in, 1 out", "'1' is no part"),
    ],
)
def test_what_can_t_be_read_is_named(line: str, told: str) -> None:
    """The part, and what is wrong with it."""
    with pytest.raises(ValueError) as error:
        read_workload(line)

    assert told in str(error.value)


@pytest.mark.parametrize(("text", "expected"), [("1B", 10**9), ("0.5k", 500), ("12,345,678", 12_345_678), (" 7 ", 7)])
def test_a_count_is_exact(text: str, expected: int) -> None:
    """However it is written."""
    assert read_count(text) == expected


def test_a_share_of_thirty_is_asked_back() -> None:
    """30 is more than everything; 30% was meant."""
    with pytest.raises(ValueError, match="Did you mean 30%"):
        read_share("30")


TENTHS = st.integers(0, 1000).map(lambda number: Fraction(number, 1000))


@given(st.integers(1, 10**9), st.integers(1, 10**6), st.integers(0, 10**6), TENTHS, TENTHS, st.none() | TENTHS)
def test_a_workload_that_is_described_is_read_again(
    calls: int, tokens: int, output: int, cached: Fraction, reasoning: Fraction, off_peak: Fraction | None
) -> None:
    """The title of a table can be copied into the next question."""
    one = Workload(
        calls_per_day=calls,
        input_tokens=tokens,
        output_tokens=output,
        cached=cached,
        cache_write=(1 - cached) / 1,
        reasoning=reasoning,
        off_peak=off_peak,
    )

    assert read_workload(describe(one)) == one


@given(st.integers(1, 10**6), st.integers(0, 10**6), TENTHS, TENTHS, st.fractions(min_value="0.1", max_value=4))
def test_each_token_is_in_one_class(
    tokens: int, output: int, cached: Fraction, reasoning: Fraction, ratio: Fraction
) -> None:
    """The classes add up to what goes in and out, exactly, at any ratio."""
    one = Workload(calls_per_day=1, input_tokens=tokens, output_tokens=output, cached=cached, reasoning=reasoning)
    classes = one.tokens(ratio)

    assert sum(classes.values()) == (tokens + output) * ratio
    assert classes[TokenClass.CACHED] == tokens * ratio * cached
