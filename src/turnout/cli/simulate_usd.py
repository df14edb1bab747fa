"""Small sums of dollars as options: `0.002`, `$3.99`; read exactly."""

from __future__ import annotations

from fractions import Fraction

import click

from turnout.core.money import Money

MOST_USD = 10**9


class Usd(click.ParamType[Fraction]):
    """Dollars from 0 to a thousand million, as a fraction."""

    name = "dollars"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        if isinstance(value, Fraction):
            return value
        try:
            amount = Fraction(Money.of(str(value).strip().removeprefix("$").replace(",", "")).usd)
        except ValueError:
            self.fail(f"'{value}' is no sum of dollars such as 0.002 or $3.99.", param, ctx)
        if not 0 <= amount <= MOST_USD:
            self.fail(f"'{value}' is out of range: from 0 to {MOST_USD:,} dollars.", param, ctx)
        return amount


USD = Usd()
