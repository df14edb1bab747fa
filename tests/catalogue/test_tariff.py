"""The tariff engine on the shipped prices: the instants, sizes and services at which other tools are wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.catalogue.prices import load_prices
from turnout.catalogue.tariff import Cost, PriceKey, Tier, Unknown, UnknownPrice, price
from turnout.catalogue.usage_classes import BillableTokens, TokenClass, UsageFlag, billable
from turnout.core.money import Money, Tokens, total

BOOK = load_prices()
PRO = PriceKey(model="deepseek-v4-pro", channel="deepseek")
FLASH = PriceKey(model="deepseek-v4-flash", channel="deepseek")
ALIBABA = PriceKey(model="deepseek-v4-flash-0731", channel="alibaba")
GPT = PriceKey(model="gpt-5.5", channel="openai")
GEMINI = PriceKey(model="gemini-3.1-pro-preview", channel="google")
GROK = PriceKey(model="grok-4.6", channel="xai")
OPUS = PriceKey(model="claude-opus-4-7", channel="anthropic")
NOW = "2026-11-22T12:00:00Z"
PEAK, OFF_PEAK = ("1.32", "0.044", "3.96"), ("0.66", "0.022", "1.98")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _prices(key: PriceKey, at: str, input_tokens: int = 1000) -> tuple[str, ...]:
    """Input, cached and output of the row in force."""
    rows = BOOK.in_force(key, _at(at))
    assert not isinstance(rows, UnknownPrice), rows
    row = next(row for row in rows if row.fits(input_tokens))
    return tuple(
        str(row.prices[kind].usd.normalize()) for kind in (TokenClass.INPUT, TokenClass.CACHED, TokenClass.OUTPUT)
    )


def _cost(key: PriceKey, usage: BillableTokens, at: str = NOW) -> Cost:
    cost = price(BOOK, usage, key, _at(at))
    assert isinstance(cost, Cost), cost
    return cost


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param("2026-09-14T02:00:00Z", PEAK, id="monday"),
        pytest.param("2026-09-12T02:00:00Z", OFF_PEAK, id="saturday"),
        pytest.param("2026-09-13T08:00:00Z", OFF_PEAK, id="sunday"),
        pytest.param("2026-10-10T02:00:00Z", OFF_PEAK, id="saturday that china works"),
        pytest.param("2026-10-01T02:00:00Z", OFF_PEAK, id="national day, a thursday"),
        pytest.param("2026-09-30T09:59:59Z", PEAK, id="the last peak second before the holidays"),
        pytest.param("2026-10-07T09:59:59Z", OFF_PEAK, id="the last holiday"),
        pytest.param("2026-10-08T00:59:59Z", OFF_PEAK, id="after the holidays, before the hours"),
        pytest.param("2026-10-08T01:00:00Z", PEAK, id="the first peak second after the holidays"),
        pytest.param("2026-09-14T00:59:59.999999Z", OFF_PEAK, id="before 01"),
        pytest.param("2026-09-14T01:00:00Z", PEAK, id="01"),
        pytest.param("2026-09-14T03:59:59.999999Z", PEAK, id="before 04"),
        pytest.param("2026-09-14T04:00:00Z", OFF_PEAK, id="04"),
        pytest.param("2026-09-14T05:59:59Z", OFF_PEAK, id="before 06"),
        pytest.param("2026-09-14T06:00:00Z", PEAK, id="06"),
        pytest.param("2026-09-14T09:59:59Z", PEAK, id="before 10"),
        pytest.param("2026-09-14T10:00:00Z", OFF_PEAK, id="10"),
        pytest.param("2026-09-14T00:00:00Z", OFF_PEAK, id="midnight"),
        pytest.param("2026-09-14T10:00:00+08:00", PEAK, id="told in another zone"),
        pytest.param("2026-07-01T02:00:00Z", ("0.435", "0.003625", "0.87"), id="before there was a peak"),
        pytest.param("2026-08-16T15:59:59Z", ("0.435", "0.003625", "0.87"), id="the last second of one price"),
        pytest.param("2026-08-16T16:00:00Z", OFF_PEAK, id="the first of the peak tariff"),
        pytest.param("2027-01-04T04:00:00Z", OFF_PEAK, id="off-peak by the clock, beyond the calendar"),
    ],
)
def test_deepseek_has_the_price_of_the_instant(at: str, expected: tuple[str, ...]) -> None:
    """Date, weekday, hours and holidays decide together."""
    assert _prices(PRO, at) == expected


def test_a_name_that_was_pointed_at_another_model_has_two_rows() -> None:
    """A minute before and after: other ids, another model served."""
    before, after = BOOK.in_force(FLASH, _at("2026-09-10T03:59:00Z")), BOOK.in_force(FLASH, _at("2026-09-10T04:00:00Z"))
    assert not isinstance(before, UnknownPrice)
    assert not isinstance(after, UnknownPrice)

    assert [row.serves for row in before + after] == ["deepseek-v4-flash", "deepseek-v4.1-flash"]
    assert before[0].id != after[0].id


@pytest.mark.parametrize(
    ("at", "input_price"),
    [
        ("2026-09-14T13:59:59Z", "0.44"),
        ("2026-09-14T14:00:00Z", "0.22"),
        ("2026-09-14T23:59:59Z", "0.22"),
        ("2026-09-15T00:00:00Z", "0.44"),
        ("2026-10-01T02:00:00Z", "0.44"),
    ],
)
def test_another_seller_has_another_clock(at: str, input_price: str) -> None:
    """Alibaba's busy hours are 8 to 22 in Beijing, every day, holidays too."""
    assert _prices(ALIBABA, at)[0] == input_price


