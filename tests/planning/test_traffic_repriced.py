"""The recorded traffic at other prices, from a real ledger file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning.recorded_traffic import BOOK, MONDAY, call, ended_late, given_up, stored
from turnout.catalogue.tariff import Cost, PriceKey, Tier, UnknownPrice, price
from turnout.catalogue.usage_classes import billable
from turnout.ledger.datadir import DATABASE
from turnout.ledger.queries import reading
from turnout.planning.as_recorded import Comparison, Rows
from turnout.planning.candidate import Service, read_candidate, read_price
from turnout.planning.period import Span
from turnout.planning.quote import Cache, Move, Quote
from turnout.planning.recorded_calls import Dimension, recorded_calls
from turnout.planning.timeline import Timeline
from turnout.planning.traffic import Question, RatioFrom, Repriced, Repricer, Standing, Target, unconverted
from turnout.planning.whatif import Ratio

WEEK = Span(MONDAY, MONDAY + timedelta(days=7))
FLASH = "deepseek/deepseek-v4-flash"


def _to(name: str) -> Target:
    return Target(label=name, candidate=read_candidate(name, BOOK, Service()))


def _repriced(
    directory: Path,
    *targets: Target,
    by: Dimension = "route",
    cache: Cache | Fraction | None = None,
    reasoning: bool = True,
    ratio: RatioFrom = unconverted,
) -> Repriced:
    repricer = Repricer(
        Question(targets=targets, book=BOOK, span=WEEK, by=by, cache=cache, reasoning=reasoning, ratio=ratio)
    )
    with reading(directory / DATABASE) as connection:
        for chunk in recorded_calls(connection, *_ms(), by, chunk=2):
            repricer.add(chunk)
    return repricer.finish()


def _ms() -> tuple[int, int]:
    start, end = (int(each.timestamp() * 1000) for each in WEEK)
    return start, end


def _nano(found: Repriced, label: str, group: str | None = None, standing: Standing = "measured") -> int:
    return (found.total if group is None else found.groups[group])[label, standing].nano


def test_each_call_has_the_tariff_of_its_own_instant(tmp_path: Path) -> None:
    """deepseek-v4-flash is 0.0009 in the peak and 0.00045 outside, to the millisecond."""
    hour, tick = timedelta(hours=1), timedelta(milliseconds=1)
    instants = (
        MONDAY + hour - tick,
        MONDAY + hour,
        MONDAY + 4 * hour - tick,
        MONDAY + 4 * hour,
        MONDAY + 5 * 24 * hour + hour,
    )
    directory = stored(tmp_path / "data", [call(number, at) for number, at in enumerate(instants)])
    found = _repriced(directory, _to(FLASH))

    assert _nano(found, FLASH) == 3 * 450_000 + 2 * 900_000
    assert found.total[FLASH, "measured"].cheap_nano == 5 * 450_000
    assert found.total[FLASH, "measured"].shifted(Fraction(1, 2)) == 3 * 450_000 + 2 * 675_000
    assert found.total[FLASH, "measured"].recorded_nano == 5 * 20_000_000


@pytest.mark.parametrize(
    ("cache", "expected"),
    [
        (None, 450_000),  # another seller: lost
        (Cache.KEEP, 450_000 - 600 * 147),  # 600 of 1,000 at 3 instead of 150 nanodollars
        (Cache.LOST, 450_000),
        (Fraction(1, 3), 450_000 - 333 * 147),
    ],
)
def test_a_cache_is_kept_lost_or_stated(tmp_path: Path, cache: Cache | Fraction | None, expected: int) -> None:
    """A share is rounded down to whole tokens."""
    directory = stored(tmp_path / "data", [call(1, MONDAY, tokens=(1000, 600, 500))])

    assert _nano(_repriced(directory, _to(FLASH), cache=cache), FLASH) == expected


def test_a_cache_is_kept_by_default_at_the_same_seller(tmp_path: Path) -> None:
    """gpt-6-luna: 400 x 100 + 600 x 10 + 500 x 500 nanodollars."""
    directory = stored(tmp_path / "data", [call(1, MONDAY, tokens=(1000, 600, 500))])

    assert _nano(_repriced(directory, _to("gpt-6-luna")), "gpt-6-luna") == 296_000


def test_writes_without_a_price_are_paid_as_input(tmp_path: Path) -> None:
    """Anthropic's two kinds of writes at DeepSeek, with the cache kept."""
    bought = call(1, MONDAY, "anthropic/claude-opus-4-7", tokens=(1000, 100, 0), writes=(600, 200))
    directory = stored(tmp_path / "data", [bought])

    assert _nano(_repriced(directory, _to(FLASH), cache=Cache.KEEP), FLASH) == 900 * 150 + 100 * 3


def test_reasoning_can_be_left_out(tmp_path: Path) -> None:
    """Of 500 output tokens, 200."""
    directory = stored(tmp_path / "data", [call(1, MONDAY, reasoning=200)])

    assert _nano(_repriced(directory, _to(FLASH), reasoning=False), FLASH) == 1000 * 150 + 300 * 600


