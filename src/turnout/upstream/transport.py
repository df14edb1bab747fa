"""The seam between Turnout and an HTTP client. `http.HttpTransport` is the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from turnout.catalogue.model import Timeouts


@dataclass(slots=True)
class Progress:
    """How far a request came: what a caller who stops waiting must know."""

    sent: bool = False
    """Bytes of it went out, so that the provider may work on it, and bill it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRequest:
    """One call to a provider. `headers` hold the provider's key: never log them."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    timeouts: Timeouts = field(default_factory=Timeouts)
    method: str = "POST"
    progress: Progress = field(default_factory=Progress, compare=False)


class UpstreamResponse(Protocol):
    """An answer whose headers have arrived. Always close it."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Case-insensitive."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises UpstreamTimeout when idle for too long, UpstreamBroken when cut."""
        ...

    async def read(self, limit: int) -> bytes:
        """The whole body; UpstreamBroken when it is longer than `limit` bytes or cut."""
        ...

    def close(self) -> None:
        """Gives the connection back if the body was read to its end, else closes it at once. Idempotent."""
        ...


class Transport(Protocol):
    """Sends requests."""

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Returns when the answer's headers are here. Raises UpstreamUnreachable (nothing was sent),
        UpstreamTimeout, or UpstreamBroken (the request may have been processed and billed)."""
        ...
