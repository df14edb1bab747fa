"""The official clients' other methods: counting, embeddings, legacy completions, raw streams, errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from dialect_world import UPSTREAMS, World, clients, world

from harness import deployment, provider
from turnout.double import Answer, Tokens, ToolUse
from turnout.double import anthropic as anthropic_double
from turnout.double import openai as openai_double

MORE = (
    provider("plain", "{url}/v1")
    + deployment("vectors", "plain", "m-vectors", 'endpoints = ["openai_embeddings"]')
    + deployment("legacy", "plain", "m-legacy", 'endpoints = ["openai_completions"]')
)
HI: list[Any] = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One gateway for all."""
    with world(tmp_path_factory.mktemp("side"), MORE) as found:
        yield found


def test_tokens_are_counted_by_the_provider_or_by_us(running):
    """Anthropic's number where it serves the model, an estimate with a margin elsewhere."""
    running.double.script = lambda request: anthropic_double.count_tokens(77)
    count = running.anthropic.messages.count_tokens
    assert count(model="anthropic", messages=HI).input_tokens == 77

    before = len(running.double.requests)
    text = "The quick brown fox jumps over the lazy dog. " * 40
    for model in ("openai_chat", "openai_responses", "gemini"):
        counted = count(model=model, messages=[{"role": "user", "content": text}]).input_tokens
        assert 400 <= counted <= 800  # about 400 by any tokenizer; never less
    assert len(running.double.requests) == before


def test_beta_counting_is_served(running):
    """`client.beta.messages.count_tokens` adds `?beta=true`."""
    running.double.script = lambda request: anthropic_double.count_tokens(5)
    counted = running.anthropic.beta.messages.count_tokens(model="anthropic", messages=HI, betas=["x-2025-01-01"])

    assert counted.input_tokens == 5
    assert running.sent.headers["anthropic-beta"].split(",")[0] == "x-2025-01-01"


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_are_returned(running, encoding):
    """The client asks for base64 by itself; whatever the provider answers is passed on."""
    running.double.script = lambda request: openai_double.embeddings(2, tokens=6)
    got = running.openai.embeddings.create(model="vectors", input=["a", "b"], encoding_format=encoding)

    assert [vector.embedding for vector in got.data] == [[0.25] * 4, [0.5] * 4]
    assert got.usage.prompt_tokens == 6
    assert running.sent.json == {"model": "m-vectors", "input": ["a", "b"], "encoding_format": encoding}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [*UPSTREAMS, "legacy"])
