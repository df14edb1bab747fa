"""Recorded usage of each vendor, through the gateway, to what it costs. The amounts are reckoned by hand."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from usage_world import SetClock, Shape, recorded, settled, usage_world

from harness import Gateway
from turnout.double import Double

MONDAY = "2026-11-23T12:00:00+00:00"
"""Not DeepSeek's peak."""

OPENAI = b'{"prompt_tokens":2006,"completion_tokens":300,"total_tokens":2306,"prompt_tokens_details":{"cached_tokens":1920,"cache_write_tokens":64,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":128,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}'
PLAIN = b'{"prompt_tokens":1000,"completion_tokens":200,"total_tokens":1200,"prompt_tokens_details":{"cached_tokens":400,"audio_tokens":0}}'
LONG = b'{"prompt_tokens":272001,"completion_tokens":10,"total_tokens":272011}'
RESPONSES = b'{"input_tokens":5000,"input_tokens_details":{"cached_tokens":3000,"cache_write_tokens":1500},"output_tokens":800,"output_tokens_details":{"reasoning_tokens":640},"total_tokens":5800}'
CLAUDE = b'{"input_tokens":3,"cache_creation_input_tokens":5000,"cache_read_input_tokens":2000,"cache_creation":{"ephemeral_5m_input_tokens":1000,"ephemeral_1h_input_tokens":4000},"output_tokens":100,"service_tier":"standard"%s}'
GEMINI = b'{"promptTokenCount":10000,"candidatesTokenCount":300,"totalTokenCount":11500,"cachedContentTokenCount":8000,"thoughtsTokenCount":700,"toolUsePromptTokenCount":500,"promptTokensDetails":[{"modality":"TEXT","tokenCount":10000}],"cacheTokensDetails":[{"modality":"TEXT","tokenCount":8000}]}'
DEEPSEEK = b'{"prompt_tokens":1000,"completion_tokens":200,"total_tokens":1200,"prompt_tokens_details":{"cached_tokens":640},"completion_tokens_details":{"reasoning_tokens":50},"prompt_cache_hit_tokens":640,"prompt_cache_miss_tokens":360}'
XAI = b'{"prompt_tokens":2000,"completion_tokens":90,"total_tokens":2500,"prompt_tokens_details":{"text_tokens":2000,"audio_tokens":0,"image_tokens":0,"cached_tokens":1500},"completion_tokens_details":{"reasoning_tokens":410,"audio_tokens":0},"num_sources_used":0}'
GROQ = b'{"queue_time":0.037493,"prompt_tokens":100,"prompt_time":0.000680,"completion_tokens":50,"completion_time":0.463333,"total_tokens":150,"total_time":0.464013,"prompt_tokens_details":{"cached_tokens":40}}'
MISTRAL = b'{"prompt_audio_seconds":null,"prompt_tokens":100,"total_tokens":150,"completion_tokens":50,"request_count":null,"prompt_token_details":null}'
OPENROUTER = b'{"prompt_tokens":1000,"completion_tokens":10,"total_tokens":1010,"cost":0.0123,"is_byok":false,"prompt_tokens_details":{"cached_tokens":900,"audio_tokens":0},"cost_details":{"upstream_inference_cost":null},"completion_tokens_details":{"reasoning_tokens":0}}'

