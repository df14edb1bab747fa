"""A model on GPUs of one's own against its price by the token: how many GPUs, what a call costs, where both cost alike.

1. An *instance* is the fewest GPUs that hold the model: 1, 2, 4, ... of a machine, then whole machines. Either each
   GPU holds a part of everything and, of a cache with one head, all (*tensor*); or a part of the experts, all other
   weights, and the cache of its own sequences (*data*). The one that needs fewer GPUs is taken, then the one with
   more room.
2. A GPU is busy for a call as long as its tokens take at the given throughput. Of a day's seconds a share is used; the
   rest waits for calls. Instances are whole, so cost by volume is a staircase.
3. An instance costs the same at any volume. So the first volume at which it costs as much as the API is its cost by the
   day over the API's price of a call, if an instance can serve that many.

Dollars and seconds are fractions, exact until they are shown. Knows no price list and no vendor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from math import ceil

from turnout.planning.footprint import Footprint, Precision

_DAY, _HOUR = 86_400, 3_600
_MOST_GPUS = 256
MILLION = 10**6


class Split(Enum):
    """How an instance is spread over its GPUs."""

    TENSOR = "tensor"
    DATA = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the memory must hold at once."""

    precision: Precision
    context: int
    """Tokens of a sequence, input and output."""
    sequences: int
    """At once, in an instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One copy of the model."""

    gpus: int
    split: Split
    weights: Fraction
    """Bytes on each GPU."""
    cache: Fraction
    """Bytes on each GPU."""
    usable: Fraction
    """Bytes of each GPU that they may take."""

    @property
    def room(self) -> Fraction:
        """What is left of each GPU; negative where the model does not fit."""
        return self.usable - self.weights - self.cache


def placed(model: Footprint, load: Load, *, gpus: int, memory: Fraction, split: Split) -> Instance:
    """The model on so many GPUs, whether it fits or not. `memory`: usable bytes of one."""
    experts, others = model.expert_bytes(load.precision), model.other_bytes(load.precision)
    cache = model.cache_bytes(load.context, load.sequences)
    if split is Split.TENSOR:
        weights, held = (experts + others) / gpus, cache / min(gpus, model.cache_heads)
    else:
        weights, held = experts / gpus + others, cache / gpus
    return Instance(gpus=gpus, split=split, weights=weights, cache=held, usable=memory)


def smallest(model: Footprint, load: Load, *, memory: Fraction, per_node: int) -> Instance | None:
    """The fewest GPUs that hold it; None where so many are not enough that it is not worth asking."""
    for gpus in _sizes(per_node):
        tried = [placed(model, load, gpus=gpus, memory=memory, split=split) for split in Split]
        best = max(tried, key=lambda each: each.room)
        if best.room >= 0:
            return best
    return None