def test_tokens_are_converted_by_model_and_content(tmp_path: Path) -> None:
    """Code by half more, prose by none; counts are rounded to whole tokens for each call."""

    def ratio(model: str, key: PriceKey, content: str) -> Ratio:
        assert (model, key.model) == ("gpt-5.5", "deepseek-v4-flash")
        return Ratio(Fraction(3, 2) if content == "code" else Fraction(1), "test")

    calls = [call(1, MONDAY, tokens=(1001, 0, 0)), call(2, MONDAY, tokens=(1001, 0, 0), content="code")]
    found = _repriced(stored(tmp_path / "data", calls), _to(FLASH), ratio=ratio)

    assert _nano(found, FLASH) == (1001 + 1502) * 150
    assert {(each.content, each.ratio.factor) for each in found.assumed} == {("prose", 1), ("code", Fraction(3, 2))}


def test_what_is_estimated_or_unpriced_stands_apart(tmp_path: Path) -> None:
    """In the total and in its line; a call without tokens is in no target's sum."""
    calls = [
        call(1, MONDAY),
        call(2, MONDAY, estimated=True),
        call(3, MONDAY, "nobody/unknown"),
        given_up(4, MONDAY, 5_000_000),
        call(5, MONDAY, route="other"),
    ]
    found = _repriced(stored(tmp_path / "data", calls), _to(FLASH))
    unpriced = found.total[FLASH, "unpriced"]

    assert found.total[FLASH, "measured"].calls == 2
    assert (found.total[FLASH, "estimated"].calls, found.total[FLASH, "estimated"].recorded_nano) == (1, 20_000_000)
    assert (unpriced.calls, unpriced.recorded_nano, unpriced.nano) == (1, 0, 450_000)
    assert (unpriced.unknown, unpriced.unknown_nano) == (1, 5_000_000)
    assert set(found.groups["other"]) == {(FLASH, "measured")}


def test_a_call_that_was_given_up_and_answered_is_one_call(tmp_path: Path) -> None:
    """Its two postings together are what it cost."""
    lost = given_up(1, MONDAY, 5_000_000)
    found = _repriced(stored(tmp_path / "data", [lost, ended_late(lost)]), _to(FLASH))
    every = found.total[FLASH, "measured"]

    assert (every.calls, every.recorded_nano, every.nano) == (1, 20_000_000, 450_000)


def test_a_call_with_two_tags_is_in_both_lines_and_once_in_the_total(tmp_path: Path) -> None:
    """And a call without one has a line too."""
    calls = [call(1, MONDAY, tags=("a", "b")), call(2, MONDAY, tags=("a",)), call(3, MONDAY)]
    found = _repriced(stored(tmp_path / "data", calls), _to(FLASH), by="tag")

    assert {name: sums[FLASH, "measured"].calls for name, sums in found.groups.items()} == {"a": 2, "b": 1, "(none)": 1}
    assert found.total[FLASH, "measured"].calls == 3


def test_days_are_dates(tmp_path: Path) -> None:
    """Of UTC."""
    calls = [call(1, MONDAY), call(2, MONDAY + timedelta(hours=23, minutes=59)), call(3, MONDAY + timedelta(days=1))]
    found = _repriced(stored(tmp_path / "data", calls), _to(FLASH), by="day")

    assert {name: sums[FLASH, "measured"].calls for name, sums in found.groups.items()} == {
        "2026-11-16": 2,
        "2026-11-17": 1,
    }


def test_the_same_models_at_another_service(tmp_path: Path) -> None:
    """Flex is half at OpenAI; deepseek has none, and says so."""
    calls = [call(1, MONDAY), call(2, MONDAY, "deepseek/deepseek-v4-pro")]
    target = Target(label="same@flex", service=Service(tier=Tier.FLEX))
    every = _repriced(stored(tmp_path / "data", calls), target).total["same@flex", "measured"]

    assert (every.calls, every.nano, every.unknown) == (1, 10_000_000, 1)
    assert "No price of deepseek/deepseek-v4-pro (global, flex)" in next(iter(every.reasons))


MIXED = [
    call(1, MONDAY + timedelta(hours=2), "deepseek/deepseek-v4-pro", tokens=(12_345, 678, 91), reasoning=17),
    call(2, MONDAY + timedelta(hours=5), "deepseek/deepseek-v4-pro", tokens=(12_345, 677, 91)),
    call(3, MONDAY, tokens=(272_000, 1, 3)),
    call(4, MONDAY, tokens=(272_001, 1, 3), tier="flex"),
    call(5, MONDAY, "anthropic/claude-opus-4-7", tokens=(5_000, 1_000, 77), writes=(3_001, 1_001)),
    call(6, MONDAY, "xai/grok-4.6", tokens=(200_001, 0, 1)),
    call(7, MONDAY, "nobody/unknown"),
]


