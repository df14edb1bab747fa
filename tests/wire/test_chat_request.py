"""Chat completions requests: read, refused by field, written for targets with their quirks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import orjson
import pytest

from turnout.core.errors import InvalidField, Unsupported
from turnout.core.json import Json, JsonObject
from turnout.core.target import Dialect, Quirks, Target
from turnout.wire.body import dump
from turnout.wire.bridging import CUSTOM_INPUT_SCHEMA
from turnout.wire.codec import no_vault
from turnout.wire.neutral import (
    HostedTool,
    Media,
    Message,
    Opaque,
    OutputFormat,
    Part,
    Reasoning,
    Rendered,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from turnout.wire.openai_chat.render import render_request
from turnout.wire.openai_chat.request import parse_request

HI: Json = [{"role": "user", "content": "hi"}]
BASE: JsonObject = {"model": "m", "messages": HI}
PLAIN = Target(model="m", provider="acme", dialect=Dialect.OPENAI_CHAT)
OPENAI = dataclasses.replace(PLAIN, quirks=Quirks(custom_tools=True))
FUNCTION: JsonObject = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CUSTOM: JsonObject = {"type": "custom", "custom": {"name": "patch", "description": "d", "format": {"type": "text"}}}


def with_quirks(*drop: str, **quirks: object) -> Target:
    return dataclasses.replace(PLAIN, quirks=Quirks(**quirks), drop=frozenset(drop))  # type: ignore[arg-type]


def asked(**fields: object) -> Request:
    values: dict[str, object] = {"dialect": Dialect.ANTHROPIC, "model": "m", "messages": (user("hi"),)}
    return Request(**{**values, **fields})  # type: ignore[arg-type]


def user(*parts: str | Part) -> Message:
    return Message("user", tuple(Text(text=part) if isinstance(part, str) else part for part in parts))


def render(request: Request, target: Target = PLAIN) -> Rendered:
    return render_request(request, target, no_vault)


BAD: list[tuple[JsonObject, str]] = [
    ({"model": None}, "model"),
    ({"model": 5}, "model"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": {}}, "messages"),
    ({"messages": [1]}, "messages[0]"),
    ({"messages": [{"content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
    ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].image_url"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": 1}}]}]},
        "messages[0].content[0].image_url.url",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]}]},
        "messages[0].content[0].input_audio.format",
    ),
    ({"messages": [{"role": "user", "content": [{"type": "file"}]}]}, "messages[0].content[0].file"),
    ({"messages": [{"role": "user", "content": "x", "name": 1}]}, "messages[0].name"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
    ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages[0].tool_calls"),
    ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].id"),
    ({"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}, "messages[0].tool_calls[0].function"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": 1}}]}]},
        "messages[0].tool_calls[0].function.arguments",
    ),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f"}}]}]},
        "messages[0].tool_calls[0].custom.input",
    ),
    ({"tools": {}}, "tools"),
    ({"tools": [{}]}, "tools[0].type"),
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    ({"tools": [FUNCTION, {"type": "custom", "custom": {}}]}, "tools[1].custom.name"),
    ({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}, "tools[0].function.parameters"),
    ({"tool_choice": "any"}, "tool_choice"),
    ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
    ({"tool_choice": {"type": "function", "function": {}}}, "tool_choice.function.name"),
    (
        {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": [{"type": "function", "name": []}]}}},
        "tool_choice.allowed_tools.tools[0].name",
    ),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_tokens": 1e300}, "max_tokens"),
    ({"max_tokens": True}, "max_tokens"),
    ({"max_completion_tokens": "5"}, "max_completion_tokens"),
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": -0.1}, "top_p"),
    ({"presence_penalty": 3}, "presence_penalty"),
    ({"frequency_penalty": -3}, "frequency_penalty"),
    ({"seed": "x"}, "seed"),
    ({"seed": 1e30}, "seed"),
    ({"n": 0}, "n"),
    ({"stop": 5}, "stop"),
    ({"stop": ["a", 5]}, "stop[1]"),
    ({"logit_bias": []}, "logit_bias"),
    ({"top_logprobs": -1}, "top_logprobs"),
    ({"response_format": {}}, "response_format.type"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.name"),
    ({"reasoning_effort": "lots"}, "reasoning_effort"),
    ({"reasoning_effort": 5}, "reasoning_effort"),
    ({"thinking": {"type": 5}}, "thinking.type"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ({"metadata": []}, "metadata"),
    ({"user": 5}, "user"),
    ({"store": "yes"}, "store"),
]


@pytest.mark.parametrize(("fields", "param"), BAD, ids=[f"{param}-{i}" for i, (_, param) in enumerate(BAD)])
def test_bad_fields_are_named(fields: JsonObject, param: str) -> None:
    """A wrong type or value is a 400 whose `param` is the path of the field."""
    with pytest.raises(InvalidField) as raised:
        parse_request({**BASE, **fields})

    assert raised.value.param == param
    assert param in raised.value.message
    assert raised.value.status == 400


def test_null_is_as_good_as_absent() -> None:
    """Every optional field may be null, as clients send it."""
    names = {name.partition(".")[0].partition("[")[0] for _, name in BAD} - {"model", "messages"}

    assert parse_request({**BASE, **dict.fromkeys(names)}) == parse_request(BASE)


FULL: JsonObject = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Use tools."},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,CCCC", "filename": "a.pdf"}},
            ],
        },
        {
            "role": "assistant",
            "content": "Calling.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                {"id": "c2", "type": "custom", "custom": {"name": "patch", "input": "*** x"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "Thanks"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
        },
        CUSTOM,
    ],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": False,
    "max_completion_tokens": 100,
    "temperature": 0.5,
    "top_p": 0.9,
    "presence_penalty": 1,
    "frequency_penalty": -1,
    "seed": 7,
    "verbosity": "low",
    "stop": ["a", "b"],
    "logit_bias": {"5": -100},
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True, "description": "d"},
    },
    "reasoning_effort": "low",
    "stream": True,
    "stream_options": {"include_usage": True},
    "prompt_cache_key": "k",
}


def test_everything_survives_the_way_through_the_neutral_form() -> None:
    """A body that uses every feature is written for a default OpenAI target as it came."""
    rendered = render(parse_request(FULL), OPENAI)

    assert rendered == Rendered(FULL)
    assert orjson.loads(dump(rendered.body)) == FULL


def test_reading_twice_is_reading_once() -> None:
    """What was written is read as the same request."""
    request = parse_request(FULL)

    assert parse_request(render(request, OPENAI).body) == request


def test_vendor_fields_are_carried_in_extra() -> None:
    """A field nobody here knows is kept for a target of the same dialect."""
    assert parse_request({**BASE, "min_p": 0.1, "web_search_options": {}}).extra == {
        "min_p": 0.1,
        "web_search_options": {},
    }


@pytest.mark.parametrize(
    ("message", "thought"),
    [
        ({"reasoning_content": "a"}, "a"),
        ({"reasoning": "b"}, "b"),
        ({"reasoning_content": None, "reasoning": "c"}, "c"),
        ({"reasoning_content": ""}, None),
    ],
)
def test_reasoning_sent_back_is_read(message: JsonObject, thought: str | None) -> None:
    """Both names of the reasoning field are known; an empty one is none."""
    request = parse_request({"model": "m", "messages": [{"role": "assistant", "content": "x", **message}]})

    assert [part.text for part in request.messages[0].parts if isinstance(part, Thinking)] == (
        [] if thought is None else [thought]
    )


def test_legacy_functions_are_tools() -> None:
    """`functions`, `function_call` and role `function` mean tools."""
    request = parse_request(
        {
            "model": "m",
            "messages": [
                {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": "r"},
            ],
            "functions": [{"name": "f"}],
            "function_call": {"name": "f"},
        }
    )

    assert request.tools == (Tool(name="f"),)
    assert request.tool_choice == ToolChoice(mode="named", name="f")
    assert request.messages[0].parts == (ToolCall(id="f", name="f", arguments="{}"),)
    assert request.messages[1].parts == (ToolResult(call_id="f", content=(Text(text="r"),)),)


def test_allowed_tools_limit_the_tools() -> None:
    """`allowed_tools` is the same as sending only those, with its mode."""
    choice: Json = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
    }
    request = parse_request({**BASE, "tools": [FUNCTION, CUSTOM], "tool_choice": choice})

    assert [tool.name for tool in request.tools if isinstance(tool, Tool)] == ["f"]
    assert request.tool_choice == ToolChoice(mode="required")


# ---- rendering by quirk ------------------------------------------------------------------

TOOLS = (Tool(name="f", parameters={"type": "object"}),)
FORCED = ToolChoice(mode="required")
DEEPSEEK = {
    "effort_levels": ("high", "max"),
    "thinking_switch": "thinking_type",
    "thinking_default": True,
    "forced_tool_choice": "not_thinking",
}
QUIRKS: list[tuple[str, dict[str, object], dict[str, object], JsonObject, list[str]]] = [
    ("max tokens by the old name", {"max_tokens": 5}, {"max_tokens_field": "max_tokens"}, {"max_tokens": 5}, ["max_completion_tokens"]),
    ("max tokens by the new name", {"max_tokens": 5}, {}, {"max_completion_tokens": 5}, ["max_tokens"]),
    ("effort to the nearest above", {"reasoning": Reasoning(effort="low")}, DEEPSEEK, {"reasoning_effort": "high", "thinking": {"type": "enabled"}}, []),
    ("effort to the strongest", {"reasoning": Reasoning(effort="xhigh")}, DEEPSEEK, {"reasoning_effort": "max"}, []),
    ("no effort switches thinking off", {"reasoning": Reasoning(effort="none")}, DEEPSEEK, {"thinking": {"type": "disabled"}}, ["reasoning_effort"]),
    ("disabled", {"reasoning": Reasoning(enabled=False)}, DEEPSEEK, {"thinking": {"type": "disabled"}}, ["reasoning_effort"]),
    ("budget to effort", {"reasoning": Reasoning(enabled=True, budget_tokens=1024)}, {}, {"reasoning_effort": "low"}, ["thinking"]),
    ("template switch on", {"reasoning": Reasoning(enabled=True)}, {"thinking_switch": "enable_thinking"}, {"chat_template_kwargs": {"enable_thinking": True}}, []),
    ("template switch off", {"reasoning": Reasoning(effort="none")}, {"thinking_switch": "enable_thinking"}, {"chat_template_kwargs": {"enable_thinking": False}}, ["reasoning_effort"]),
    ("no effort known", {"reasoning": Reasoning(effort="high")}, {"effort_levels": ()}, {}, ["reasoning_effort", "thinking"]),
    ("nothing said", {}, DEEPSEEK, {}, ["reasoning_effort", "thinking"]),
    ("forced choice switches default thinking off", {"tools": TOOLS, "tool_choice": FORCED}, DEEPSEEK, {"tool_choice": "required", "thinking": {"type": "disabled"}}, []),
    ("free choice leaves thinking alone", {"tools": TOOLS, "tool_choice": ToolChoice(mode="auto")}, DEEPSEEK, {"tool_choice": "auto"}, ["thinking"]),
    ("named choice", {"tools": TOOLS, "tool_choice": ToolChoice(mode="named", name="f")}, {}, {"tool_choice": {"type": "function", "function": {"name": "f"}}}, []),
    ("a choice without tools is nothing", {"tool_choice": FORCED}, {}, {}, ["tool_choice", "tools"]),
    ("parallel switch", {"tools": TOOLS, "parallel_tool_calls": False}, {}, {"parallel_tool_calls": False}, []),
    ("parallel switch unknown", {"tools": TOOLS, "parallel_tool_calls": True}, {"parallel_tool_calls": False}, {}, ["parallel_tool_calls"]),
    ("usage is always asked for", {"stream": True}, {}, {"stream": True, "stream_options": {"include_usage": True}}, []),
    ("usage comes unasked", {"stream": True}, {"stream_usage": False}, {"stream": True}, ["stream_options"]),
    ("no stream", {}, {}, {}, ["stream", "stream_options"]),
]  # fmt: skip


@pytest.mark.parametrize(("request_fields", "quirks", "present", "absent"), [case[1:] for case in QUIRKS], ids=[case[0] for case in QUIRKS])  # fmt: skip
def test_quirks(
    request_fields: dict[str, object], quirks: dict[str, object], present: JsonObject, absent: list[str]
) -> None:
    """Each quirk writes what the target takes and nothing it refuses."""
    body = render(asked(**request_fields), with_quirks(**quirks)).body

    assert {name: body.get(name) for name in present} == present
    assert not [name for name in absent if name in body]


def test_a_refused_parallel_switch_is_told() -> None:
    """A wish for one call at a time that the target has no word for is listed as dropped, by the caller's name."""
    rendered = render(asked(tools=TOOLS, parallel_tool_calls=False), with_quirks(parallel_tool_calls=False))

    assert rendered.dropped == ("tool_choice.disable_parallel_tool_use",)


