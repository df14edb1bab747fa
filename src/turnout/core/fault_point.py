"""Named places on the path of a request where a test can kill the process or make a step fail.

A call costs a twentieth of a microsecond and does nothing: nothing in this package arms a point, and no setting,
variable or request can. Tests do, in processes that they start for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

FaultPoint: TypeAlias = Literal[
    "hold queued",
    "hold committed",
    "call sent",
    "first byte",
    "mid stream",
    "stream ended",
    "answered",
    "end queued",
    "begin",
    "statement",
    "commit",
    "committed",
    "spill write",
    "spill sync",
    "spilled",
    "recovery",
    "recovered",
    "give up",
]
"""In the order in which a request meets them; the writer's thread from `begin` on."""

_hooks: list[Callable[[FaultPoint], None]] = []
"""Owned by the test that arms it; empty in every server."""


def fault_point(name: FaultPoint) -> None:
    """Here something can go wrong. Raises what an armed hook raises."""
    if _hooks:
        _hooks[0](name)


def arm(hook: Callable[[FaultPoint], None]) -> None:
    """Calls `hook` at every point from now on, on whichever thread meets it. For tests only."""
    _hooks[:] = [hook]


def disarm() -> None:
    """Ends it."""
    _hooks.clear()
