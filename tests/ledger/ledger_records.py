"""Records to write, for the tests of this folder."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from turnout.core.ids import new_id
from turnout.ledger.record import AttemptRecord, RequestRecord

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


def record(second: int = 0, *, key_id: str = "key1", attempts: int = 1, ok: bool = True, route: str = "smart"):
    """A request received `second` seconds after START, with that many attempts."""
    at = START + timedelta(seconds=second)
    request_id = new_id("req", at, os.urandom)
    return RequestRecord(
        id=request_id,
        received_at=at,
        key_id=key_id,
        endpoint="/v1/chat/completions",
        asked="smart",
        route=route,
        deployment="openai/gpt-5.5" if ok else None,
        reason="first of 2 healthy targets",
        stream=True,
        status=200 if ok else 502,
        outcome="ok" if ok else "error",
        error_code=None if ok else "upstream_broken",
        duration_ms=912,
        ttft_ms=215,
        catalogue_version="1",
        session="0123456789abcdef",
        attempts=tuple(attempt(request_id, number + 1, at) for number in range(attempts)),
    )


def attempt(request_id: str, number: int, at: datetime) -> AttemptRecord:
    return AttemptRecord(
        request_id=request_id,
        number=number,
        deployment="openai/gpt-5.5",
        provider="openai",
        model="gpt-5.5",
        dialect="openai_chat",
        lane="bytes",
        started_at=at,
        duration_ms=900,
        first_byte_ms=200,
        status=200,
        outcome="ok",
        input_tokens=1234,
        cached_tokens=1000,
        output_tokens=321,
        estimated=False,
    )