def test_history_at_its_own_rows_costs_what_was_recorded(tmp_path: Path) -> None:
    """To the nanodollar, by the comparison and by re-pricing on the same models."""
    directory = stored(tmp_path / "data", MIXED)
    comparison = Comparison(BOOK, WEEK)
    with reading(directory / DATABASE) as connection:
        for chunk in recorded_calls(connection, *_ms(), "route"):
            comparison.add(chunk)
    every = _repriced(directory, Target(label="same")).total["same", "measured"]
    recorded = sum(each.cost_nano or 0 for each in MIXED)

    assert not comparison.verdict.differences
    assert (comparison.verdict.agreeing, comparison.verdict.unpriced) == (6, 1)
    assert comparison.verdict.agreeing_nano == every.nano == every.recorded_nano == recorded


def test_a_difference_is_named_by_its_rows(tmp_path: Path) -> None:
    """A cost of another row, and one that a row does not give."""
    wrong = call(1, MONDAY)
    directory = stored(tmp_path / "data", [replace(wrong, cost_nano=19_999_999, price_row="openai/old")])
    comparison = Comparison(BOOK, WEEK)
    with reading(directory / DATABASE) as connection:
        for chunk in recorded_calls(connection, *_ms(), "route"):
            comparison.add(chunk)
    ((rows, each),) = comparison.verdict.differences.items()

    assert rows == Rows("openai/old", "v1", "openai/gpt-5.5@2026-05-12T22:41Z")
    assert (each.calls, each.recorded_nano, each.now_nano) == (1, 19_999_999, 20_000_000)


@cache
def _line(key: PriceKey) -> Timeline:
    return Timeline.of(BOOK, key, WEEK)


COUNTS = st.tuples(*(st.integers(0, 400_000) for _ in range(2)), *(st.integers(0, 100) for _ in range(4)))
NAMES = st.sampled_from(
    (
        "deepseek-v4-pro",
        "gpt-5.5",
        "gpt-5.5@flex@eu",
        "claude-opus-4-7@batch@us",
        "alibaba/deepseek-v4-flash-0731",
        "grok-4.6",
    )
)


@settings(deadline=None)
@given(NAMES, COUNTS, st.integers(0, 7 * 86_400_000 - 1))
def test_integers_price_as_the_gateway_does(name: str, counts: Sequence[int], offset: int) -> None:
    """Same row, same amount, same rounding, same refusals."""
    whole, output, cached, write, hour, reasoning = counts
    read, written = whole * cached // 200, whole * write // 200
    recorded = (whole, read, written, written * hour // 100, output, output * reasoning // 100)
    key, at = read_candidate(name, BOOK, Service()).key, WEEK.start + timedelta(milliseconds=offset)
    usage = billable(
        input_tokens=recorded[0],
        cached_tokens=recorded[1],
        cache_write_tokens=recorded[2],
        cache_write_1h_tokens=recorded[3],
        output_tokens=recorded[4],
        reasoning_tokens=recorded[5],
    )
    expected = price(BOOK, usage, key, at)
    found = Quote(_line(key), Move(lenient=False)).price(
        int((at - MONDAY) / timedelta(milliseconds=1)) + _ms()[0], recorded
    )

    if isinstance(expected, Cost):
        assert not isinstance(found, UnknownPrice)
        assert (found.nano, found.row) == (expected.total.nanodollars(), expected.row.id)
    else:
        assert isinstance(found, UnknownPrice) and found.reason is expected.reason


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.decimals("0.1", "40", places=6))
def test_a_price_with_many_digits_is_rounded_once(tokens: int, output: int, usd: Decimal) -> None:
    """Half to even, as the ledger's own amounts are."""
    candidate = read_price(f"x={usd}/{usd}", MONDAY.date())
    usage = billable(input_tokens=tokens, output_tokens=output)
    expected = price(candidate.book, usage, candidate.key, MONDAY)
    quote = Quote(Timeline.of(candidate.book, candidate.key, WEEK), Move())
    found = quote.price(_ms()[0], (tokens, 0, 0, 0, output, 0))

    assert isinstance(expected, Cost) and not isinstance(found, UnknownPrice)
    assert found.nano == expected.total.nanodollars()


@given(COUNTS, st.fractions("0.2", 4, max_denominator=1000))
def test_no_conversion_loses_a_token_or_makes_a_part_larger_than_its_whole(
    counts: Sequence[int], ratio: Fraction
) -> None:
    """And a ratio of 1 is no conversion."""
    whole, output, cached, write, hour, reasoning = counts
    read, written = whole * cached // 200, whole * write // 200
    recorded = (whole, read, written, written * hour // 100, output, output * reasoning // 100)
    converted = Move(ratio=ratio).counts(*recorded)

    assert min(converted) >= 0
    assert abs(sum(converted[:4]) - whole * ratio) <= 1
    assert Move(ratio=Fraction(1)).counts(*recorded)[:4] == (
        whole - read - written,
        read,
        written - recorded[3],
        recorded[3],
    )
