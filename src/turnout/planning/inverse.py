"""What would make a stated sum true: which cached share, which off-peak share, or both.

A cost is a straight line in the cached share, and one in the off-peak share. So each question has one exact answer,
which lies between 0 and 1 or does not; where it does not, the sums at both ends prove that none does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from turnout.catalogue.tariff import PriceRow, UnknownPrice
from turnout.catalogue.usage_classes import TokenClass
from turnout.core.money import PricePerMillion
from turnout.planning.candidate import Candidate
from turnout.planning.period import Period
from turnout.planning.whatif import Ratio, Sides, Split, sides_of, split_calls
from turnout.planning.workload import Workload

STEPS = tuple(Fraction(step, 4) for step in range(5))
"""The off-peak shares for which the cached share is told that makes the sum true together with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A cost as a share goes from 0 to 1, and where it meets the stated sum."""

    at_none: Fraction
    """Dollars at a share of 0."""
    at_all: Fraction
    share: Fraction | None
    """Exact; None where no share from 0 to 1 gives the sum."""
    free: bool = False
    """The cached price is not known: cached tokens are taken as free, which is the most that a cache could save."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What is known of a stated sum, for one candidate."""

    candidate: Candidate
    target: Fraction
    stated: Fraction
    """Dollars, as the question stands."""
    cached: Line | None
    """None: the calls have no input."""
    off_peak: Line | None
    """None: the price does not depend on the hour."""
    both: tuple[tuple[Fraction, Fraction | None], ...]
    """Off-peak shares, each with the cached share that makes the sum true with it; None where none does."""


def explain(
    workload: Workload,
    candidate: Candidate,
    period: Period,
    *,
    target: Fraction,
    ratio: Ratio,
    discount: Fraction | None,
) -> Explanation | UnknownPrice:
    """Which shares make the workload cost `target` dollars. All else stays as the workload has it.

    `discount`: an off-peak discount that is assumed where the price list has no hours.
    """
    split = split_calls(workload, candidate, period, ratio)
    if isinstance(split, UnknownPrice):
        return split
    split = split if discount is None else _discounted(split, discount)
    bare = sides_of(workload, split)
    if isinstance(bare, UnknownPrice):
        return bare
    stated, share = bare.placed(workload.off_peak, Fraction(0))
    return Explanation(
        candidate=candidate,
        target=target,
        stated=stated,
        cached=_cached_line(workload, split, workload.off_peak, target),
        off_peak=None if share is None else _line(bare.placed(Fraction(0), Fraction(0))[0], bare.cheap, target),
        both=() if share is None else tuple((each, _cached_at(workload, split, each, target)) for each in STEPS),
    )


def _line(at_none: Fraction, at_all: Fraction, target: Fraction, *, free: bool = False) -> Line:
    if at_none == at_all:
        share = Fraction(0) if at_none == target else None
    else:
        share = (at_none - target) / (at_none - at_all)
        share = share if 0 <= share <= 1 else None
    return Line(at_none=at_none, at_all=at_all, share=share, free=free)


def _cached_at(workload: Workload, split: Split, off_peak: Fraction, target: Fraction) -> Fraction | None:
    line = _cached_line(workload, split, off_peak, target)
    return None if line is None or line.free else line.share


def _cached_line(workload: Workload, split: Split, off_peak: Fraction | None, target: Fraction) -> Line | None:
    """From nothing cached to everything that is not written to the cache."""
    if not workload.input_tokens or workload.cache_write == 1:
        return None
    most = 1 - workload.cache_write
    without = sides_of(workload.with_cached(Fraction(0)), split)
    everything = sides_of(workload.with_cached(most), split)
    free = isinstance(everything, UnknownPrice)
    if free:
        everything = sides_of(workload.with_cached(most), _free_cache(split))
    assert isinstance(without, Sides) and isinstance(everything, Sides), "only the cached class was missing"
    ends = (without.placed(off_peak, Fraction(0))[0], everything.placed(off_peak, Fraction(0))[0])
    line = _line(*ends, target, free=free)
    return line if line.share is None else replace(line, share=line.share * most)


def _free_cache(split: Split) -> Split:
    """With cached reads at nothing: no real price can be lower."""
    nothing = {TokenClass.CACHED: PricePerMillion(Decimal(0))}

    def freed(row: PriceRow) -> PriceRow:
        return replace(row, prices={**row.prices, **nothing})

    parts = tuple(
        replace(part, here=freed(part.here), other=None if part.other is None else freed(part.other))
        for part in split.parts
    )
    return replace(split, parts=parts)


def _discounted(split: Split, discount: Fraction) -> Split:
    """With a second side that is cheaper by the discount, where a row has none."""
    factor = Decimal((1 - discount).numerator) / Decimal((1 - discount).denominator)

    def cheaper(row: PriceRow) -> PriceRow:
        prices = {kind: price.times(factor) for kind, price in row.prices.items()}
        return replace(row, id=f"{row.id};off-peak", prices=prices)

    parts = tuple(replace(part, other=part.other or cheaper(part.here)) for part in split.parts)
    return replace(split, parts=parts)
