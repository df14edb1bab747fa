"""Every difference between a provider's export and our ledger, with a cause where the two sides show one.

1. Tokens and requests are compared by day, model and tier, as finely as the export splits; so are costs.
2. A cause is named only from what both sides say. `EXPLAINED` ones need nobody to look; the others do.
3. The weight of a token difference is at our prices. The difference of a cost is what was billed. They are never added:
   the one is a part of the other.

Pure. Knows no file and no database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, tzinfo
from decimal import Decimal

from turnout.catalogue.tariff import PriceBook
from turnout.core.money import NOTHING, Money, total
from turnout.planning.exports.row import ExportRow, Measure
from turnout.planning.reconcile_cancel import cancelled
from turnout.planning.reconcile_ledger import Part
from turnout.planning.reconcile_prices import Weights
from turnout.planning.reconcile_result import COST, HALF_NANO, Cause, Difference, Reconciliation, Total
from turnout.planning.reconcile_sides import Key, Ours, Sides, Theirs, cost_sides, token_sides


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How to compare."""

    book: PriceBook
    zone: tzinfo
    channel: str | None = None
    tolerance: Decimal = Decimal(0)
    """The part of theirs by which a number may differ, such as 0.005."""


def reconcile(
    rows: Sequence[ExportRow], parts: Sequence[Part], names: Mapping[str, str], terms: Terms
) -> Reconciliation:
    """Compares the rows of the exports with the parts of the ledger. `names` has our name for each model of theirs."""
    tokens = token_sides(rows, parts, names, terms.zone)
    costs = cost_sides(rows, parts, names, terms.zone)
    comparing = _Comparing(terms)
    found = comparing.tokens(tokens)
    found += comparing.costs(costs, found, counted=bool(tokens.theirs))
    found += _other_charges(rows, terms.zone)
    found.sort(key=lambda each: (-abs(each.money.usd) if each.money else Decimal(0), -abs(each.by), each.key.day))
    return Reconciliation(
        differences=tuple(found),
        totals=(*_token_totals(tokens), *_cost_total(costs)),
        compared=comparing.compared,
        within=comparing.within,
    )


