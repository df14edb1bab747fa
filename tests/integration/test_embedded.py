"""The embedded model behind the gateway, with its real weights and both official clients."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from dialect_world import clients
from raw_http import get

from harness import Gateway, running_gateway
from turnout.upstream.local_weights import Weights

SYSTEM = "You are a helpful assistant."
QUESTION = "What is the capital of France? Answer in one short sentence."
HI: list[Any] = [{"role": "user", "content": QUESTION}]


def wait_until_ready(gateway: Gateway, seconds: float = 60) -> None:
    """Until `/readyz` says so."""
    until = time.monotonic() + seconds
    while get(gateway.url, "/readyz").status != 200:
        assert time.monotonic() < until, get(gateway.url, "/readyz").body
        time.sleep(0.05)


def engines() -> set[int]:
    """The engine processes that this process has started."""
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended meanwhile
        if b"turnout.upstream.local_child" in words and parent == os.getpid():
            found.add(int(entry.name))
    return found


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, smollm2: Weights) -> Iterator[Gateway]:
    """A gateway with nothing but the embedded model, started once."""
    config = f'[local]\nmodel = "{smollm2.path}"\ncontext = 1024\n'
    with running_gateway(tmp_path_factory.mktemp("embedded"), config) as found:
        wait_until_ready(found)
        yield found


@pytest.fixture
def sdks(gateway: Gateway) -> Iterator[tuple[openai.OpenAI, anthropic.Anthropic]]:
    """Both clients."""
    with clients(gateway.url) as found:
        yield found


@pytest.fixture
def model(sdks: tuple[openai.OpenAI, anthropic.Anthropic]) -> str:
    """Its name, as the list of models tells it."""
    return next(iter(sdks[0].models.list())).id


def test_openais_client_gets_a_real_answer(sdks, model):
    """Whole: words of the model, with counts that fit them."""
    told = sdks[0].chat.completions.create(model=model, messages=HI, max_completion_tokens=24, temperature=0)

    assert "Paris" in (told.choices[0].message.content or "")
    assert told.usage is not None and told.usage.prompt_tokens > 10 and 0 < told.usage.completion_tokens <= 24


def test_openais_client_gets_a_real_stream(sdks, model):
    """Word by word, the same words, and usage at the end."""
    asked: Any = {"model": model, "messages": HI, "max_completion_tokens": 24, "temperature": 0}
    whole = sdks[0].chat.completions.create(**asked).choices[0].message.content
    with sdks[0].chat.completions.stream(**asked, stream_options={"include_usage": True}) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()

    assert len(deltas) > 2 and "".join(deltas) == whole
    assert final.usage is not None and final.usage.completion_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
def test_anthropics_client_gets_a_real_answer(sdks, model, stream):
    """Through the translation, both ways."""
    asked: Any = {"model": model, "max_tokens": 24, "messages": HI, "system": SYSTEM}
    if stream:
        with sdks[1].messages.stream(**asked) as events:
            told = events.get_final_message()
    else:
        told = sdks[1].messages.create(**asked)

    assert told.content[0].text.strip()
    prompt = told.usage.input_tokens + (told.usage.cache_read_input_tokens or 0)  # the engine keeps the last prompt
    assert prompt > 10 and 0 < told.usage.output_tokens <= 24
    assert told.stop_reason in ("end_turn", "max_tokens")


@pytest.mark.parametrize("stream", [False, True])
def test_a_responses_client_gets_a_real_answer(sdks, model, stream):
    """As Codex would ask."""
    asked: Any = {"model": model, "input": QUESTION, "max_output_tokens": 24, "temperature": 0}
    if stream:
        (last,) = [
            event.response
            for event in sdks[0].responses.create(**asked, stream=True)
            if event.type in ("response.completed", "response.incomplete")
        ]
    else:
        last = sdks[0].responses.create(**asked)

    assert "Paris" in last.output_text
    assert last.usage is not None and last.usage.output_tokens > 0


def test_a_cut_by_length_is_told(sdks, model):
    """Three tokens are three tokens."""
    told = sdks[0].chat.completions.create(model=model, messages=HI, max_completion_tokens=3)

    assert told.choices[0].finish_reason == "length"
    assert told.usage is not None and told.usage.completion_tokens == 3


def test_its_tokens_are_counted(sdks, model):
    """Counting works without a provider that counts."""
    assert sdks[1].messages.count_tokens(model=model, messages=HI).input_tokens > 10


def test_a_prompt_that_does_not_fit_is_refused_beforehand(sdks, model):
    """By the configured context, not by a failure of the engine."""
    with pytest.raises(openai.BadRequestError, match="context"):
        sdks[0].chat.completions.create(model=model, messages=[{"role": "user", "content": "word " * 2000}])


def test_each_answer_is_recorded_with_its_counts(gateway, sdks, model):
    """Like any provider's."""
    answer = sdks[0].chat.completions.with_raw_response.create(model=model, messages=HI, max_completion_tokens=4)
    name, until = answer.headers["x-request-id"], time.monotonic() + 5
    while not any(row["id"] == name for row in gateway.requests()):
        assert time.monotonic() < until
        time.sleep(0.01)
    (row,) = [row for row in gateway.requests() if row["id"] == name]
    (attempt,) = [row for row in gateway.attempts() if row["request_id"] == name]

    assert (row["outcome"], row["status"]) == ("ok", 200)
    assert attempt["input_tokens"] > 10 and attempt["output_tokens"] == 4 and attempt["estimated"] == 0


def test_a_killed_engine_is_started_again(gateway, sdks, model):
    """After `kill -9` the next requests are answered, by another process."""
    (old,) = engines()
    os.kill(old, signal.SIGKILL)
    until = time.monotonic() + 60
    while True:
        try:
            told = sdks[0].chat.completions.create(model=model, messages=HI, max_completion_tokens=8, temperature=0)
            break
        except openai.APIStatusError as error:  # while it loads
            assert error.status_code in (502, 503) and time.monotonic() < until, error
            time.sleep(0.1)
    assert told.choices[0].message.content
    (new,) = engines()
    assert new != old
    wait_until_ready(gateway)


def test_the_engine_ends_with_the_gateway(tmp_path, smollm2):
    """No process is left behind, and the gateway is not ready before the model is."""
    before = engines()
    with running_gateway(tmp_path, f'[local]\nmodel = "{smollm2.path}"\ncontext = 512\n') as own:
        first = get(own.url, "/readyz")
        assert first.status == 200 or "model" in str(first.json["problems"])
        wait_until_ready(own)
        assert len(engines() - before) == 1
    assert engines() == before
