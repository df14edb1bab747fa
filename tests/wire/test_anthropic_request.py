"""Messages requests, read and written."""

from __future__ import annotations

import copy
import dataclasses

import orjson
import pytest

from turnout.core.errors import InvalidField, Unsupported
from turnout.core.target import Dialect, Quirks, Target
from turnout.wire.anthropic import CODEC
from turnout.wire.codec import no_vault
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

OWN = Quirks(signed_thinking=True, keep_billing_line=True, forced_tool_choice="not_thinking")
ADAPTIVE = dataclasses.replace(OWN, adaptive_thinking=True, effort_levels=("low", "medium", "high", "xhigh", "max"))
CLAUDE = Target(model="claude-x", provider="anthropic", dialect=Dialect.ANTHROPIC, quirks=OWN)
DEEPSEEK = Target(
    model="deepseek-v4-pro",
    provider="deepseek",
    dialect=Dialect.ANTHROPIC,
    quirks=Quirks(
        signed_thinking=True,
        foreign_thinking="placeholder",
        replay_reasoning="tool_turns",
        thinking_default=True,
        forced_tool_choice="not_thinking",
        effort_levels=("low", "high", "max"),
    ),
)
MARK = {"type": "ephemeral", "ttl": "1h"}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
RICH = {
    "model": "claude-x",
    "max_tokens": 5000,
    "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Rules.", "cache_control": MARK}],
    "messages": [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "redacted_thinking", "data": "xx"},
                {"type": "text", "text": "Calling.", "citations": [{"type": "page_location", "cited_text": "c"}]},
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}, "cache_control": MARK},
                {"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok", "cache_control": MARK},
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_2",
                    "is_error": True,
                    "content": [
                        {"type": "text", "text": "bad", "cache_control": MARK},
                        {"type": "image", "source": PNG},
                    ],
                },
                {"type": "text", "text": "And this?"},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
                {
                    "type": "document",
                    "title": "T",
                    "source": {"type": "text", "media_type": "text/plain", "data": "Größe"},
                    "cache_control": MARK,
                },
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
                {"type": "search_result", "source": "s", "title": "t", "content": []},
                {"type": "hologram", "beam": 7},
            ],
        },
    ],
    "tools": [
        {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}, "strict": True},
        {"name": "g", "input_schema": {"type": "object", "properties": {}}, "cache_control": MARK},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}},
    "stop_sequences": ["END"],
    "metadata": {"user_id": "u"},
    "service_tier": "standard_only",
    "stream": True,
    "inference_geo": "us",
}


def parse(**changes: object) -> Request:
    return CODEC.parse_request(
        {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]} | changes
    )


def chat(*messages: Message, **fields: object) -> Request:
    """A request as the chat dialect reads it."""
    given = messages or (Message("user", (Text(text="hi"),)),)
    return Request(dialect=Dialect.OPENAI_CHAT, model="m", messages=given, **fields)


def render(request: Request, target: Target = CLAUDE, vault=no_vault) -> dict:
    return CODEC.render_request(request, target, vault).body


def with_drop(target: Target, *names: str) -> Target:
    return dataclasses.replace(target, drop=frozenset(names))


def test_a_rich_request_survives_the_neutral_form():
    """Read and written for Anthropic, a request keeps every block, marker, tool and setting."""
    assert render(CODEC.parse_request(copy.deepcopy(RICH))) == RICH