# deployment, shape, usage, members beside it, asked, instant, dollars
GOLDEN: dict[str, tuple[str, Shape, bytes, bytes, dict[str, object], str, str]] = {
    # 22 at 4, 1920 at 0.4, 64 at 5, 300 at 20: 88 + 768 + 320 + 6000 = 7176
    "openai: cache write of gpt-5.6, reasoning is output": ("sol", "chat", OPENAI, b'"service_tier":"default"', {}, MONDAY, "0.007176"),
    # 600 at 5, 400 at 0.5, 200 at 30: 3000 + 200 + 6000 = 9200
    "openai: standard": ("gpt", "chat", PLAIN, b"", {}, MONDAY, "0.0092"),
    # 9200 / 2
    "openai: flex": ("gpt", "chat", PLAIN, b'"service_tier":"flex"', {"service_tier": "flex"}, MONDAY, "0.0046"),
    # 9200 * 2.5
    "openai: priority": ("gpt", "chat", PLAIN, b'"service_tier":"priority"', {"service_tier": "priority"}, MONDAY, "0.023"),
    "openai: priority asked, the usual service given": ("gpt", "chat", PLAIN, b'"service_tier":"default"', {"service_tier": "priority"}, MONDAY, "0.0092"),
    # 272001 at 10, 10 at 45: 2720010 + 450
    "openai: long context": ("gpt", "chat", LONG, b"", {}, MONDAY, "2.72046"),
    # 500 at 2, 3000 at 0.2, 1500 at 2.5, 800 at 12: 1000 + 600 + 3750 + 9600 = 14950
    "openai: responses": ("terra", "responses", RESPONSES, b'"service_tier":"default"', {}, MONDAY, "0.01495"),
    # 14950 / 2
    "openai: responses, flex": ("terra", "responses", RESPONSES, b'"service_tier":"flex"', {}, MONDAY, "0.007475"),
    # 3 at 5, 2000 at 0.5, 1000 at 6.25, 4000 at 10, 100 at 25: 15 + 1000 + 6250 + 40000 + 2500 = 49765
    "pain_07 anthropic: reads, writes for 5 minutes and for an hour": ("opus", "messages", CLAUDE % b"", b"", {}, MONDAY, "0.049765"),
    # 49765 * 1.1
    "anthropic: in the US": ("opus", "messages", CLAUDE % b',"inference_geo":"us"', b"", {}, MONDAY, "0.0547415"),
    # 49765 * 2
    "anthropic: fast": ("opus", "messages", CLAUDE % b',"speed":"fast"', b"", {"speed": "fast"}, MONDAY, "0.09953"),
    # 10500 - 8000 at 2, 8000 at 0.2, 1000 at 12: 5000 + 1600 + 12000 = 18600
    "pain_06 gemini: cached once, thoughts beside, tools in the prompt": ("gemini", "gemini", GEMINI, b"", {}, MONDAY, "0.0186"),
    # 360 at 1.32, 640 at 0.044, 200 at 3.96: 475.2 + 28.16 + 792 = 1295.36
    "pain_09 deepseek: hits and misses once, peak": ("deepseek", "chat", DEEPSEEK, b"", {}, "2026-09-14T02:00:00+00:00", "0.00129536"),
    "deepseek: the last microsecond of the peak": ("deepseek", "chat", DEEPSEEK, b"", {}, "2026-09-14T03:59:59.999999+00:00", "0.00129536"),
    # half of it
    "deepseek: behind the peak": ("deepseek", "chat", DEEPSEEK, b"", {}, "2026-09-14T04:00:00+00:00", "0.00064768"),
    "pain_12 deepseek: Saturday": ("deepseek", "chat", DEEPSEEK, b"", {}, "2026-09-12T02:00:00+00:00", "0.00064768"),
    "pain_12 deepseek: a Friday that is a holiday in China": ("deepseek", "chat", DEEPSEEK, b"", {}, "2026-09-25T02:00:00+00:00", "0.00064768"),
    # the tariff of those days, without hours: 360 at 0.435, 640 at 0.003625, 200 at 0.87: 156.6 + 2.32 + 174 = 332.92
    "pain_12 deepseek: in July": ("deepseek", "chat", DEEPSEEK, b"", {}, "2026-07-01T02:00:00+00:00", "0.00033292"),
    # 500 at 2, 1500 at 0.5, 90 + 410 at 6: 1000 + 750 + 3000 = 4750
    "pain_08 xai: text tokens hold the cached ones, reasoning is beside": ("grok", "chat", XAI, b"", {}, MONDAY, "0.00475"),
    # 60 at 0.15, 40 at 0.075, 50 at 0.6: 9 + 3 + 30 = 42
    "groq: seconds among the counts": ("groq", "chat", GROQ, b'"service_tier":"on_demand","x_groq":{"id":"req_1"}', {}, MONDAY, "0.000042"),
    # 100 at 1.5, 50 at 7.5: 150 + 375 = 525
    "mistral": ("mistral", "chat", MISTRAL, b"", {}, MONDAY, "0.000525"),
    # 100 at 1, 900 at 0.1, 10 at 2: 100 + 90 + 20 = 210, whatever it says of its own cost
    "openrouter: by the operator's row": ("router", "chat", OPENROUTER, b'"provider":"Vendor"', {}, MONDAY, "0.00021"),
}  # fmt: skip


@pytest.fixture(scope="module")
def clock() -> SetClock:
    return SetClock(MONDAY)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, clock: SetClock) -> Iterator[tuple[Gateway, Double]]:
    with usage_world(tmp_path_factory.mktemp("golden"), clock) as found:
        yield found


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", GOLDEN)
def test_what_a_recorded_answer_costs(world: tuple[Gateway, Double], clock: SetClock, case: str, stream: bool) -> None:
    gateway, double = world
    name, shape, usage, beside, asked, at, dollars = GOLDEN[case]
    clock.set(at)
    posting = settled(gateway, double, name, recorded(shape, usage, stream=stream, beside=beside), asked, stream=stream)

    assert Decimal(str(posting["cost_nano"])) / 10**9 == Decimal(dollars)
    assert (posting["estimated"], posting["flags"].replace("above_hold", "")) == (0, "")  # type: ignore[union-attr]
    assert posting["price_row"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_pain_10_a_price_that_is_not_known_is_never_nothing(
    world: tuple[Gateway, Double], clock: SetClock, stream: bool
) -> None:
    gateway, double = world
    clock.set(MONDAY)
    posting = settled(gateway, double, "unpriced", recorded("chat", OPENROUTER, stream=stream), stream=stream)

    assert (posting["cost_nano"], posting["flags"], posting["price_row"]) == (None, "unknown_model", "")
    assert (posting["input_tokens"], posting["output_tokens"]) == (1000, 10)
