"""OpenAI chat completions: spoken by callers, by most providers and by every self-hosted engine."""

from turnout.core.target import Dialect
from turnout.wire.codec import Codec
from turnout.wire.openai_chat.adapt import adapt
from turnout.wire.openai_chat.errors import parse_error, render_error
from turnout.wire.openai_chat.reader import ChatReader
from turnout.wire.openai_chat.render import render_request
from turnout.wire.openai_chat.request import parse_request
from turnout.wire.openai_chat.response import parse_response, render_response
from turnout.wire.openai_chat.writer import ChatWriter

CODEC = Codec(
    dialect=Dialect.OPENAI_CHAT,
    parse_request=parse_request,
    render_request=render_request,
    adapt=adapt,
    parse_response=parse_response,
    render_response=render_response,
    reader=ChatReader,
    writer=ChatWriter,
    parse_error=parse_error,
    render_error=render_error,
)

__all__ = ["CODEC"]