def test_a_rich_request_is_read():
    """Tool results stand in their own message, before what else the user said."""
    request = CODEC.parse_request(RICH)

    assert [message.role for message in request.messages] == ["system", "user", "assistant", "tool", "user"]
    assert request.messages[3].parts[0] == ToolResult(call_id="toolu_1", content=(Text(text="ok"),), cache_control=MARK)
    assert request.messages[4].parts[-1] == Opaque(
        dialect=Dialect.ANTHROPIC, kind="hologram", raw={"type": "hologram", "beam": 7}
    )
    assert request.tools[2] == HostedTool(dialect=Dialect.ANTHROPIC, kind="web_search_20250305", raw=RICH["tools"][2])
    assert request.reasoning == Reasoning(enabled=True, budget_tokens=2000)
    assert (request.parallel_tool_calls, request.user, request.service_tier) == (False, "u", "default")
    assert request.extra == {"inference_geo": "us"}


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"thinking": {"type": "adaptive"}}, Reasoning(enabled=True)),
        ({"thinking": {"type": "disabled"}}, Reasoning(enabled=False)),
        ({"thinking": {"type": "enabled", "budget_tokens": 500}}, Reasoning(enabled=True, budget_tokens=500)),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, Reasoning(enabled=True, summary="auto")),
        ({"output_config": {"effort": "xhigh"}}, Reasoning(effort="xhigh")),
        ({}, None),
    ],
)
def test_thinking_and_effort_are_read(changes: dict, expected: Reasoning | None):
    """Both ways to ask for thought become one."""
    assert parse(**changes).reasoning == expected


@pytest.mark.parametrize(
    "choice, expected, parallel",
    [
        ({"type": "auto"}, ToolChoice(mode="auto"), None),
        ({"type": "any", "disable_parallel_tool_use": False}, ToolChoice(mode="required"), True),
        ({"type": "tool", "name": "f"}, ToolChoice(mode="named", name="f"), None),
        ({"type": "none"}, ToolChoice(mode="none"), None),
    ],
)
def test_tool_choices_are_read(choice: dict, expected: ToolChoice, parallel: bool | None):
    """The switch for parallel calls is turned round."""
    request = parse(tool_choice=choice)

    assert (request.tool_choice, request.parallel_tool_calls) == (expected, parallel)


def test_hints_that_mean_nothing_elsewhere_are_not_extras():
    """What Claude Code always sends must not make other providers refuse it; what changes the answer is named."""
    request = parse(
        cache_control=MARK, context_management={"edits": []}, speed="fast", output_config={"task_budget": {"total": 1}}
    )

    assert request.extra == {"speed": "fast", "output_config.task_budget": {"total": 1}}


U = [{"role": "user", "content": "hi"}]


def _in_message(*blocks: object, role: str = "user") -> dict:
    return {"messages": [*U, {"role": role, "content": list(blocks)}]}


@pytest.mark.parametrize(
    "changes, param",
    [
        ({"model": None}, "model"),
        ({"model": 4}, "model"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"messages": None}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": ["x"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        (_in_message("x"), "messages[1].content[0]"),
        (_in_message({"text": "x"}), "messages[1].content[0].type"),
        (_in_message({"type": 3}), "messages[1].content[0].type"),
        (_in_message({"type": "text"}), "messages[1].content[0].text"),
        (_in_message({"type": "text", "text": "x", "cache_control": 1}), "messages[1].content[0].cache_control"),
        (_in_message({"type": "image"}), "messages[1].content[0].source"),
        (_in_message({"type": "image", "source": {"type": "base64"}}), "messages[1].content[0].source.data"),
        (_in_message({"type": "image", "source": {"type": "url"}}), "messages[1].content[0].source.url"),
        (_in_message({"type": "tool_use", "id": "a", "name": "f"}, role="assistant"), "messages[1].content[0].input"),
        (_in_message({"type": "tool_use", "name": "f", "input": {}}, role="assistant"), "messages[1].content[0].id"),
        (_in_message({"type": "thinking"}, role="assistant"), "messages[1].content[0].thinking"),
        (_in_message({"type": "tool_result"}), "messages[1].content[0].tool_use_id"),
        (_in_message({"type": "tool_result", "tool_use_id": "a"}, role="assistant"), "messages[1].content"),
        (
            _in_message({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "thinking", "thinking": ""}]}),
            "messages[1].content[0].content[0].type",
        ),
        ({"system": 5}, "system"),
        ({"system": [{"type": "image", "source": PNG}]}, "system[0].type"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": "x"}, "tools"),
        ({"tool_choice": {"type": "all"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"thinking": {"type": "hard"}}, "thinking.type"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": "extreme"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"temperature": 1.5}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_k": 1.5}, "top_k"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"stop_sequences": [1]}, "stop_sequences[0]"),
        ({"stream": "yes"}, "stream"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
    ],
)
def test_bad_input_names_the_field(changes: dict, param: str):
    """Each wrong field is named by its path."""
    with pytest.raises(InvalidField) as caught:
        parse(**changes)

    assert caught.value.param == param


