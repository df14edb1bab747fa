"""How deployments fare, as a value: what a routing decision sees. `upstream.health` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Circuit(Enum):
    """Whether a deployment may be called."""

    CLOSED = "closed"
    """Healthy."""
    OPEN = "open"
    """Failed too often, or asked for a pause: not called until `until`."""
    HALF_OPEN = "half_open"
    """The pause is over; one call may try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentHealth:
    """One deployment now."""

    circuit: Circuit = Circuit.CLOSED
    until: float = 0.0
    """Monotonic seconds at which an open circuit lets a call try."""
    in_flight: int = 0
    """Calls under way."""
    probing: bool = False
    """Half open, and the one call is under way."""
    ttft: float | None = None
    """Seconds to the first byte, smoothed; None before the first answer."""
    reason: str = ""
    """Why the circuit is open, for people."""

    @property
    def available(self) -> bool:
        """A call may be sent to it now."""
        return self.circuit is Circuit.CLOSED or (self.circuit is Circuit.HALF_OPEN and not self.probing)


HEALTHY = DeploymentHealth()


@dataclass(frozen=True, slots=True)
class HealthSnapshot:
    """All deployments at one moment. One that is not listed was never called, and is healthy."""

    deployments: Mapping[str, DeploymentHealth] = field(default_factory=dict[str, DeploymentHealth])

    def of(self, deployment: str) -> DeploymentHealth:
        """A deployment's health, by its name."""
        return self.deployments.get(deployment, HEALTHY)
