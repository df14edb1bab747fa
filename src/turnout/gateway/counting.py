"""Counting tokens without asking a model: the provider's own count where it counts, else ours with its margin.

A failure here never opens a circuit, and never leaves a caller without a number: clients decide by it when to shorten
a conversation (pain case 38).
"""

from __future__ import annotations

import orjson

from turnout.core.errors import TurnoutError
from turnout.core.json import Json
from turnout.core.target import Dialect
from turnout.gateway.executor import Execution
from turnout.routing.decision import Candidate
from turnout.upstream.endpoint import count_tokens_url, headers_for
from turnout.upstream.transport import UpstreamRequest
from turnout.wire.codec import no_vault
from turnout.wire.codecs import CODECS
from turnout.wire.estimate import counted_tokens
from turnout.wire.splice import splice_model

_MOST = 1 << 16


async def count_tokens(execution: Execution) -> None:
    """Answers `/v1/messages/count_tokens`."""
    assert execution.decision is not None, "decide comes first"
    candidate = execution.decision.candidates[0]
    counted = await _ask(execution, candidate)
    source = b"provider"
    if counted is None:
        counted, source = counted_tokens(execution.intake.request), b"estimate"
    headers = [*execution.base_headers, (b"x-turnout-token-count", source)]
    execution.answered_by = candidate.deployment.name
    await execution.outlet.whole(200, headers, orjson.dumps({"input_tokens": counted}))


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
