"""OpenAI Responses: what Codex and the newer OpenAI SDKs speak, without stored state."""

from turnout.core.target import Dialect
from turnout.wire.codec import Codec
from turnout.wire.openai_responses.adapt import adapt
from turnout.wire.openai_responses.errors import parse_error, render_error
from turnout.wire.openai_responses.reader import ResponsesReader
from turnout.wire.openai_responses.render import render_request
from turnout.wire.openai_responses.request import parse_request
from turnout.wire.openai_responses.response import parse_response, render_response
from turnout.wire.openai_responses.writer import ResponsesWriter

CODEC = Codec(
    dialect=Dialect.OPENAI_RESPONSES,
    parse_request=parse_request,
    render_request=render_request,
    adapt=adapt,
    parse_response=parse_response,
    render_response=render_response,
    reader=ResponsesReader,
    writer=ResponsesWriter,
    parse_error=parse_error,
    render_error=render_error,
)

__all__ = ["CODEC"]
