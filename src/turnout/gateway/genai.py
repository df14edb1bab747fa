"""What a record says in the words of OpenTelemetry's conventions for generative AI. Knows no OpenTelemetry package.

The words: https://github.com/open-telemetry/semantic-conventions-genai (in development; what they have no word for
stands under `turnout.`). A request is one span of what the caller asked, with one child for each call to a provider.
Tokens stand on the children only, because backends add up what they find. No content, no secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias
from urllib.parse import urlsplit

from turnout.catalogue.model import Provider
from turnout.core.target import Dialect
from turnout.gateway.endpoints import HOT
from turnout.ledger.record import AttemptRecord, RequestRecord
from turnout.routing.features import Operation

Attributes: TypeAlias = dict[str, str | bool | int | float]
Place: TypeAlias = Mapping[str, str | int]
"""Who a provider is and where it listens, as attributes."""

SECONDS = tuple(0.01 * 2**step for step in range(14))
"""Bucket bounds of durations, 0.01 to 81.92: the conventions' own."""
TOKENS = tuple(float(4**step) for step in range(14))
"""Bucket bounds of token counts, 1 to 67108864: the conventions' own."""

_OPERATIONS: dict[Operation, str] = {
    "chat": "chat",
    "completion": "text_completion",
    "embedding": "embeddings",
    "count_tokens": "count_tokens",
}
_CALLS: dict[str, str] = {
    Dialect.OPENAI_COMPLETIONS.value: "text_completion",
    Dialect.OPENAI_EMBEDDINGS.value: "embeddings",
    Dialect.GEMINI.value: "generate_content",
}
"""What a call in a dialect is named; `chat` elsewhere."""
_PROVIDERS: dict[str, str] = {
    "azure": "azure.ai.openai",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "xai": "x_ai",
}
"""Presets whose name is not the conventions' name of the vendor."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds(at: datetime) -> int:
    """Since 1970, without the rounding of a float."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def place_of(provider: Provider) -> Place:
    """Who it is, and its address where it has one."""
    found: dict[str, str | int] = {"gen_ai.provider.name": _PROVIDERS.get(provider.preset, provider.preset)}
    parts = urlsplit(provider.base_url)
    if parts.hostname:
        found["server.address"] = parts.hostname
        found["server.port"] = parts.port or (80 if parts.scheme == "http" else 443)
    return found


def request_operation(record: RequestRecord) -> str:
    """What the caller wanted done."""
    operation = HOT[record.endpoint].operation
    assert operation is not None, "only requests to models are recorded"
    return _OPERATIONS[operation]


def request_name(record: RequestRecord, operation: str) -> str:
    """The span's name. A name that led nowhere is left out: it may be anything, and backends group by this."""
    return f"{operation} {record.asked}" if record.route else operation


def request_failed(record: RequestRecord) -> bool:
    """Whether the server's span is marked as an error: not where the fault is the caller's, as for all HTTP servers."""
    return record.status >= 500 or record.outcome == "truncated"


def request_attributes(record: RequestRecord, operation: str) -> Attributes:
    """What is said of a request."""
    found: Attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.request.stream": record.stream,
        "http.request.method": "POST",
        "http.route": record.endpoint,
        "http.response.status_code": record.status,
        "turnout.request.id": record.id,
        "turnout.key.id": record.key_id,
        "turnout.outcome": record.outcome,
        "turnout.attempts": len(record.attempts),
        "turnout.catalogue.version": record.catalogue_version,
    }
    for name, words in (
        ("gen_ai.request.model", record.asked),
        ("turnout.route", record.route),
        ("turnout.reason", record.reason),
        ("turnout.deployment", record.deployment),
        ("turnout.dropped", record.dropped),
        ("error.type", record.error_code),
    ):
        if words:
            found[name] = words
    if record.stream and record.ttft_ms is not None:
        found["gen_ai.response.time_to_first_chunk"] = record.ttft_ms / 1000
    return found


def call_failed(attempt: AttemptRecord) -> bool:
    """Whether the call is marked as an error. A caller that goes away is none."""
    return attempt.outcome in ("error", "truncated")


def call_labels(attempt: AttemptRecord, place: Place) -> Attributes:
    """What measurements and the span of a call have in common: names of the catalogue, and nothing else."""
    return {
        "gen_ai.operation.name": _CALLS.get(attempt.dialect, "chat"),
        "gen_ai.request.model": attempt.model,
        **place,
    }


def call_error(attempt: AttemptRecord) -> Attributes:
    """`error.type` of a failed call; empty for a good one."""
    return {"error.type": attempt.error_code or "_OTHER"} if call_failed(attempt) else {}


def call_attributes(record: RequestRecord, attempt: AttemptRecord, labels: Attributes) -> Attributes:
    """What is said of one call to a provider."""
    found: Attributes = {
        **labels,
        **call_error(attempt),
        "gen_ai.request.stream": record.stream,
        "turnout.request.id": record.id,
        "turnout.route": record.route,
        "turnout.deployment": attempt.deployment,
        "turnout.provider": attempt.provider,
        "turnout.attempt": attempt.number,
        "turnout.lane": attempt.lane,
        "turnout.outcome": attempt.outcome,
    }
    for name, value in (
        ("gen_ai.usage.input_tokens", attempt.input_tokens),
        ("gen_ai.usage.output_tokens", attempt.output_tokens),
        ("gen_ai.usage.cache_read.input_tokens", attempt.cached_tokens),
        ("gen_ai.usage.cache_creation.input_tokens", attempt.cache_write_tokens),
        ("gen_ai.usage.reasoning.output_tokens", attempt.reasoning_tokens),
        ("gen_ai.response.time_to_first_chunk", first_content(record, attempt)),
        ("http.response.status_code", attempt.status),
        ("turnout.upstream.request.id", attempt.upstream_request_id),
    ):
        if value is not None:
            found[name] = value
    if attempt.estimated:
        found["turnout.usage.estimated"] = True
    return found


def first_content(record: RequestRecord, attempt: AttemptRecord) -> float | None:
    """Seconds from the start of a call to the first content of its stream; None where it is no stream or had none.

    A stream's first content is sent on as it comes, so the time that it was sent at is known from the request. Only the
    last call can have sent any."""
    if not record.stream or record.ttft_ms is None or attempt.number != record.attempts[-1].number:
        return None
    before = (attempt.started_at - record.received_at).total_seconds()
    return max(0.0, record.ttft_ms / 1000 - before)
