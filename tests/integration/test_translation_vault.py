"""Private reasoning across turns: given back to the provider that made it, to no other, and for no other key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai as openai_sdk
import pytest
from dialect_world import World, world
from pydantic import BaseModel
from raw_http import post
from sdk_callers import CALLERS, Mode
from talk import Answered, Call, Called, Said, Talk
from upstream_view import seen

from harness import deployment, provider
from turnout.double import Answer, Reply, ToolUse, anthropic, gemini, responses
from turnout.double.script import json, sse

OTHER_KEY = "sk-other-0123456789abcdef0123"
MORE = (
    provider("deepseek", "{url}", preset="deepseek")
    + deployment("deepseek_chat", "deepseek", "deepseek-v4-flash", 'endpoints = ["openai_chat"]')
    + deployment("deepseek_anthropic", "deepseek", "deepseek-v4-pro", 'endpoints = ["anthropic"]')
    + provider("vllm", "{url}", preset="vllm")
    + deployment("vllm_chat", "vllm", "qwen", 'endpoints = ["openai_chat"]')
    + deployment("vllm_anthropic", "vllm", "qwen2", 'endpoints = ["anthropic"]')
    + '\n[[keys]]\nname = "other"\nsecret_env = "OTHER_KEY"\n'
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One gateway; each test has tool-call ids of its own."""
    with world(tmp_path_factory.mktemp("vault"), MORE, {"OTHER_KEY": OTHER_KEY}) as found:
        yield found


class look(BaseModel):
    """Looks something up."""

    at: str


_ids = iter(range(10_000))


def new_id() -> str:
    """A tool-call id that no other test has."""
    return f"call_v{next(_ids):04d}"


def talk(call_id: str = "", *, effort: str = "", said: str = "Go.") -> Talk:
    """The first turn, or with a call id the second: a client that kept the call and dropped the reasoning."""
    turns: tuple[Any, ...] = (Said(role="user", text=said),)
    if call_id:
        call = Call(id=call_id, name="look", arguments='{"at":"x"}')
        turns = (*turns, Called(calls=(call,)), Answered(results=((call_id, "found"),)))
    return Talk(turns=turns, tools=(look,), effort=effort)


def thought(call_id: str, reasoning: str = "Because of R.") -> Answer:
    """An answer that thinks and then calls."""
    return Answer(text="", reasoning=reasoning, tools=(ToolUse(id=call_id, name="look", arguments='{"at":"x"}'),))


def loop(running: World, caller: str, first: str, second: str, mode: Mode, *, effort: str = "") -> Any:
    """A tool loop of a forgetful client: what the upstream of the second turn was sent."""
    call_id = new_id()
    running.says(thought(call_id))
    got = CALLERS[caller](running, first, talk(effort=effort), mode)
    assert [call.id for call in got.calls] == [call_id]
    running.says(Answer(text="Done."))
    CALLERS[caller](running, second, talk(call_id, effort=effort), mode)
    seen(running.sent)
    return running.sent.json


modes = pytest.mark.parametrize("mode", ["whole", "stream"])
callers = pytest.mark.parametrize("caller", CALLERS)


def assistant(body: Any) -> Any:
    """The assistant's turn of a chat or messages body."""
    (turn,) = [message for message in body["messages"] if message["role"] == "assistant"]
    return turn


# ---- DeepSeek ----------------------------------------------------------------------------


@modes
@callers
def test_pain_26_deepseek_gets_its_reasoning_back_from_clients_that_drop_it(running, caller, mode):
    """Every client's second turn carries the reasoning that the first one's answer had."""
    assert assistant(loop(running, caller, "deepseek_chat", "deepseek_chat", mode))["reasoning_content"] == (
        "Because of R."
    )


@callers
def test_pain_26_lost_reasoning_is_replaced_by_the_placeholder(running, caller):
    """A call that the vault does not know, from before a restart: a space, the least that DeepSeek takes."""
    running.says(Answer(text="Done."))
    CALLERS[caller](running, "deepseek_chat", talk(new_id()), "whole")

    assert assistant(running.sent.json)["reasoning_content"] == " "


@callers
def test_pain_26_another_providers_turn_gets_the_placeholder(running, caller):
    """What Anthropic thought is nothing that DeepSeek may be told as its own."""
    body = loop(running, caller, "anthropic", "deepseek_chat", "whole")

    assert assistant(body)["reasoning_content"] == " "
    assert anthropic.SIGNATURE not in running.sent.body.decode()


