"""A spent budget and an unknown price in each dialect, read by the vendors' own clients."""

from __future__ import annotations

from datetime import UTC, datetime

import anthropic
import openai
import orjson
import pytest
from openai_client import served
from test_anthropic_sdk import ASK, serving

from turnout.core.errors import BudgetExceeded, PriceUnknown, RateLimited, TurnoutError
from turnout.core.money import Money
from turnout.core.target import Dialect
from turnout.wire.codec import Answering
from turnout.wire.codecs import CODECS
from turnout.wire.neutral import Request

SPENT = BudgetExceeded(
    "The budget 'b' has $0.12 left.",
    budget="b",
    subject="team b",
    limit=Money.of(500),
    left=Money.of("0.12"),
    resets_at=datetime(2026, 12, 1, tzinfo=UTC),
)
OPENAI = (Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES, Dialect.OPENAI_COMPLETIONS, Dialect.OPENAI_EMBEDDINGS)


def _told(dialect: Dialect, error: TurnoutError) -> tuple[int, bytes]:
    codec = CODECS[dialect]
    assert codec.render_error is not None
    return codec.error_status(error), codec.render_error(error, "req_1")


def _in_stream(dialect: Dialect) -> bytes:
    request = Request(dialect=dialect, model="m", messages=())
    writer = CODECS[dialect].writer
    assert writer is not None
    return writer(Answering(request=request, model="m", response_id="abc", created=0)).fail(SPENT)


@pytest.mark.parametrize("dialect", OPENAI)
def test_openai_clients_see_an_empty_purse_rather_than_a_rate(dialect: Dialect) -> None:
    status, body = _told(dialect, SPENT)
    with served(body, "application/json", status) as client, pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(model="m", messages=[])

    assert (raised.value.status_code, raised.value.type, raised.value.code) == (
        429,
        "insufficient_quota",
        "budget_exceeded",
    )
    assert "has $0.12 left" in raised.value.message


def test_anthropic_clients_see_a_billing_error() -> None:
    """402 is the word of this dialect for it; its client has no class of its own for the status."""
    status, body = _told(Dialect.ANTHROPIC, SPENT)
    with serving(body, status, "application/json") as client, pytest.raises(anthropic.APIStatusError) as raised:
        client.messages.create(**ASK)

    assert not isinstance(raised.value, anthropic.RateLimitError)
    assert (raised.value.status_code, raised.value.type) == (402, "billing_error")
    assert "has $0.12 left" in raised.value.message


def test_a_stream_that_is_open_already_ends_in_the_dialects_words() -> None:
    """Codex tries again after any code that it does not know; `insufficient_quota` it takes for the end."""
    failed = _in_stream(Dialect.OPENAI_RESPONSES)
    assert b'"code":"insufficient_quota"' in failed
    assert b'"type":"insufficient_quota"' in _in_stream(Dialect.OPENAI_CHAT)
    assert b'"type":"billing_error"' in _in_stream(Dialect.ANTHROPIC)


@pytest.mark.parametrize("dialect", [*OPENAI, Dialect.ANTHROPIC])
def test_a_rate_is_still_a_rate(dialect: Dialect) -> None:
    status, body = _told(dialect, RateLimited("Slower."))

    assert (status, orjson.loads(body)["error"]["type"]) == (429, "rate_limit_error")


def test_an_unknown_price_is_our_fault_in_every_dialect() -> None:
    error = PriceUnknown("No price is known of 'm'.")

    assert error.should_retry is False
    for dialect in OPENAI:
        status, body = _told(dialect, error)
        said = orjson.loads(body)["error"]
        assert (status, said["type"], said["code"]) == (500, "server_error", "price_unknown")
    status, body = _told(Dialect.ANTHROPIC, error)
    assert (status, orjson.loads(body)["error"]["type"]) == (500, "api_error")
