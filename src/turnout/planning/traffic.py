"""Recorded traffic at other prices: each call by the tariff of its own instant, summed as the ledger would have.

Standing of a call, kept apart in every sum:
    measured    the provider counted, and a row priced it
    estimated   counts or price are ours
    unpriced    no row priced it when it was made; its recorded cost is what was set aside, or not known

A call that a target has no price for is in none of that target's sums: it is counted, with what it was recorded at.
Comparisons are over the calls that have both prices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Literal

from turnout.catalogue.tariff import PriceBook, PriceKey, Tier, Unknown, UnknownPrice
from turnout.planning.candidate import Candidate, Service
from turnout.planning.period import Span
from turnout.planning.quote import Cache, Move, Quote
from turnout.planning.recorded_calls import Dimension, RecordedCall
from turnout.planning.timeline import Timeline
from turnout.planning.whatif import Ratio

Standing = Literal["measured", "estimated", "unpriced"]
RatioFrom = Callable[[str, PriceKey, str], Ratio]
"""From the model that was called, the target and the content class."""
NO_NAME = "(none)"
_EPOCH = date(1970, 1, 1)
_GIVEN_UP = UnknownPrice(reason=Unknown.USAGE, message="No tokens were recorded: the call was given up.")


def unconverted(_model: str, _key: PriceKey, _content: str) -> Ratio:
    """One token for one."""
    return Ratio()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the traffic would go."""

    label: str
    candidate: Candidate | None = None
    """None: each call's own model and seller."""
    service: Service | None = None
    """For calls that keep their model: another tier and region. None: those of each call."""

    def key(self, channel: str, model: str, tier: str, region: str) -> PriceKey | None:
        """Whose price holds for a call; None where its recorded tier is none that is known."""
        if self.candidate is not None:
            return self.candidate.key
        if self.service is not None:
            return PriceKey(model=model, channel=channel, region=self.service.region, tier=self.service.tier)
        bought = _TIERS.get(tier)
        return None if bought is None else PriceKey(model=model, channel=channel, region=region, tier=bought)


_TIERS = {tier.value: tier for tier in Tier}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of the traffic."""

    targets: tuple[Target, ...]
    book: PriceBook
    span: Span
    by: Dimension
    cache: Cache | Fraction | None = None
    """None: kept where the seller stays the same, else lost."""
    reasoning: bool = True
    ratio: RatioFrom = unconverted


class Sum:
    """Calls of one group, target and standing. Mutable: millions of calls are added to it."""

    __slots__ = ("calls", "cheap_nano", "nano", "reasons", "recorded_nano", "unknown", "unknown_nano", "unrecorded")

    def __init__(self) -> None:
        self.calls = self.recorded_nano = self.nano = self.cheap_nano = 0
        self.unknown = self.unknown_nano = 0
        self.unrecorded = 0
        """Of all, priced here or not: calls that were recorded at no cost at all, because it was not known."""
        self.reasons: dict[str, int] = {}

    def shifted(self, share: Fraction) -> Fraction:
        """Nanodollars where so much of the calls can wait for cheaper hours."""
        return self.nano - (self.nano - self.cheap_nano) * share

    def miss(self, recorded_nano: int, unknown: UnknownPrice) -> None:
        """A call that has no price here."""
        self.unknown += 1
        self.unknown_nano += recorded_nano
        self.reasons[unknown.message] = self.reasons.get(unknown.message, 0) + 1

    def add(self, other: Sum) -> None:
        """Takes another sum in."""
        for name in ("calls", "recorded_nano", "nano", "cheap_nano", "unknown", "unknown_nano", "unrecorded"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for reason, calls in other.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + calls


Sums = dict[tuple[str, Standing], Sum]
"""By the label of a target, and standing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """How one kind of call was taken to another tariff."""

    model: str
    channel: str
    target: str
    content: str
    ratio: Ratio
    cache: Cache | Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Repriced:
    """The answer: by group, and all calls together, each once."""

    groups: dict[str, Sums]
    total: Sums
    assumed: tuple[Assumed, ...]


class Repricer:
    """Prices calls, chunk by chunk. Owns its sums until `finish`."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._lines: dict[PriceKey, Timeline] = {}
        self._quotes: dict[tuple[str, ...], list[Quote | UnknownPrice]] = {}
        self._assumed: list[Assumed] = []
        self._sums: dict[tuple[str | int, Standing], list[Sum]] = {}

    def add(self, calls: Iterable[RecordedCall]) -> None:
        """Takes a chunk in. Plain tuples in the order of RecordedCall do as well: a name costs time here."""
        quotes, sums = self._quotes, self._sums
        for started, channel, model, tier, region, content, row, _, estimated, cost, group, *counts in calls:
            targets = quotes.get((channel, model, tier, region, content))
            if targets is None:
                targets = self._open(channel, model, tier, region, content)
            standing: Standing = "unpriced" if cost is None or not row else "estimated" if estimated else "measured"
            places = sums.get((group, standing))
            if places is None:
                places = sums[group, standing] = [Sum() for _ in targets]
            recorded = cost or 0
            if cost is None:
                for into in places:
                    into.unrecorded += 1
            if not row and not any(counts):
                targets = [_GIVEN_UP] * len(targets)
            for quote, into in zip(targets, places, strict=True):
                found = quote.price(started, counts) if isinstance(quote, Quote) else quote
                if isinstance(found, UnknownPrice):
                    into.miss(recorded, found)
                else:
                    into.calls += 1
                    into.recorded_nano += recorded
                    into.nano += found.nano
                    into.cheap_nano += found.cheap_nano

    def finish(self) -> Repriced:
        """The answer: groups by name, a call with two tags in both."""
        groups: dict[str, Sums] = {}
        total: Sums = {}
        labels = [target.label for target in self._question.targets]
        for (group, standing), sums in self._sums.items():
            names = _names(group, self._question.by)
            for label, each in zip(labels, sums, strict=True):
                for place in (total, *(groups.setdefault(name, {}) for name in names)):
                    place.setdefault((label, standing), Sum()).add(each)
        return Repriced(groups=groups, total=total, assumed=tuple(self._assumed))

    def _open(self, channel: str, model: str, tier: str, region: str, content: str) -> list[Quote | UnknownPrice]:
        """The quotes of a kind of call, one for each target."""
        made = [self._quote(target, channel, model, tier, region, content) for target in self._question.targets]
        self._quotes[channel, model, tier, region, content] = made
        return made

    def _quote(
        self, target: Target, channel: str, model: str, tier: str, region: str, content: str
    ) -> Quote | UnknownPrice:
        key = target.key(channel, model, tier, region)
        if key is None:
            return UnknownPrice(reason=Unknown.KEY, message=f"'{tier}' is no tier whose prices are known.")
        moves = target.candidate is not None
        ratio = self._question.ratio(model, key, content) if moves else Ratio()
        cache = self._question.cache
        if cache is None:
            cache = Cache.KEEP if key.channel == channel else Cache.LOST
        self._assumed.append(
            Assumed(model=model, channel=channel, target=target.label, content=content, ratio=ratio, cache=cache)
        )
        book = target.candidate.book if target.candidate is not None else self._question.book
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Timeline.of(book, key, self._question.span)
        move = Move(cache=cache, reasoning=self._question.reasoning, ratio=ratio.factor, lenient=moves)
        return Quote(line, move)


def _names(group: str | int, by: Dimension) -> list[str]:
    if by == "tag":
        return sorted(filter(None, str(group).split(","))) or [NO_NAME]
    if by == "day":
        return [(_EPOCH + timedelta(days=int(group))).isoformat()]
    return [str(group) or NO_NAME]
