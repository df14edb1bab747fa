"""What a workload costs over a period, on any tariff: exact, and with everything that was assumed.

1. Each day's calls are spread evenly over its hours. A stretch of the tariff gets the share of them that its minutes
   are of the day's, so a sum does not depend on how a period is cut into days.
2. A call is a mean with fractions of tokens, and a day's calls may divide into thirds. Sums are fractions, exact until
   they are shown; no amount is a float.
3. Calls that can wait are made at the cheaper side of the tariff's hours, as it stands on the same day.
4. What no row prices is not known. A cost that contains it is not known either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from turnout.catalogue.tariff import PriceRow, Unknown, UnknownPrice
from turnout.core.money import Money
from turnout.planning.candidate import Candidate
from turnout.planning.period import Period
from turnout.planning.timeline import Stretch, Timeline
from turnout.planning.workload import Workload

_MILLION = 10**6
_NANO = 10**9
_TICK = timedelta(microseconds=1)


class Ratio(NamedTuple):
    """How many tokens a model makes of a text that is one token in the question."""

    factor: Fraction = Fraction(1)
    source: str = "not converted"


RatioOf = Callable[[Candidate], Ratio]


def same_tokens(_candidate: Candidate) -> Ratio:
    """Nothing is converted."""
    return Ratio()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Calls that fall into stretches with the same rows."""

    calls: Fraction
    here: PriceRow
    other: PriceRow | None
    """The row of the other side of the schedule's hours; None where hours don't matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The calls of a period by the rows that price them."""

    candidate: Candidate
    ratio: Ratio
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a candidate would cost."""

    candidate: Candidate
    ratio: Ratio
    cost: Fraction | UnknownPrice
    """Dollars for the period, exact."""
    calls: Fraction
    off_peak: Fraction | None
    """Share of the calls at the cheaper side of the tariff's hours; None where there are no hours."""
    clock: tuple[tuple[PriceRow, Fraction], ...] = ()
    """The rows that price it, and the share of the calls that the clock gives to each, before any are moved."""

    @property
    def per_call(self) -> Fraction | None:
        """The mean; None where the cost is not known."""
        return None if isinstance(self.cost, UnknownPrice) else self.cost / self.calls


def forecast(
    workload: Workload,
    candidate: Candidate,
    period: Period,
    *,
    ratio: Ratio | None = None,
    shift: Fraction | None = None,
) -> Forecast:
    """What the workload costs on a candidate. `shift`: the share of the calls that can wait for off-peak hours."""
    ratio = Ratio() if ratio is None else ratio
    split = split_calls(workload, candidate, period, ratio)
    calls = Fraction(workload.calls_per_day * len(period.active_days()))
    if isinstance(split, UnknownPrice):
        return Forecast(candidate=candidate, ratio=ratio, cost=split, calls=calls, off_peak=None)
    sides = sides_of(workload, split)
    if isinstance(sides, UnknownPrice):
        return Forecast(candidate=candidate, ratio=ratio, cost=sides, calls=calls, off_peak=None)
    cost, off_peak = sides.placed(workload.off_peak, shift or Fraction(0))
    clock = tuple((part.here, part.calls / calls) for part in split.parts)
    return Forecast(candidate=candidate, ratio=ratio, cost=cost, calls=calls, off_peak=off_peak, clock=clock)


def split_calls(workload: Workload, candidate: Candidate, period: Period, ratio: Ratio) -> Split | UnknownPrice:
    """How many calls each row prices, by the clock alone."""
    size = ceil(workload.input_tokens * ratio.factor)
    found: dict[tuple[str, str], Part] = {}
    for stretch, days in _days_in(Timeline.of(candidate.book, candidate.key, period.reach()), period):
        part = _part(stretch, candidate, size, days * workload.calls_per_day)
        if isinstance(part, UnknownPrice):
            return part
        name = (part.here.id, "" if part.other is None else part.other.id)
        before = found.get(name)
        found[name] = part if before is None else replace(part, calls=before.calls + part.calls)
    return Split(candidate=candidate, ratio=ratio, parts=tuple(found.values()))