def test_pain_26_what_the_client_sends_back_itself_is_left_alone(running):
    """A client that does replay reasoning is not overruled."""
    call_id = new_id()
    running.says(thought(call_id))
    CALLERS["chat"](running, "deepseek_chat", talk(), "whole")
    running.says(Answer())
    function = {"name": "look", "arguments": '{"at":"x"}'}
    turn: Any = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "my own words",
        "tool_calls": [{"id": call_id, "type": "function", "function": function}],
    }
    result: Any = {"role": "tool", "tool_call_id": call_id, "content": "found"}
    running.openai.chat.completions.create(
        model="deepseek_chat", messages=[{"role": "user", "content": "Go."}, turn, result]
    )

    assert assistant(running.sent.json)["reasoning_content"] == "my own words"


@modes
def test_parallel_calls_share_what_led_to_them(running, mode):
    """Either call's id finds the reasoning."""
    one, two = new_id(), new_id()
    calls = tuple(ToolUse(id=each, name="look", arguments='{"at":"x"}') for each in (one, two))
    running.says(Answer(text="", reasoning="Both.", tools=calls))
    CALLERS["chat"](running, "deepseek_chat", talk(), mode)
    for call_id in (one, two):
        running.says(Answer())
        CALLERS["chat"](running, "deepseek_chat", talk(call_id), mode)
        assert assistant(running.sent.json)["reasoning_content"] == "Both."


def test_another_key_can_not_reach_the_reasoning(running):
    """The vault is apart for each key: the same id from another key finds nothing."""
    call_id = new_id()
    running.says(thought(call_id, "SECRET OF THE FIRST KEY"))
    CALLERS["chat"](running, "deepseek_chat", talk(), "whole")
    body = {
        "model": "deepseek_chat",
        "messages": [
            {"role": "user", "content": "Go."},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": call_id, "type": "function", "function": {"name": "look", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": call_id, "content": "found"},
        ],
    }
    running.says(Answer())
    assert post(running.gateway.url, "/v1/chat/completions", body, key=OTHER_KEY).status == 200
    assert b"SECRET" not in running.sent.body and assistant(running.sent.json)["reasoning_content"] == " "

    assert post(running.gateway.url, "/v1/chat/completions", body).status == 200
    assert assistant(running.sent.json)["reasoning_content"] == "SECRET OF THE FIRST KEY"


SAY = {"type": "text", "text": "I look."}
OWN = {"type": "thinking", "thinking": "hm", "signature": "ds-sig"}
UNSIGNED = {"type": "thinking", "thinking": "hm", "signature": ""}
REDACTED = {"type": "redacted_thinking", "data": "EmwK"}
LOST = {"type": "thinking", "thinking": " ", "signature": ""}
OFF = {"thinking": {"type": "disabled"}}
SIX: dict[str, tuple[list[Any], dict[str, Any], list[Any]]] = {
    "call without thinking": ([], {}, [LOST]),
    "words and call without thinking": ([SAY], {}, [LOST, SAY]),
    "its own thinking": ([OWN], {}, [OWN]),
    "thinking without a signature": ([UNSIGNED], {}, [UNSIGNED]),
    "thinking that is sealed by another": ([REDACTED], {}, [LOST]),
    "thinking switched off": ([], OFF, []),
}


@pytest.mark.parametrize("name", SIX)
def test_pain_27_the_six_cases_of_deepseeks_anthropic_endpoint(running, name):
    """A turn that calls a tool has a thinking block there unless thinking is off; none is invented over its own."""
    blocks, fields, expected = SIX[name]
    call = {"type": "tool_use", "id": new_id(), "name": "look", "input": {"at": "x"}}
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "found"}
    body = {
        "model": "deepseek_anthropic",
        "max_tokens": 3000,
        "messages": [
            {"role": "user", "content": "Go."},
            {"role": "assistant", "content": [*blocks, call]},
            {"role": "user", "content": [result]},
        ],
        **fields,
    }
    running.says(Answer())
    assert post(running.gateway.url, "/v1/messages", body).status == 200

    assert assistant(running.sent.json)["content"] == [*expected, call]


@modes
@callers
def test_pain_27_deepseeks_own_thinking_block_comes_back_from_the_vault(running, caller, mode):
    """On this endpoint it is a block with DeepSeek's signature."""
    body = loop(running, caller, "deepseek_anthropic", "deepseek_anthropic", mode)

    first = assistant(body)["content"][0]
    assert first == {"type": "thinking", "thinking": "Because of R.", "signature": anthropic.SIGNATURE}


# ---- Anthropic ---------------------------------------------------------------------------


