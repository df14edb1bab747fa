"""What would make a stated sum true."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.catalogue.prices import load_prices
from turnout.catalogue.tariff import UnknownPrice
from turnout.planning.candidate import Candidate, Service, read_candidate, read_price
from turnout.planning.inverse import Explanation, explain
from turnout.planning.period import Period
from turnout.planning.whatif import Ratio, forecast
from turnout.planning.workload import Workload, read_workload

BOOK = load_prices()
MONTH = Period(first=date(2026, 11, 1), days=30)
GUIDE = read_workload("1M calls/day, 1000 in, 500 out")


def _explained(
    candidate: Candidate, target: int | Fraction, workload: Workload = GUIDE, off: str | None = None
) -> Explanation:
    discount = None if off is None else Fraction(off)
    found = explain(workload, candidate, MONTH, target=Fraction(target), ratio=Ratio(), discount=discount)
    assert isinstance(found, Explanation), found
    return found


@pytest.mark.parametrize(
    ("prices", "target", "cached"),
    [
        ("V4-Pro=1.74/3.48/0.0145", 70_000, Fraction(34_400, 51_765)),  # of 52,200 - 435 dollars that a cache can save
        ("V4-Flash=0.14/0.28/0.0028", 5_500, Fraction(2_900, 4_116)),
        ("V4-Pro=1.74/3.48/0.0145", 104_400, Fraction(0)),
        ("V4-Pro=1.74/3.48/0.0145", 52_635, Fraction(1)),
        ("V4-Pro=1.74/3.48/0.0145", 52_634, None),
        ("V4-Pro=1.74/3.48/0.0145", 104_401, None),
    ],
)
def test_the_cached_share_that_a_sum_needs(prices: str, target: int, cached: Fraction | None) -> None:
    """Exact; none where everything cached is still more, or nothing cached less."""
    line = _explained(read_price(prices, MONTH.first), target).cached

    assert line is not None
    assert line.share == cached


@pytest.mark.parametrize(
    ("prices", "target", "share"),
    [("a=1.74/3.48", 70_000, Fraction(172, 261)), ("b=0.14/0.28", 5_500, Fraction(29, 42))],
)
def test_the_off_peak_share_that_a_sum_needs_at_half_price(prices: str, target: int, share: Fraction) -> None:
    """The discount is the question's; without one the price has no hours."""
    candidate = read_price(prices, MONTH.first)
    line = _explained(candidate, target, off="1/2").off_peak

    assert line is not None
    assert line.share == share
    assert _explained(candidate, target).off_peak is None


def test_an_unknown_cached_price_is_not_guessed() -> None:
    """Free is the most that a cache could save: below that no price helps, above it is told as a bound."""
    candidate = read_price("V4-Pro=1.74/3.48", MONTH.first)
    bound, beyond = _explained(candidate, 70_000).cached, _explained(candidate, 50_000).cached

    assert bound is not None and beyond is not None
    assert (bound.free, bound.share) == (True, Fraction(34_400, 52_200))
    assert (beyond.free, beyond.share, beyond.at_all) == (True, None, 52_200)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(("deepseek-v4-pro", "deepseek-v4-flash", "gpt-5.5", "claude-opus-4-7@batch")),
    st.integers(1, 10_000),
    st.integers(0, 5_000),
    st.fractions(0, 1, max_denominator=100),
)
def test_a_share_that_is_told_makes_the_sum_true(name: str, tokens: int, output: int, part: Fraction) -> None:
    """Each of them, put back into the question. Sums between the least and the most always have a cached share."""
    workload = Workload(calls_per_day=10_000, input_tokens=tokens, output_tokens=output)
    candidate = read_candidate(name, BOOK, Service())
    most, least = (forecast(workload.with_cached(Fraction(each)), candidate, MONTH).cost for each in (0, 1))
    assert isinstance(most, Fraction) and isinstance(least, Fraction)
    target = most - (most - least) * part
    found = _explained(candidate, target, workload)

    assert found.cached is not None and found.cached.share == part
    told = [(found.cached.share, None)]
    told += [(Fraction(0), found.off_peak.share)] if found.off_peak and found.off_peak.share is not None else []
    told += [(cached, off_peak) for off_peak, cached in found.both if cached is not None]
    for cached, off_peak in told:
        assert forecast(replace(workload, cached=cached, off_peak=off_peak), candidate, MONTH).cost == target


def test_a_price_that_is_not_known_explains_nothing() -> None:
    """The reason is the answer."""
    late = Period(first=date(2026, 12, 20), days=30)
    found = explain(
        GUIDE,
        read_candidate("deepseek-v4-pro", BOOK, Service()),
        late,
        target=Fraction(1),
        ratio=Ratio(),
        discount=None,
    )

    assert isinstance(found, UnknownPrice)
