"""The byte lane: a request that needs no translation goes through as it came, and so does its answer."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator

import pytest
from dialect_world import World, world
from raw_http import RawAnswer, post

from harness import deployment, provider
from turnout.double import Answer, Reply, Send, Tokens, anthropic, json, openai, responses, sse
from turnout.double.openai import DONE

MORE = (
    provider("legacy", "{url}/v1", preset="openai_compatible")
    + deployment("completions", "legacy", "m-legacy", 'endpoints = ["openai_completions", "openai_embeddings"]')
    + provider("vllm", "{url}", preset="vllm")
    + deployment("vllm", "vllm", "m-vllm")
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One gateway for all lanes."""
    with world(tmp_path_factory.mktemp("lanes"), MORE) as found:
        yield found


def digest(data: bytes) -> str:
    """What two bodies are compared by."""
    return hashlib.sha256(data).hexdigest()


def ask(running: World, path: str, body: bytes, reply: Reply, headers: tuple[tuple[str, str], ...] = ()) -> RawAnswer:
    """One request; the upstream answers exactly `reply`."""
    running.double.script = lambda request: reply
    return post(running.gateway.url, path, body, headers)


# ---- requests ----------------------------------------------------------------------------

PATHS = {
    "openai_chat": ("/v1/chat/completions", "m-chat", openai.chat()),
    "openai_responses": ("/v1/responses", "m-responses", responses.responses()),
    "anthropic": ("/v1/messages", "m-claude", anthropic.messages()),
    "completions": ("/v1/completions", "m-legacy", openai.completion()),
}
ODD = {
    "whitespace": b' {\r\n\t"messages" : [ {"role" :"user","content":"hi"} ] ,\n  "max_tokens":5,"model"  :  @ }\n\n',
    "order": b'{"zeta":1,"model":@,"messages":[{"content":"hi","role":"user"}],"alpha":2,"max_tokens":5}',
    "unknown": b'{"model":@,"max_tokens":5,"messages":[{"role":"user","content":"hi","x_new":null}],"x":{"y":[]}}',
    "numbers": b'{"model":@,"max_tokens":5,"messages":[{"role":"user","content":"hi"}],"n2":[1.0,1e2,-0,1E-7,0.10]}',
    "escapes": b'{"model":@,"max_tokens":5,"messages":[{"role":"user","content":"\\u00e9\\ud83d\\ude00\\/ \xc3\xa9\xf0\x9f\x98\x80"}]}',
    "twice": b'{"model":"first","max_tokens":4,"model":@,"max_tokens":5,"messages":[{"role":"user","content":"hi"}]}',
    "nested": b'{"metadata":{"model":"deep"},"messages":[{"role":"user","content":"\\"model\\": 1"}],"max_tokens":5,"model":@}',
    "escaped": b'{"max_tokens":5,"mod\\u0065l":@,"messages":[{"role":"user","content":"hi"}]}',
    "floats": b'{"model":@,"max_tokens":5,"temperature":1.00,"top_p":9.5e-1,"messages":[{"role":"user","content":"hi"}]}',
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("upstream", PATHS)
def test_pain_31_only_the_models_value_differs_upstream(running, upstream, name):
    """Whatever the body looks like, the upstream's copy has the same digest but for the model's name."""
    path, model, reply = PATHS[upstream]
    template = ODD[name]
    if upstream == "openai_responses":
        template = template.replace(b'"messages"', b'"input"').replace(b"max_tokens", b"max_output_tokens")
    if upstream == "completions":
        template = template.replace(b'"messages"', b'"prompt":"hi","x_messages"')
    answer = ask(running, path, template.replace(b"@", f'"{upstream}"'.encode()), reply)

    assert answer.status == 200, answer.body
    assert digest(running.sent.body) == digest(template.replace(b"@", f'"{model}"'.encode()))


def test_embeddings_go_through_as_they_came(running):
    """The same holds for the one endpoint that speaks no chat."""
    body = b'{ "input":["a",  "b"], "model":"completions","dimensions" : 4 ,"x":1.0}'
    answer = ask(running, "/v1/embeddings", body, openai.embeddings(2))

    assert running.sent.body == body.replace(b'"completions"', b'"m-legacy"')
    assert answer.body == openai.embeddings(2).content


SIGNED = (
    b'{"model":@,"max_tokens": 2000,"thinking":{"type":"enabled","budget_tokens":1024},"system":[{"type":"text",'
    b'"text":"x-anthropic-billing-header: cc_version=2.1; cch=ab12;\\nYou are Claude Code","cache_control":'
    b'{"type":"ephemeral", "ttl":"1h"}}],"tools":[{"name":"t","input_schema":{"type":"object"} ,"x_defer":true}],'
    b'"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":'
    b'"hm\\u2026 ","signature":"EqQBCkgIARABGAIiQL+sig/==" },{"type":"redacted_thinking","data":"EmwKAhgB"},'
    b'{"type":"tool_use","id":"toolu_1","name":"t","input":{"b":1.0,"a":"\\u00e9"}}]},{"role":"user","content":'
    b'[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"ok"}],'
    b'"cache_control":{"type":"ephemeral"}}]}]}'
)


@pytest.mark.parametrize("pain", ["31", "32", "33", "35"])
def test_pain_32_pain_33_pain_35_a_signed_history_is_not_touched(running, pain):
    """Thinking, signatures, cache markers and the attribution line reach Anthropic byte for byte, turn after turn."""
    del pain  # the same fact answers each of the four cases
    ask(running, "/v1/messages", SIGNED.replace(b"@", b'"anthropic"'), anthropic.messages())

    assert digest(running.sent.body) == digest(SIGNED.replace(b"@", b'"m-claude"'))


def test_pain_41_the_attribution_line_stays_for_anthropic_and_goes_elsewhere(running):
    """The line that changes from request to request would spoil any other provider's prompt cache."""
    line = "x-anthropic-billing-header: cc_version=2.1.181; cc_entrypoint=cli; cch=0f3a9;"
    shapes = [
        f"{line}\nYou are Claude Code.",
        [{"type": "text", "text": f"{line}\nYou are Claude Code."}],
        [{"type": "text", "text": line}, {"type": "text", "text": "You are Claude Code."}],
    ]
    for system in shapes:
        body = {"max_tokens": 5, "system": system, "messages": [{"role": "user", "content": "hi"}]}
        for model in ("anthropic", "vllm", "openai_chat", "openai_responses", "gemini"):
            running.says(Answer())
            answer = post(running.gateway.url, "/v1/messages", {"model": model, **body})
            assert answer.status == 200, answer.body
            sent = running.sent.body
            assert b"You are Claude Code." in sent
            assert (b"cch=0f3a9" in sent) is (model == "anthropic"), model


# ---- headers -----------------------------------------------------------------------------

BETA = "claude-code-20250219,interleaved-thinking-2025-05-14, made-up-2031-01-01 ;q=1"
PLAIN = b'{"model":"anthropic","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'


def test_betas_and_version_travel_byte_for_byte(running):
    """Unknown betas too: a stripped one degrades a feature without a word."""
    ask(
        running,
        "/v1/messages?beta=true",
        PLAIN,
        anthropic.messages(),
        (("anthropic-beta", BETA), ("Anthropic-Version", "2099-12-31")),
    )

    assert running.sent.headers["anthropic-beta"] == BETA
    assert running.sent.headers["anthropic-version"] == "2099-12-31"


def test_betas_in_several_header_lines_are_all_sent_on(running):
    """Two lines of one name are one list (RFC 9110, 5.3)."""
    lines = (("anthropic-beta", "one-2025-01-01"), ("anthropic-beta", "two-2025-01-01"))
    ask(running, "/v1/messages", PLAIN, anthropic.messages(), lines)

    assert running.sent.headers["anthropic-beta"].replace(" ", "") == "one-2025-01-01,two-2025-01-01"


def test_the_beta_client_is_served(running):
    """`client.beta.messages` adds `?beta=true` and its header."""
    running.says(Answer(text="Hi."))
    told = running.anthropic.beta.messages.create(
        model="anthropic", max_tokens=9, betas=["files-api-2025-04-14"], messages=[{"role": "user", "content": "hi"}]
    )

    assert told.content[0].text == "Hi."
    assert running.sent.headers["anthropic-beta"] == "files-api-2025-04-14"


@pytest.mark.parametrize("model", ["openai_chat", "gemini"])
def test_betas_stay_here_when_the_upstream_is_another_vendors(running, model):
    """They mean nothing elsewhere, and strict servers refuse what they don't know."""
    running.says(Answer())
    body = PLAIN.replace(b'"anthropic"', f'"{model}"'.encode())
    post(running.gateway.url, "/v1/messages", body, (("anthropic-beta", BETA),))

    assert not {name for name in running.sent.headers if name.startswith("anthropic")}


@pytest.mark.parametrize("credential", [("authorization", "Bearer {key}"), ("x-api-key", "{key}")])
def test_the_callers_credential_never_travels(running, credential):
    """Both ways to send a key are taken, and the provider sees its own key only."""
    from harness import KEY

    name, value = credential
    answer = ask(running, "/v1/messages", PLAIN, anthropic.messages(), ((name, value.replace("{key}", KEY)),))

    assert answer.status == 200
    assert KEY.encode() not in running.sent.head
    assert running.sent.headers["x-api-key"] == "sk-upstream-0123456789"


# ---- answers -----------------------------------------------------------------------------


@pytest.mark.parametrize("upstream", PATHS)
def test_a_whole_answer_is_returned_byte_for_byte(running, upstream):
    """Odd spacing, unknown fields and escapes of the provider's answer reach the caller."""
    path, _, plain = PATHS[upstream]
    data = b" " + plain.content[:-1].replace(b'":', b'" : ') + b',"x_new":{"f":1.0,"u":"\\u00e9"} }\n'
    body = b'{"model":"%s","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}' % upstream.encode()
    body = body.replace(
        b'"messages"', {"openai_responses": b'"input"', "completions": b'"prompt":"a","m"'}.get(upstream, b'"messages"')
    )
    answer = ask(running, path, body, json(data))

    assert digest(answer.body) == digest(data)


THOUGHTFUL = Answer(text="Good day \U0001f600.", reasoning="Let me see.", tokens=Tokens(input=9, output=5))
STREAMS = {
    "openai_chat": openai.chat_stream(THOUGHTFUL),
    "openai_responses": responses.responses_stream(THOUGHTFUL),
    "anthropic": anthropic.messages_stream(THOUGHTFUL, pings=2),
    "completions": openai.completion_stream(THOUGHTFUL),
}
ASK_STREAM = {
    "openai_chat": b'{"model":"openai_chat","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}',
    "openai_responses": b'{"model":"openai_responses","stream":true,"input":"hi"}',
    "anthropic": b'{"model":"anthropic","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}',
    "completions": b'{"model":"completions","stream":true,"stream_options":{"include_usage":true},"prompt":"hi"}',
}


@pytest.mark.parametrize("split", [None, 1, 2, 3, 7, 64, 1021])
@pytest.mark.parametrize("upstream", STREAMS)
def test_a_stream_is_returned_byte_for_byte_wherever_it_was_cut(running, upstream, split):
    """Pings, unknown fields and the order of keys stay; the cuts of the network leave no trace."""
    reply = dataclasses.replace(STREAMS[upstream], split=split)
    answer = ask(running, PATHS[upstream][0], ASK_STREAM[upstream], reply)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert digest(answer.body) == digest(reply.content)


@pytest.mark.parametrize("split", [None, 1, 5])
@pytest.mark.parametrize("upstream", STREAMS)
def test_other_line_ends_and_comments_of_a_stream_stay(running, upstream, split):
    """CRLF, comments and unknown fields of events are the provider's own way, and legal."""
    data = b": hello\r\n\r\n" + STREAMS[upstream].content.replace(b"\n\n", b"\nid: 7\n\n").replace(b"\n", b"\r\n")
    reply = dataclasses.replace(sse([data]), split=split)
    answer = ask(running, PATHS[upstream][0], ASK_STREAM[upstream], reply)

    assert digest(answer.body) == digest(data)


# ---- the one exception: usage that nobody asked for ---------------------------------------

SILENT = b'{"model":"openai_chat", "stream":true ,"messages":[{"role":"user","content":"hi"}]}'


def _frames(reply: Reply) -> list[bytes]:
    return [step.data for step in reply.body if isinstance(step, Send)]


@pytest.mark.parametrize("split", [None, 1, 2, 3, 9, 100])
@pytest.mark.parametrize("crlf", [False, True])
def test_pain_39_usage_is_asked_for_and_its_chunk_hidden(running, split, crlf):
    """The upstream is asked for usage, the caller who did not ask sees every byte but that one chunk."""
    frames = _frames(openai.chat_stream(THOUGHTFUL))
    assert b'"usage"' in frames[-2] and frames[-1] == DONE
    if crlf:
        frames = [frame.replace(b"\n", b"\r\n") for frame in frames]
    answer = ask(running, "/v1/chat/completions", SILENT, dataclasses.replace(sse(frames), split=split))

    asked = b'{"stream_options":{"include_usage":true},' + SILENT.replace(b'"openai_chat"', b'"m-chat"')[1:]
    assert running.sent.body == asked
    assert answer.body == b"".join([*frames[:-2], frames[-1]])
    assert b'"choices":[]' not in answer.body


def test_pain_39_a_caller_who_asks_sees_the_usage_chunk(running):
    """Then nothing is added to the body either."""
    body = ASK_STREAM["openai_chat"]
    answer = ask(running, "/v1/chat/completions", body, STREAMS["openai_chat"])

    assert running.sent.body == body.replace(b'"openai_chat"', b'"m-chat"')
    assert answer.body.count(b'"choices":[]') == 1


@pytest.mark.parametrize("given", [b"null", b"{}", b'{"include_usage":false}', b'{"include_obfuscation":false}'])
def test_pain_39_other_stream_options_stay_and_the_chunk_is_hidden(running, given):
    """Usage is asked for beside what the caller's own options say."""
    body = SILENT.replace(b'"stream":true ', b'"stream":true,"stream_options":' + given)
    answer = ask(running, "/v1/chat/completions", body, STREAMS["openai_chat"])

    options = running.sent.json["stream_options"]
    assert isinstance(options, dict) and options.pop("include_usage") is True
    assert options == ({"include_obfuscation": False} if b"obfuscation" in given else {})
    assert b'"choices":[]' not in answer.body and answer.body.endswith(DONE)


def test_hidden_usage_is_recorded_all_the_same(running):
    """The chunk that the caller does not see is what the record counts by."""
    answer = ask(running, "/v1/chat/completions", SILENT, STREAMS["openai_chat"])

    number = len(running.double.requests)  # each request of these tests is one call, and one record
    running.gateway.requests(wait_for=number)
    (attempt,) = [row for row in running.gateway.attempts() if row["request_id"] == answer.headers["x-request-id"]]
    assert (attempt["input_tokens"], attempt["output_tokens"], attempt["estimated"]) == (9, 5, 0)
    assert attempt["lane"] == "bytes"
