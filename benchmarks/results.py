"""The figures of a run, and the targets they are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from phases import ADDED

UNMETERED = "turnout_unmetered"
"""Turnout with `[money] enabled = false`."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Several measurements of one thing."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Median, smallest, largest."""
        return cls(median(values), min(values), max(values))


@dataclass(slots=True)
class Results:
    """Every measurement, by server and figure, one for each round (or start)."""

    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict[str, dict[str, list[float]]])

    def add(self, server: str, figures: Mapping[str, float]) -> None:
        """One round's figures."""
        known = self.samples.setdefault(server, {})
        for name, value in figures.items():
            known.setdefault(name, []).append(value)

    def subtract_direct(self) -> None:
        """Makes the `ADDED` figures, round by round."""
        direct = self.samples.get("direct", {})
        for server, figures in self.samples.items():
            for added, whole in ADDED.items():
                if server != "direct" and whole in figures and whole in direct:
                    pairs = zip(figures[whole], direct[whole], strict=True)
                    figures[added] = [mine - bare for mine, bare in pairs]

    def spread(self, server: str, figure: str) -> Spread | None:
        """None where it was not measured."""
        values = self.samples.get(server, {}).get(figure)
        return Spread.of(values) if values else None

    def subtract_unmetered(self) -> None:
        """Makes the `money_..._cpu` figures: what setting aside and booking adds, round by round."""
        mine, theirs = self.samples.get("turnout", {}), self.samples.get(UNMETERED, {})
        for name in [name for name in mine if name.endswith("_cpu") and name in theirs]:
            mine[f"money_{name}"] = [a - b for a, b in zip(mine[name], theirs[name], strict=True)]

    def ratio(self, figure: str, server: str, peer: str) -> Spread | None:
        """`server` over `peer`, taken round by round: what slows one round down slows both."""
        mine, theirs = self.samples.get(server, {}).get(figure), self.samples.get(peer, {}).get(figure)
        if not mine or not theirs:
            return None
        return Spread.of([a / b for a, b in zip(mine, theirs, strict=False) if b > 0] or [float("inf")])


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What Turnout means to reach: a ratio to a peer in the same run, or an amount."""

    title: str
    figure: str
    most: float
    """The ratio or the amount must not be larger."""
    peer: str | None = None
    said: str
    """The bound in words."""
    unit: str = ""


TARGETS = (
    Target(title="CPU per JSON request", figure="json_cpu", most=1 / 50, peer="litellm", said="LiteLLM / 50"),
    Target(title="CPU per JSON request", figure="json_cpu", most=10, peer="nginx", said="10 x nginx"),
    Target(title="of which money", figure="money_json_cpu", most=150, said="150 µs", unit=" µs"),
    Target(title="CPU per burst chunk", figure="burst_cpu", most=3, peer="nginx", said="3 x nginx"),
    Target(title="CPU per paced chunk", figure="paced_cpu", most=4, peer="nginx", said="4 x nginx"),
    Target(title="CPU of a first start", figure="start_fresh_cpu", most=1 / 15, peer="litellm", said="LiteLLM / 15"),
    Target(title="CPU of a later start", figure="start_cpu", most=1 / 15, peer="litellm", said="LiteLLM / 15"),
    Target(title="memory when idle", figure="idle_memory", most=1 / 6, peer="litellm", said="LiteLLM / 6"),
    Target(title="install size of the core, as unpacked", figure="install_mb", most=60, said="60 MB", unit=" MB"),
    Target(title="the same, compiled by pip", figure="install_compiled_mb", most=60, said="60 MB", unit=" MB"),
    Target(title="distributions of the core", figure="install_distributions", most=35, said="35"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and what was measured."""

    target: Target
    measured: str
    state: str
    """`reached`, `not reached` or `not measured`."""


def judge(results: Results) -> list[Verdict]:
    """Every target, by the median."""
    return [_verdict(results, target) for target in TARGETS]


def _verdict(results: Results, target: Target) -> Verdict:
    if target.peer is None:
        spread = results.spread("turnout", target.figure)
    else:
        spread = results.ratio(target.figure, "turnout", target.peer)
    if spread is None:
        return Verdict(target, "-", "not measured")
    state = "reached" if spread.middle <= target.most else "not reached"
    if target.peer is None:
        return Verdict(target, f"{spread.middle:.3g}{target.unit}", state)
    if target.most < 1:
        return Verdict(target, f"LiteLLM / {1 / spread.middle:.1f}", state)
    return Verdict(target, f"{spread.middle:.2f} x {target.peer}", state)
