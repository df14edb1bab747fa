"""The Messages dialect of Anthropic, spoken by callers and by upstreams."""

from __future__ import annotations

from turnout.core.target import Dialect
from turnout.wire.anthropic.adapt import adapt
from turnout.wire.anthropic.errors import error_status, parse_error, render_error
from turnout.wire.anthropic.reader import reader
from turnout.wire.anthropic.render import render_request
from turnout.wire.anthropic.request import parse_request
from turnout.wire.anthropic.response import parse_response, render_response
from turnout.wire.anthropic.writer import writer
from turnout.wire.codec import Codec

__all__ = ["CODEC"]

CODEC = Codec(
    dialect=Dialect.ANTHROPIC,
    parse_request=parse_request,
    render_request=render_request,
    adapt=adapt,
    parse_response=parse_response,
    render_response=render_response,
    reader=reader,
    writer=writer,
    parse_error=parse_error,
    render_error=render_error,
    error_status=error_status,
)
