"""The Responses request: what clients send, as neutral, and back as a body for a target."""

from __future__ import annotations

from typing import Any

import pytest

from turnout.core.errors import InvalidField, Unsupported
from turnout.core.target import Dialect, Quirks, Target
from turnout.wire.codec import Rendered, no_vault
from turnout.wire.neutral import (
    HostedTool,
    Media,
    Message,
    Opaque,
    OutputFormat,
    Reasoning,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from turnout.wire.openai_responses import CODEC

OPENAI = Target(model="gpt-5.5", provider="openai", dialect=Dialect.OPENAI_RESPONSES, quirks=Quirks(custom_tools=True))
VLLM = Target(model="oss", provider="vllm", dialect=Dialect.OPENAI_RESPONSES)

CODEX: dict[str, Any] = {
    "model": "fast",
    "instructions": "You are Codex.",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<permissions>"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Fix it"}]},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Plan"}],
            "encrypted_content": "gA",
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "On it."}]},
        {"type": "function_call", "name": "shell", "arguments": '{"cmd":"ls"}', "call_id": "call_1"},
        {"type": "custom_tool_call", "name": "apply_patch", "input": "*** Begin", "call_id": "call_2"},
        {"type": "function_call_output", "call_id": "call_1", "output": "a.py"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Done"},
        {
            "type": "local_shell_call",
            "id": "l1",
            "call_id": "call_3",
            "status": "completed",
            "action": {"type": "exec"},
        },
        {"type": "brand_new_thing", "x": 1},
        {"role": "user", "content": "And now?"},
    ],
    "tools": [
        {"type": "function", "name": "shell", "strict": False, "parameters": {"type": "object", "properties": {}}},
        {
            "type": "custom",
            "name": "apply_patch",
            "description": "Edit",
            "format": {"type": "grammar", "syntax": "lark", "definition": "x"},
        },
        {"type": "local_shell"},
        {"type": "web_search", "external_web_access": False},
        {"type": "tool_search"},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "session-1",
    "text": {"verbosity": "low"},
    "client_metadata": {"x-codex-installation-id": "1"},
}


def parse(body: dict[str, Any]) -> Request:
    assert CODEC.parse_request is not None
    return CODEC.parse_request(body)


def render(request: Request, target: Target = OPENAI) -> Rendered:
    assert CODEC.render_request is not None
    return CODEC.render_request(request, target, no_vault)


def chat(**fields: Any) -> Request:
    base: dict[str, Any] = {
        "dialect": Dialect.OPENAI_CHAT,
        "model": "m",
        "messages": (Message("user", (Text(text="Hi"),)),),
    }
    return Request(**{**base, **fields})