@pytest.mark.parametrize(
    ("roles", "given", "sent"),
    [
        (("system",), "developer", "system"),
        (("system", "developer"), "developer", "developer"),
        (("developer",), "system", "developer"),
        (("system",), "system", "system"),
    ],
)
def test_instruction_roles(roles: tuple[str, ...], given: str, sent: str) -> None:
    """A role the target does not know becomes the one it does."""
    request = asked(messages=(Message(given, (Text(text="x"),)), user("hi")))  # type: ignore[arg-type]

    assert messages(request, with_quirks(system_roles=roles))[0] == {"role": sent, "content": "x"}


def messages(request: Request, target: Target = PLAIN, vault: object = no_vault) -> list[JsonObject]:
    found = render_request(request, target, vault).body["messages"]  # type: ignore[arg-type]
    assert isinstance(found, list)
    return found  # type: ignore[return-value]


def test_forced_choice_against_thinking_that_was_asked_for() -> None:
    """DeepSeek refuses it: the caller is told, or the choice is dropped where the route says so."""
    request = asked(tools=TOOLS, tool_choice=FORCED, reasoning=Reasoning(enabled=True, budget_tokens=4000))

    with pytest.raises(Unsupported) as raised:
        render(request, with_quirks(**DEEPSEEK))
    assert raised.value.param == "tool_choice"
    dropped = render(request, with_quirks("tool_choice", **DEEPSEEK))
    assert dropped.dropped == ("tool_choice",)
    assert "tool_choice" not in dropped.body
    assert dropped.body["thinking"] == {"type": "enabled"}


