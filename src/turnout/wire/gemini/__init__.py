"""Gemini's generateContent: spoken upstream only."""

from turnout.core.target import Dialect
from turnout.wire.codec import Codec
from turnout.wire.gemini.errors import parse_error
from turnout.wire.gemini.request import adapt, render_request
from turnout.wire.gemini.response import parse_response
from turnout.wire.gemini.stream import GeminiReader

CODEC = Codec(
    dialect=Dialect.GEMINI,
    render_request=render_request,
    adapt=adapt,
    parse_response=parse_response,
    reader=GeminiReader,
    parse_error=parse_error,
)

__all__ = ["CODEC"]
