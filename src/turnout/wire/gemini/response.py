"""Gemini's whole answer (`generateContent`): body to neutral."""

from __future__ import annotations

from turnout.core.errors import UpstreamBroken, UpstreamRejected
from turnout.core.json import JsonObject
from turnout.core.target import Dialect, Target
from turnout.wire.assemble import assemble
from turnout.wire.gemini.chunk import Answer
from turnout.wire.neutral import Failed, Response


def parse_response(body: JsonObject, target: Target) -> Response:
    """The first candidate. Raises UpstreamBroken where the body is no answer, UpstreamRejected where it is an error."""
    if not any(key in body for key in ("candidates", "promptFeedback", "error")):
        raise UpstreamBroken(f"{target.provider} answered 200 with a body that holds no candidate.")
    answer = Answer(target)
    events = answer.take(body)
    events += answer.end()
    for event in events:
        if isinstance(event, Failed):
            raise UpstreamRejected(event.message, upstream_status=event.status, status=502)
    return assemble(events, Dialect.GEMINI, target.provider)
