"""Embeddings: always in the same dialect, so only a copy is read, for limits and usage.

Source: platform.openai.com/docs/api-reference/embeddings.
"""

from __future__ import annotations

from turnout.core.errors import InvalidField, UpstreamBroken
from turnout.core.json import JsonObject
from turnout.core.target import Dialect, Target
from turnout.wire import fields
from turnout.wire.codec import Codec
from turnout.wire.neutral import Message, Opaque, Part, Request, Response, Text
from turnout.wire.openai_chat.errors import parse_error, render_error
from turnout.wire.openai_chat.usage import parse_usage
from turnout.wire.openai_completions.request import adapt


def parse_request(body: JsonObject) -> Request:
    """The neutral request: one user message with the texts. Raises InvalidField naming the field."""
    given = body.get("input")
    parts: tuple[Part, ...]
    if isinstance(given, str):
        parts = (Text(text=given),)
    elif isinstance(given, list) and given and all(isinstance(item, str) for item in given):
        parts = tuple(Text(text=str(item)) for item in given)
    elif (
        isinstance(given, list)
        and given
        and all(isinstance(item, int | list) and not isinstance(item, bool) for item in given)
    ):
        parts = (Opaque(dialect=Dialect.OPENAI_EMBEDDINGS, kind="token ids", raw={"input": given}),)
    else:
        raise InvalidField(
            "'input' must be a text, or an array that holds texts or token ids and is not empty.", param="input"
        )
    form = fields.optional_text(body, "encoding_format")
    if form not in (None, "float", "base64"):
        raise InvalidField(f"'encoding_format' must be float or base64, not '{form}'.", param="encoding_format")
    fields.optional_int(body, "dimensions", least=1)
    return Request(
        dialect=Dialect.OPENAI_EMBEDDINGS,
        model=fields.text(body, "model"),
        messages=(Message("user", parts),),
        user=fields.optional_text(body, "user"),
    )


def parse_response(body: JsonObject, target: Target) -> Response:
    """The usage; the vectors stay where they are. Raises UpstreamBroken where there are none."""
    data = body.get("data")
    if not isinstance(data, list) or not data:
        raise UpstreamBroken(f"{target.provider} answered 200 with a body that holds no embedding.")
    usage = body.get("usage")
    return Response(
        id="",
        model=str(body.get("model") or target.model),
        parts=(),
        stop_reason="end",
        usage=parse_usage(usage, target.quirks, tier=body.get("service_tier")) if isinstance(usage, dict) else None,
    )


CODEC = Codec(
    dialect=Dialect.OPENAI_EMBEDDINGS,
    parse_request=parse_request,
    adapt=adapt,
    parse_response=parse_response,
    parse_error=parse_error,
    render_error=render_error,
)
