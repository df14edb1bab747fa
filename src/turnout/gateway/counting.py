"""Counting tokens without asking a model: by the provider where it counts, else by the model's own tokenizer where that
is installed, else by the neutral counter and what is known of the model's ratio to it.

A failure here never opens a circuit, and never leaves a caller without a number: clients decide by it when to shorten
a conversation, and a count too low ends in a deadlock (pain case 38). So what is counted here has a margin on top.
"""

from __future__ import annotations

import asyncio
import math
from typing import NamedTuple

import orjson

from turnout.catalogue.ratios import Ratios
from turnout.catalogue.tokenizers import Count, counter, installed, tokenizer_of
from turnout.core.errors import TurnoutError
from turnout.core.json import Json
from turnout.core.target import Dialect
from turnout.gateway.executor import Execution
from turnout.routing.decision import Candidate
from turnout.upstream.endpoint import count_tokens_url, headers_for
from turnout.upstream.transport import UpstreamRequest
from turnout.wire.codec import no_vault
from turnout.wire.codecs import CODECS
from turnout.wire.content import content_class
from turnout.wire.estimate import Meter, request_tokens, text_tokens
from turnout.wire.neutral import Request
from turnout.wire.splice import splice_model

_MOST = 1 << 16
ESTIMATE_MARGIN = 1.15
"""On top of an estimate."""
TOKENIZER_MARGIN = 1.05
"""On top of a real tokenizer's count: texts are exact, what the provider puts around turns and tools is not."""


class Counted(NamedTuple):
    """A count, and who counted: `provider`, `tokenizer:ID` or `estimate`."""

    tokens: int
    source: str


async def count_tokens(execution: Execution) -> None:
    """Answers `/v1/messages/count_tokens`."""
    assert execution.decision is not None, "decide comes first"
    candidate = execution.decision.candidates[0]
    asked = await _ask(execution, candidate)
    if asked is not None:
        counted = Counted(asked, "provider")
    else:
        ratios = execution.services.ratios.current
        # In a thread: a tokenizer takes up to 0.3 s to load, and some milliseconds for a long conversation.
        counted = await asyncio.to_thread(count_here, execution.intake.request, candidate.deployment.model, ratios)
    headers = [*execution.base_headers, (b"x-turnout-token-count", counted.source.encode())]
    execution.answered_by = candidate.deployment.name
    await execution.outlet.whole(200, headers, orjson.dumps({"input_tokens": counted.tokens}))


def count_here(request: Request, model: str, ratios: Ratios) -> Counted:
    """Prompt tokens of a request at a model, with a margin."""
    tokenizer = tokenizer_of(model)
    if tokenizer is not None and installed() and (count := counter(tokenizer.id)) is not None:
        tokens = request_tokens(request, _exactly(count))
        return Counted(math.ceil(tokens * TOKENIZER_MARGIN), f"tokenizer:{tokenizer.id}")
    tokens = request_tokens(request, _by_ratio(ratios, model, content_class(request)))
    return Counted(math.ceil(tokens * ESTIMATE_MARGIN), "estimate")


def _exactly(count: Count) -> Meter:
    return Meter(count, lambda raw: count(raw.decode()))


def _by_ratio(ratios: Ratios, model: str, content: str) -> Meter:
    text, json = ratios.ratio(model, content).value, ratios.ratio(model, "structured").value
    return Meter(
        lambda words: math.ceil(text_tokens(words) * text), lambda raw: math.ceil(text_tokens(raw.decode()) * json)
    )


async def _ask(execution: Execution, candidate: Candidate) -> int | None:
    deployment, intake = candidate.deployment, execution.intake
    url = count_tokens_url(deployment)
    if url is None or candidate.dialect is not Dialect.ANTHROPIC:
        return None
    if not execution.services.health.snapshot((deployment.name,)).of(deployment.name).available:
        return None  # it has failed lately: no reason to wait for its count
    adapt = CODECS[Dialect.ANTHROPIC].adapt
    assert adapt is not None, "callers speak this dialect"
    if adapt(intake.body, deployment.target(Dialect.ANTHROPIC), no_vault).changed:
        return None  # what we would send differs from what was asked about
    request = UpstreamRequest(
        url=url,
        headers=headers_for(deployment, Dialect.ANTHROPIC, intake.passthrough),
        body=splice_model(intake.raw, deployment.model),
        timeouts=deployment.timeouts,
    )
    try:
        response = await execution.services.transport.send(request)
        try:
            body: Json = orjson.loads(await response.read(_MOST)) if response.status == 200 else None
        finally:
            response.close()
    except (TurnoutError, orjson.JSONDecodeError):
        return None
    tokens = body.get("input_tokens") if isinstance(body, dict) else None
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0 else None
