"""Amounts and shares as commands show them: rounded for people, to the nanodollar for machines.

One rule for people: cents from a dollar up, four digits below; a column that adds up has as many places everywhere as
its sum needs, and what those can't show is `<$0.01` and not nothing. What is not known is said to be.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from turnout.core.money import Money, plain
from turnout.planning.whatif import money

UNKNOWN = "not known"
_DIGITS = 4
_MOST_PLACES = 9
_BIG = 1000
"""Dollars from which on a column has cents only."""


def dollars(amount: Fraction | Money | None, beside: Fraction | Money | None = None) -> str:
    """`$104,400.00`, `$0.02904`, `$0`, `not known`. `beside` is the sum of the column that the amount stands in."""
    if amount is None:
        return UNKNOWN
    value = _fraction(amount)
    if beside is None:
        places = _places(abs(value))
    else:
        largest = max(abs(value), abs(_fraction(beside)))
        places = _places(largest) if largest >= _BIG else max(_places(largest), _DIGITS)
    step = 10**places
    units, sign = round(abs(value) * step), "-" if value < 0 else ""
    if value and not units:
        return f"<{sign}${plain(Decimal(1).scaleb(-places))}"
    part = f"{units % step:0{places}}"
    return (
        f"{sign}${units // step:,}.{part if beside is not None else part.rstrip('0').ljust(2, '0')}" if value else "$0"
    )


def _fraction(amount: Fraction | Money) -> Fraction:
    return Fraction(amount.usd) if isinstance(amount, Money) else amount


def _places(size: Fraction) -> int:
    """Digits after the point: cents, or as many as show four of what is less than a dollar."""
    places = 2
    while size and size < 1 and size * 10**places < 10 ** (_DIGITS - 1) and places < _MOST_PLACES:
        places += 1
    return places


def finely(amount: Fraction) -> str:
    """For the cost of one call: every digit down to the nanodollar."""
    return dollars(amount) if abs(amount) >= 1 else f"{'-' if amount < 0 else ''}${plain(money(abs(amount)).usd)}"


def exact(amount: Fraction) -> str:
    """For machines: dollars to the nanodollar, as text, so that no reader makes a float of it."""
    return plain(money(amount).usd)


def percent(share: Fraction, *, signed: bool = False) -> str:
    """`82.6%`, rounded to a tenth, and `30%`; with a sign, and always a tenth, where it is a difference."""
    tenths = round(share * 1000)
    sign = "-" if tenths < 0 else "+" if signed and tenths > 0 else ""
    whole = f"{sign}{abs(tenths) // 10}"
    return f"{whole}%" if tenths % 10 == 0 and not signed else f"{whole}.{abs(tenths) % 10}%"


def share_text(share: Fraction, places: int = 6) -> str:
    """For machines: a share from 0 to 1, rounded to so many places."""
    return plain(Decimal(round(share * 10**places)).scaleb(-places))


def against(amount: Fraction, baseline: Fraction) -> tuple[Fraction, Fraction | None]:
    """The difference, and its part of the baseline; None where that is nothing."""
    difference = amount - baseline
    return difference, None if baseline == 0 else difference / baseline


def chance(share: Fraction) -> str:
    """`52.6%`; near 0 and 1 with two digits of the distance: `99.987%`."""
    away = 100 * min(share, 1 - share)
    if away == 0:
        return f"{float(share):.0%}"
    places = 1
    while places < 6 and away < Fraction(10, 10**places):
        places += 1
    return f"{float(share) * 100:.{places}f}%"


def calls(count: int) -> str:
    """`1 call`, `1,200 calls`."""
    return f"{count:,} call{'' if count == 1 else 's'}"