def test_codex_request_is_understood() -> None:
    """Every item of a Codex turn has its place; the turn's items stand in one message, in order."""
    request = parse(CODEX)

    assert [message.role for message in request.messages] == [
        "system", "developer", "user", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip
    assert request.messages[3].parts == (
        Thinking(text="Plan", summary=True, item_id="rs_1", encrypted="gA"),
        Text(text="On it."),
        ToolCall(id="call_1", name="shell", arguments='{"cmd":"ls"}'),
        ToolCall(id="call_2", name="apply_patch", arguments="*** Begin", custom=True),
    )
    assert request.messages[4].parts == (
        ToolResult(call_id="call_1", content=(Text(text="a.py"),)),
        ToolResult(call_id="call_2", content=(Text(text="Done"),), custom=True),
    )
    assert [part.kind for part in request.messages[5].parts if isinstance(part, Opaque)] == [
        "local_shell_call", "brand_new_thing",
    ]  # fmt: skip
    assert request.custom_tools() == {"apply_patch"}
    assert [tool.kind for tool in request.tools if isinstance(tool, HostedTool)] == [
        "local_shell",
        "web_search",
        "tool_search",
    ]
    assert request.reasoning == Reasoning(effort="medium", enabled=True, summary="auto", encrypted=True)
    assert (request.cache_key, request.verbosity, request.stream, request.store) == ("session-1", "low", True, False)
    assert request.extra == {}


def test_codex_request_round_trips() -> None:
    """Written again for a Responses target, nothing of what was understood is lost, moved or changed."""
    body = render(parse(CODEX)).body

    assert parse(body) == parse({**CODEX, "model": "gpt-5.5"})
    assert body["instructions"] == "You are Codex."
    assert body["tools"] == CODEX["tools"]
    kinds = [item.get("type", "message") for item in CODEX["input"]]
    assert [item["type"] for item in body["input"]] == kinds  # type: ignore[index,union-attr,call-overload]


def test_string_input_is_a_user_message() -> None:
    """The shortest request."""
    assert parse({"model": "m", "input": "Hi"}).messages == (Message("user", (Text(text="Hi"),)),)


def test_media_and_formats_are_read() -> None:
    """Images, files and a schema reach their neutral fields."""
    content = [
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
        {"type": "input_image", "image_url": "https://x/y.png"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,BB==", "filename": "a.pdf"},
        {"type": "input_hologram", "z": 1},
    ]
    form = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    body = {"model": "m", "input": [{"role": "user", "content": content}], "text": {"format": form}}
    request = parse(body)

    assert request.messages[0].parts == (
        Media(kind="image", media_type="image/png", data="AA==", detail="low"),
        Media(kind="image", url="https://x/y.png"),
        Media(kind="document", media_type="application/pdf", data="BB==", name="a.pdf"),
        Opaque(dialect=Dialect.OPENAI_RESPONSES, kind="input_hologram", raw=content[3]),
    )
    assert request.output == OutputFormat(kind="json_schema", name="n", schema={"type": "object"}, strict=True)
    assert parse(render(request).body).messages[0].parts[3] == request.messages[0].parts[3]


def test_state_fields_stay_in_extra() -> None:
    """What needs a stored conversation is kept by name, for other dialects to refuse; what says nothing is not."""
    request = parse(
        {"model": "m", "previous_response_id": "resp_1", "background": True, "truncation": "disabled",
         "reasoning": {"effort": "low", "mode": "pro"}, "conversation": None}
    )  # fmt: skip

    assert request.messages == ()
    assert request.extra == {"previous_response_id": "resp_1", "background": True, "reasoning.mode": "pro"}
    assert render(request).body["reasoning"] == {"effort": "low", "mode": "pro"}


def test_choices_of_tools_are_read() -> None:
    """A named tool is neutral; what the neutral form can't say stays whole."""
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": []}

    assert parse(
        {"model": "m", "input": "x", "tool_choice": {"type": "custom", "name": "p"}}
    ).tool_choice == ToolChoice(mode="named", name="p")
    assert parse({"model": "m", "input": "x", "tool_choice": allowed}).extra == {"tool_choice": allowed}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 3}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{"type": 1}]}, "input[0].type"),
        ({"input": [{"role": "king", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"text": "x"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": 1}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call", "name": "f", "call_id": "c", "arguments": {}}]}, "input[0].arguments"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        ({"instructions": 1}, "instructions"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"tools": [{"name": "f"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tool_choice": "perhaps"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"include": [1]}, "include[0]"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_bad_input_names_its_field(change: dict[str, Any], param: str) -> None:
    """The error says where, as a path into the body."""
    with pytest.raises(InvalidField) as caught:
        parse({"model": "m", "input": "Hi", **change})

    assert caught.value.param == param
    assert param in caught.value.message


@pytest.mark.parametrize(
    ("dialect", "fields", "name"),
    [
        (Dialect.OPENAI_CHAT, {"stop": ("x",)}, "stop"),
        (Dialect.ANTHROPIC, {"stop": ("x",)}, "stop_sequences"),
        (Dialect.OPENAI_CHAT, {"choices": 2}, "n"),
        (Dialect.OPENAI_CHAT, {"seed": 0}, "seed"),
        (Dialect.OPENAI_CHAT, {"presence_penalty": 0.5}, "presence_penalty"),
        (Dialect.OPENAI_CHAT, {"frequency_penalty": 0.5}, "frequency_penalty"),
        (Dialect.OPENAI_CHAT, {"logit_bias": {"1": 2}}, "logit_bias"),
        (Dialect.OPENAI_CHAT, {"logprobs": True}, "logprobs"),
        (Dialect.ANTHROPIC, {"top_k": 4}, "top_k"),
        (Dialect.OPENAI_CHAT, {"extra": {"novelty": 1}}, "novelty"),
    ],
)
def test_what_has_no_counterpart_is_refused_or_dropped(dialect: Dialect, fields: dict[str, Any], name: str) -> None:
    """The error names the caller's own field; a route may allow it to be left out, which is then reported."""
    request = chat(dialect=dialect, **fields)
    with pytest.raises(Unsupported) as caught:
        render(request)
    allowing = Target(
        model="m", provider="openai", dialect=Dialect.OPENAI_RESPONSES, quirks=OPENAI.quirks, drop=frozenset({name})
    )

    assert caught.value.param == name
    assert render(request, allowing).dropped == (name,)


def test_a_hosted_tool_of_another_dialect_is_refused_by_its_place() -> None:
    """No other provider can run it."""
    tool = HostedTool(dialect=Dialect.ANTHROPIC, kind="web_search_20260101", raw={"type": "web_search_20260101"})
    with pytest.raises(Unsupported) as caught:
        render(chat(tools=(tool,)))

    assert caught.value.param == "tools[0].type"


def test_a_chat_request_is_written_for_responses() -> None:
    """Not strict unless asked, not stored, the system message as instructions."""
    request = chat(
        messages=(
            Message("system", (Text(text="Be brief."),)),
            Message("user", (Text(text="Weather?"),)),
            Message("assistant", (ToolCall(id="call_1", name="f", arguments="{}"),)),
            Message("tool", (ToolResult(call_id="call_1", content=(Text(text="Sun"),)),)),
        ),
        tools=(Tool(name="f", parameters={"type": "object"}),),
        max_tokens=100,
        reasoning=Reasoning(effort="max"),
    )

    assert render(request).body == {
        "model": "gpt-5.5",
        "instructions": "Be brief.",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "Sun"},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}],
        "max_output_tokens": 100,
        "reasoning": {"effort": "xhigh"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
    }


def test_reasoning_goes_back_to_its_own_provider_only() -> None:
    """The vault's reasoning is replayed before its call at the provider that made it, and nowhere else."""
    assert CODEC.render_request is not None
    sealed = Thinking(text="S", encrypted="E", item_id="rs_1", origin="openai")
    turn = Message(
        "assistant", (Thinking(text="claude's", signature="sig"), ToolCall(id="c", name="f", arguments="{}"))
    )
    request = chat(dialect=Dialect.ANTHROPIC, messages=(turn,))
    own = CODEC.render_request(request, OPENAI, lambda _: (sealed,)).body["input"]
    other = CODEC.render_request(request, VLLM, lambda _: (sealed,)).body["input"]
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}

    assert own == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "S"}],
            "id": "rs_1",
            "encrypted_content": "E",
        },
        call,
    ]
    assert other == [call]


