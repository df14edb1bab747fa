"""Failures that others reported against gateways, as requests through this one. Numbers are those of the case list."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dialect_world import UPSTREAMS, World, world
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter
from raw_http import RawAnswer, post
from upstream_view import seen

from harness import deployment, provider, running_gateway
from turnout.double import Answer, Double, Tokens, ToolUse, anthropic, openai
from turnout.double.anthropic import messages_stream

HI: list[Any] = [{"role": "user", "content": "hi"}]
MORE = (
    provider("deepseek", "{url}", preset="deepseek")
    + deployment("deepseek_chat", "deepseek", "deepseek-v4-flash", 'endpoints = ["openai_chat"]')
    + deployment("deepseek_anthropic", "deepseek", "deepseek-v4-pro", 'endpoints = ["anthropic"]')
    + provider("vllm", "{url}", preset="vllm")
    + deployment("vllm_anthropic", "vllm", "qwen", 'endpoints = ["anthropic"]')
    + provider("plain", "{url}/v1")
    + deployment("embedder", "plain", "e", 'endpoints = ["openai_embeddings"]')
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One gateway for the cases that break nothing."""
    with world(tmp_path_factory.mktemp("pain"), MORE) as found:
        yield found


def events(answer: RawAnswer) -> list[Any]:
    """The data of each event of a stream, `[DONE]` left out."""
    found = [line.removeprefix(b"data: ") for line in answer.body.split(b"\n") if line.startswith(b"data: ")]
    return [json.loads(data) for data in found if data != b"[DONE]"]


def ask(running: World, path: str, body: dict[str, Any], answer: Answer) -> RawAnswer:
    """One request that must succeed."""
    running.says(answer)
    told = post(running.gateway.url, path, body)
    assert told.status == 200, told.body
    return told


# ---- 13: usage at the head of a stream ---------------------------------------------------

COUNTED = Tokens(input=60, cached=20, output=9)


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_pain_13_message_start_carries_input_and_message_delta_the_truth(running, upstream):
    """Claude Code records what `message_start` says: never zero, whatever the upstream reports when."""
    body = {"model": upstream, "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "word " * 40}]}
    told = events(ask(running, "/v1/messages", body, Answer(tokens=COUNTED)))

    start = told[0]["message"]["usage"]
    assert told[0]["type"] == "message_start" and start["input_tokens"] > 0
    (delta,) = [event["usage"] for event in told if event["type"] == "message_delta"]
    assert delta["input_tokens"] + delta["cache_read_input_tokens"] == 60
    assert (delta["cache_read_input_tokens"], delta["output_tokens"]) == (20, 9)


def test_pain_13_cache_counts_at_the_head_of_a_stream_are_anthropics_own(running):
    """From Anthropic to Anthropic's client nothing is counted anew."""
    answer = Answer(tokens=Tokens(input=100, cached=70, cache_write=20, output=3))
    body = {"model": "anthropic", "max_tokens": 9, "stream": True, "messages": HI}
    told = ask(running, "/v1/messages", body, answer)

    assert told.body == messages_stream(answer).content
    start = events(told)[0]["message"]["usage"]
    assert (start["cache_read_input_tokens"], start["cache_creation_input_tokens"]) == (70, 20)


# ---- 30, 33: markers and blocks that strict servers refuse --------------------------------

MARK = {"type": "ephemeral"}


def _marked() -> dict[str, Any]:
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "found", "cache_control": MARK}
    return {
        "max_tokens": 2000,
        "system": [{"type": "text", "text": "x-anthropic-billing-header: cch=1;\nBe brief.", "cache_control": MARK}],
        "tools": [{"name": "t", "input_schema": {"type": "object"}, "cache_control": MARK}],
        "messages": [
            *HI,
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "t", "input": {}}]},
            {"role": "user", "content": [result]},
        ],
    }


