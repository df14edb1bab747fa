"""What is set aside before a call is never less than what it costs after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.catalogue.highest import bounds, ceiling, prompt_cost, with_margin
from turnout.catalogue.prices import load_prices
from turnout.catalogue.tariff import Cost, PriceKey, Tier, Unknown, UnknownPrice, price
from turnout.catalogue.usage_classes import BillableTokens, billable
from turnout.core.money import Money

BOOK = load_prices()
KEYS = sorted({(name, row.key) for (_, name), rows in BOOK.rows.items() for row in rows}, key=str)
START = datetime(2026, 9, 1, tzinfo=UTC)
AT = datetime(2026, 11, 23, 2, tzinfo=UTC)


@st.composite
def _usages(draw: st.DrawFn) -> tuple[int, int, BillableTokens]:
    """Our own count of the prompt, the most output, and what the provider may report of it."""
    ours, most = draw(st.integers(0, 400_000)), draw(st.integers(0, 100_000))
    given = draw(st.integers(0, with_margin(ours)))
    cached = draw(st.integers(0, given))
    written = draw(st.integers(0, given - cached))
    hour = draw(st.integers(0, written))
    output = draw(st.integers(0, most))
    usage = billable(
        input_tokens=given,
        cached_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=hour,
        output_tokens=output,
        reasoning_tokens=draw(st.integers(0, output)),
    )
    return ours, most, usage


@given(st.sampled_from(KEYS), _usages(), st.integers(0, 90 * 86_400))
def test_a_ceiling_is_never_below_the_cost(
    key: tuple[str, PriceKey], each: tuple[int, int, BillableTokens], seconds: int
) -> None:
    """For every shipped row, every usage in its bounds, every instant of three months."""
    at, (ours, most, usage) = START + timedelta(seconds=seconds), each
    wanted = PriceKey(model=key[0], channel=key[1].channel, region=key[1].region, tier=key[1].tier)
    bound = ceiling(BOOK, wanted, at, input_tokens=ours, max_output=most)
    cost = price(BOOK, usage, wanted, at)

    if isinstance(cost, Cost) and isinstance(bound, Money):
        assert cost.total <= bound
        sunk = prompt_cost(BOOK, wanted, at, ours)
        assert isinstance(sunk, Money) and sunk <= bound


@given(
    st.sampled_from(KEYS), st.integers(0, 400_000), st.integers(0, 100_000), st.integers(0, 90 * 86_400), st.booleans()
)
def test_whole_numbers_bound_as_decimals_do(
    key: tuple[str, PriceKey], ours: int, most: int, seconds: int, writes: bool
) -> None:
    """For every shipped row: the same nanodollars, or the same reason why not."""
    at = START + timedelta(seconds=seconds)
    wanted = PriceKey(model=key[0], channel=key[1].channel, region=key[1].region, tier=key[1].tier)
    whole = bounds(BOOK, wanted, at, input_tokens=ours, max_output=most, writes_cache=writes)
    exact = (
        ceiling(BOOK, wanted, at, input_tokens=ours, max_output=most, writes_cache=writes),
        prompt_cost(BOOK, wanted, at, ours),
    )

    assert tuple(whole) == tuple(each.nanodollars() if isinstance(each, Money) else each for each in exact)


def _usd(key: PriceKey, input_tokens: int, max_output: int, *, writes_cache: bool = True) -> str:
    bound = ceiling(BOOK, key, AT, input_tokens=input_tokens, max_output=max_output, writes_cache=writes_cache)
    assert isinstance(bound, Money), bound
    return str(bound)


def test_every_input_token_may_be_a_write_for_an_hour() -> None:
    """1.2 times 1000 at 10, and 100 at 25; without writes at 5."""
    key = PriceKey(model="claude-opus-4-7", channel="anthropic")

    assert _usd(key, 1000, 100) == "$0.0145"
    assert _usd(key, 1000, 100, writes_cache=False) == "$0.0085"
    assert prompt_cost(BOOK, key, AT, 1000) == Money.of("0.005")


def test_the_band_that_the_provider_s_count_may_reach_is_taken() -> None:
    """Ours is 230,000 and below the step of 272,000; a fifth more is above it. 226,666 can't reach it."""
    key = PriceKey(model="gpt-5.5", channel="openai")

    assert _usd(key, 230_000, 1000) == "$2.805"
    assert _usd(key, 226_666, 1000) == "$1.39"


def test_the_hours_and_the_service_decide() -> None:
    """DeepSeek's peak, and OpenAI's priority."""
    assert _usd(PriceKey(model="deepseek-v4-pro", channel="deepseek"), 1000, 1000) == "$0.005544"
    assert _usd(PriceKey(model="gpt-5.5", channel="openai", tier=Tier.PRIORITY), 1000, 1000) == "$0.09"


def test_an_embedding_has_no_output() -> None:
    """And where there may be some, its price must be known."""
    key = PriceKey(model="text-embedding-3-small", channel="openai")
    unknown = ceiling(BOOK, key, AT, input_tokens=10, max_output=1)

    assert _usd(key, 1000, 0) == "$0.000024"
    assert isinstance(unknown, UnknownPrice) and unknown.reason is Unknown.CLASS


@pytest.mark.parametrize(
    ("model", "tokens", "reason"),
    [("gpt-9", 1, Unknown.MODEL), ("claude-sonnet-4-5", 200_001, Unknown.SIZE)],
)
def test_what_is_not_known_has_no_ceiling(model: str, tokens: int, reason: Unknown) -> None:
    """Neither has its prompt a cost."""
    key = PriceKey(model=model, channel="anthropic")
    found = ceiling(BOOK, key, AT, input_tokens=tokens, max_output=1), prompt_cost(BOOK, key, AT, tokens)

    assert [each.reason for each in found if isinstance(each, UnknownPrice)] == [reason, reason]
