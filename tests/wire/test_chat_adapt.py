"""Chat bodies for chat targets: only what a quirk demands is changed."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence

import orjson
import pytest

from turnout.core.errors import Unsupported
from turnout.core.json import Json, JsonObject
from turnout.core.target import Dialect, Quirks, Target
from turnout.wire.bridging import CUSTOM_INPUT_SCHEMA
from turnout.wire.codec import no_vault
from turnout.wire.neutral import Thinking
from turnout.wire.openai_chat.adapt import adapt

OPENAI = Target(model="m", provider="openai", dialect=Dialect.OPENAI_CHAT, quirks=Quirks(custom_tools=True))
CALL: JsonObject = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CUSTOM_CALL: JsonObject = {"id": "c2", "type": "custom", "custom": {"name": "patch", "input": 'a "b"\n'}}
FUNCTION: JsonObject = {"type": "function", "function": {"name": "f", "strict": True, "parameters": {}}}
CUSTOM: JsonObject = {"type": "custom", "custom": {"name": "patch", "description": "d"}}
BRIDGED: JsonObject = {
    "type": "function",
    "function": {"name": "patch", "description": "d", "parameters": CUSTOM_INPUT_SCHEMA},
}
BODY: JsonObject = {
    "model": "gpt",
    "messages": [
        {"role": "developer", "content": "x"},
        {"role": "user", "content": "hi", "vendor": 1},
        {"role": "assistant", "content": None, "tool_calls": [CALL, CUSTOM_CALL], "reasoning_content": "r"},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
    ],
    "tools": [FUNCTION, CUSTOM, {"type": "web_search"}],
    "tool_choice": {"type": "custom", "custom": {"name": "patch"}},
    "parallel_tool_calls": False,
    "max_tokens": 5,
    "max_completion_tokens": 6,
    "reasoning_effort": "minimal",
    "response_format": {"type": "json_schema", "json_schema": {"name": "n"}},
    "stream_options": {"include_usage": False},
    "n": 2,
    "logprobs": True,
    "unknown_field": {"a": [1, None]},
    "seed": None,
}
DEEPSEEK: dict[str, object] = {
    "effort_levels": ("high", "max"),
    "thinking_switch": "thinking_type",
    "thinking_default": True,
    "forced_tool_choice": "not_thinking",
}
QWEN: dict[str, object] = {**DEEPSEEK, "thinking_switch": "enable_thinking"}


def target(*drop: str, **quirks: object) -> Target:
    return dataclasses.replace(
        OPENAI,
        provider="acme",
        quirks=Quirks(**{"custom_tools": True, **quirks}),  # type: ignore[arg-type]
        drop=frozenset(drop),
    )


def test_openai_itself_gets_the_same_object() -> None:
    """With the quirks of the dialect's owner nothing is changed and nothing is copied."""
    before = copy.deepcopy(BODY)
    adapted = adapt(BODY, OPENAI, no_vault)

    assert adapted.body is BODY
    assert (adapted.changed, adapted.dropped) == (False, ())
    assert before == BODY


@pytest.mark.parametrize("body", [{}, {"messages": 5}, {"messages": [1, None, {"role": 5}]}, {"tools": [7, {}]}])
def test_odd_bodies_are_left_to_the_parser(body: JsonObject) -> None:
    """Nothing here crashes on a body the parser would have refused."""
    assert (
        adapt(body, target(custom_tools=False, system_roles=("system",), replay_reasoning="always"), no_vault).body
        == body
    )


