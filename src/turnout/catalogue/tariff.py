"""What an answer costs: counts, a price key and an instant in; a cost in exact parts out. Pure, and never a guess.

1. A row is one set of prices for a model at a channel, in a region, at a tier, for a band of input sizes, from an
   instant to an instant, and either always or only inside or outside a schedule's hours.
2. At most one row is in force for a key, an input size and an instant; `prices` refuses data that says otherwise.
3. What no row says is not known. UnknownPrice is an answer like Cost, because a cost of 0 would be a lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import NamedTuple

from turnout.catalogue.calendar import Schedule
from turnout.catalogue.usage_classes import UNUSABLE, BillableTokens, TokenClass, UsageFlag
from turnout.core.money import Money, PricePerMillion, Tokens, total

GLOBAL = "global"
"""The region of a row that holds wherever inference runs."""
SELF_HOSTED = "self-hosted"
"""The channel of models on machines of one's own, which have no price for a token."""
ANY_MODEL = "*"
"""The model of a row that holds for every model of its channel that has no row of its own."""


class Tier(Enum):
    """What kind of service was bought; a provider's answer says which one it gave."""

    STANDARD = "standard"
    BATCH = "batch"
    FLEX = "flex"
    PRIORITY = "priority"
    FAST = "fast"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceKey:
    """What is priced."""

    model: str
    """The name that the channel knows the model by."""
    channel: str
    """Who is paid: a vendor's own API, or a host that resells the model. Each has prices of its own."""
    region: str = GLOBAL
    tier: Tier = Tier.STANDARD

    def __str__(self) -> str:
        return f"{self.channel}/{self.model} ({self.region}, {self.tier.value})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """Prices, and when they hold."""

    id: str
    """Stable: made of the key, the band, the start and the hours."""
    key: PriceKey
    aliases: tuple[str, ...] = ()
    """Other names of the same model at the same channel."""
    serves: str | None = None
    """The model behind the name in these days, where the name was pointed at another one."""
    above: int = 0
    """Holds for inputs of more tokens than this."""
    up_to: int | None = None
    """Holds for inputs of at most so many tokens; None: for any."""
    effective_from: datetime
    effective_to: datetime | None = None
    """The first instant at which it no longer holds; None: until further notice."""
    schedule: Schedule | None = None
    inside: bool = True
    """With a schedule: whether the row holds inside its hours, or outside them."""
    prices: Mapping[TokenClass, PricePerMillion]
    """A class that is not here has no known price. Reasoning without one is billed as output."""
    per_request: Money | None = None
    """A fee for each request; None: there is none."""
    source: str
    verified: date | None = None
    """The day on which the price was compared with its sources; None for what the operator did not date."""
    note: str = ""

    def dated(self, at: datetime) -> bool:
        """Whether the instant is between its dates."""
        return self.effective_from <= at and (self.effective_to is None or at < self.effective_to)

    def fits(self, input_tokens: int) -> bool:
        """Whether an input of this size is in its band. An empty input is in the lowest."""
        return (self.above < input_tokens or self.above == 0) and (self.up_to is None or input_tokens <= self.up_to)

    def in_hours(self, at: datetime) -> bool | None:
        """Whether its hours are now; None where the calendar that decides has ended."""
        if self.schedule is None:
            return True
        now = self.schedule.includes(at)
        return None if now is None else now is self.inside

    def price_of(self, kind: TokenClass) -> PricePerMillion | None:
        """The price of a class; None where it is not known."""
        if kind is TokenClass.REASONING and kind not in self.prices:
            return self.prices.get(TokenClass.OUTPUT)
        return self.prices.get(kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPart:
    """One class of tokens, priced."""

    kind: TokenClass
    tokens: Tokens
    price: PricePerMillion
    cost: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an answer costs, and by which row."""

    row: PriceRow
    at: datetime
    """The instant whose tariff was used."""
    parts: tuple[CostPart, ...]
    """Classes that had tokens."""
    fee: Money
    """For the requests as such."""
    flags: frozenset[UsageFlag] = frozenset()

    @property
    def total(self) -> Money:
        """The exact sum of the parts and the fee."""
        return total(part.cost for part in self.parts) + self.fee

    @property
    def calendar(self) -> str | None:
        """The schedule whose hours decided."""
        return None if self.row.schedule is None else self.row.schedule.name


class Unknown(Enum):
    """Why there is no price."""

    MODEL = "unknown_model"
    KEY = "unknown_region_or_tier"
    TIME = "no_price_at_that_time"
    SIZE = "no_price_for_that_size"
    CALENDAR = "calendar_ended"
    CLASS = "unpriced_token_class"
    USAGE = "unusable_usage"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownPrice:
    """The cost is not known. Not an error of anyone's, and not 0."""

    reason: Unknown
    message: str


_A_MINUTE = timedelta(minutes=1)


