"""Token counts as providers send them."""

from __future__ import annotations

import dataclasses

import pytest

from turnout.core.json import Json, JsonObject
from turnout.core.target import Quirks
from turnout.wire.neutral import Usage
from turnout.wire.openai_chat.usage import parse_usage, render_usage

OPENAI: JsonObject = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "cache_write_tokens": 64, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 128, "accepted_prediction_tokens": 0},
}
DEEPSEEK: JsonObject = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_cache_hit_tokens": 64,
    "prompt_cache_miss_tokens": 36,
    "completion_tokens_details": {"reasoning_tokens": 9},
}
XAI: JsonObject = {
    "prompt_tokens": 32,
    "completion_tokens": 9,
    "total_tokens": 135,
    "prompt_tokens_details": {"text_tokens": 32, "cached_tokens": 6},
    "completion_tokens_details": {"reasoning_tokens": 94},
}
EXCLUDING: JsonObject = {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 90}}
NOTHING = Usage()
GOLDEN: list[tuple[str, JsonObject, bool, Usage]] = [
    ("openai", OPENAI, True, Usage(input_tokens=2006, cached_tokens=1920, cache_write_tokens=64, output_tokens=300, reasoning_tokens=128)),
    ("deepseek", DEEPSEEK, True, Usage(input_tokens=100, cached_tokens=64, output_tokens=50, reasoning_tokens=9)),
    ("xai: cached inside, reasoning beside", XAI, True, Usage(input_tokens=32, cached_tokens=6, output_tokens=103, reasoning_tokens=94)),
    ("input excludes cached", EXCLUDING, False, Usage(input_tokens=100, cached_tokens=90, output_tokens=1)),
    ("input excludes cached, none reported", {"prompt_tokens": 10}, False, Usage(input_tokens=10)),
    ("ollama", {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}, True, Usage(input_tokens=5, output_tokens=2)),
    ("empty", {}, True, NOTHING),
    ("zero", {"prompt_tokens": 0, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 0}}, True, Usage(input_tokens=0, cached_tokens=0, output_tokens=0)),
    ("zero cached is not missing", {"prompt_tokens_details": {"cached_tokens": 0}, "prompt_cache_hit_tokens": 5}, True, Usage(cached_tokens=0)),
    ("null", {"prompt_tokens": None, "completion_tokens": None, "prompt_tokens_details": None}, True, NOTHING),
    ("whole floats", {"prompt_tokens": 5.0, "completion_tokens": 2.0}, True, Usage(input_tokens=5, output_tokens=2)),
    ("details of a wrong type", {"prompt_tokens": 1, "prompt_tokens_details": [], "completion_tokens_details": 5}, True, Usage(input_tokens=1)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "includes", "expected"), [case[1:] for case in GOLDEN], ids=[case[0] for case in GOLDEN]
)
def test_golden(sent: JsonObject, includes: bool, expected: Usage) -> None:
    """What a provider reports becomes the counts it means."""
    found = parse_usage(sent, Quirks(input_includes_cached=includes))

    assert found.raw is sent
    assert dataclasses.replace(found, raw={}) == expected


@pytest.mark.parametrize("nonsense", [-1, 10**18, 1e18, 2.5, float("inf"), float("nan"), True, "5", [], {}])
@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens"])
def test_nonsense_is_not_reported(nonsense: Json, field: str) -> None:
    """A count that can't be one is as good as missing, and harms no other."""
    found = parse_usage({"prompt_tokens": 7, "completion_tokens": 7, field: nonsense}, Quirks())

    assert {found.input_tokens, found.output_tokens} == {7, None}


def test_a_chat_caller_gets_numbers() -> None:
    """The caller's own arithmetic holds: the total is the sum, and what nobody reported is 0."""
    assert render_usage(parse_usage(OPENAI, Quirks()))["total_tokens"] == 2306
    assert render_usage(None) == {
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "total_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


@pytest.mark.parametrize("case", GOLDEN, ids=[case[0] for case in GOLDEN])
def test_counts_survive_a_round_trip(case: tuple[str, JsonObject, bool, Usage]) -> None:
    """What is written for a chat caller is read as the same counts, unreported ones as 0."""
    usage = case[3]
    again = parse_usage(render_usage(usage), Quirks())

    for name in ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens"):
        assert getattr(again, name) == (getattr(usage, name) or 0)