@pytest.mark.parametrize("model", ["anthropic", "deepseek_anthropic", "vllm_anthropic"])
def test_pain_33_cache_markers_stay_on_the_block_they_stood_on(running, model):
    """Also in a body that is edited: on the result itself, never inside its content."""
    ask(running, "/v1/messages", {"model": model, **_marked()}, Answer())

    body: Any = running.sent.json
    (result,) = body["messages"][-1]["content"]
    assert result == _marked()["messages"][-1]["content"][0]
    assert body["tools"][0]["cache_control"] == MARK
    assert body["system"][-1]["cache_control"] == MARK and body["system"][-1]["text"].endswith("Be brief.")


@pytest.mark.parametrize("model", ["openai_chat", "openai_responses", "gemini", "deepseek_chat"])
def test_pain_33_other_dialects_get_no_marker(running, model):
    """They have none, and strict servers refuse what they don't know."""
    ask(running, "/v1/messages", {"model": model, **_marked()}, Answer())

    assert b"cache_control" not in running.sent.body
    assert seen(running.sent).results == [("toolu_1", "found")]


def test_pain_30_thinking_blocks_do_not_reach_a_server_that_refuses_them(running):
    """vLLM answers them with a page of validation errors."""
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "redacted_thinking", "data": "x"}]
    turn = {"role": "assistant", "content": [*blocks, {"type": "text", "text": "Hello."}]}
    body = {"model": "vllm_anthropic", "max_tokens": 99, "messages": [*HI, turn, *HI]}
    ask(running, "/v1/messages", body, Answer())

    sent: Any = running.sent.json["messages"]
    assert sent[1]["content"] == [{"type": "text", "text": "Hello."}]


def test_pain_32_a_mutated_prefix_carries_no_block_that_is_bound_to_it(running):
    """Whatever we take out of the system prompt, Anthropic itself gets the conversation unmutated."""
    body = {"model": "anthropic", **_marked()}
    ask(running, "/v1/messages", body, Answer())

    assert running.sent.json == {**body, "model": "m-claude"}


# ---- 36: Responses as Codex reads them ----------------------------------------------------

TOOLS: list[Any] = [{"type": "function", "name": "shell", "parameters": {"type": "object", "properties": {}}}]
CODEX = {
    "model": "",
    "instructions": "You are Codex.",
    "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "ls"}]}],
    "tools": TOOLS,
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "019a-session",
}
_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


@pytest.mark.parametrize("upstream", [*UPSTREAMS, "deepseek_chat", "deepseek_anthropic"])
def test_pain_36_codex_gets_the_events_it_knows_in_their_order(running, upstream):
    """Created first, completed last, each item opened and closed with the same id, every event of OpenAI's own type."""
    answer = Answer(text="Listing.", reasoning="ls it is.", tools=(ToolUse(id="call_1", name="shell"),))
    told = events(ask(running, "/v1/responses", {**CODEX, "model": upstream}, answer))
    for event in told:
        _EVENT.validate_python(event)

    kinds = [event["type"] for event in told]
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    opened = [event["item"]["id"] for event in told if event["type"] == "response.output_item.added"]
    closed = [event["item"]["id"] for event in told if event["type"] == "response.output_item.done"]
    assert opened == closed == [item["id"] for item in told[-1]["response"]["output"]]
    assert [item["type"] for item in told[-1]["response"]["output"]] == ["reasoning", "message", "function_call"]
    assert "".join(e["delta"] for e in told if e["type"] == "response.output_text.delta") == "Listing."


# ---- 39: what chat clients break on --------------------------------------------------------


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_pain_39_a_chat_stream_has_no_empty_choices_and_content_in_each_delta(running, upstream):
    """Cline and others index `choices[0]` and read `delta.content`; usage comes only when it is asked for."""
    answer = Answer(text="Good day to you.", tools=(ToolUse(id="call_1", name="t"),))
    tools = [{"type": "function", "function": {"name": "t", "parameters": {"type": "object"}}}]
    body = {"model": upstream, "stream": True, "messages": HI, "tools": tools}
    chunks = events(ask(running, "/v1/chat/completions", body, answer))

    assert all(chunk["choices"] for chunk in chunks)
    assert not any(chunk.get("usage") for chunk in chunks)
    if upstream != "openai_chat":  # there the bytes are the provider's own
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]
        assert all("content" in delta for delta in deltas)
    asked = events(ask(running, "/v1/chat/completions", {**body, "stream_options": {"include_usage": True}}, answer))
    assert asked[-1]["choices"] == [] and asked[-1]["usage"]["total_tokens"] == 18
    assert all(chunk["choices"] and not chunk.get("usage") for chunk in asked[:-1])


