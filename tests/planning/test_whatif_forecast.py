"""What a workload costs: sums computed by hand, and what must hold for all of them."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.catalogue.calendar import zone_named
from turnout.catalogue.prices import load_prices
from turnout.catalogue.tariff import Cost, Unknown, UnknownPrice, price
from turnout.catalogue.usage_classes import BillableTokens
from turnout.core.money import Tokens
from turnout.planning.candidate import Candidate, Service, read_candidate, read_price
from turnout.planning.period import Period, read_hours
from turnout.planning.timeline import Timeline
from turnout.planning.whatif import Ratio, call_cost, forecast
from turnout.planning.workload import Workload, read_workload

BOOK = load_prices()
A_DAY = date(2026, 11, 1)
HOURLY = read_workload("24 calls/day, 1000 in, 500 out")
"""One call an hour. At deepseek-v4-pro it costs 0.00165 off-peak and 0.0033 in the peak."""


def _model(name: str) -> Candidate:
    return read_candidate(name, BOOK, Service())


def _cost(workload: Workload, name: str, period: Period, *, shift: str = "0", ratio: str = "1") -> Fraction:
    found = forecast(workload, _model(name), period, shift=Fraction(shift), ratio=Ratio(Fraction(ratio), "")).cost
    assert not isinstance(found, UnknownPrice), found
    return found


@pytest.mark.parametrize(
    ("line", "prices", "expected"),
    [
        ("1M calls/day, 1000 in, 500 out", "GPT-5.5=5/30", 600_000),
        ("1M calls/day, 1000 in, 500 out", "V4-Pro=1.74/3.48", 104_400),
        ("1M calls/day, 1000 in, 500 out", "V4-Flash=0.14/0.28", 8_400),
        ("1M calls/day, 1001 in, 500 out, 30% cached", "x=10/20/1", Fraction("519219")),
    ],
)
def test_the_guide_s_workload_at_its_own_prices(line: str, prices: str, expected: Fraction) -> None:
    """30 days; a mean call may have fractions of tokens: 300.3 of 1,001 are cached."""
    found = forecast(read_workload(line), read_price(prices, A_DAY), Period(first=A_DAY, days=30))

    assert found.cost == expected


@pytest.mark.parametrize(
    ("first", "days", "expected"),
    [
        (date(2026, 11, 23), 1, "0.05115"),  # Monday: 17 hours off-peak and 7 in the peak
        (date(2026, 11, 21), 1, "0.0396"),  # Saturday: no peak
        (date(2026, 10, 1), 1, "0.0396"),  # Thursday, a holiday in China
        (date(2026, 9, 28), 7, "0.31185"),  # Monday to Wednesday with a peak, then holidays and the weekend
        (date(2026, 11, 2), 28, "1.3398"),  # 20 days with a peak
    ],
)
def test_the_peak_is_that_of_the_calendar(first: date, days: int, expected: str) -> None:
    """deepseek-v4-pro, one call an hour."""
    assert _cost(HOURLY, "deepseek-v4-pro", Period(first=first, days=days)) == Fraction(expected)


def test_a_tariff_that_changes_inside_the_period_splits_it() -> None:
    """deepseek-v4-flash on 2026-09-10: other prices from 04:00 UTC on, at the same hours."""
    expected = Fraction("0.00055") + 3 * Fraction("0.0011") + 2 * Fraction("0.00045")
    expected += 4 * Fraction("0.0009") + 14 * Fraction("0.00045")

    assert _cost(HOURLY, "deepseek-v4-flash", Period(first=date(2026, 9, 10), days=1)) == expected


@pytest.mark.parametrize(("day", "peak"), [(date(2026, 11, 23), 2), (date(2026, 8, 24), 3)])
def test_hours_of_a_zone_follow_its_clock(day: date, peak: int) -> None:
    """9-17 in Berlin meets the peak until 10:00 UTC for two hours in winter and three in summer."""
    period = Period(first=day, days=1, zone=zone_named("Europe/Berlin"), hours=read_hours("9-17"))
    workload = read_workload("8 calls/day, 1000 in, 500 out")

    assert _cost(workload, "deepseek-v4-pro", period) == (8 + peak) * Fraction("0.00165")


def test_days_without_calls_have_none() -> None:
    """Of a week, Monday to Friday."""
    week = Period(first=date(2026, 11, 2), days=7, weekdays=frozenset(range(5)))

    assert _cost(HOURLY, "deepseek-v4-pro", week) == 5 * 31 * Fraction("0.00165")


def test_calls_that_can_wait_leave_the_peak() -> None:
    """Half of them: 3.5 of the peak's 7 calls become cheap, and the share off-peak says so."""
    monday = Period(first=date(2026, 11, 23), days=1)
    found = forecast(HOURLY, _model("deepseek-v4-pro"), monday, shift=Fraction(1, 2))

    assert found.cost == Fraction("27.5") * Fraction("0.00165")
    assert found.off_peak == Fraction("20.5") / 24