@pytest.mark.parametrize(
    ("at", "input_price"),
    [
        ("2025-03-03T16:29:59Z", "0.27"),
        ("2025-03-03T16:30:00Z", "0.135"),
        ("2025-03-04T00:29:59Z", "0.135"),
        ("2025-03-04T00:30:00Z", "0.27"),
    ],
)
def test_the_discount_of_2025_passes_midnight(at: str, input_price: str) -> None:
    """16:30 to 00:30, as traffic of that time was billed."""
    assert _prices(PriceKey(model="deepseek-chat", channel="deepseek"), at)[0] == input_price


@pytest.mark.parametrize(
    ("key", "size", "expected"),
    [
        (GPT, 272_000, ("5", "0.5", "3E+1")),
        (GPT, 272_001, ("1E+1", "1", "45")),
        (GPT, 0, ("5", "0.5", "3E+1")),
        (GEMINI, 200_000, ("2", "0.2", "12")),
        (GEMINI, 200_001, ("4", "0.4", "18")),
        (GROK, 199_999, ("2", "0.5", "6")),
        (GROK, 200_000, ("4", "1", "12")),
        (PriceKey(model="gpt-5.5", channel="openai", tier=Tier.FLEX), 1, ("2.5", "0.25", "15")),
        (PriceKey(model="gpt-5.5", channel="openai", tier=Tier.BATCH), 272_001, ("5", "0.5", "22.5")),
        (PriceKey(model="gpt-5.5", channel="openai", tier=Tier.PRIORITY), 1, ("12.5", "1.25", "75")),
        (PriceKey(model="gpt-5.5", channel="openai", region="eu"), 1, ("5.5", "0.55", "33")),
        (PriceKey(model="gemini-3.1-pro-preview", channel="google", tier=Tier.BATCH), 1, ("1", "0.2", "6")),
        (PriceKey(model="claude-opus-4-7", channel="anthropic", region="us"), 1, ("5.5", "0.55", "27.5")),
    ],
)
def test_size_service_and_region_choose_the_row(key: PriceKey, size: int, expected: tuple[str, ...]) -> None:
    """By the whole input, cached tokens included."""
    assert _prices(key, NOW, size) == expected


def test_fast_mode_is_priced_while_it_was_offered() -> None:
    """Six times the standard price until August, and nothing after."""
    fast = PriceKey(model="claude-opus-4-7", channel="anthropic", tier=Tier.FAST)

    assert _prices(fast, "2026-07-01T00:00:00Z") == ("3E+1", "3", "1.5E+2")
    refused = price(BOOK, billable(input_tokens=1, output_tokens=1), fast, _at(NOW))
    assert isinstance(refused, UnknownPrice)
    assert refused.reason is Unknown.TIME


def test_writes_for_five_minutes_and_for_an_hour_have_their_own_prices() -> None:
    """In one answer, each on its own count."""
    usage = billable(input_tokens=600, cache_write_tokens=300, cache_write_1h_tokens=100, output_tokens=0)
    parts = {part.kind: part for part in _cost(OPUS, usage).parts}

    assert parts[TokenClass.CACHE_WRITE].cost == Money.of("0.00125")
    assert parts[TokenClass.CACHE_WRITE_1H].cost == Money.of("0.001")
    assert parts[TokenClass.INPUT].tokens == Tokens(300)