# ---- from other dialects -----------------------------------------------------------------


def test_a_chat_conversation_becomes_alternating_turns():
    """Instructions at the head are the system prompt; results of one turn stand in one user turn, first."""
    body = render(
        chat(
            Message("system", (Text(text="S"),)),
            Message("developer", (Text(text="D"),)),
            Message("user", (Text(text="weather?"),)),
            Message("assistant", (Text(text=""), ToolCall(id="a", name="f", arguments='{"c":1}'))),
            Message("assistant", (ToolCall(id="b", name="f", arguments='{"c":'),)),
            Message("tool", (ToolResult(call_id="a", content=(Text(text="sun"),)),)),
            Message("developer", (Text(text="Hurry."),)),
            Message("tool", (ToolResult(call_id="b", content=(), is_error=True),)),
            Message("user", (Text(text="well?"),)),
        )
    )

    assert body["system"] == [{"type": "text", "text": "S"}, {"type": "text", "text": "D"}]
    assert body["messages"] == [
        {"role": "user", "content": "weather?"},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "a", "name": "f", "input": {"c": 1}},
                {"type": "tool_use", "id": "b", "name": "f", "input": {"_raw": '{"c":'}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "sun"},
                {"type": "tool_result", "tool_use_id": "b", "is_error": True},
                {"type": "text", "text": "<system-reminder>\nHurry.\n</system-reminder>"},
                {"type": "text", "text": "well?"},
            ],
        },
    ]
    assert body["max_tokens"] == 4096