@pytest.mark.parametrize("forced", ["never", "always"])
def test_forced_choice_without_conditions(forced: str) -> None:
    """`never` refuses any forced choice, `always` takes it."""
    request, target = asked(tools=TOOLS, tool_choice=FORCED), with_quirks(forced_tool_choice=forced)
    if forced == "always":
        assert render(request, target).body["tool_choice"] == "required"
        return
    with pytest.raises(Unsupported):
        render(request, target)


# ---- reasoning replay --------------------------------------------------------------------

CALL = ToolCall(id="c1", name="f", arguments="{}")
OWN, FOREIGN = Thinking(text="mine", origin="acme"), Thinking(text="theirs", origin="other")
UNKNOWN, SIGNED = Thinking(text="client's"), Thinking(text="signed", signature="s")


def vault(call_id: str) -> Sequence[Thinking]:
    """Holds the reasoning of one call."""
    return (Thinking(text="kept", origin="acme"),) if call_id == "c1" else ()


def foreign_vault(_call_id: str) -> Sequence[Thinking]:
    """Holds the reasoning of another provider."""
    return (FOREIGN,)


@pytest.mark.parametrize(
    ("rule", "parts", "source", "sent"),
    [
        ("never", (OWN, CALL), vault, None),
        ("tool_turns", (OWN, CALL), no_vault, "mine"),
        ("tool_turns", (OWN, CALL), vault, "mine"),
        ("tool_turns", (CALL,), vault, "kept"),
        ("tool_turns", (CALL,), no_vault, " "),
        ("tool_turns", (CALL,), foreign_vault, " "),
        ("tool_turns", (FOREIGN, CALL), no_vault, " "),
        ("tool_turns", (SIGNED, CALL), no_vault, " "),
        ("tool_turns", (UNKNOWN, CALL), no_vault, "client's"),
        ("tool_turns", (OWN, Text(text="x")), no_vault, None),
        ("always", (OWN, Text(text="x")), no_vault, "mine"),
        ("always", (Text(text="x"),), no_vault, " "),
        ("tool_turns", (dataclasses.replace(CALL, id="zz"), CALL), vault, "kept"),
    ],
)
def test_reasoning_is_sent_back(rule: str, parts: tuple[Part, ...], source: object, sent: str | None) -> None:
    """Its own reasoning from the message or the vault, else the placeholder; another provider's never."""
    request = asked(messages=(Message("assistant", parts),))
    for field in ("reasoning_content", "reasoning"):
        turn = messages(request, with_quirks(replay_reasoning=rule, reasoning_field=field), source)[0]
        assert turn.get(field) == sent
        assert (field in turn) is (sent is not None)