@pytest.mark.parametrize(
    ("key", "usage", "at", "reason"),
    [
        (PriceKey(model="gpt-9", channel="openai"), billable(input_tokens=1, output_tokens=1), NOW, Unknown.MODEL),
        (PriceKey(model="gpt-5.5", channel="azure"), billable(input_tokens=1, output_tokens=1), NOW, Unknown.MODEL),
        (
            PriceKey(model="gpt-5.5", channel="openai", region="mars"),
            billable(input_tokens=1, output_tokens=1),
            NOW,
            Unknown.KEY,
        ),
        (GPT, billable(input_tokens=1, output_tokens=1), "2020-01-01T00:00:00Z", Unknown.TIME),
        (
            PriceKey(model="gpt-5.5", channel="openai", tier=Tier.PRIORITY),
            billable(input_tokens=300_000, output_tokens=1),
            NOW,
            Unknown.SIZE,
        ),
        (GPT, billable(input_tokens=9, cache_write_tokens=3, output_tokens=1), NOW, Unknown.CLASS),
        (PRO, billable(input_tokens=1, output_tokens=1), "2027-01-04T02:00:00Z", Unknown.CALENDAR),
        (PRO, billable(input_tokens=1, output_tokens=1), "2027-01-01T01:00:00Z", Unknown.CALENDAR),
        (GPT, billable(input_tokens=None, output_tokens=1), NOW, Unknown.USAGE),
        (GPT, billable(input_tokens=10**18, output_tokens=1), NOW, Unknown.USAGE),
        (GPT, billable(input_tokens=5, output_tokens=-1), NOW, Unknown.USAGE),
    ],
)
def test_what_is_not_known_is_never_nothing(key: PriceKey, usage: BillableTokens, at: str, reason: Unknown) -> None:
    """The cost is unknown, with the reason."""
    found = price(BOOK, usage, key, _at(at))

    assert isinstance(found, UnknownPrice)
    assert found.reason is reason


_SMALL = st.integers(0, 1000)
_USAGES = st.builds(
    lambda fresh, cached, short, hour, out, thought: billable(
        input_tokens=fresh + cached + short + hour,
        cached_tokens=cached,
        cache_write_tokens=short + hour,
        cache_write_1h_tokens=hour,
        output_tokens=out + thought,
        reasoning_tokens=thought,
    ),
    *[_SMALL] * 6,
)


@given(one=_USAGES, other=_USAGES)
def test_two_usages_cost_what_their_sum_costs(one: BillableTokens, other: BillableTokens) -> None:
    """In the same band, to the last digit; and the parts make the total."""
    costs = [_cost(OPUS, usage) for usage in (one, other, one + other)]

    assert costs[0].total + costs[1].total == costs[2].total
    for cost in costs:
        assert total(part.cost for part in cost.parts) + cost.fee == cost.total


@given(usage=_USAGES)
def test_every_token_is_billed_once(usage: BillableTokens) -> None:
    """The classes add up to input and output."""
    billed = sum(part.tokens.count for part in _cost(OPUS, usage).parts)

    assert billed == usage.input.count + usage.output.count


@given(seconds=st.integers(0, 90 * 86_400))
def test_every_second_has_exactly_one_price(seconds: int) -> None:
    """No gap and no overlap through September, the holidays and the end of summer time."""
    at = datetime(2026, 9, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    for key in (PRO, FLASH, ALIBABA, GPT):
        rows = BOOK.in_force(key, at)
        assert not isinstance(rows, UnknownPrice)
        assert len([row for row in rows if row.fits(1000)]) == 1


@pytest.mark.parametrize(
    ("at", "change"),
    [
        ("2026-09-14T02:30:30Z", "2026-09-14T04:00:00Z"),
        ("2026-09-11T10:00:00Z", "2026-09-14T01:00:00Z"),
        ("2026-09-30T10:00:00Z", "2026-10-08T01:00:00Z"),
        ("2026-07-01T00:00:00Z", "2026-08-16T16:00:00Z"),
    ],
)
def test_the_next_change_is_told(at: str, change: str) -> None:
    """Over weekends, holidays and dates."""
    assert BOOK.next_change(PRO, _at(at)) == _at(change)


def test_counts_that_contradict_each_other_are_raised_and_flagged() -> None:
    """Each reported token is billed once."""
    usage = billable(
        input_tokens=3,
        cached_tokens=10,
        cache_write_tokens=1,
        cache_write_1h_tokens=5,
        output_tokens=2,
        reasoning_tokens=7,
    )

    assert (usage.input, usage.cache_write, usage.output) == (Tokens(15), Tokens(5), Tokens(7))
    assert usage.flags == {
        UsageFlag.PARTS_EXCEED_INPUT,
        UsageFlag.PARTS_EXCEED_WRITES,
        UsageFlag.REASONING_EXCEEDS_OUTPUT,
    }
    assert _cost(OPUS, usage).flags == usage.flags


@pytest.mark.parametrize(
    "parts", [{"cached": Tokens(6)}, {"cache_write_1h": Tokens(1)}, {"reasoning": Tokens(2)}, {"requests": -1}]
)
def test_counts_made_by_a_program_must_agree(parts: dict[str, Tokens]) -> None:
    """Nothing is repaired in silence there."""
    with pytest.raises(ValueError):
        BillableTokens(input=Tokens(5), output=Tokens(1), **parts)