def _days_in(line: Timeline, period: Period) -> list[tuple[Stretch, Fraction]]:
    """The stretches that have calls, and how many days' worth."""
    found: dict[int, tuple[Stretch, Fraction]] = {}
    for day in period.active_days():
        spans = list(period.spans(day))
        whole = sum((span.end - span.start for span in spans), timedelta())
        for span in spans:
            for lasts, stretch in line.within(span):
                share = Fraction(lasts // _TICK, whole // _TICK)
                _, before = found.get(id(stretch), (stretch, Fraction(0)))
                found[id(stretch)] = (stretch, before + share)
    return list(found.values())


def _part(stretch: Stretch, candidate: Candidate, size: int, calls: Fraction) -> Part | UnknownPrice:
    """The rows for an input of that size."""
    if isinstance(stretch.rows, UnknownPrice):
        return stretch.rows
    here = next((row for row in stretch.rows if row.fits(size)), None)
    if here is None:
        return UnknownPrice(
            reason=Unknown.SIZE, message=f"No price of {candidate.key} is known for an input of {size} tokens."
        )
    return Part(calls=calls, here=here, other=next((row for row in stretch.others if row.fits(size)), None))


class Sides(NamedTuple):
    """What the calls cost on either side of a tariff's hours. Where there are no hours, both are the same."""

    calls: Fraction
    """Those that hours matter to."""
    cheap_calls: Fraction
    """Of these: the ones that the clock puts on the cheaper side."""
    here: Fraction
    """Dollars, as the clock has it."""
    dear: Fraction
    """Dollars, were all of them on the dearer side."""
    cheap: Fraction

    def placed(self, off_peak: Fraction | None, shift: Fraction) -> tuple[Fraction, Fraction | None]:
        """The cost, and the share on the cheaper side, which `off_peak` sets; `shift` moves so much of the rest."""
        if not self.calls:
            return self.here, None
        if off_peak is not None:
            share = off_peak + (1 - off_peak) * shift
            return self.dear - (self.dear - self.cheap) * share, share
        share = self.cheap_calls / self.calls
        return self.here - (self.here - self.cheap) * shift, share + (1 - share) * shift


def sides_of(workload: Workload, split: Split) -> Sides | UnknownPrice:
    """Both sides of a split, priced."""
    calls = cheap_calls = here = dear = cheap = Fraction(0)
    for part in split.parts:
        own = call_cost(part.here, workload, split.ratio.factor)
        other = own if part.other is None else call_cost(part.other, workload, split.ratio.factor)
        if isinstance(own, UnknownPrice):
            return own
        if isinstance(other, UnknownPrice):
            return other
        here += own * part.calls
        dear += max(own, other) * part.calls
        cheap += min(own, other) * part.calls
        if part.other is not None:
            calls += part.calls
            cheap_calls += part.calls if own <= other else 0
    return Sides(calls=calls, cheap_calls=cheap_calls, here=here, dear=dear, cheap=cheap)


def call_cost(row: PriceRow, workload: Workload, ratio: Fraction = Fraction(1)) -> Fraction | UnknownPrice:
    """Dollars for the mean call by a row. The same sum as `tariff.price`, for fractions of tokens."""
    found = Fraction(0) if row.per_request is None else Fraction(row.per_request.usd)
    for kind, tokens in workload.tokens(ratio).items():
        if not tokens:
            continue
        price = row.price_of(kind)
        if price is None:
            return UnknownPrice(reason=Unknown.CLASS, message=f"The row {row.id} has no price for {kind.value}.")
        found += tokens * Fraction(price.usd) / _MILLION
    return found


def money(dollars: Fraction) -> Money:
    """The amount to the nanodollar, rounded once, half to even."""
    return Money.of(Decimal(round(dollars * _NANO)).scaleb(-9))
