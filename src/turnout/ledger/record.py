"""What is written of a request and of each attempt. No content, no secrets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Outcome = Literal["ok", "error", "cancelled", "truncated", "rejected"]
"""ok: a complete answer. error: failed before anything was sent. truncated: failed inside the stream. cancelled: the
caller went away. rejected: refused by us before any attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One call to one deployment."""

    request_id: str
    number: int
    """From 1."""
    deployment: str
    provider: str
    model: str
    """The provider's name of the model."""
    dialect: str
    lane: Literal["bytes", "edited", "translated"]
    started_at: datetime
    duration_ms: int
    first_byte_ms: int | None
    status: int | None
    """HTTP status of the provider; None when no answer came."""
    outcome: Outcome
    error_code: str | None = None
    upstream_request_id: str | None = None
    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    estimated: bool = False
    """The counts are ours, because the provider's never came."""
    service_tier: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One request of a caller, with its attempts."""

    id: str
    received_at: datetime
    key_id: str
    endpoint: str
    """Such as `/v1/chat/completions`."""
    asked: str
    """The model or route name in the request."""
    route: str
    deployment: str | None
    """The one that answered."""
    reason: str
    """Why this deployment: the decision's own words."""
    stream: bool
    status: int
    """HTTP status given to the caller."""
    outcome: Outcome
    error_code: str | None
    duration_ms: int
    ttft_ms: int | None
    """From receipt to the first content-bearing byte sent to the caller."""
    catalogue_version: str
    session: str | None
    """Keyed hash of the conversation, for affinity; not reversible."""
    dropped: str = ""
    """Parameters left out for the target, comma-separated."""
    team: str = ""
    """The key's; empty where it has none."""
    end_user: str = ""
    """Who the caller says that it asks for; empty where it does not say."""
    tags: tuple[str, ...] = ()
    """The key's and the request's own, sorted."""
    attempts: tuple[AttemptRecord, ...] = ()