def test_legacy_completions_are_served_by_every_upstream(running, model, stream):
    """As they are where the provider has them, else as a chat of one user turn."""
    answer = Answer(text="upon a time", tokens=Tokens(input=4, output=3), finish="length")
    running.says(answer)
    if model == "legacy":
        shape = openai_double.completion_stream if stream else openai_double.completion
        running.double.script = lambda request: shape(answer)
    asked: Any = {"model": model, "prompt": "Once", "max_tokens": 3}
    if stream:
        chunks = list(running.openai.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
        text = "".join(choice.text for chunk in chunks for choice in chunk.choices)
        finish = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
        usage = chunks[-1].usage
    else:
        got = running.openai.completions.create(**asked)
        text, finish, usage = got.choices[0].text, [got.choices[0].finish_reason], got.usage

    assert (text, finish) == ("upon a time", ["length"])
    assert usage is not None and (usage.prompt_tokens, usage.completion_tokens) == (4, 3)
    assert "Once" in running.sent.body.decode()


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_interleaved_and_broken_tool_arguments_survive_the_raw_streams(running, upstream):
    """Pieces of arguments, joined, are exactly what the model wrote, in the clients' raw iterators too."""
    arguments = '{"path":"/tmp/\\u00e9 \\"x\\"","n":[1,2.50,-0]}'
    tools = tuple(ToolUse(id=f"call_{n}", name="t", arguments=arguments) for n in (1, 2))
    running.says(Answer(text="", tools=tools))
    function: Any = [{"type": "function", "function": {"name": "t", "parameters": {"type": "object"}}}]
    joined: dict[int, str] = {}
    for chunk in running.openai.chat.completions.create(model=upstream, messages=HI, tools=function, stream=True):
        for call in (chunk.choices[0].delta.tool_calls or ()) if chunk.choices else ():
            assert call.function is not None
            joined[call.index] = joined.get(call.index, "") + (call.function.arguments or "")
    if upstream == "gemini":  # objects there: the letters are lost, the meaning is not
        import json

        assert [json.loads(text) for text in joined.values()] == [json.loads(arguments)] * 2
    else:
        assert list(joined.values()) == [arguments, arguments]


ERRORS: dict[int, tuple[type[Exception], type[Exception]]] = {
    400: (openai.BadRequestError, anthropic.BadRequestError),
    404: (openai.NotFoundError, anthropic.NotFoundError),
    429: (openai.RateLimitError, anthropic.RateLimitError),
}


@pytest.mark.parametrize("status", [400, 429])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_an_upstreams_refusal_is_the_clients_own_exception(tmp_path, upstream, status):
    """Each SDK raises its class for the status, with the provider's words in it and a request id."""
    with world(tmp_path) as own:
        own.double.script = lambda request: openai_double.error(status, "the provider's words")
        with pytest.raises(ERRORS[status][0], match="the provider's words") as chat:
            own.openai.chat.completions.create(model=upstream, messages=HI)
        assert chat.value.request_id.startswith("req_")
        with pytest.raises(ERRORS[status][0], match="the provider's words"):
            own.openai.responses.create(model=upstream, input="hi")
        with pytest.raises(ERRORS[status][1], match="the provider's words") as message:
            own.anthropic.messages.create(model=upstream, max_tokens=9, messages=HI)
        assert message.value.request_id.startswith("req_")


def test_our_own_refusals_are_the_clients_own_exceptions(running):
    """A wrong key, an unknown model, a field of the wrong type."""
    with clients(running.gateway.url, "sk-nobody") as (one, other):
        with pytest.raises(openai.AuthenticationError):
            one.chat.completions.create(model="gemini", messages=HI)
        with pytest.raises(anthropic.AuthenticationError):
            other.messages.create(model="gemini", max_tokens=9, messages=HI)
    with pytest.raises(openai.NotFoundError, match="no-such"):
        running.openai.chat.completions.create(model="no-such", messages=HI)
    with pytest.raises(anthropic.NotFoundError, match="no-such"):
        running.anthropic.messages.create(model="no-such", max_tokens=9, messages=HI)
    with pytest.raises(openai.BadRequestError, match="temperature") as error:
        running.openai.chat.completions.create(model="gemini", messages=HI, extra_body={"temperature": "hot"})
    assert error.value.param == "temperature"


def test_a_custom_tool_is_bridged_for_upstreams_that_have_none(running):
    """Codex's free-form tools: the model sees a function, the client gets back its own kind of call."""
    tools: Any = [{"type": "custom", "name": "apply_patch", "description": "Patches."}]
    running.says(Answer(text="", tools=(ToolUse(id="call_1", name="apply_patch", arguments='{"input":"*** Begin"}'),)))
    for model in ("anthropic", "gemini"):
        got = running.openai.responses.create(model=model, input="fix it", tools=tools)
        (call,) = [item for item in got.output if item.type == "custom_tool_call"]
        assert (call.name, call.input, call.call_id) == ("apply_patch", "*** Begin", "call_1")
        with running.openai.responses.stream(model=model, input="fix it", tools=tools) as stream:
            final = stream.get_final_response()
        assert [item.input for item in final.output if item.type == "custom_tool_call"] == ["*** Begin"]


def test_stop_sequences_that_matched_are_named_for_anthropics_client(running):
    """From Anthropic itself, the sequence; from others a plain end, because they do not tell."""
    data = anthropic_double.messages(Answer(text="one")).content
    data = data.replace(
        b'"stop_reason":"end_turn","stop_sequence":null', b'"stop_reason":"stop_sequence","stop_sequence":"END"'
    )
    from turnout.double import json

    running.double.script = lambda request: json(data)
    told = running.anthropic.messages.create(model="anthropic", max_tokens=9, messages=HI, stop_sequences=["END"])
    assert (told.stop_reason, told.stop_sequence) == ("stop_sequence", "END")
    chat = running.openai.chat.completions.create(model="anthropic", messages=HI, stop=["END"])
    assert chat.choices[0].finish_reason == "stop"