CASES: list[tuple[str, dict[str, object], JsonObject, JsonObject, list[str]]] = [
    ("max tokens", {"max_tokens_field": "max_tokens"}, {"max_completion_tokens": 6}, {"max_tokens": 6}, ["max_completion_tokens"]),
    ("both max tokens", {"max_tokens_field": "max_tokens"}, {"max_tokens": 5, "max_completion_tokens": 6}, {"max_tokens": 6}, ["max_completion_tokens"]),
    ("null max tokens", {"max_tokens_field": "max_tokens"}, {"max_tokens": 5, "max_completion_tokens": None}, {"max_tokens": 5}, ["max_completion_tokens"]),
    ("effort", DEEPSEEK, {"reasoning_effort": "low"}, {"reasoning_effort": "high"}, ["thinking"]),
    ("effort off", DEEPSEEK, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, ["reasoning_effort"]),
    ("template off", QWEN, {"reasoning_effort": "none", "chat_template_kwargs": {"a": 1}}, {"chat_template_kwargs": {"a": 1, "enable_thinking": False}}, ["reasoning_effort", "thinking"]),
    ("effort known", {}, {"reasoning_effort": "minimal"}, {"reasoning_effort": "minimal"}, []),
    ("effort unknown", {}, {"reasoning_effort": "max"}, {"reasoning_effort": "xhigh"}, []),
    ("forced", DEEPSEEK, {"tool_choice": "required"}, {"tool_choice": "required", "thinking": {"type": "disabled"}}, []),
    ("forced by template", QWEN, {"tool_choice": "required"}, {"chat_template_kwargs": {"enable_thinking": False}}, ["thinking"]),
    ("forced, thinking off", DEEPSEEK, {"tool_choice": "required", "thinking": {"type": "disabled"}}, {"tool_choice": "required"}, []),
    ("not forced", DEEPSEEK, {"tool_choice": "auto"}, {"tool_choice": "auto"}, ["thinking"]),
    ("parallel", {"parallel_tool_calls": False}, {"parallel_tool_calls": True}, {}, ["parallel_tool_calls"]),
    ("stream options", {"stream_usage": False}, {"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}, ["stream_options"]),
    ("tools", {"custom_tools": False}, {"tools": [FUNCTION, CUSTOM]}, {"tools": [FUNCTION, BRIDGED]}, []),
    ("tool choice", {"custom_tools": False}, {"tool_choice": {"type": "custom", "custom": {"name": "p"}}}, {"tool_choice": {"type": "function", "function": {"name": "p"}}}, []),
    ("role", {"system_roles": ("system",)}, {"messages": [{"role": "developer", "content": "x", "v": 1}]}, {"messages": [{"role": "system", "content": "x", "v": 1}]}, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("quirks", "body", "present", "absent"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_quirks(quirks: dict[str, object], body: JsonObject, present: JsonObject, absent: list[str]) -> None:
    """Each quirk changes its own field; the rest and the caller's object stay as they are."""
    given: JsonObject = {"model": "m", "unknown_field": {"a": 1}, **body}
    before = copy.deepcopy(given)
    adapted = adapt(given, target(**quirks), no_vault)

    assert {name: adapted.body.get(name) for name in present} == present
    assert not [name for name in absent if name in adapted.body]
    assert (adapted.body["model"], adapted.body["unknown_field"]) == ("m", {"a": 1})
    assert adapted.changed is (adapted.body != before)
    assert given == before


@pytest.mark.parametrize(
    ("body", "quirks", "name"),
    [
        ({"n": 2}, {"unsupported": frozenset({"n"})}, "n"),
        ({"response_format": {"type": "json_schema"}}, {"json_schema": False}, "response_format"),
        ({"tool_choice": "required", "reasoning_effort": "high"}, DEEPSEEK, "tool_choice"),
        ({"tool_choice": "required", "thinking": {"type": "enabled"}}, DEEPSEEK, "tool_choice"),
        ({"tool_choice": "required", "chat_template_kwargs": {"enable_thinking": True}}, QWEN, "tool_choice"),
        ({"tool_choice": CUSTOM}, {"forced_tool_choice": "never", "custom_tools": False}, "tool_choice"),
    ],
)
def test_refused_or_dropped(body: JsonObject, quirks: dict[str, object], name: str) -> None:
    """What the target refuses is refused by name, or dropped and listed where the route allows it."""
    with pytest.raises(Unsupported) as raised:
        adapt(body, target(**quirks), no_vault)
    assert raised.value.param == name

    adapted = adapt(body, target(name, **quirks), no_vault)
    assert adapted.dropped == (name,)
    assert adapted.changed
    assert adapted.body.get(name) in (None, {"type": "json_object"})


def test_null_is_not_refused() -> None:
    """A refused field that holds null is no request for it."""
    body: JsonObject = {"n": None}

    assert adapt(body, target(unsupported=frozenset({"n"})), no_vault).body is body


def test_calls_in_the_history_are_bridged_with_the_tools() -> None:
    """A target without free-form tools never sees a free-form call."""
    messages = adapt(BODY, target(custom_tools=False), no_vault).body["messages"]
    assert isinstance(messages, list)
    first, second = messages[2]["tool_calls"]  # type: ignore[index,call-overload,misc]

    assert first is CALL
    assert second["type"] == "function"
    assert orjson.loads(second["function"]["arguments"]) == {"input": 'a "b"\n'}


def vault(call_id: str) -> Sequence[Thinking]:
    """Own reasoning for c1, another provider's for c9."""
    return {"c1": (Thinking(text="kept", origin="acme"),), "c9": (Thinking(text="x", origin="other"),)}.get(call_id, ())


@pytest.mark.parametrize(
    ("rule", "message", "sent"),
    [
        ("never", {"tool_calls": [CALL]}, None),
        ("tool_turns", {"content": "x"}, None),
        ("tool_turns", {"tool_calls": [CALL]}, "kept"),
        ("tool_turns", {"tool_calls": [CALL], "reasoning_content": "mine"}, "mine"),
        ("tool_turns", {"tool_calls": [CALL], "reasoning_content": ""}, "kept"),
        ("tool_turns", {"tool_calls": [CALL], "reasoning": "renamed"}, "renamed"),
        ("tool_turns", {"tool_calls": [{**CALL, "id": "lost"}]}, " "),
        ("tool_turns", {"tool_calls": [{**CALL, "id": "c9"}]}, " "),
        ("tool_turns", {"tool_calls": [{**CALL, "id": "lost"}, CALL]}, "kept"),
        ("always", {"content": "x"}, " "),
    ],
)
def test_reasoning_is_put_back(rule: str, message: JsonObject, sent: Json) -> None:
    """A tool turn whose reasoning the client threw away gets it from the vault, else the placeholder."""
    body: JsonObject = {"messages": [{"role": "assistant", **message}]}
    messages = adapt(body, target(replay_reasoning=rule), vault).body["messages"]

    assert isinstance(messages, list)
    assert messages[0].get("reasoning_content") == sent  # type: ignore[union-attr]