class _Minute(NamedTuple):
    """The rows that hold in a minute."""

    start: datetime
    end: datetime
    rows: tuple[PriceRow, ...]


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Rows by channel and model name, aliases included. Made by `prices`, which has checked them."""

    rows: Mapping[tuple[str, str], tuple[PriceRow, ...]] = field(
        default_factory=dict[tuple[str, str], tuple[PriceRow, ...]]
    )
    own: frozenset[tuple[str, str]] = frozenset()
    """The channels and models that the operator prices."""
    _minutes: dict[PriceKey, _Minute] = field(default_factory=dict["PriceKey", "_Minute"], compare=False, repr=False)
    """What `in_force` found last, by key: a memo."""
    whole: dict[int, object] = field(default_factory=dict[int, object], compare=False, repr=False)
    """Rows in whole numbers, by the identity of the row: a memo of `whole_prices`."""

    @classmethod
    def of(cls, rows: Iterable[PriceRow], own: frozenset[tuple[str, str]] = frozenset()) -> PriceBook:
        """The rows, to be looked up."""
        found: dict[tuple[str, str], list[PriceRow]] = {}
        for row in rows:
            for name in (row.key.model, *row.aliases):
                found.setdefault((row.key.channel, name), []).append(row)
        return cls({name: tuple(each) for name, each in found.items()}, own)

    def owns(self, channel: str, model: str) -> bool:
        """Whether the operator prices a model at a channel."""
        return (channel, model) in self.own or (channel, ANY_MODEL) in self.own

    def channels_of(self, model: str) -> list[str]:
        """The channels that have a price for a model."""
        return [channel for channel, name in self.rows if name == model]

    def models(self) -> list[str]:
        """Every name that has a price somewhere."""
        return list(dict.fromkeys(name for _, name in self.rows if name != ANY_MODEL))

    def keyed(self, key: PriceKey) -> list[PriceRow] | UnknownPrice:
        """All rows of a key, past and future ones too."""
        known = self.rows.get((key.channel, key.model)) or self.rows.get((key.channel, ANY_MODEL))
        if known is None:
            return UnknownPrice(reason=Unknown.MODEL, message=f"No price of {key.channel}/{key.model} is known.")
        rows = [row for row in known if row.key.region == key.region and row.key.tier is key.tier]
        if rows:
            return rows
        priced = sorted({f"{row.key.region}, {row.key.tier.value}" for row in known})
        return UnknownPrice(reason=Unknown.KEY, message=f"No price of {key} is known; known are: {'; '.join(priced)}.")

    def in_force(self, key: PriceKey, at: datetime) -> tuple[PriceRow, ...] | UnknownPrice:
        """The rows that hold at an instant, one per band of input sizes, smallest first."""
        known = self._minutes.get(key)
        if known is not None and known.start <= at < known.end:
            return known.rows
        rows = self._found(key, at)
        if not isinstance(rows, UnknownPrice):
            # Every edge of a row and of its hours is a whole minute of UTC, so what holds now holds until its end.
            # What is not known is not kept: keys that nobody knows are without number.
            start = at.astimezone(UTC).replace(second=0, microsecond=0)
            self._minutes[key] = _Minute(start, start + _A_MINUTE, rows)
        return rows

    def _found(self, key: PriceKey, at: datetime) -> tuple[PriceRow, ...] | UnknownPrice:
        rows = self.keyed(key)
        if isinstance(rows, UnknownPrice):
            return rows
        dated = [row for row in rows if row.dated(at)]
        ended = next((row.schedule for row in dated if row.in_hours(at) is None), None)
        if ended is not None and ended.holidays is not None:
            reach = f"{ended.holidays.valid_from} to {ended.holidays.valid_until}"
            return UnknownPrice(
                reason=Unknown.CALENDAR,
                message=f"The holidays '{ended.holidays.name}' are known from {reach}, and the price depends on them.",
            )
        now = tuple(sorted((row for row in dated if row.in_hours(at)), key=lambda row: row.above))
        return now or UnknownPrice(reason=Unknown.TIME, message=f"No price of {key} is known for {shown(at)}.")

    def next_change(self, key: PriceKey, at: datetime) -> datetime | None:
        """When other rows come into force; None where none are known of."""
        rows = self.keyed(key)
        if isinstance(rows, UnknownPrice):
            return None
        edges = [edge for row in rows for edge in (row.effective_from, row.effective_to) if edge and edge > at]
        schedules = {row.schedule.name: row.schedule for row in rows if row.schedule is not None and row.dated(at)}
        edges += [edge for each in schedules.values() if (edge := each.next_edge(at)) is not None]
        return min(edges, default=None)


def price(book: PriceBook, usage: BillableTokens, key: PriceKey, at: datetime) -> Cost | UnknownPrice:
    """What an answer costs that was asked for at an instant."""
    assert at.tzinfo is not None, "a tariff is asked for an aware instant"
    if bad := sorted(flag.value for flag in usage.flags & UNUSABLE):
        return UnknownPrice(reason=Unknown.USAGE, message=f"The usage can't be priced: {', '.join(bad)}.")
    rows = book.in_force(key, at)
    if isinstance(rows, UnknownPrice):
        return rows
    row = next((row for row in rows if row.fits(usage.input.count)), None)
    if row is None:
        return UnknownPrice(
            reason=Unknown.SIZE, message=f"No price of {key} is known for an input of {usage.input.count} tokens."
        )
    return _cost(row, usage, at)


def _cost(row: PriceRow, usage: BillableTokens, at: datetime) -> Cost | UnknownPrice:
    parts: list[CostPart] = []
    for kind, tokens in usage.by_class().items():
        if tokens.count == 0:
            continue
        each = row.price_of(kind)
        if each is None:
            return UnknownPrice(
                reason=Unknown.CLASS,
                message=f"The row {row.id} has no price for {kind.value}: {tokens.count} tokens.",
            )
        parts.append(CostPart(kind=kind, tokens=tokens, price=each, cost=tokens * each))
    fee = total(row.per_request for _ in range(usage.requests)) if row.per_request is not None else Money.of(0)
    return Cost(row=row, at=at, parts=tuple(parts), fee=fee, flags=usage.flags)


def shown(at: datetime) -> str:
    """An instant as the catalogue writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
