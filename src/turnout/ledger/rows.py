"""Records as rows, in the column order of `statements`. Times become milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from turnout.ledger.record import AttemptRecord, RequestRecord

Value: TypeAlias = "str | int | float | bytes | bool | None"
Row: TypeAlias = "tuple[Value, ...]"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_ms(instant: datetime) -> int:
    """Milliseconds since 1970, rounded down."""
    return (instant - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """The instant, in UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def request_row(record: RequestRecord) -> Row:
    return (
        record.id,
        to_ms(record.received_at),
        record.key_id,
        record.endpoint,
        record.asked,
        record.route,
        record.deployment,
        record.reason,
        record.stream,
        record.status,
        record.outcome,
        record.error_code,
        record.duration_ms,
        record.ttft_ms,
        record.catalogue_version,
        record.session,
        record.dropped,
        record.team,
        record.end_user,
        ",".join(record.tags),
    )


def attempt_row(record: AttemptRecord) -> Row:
    return (
        record.request_id,
        record.number,
        record.deployment,
        record.provider,
        record.model,
        record.dialect,
        record.lane,
        to_ms(record.started_at),
        record.duration_ms,
        record.first_byte_ms,
        record.status,
        record.outcome,
        record.error_code,
        record.upstream_request_id,
        record.input_tokens,
        record.cached_tokens,
        record.cache_write_tokens,
        record.cache_write_1h_tokens,
        record.output_tokens,
        record.reasoning_tokens,
        record.estimated,
        record.service_tier,
    )
