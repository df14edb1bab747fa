"""A provider's error status, and what our caller must see of it.

provider   caller  whose fault  why
400 413 422  same  the caller   the request itself; context-length codes of all providers become one
401 403      502   ours         it speaks of our key: a caller who sees 401 rotates a good key
402          502   ours         our account is not paid
404          502   ours         the model or the base URL is wrong in our configuration
408 504      504   the provider it gave up on time
409 425      503   the provider a state that passes
429          429   the provider with its Retry-After, at most a minute
503 529      503   the provider overloaded
3xx          502   ours         not followed, so that the key goes nowhere else
other 4xx    400   the caller
other        502   the provider
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from turnout.catalogue.model import Deployment
from turnout.core.errors import (
    Fault,
    TurnoutError,
    UpstreamBroken,
    UpstreamError,
    UpstreamRejected,
)
from turnout.wire.codec import UpstreamFault

MAX_RETRY_AFTER = 60.0
"""Seconds. openai-python gives up above 120 and Anthropic's SDK waits for whatever it is told."""

_CONTEXT_CODES = frozenset({"context_length_exceeded", "string_above_max_length", "request_too_large_for_context"})
_CONTEXT_WORDS = (
    "maximum context length",  # OpenAI, vLLM, DeepSeek
    "context length",  # OpenRouter, llama.cpp, Ollama
    "context window",  # OpenAI Responses
    "prompt is too long",  # Anthropic
    "input is too long",  # Bedrock
    "exceed context limit",  # Anthropic: input length and `max_tokens` exceed context limit
    "exceeds the maximum number of tokens",  # Gemini: the input token count exceeds ...
    "too many tokens",  # Cohere
    "available context size",  # llama.cpp: the request exceeds the available context size
)
_POLICY_CODES = frozenset({"content_policy_violation", "content_filter", "data_inspection_failed"})
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "insufficient_balance"})


class _Seen(NamedTuple):
    """What a caller gets."""

    status: int
    code: str
    fault: Fault
    message: str
    retry: bool | None


def rejection(
    deployment: Deployment, status: int, headers: Mapping[str, str], fault: UpstreamFault, now: datetime
) -> UpstreamRejected:
    """The error for an answer with an error status (or a redirect). `fault` is its body, read; `now` is for a
    Retry-After that is a date."""
    seen = _seen(deployment, status, fault)
    wait = retry_after(headers, now) if seen.fault is Fault.UPSTREAM else None
    return UpstreamRejected(
        seen.message,
        upstream_status=status,
        status=seen.status,
        code=seen.code,
        fault=seen.fault,
        param=fault.param if seen.fault is Fault.CALLER else None,
        retry_after=wait,
        should_retry=seen.retry,
    )


def _seen(deployment: Deployment, status: int, fault: UpstreamFault) -> _Seen:
    name = deployment.provider.name
    said = f"{deployment.provider.title} ({name})"
    ours, theirs = Fault.US, Fault.UPSTREAM
    if status in (401, 403) and fault.code not in _POLICY_CODES:
        hint = f"Check the API key of provider '{name}' in Turnout's configuration, and what it may use."
        return _Seen(502, "upstream_credential", ours, f"{said} refused Turnout's own key ({status}). {hint}", False)
    if status == 402 or (status == 429 and fault.code in _QUOTA_CODES):
        return _Seen(502, "upstream_unpaid", ours, f"The account at {said} has no credit left. Top it up.", False)
    if status == 404:
        hint = f"Check the deployment's model name and the provider's base URL. It said: {fault.message}"
        text = f"{said} does not know '{deployment.model}' or its endpoint (404). {hint}"
        return _Seen(502, "upstream_not_found", ours, text, False)
    if 300 <= status < 400:
        text = f"{said} answered with a redirect ({status}), which is not followed. Check the provider's base URL."
        return _Seen(502, "upstream_redirect", ours, text, False)
    if status == 429:
        return _Seen(429, "rate_limit_exceeded", theirs, f"{said} limits our rate: {fault.message}", True)
    if status in (408, 504):
        return _Seen(504, "upstream_timeout", theirs, f"{said} ran out of time ({status}): {fault.message}", True)
    if status in (409, 425):
        return _Seen(503, "upstream_busy", theirs, f"{said} can't take this now ({status}): {fault.message}", True)
    if status in (503, 529):
        return _Seen(503, "overloaded", theirs, f"{said} is overloaded ({status}): {fault.message}", True)
    if 400 <= status < 500:
        return _callers(said, status, fault)
    return _Seen(502, "upstream_error", theirs, f"{said} failed ({status}): {fault.message}", None)


def _callers(said: str, status: int, fault: UpstreamFault) -> _Seen:
    shown = status if status in (400, 413, 422) else 400
    text = f"{said} refused the request ({status}): {fault.message}"
    if is_context_length(fault):
        return _Seen(400, "context_length_exceeded", Fault.CALLER, text, False)
    if fault.code in _POLICY_CODES:
        return _Seen(400, "content_policy_violation", Fault.CALLER, text, False)
    code = "request_too_large" if shown == 413 else "invalid_request"
    return _Seen(shown, code, Fault.CALLER, text, False)


def is_context_length(fault: UpstreamFault) -> bool:
    """Whether a provider says that prompt and answer do not fit its model."""
    if fault.code in _CONTEXT_CODES:
        return True
    words = fault.message.lower()
    return any(hint in words for hint in _CONTEXT_WORDS)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or an HTTP date), from 0 to a minute; None
    where there is none or it can't be read. Header names are looked up as given: pass a case-insensitive mapping."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return _clamped(milliseconds / 1000)
    value = headers.get("retry-after")
    if (seconds := _number(value)) is not None:
        return _clamped(seconds)
    if value is None:
        return None
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return _clamped((at - now).total_seconds())


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _clamped(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def retryable(error: TurnoutError) -> bool:
    """Whether another deployment, or this one later, may succeed with the same request. The caller of this function
    knows whether a byte was sent to the client already; after that nothing is retried."""
    if isinstance(error, UpstreamRejected):
        # Faults in our configuration of one provider (its key, its account, its model name) do not bind the next one,
        # nor does one model's context bind another's: the router's own filters decide that.
        return error.fault is not Fault.CALLER or error.code == "context_length_exceeded"
    return isinstance(error, UpstreamError)


def counts_against_health(error: TurnoutError) -> bool:
    """Whether the error says that the deployment is ill. A caller's fault does not, nor does a 429 that names no time:
    it may be this caller's burst."""
    if isinstance(error, UpstreamRejected):
        if error.fault is Fault.CALLER:
            return False
        return error.status != 429 or error.retry_after is not None
    if isinstance(error, UpstreamBroken):
        return not error.stale
    return isinstance(error, UpstreamError)
