"""The whole answer to "own GPUs or the API": memory, instance, costs and where they meet, with what was assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from turnout.planning.footprint import Footprint
from turnout.planning.selfhost import BreakEven, Call, Fleet, Instance, Load, Swing, break_even, swings


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStudy:
    """The question, made whole."""

    model: Footprint
    load: Load
    smallest: Instance
    """The fewest GPUs that hold the model."""
    instance: Instance
    """The GPUs that are used: more, where the throughput was measured on more or the question says so."""
    fleet: Fleet
    call: Call
    """As it is served: without the tokens that a cache of one's own has."""
    tokens: tuple[int, int]
    """Of a call, in and out, cached ones included."""
    api: Fraction
    """Dollars for a call by the API."""
    api_name: str
    calls_per_day: Fraction | None
    swing: Fraction
    together: bool
    """Whether the throughput is one figure for input and output."""
    assumed: tuple[str, ...]

    def even(self) -> BreakEven:
        """Where both cost alike."""
        return break_even(self.fleet, self.call, self.api)

    def swings(self) -> list[Swing]:
        """What the assumptions are worth."""
        return swings(self.fleet, self.call, self.api, self.swing)

    def volumes(self) -> Sequence[Fraction]:
        """Calls a day worth a look: where instances are full, where both cost alike, and the volume asked about."""
        capacity, even = self.fleet.capacity(self.call), self.even()
        parts = (Fraction(1, 10), Fraction(1, 4), Fraction(1, 2), 1, 2, 3, 5, 10)
        found = {Fraction(int(capacity * part)) for part in parts} - {Fraction(0)}
        found |= {each for each in (even.first, even.always, self.calls_per_day) if each}
        return sorted(found)
