"""What an answer says of the service that gave it, by dialect, whole and in a stream."""

from __future__ import annotations

import orjson
import pytest

from turnout.core.json import JsonObject
from turnout.core.target import Dialect, Target
from turnout.wire import openai_chat, openai_embeddings
from turnout.wire.anthropic import usage as anthropic
from turnout.wire.gemini import usage as gemini
from turnout.wire.neutral import UsageReported

TARGET = Target(model="m", provider="p", dialect=Dialect.OPENAI_CHAT)
CHOICE: JsonObject = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
COUNTS: JsonObject = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


@pytest.mark.parametrize(
    ("said", "read"), [("default", "standard"), ("priority", "priority"), ("scale", "scale"), ("auto", None), (7, None)]
)
def test_chat_says_the_tier_beside_the_usage(said: object, read: str | None) -> None:
    """Unknown words stay as they are: they are not the usual service."""
    body = {"id": "1", "choices": [CHOICE], "usage": COUNTS, "service_tier": said}
    assert openai_chat.CODEC.parse_response is not None
    answer = openai_chat.CODEC.parse_response(body, TARGET)

    assert answer.usage is not None
    assert answer.usage.service_tier == read


def test_a_tier_of_an_earlier_chunk_holds_for_the_usage() -> None:
    """Not every server repeats it in the chunk of the usage."""
    start = {"id": "1", "service_tier": "flex", "choices": [{"index": 0, "delta": {"content": "hi"}}]}
    end = {"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": COUNTS}
    assert openai_chat.CODEC.reader is not None
    reader = openai_chat.CODEC.reader(TARGET)
    events = [*reader.feed(b"".join(b"data: %s\n\n" % orjson.dumps(each) for each in (start, end)))]

    assert [each.usage.service_tier for each in events if isinstance(each, UsageReported)] == ["flex"]


def test_embeddings_have_tiers_too() -> None:
    """Where a server says one."""
    body: JsonObject = {"data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 1}, "service_tier": "priority"}
    assert openai_embeddings.CODEC.parse_response is not None
    answer = openai_embeddings.CODEC.parse_response(body, TARGET)

    assert answer.usage is not None
    assert answer.usage.service_tier == "priority"


def test_anthropic_says_tier_speed_and_place() -> None:
    """All three decide the price; what is no word was not said."""
    raw: JsonObject = {"input_tokens": 1, "service_tier": "batch", "speed": "fast", "inference_geo": "us"}
    usage, odd = anthropic.parse_usage(raw), anthropic.parse_usage({**raw, "speed": 3, "inference_geo": None})

    assert usage is not None and odd is not None
    assert (usage.service_tier, usage.speed, usage.inference_geo) == ("batch", "fast", "us")
    assert (odd.speed, odd.inference_geo) == (None, None)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("ON_DEMAND", "standard"),
        ("ON_DEMAND_FLEX", "flex"),
        ("PROVISIONED_THROUGHPUT", "PROVISIONED_THROUGHPUT"),
        ("TRAFFIC_TYPE_UNSPECIFIED", None),
        (None, None),
    ],
)
def test_gemini_says_the_traffic(said: str | None, read: str | None) -> None:
    """Provisioned throughput is not taken for what is bought by the token."""
    assert gemini.parse_usage({"promptTokenCount": 1, "trafficType": said}).service_tier == read
