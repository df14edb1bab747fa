"""Counting through the gateway, where no provider counts."""

from __future__ import annotations

from pathlib import Path

from dialect_world import world
from raw_http import post

from harness import deployment, provider

MORE = provider("deepseek", "{url}", preset="deepseek") + deployment("seek", "deepseek", "deepseek-v4-pro")


def test_the_header_names_the_tokenizer_or_says_that_it_is_an_estimate(tmp_path: Path) -> None:
    """The model's own where it has one, in a request of every size; nothing is sent upstream."""
    with world(tmp_path, MORE) as running:
        for letters in (10, 400_000):
            messages = [{"role": "user", "content": "word " * (letters // 5)}]
            real = post(running.gateway.url, "/v1/messages/count_tokens", {"model": "seek", "messages": messages})
            guessed = post(running.gateway.url, "/v1/messages/count_tokens", {"model": "gemini", "messages": messages})

            assert real.headers["x-turnout-token-count"] == "tokenizer:deepseek"
            assert guessed.headers["x-turnout-token-count"] == "estimate"
            assert letters // 5 <= real.json["input_tokens"] < letters // 5 * 1.2 + 10
            assert letters // 5 <= guessed.json["input_tokens"]
        assert running.double.requests == []
