"""Amounts and shares as the simulations show them: rounded for people, to the nanodollar for machines."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction

from turnout.core.money import plain
from turnout.planning.whatif import money

_CENT = 100
_FOUR_DIGITS = Context(prec=4)


def dollars(amount: Fraction) -> str:
    """`$104,400.00`; below a dollar four digits: `$0.02904`."""
    sign = "-" if amount < 0 else ""
    if amount == 0 or abs(amount) >= 1:
        cents = round(abs(amount) * _CENT)
        return f"{sign}${cents // _CENT:,}.{cents % _CENT:02}"
    return f"{sign}${plain(_FOUR_DIGITS.create_decimal(money(abs(amount)).usd))}"


def finely(amount: Fraction) -> str:
    """For the cost of one call: every digit down to the nanodollar."""
    return dollars(amount) if abs(amount) >= 1 else f"{'-' if amount < 0 else ''}${plain(money(abs(amount)).usd)}"


def exact(amount: Fraction) -> str:
    """For machines: dollars to the nanodollar, as text, so that no reader makes a float of it."""
    return plain(money(amount).usd)


def percent(share: Fraction, *, signed: bool = False) -> str:
    """`82.6%`, rounded to a tenth; with a sign where it is a difference."""
    tenths = round(share * 1000)
    sign = "-" if tenths < 0 else "+" if signed and tenths > 0 else ""
    whole = f"{sign}{abs(tenths) // 10}"
    return f"{whole}%" if tenths % 10 == 0 else f"{whole}.{abs(tenths) % 10}%"


def share_text(share: Fraction, places: int = 6) -> str:
    """For machines: a share from 0 to 1, rounded to so many places."""
    return plain(Decimal(round(share * 10**places)).scaleb(-places))


def against(amount: Fraction, baseline: Fraction) -> tuple[Fraction, Fraction | None]:
    """The difference, and its part of the baseline; None where that is nothing."""
    difference = amount - baseline
    return difference, None if baseline == 0 else difference / baseline
