"""Legacy completions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from openai_client import served

from turnout.core.errors import InvalidField, Unsupported, UpstreamBroken
from turnout.core.json import JsonObject
from turnout.core.target import Dialect, Quirks, Target
from turnout.wire.assemble import assemble, replay
from turnout.wire.body import dump
from turnout.wire.codec import Answering, no_vault
from turnout.wire.neutral import Event, Opaque, Response, Text, Thinking, Usage
from turnout.wire.openai_chat.render import render_request
from turnout.wire.openai_completions import CODEC
from turnout.wire.openai_completions.request import adapt, parse_request
from turnout.wire.openai_completions.response import CompletionWriter, parse_response, reader, render_response
from turnout.wire.state import StreamState

TARGET = Target(model="m", provider="acme", dialect=Dialect.OPENAI_COMPLETIONS)
CHAT = Target(model="m", provider="acme", dialect=Dialect.OPENAI_CHAT)
BASE: JsonObject = {"model": "m", "prompt": "Once"}
ANSWER = Response(
    id="x",
    model="up",
    parts=(Thinking(text="hm"), Text(text=" upon a time")),
    stop_reason="max_tokens",
    usage=Usage(input_tokens=1, output_tokens=3),
)


def answering(*, usage: bool = True) -> Answering:
    return Answering(
        request=parse_request({**BASE, "stream": True, "stream_options": {"include_usage": usage}}),
        model="gpt",
        response_id="r1",
        created=1_790_000_000,
    )


def written(usage: bool = True) -> bytes:
    writer = CompletionWriter(answering(usage=usage))
    return b"".join(writer.write(event) for event in replay(ANSWER))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": {}}, "prompt"),
        ({"model": None}, "model"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"n": 0}, "n"),
        ({"logprobs": "x"}, "logprobs"),
        ({"stop": [1]}, "stop[0]"),
        ({"stream": 1}, "stream"),
    ],
)
def test_bad_fields_are_named(fields: JsonObject, param: str) -> None:
    """A wrong field is a 400 that names it."""
    with pytest.raises(InvalidField) as raised:
        parse_request({**BASE, **fields})
    assert raised.value.param == param


@pytest.mark.parametrize("prompt", ["Once", ["Once"]])
def test_a_prompt_becomes_a_chat_turn(prompt: str | list[str]) -> None:
    """For a target that only chats the prompt is one user message."""
    request = parse_request({**BASE, "prompt": prompt, "max_tokens": 7, "stop": "\n"})  # type: ignore[dict-item]
    body = render_request(request, CHAT, no_vault).body

    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Once"}],
        "max_completion_tokens": 7,
        "stop": ["\n"],
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"suffix": "end"}, "suffix"),
        ({"echo": True}, "echo"),
        ({"best_of": 3}, "best_of"),
        ({"n": 2}, "n"),
        ({"logprobs": 2}, "logprobs"),
    ],
)
def test_what_chat_can_not_say_is_refused(fields: JsonObject, param: str) -> None:
    """Token ids, several prompts and the like are refused by the caller's name where the target only chats."""
    with pytest.raises(Unsupported) as raised:
        render_request(parse_request({**BASE, **fields}), CHAT, no_vault)
    assert raised.value.param == param


def test_token_ids_are_carried() -> None:
    """A prompt of token ids is kept whole for estimates and for servers of the same dialect."""
    (part,) = parse_request({**BASE, "prompt": [1, 2]}).messages[0].parts

    assert part == Opaque(dialect=Dialect.OPENAI_COMPLETIONS, kind="prompt array", raw={"prompt": [1, 2]})


def test_default_values_are_no_wishes() -> None:
    """`echo: false` and empty suffixes, which old clients always send, stand in nobody's way."""
    assert parse_request({**BASE, "echo": False, "suffix": "", "best_of": None}).extra == {}


def test_adapt() -> None:
    """The body itself, unless the target refuses a field."""
    body: JsonObject = {**BASE, "seed": 1}
    picky = Quirks(unsupported=frozenset({"seed"}))
    refusing = Target(model="m", provider="acme", dialect=TARGET.dialect, quirks=picky)
    dropping = Target(model="m", provider="acme", dialect=TARGET.dialect, quirks=picky, drop=frozenset({"seed"}))

    assert adapt(body, TARGET, no_vault).body is body
    with pytest.raises(Unsupported):
        adapt(body, refusing, no_vault)
    assert adapt(body, dropping, no_vault) == (BASE, True, ("seed",))


@pytest.mark.parametrize("usage", [True, False])
def test_the_client_reads_a_stream(usage: bool) -> None:
    """The real library parses our chunks; reasoning stays out; usage comes for those who asked."""
    with served(written(usage)) as client:
        chunks = list(client.completions.create(model="gpt", prompt="Once", stream=True))

    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == " upon a time"
    assert [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason] == ["length"]
    assert {(chunk.id, chunk.object, chunk.model) for chunk in chunks} == {("cmpl-r1", "text_completion", "gpt")}
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == ([4] if usage else [])


def test_the_client_reads_a_whole_answer() -> None:
    """The body is a Completion of the real library."""
    with served(dump(render_response(ANSWER, answering())), "application/json") as client:
        completion = client.completions.create(model="gpt", prompt="Once")

    assert (completion.choices[0].text, completion.choices[0].finish_reason) == (" upon a time", "length")
    assert completion.usage is not None and completion.usage.total_tokens == 4


def read(pieces: Sequence[bytes]) -> list[Event]:
    stream = reader(TARGET)
    events = [event for piece in pieces for event in stream.feed(piece)]
    return [*events, *stream.close()]


def test_a_stream_is_read_wherever_it_is_cut() -> None:
    """What we write we read, legally, byte by byte."""
    data = written()
    events = read([data])
    state = StreamState()
    for event in events:
        state.move(event)
    response = assemble(events, TARGET.dialect)

    assert read([data[i : i + 1] for i in range(len(data))]) == events
    assert (response.parts, response.stop_reason) == ((Text(text=" upon a time"),), "max_tokens")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": []},
        {"choices": [{"text": None, "finish_reason": "stop"}]},
        {"choices": [{"text": "x"}]},
        {"choices": [{"text": "x", "finish_reason": "abort"}]},
    ],
)
def test_an_answer_that_is_none_is_broken(body: JsonObject) -> None:
    """A 200 without a finished completion is the provider's fault."""
    with pytest.raises(UpstreamBroken):
        parse_response(body, TARGET)


def test_the_codec_renders_no_requests() -> None:
    """Nothing is translated into this dialect: it is spoken by callers and passed on."""
    assert CODEC.render_request is None
    assert parse_response(render_response(ANSWER, answering()), TARGET).parts == (Text(text=" upon a time"),)
