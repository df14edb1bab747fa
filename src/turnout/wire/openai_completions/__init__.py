"""Legacy completions: for older callers and for code models that complete a prefix."""

from turnout.core.target import Dialect
from turnout.wire.codec import Codec
from turnout.wire.openai_chat.errors import parse_error, render_error
from turnout.wire.openai_completions.request import adapt, parse_request
from turnout.wire.openai_completions.response import CompletionWriter, parse_response, reader, render_response

CODEC = Codec(
    dialect=Dialect.OPENAI_COMPLETIONS,
    parse_request=parse_request,
    adapt=adapt,
    parse_response=parse_response,
    render_response=render_response,
    reader=reader,
    writer=CompletionWriter,
    parse_error=parse_error,
    render_error=render_error,
)

__all__ = ["CODEC"]