@modes
@pytest.mark.parametrize("caller", ["chat", "responses"])
def test_pain_26_anthropics_signed_thinking_is_replayed_for_clients_that_can_not_hold_it(running, caller, mode):
    """Before the call that it led to, with its signature, and thinking stays on."""
    body = loop(running, caller, "anthropic", "anthropic", mode, effort="high")

    assert body["thinking"]["type"] == "enabled"
    first = assistant(body)["content"][0]
    assert first == {"type": "thinking", "thinking": "Because of R.", "signature": anthropic.SIGNATURE}


FOREIGN = ["openai_chat", "openai_responses", "gemini", "vllm_chat", "vllm_anthropic", "deepseek_anthropic"]


@modes
@pytest.mark.parametrize("second", FOREIGN)
def test_pain_28_pain_30_signed_thinking_stays_with_the_provider_that_signed_it(running, second, mode):
    """A messages client replays Anthropic's block; when another provider takes over, the signature does not travel."""
    call_id = new_id()
    running.says(thought(call_id))
    history = _keep_everything(running, "anthropic", call_id, mode)
    running.says(Answer(text="Done."))
    running.anthropic.messages.create(model=second, max_tokens=3000, messages=history)

    assert anthropic.SIGNATURE.encode() not in running.sent.body
    assert seen(running.sent).results == [(call_id, "found")]


def _keep_everything(running: World, model: str, call_id: str, mode: str) -> Any:
    """The history of a client that sends back each block it got, as Claude Code does."""
    asked: Any = [{"role": "user", "content": "Go."}]
    tools: Any = [{"name": "look", "input_schema": {"type": "object"}}]
    if mode == "stream":
        with running.anthropic.messages.stream(model=model, max_tokens=3000, messages=asked, tools=tools) as stream:
            message = stream.get_final_message()
    else:
        message = running.anthropic.messages.create(model=model, max_tokens=3000, messages=asked, tools=tools)
    content: Any = [block.model_dump(exclude_none=True) for block in message.content]
    for block in content:
        for name in ("parsed_output", "caller"):
            block.pop(name, None)
    result = {"type": "tool_result", "tool_use_id": call_id, "content": "found"}
    return [*asked, {"role": "assistant", "content": content}, {"role": "user", "content": [result]}]


@modes
@pytest.mark.parametrize("first", ["deepseek_anthropic", "deepseek_chat", "openai_chat", "openai_responses", "gemini"])
def test_pain_28_pain_29_foreign_thinking_never_reaches_anthropic(running, first, mode):
    """Neither another's signature nor thinking without any: `thinking.signature` must be Anthropic's own."""
    call_id = new_id()
    running.says(thought(call_id))
    history = _keep_everything(running, first, call_id, mode)
    assert any(block["type"] == "thinking" for block in history[1]["content"])
    running.says(Answer(text="Done."))
    running.anthropic.messages.create(model="anthropic", max_tokens=3000, messages=history)

    kinds = [block["type"] for block in assistant(running.sent.json)["content"]]
    assert kinds == ["tool_use"]


@modes
def test_pain_29_a_conversation_may_come_back_to_anthropic(running, mode):
    """Anthropic, another provider, Anthropic again: its own signed block is sent, the other's is not."""
    one, two = new_id(), new_id()
    running.says(thought(one, "Signed."))
    history = _keep_everything(running, "anthropic", one, mode)
    running.says(thought(two, "Foreign."))
    reply = running.anthropic.messages.create(model="openai_chat", max_tokens=3000, messages=history)
    blocks: Any = [
        {key: value for key, value in block.model_dump(exclude_none=True).items() if key != "caller"}
        for block in reply.content
    ]
    result: Any = {"type": "tool_result", "tool_use_id": two, "content": "found too"}
    history += [{"role": "assistant", "content": blocks}, {"role": "user", "content": [result]}]
    running.says(Answer(text="Done."))
    running.anthropic.messages.create(model="anthropic", max_tokens=3000, messages=history)

    told = [b["type"] for m in running.sent.json["messages"] if m["role"] == "assistant" for b in m["content"]]
    assert told == ["thinking", "tool_use", "tool_use"]
    assert b"Foreign." not in running.sent.body and anthropic.SIGNATURE.encode() in running.sent.body


def test_pain_28_a_forced_tool_switches_deepseeks_default_thinking_off(running):
    """DeepSeek refuses a forced tool while it thinks, and it thinks unless told otherwise (Claude Code's WebSearch)."""
    running.says(thought(new_id()))
    for caller in CALLERS:
        for model in ("deepseek_chat", "deepseek_anthropic"):
            CALLERS[caller](running, model, Talk(tools=(look,), force="look"), "whole")
            assert running.sent.json["thinking"] == {"type": "disabled"}, (caller, model)
            assert running.sent.json["tool_choice"]