# ---- 38: counting tokens -------------------------------------------------------------------

PNG = "iVBORw0KGgo" + "A" * 400
PIECES: dict[str, Any] = {
    "text": {"messages": [{"role": "user", "content": "one two three four five six seven eight"}]},
    "system": {"system": "Be brief and exact, and answer in French only, please, always."},
    "tools": {"tools": [{"name": "t", "description": "d" * 80, "input_schema": {"type": "object"}}]},
    "image": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                    {"type": "text", "text": "hi"},
                ],
            }
        ]
    },
    "document": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x" * 300}},
                    {"type": "text", "text": "hi"},
                ],
            }
        ]
    },
    "thinking": {
        "messages": [
            *HI,
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "t" * 200, "signature": "s"},
                    {"type": "text", "text": "Hm."},
                ],
            },
            *HI,
        ]
    },
    "call and result": {
        "messages": [
            *HI,
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "toolu_1", "name": "t", "input": {"q": "x" * 100}}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "y" * 400}],
            },
        ]
    },
}


@pytest.mark.parametrize("name", PIECES)
@pytest.mark.parametrize("model", ["openai_chat", "gemini"])
def test_pain_38_every_kind_of_block_counts(running, model, name):
    """A count of the texts alone never tells a client to compact, and the conversation ends in a deadlock."""
    plain = running.anthropic.messages.count_tokens(model=model, messages=HI).input_tokens
    more = running.anthropic.messages.count_tokens(model=model, **{"messages": HI, **PIECES[name]}).input_tokens

    assert more > plain + 5 > 5


def test_pain_38_the_providers_own_count_is_returned(running):
    """For Anthropic the provider counts; the answer says so."""
    running.double.script = lambda request: anthropic.count_tokens(1234)
    answer = post(running.gateway.url, "/v1/messages/count_tokens", {"model": "anthropic", "messages": HI})

    assert (answer.json, answer.headers["x-turnout-token-count"]) == ({"input_tokens": 1234}, "provider")
    assert running.sent.path == "/v1/messages/count_tokens"
    assert running.sent.json == {"model": "m-claude", "messages": HI}


@pytest.mark.parametrize("status", [404, 429, 500, 529])
def test_pain_38_a_failing_count_is_estimated_and_benches_nothing(tmp_path, status):
    """Ten failures in a row open no circuit, and each is answered with our own count."""
    with world(tmp_path) as own:
        own.double.script = lambda request: anthropic.error(status, "no")
        for _ in range(10):
            answer = post(own.gateway.url, "/v1/messages/count_tokens", {"model": "anthropic", "messages": HI})
            assert answer.status == 200 and answer.json["input_tokens"] > 0
            assert answer.headers["x-turnout-token-count"] == "estimate"
        own.says(Answer(text="Still here."))
        told = own.anthropic.messages.create(model="anthropic", max_tokens=9, messages=HI)
        assert told.content[0].text == "Still here."


# ---- 37: errors in the caller's own words --------------------------------------------------

ENDPOINTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HI},
    "/v1/responses": {"input": "hi"},
    "/v1/completions": {"prompt": "hi"},
    "/v1/embeddings": {"input": "hi"},
    "/v1/messages": {"messages": HI, "max_tokens": 9},
    "/v1/messages/count_tokens": {"messages": HI},
}


