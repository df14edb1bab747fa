"""Prices in whole numbers are the tariff's, to the nanodollar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from turnout.catalogue.prices import load_prices
from turnout.catalogue.tariff import PriceKey, UnknownPrice, price
from turnout.catalogue.usage_classes import BillableTokens
from turnout.catalogue.whole_prices import price_nano
from turnout.core.money import Tokens

BOOK = load_prices()
KEYS = sorted({row.key for rows in BOOK.rows.values() for row in rows}, key=str)
counts = st.one_of(st.just(0), st.integers(0, 5000), st.integers(0, 400_000))


@given(
    key=st.sampled_from(KEYS),
    minutes=st.integers(0, 500_000),
    parts=st.tuples(counts, counts, counts, counts, counts, counts),
)
def test_whole_numbers_price_as_decimals_do(key: PriceKey, minutes: int, parts: tuple[int, ...]) -> None:
    """For any shipped row, instant and counts: the same row and amount, or the same reason why not."""
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    plain, cached, write, write_1h, output, reasoning = parts
    usage = BillableTokens(
        input=Tokens(plain + cached + write + write_1h),
        cached=Tokens(cached),
        cache_write=Tokens(write + write_1h),
        cache_write_1h=Tokens(write_1h),
        output=Tokens(output + reasoning),
        reasoning=Tokens(reasoning),
    )
    slow, fast = price(BOOK, usage, key, at), price_nano(BOOK, parts, key, at)
    if isinstance(slow, UnknownPrice):
        assert isinstance(fast, UnknownPrice) and fast.reason is slow.reason
    else:
        assert not isinstance(fast, UnknownPrice)
        assert (fast.row.id, fast.amount) == (slow.row.id, slow.total.nanodollars())
