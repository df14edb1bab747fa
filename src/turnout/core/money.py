"""Money and tokens as types that can't be mixed, and the one product that turns tokens into money.

Every amount is an exact decimal. Arithmetic runs in a context of its own that raises where a digit would be lost, so
that nothing depends on the caller's decimal context. The one rounding is `Money.nanodollars`, for storage. A float is
refused everywhere: 0.1 has no exact float, and a price typed as one is wrong before it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Clamped, Context, Decimal, Inexact, InvalidOperation, Overflow

_EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN, traps=[Inexact, InvalidOperation, Overflow, Clamped])
"""Sums and products of real amounts have some 40 digits. What needs more than 120 is a mistake, and raises."""
_PER_MILLION = Decimal("0.000001")
_NANODOLLAR = Decimal("0.000000001")


def _decimal(value: object, what: str) -> Decimal:
    """A finite decimal, written as one, as text or as an integer. Raises TypeError, ValueError."""
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise TypeError(f"{what} is written as text, an integer or a Decimal, not as {type(value).__name__}.")
    try:
        number = _EXACT.create_decimal(value)
    except (InvalidOperation, Inexact):
        raise ValueError(f"{what} must be a decimal number, not {value!r}.") from None
    if not number.is_finite():
        raise ValueError(f"{what} must be finite, not {value!r}.")
    return number


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An exact amount in US dollars; negative where it is a difference. Not money: a number, a count, a price."""

    usd: Decimal

    @classmethod
    def of(cls, usd: Decimal | int | str) -> Money:
        """`Money.of("0.0544")`. Raises TypeError for a float, ValueError for what is no finite number."""
        return cls(_decimal(usd, "Money"))

    def __post_init__(self) -> None:
        if not isinstance(self.usd, Decimal):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"Money holds a Decimal, not {type(self.usd).__name__}. Use Money.of.")
        if not self.usd.is_finite():
            raise ValueError("Money must be finite.")

    def __add__(self, other: Money) -> Money:
        return Money(_EXACT.add(self.usd, other.usd)) if isinstance(other, Money) else NotImplemented  # pyright: ignore[reportUnnecessaryIsInstance]

    def __sub__(self, other: Money) -> Money:
        return Money(_EXACT.subtract(self.usd, other.usd)) if isinstance(other, Money) else NotImplemented  # pyright: ignore[reportUnnecessaryIsInstance]

    def __str__(self) -> str:
        """Without an exponent and without zeros at the end: `$0.000000003625`."""
        sign = "-" if self.usd < 0 else ""
        return f"{sign}${plain(abs(self.usd))}"

    def nanodollars(self) -> int:
        """Whole billionths of a dollar, rounded once, half to even. For storage; never sum rounded parts."""
        return int(self.usd.quantize(_NANODOLLAR, context=Context(prec=120, rounding=ROUND_HALF_EVEN)).scaleb(9))


NOTHING = Money(Decimal(0))


def total(amounts: Iterable[Money]) -> Money:
    """The exact sum; nothing for no amounts."""
    return sum(amounts, NOTHING)


@dataclass(frozen=True, slots=True, order=True)
class PricePerMillion:
    """Dollars for a million tokens, as providers list them. Never negative."""

    usd: Decimal

    @classmethod
    def of(cls, usd: Decimal | int | str) -> PricePerMillion:
        """`PricePerMillion.of("0.003625")`. Raises TypeError for a float, ValueError for what is no price."""
        return cls(_decimal(usd, "A price"))

    def __post_init__(self) -> None:
        if not isinstance(self.usd, Decimal):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"A price holds a Decimal, not {type(self.usd).__name__}. Use PricePerMillion.of.")
        if not self.usd.is_finite() or self.usd < 0:
            raise ValueError(f"A price must be finite and not negative, not {self.usd}.")

    def times(self, factor: Decimal) -> PricePerMillion:
        """This price with a multiplier over it, such as a regional uplift of 1.1. Raises TypeError for a float."""
        return PricePerMillion(_EXACT.multiply(self.usd, _decimal(factor, "A factor")))

    def __str__(self) -> str:
        return f"${plain(self.usd)}/M"


@dataclass(frozen=True, slots=True, order=True)
class Tokens:
    """A number of tokens. Not a price and not money: `Tokens - PricePerMillion` is a TypeError."""

    count: int

    def __post_init__(self) -> None:
        if isinstance(self.count, bool) or not isinstance(self.count, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"Tokens are counted in whole numbers, not in {type(self.count).__name__}.")
        if self.count < 0:
            raise ValueError(f"There are no {self.count} tokens.")

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.count + other.count) if isinstance(other, Tokens) else NotImplemented  # pyright: ignore[reportUnnecessaryIsInstance]

    def __sub__(self, other: Tokens) -> Tokens:
        """What is left. Raises ValueError where that would be negative."""
        return Tokens(self.count - other.count) if isinstance(other, Tokens) else NotImplemented  # pyright: ignore[reportUnnecessaryIsInstance]

    def __mul__(self, price: PricePerMillion) -> Money:
        """What they cost, exactly."""
        if not isinstance(price, PricePerMillion):  # pyright: ignore[reportUnnecessaryIsInstance]
            return NotImplemented
        return Money(_EXACT.multiply(_EXACT.multiply(Decimal(self.count), price.usd), _PER_MILLION))


NO_TOKENS = Tokens(0)


def plain(number: Decimal) -> str:
    """A decimal as people write it: no exponent, no zeros behind the last digit of the fraction."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