def assert_error(path: str, answer: RawAnswer, status: int) -> None:
    """The answer is an error as the path's own vendor writes it."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"].startswith("application/json")
    if "/messages" in path:
        assert answer.json.keys() >= {"type", "error", "request_id"} and answer.json["type"] == "error"
        assert answer.json["error"].keys() >= {"type", "message"}
        assert answer.headers["request-id"] == answer.json["request_id"]
    else:
        assert answer.json["error"].keys() >= {"message", "type", "param", "code"}
        assert "type" not in answer.json
    assert answer.json["error"]["message"]


@pytest.mark.parametrize("path", ENDPOINTS)
def test_pain_37_every_refusal_is_in_the_callers_dialect(running, path):
    """A wrong key, a wrong name, broken JSON, a field of the wrong type, an endpoint that the model lacks."""
    url, good = running.gateway.url, {"model": "openai_chat", **ENDPOINTS[path]}
    assert_error(path, post(url, path, good, key="sk-wrong"), 401)
    assert_error(path, post(url, path, {**good, "model": "no-such-model"}), 404)
    assert_error(path, post(url, path, b'{"model": '), 400)
    assert_error(path, post(url, path, b"[1]"), 400)
    assert_error(path, post(url, path, {**good, "model": 7}), 400)
    wrong = "openai_chat" if path == "/v1/embeddings" else "embedder"
    assert_error(path, post(url, path, {**good, "model": wrong}), 400)


@pytest.mark.parametrize("path", [path for path in ENDPOINTS if "count" not in path])
@pytest.mark.parametrize("stream", [False, True])
def test_pain_37_an_upstreams_error_is_told_in_the_callers_dialect(tmp_path, path, stream):
    """Whatever the upstream's dialect says, and for a stream too as long as nothing was sent."""
    if path == "/v1/embeddings" and stream:
        return
    models = ["embedder"] if path == "/v1/embeddings" else list(UPSTREAMS)
    with world(tmp_path, MORE) as own:
        for model in models:
            own.double.script = lambda request: openai.error(400, "bad thing")
            body = {"model": model, **ENDPOINTS[path], **({"stream": True} if stream else {})}
            assert_error(path, post(own.gateway.url, path, body), 400)
            own.double.script = lambda request: openai.error(503, "away")
            assert_error(path, post(own.gateway.url, path, body), 503)


def test_pain_37_the_configuration_proves_a_path_for_every_target(tmp_path):
    """A route whose targets share no kind of request is refused before anything is served."""
    text = (
        provider("plain", "http://127.0.0.1:9/v1")
        + deployment("a", "plain", "a", 'endpoints = ["openai_embeddings"]')
        + deployment("b", "plain", "b", 'endpoints = ["openai_chat"]')
        + '\n[routes.both]\ntargets = ["a", "b"]\n'
    )
    file = tmp_path / "turnout.toml"
    file.write_text("providers_from_environment = false\n" + text)
    checked = subprocess.run(  # the command that an operator runs
        [str(Path(sys.executable).with_name("turnout")), "check", "--config", str(file)],
        capture_output=True,
        text=True,
        env={"UPSTREAM_KEY": "sk-0123456789", "TURNOUT_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        timeout=60,
        check=False,
    )

    assert checked.returncode != 0
    assert "no kind of request can be sent to all of them" in checked.stdout + checked.stderr


def test_pain_37_every_offered_model_answers_every_chat_endpoint_or_is_refused(tmp_path):
    """No pair of an endpoint and a deployment ends in a 500: there is a path, or a 400 says there is none."""
    with Double() as double:
        toml = (
            provider("plain", double.url + "/v1")
            + deployment("chat", "plain", "c", 'endpoints = ["openai_chat"]')
            + deployment("legacy", "plain", "l", 'endpoints = ["openai_completions"]')
            + deployment("vectors", "plain", "v", 'endpoints = ["openai_embeddings"]')
            + provider("claude", double.url, preset="anthropic")
            + deployment("messages", "claude", "m")
        )
        with running_gateway(tmp_path, toml) as gateway:
            got = {
                (path, model): post(gateway.url, path, {"model": model, **body}).status
                for path, body in ENDPOINTS.items()
                for model in ("chat", "legacy", "vectors", "messages")
            }
    assert set(got.values()) == {200, 400}
    assert [model for path, model in got if path == "/v1/embeddings" and got[path, model] == 200] == ["vectors"]
    assert got["/v1/completions", "legacy"] == got["/v1/messages", "messages"] == got["/v1/responses", "chat"] == 200
    assert got["/v1/messages", "legacy"] == got["/v1/messages", "vectors"] == 400
