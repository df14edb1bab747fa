"""The whole Responses answer and its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from turnout.core.errors import Fault, RateLimited, UpstreamBroken, UpstreamRejected
from turnout.core.target import Dialect, Quirks, Target
from turnout.wire.assemble import assemble
from turnout.wire.neutral import Response
from turnout.wire.openai_responses import CODEC

FOLDER = Path(__file__).parent / "transcripts" / "openai_responses"
TARGET = Target(model="m", provider="p", dialect=Dialect.OPENAI_RESPONSES, quirks=Quirks(custom_tools=True))


def parse(body: Any) -> Response:
    assert CODEC.parse_response is not None
    return CODEC.parse_response(body, TARGET)


@pytest.mark.parametrize("name", ["text", "parallel_calls", "custom_tool", "web_search", "incomplete"])
def test_the_terminal_event_s_response_reads_like_its_stream(name: str) -> None:
    """An answer with and without a stream is the same in the neutral form."""
    data = (FOLDER / f"{name}.sse").read_bytes()
    last = orjson.loads(data.rstrip().rsplit(b"data: ", 1)[1])
    assert CODEC.reader is not None
    reader = CODEC.reader(TARGET)

    assert parse(last["response"]) == assemble([*reader.feed(data), *reader.close()], Dialect.OPENAI_RESPONSES, "p")


@pytest.mark.parametrize(
    "body", [{}, {"object": "chat.completion", "choices": []}, {"status": "in_progress", "output": []}, {"output": 1}]
)
def test_what_is_no_finished_response_is_broken(body: dict[str, Any]) -> None:
    """A 200 with another body never becomes an empty answer."""
    with pytest.raises(UpstreamBroken):
        parse(body)


@pytest.mark.parametrize(
    ("code", "status", "upstream", "fault"),
    [
        ("rate_limit_exceeded", 429, 429, Fault.UPSTREAM),
        ("server_error", 502, 500, Fault.UPSTREAM),
        ("invalid_prompt", 400, 400, Fault.CALLER),
        ("novelty", 502, 502, Fault.UPSTREAM),
    ],
)
def test_failed_response_is_rejected(code: str, status: int, upstream: int, fault: Fault) -> None:
    """A 200 that holds a failure is an error with the status it means."""
    with pytest.raises(UpstreamRejected) as caught:
        parse({"status": "failed", "error": {"code": code, "message": "No."}, "output": []})

    assert (caught.value.status, caught.value.upstream_status, caught.value.fault) == (status, upstream, fault)
    assert caught.value.code == code


def test_input_that_leaves_out_cached_tokens_is_made_whole() -> None:
    """Where a provider counts cached tokens apart, the neutral input contains them."""
    assert CODEC.parse_response is not None
    target = Target(
        model="m", provider="p", dialect=Dialect.OPENAI_RESPONSES, quirks=Quirks(input_includes_cached=False)
    )
    usage = {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 7}, "output_tokens": 1}
    response = CODEC.parse_response({"status": "completed", "output": [], "usage": usage}, target)

    assert response.usage is not None and response.usage.input_tokens == 10


def test_error_bodies() -> None:
    """Errors go out in OpenAI's shape, and come in from it."""
    assert CODEC.render_error is not None and CODEC.parse_error is not None
    body = CODEC.render_error(RateLimited("Wait."), "req_1")

    assert orjson.loads(body) == {
        "error": {"message": "Wait.", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}
    }
    assert CODEC.parse_error(body) == ("Wait.", "rate_limit_exceeded", None)
