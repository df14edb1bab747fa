"""How much may be retried: a share of the traffic, so that an outage is not multiplied.

Each request earns `share` of a retry; a retry spends a whole one. A quiet server still gets `floor` retries in ten
seconds. In a full outage the load on the providers stays under (1 + share) times the callers' own.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from turnout.core.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRules:
    """How often, and how long to wait (seconds)."""

    share: float = 0.1
    """Retries per request, in the long run (Google SRE, handling overload: 10 %)."""
    floor: int = 3
    """Retries in ten seconds that are always there, for servers with little traffic."""
    most: float = 100.0
    """Retries that can be saved up."""
    first_wait: float = 0.1
    longest_wait: float = 5.0

    def __post_init__(self) -> None:
        assert 0 <= self.share <= 1 and self.floor >= 0, "a budget is a share and a small floor"
        assert self.most >= self.floor, "the floor must fit in the bucket"


class RetryBudget:
    """A token bucket. One for each process; owned by its event loop."""

    def __init__(self, clock: Clock, rules: RetryRules | None = None) -> None:
        self._clock = clock
        self._rules = rules or RetryRules()
        self._saved = 0.0
        self._floor = float(self._rules.floor)
        self._refilled = clock.monotonic()

    def earn(self) -> None:
        """A request of a caller arrived. Its first attempt is no retry."""
        self._saved = min(self._saved + self._rules.share, self._rules.most)

    def spend(self) -> bool:
        """Takes one retry; False where there is none, and the request must fail with the error it has."""
        if self._saved >= 1.0:
            self._saved -= 1.0
            return True
        now = self._clock.monotonic()
        earned = (now - self._refilled) * self._rules.floor / 10
        self._floor = min(self._floor + earned, float(self._rules.floor))
        self._refilled = now
        if self._floor >= 1.0:
            self._floor -= 1.0
            return True
        return False

    def wait(self, retry: int, random: Random) -> float:
        """Seconds before retry number `retry` (from 1) at the same deployment: doubling, with full jitter, so that
        callers who failed together do not come back together. Another deployment needs no wait."""
        assert retry >= 1, "retries are counted from 1"
        ceiling = min(self._rules.first_wait * 2.0 ** min(retry - 1, 30), self._rules.longest_wait)
        return random.uniform(0.0, ceiling)