def test_pain_28_a_forced_tool_beside_thinking_that_was_asked_for_is_refused(running):
    """Neither wish is dropped silently: the error names the field."""
    with pytest.raises(openai_sdk.BadRequestError, match="tool_choice"):
        CALLERS["chat"](running, "deepseek_chat", Talk(tools=(look,), force="look", effort="high"), "whole")


# ---- Gemini ------------------------------------------------------------------------------


@modes
@callers
def test_pain_34_geminis_thought_signature_comes_back(running, caller, mode):
    """No client of another dialect can hold it; Gemini 3 answers 400 without."""
    body = loop(running, caller, "gemini", "gemini", mode)

    (part,) = [part for content in body["contents"] for part in content["parts"] if "functionCall" in part]
    assert part["thoughtSignature"] == gemini.SIGNATURE


@callers
def test_pain_34_a_lost_signature_is_replaced_by_googles_own_stand_in(running, caller):
    """A call made by another provider has none: Google documents what to send then."""
    body = loop(running, caller, "openai_chat", "gemini", "whole")

    (part,) = [part for content in body["contents"] for part in content["parts"] if "functionCall" in part]
    assert part["thoughtSignature"] == "skip_thought_signature_validator"


@callers
def test_pain_34_geminis_signature_goes_to_nobody_else(running, caller):
    """It would be an unknown field there."""
    for second in ("openai_chat", "openai_responses", "anthropic", "deepseek_chat"):
        loop(running, caller, "gemini", second, "whole")
        assert gemini.SIGNATURE.encode() not in running.sent.body, second


# ---- OpenAI's sealed reasoning -----------------------------------------------------------

SEALED = "gAAAAABsealed=="


def _sealed(call_id: str, *, stream: bool) -> Reply:
    """A Responses answer whose reasoning is sealed."""
    plain = Answer(text="", reasoning="A summary.", tools=(ToolUse(id=call_id, name="look", arguments='{"at":"x"}'),))
    if not stream:
        body = responses.responses(plain).content
        return json(
            body.replace(b'"type":"reasoning"', b'"type":"reasoning","encrypted_content":"%s"' % SEALED.encode())
        )
    data = responses.responses_stream(plain).content
    return sse([data.replace(b'"type":"reasoning"', b'"type":"reasoning","encrypted_content":"%s"' % SEALED.encode())])


@modes
@pytest.mark.parametrize("caller", ["chat", "messages"])
def test_sealed_reasoning_comes_back_to_openai_only(running, caller, mode):
    """A client of another dialect can't hold the sealed item: it is put before its call, for its own provider."""
    call_id = new_id()
    running.double.script = lambda request: _sealed(call_id, stream=request.json.get("stream") is True)
    CALLERS[caller](running, "openai_responses", talk(effort="low"), mode)
    assert "reasoning.encrypted_content" in running.sent.json["include"]
    assert running.sent.json["store"] is False
    running.says(Answer(text="Done."))
    CALLERS[caller](running, "openai_responses", talk(call_id), mode)
    items: Any = running.sent.json["input"]
    kinds = [item["type"] for item in items if item["type"] != "message"]
    assert kinds == ["reasoning", "function_call", "function_call_output"]
    assert next(item for item in items if item["type"] == "reasoning")["encrypted_content"] == SEALED

    for other in ("openai_chat", "anthropic", "gemini", "deepseek_chat"):
        CALLERS[caller](running, other, talk(call_id), mode)
        assert SEALED.encode() not in running.sent.body, other


def test_a_responses_clients_own_sealed_items_go_to_openai_untouched_and_to_nobody_else(running):
    """Codex sends its items back itself: in order for their maker, left out for the others."""
    call_id = new_id()
    items = [
        {"role": "user", "content": "Go."},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": SEALED},
        {"type": "function_call", "call_id": call_id, "name": "look", "arguments": '{"at":"x"}'},
        {"type": "function_call_output", "call_id": call_id, "output": "found"},
    ]
    running.says(Answer(text="Done."))
    body = {"model": "openai_responses", "input": items, "store": False, "stream": False}
    assert post(running.gateway.url, "/v1/responses", body).status == 200
    assert running.sent.json == {**body, "model": "m-responses"}

    for other in ("openai_chat", "anthropic", "gemini", "deepseek_chat"):
        assert post(running.gateway.url, "/v1/responses", {**body, "model": other}).status == 200
        assert SEALED.encode() not in running.sent.body, other
        assert seen(running.sent).results == [(call_id, "found")]