# ---- messages ----------------------------------------------------------------------------


def test_the_billing_line_is_stripped() -> None:
    """Claude Code's attribution line goes to nobody but Anthropic; the rest of the instructions stays."""
    line = "x-anthropic-billing-header: cc_version=2; cch=00af;"
    whole = asked(messages=(Message("system", (Text(text=line), Text(text="You are helpful."))), user("hi")))
    inline = asked(messages=(Message("system", (Text(text=line + "\nYou are helpful."),)), user("hi")))
    alone = asked(messages=(Message("system", (Text(text=line),)), user("hi")))
    quoted = asked(messages=(user(line),))

    assert messages(whole)[0] == messages(inline)[0] == {"role": "system", "content": "You are helpful."}
    assert messages(alone) == [{"role": "user", "content": "hi"}]
    assert messages(quoted) == [{"role": "user", "content": line}]


def test_an_empty_user_turn_is_kept() -> None:
    """Turns do not vanish: an empty one keeps its place."""
    assert messages(asked(messages=(user(""),))) == [{"role": "user", "content": ""}]


def test_images_in_results_follow_the_last_result() -> None:
    """Results of one turn stay together, and their images come in a user message after them."""
    image = Media(kind="image", media_type="image/png", data="AAAA")
    first = ToolResult(call_id="c1", content=(Text(text="see"), image))
    second = ToolResult(call_id="c2", content=(Text(text="bad"),), is_error=True)
    pictures = [
        {"type": "text", "text": "Result of tool call c1:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    expected = [
        {"role": "tool", "tool_call_id": "c1", "content": "see"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: bad"},
        {"role": "user", "content": pictures},
    ]

    assert messages(asked(messages=(Message("tool", (first, second)),))) == expected
    apart = asked(messages=(Message("tool", (first,)), Message("tool", (second,)), user("go")))
    assert messages(apart) == [*expected, {"role": "user", "content": "go"}]


def test_custom_tools_are_bridged_to_functions() -> None:
    """Codex' free-form tools, their calls and their results work on a target that knows only functions."""
    request = asked(
        dialect=Dialect.OPENAI_RESPONSES,
        messages=(
            Message("assistant", (ToolCall(id="c", name="patch", arguments='*** "x"\n', custom=True),)),
            Message("tool", (ToolResult(call_id="c", content=(Text(text="ok"),), custom=True),)),
        ),
        tools=(Tool(name="patch", description="d", custom=True, format={"type": "grammar"}),),
        tool_choice=ToolChoice(mode="named", name="patch"),
    )
    body = render(request).body
    call = messages(request)[0]["tool_calls"][0]  # type: ignore[index,call-overload]

    assert body["tools"] == [
        {"type": "function", "function": {"name": "patch", "description": "d", "parameters": CUSTOM_INPUT_SCHEMA}}
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "patch"}}
    assert call["type"] == "function"  # type: ignore[index,call-overload]
    assert orjson.loads(call["function"]["arguments"]) == {"input": '*** "x"\n'}  # type: ignore[index,call-overload,arg-type]


# ---- what can't be said ------------------------------------------------------------------

UNSAYABLE: list[tuple[dict[str, object], dict[str, object], str]] = [
    ({"top_k": 5}, {}, "top_k"),
    ({"choices": 2}, {}, "choices"),
    ({"logprobs": True}, {}, "logprobs"),
    ({"output": OutputFormat(kind="json_schema", schema={})}, {"json_schema": False}, "output_config.format"),
    ({"tools": (HostedTool(dialect=Dialect.ANTHROPIC, kind="web_search", raw={}),)}, {}, "tools"),
    ({"messages": (user(Media(kind="image", data="A")),)}, {"images": False}, "messages"),
    ({"messages": (user(Media(kind="document", file_id="f")),)}, {}, "messages"),
    ({"messages": (user(Opaque(dialect=Dialect.ANTHROPIC, kind="x", raw={})),)}, {}, "messages"),
    ({"messages": (Message("assistant", (Opaque(dialect=Dialect.ANTHROPIC, kind="x", raw={}),)),)}, {}, "messages"),
    ({"extra": {"speed": "fast"}}, {}, "speed"),
    ({"extra": {"container": "c"}}, {}, "container"),
    ({"stop": ("x",)}, {"unsupported": frozenset({"stop"})}, "stop_sequences"),
    ({"temperature": 1}, {"unsupported": frozenset({"temperature"})}, "temperature"),
    ({"reasoning": Reasoning(effort="low")}, {"unsupported": frozenset({"reasoning_effort"})}, "thinking"),
]


@pytest.mark.parametrize(("fields", "quirks", "name"), UNSAYABLE, ids=[f"{c[2]}-{i}" for i, c in enumerate(UNSAYABLE)])
def test_what_can_not_be_said_is_refused_or_dropped(
    fields: dict[str, object], quirks: dict[str, object], name: str
) -> None:
    """Refused by the caller's own name; dropped and listed where the route allows it."""
    with pytest.raises(Unsupported) as raised:
        render(asked(**fields), with_quirks(**quirks))
    assert raised.value.param == name
    assert "drop" in raised.value.message

    assert render(asked(**fields), with_quirks(name, **quirks)).dropped == (name,)


def test_empty_fields_of_other_dialects_do_no_harm() -> None:
    """Empty hints such as `metadata: {}` are left out without a word."""
    assert render(asked(extra={"context_management": {}, "include": [], "container": None})).dropped == ()


def test_an_unsayable_prompt_is_named_as_the_caller_knows_it() -> None:
    """To a caller of legacy completions the field is `prompt`."""
    part = Opaque(dialect=Dialect.OPENAI_COMPLETIONS, kind="prompt array", raw={"prompt": [1]})
    with pytest.raises(Unsupported) as raised:
        render(asked(dialect=Dialect.OPENAI_COMPLETIONS, messages=(user(part),)))

    assert raised.value.param == "prompt"


@pytest.mark.parametrize(
    "extra", [{}, {"max_tokens": 5}, {"temperature": 1, "stream": True}, {"max_completion_tokens": 7}]
)
def test_the_short_way_of_reading_gives_what_the_long_one_gives(extra):
    """A field that says nothing (null) sends the same body the long way."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **extra}

    assert parse_request({**body, "store": None}) == parse_request(body)