def _sizes(per_node: int) -> list[int]:
    """1, 2, 4 ... of one node, then whole nodes."""
    inside = [2**power for power in range(per_node.bit_length()) if 2**power < per_node]
    return [*inside, *range(per_node, _MOST_GPUS + 1, per_node)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Tokens a second and GPU: of the input that is not cached, and of the output."""

    prefill: Fraction
    decode: Fraction

    @classmethod
    def together(cls, tokens: Fraction) -> Speed:
        """One figure for both, as benchmarks give it. It holds for calls with the benchmark's mix only."""
        return cls(prefill=tokens, decode=tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The mean call."""

    input_tokens: Fraction
    """To be read: not those that a cache has."""
    output_tokens: Fraction

    def seconds(self, speed: Speed) -> Fraction:
        """Of one GPU."""
        return self.input_tokens / speed.prefill + self.output_tokens / speed.decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Instances, what they cost, and how busy they can be kept. Raises ValueError for what can't be."""

    gpus: int
    """Of an instance."""
    hourly: Fraction
    """Dollars for a GPU."""
    speed: Speed
    utilisation: Fraction
    """Share of the day's seconds that calls fill."""
    fixed: Fraction = Fraction(0)
    """Dollars a day, whatever the number of instances."""

    def __post_init__(self) -> None:
        if not 0 < self.utilisation <= 1:
            raise ValueError("The utilisation is more than 0 and at most 100%.")
        if self.hourly <= 0 or self.speed.prefill <= 0 or self.speed.decode <= 0:
            raise ValueError("The price of an hour and the tokens a second are more than 0.")

    @property
    def daily(self) -> Fraction:
        """Dollars a day for an instance."""
        return 24 * self.gpus * self.hourly

    def capacity(self, call: Call) -> Fraction:
        """Calls a day that an instance serves."""
        return _DAY * self.utilisation * self.gpus / call.seconds(self.speed)

    def instances(self, call: Call, calls: Fraction) -> int:
        """How many serve so many calls a day; one at least."""
        return max(1, ceil(calls / self.capacity(call)))

    def cost(self, call: Call, calls: Fraction) -> Fraction:
        """Dollars a day for so many calls a day."""
        return self.fixed + self.instances(call, calls) * self.daily

    def full(self, call: Call) -> Fraction:
        """Dollars for a call when an instance serves all that it can: the least that a call costs."""
        return self.daily / self.capacity(call)

    def per_million(self, tokens_a_second: Fraction) -> Fraction:
        """Dollars for a million tokens of a kind, at the utilisation."""
        return self.hourly * MILLION / (_HOUR * tokens_a_second * self.utilisation)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """Where GPUs cost as much as the API."""

    first: Fraction | None
    """Calls a day from which they first cost no more; None: never, at this utilisation."""
    always: Fraction | None
    """Calls a day from which they never cost more again, however the next instance comes."""
    instances: int | None
    """How many there are at the first."""
    utilisation: Fraction
    """Share of the day that must be used for a call to cost as much as by the API. Above 1: it never does."""


def break_even(fleet: Fleet, call: Call, api: Fraction) -> BreakEven:
    """Against the API's dollars for a call, which are more than 0."""
    capacity, daily = fleet.capacity(call), fleet.daily
    needed = daily * fleet.utilisation / (api * capacity)
    gain = api * capacity - daily  # what a full instance saves a day
    if gain < 0 or (gain == 0 and fleet.fixed):
        return BreakEven(first=None, always=None, instances=None, utilisation=needed)
    count = max(1, ceil(fleet.fixed / gain)) if gain else 1
    first = max((count * daily + fleet.fixed) / api, (count - 1) * capacity)
    # The k-th instance begins too early as long as (k - 1) capacities earn less than k instances cost.
    last = ceil((fleet.fixed + api * capacity) / gain) - 1 if gain else None
    always = None if last is None else max(first, (max(last, count) * daily + fleet.fixed) / api)
    return BreakEven(first=first, always=always, instances=count, utilisation=needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """One assumption moved down and up, all others as they were."""

    name: str
    low: Fraction
    """What it is moved to."""
    high: Fraction
    low_full: Fraction
    """Dollars for a call of a full instance then; for the API's price: the API's."""
    high_full: Fraction
    low_even: BreakEven
    high_even: BreakEven


def swings(fleet: Fleet, call: Call, api: Fraction, share: Fraction) -> list[Swing]:
    """Each assumption moved by a share down and up, the one that changes most first."""
    down, up = 1 - share, 1 + share
    used = (fleet.utilisation * down, min(Fraction(1), fleet.utilisation * up))
    moved = [
        ("price of a GPU hour", *(replace(fleet, hourly=fleet.hourly * by) for by in (down, up))),
        ("throughput", *(replace(fleet, speed=_faster(fleet.speed, by)) for by in (down, up))),
        ("utilisation", *(replace(fleet, utilisation=each) for each in used)),
    ]
    values = {
        "price of a GPU hour": (fleet.hourly * down, fleet.hourly * up),
        "throughput": (down, up),
        "utilisation": used,
    }
    found = [
        Swing(
            name=name,
            low=values[name][0],
            high=values[name][1],
            low_full=low.full(call),
            high_full=high.full(call),
            low_even=break_even(low, call, api),
            high_even=break_even(high, call, api),
        )
        for name, low, high in moved
    ]
    return sorted(found, key=lambda each: abs(each.high_full - each.low_full), reverse=True)


def _faster(speed: Speed, by: Fraction) -> Speed:
    return Speed(prefill=speed.prefill * by, decode=speed.decode * by)
