"""Money, prices and tokens."""

from __future__ import annotations

import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.core.money import NOTHING, Money, PricePerMillion, Tokens, total

_PRICES = st.decimals("0", "2000", places=9, allow_nan=False)
_COUNTS = st.integers(0, 10**12)


@given(count=_COUNTS, more=_COUNTS, price=_PRICES)
def test_two_counts_cost_what_their_sum_costs(count: int, more: int, price: Decimal) -> None:
    """To the last digit."""
    each = PricePerMillion(price)

    assert Tokens(count) * each + Tokens(more) * each == Tokens(count + more) * each


def test_the_lowest_price_of_one_token_is_exact() -> None:
    """Far below a micro-dollar."""
    assert Tokens(1) * PricePerMillion.of("0.003625") == Money.of("0.000000003625")


def test_the_caller_s_decimal_context_changes_nothing() -> None:
    """A program that computes with three digits gets every digit."""
    with decimal.localcontext(prec=3):
        cost = Tokens(123_456_789) * PricePerMillion.of("1.2345") + Money.of("0.000000001")

    assert cost == Money.of("152.4074060215")


@pytest.mark.parametrize(
    "mixed",
    [
        lambda: Money.of(1) + 1,
        lambda: 1 + Money.of(1),
        lambda: Money.of(1) - Tokens(1),
        lambda: Money.of(1) * 2,
        lambda: Tokens(1) - PricePerMillion.of(1),
        lambda: Tokens(1) + Money.of(1),
        lambda: Tokens(1) * 2,
        lambda: Tokens(1) * Money.of(1),
        lambda: PricePerMillion.of(1) + PricePerMillion.of(1),
        lambda: Money.of(1) < 2,
        lambda: Tokens(1) < PricePerMillion.of(2),
        lambda: Money.of(0.1),
        lambda: Money(0.1),
        lambda: Money.of(True),
        lambda: PricePerMillion.of(0.5),
        lambda: PricePerMillion(5),
        lambda: PricePerMillion.of(5).times(1.1),
        lambda: Tokens(1.0),
        lambda: Tokens(True),
        lambda: sum([Money.of(1), Money.of(2)]),
    ],
)
def test_what_is_not_the_same_thing_does_not_mix(mixed: object) -> None:
    """A count, a price, an amount and a float are four things."""
    assert callable(mixed)
    with pytest.raises(TypeError):
        mixed()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Tokens(-1),
        lambda: Tokens(1) - Tokens(2),
        lambda: PricePerMillion.of("-1"),
        lambda: PricePerMillion.of("NaN"),
        lambda: Money.of("Infinity"),
        lambda: Money.of("five"),
    ],
)
def test_an_impossible_value_is_refused(wrong: object) -> None:
    """Where it is made."""
    assert callable(wrong)
    with pytest.raises(ValueError):
        wrong()


@pytest.mark.parametrize(
    ("usd", "nanodollars"),
    [
        ("0.0000000005", 0),
        ("0.0000000015", 2),
        ("0.00000000050001", 1),
        ("-0.0000000015", -2),
        ("12345678.9", 12345678900000000),
    ],
)
def test_storage_rounds_once_half_to_even(usd: str, nanodollars: int) -> None:
    """To whole billionths of a dollar."""
    assert Money.of(usd).nanodollars() == nanodollars


def test_amounts_add_up_and_compare() -> None:
    """A difference may be negative; no amounts make nothing."""
    assert total([Money.of("0.1"), Money.of("0.2")]) == Money.of("0.3")
    assert total([]) == NOTHING
    assert Money.of("0.1") - Money.of("0.3") == Money.of("-0.2")
    assert Money.of("0.10") == Money.of("0.1")
    assert Money.of("0.1") < Money.of("0.11")


def test_an_amount_is_shown_without_an_exponent() -> None:
    """As people write it."""
    assert str(Money.of("0.0000000036250")) == "$0.000000003625"
    assert str(Money.of("-10")) == "-$10"
    assert str(PricePerMillion.of("0.50")) == "$0.5/M"