class _Comparing:
    """Goes through both sides. Counts what it compared."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.weights = Weights.of(terms.book, terms.channel)
        self.compared = self.within = 0

    def tokens(self, sides: Sides) -> list[Difference]:
        """Every count that differs."""
        found: list[Difference] = []
        for key in sides.all_keys():
            theirs, ours = sides.theirs.get(key), sides.ours.get(key)
            for measure in sorted(sides.used, key=lambda each: list(Measure).index(each)):
                there, here = (0 if side is None else side.counts[measure] for side in (theirs, ours))
                if self._same(Decimal(there), Decimal(here), Decimal(0)):
                    continue
                found.append(self._count(key, measure, theirs, ours))
        return cancelled(found, self.terms.book)

    def costs(self, sides: Sides, counts: Sequence[Difference], *, counted: bool) -> list[Difference]:
        """Every cost that differs. `counts` are the differences that may be its cause."""
        found: list[Difference] = []
        for key in sides.all_keys():
            theirs, ours = sides.theirs.get(key, Theirs()), sides.ours.get(key)
            here = _dollars(ours.cost_nano if ours is not None else 0)
            slack = theirs.slack + HALF_NANO * (ours.entries if ours is not None else 1)
            if self._same(theirs.cost.usd, here.usd, slack):
                continue
            found.append(
                self._cost(key, sides.theirs.get(key), ours, slack, [each for each in counts if _in(each, key)])
            )
        found = cancelled(found, self.terms.book)
        return found if counted else [_without_counts(each) for each in found]

    def _same(self, theirs: Decimal, ours: Decimal, slack: Decimal) -> bool:
        """Whether the numbers are equal, or as good as."""
        self.compared += 1
        if abs(theirs - ours) <= slack:
            return True
        if abs(theirs - ours) <= self.terms.tolerance * abs(theirs):
            self.within += 1
            return True
        return False

    def _count(self, key: Key, measure: Measure, theirs: Theirs | None, ours: Ours | None) -> Difference:
        there = theirs.counts[measure] if theirs is not None else None
        here = ours.counts[measure] if ours is not None else None
        made = _difference(key, measure.value, there, here, theirs, ours)
        made = replace(made, money=self.weights.weight(key, ours, measure, int(made.by)))
        if ours is None or theirs is None:
            return replace(made, cause=Cause.MISSING_HERE if ours is None else Cause.MISSING_THERE)
        if _could_be(made.by, Decimal(ours.estimates[measure]), ours.estimated):
            return replace(made, cause=Cause.ESTIMATE, detail=_estimates(ours))
        return made

    def _cost(
        self, key: Key, theirs: Theirs | None, ours: Ours | None, slack: Decimal, counts: Sequence[Difference]
    ) -> Difference:
        there = theirs.cost if theirs is not None else None
        here = _dollars(ours.cost_nano) if ours is not None else None
        made = _difference(key, COST, there, here, theirs, ours)
        made = replace(made, money=Money.of(made.by))
        if ours is None or theirs is None:
            return replace(made, cause=Cause.MISSING_HERE if ours is None else Cause.MISSING_THERE)
        if ours.unpriced:
            return replace(made, cause=Cause.UNPRICED, detail=f"{ours.unpriced} of our entries have no price.")
        rest = made.by - total(each.money for each in counts if each.money is not None).usd
        by_counts = [each for each in counts if each.what in _PRICED]
        certain = len(ours.price_rows) == 1 and all(each.money is not None for each in by_counts)
        if by_counts and (abs(rest) <= slack or not certain):
            cause = next((each.cause for each in by_counts if not each.explained), by_counts[0].cause)
            said = "It follows from the counts." if certain else f"It goes with the counts, priced by {_rows(ours)}."
            return replace(made, cause=cause, detail=said)
        estimate = _dollars(ours.estimated_nano).usd
        if not by_counts and _could_be(made.by, estimate, ours.estimated):
            return replace(made, cause=Cause.ESTIMATE, detail=_estimates(ours))
        said = f"{Money.of(made.by - rest)} of it follows from the counts. " if by_counts else ""
        return replace(made, cause=Cause.PRICE, detail=f"{said}We priced by {_rows(ours)}.")


_PRICED = frozenset(measure.value for measure in Measure) - {Measure.REQUESTS.value, Measure.REASONING.value}


def _difference(
    key: Key,
    what: str,
    theirs: int | Money | None,
    ours: int | Money | None,
    there: Theirs | None,
    here: Ours | None,
) -> Difference:
    return Difference(
        key=key,
        what=what,
        theirs=theirs,
        ours=ours,
        cause=Cause.COUNT,
        money=None,
        place="" if there is None else there.place,
        entries=0 if here is None else here.entries,
        estimated=0 if here is None else here.estimated,
    )


def _could_be(by: Decimal, estimate: Decimal, entries: int) -> bool:
    """Whether estimates can be off by that: from nothing at all to twice as much."""
    return entries > 0 and abs(by) <= estimate


def _estimates(ours: Ours) -> str:
    return f"{ours.estimated} of our {ours.entries} entries are estimated."


def _rows(ours: Ours) -> str:
    shown = [f"{row} ({count})" for row, count in ours.price_rows.most_common(3)]
    more = len(ours.price_rows) - len(shown)
    return (", ".join(shown) or "no row") + (f" and {more} more" if more > 0 else "")


def _in(difference: Difference, key: Key) -> bool:
    """Whether a difference of counts is one of the key's, where the two are not split alike."""
    other = difference.key
    same_model = None in (key.model, other.model) or key.model == other.model
    same_tier = None in (key.tier, other.tier) or key.tier == other.tier
    return other.day == key.day and same_model and same_tier


def _without_counts(each: Difference) -> Difference:
    """Without counts nobody can say that it is the price."""
    return replace(each, cause=Cause.BILLED) if each.cause is Cause.PRICE else each


def _other_charges(rows: Iterable[ExportRow], zone: tzinfo) -> list[Difference]:
    """Charges that are no model's tokens, by day and name."""
    sums: dict[tuple[date, str], tuple[Money, str]] = {}
    for row in rows:
        if row.item is not None and row.cost is not None:
            place = row.day(zone), row.item
            before, first = sums.get(place, (NOTHING, row.place))
            sums[place] = before + row.cost, first
    return [
        Difference(
            key=Key(day, None, None),
            what=item,
            theirs=cost,
            ours=None,
            cause=Cause.OTHER,
            money=cost,
            detail="The ledger keeps tokens only.",
            place=place,
        )
        for (day, item), (cost, place) in sums.items()
        if cost != NOTHING
    ]


def _token_totals(sides: Sides) -> Iterator[Total]:
    for measure in Measure:
        if measure in sides.used:
            theirs, ours = (sum(side.counts[measure] for side in each.values()) for each in (sides.theirs, sides.ours))
            yield Total(what=measure.value, theirs=theirs, ours=ours)


def _cost_total(sides: Sides) -> Iterator[Total]:
    if sides.theirs:
        ours = _dollars(sum(each.cost_nano for each in sides.ours.values()))
        yield Total(what=COST, theirs=total(each.cost for each in sides.theirs.values()), ours=ours)


def _dollars(nanodollars: int) -> Money:
    return Money.of(Decimal(nanodollars).scaleb(-9))
