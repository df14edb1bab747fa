"""Whether the price list still says what the ledger wrote down: every call by the tariff it was made under.

A difference is named by the row that priced the call then and the row that prices it now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from turnout.catalogue.tariff import PriceBook, PriceKey, UnknownPrice
from turnout.planning.period import Span
from turnout.planning.quote import Cache, Move, Quote
from turnout.planning.recorded_calls import RecordedCall
from turnout.planning.timeline import Timeline
from turnout.planning.traffic import Target

_SAME = Target(label="as recorded")


class Rows(NamedTuple):
    """What priced a call then, and what does now."""

    then: str
    version: str
    """Of the price list, then."""
    now: str
    """The row; or why there is no price."""


@dataclass(slots=True)
class Difference:
    """Calls whose cost is not the same now."""

    calls: int = 0
    recorded_nano: int = 0
    now_nano: int | None = 0
    """None: not known."""


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What agreed and what did not."""

    agreeing: int = 0
    agreeing_nano: int = 0
    unpriced: int = 0
    """Calls that no row priced then: there is nothing to compare."""
    differences: dict[Rows, Difference] = field(default_factory=dict[Rows, Difference])


class Comparison:
    """Compares calls, chunk by chunk. Owns its verdict."""

    def __init__(self, book: PriceBook, span: Span) -> None:
        self.verdict = Verdict()
        self._book = book
        self._span = span
        self._quotes: dict[PriceKey | None, Quote] = {}

    def add(self, calls: Iterable[RecordedCall]) -> None:
        """Takes a chunk in."""
        verdict = self.verdict
        for started, channel, model, tier, region, _, row, version, _, cost, _, *counts in calls:
            if cost is None or not row:
                verdict.unpriced += 1
                continue
            found = self._quote(channel, model, tier, region).price(started, counts)
            known = not isinstance(found, UnknownPrice)
            if known and found.nano == cost:
                verdict.agreeing += 1
                verdict.agreeing_nano += cost
                continue
            rows = Rows(row, version, found.row if known else found.message)
            each = verdict.differences.setdefault(rows, Difference(now_nano=0 if known else None))
            each.calls += 1
            each.recorded_nano += cost
            if known and each.now_nano is not None:
                each.now_nano += found.nano

    def _quote(self, channel: str, model: str, tier: str, region: str) -> Quote:
        key = _SAME.key(channel, model, tier, region)
        assert key is not None, "a row priced it, so its tier is known"
        quote = self._quotes.get(key)
        if quote is None:
            move = Move(cache=Cache.KEEP, lenient=False)
            quote = self._quotes[key] = Quote(Timeline.of(self._book, key, self._span), move)
        return quote