def test_a_stated_off_peak_share_takes_the_clock_s_place() -> None:
    """A quarter off-peak: three quarters at the dear price, on a Saturday too."""
    workload = read_workload("24 calls/day, 1000 in, 500 out, 25% off-peak")

    assert _cost(workload, "deepseek-v4-pro", Period(first=date(2026, 11, 21), days=1)) == 42 * Fraction("0.00165")


@pytest.mark.parametrize(
    ("tokens", "ratio", "expected"),
    [(272_000, "1", "1.36"), (272_001, "1", "2.72001"), (200_000, "1.5", "3"), (181_334, "1.5", "2.72001")],
)
def test_the_band_is_that_of_the_converted_input(tokens: int, ratio: str, expected: str) -> None:
    """gpt-5.5 costs twice as much above 272,000 tokens of its own."""
    workload = Workload(calls_per_day=1, input_tokens=tokens, output_tokens=0)

    assert _cost(workload, "gpt-5.5", Period(first=A_DAY, days=1), ratio=ratio) == Fraction(expected)


@pytest.mark.parametrize(
    ("name", "line", "first", "reason"),
    [
        ("gpt-5.5-pro", "1 calls/day, 10 in, 1 out, 10% cached", A_DAY, Unknown.CLASS),
        ("gpt-5.5@fast", "1 calls/day, 10 in, 1 out", A_DAY, Unknown.KEY),
        ("gpt-5.5", "1 calls/day, 10 in, 1 out", date(2026, 5, 1), Unknown.TIME),
        ("deepseek-v4-pro", "1 calls/day, 10 in, 1 out", date(2026, 12, 20), Unknown.CALENDAR),
    ],
)
def test_what_is_not_known_is_not_free(name: str, line: str, first: date, reason: Unknown) -> None:
    """Also where it is a part of the period only."""
    found = forecast(read_workload(line), _model(name), Period(first=first, days=30)).cost

    assert isinstance(found, UnknownPrice)
    assert found.reason is reason


CANDIDATES = st.sampled_from(
    (
        "deepseek-v4-pro",
        "deepseek-v4-flash",
        "alibaba/deepseek-v4-flash-0731",
        "gpt-5.5@flex@eu",
        "claude-opus-4-7@batch",
    )
)
PERIODS = st.builds(
    Period,
    first=st.dates(date(2026, 8, 20), date(2026, 11, 1)),
    days=st.integers(2, 50),
    zone=st.sampled_from(("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York")).map(zone_named),
    hours=st.sampled_from(("9-17", "22-06", "00:00-24:00", "02:30-03:10,16-20")).map(read_hours),
    weekdays=st.sampled_from((frozenset(range(7)), frozenset(range(5)), frozenset({6}))),
)
WORKLOADS = st.builds(
    Workload,
    calls_per_day=st.integers(1, 10**7),
    input_tokens=st.integers(1, 400_000),
    output_tokens=st.integers(0, 10_000),
    cached=st.integers(0, 10).map(lambda tenths: Fraction(tenths, 10)),
    reasoning=st.fractions(0, 1, max_denominator=7),
)


@settings(max_examples=40, deadline=None)
@given(WORKLOADS, CANDIDATES, PERIODS, st.data())
def test_a_period_costs_what_its_parts_cost(workload: Workload, name: str, period: Period, data: st.DataObject) -> None:
    """Wherever it is cut, across clock changes, tariff changes and hours that pass midnight."""
    cut = data.draw(st.integers(1, period.days - 1))
    given_ = {"zone": period.zone, "hours": period.hours, "weekdays": period.weekdays}
    parts = (
        Period(first=period.first, days=cut, **given_),
        Period(first=period.first + timedelta(days=cut), days=period.days - cut, **given_),
    )

    whole = forecast(workload, _model(name), period)
    assert whole.cost == sum(_cost(workload, name, part) for part in parts)
    assert sum(share for _, share in whole.clock) == (1 if period.active_days() else 0)


