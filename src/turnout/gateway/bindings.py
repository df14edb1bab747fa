"""Where each conversation's prompt cache is warm.

State: owned by the event loop, per process; bounded. Replicas agree without it as long as nothing fails, because a
weighted split draws by the conversation's hash.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from turnout.core.clock import Clock


class _Binding(NamedTuple):
    deployment: str
    expires: float


class Bindings:
    """(route, session) -> deployment, for as long as the provider keeps the cache."""

    def __init__(self, clock: Clock, *, most: int = 50_000) -> None:
        self._clock = clock
        self._most = most
        self._bound: OrderedDict[tuple[str, str], _Binding] = OrderedDict()

    def get(self, route: str, session: str) -> str | None:
        """The deployment that answered this conversation last, while its cache may be warm."""
        binding = self._bound.get((route, session))
        if binding is None or binding.expires <= self._clock.monotonic():
            return None
        return binding.deployment

    def bind(self, route: str, session: str, deployment: str, seconds: float) -> None:
        """Called when an answer is complete."""
        self._bound[(route, session)] = _Binding(deployment, self._clock.monotonic() + seconds)
        self._bound.move_to_end((route, session))
        while len(self._bound) > self._most:
            self._bound.popitem(last=False)
