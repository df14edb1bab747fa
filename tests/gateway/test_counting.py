"""Counting a request here: by the model's own tokenizer, or by its ratio; with a margin on top."""

from __future__ import annotations

import math

import pytest

from turnout.catalogue.ratios import Learned, Ratios
from turnout.catalogue.tokenizers import counter
from turnout.core.target import Dialect
from turnout.gateway import counting
from turnout.gateway.counting import ESTIMATE_MARGIN, TOKENIZER_MARGIN, count_here
from turnout.wire.estimate import MESSAGE_TOKENS, text_tokens
from turnout.wire.neutral import Message, Request, Text, Tool

WORDS = "Please write a short letter to our customers and tell them that we are closed. " * 30
PRIORS = Ratios.of()


def _request(text: str = WORDS, tools: tuple[Tool, ...] = ()) -> Request:
    return Request(dialect=Dialect.ANTHROPIC, model="m", messages=(Message("user", (Text(text=text),)),), tools=tools)


def test_a_real_tokenizer_counts_the_texts_and_the_frame_stays() -> None:
    """The header's word names it."""
    count = counter("deepseek")
    assert count is not None
    found = count_here(_request(), "deepseek-v4-pro", PRIORS)

    assert found.source == "tokenizer:deepseek"
    assert found.tokens == math.ceil((count(WORDS) + MESSAGE_TOKENS) * TOKENIZER_MARGIN)


def test_without_one_the_neutral_count_is_moved_by_the_model_s_ratio() -> None:
    """For the class of this content, and by what was learned."""
    neutral = text_tokens(WORDS)
    learned = Learned(model="claude-opus-4-7", content="prose", calls=10**6, reported=2 * 10**9, neutral=10**9)
    by_prior = count_here(_request(), "claude-opus-4-7", PRIORS)
    by_calls = count_here(_request(), "claude-opus-4-7", Ratios.of([learned]))

    assert by_prior.source == by_calls.source == "estimate"
    assert by_prior.tokens == math.ceil((math.ceil(neutral * 1.453) + MESSAGE_TOKENS) * ESTIMATE_MARGIN)
    assert by_calls.tokens == pytest.approx(2 * neutral * ESTIMATE_MARGIN, rel=0.02)


def test_without_the_extra_every_model_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    """And near what its tokenizer would say: a count too low keeps a client from ever shortening."""
    real = count_here(_request(), "gpt-5.5", PRIORS)
    monkeypatch.setattr(counting, "installed", lambda: False)
    estimated = count_here(_request(), "gpt-5.5", PRIORS)

    assert estimated.source == "estimate"
    assert 0.9 * real.tokens < estimated.tokens < 1.5 * real.tokens


@pytest.mark.parametrize("model", ["deepseek-v4-pro", "claude-opus-4-7", "nobody-knows"])
def test_tools_count_and_strange_letters_break_nothing(model: str) -> None:
    """Half a surrogate pair, an empty text, a schema."""
    tool = Tool(name="look", description=WORDS, parameters={"type": "object", "properties": {"q": {"type": "string"}}})
    bare = count_here(_request("a\ud800\x00"), model, PRIORS).tokens

    assert 0 < bare < 30
    assert count_here(_request("a\ud800\x00", (tool,)), model, PRIORS).tokens > bare + 400
    assert count_here(_request(""), model, PRIORS).tokens > 0