@settings(max_examples=40, deadline=None)
@given(WORKLOADS, CANDIDATES, PERIODS, st.fractions(0, 1, max_denominator=20))
def test_moving_calls_never_costs_more(workload: Workload, name: str, period: Period, shift: Fraction) -> None:
    """Nothing moved costs what the clock says, and all moved is the least."""
    still, some, all_ = (_cost(workload, name, period, shift=str(each)) for each in (Fraction(0), shift, Fraction(1)))

    assert still == forecast(workload, _model(name), period).cost
    assert all_ <= some <= still
    assert some == still - (still - all_) * shift


@settings(max_examples=40, deadline=None)
@given(WORKLOADS, CANDIDATES, st.fractions(1, 3, max_denominator=50))
def test_more_tokens_never_cost_less(workload: Workload, name: str, ratio: Fraction) -> None:
    """Higher bands cost more; and a ratio of 1 changes nothing."""
    day = Period(first=date(2026, 11, 23), days=1)

    assert _cost(workload, name, day, ratio=str(ratio)) >= _cost(workload, name, day)


@given(st.integers(1, 500_000), st.integers(0, 50_000), st.integers(0, 100), st.integers(0, 100), CANDIDATES)
def test_a_call_of_whole_tokens_costs_what_the_gateway_charges(
    tokens: int, output: int, cached: int, reasoning: int, name: str
) -> None:
    """The sum over fractions is the one of `tariff.price`."""
    model, at = _model(name), Period(first=date(2026, 11, 23), days=1).reach().start
    usage = BillableTokens(
        input=Tokens(tokens),
        cached=Tokens(tokens * cached // 100),
        output=Tokens(output),
        reasoning=Tokens(output * reasoning // 100),
    )
    workload = Workload(
        calls_per_day=1,
        input_tokens=tokens,
        output_tokens=output,
        cached=Fraction(usage.cached.count, tokens),
        reasoning=Fraction(usage.reasoning.count, output) if output else Fraction(0),
    )
    charged = price(BOOK, usage, model.key, at)

    assert isinstance(charged, Cost)
    assert call_cost(charged.row, workload) == Fraction(charged.total.usd)


@settings(max_examples=60, deadline=None)
@given(CANDIDATES, PERIODS, st.integers(0, 10**9))
def test_a_timeline_says_what_the_price_book_says(name: str, period: Period, seconds: int) -> None:
    """At any second of it."""
    model, span = _model(name), period.reach()
    at = span.start + timedelta(seconds=seconds % int((span.end - span.start).total_seconds()))
    stretch = Timeline.of(BOOK, model.key, span).at(at)

    assert stretch.rows == BOOK.in_force(model.key, at)
    assert stretch.span.start <= at < stretch.span.end


def test_a_day_with_a_clock_change_has_as_many_calls() -> None:
    """25 hours in Berlin, and the skipped hour of spring."""
    berlin = zone_named("Europe/Berlin")
    for day, hours in ((date(2026, 10, 25), "0-24"), (date(2026, 3, 29), "2-3")):
        period = Period(first=day, days=1, zone=berlin, hours=read_hours(hours.replace("0-24", "00:00-24:00")))
        assert forecast(HOURLY, read_price("x=1/1", day), period).cost == 24 * Fraction(1500, 10**6)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gpt-5.6", "There are: gpt-5.6-sol"),
        ("gpt5.5", "Did you mean 'gpt-5.5'"),
        ("openai/gpt-oss-120b", "Several sell"),
        ("gpt-5.5@Fast!", "is no tier"),
    ],
)
def test_an_unknown_model_gets_near_names(text: str, told: str) -> None:
    """Or the sellers to choose from."""
    with pytest.raises(ValueError) as error:
        read_candidate(text, BOOK, Service())

    assert told in str(error.value)


@pytest.mark.parametrize(
    "text", ["x", "x=", "x=1", "x=1/2/3/4", "x=a/b", "x=0.000001/2", "x=5000/2", "x=1/2/3", "=1/2"]
)
def test_prices_that_are_none_are_refused(text: str) -> None:
    """A price of one token is no price of a million, and a cached token is not dearer."""
    with pytest.raises(ValueError):
        read_price(text, A_DAY)