@pytest.mark.parametrize(
    "messages, expected",
    [
        ([Message("system", (Text(text="S"),))], [{"role": "user", "content": "S"}]),
        (
            [Message("assistant", (Text(text="Hello!"),)), Message("user", (Text(text="hi"),))],
            [
                {"role": "user", "content": "."},
                {"role": "assistant", "content": "Hello!"},
                {"role": "user", "content": "hi"},
            ],
        ),
        (
            [
                Message("user", (Text(text="a"),)),
                Message("assistant", (Text(text=" "),)),
                Message("user", (Text(text="b"),)),
            ],
            [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
        ),
    ],
)
def test_odd_conversations_are_made_legal(messages: list[Message], expected: list[dict]):
    """The API wants a user turn first and refuses blank texts."""
    assert render(chat(*messages))["messages"] == expected


def test_ids_of_calls_are_made_legal_and_stay_apart():
    """Other models write ids with dots and colons, which the API refuses; call and result still match."""
    body = render(
        chat(
            Message("user", (Text(text="x"),)),
            Message(
                "assistant", (ToolCall(id="f:0", name="f", arguments=""), ToolCall(id="f.0", name="f", arguments=""))
            ),
            Message("tool", (ToolResult(call_id="f:0", content=()), ToolResult(call_id="f.0", content=()))),
        )
    )

    calls = [block["id"] for block in body["messages"][1]["content"]]
    assert calls == [block["tool_use_id"] for block in body["messages"][2]["content"]]
    assert len(set(calls)) == 2 and all(set(call) <= set("f_0123456789abcdef") for call in calls)


@pytest.mark.parametrize(
    "part, source",
    [
        (Media(kind="image", data="/9j/4AAQ"), {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"}),
        (Media(kind="image", url="https://e.com/x"), {"type": "url", "url": "https://e.com/x"}),
        (
            Media(kind="image", url="data:image/gif;base64,R0lG"),
            {"type": "base64", "media_type": "image/gif", "data": "R0lG"},
        ),
        (Media(kind="document", data="JVBE"), {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}),
    ],
)
def test_media_is_written(part: Media, source: dict):
    """Inline data, data URLs and links all have a source."""
    assert render(chat(Message("user", (part,))))["messages"][0]["content"] == [{"type": part.kind, "source": source}]


@pytest.mark.parametrize(
    "part", [Media(kind="audio", data="x"), Media(kind="document", file_id="file-1"), Media(kind="image")]
)
def test_media_that_can_not_be_sent_is_refused(part: Media):
    """Sound, and files that only their own provider knows, are not silently lost."""
    with pytest.raises(Unsupported):
        render(chat(Message("user", (part,))))


@pytest.mark.parametrize(
    "fields, name",
    [
        ({"choices": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"seed": 0}, "seed"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"frequency_penalty": -1}, "frequency_penalty"),
        ({"temperature": 1.5}, "temperature"),
        ({"output": OutputFormat(kind="json_object")}, "response_format"),
        ({"extra": {"web_search_options": {}}}, "web_search_options"),
        ({"tools": (HostedTool(dialect=Dialect.OPENAI_RESPONSES, kind="code_interpreter", raw={}),)}, "tools"),
    ],
)
def test_what_can_not_be_said_is_refused_or_dropped_by_the_callers_name(fields: dict, name: str):
    """Nothing disappears unless the route says so, and then it is reported."""
    with pytest.raises(Unsupported) as caught:
        render(chat(**fields))
    rendered = CODEC.render_request(chat(**fields), with_drop(CLAUDE, name), no_vault)

    assert caught.value.param == name and name in caught.value.message
    assert rendered.dropped == (name,)
    assert rendered.body.get("temperature", 1) == 1  # too hot is brought down, not left out


def test_hints_are_left_out_without_a_word():
    """What has no effect on the answer never fails a request."""
    rendered = CODEC.render_request(
        chat(
            user="u",
            store=True,
            metadata={"a": "b"},
            verbosity="low",
            cache_key="k",
            service_tier="flex",
            parallel_tool_calls=True,
            presence_penalty=0,
            extra={"safety_identifier": "s", "truncation": "disabled", "background": None},
        ),
        CLAUDE,
        no_vault,
    )

    assert rendered.body == {
        "model": "claude-x",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": "hi"}],
        "metadata": {"user_id": "u"},
    }
    assert rendered.dropped == ()


def test_a_parameter_that_the_model_refuses_is_named():
    """Newer Claude models take no temperature; the catalogue says so."""
    target = dataclasses.replace(CLAUDE, quirks=dataclasses.replace(OWN, unsupported=frozenset({"temperature"})))

    with pytest.raises(Unsupported) as caught:
        render(chat(temperature=0.2), target)
    assert caught.value.param == "temperature"
    assert "temperature" not in render(chat(temperature=0.2), with_drop(target, "temperature"))


def test_the_maximum_follows_the_model():
    """The caller's maximum, bounded by what the model can write; else the model's own."""
    target = dataclasses.replace(CLAUDE, max_output=8000)

    assert render(chat(), target)["max_tokens"] == 8000
    assert render(chat(max_tokens=100), target)["max_tokens"] == 100
    assert render(chat(max_tokens=64000), target)["max_tokens"] == 8000


TOOL = Tool(name="f", parameters={"properties": {"a": {}}})


@pytest.mark.parametrize(
    "fields, expected",
    [
        ({"tool_choice": ToolChoice(mode="required")}, {"type": "any"}),
        ({"tool_choice": ToolChoice(mode="none"), "parallel_tool_calls": False}, {"type": "none"}),
        (
            {"tool_choice": ToolChoice(mode="named", name="f"), "parallel_tool_calls": False},
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        ),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({}, None),
    ],
)
def test_tool_choices_are_written(fields: dict, expected: dict | None):
    """The modes have their words, and parallel calls their switch."""
    body = render(chat(tools=(TOOL,), **fields))

    assert body.get("tool_choice") == expected
    assert body["tools"][0]["input_schema"] == {"type": "object", "properties": {"a": {}}}


def test_a_custom_tool_is_bridged():
    """Free-form input becomes one text, in the tool and in the history."""
    body = render(
        chat(
            Message("user", (Text(text="x"),)),
            Message("assistant", (ToolCall(id="a", name="patch", arguments="*** Begin", custom=True),)),
            tools=(Tool(name="patch", custom=True),),
        )
    )

    assert body["tools"][0]["input_schema"]["required"] == ["input"]
    assert body["messages"][1]["content"][0]["input"] == {"input": "*** Begin"}


@pytest.mark.parametrize(
    "reasoning, quirks, thinking, effort",
    [
        (Reasoning(effort="high"), ADAPTIVE, {"type": "adaptive"}, "high"),
        (Reasoning(effort="minimal"), ADAPTIVE, {"type": "adaptive"}, "low"),
        (Reasoning(budget_tokens=5000, enabled=True), ADAPTIVE, {"type": "adaptive"}, "medium"),
        (Reasoning(enabled=True), ADAPTIVE, {"type": "adaptive"}, None),
        (Reasoning(effort="none"), ADAPTIVE, {"type": "disabled"}, None),
        (Reasoning(enabled=False), OWN, {"type": "disabled"}, None),
        (Reasoning(summary="auto"), OWN, None, None),
        (None, OWN, None, None),
        (Reasoning(effort="low"), OWN, {"type": "enabled", "budget_tokens": 2048}, None),
        (Reasoning(effort="max"), OWN, {"type": "enabled", "budget_tokens": 10000}, None),
        (Reasoning(budget_tokens=90000, enabled=True), OWN, {"type": "enabled", "budget_tokens": 19999}, None),
        (Reasoning(budget_tokens=500, enabled=True), OWN, None, None),
        (Reasoning(budget_tokens=500, enabled=True), DEEPSEEK.quirks, {"type": "disabled"}, None),
        (Reasoning(effort="medium"), DEEPSEEK.quirks, {"type": "enabled", "budget_tokens": 8192}, "high"),
    ],
)
def test_reasoning_is_written_as_the_model_takes_it(
    reasoning: Reasoning | None, quirks: Quirks, thinking: dict | None, effort: str | None
):
    """Adaptive models get an effort, others a budget below the maximum; a tiny budget means none (bifrost 1479)."""
    body = render(chat(max_tokens=20000, reasoning=reasoning), dataclasses.replace(CLAUDE, quirks=quirks))

    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort


def test_a_forced_tool_and_thinking_exclude_each_other():
    """Where a caller wants both, the route must say which to drop; a default that nobody asked for is switched off."""
    both = chat(
        tools=(TOOL,), tool_choice=ToolChoice(mode="required"), reasoning=Reasoning(effort="low"), max_tokens=9000
    )

    with pytest.raises(Unsupported) as caught:
        render(both)
    assert caught.value.param == "tool_choice"
    assert render(both, with_drop(CLAUDE, "tool_choice"))["tool_choice"] == {"type": "auto"}
    calm = render(both, with_drop(CLAUDE, "reasoning_effort"))
    assert calm["tool_choice"] == {"type": "any"} and "thinking" not in calm
    default = render(chat(tools=(TOOL,), tool_choice=ToolChoice(mode="required")), DEEPSEEK)
    assert default["thinking"] == {"type": "disabled"}


def test_a_schema_for_the_answer_is_written():
    """Structured output has a place of its own."""
    output = OutputFormat(kind="json_schema", schema={"type": "object"}, name="x", strict=True)

    assert render(chat(output=output))["output_config"] == {
        "format": {"type": "json_schema", "schema": {"type": "object"}}
    }


@pytest.mark.parametrize(
    "fields, name",
    [({"temperature": 0.5}, "temperature"), ({"top_p": 0.5}, "top_p"), ({"top_k": 5}, "top_k")],
)
def test_sampling_is_refused_while_claude_thinks(fields: dict, name: str):
    """Anthropic takes a temperature of 1 and no top_k beside thinking; other providers of the dialect don't care."""
    request = chat(reasoning=Reasoning(effort="low"), max_tokens=9000, **fields)

    with pytest.raises(Unsupported) as caught:
        render(request)
    assert caught.value.param == name
    assert name not in render(request, with_drop(CLAUDE, name))
    assert render(request, DEEPSEEK)[name] == fields[name]
    assert render(chat(**fields))[name] == fields[name]


def test_models_that_can_not_think_or_be_forced_say_so():
    """The catalogue knows them, and the caller hears it in the caller's words."""
    forced = chat(tools=(TOOL,), tool_choice=ToolChoice(mode="named", name="f"))
    never = dataclasses.replace(CLAUDE, quirks=dataclasses.replace(OWN, forced_tool_choice="never"))
    dull = dataclasses.replace(CLAUDE, quirks=dataclasses.replace(OWN, unsupported=frozenset({"thinking"})))

    with pytest.raises(Unsupported, match="tool_choice"):
        render(forced, never)
    assert render(forced, with_drop(never, "tool_choice"))["tool_choice"] == {"type": "auto"}
    with pytest.raises(Unsupported, match="reasoning_effort"):
        render(chat(reasoning=Reasoning(effort="high")), dull)
    assert "thinking" not in render(chat(reasoning=Reasoning(effort="none")), dull)


def test_a_result_block_without_a_neutral_form_is_quoted():
    """Search results inside a tool result stay readable for every target."""
    block = {"type": "search_result", "source": "s", "title": "t", "content": []}
    request = parse(**_in_message({"type": "tool_result", "tool_use_id": "a", "content": [block]}))

    assert orjson.loads(request.messages[1].parts[0].content[0].text) == block


# ---- thinking in the history -------------------------------------------------------------


def loop(*thinking: Thinking, reasoning: Reasoning | None = None) -> Request:
    """A running tool loop, with this thinking before the call."""
    return chat(
        Message("user", (Text(text="x"),)),
        Message("assistant", (*thinking, ToolCall(id="a", name="f", arguments="{}"))),
        Message("tool", (ToolResult(call_id="a", content=(Text(text="r"),)),)),
        reasoning=reasoning,
        max_tokens=20000,
    )


def first_block(body: dict) -> dict:
    return body["messages"][1]["content"][0]


def test_only_its_own_thinking_goes_back_to_a_provider():
    """A signature of another provider is refused, so such thinking stays away (pain 28, 29)."""
    own = Thinking(text="hm", signature="s", origin="anthropic")
    foreign = Thinking(text="hm", signature="s", origin="deepseek")
    plain = Thinking(text="hm")

    assert first_block(render(loop(own))) == {"type": "thinking", "thinking": "hm", "signature": "s"}
    assert first_block(render(loop(foreign)))["type"] == "tool_use"
    assert first_block(render(loop(plain)))["type"] == "tool_use"


def test_thinking_goes_to_no_server_that_can_not_read_it():
    """vLLM answers thinking blocks with nineteen validation errors (pain 30)."""
    vllm = Target(model="q", provider="vllm", dialect=Dialect.ANTHROPIC)

    assert first_block(render(loop(Thinking(text="hm", signature="s", origin="vllm")), vllm))["type"] == "tool_use"


def test_lost_thinking_comes_back_from_the_vault():
    """A chat client can't hold signed thinking; it is put before the call it led to (pain 26, 34)."""
    kept = {"a": (Thinking(text="why", signature="s", origin="anthropic"),)}
    body = render(loop(reasoning=Reasoning(effort="low")), vault=lambda call_id: kept.get(call_id, ()))

    assert first_block(body) == {"type": "thinking", "thinking": "why", "signature": "s"}
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2048}


def test_without_the_vault_a_budget_is_given_up_in_a_tool_loop():
    """With a budget, Anthropic refuses a running loop without its thinking; going on without is said openly."""
    rendered = CODEC.render_request(loop(reasoning=Reasoning(effort="low")), CLAUDE, no_vault)

    assert "thinking" not in rendered.body and rendered.dropped == ("reasoning_effort",)
    adaptive = dataclasses.replace(CLAUDE, quirks=ADAPTIVE)
    assert render(loop(reasoning=Reasoning(effort="low")), adaptive)["thinking"] == {"type": "adaptive"}


def test_deepseek_gets_a_placeholder_for_lost_thinking():
    """Its endpoint wants a thinking block on turns that call tools, unless it does not think (pain 27)."""
    placeholder = {"type": "thinking", "thinking": " ", "signature": ""}

    assert first_block(render(loop(), DEEPSEEK)) == placeholder
    assert first_block(render(loop(Thinking(text="x", signature="s", origin="anthropic")), DEEPSEEK)) == placeholder
    assert first_block(render(loop(Thinking(text="x")), DEEPSEEK))["thinking"] == "x"
    assert first_block(render(loop(reasoning=Reasoning(enabled=False)), DEEPSEEK))["type"] == "tool_use"
