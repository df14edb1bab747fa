"""What callers see of a provider's error status."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from calls import provider

from turnout.catalogue.model import Deployment
from turnout.core.errors import (
    Fault,
    InvalidField,
    StorageUnavailable,
    UpstreamBroken,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from turnout.upstream.rejections import counts_against_health, rejection, retry_after, retryable
from turnout.wire.codec import UpstreamFault

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
ACME = Deployment(name="acme/m", provider=provider("https://api.acme.test"), model="m-1")


def rejected(status: int, message: str = "no", code: str | None = None, **headers: str) -> UpstreamRejected:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return rejection(ACME, status, given, UpstreamFault(message, code, "messages[0]"), NOW)


CALLER, US, THEM = Fault.CALLER, Fault.US, Fault.UPSTREAM


@pytest.mark.parametrize(
    ("status", "shown", "code", "fault", "again"),
    [
        (301, 502, "upstream_redirect", US, True),
        (307, 502, "upstream_redirect", US, True),
        (400, 400, "invalid_request", CALLER, False),
        (401, 502, "upstream_credential", US, True),
        (402, 502, "upstream_unpaid", US, True),
        (403, 502, "upstream_credential", US, True),
        (404, 502, "upstream_not_found", US, True),
        (405, 400, "invalid_request", CALLER, False),
        (408, 504, "upstream_timeout", THEM, True),
        (409, 503, "upstream_busy", THEM, True),
        (413, 413, "request_too_large", CALLER, False),
        (422, 422, "invalid_request", CALLER, False),
        (429, 429, "rate_limit_exceeded", THEM, True),
        (500, 502, "upstream_error", THEM, True),
        (502, 502, "upstream_error", THEM, True),
        (503, 503, "overloaded", THEM, True),
        (504, 504, "upstream_timeout", THEM, True),
        (529, 503, "overloaded", THEM, True),
        (599, 502, "upstream_error", THEM, True),
    ],
)
def test_each_status_has_its_meaning(status: int, shown: int, code: str, fault: Fault, again: bool) -> None:
    """The table at the head of the module, line by line."""
    error = rejected(status)
    assert (status, shown, code, fault) == (error.upstream_status, error.status, error.code, error.fault)
    assert again is retryable(error)
    assert (fault is not CALLER and status != 429) is counts_against_health(error)


@pytest.mark.parametrize("status", range(300, 600))
def test_no_status_of_a_provider_becomes_401_402_or_403(status: int) -> None:
    """I15: no caller rotates keys or looks for money because of our account."""
    error = rejected(status)
    assert error.status not in (401, 402, 403)
    assert 400 <= error.status < 600
    assert (error.status < 500) == (error.fault is CALLER or error.status == 429)


def test_a_refused_key_names_the_provider_whose_key_to_check() -> None:
    """The operator's next step stands in the message; the provider's text, which may quote the key, does not."""
    error = rejected(401, "Incorrect API key provided: sk-abc")
    assert "'acme'" in error.message
    assert "sk-abc" not in error.message


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("This model's maximum context length is 128000 tokens. However, you requested 130000", None),
        ("anything", "context_length_exceeded"),
        ("Your input exceeds the context window of this model.", None),
        ("prompt is too long: 210000 tokens > 200000 maximum", "invalid_request_error"),
        ("input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000", None),
        ("The input token count (1100000) exceeds the maximum number of tokens allowed (1048576).", "INVALID_ARGUMENT"),
        ("the request exceeds the available context size, try increasing it", "exceed_context_size_error"),
    ],
)
@pytest.mark.parametrize("status", [400, 413, 422])
def test_context_length_is_one_code_for_all_providers(status: int, message: str, code: str | None) -> None:
    """The caller's own fault, and yet another model may fit it."""
    error = rejected(status, message, code)
    assert (error.status, error.code, error.fault) == (400, "context_length_exceeded", CALLER)
    assert retryable(error)
    assert not counts_against_health(error)


def test_an_exhausted_quota_is_not_a_rate_limit() -> None:
    """OpenAI answers 429 when the account is empty: no wait helps."""
    error = rejected(429, "You exceeded your current quota", "insufficient_quota", retry_after="1")
    assert (error.status, error.code, error.fault) == (502, "upstream_unpaid", US)
    assert error.retry_after is None and error.should_retry is False


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:20 GMT"}, 20.0),
        ({"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 23:00:00 GMT"}, 60.0),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:20 -0000"}, 20.0),
        ({"retry-after": "1000000000"}, 60.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "x", "retry-after": "3"}, 3.0),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_every_form_and_clamped(headers: dict[str, str], seconds: float | None) -> None:
    """F14: milliseconds, seconds, dates and nonsense."""
    assert seconds == retry_after(headers, NOW)


def test_a_429_that_names_no_time_is_neutral_to_health() -> None:
    """F15: it may be one caller's burst."""
    assert not counts_against_health(rejected(429))
    assert counts_against_health(rejected(429, retry_after="5"))


def test_other_errors_count_by_whose_fault_they_are() -> None:
    """A caller's mistake and our own database say nothing about a provider."""
    stale = UpstreamBroken("x")
    stale.stale = True
    assert [
        counts_against_health(error)
        for error in (
            UpstreamUnreachable("x"),
            UpstreamTimeout("x"),
            UpstreamBroken("x"),
            stale,
            InvalidField("x"),
            StorageUnavailable("x"),
        )
    ] == [True, True, True, False, False, False]
    assert retryable(stale) and not retryable(InvalidField("x")) and not retryable(StorageUnavailable("x"))