def test_free_json_keeps_the_system_message_in_input() -> None:
    """OpenAI looks for the word JSON in `input` only, and refuses the request without it."""
    messages = (Message("system", (Text(text="Answer in JSON."),)), Message("user", (Text(text="Hi"),)))
    body = render(chat(messages=messages, output=OutputFormat(kind="json_object"))).body

    assert "instructions" not in body
    assert len(body["input"]) == 2  # type: ignore[arg-type]


# ---- adapt -------------------------------------------------------------------------------


def adapt(body: dict[str, Any], target: Target) -> Any:
    assert CODEC.adapt is not None
    return CODEC.adapt(body, target, no_vault)


def test_the_owner_s_body_is_left_alone() -> None:
    """For OpenAI itself nothing is changed and nothing is copied."""
    adapted = adapt(CODEX, OPENAI)

    assert adapted.body is CODEX and not adapted.changed


def test_custom_tools_are_bridged_where_only_functions_exist() -> None:
    """Tool, calls and results become functions together; all else is as it was."""
    adapted = adapt(CODEX, VLLM)
    tool, items = adapted.body["tools"][1], adapted.body["input"]

    assert adapted.changed
    assert (tool["type"], tool["name"], tool["parameters"]["required"]) == ("function", "apply_patch", ["input"])
    assert tool["description"] == "Edit\n\nThe input must follow this grammar:\nx"
    assert items[5] == {
        "type": "function_call",
        "name": "apply_patch",
        "call_id": "call_2",
        "arguments": '{"input":"*** Begin"}',
    }
    assert items[7]["type"] == "function_call_output"
    assert [items[i] for i in (0, 1, 2, 3, 4, 6, 8, 9, 10)] == [CODEX["input"][i] for i in (0, 1, 2, 3, 4, 6, 8, 9, 10)]
    assert CODEX["tools"][1]["type"] == "custom"


def test_our_own_reasoning_items_never_reach_a_provider() -> None:
    """No server knows the ids that we made up; a dialect that takes plain text still gets the words."""
    item = {"type": "reasoning", "id": "rs_turnout_1", "summary": [{"type": "summary_text", "text": "T"}]}
    body = {"model": "m", "input": [{"role": "user", "content": "x"}, item]}

    assert adapt(body, OPENAI).body["input"] == body["input"][:1]
    assert len(render(parse(body)).body["input"]) == 1  # type: ignore[arg-type]
    assert parse(body).messages[1].parts == (Thinking(text="T", item_id="rs_turnout_1"),)


def test_quirks_refuse_drop_and_map() -> None:
    """A refused field is named or dropped, hints go silently, an effort goes to the nearest level."""
    quirks = Quirks(
        custom_tools=True, effort_levels=("low", "high"), unsupported=frozenset({"text.verbosity", "prompt_cache_key"})
    )
    strict = Target(model="m", provider="p", dialect=Dialect.OPENAI_RESPONSES, quirks=quirks)
    loose = Target(
        model="m", provider="p", dialect=Dialect.OPENAI_RESPONSES, quirks=quirks, drop=frozenset({"text.verbosity"})
    )
    with pytest.raises(Unsupported) as caught:
        adapt(CODEX, strict)
    adapted = adapt(CODEX, loose)
    rendered = render(parse(CODEX), loose)

    assert caught.value.param == "text.verbosity"
    assert adapted.dropped == rendered.dropped == ("text.verbosity",)
    assert "text" not in adapted.body and "prompt_cache_key" not in adapted.body
    assert adapted.body["reasoning"] == {"summary": "auto", "effort": "high"}
    assert "text" not in rendered.body and rendered.body["reasoning"] == {"effort": "high", "summary": "auto"}
