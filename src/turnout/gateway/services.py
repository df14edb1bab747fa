"""What the data plane works with: made once by the composition root, shared by all requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from turnout.catalogue.reload import Reloader, ReloadResult
from turnout.core.clock import Clock
from turnout.core.ids import RandomBytes
from turnout.gateway.auth import Authenticator
from turnout.gateway.billing import Billing
from turnout.gateway.bindings import Bindings
from turnout.gateway.journal import Journal
from turnout.gateway.limits import Limiter
from turnout.gateway.metrics import Metrics
from turnout.gateway.outlet import Pinger
from turnout.gateway.traffic import Traffic
from turnout.gateway.vault import ReasoningVault
from turnout.ledger.keystore import KeyStore
from turnout.ledger.ratios_live import LiveRatios
from turnout.ledger.record import RequestRecord
from turnout.ledger.writer import Writer
from turnout.upstream.health import Health
from turnout.upstream.retry_budget import RetryBudget
from turnout.upstream.transport import Transport

Observe: TypeAlias = Callable[[RequestRecord, Sequence[tuple[bytes, bytes]]], None]
"""Takes a finished request, and the caller's headers for the trace that they may name."""


def unobserved(record: RequestRecord, headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Nobody looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything a request needs. The mutable parts each say at their head who owns them."""

    reloader: Reloader
    clock: Clock
    random: Random
    random_bytes: RandomBytes
    session_key: bytes
    """Keys the hash that names a conversation."""
    auth: Authenticator
    keys: KeyStore
    limiter: Limiter
    transport: Transport
    health: Health
    retries: RetryBudget
    vault: ReasoningVault
    bindings: Bindings
    pinger: Pinger
    writer: Writer
    billing: Billing
    metrics: Metrics
    traffic: Traffic
    journal: Journal
    reload: Callable[[], ReloadResult]
    """Reads the configuration again and puts it to use."""
    waiting_for: Callable[[], str | None] = lambda: None
    """What the server still waits for before it can answer, such as the embedded model's weights to load."""
    ratios: LiveRatios = field(default_factory=LiveRatios)
    """How many tokens a text becomes at each model."""
    observe: Observe = unobserved
    """Told of every recorded request."""

    def problems(self) -> tuple[str, ...]:
        """Why the server is not ready; empty when it is."""
        found: list[str] = []
        if self.traffic.draining:
            found.append("shutting down")
        if not self.writer.healthy:
            found.append("records can't be written")
        if not self.reloader.current.catalogue.deployments:
            found.append("no deployment is configured")
        waiting = self.waiting_for()
        if waiting is not None:
            found.append(waiting)
        return tuple(found)
