"""Neutral requests to Gemini bodies."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import cast

import pytest
from google.genai import types

from turnout.catalogue.presets import load_models, load_presets
from turnout.catalogue.quirks import merge_quirks
from turnout.core.errors import InvalidField, Unsupported
from turnout.core.json import Json, JsonObject
from turnout.core.target import Dialect, Quirks, Target
from turnout.wire.codec import Vault, no_vault
from turnout.wire.gemini import CODEC
from turnout.wire.gemini.contents import LOST_SIGNATURE
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

LEVELS = Quirks(effort_levels=("low", "medium", "high"), thinking_default=True)
BUDGETS = Quirks(effort_levels=(), thinking_default=True, min_thinking_budget=0)
TARGET = Target(model="gemini-3.8-flash", provider="google", dialect=Dialect.GEMINI, quirks=LEVELS)
OLD = dataclasses.replace(TARGET, model="gemini-2.5-flash", quirks=BUDGETS)
HI = (Message("user", (Text(text="Hi"),)),)
WEATHER = Tool(
    name="get_weather",
    description="Weather of a city.",
    parameters={
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
)


def _request(messages: tuple[Message, ...] = HI, dialect: Dialect = Dialect.OPENAI_CHAT) -> Request:
    return Request(dialect=dialect, model="any", messages=messages)


def _render(request: Request, target: Target = TARGET, vault: Vault = no_vault) -> Rendered:
    """The rendered request; Google's own types must take each member of its body."""
    assert CODEC.render_request is not None
    rendered = CODEC.render_request(request, target, vault)
    body = dict(rendered.body)
    for content in cast("list[Json]", body.pop("contents")):
        types.Content.model_validate(content)
    for tool in cast("list[Json]", body.pop("tools", [])):
        types.Tool.model_validate(tool)
    types.Content.model_validate(body.pop("systemInstruction", {}))
    types.ToolConfig.model_validate(body.pop("toolConfig", {}))
    types.GenerationConfig.model_validate(body.pop("generationConfig", {}))
    assert set(body) <= {"serviceTier"}
    return rendered


def _config(request: Request, target: Target = TARGET) -> JsonObject:
    return cast("JsonObject", _render(request, target).body.get("generationConfig", {}))


def _contents(messages: Sequence[Message], target: Target = TARGET, vault: Vault = no_vault) -> list[JsonObject]:
    return cast("list[JsonObject]", _render(_request(tuple(messages)), target, vault).body["contents"])


def _call(call_id: str, signature: str | None = None, origin: str | None = None) -> ToolCall:
    return ToolCall(id=call_id, name="get_weather", arguments='{"city":"Paris"}', signature=signature, origin=origin)


def _turn(*parts: Part) -> tuple[Message, ...]:
    """A question, and an assistant's turn."""
    return (*HI, Message("assistant", parts))


def test_a_plain_question() -> None:
    """The body holds contents only: model and streaming stand in the URL."""
    request = dataclasses.replace(_request(), stream=True, stream_usage=True)
    assert _render(request).body == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_leading_instructions_are_the_system_instruction() -> None:
    """System and developer messages before the first turn are one instruction; a later one keeps its place."""
    messages = (
        Message("system", (Text(text="Be brief."),)),
        Message("developer", (Text(text="Be kind."),)),
        *HI,
        Message("assistant", (Text(text="Hello."),)),
        Message("system", (Text(text="Now in French."),)),
    )
    body = _render(_request(messages)).body
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"text": "Hello."}]},
        {"role": "user", "parts": [{"text": "Now in French."}]},
    ]


def test_an_instruction_alone_is_asked_as_a_question() -> None:
    """Gemini refuses empty contents, so an instruction without a turn becomes the turn."""
    body = _render(_request((Message("system", (Text(text="Say hi."),)),))).body
    assert body == {"contents": [{"role": "user", "parts": [{"text": "Say hi."}]}]}


def test_claude_codes_attribution_line_is_left_out() -> None:
    """The line that changes with each request would spoil the prompt cache."""
    text = "x-anthropic-billing-header: cc_version=2; cch=abc;\nYou are helpful."
    body = _render(_request((Message("system", (Text(text=text),)), *HI))).body
    assert body["systemInstruction"] == {"parts": [{"text": "You are helpful."}]}


@pytest.mark.parametrize(
    ("media", "part"),
    [
        (
            Media(kind="image", media_type="image/png", data="iVBORw0="),
            {"inlineData": {"mimeType": "image/png", "data": "iVBORw0="}},
        ),
        (
            Media(kind="image", url="https://a.example/cat.webp?x=1.gif"),
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://a.example/cat.webp?x=1.gif"}},
        ),
        (
            Media(kind="document", url="https://a.example/7"),
            {"fileData": {"mimeType": "application/pdf", "fileUri": "https://a.example/7"}},
        ),
        (
            Media(kind="audio", data="UklGRg==", media_type="audio/wav"),
            {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}},
        ),
    ],
)
def test_media(media: Media, part: JsonObject) -> None:
    """Inline bytes stay inline, URLs are given to Google to fetch, and a type is always named."""
    assert _contents([Message("user", (media, Text(text="What is it?")))])[0]["parts"] == [
        part,
        {"text": "What is it?"},
    ]


def test_results_of_parallel_calls_stand_in_one_turn_and_name_their_function() -> None:
    """Each result is an object under its call's id and function name, an error under `error`."""
    messages = [
        *_turn(Text(text="Looking."), _call("a"), _call("b")),
        Message("tool", (ToolResult(call_id="b", content=(Text(text="sunny"),)),)),
        Message("tool", (ToolResult(call_id="a", content=(Text(text="no such city"),), is_error=True),)),
        Message("user", (Text(text="And now?"),)),
    ]
    contents = _contents(messages)
    assert contents[2:] == [
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "b", "name": "get_weather", "response": {"output": "sunny"}}},
                {"functionResponse": {"id": "a", "name": "get_weather", "response": {"error": "no such city"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "And now?"}]},
    ]


def test_a_picture_in_a_result_stands_inside_it_or_after_it() -> None:
    """Gemini 3 takes media inside a function response; for Gemini 2.5 it follows."""
    picture = Media(kind="image", media_type="image/png", data="iVBORw0=")
    result = ToolResult(call_id="a", content=(Text(text="shot"), picture))
    messages = [*_turn(_call("a")), Message("tool", (result,))]
    inline = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0="}}
    response = {"id": "a", "name": "get_weather", "response": {"output": "shot"}}
    assert _contents(messages)[2]["parts"] == [{"functionResponse": {**response, "parts": [inline]}}]
    assert _contents(messages, OLD)[2]["parts"] == [{"functionResponse": response}, inline]


def test_a_result_without_its_call_is_the_callers_mistake() -> None:
    """Without the call the function's name is not known."""
    messages = (*HI, Message("tool", (ToolResult(call_id="zz", content=(Text(text="1"),)),)))
    with pytest.raises(InvalidField, match="'zz'") as caught:
        _render(_request(messages))
    assert caught.value.param == "messages[1]"


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (ToolCall(id="a", name="f", arguments='{"x": [1, null]}'), {"x": [1, None]}),
        (ToolCall(id="a", name="f", arguments=""), {}),
        (ToolCall(id="a", name="f", arguments="{broken"), {"input": "{broken"}),
        (ToolCall(id="a", name="f", arguments="[1]"), {"input": "[1]"}),
        (ToolCall(id="a", name="f", arguments='{"x": 1}', custom=True), {"input": '{"x": 1}'}),
    ],
)
def test_arguments_are_an_object(call: ToolCall, arguments: JsonObject) -> None:
    """Free text and broken JSON are kept under `input`."""
    part = cast("list[JsonObject]", _contents(_turn(call))[1]["parts"])[0]
    assert part["functionCall"] == {"id": "a", "name": "f", "args": arguments}


def _signatures(messages: Sequence[Message], target: Target = TARGET, vault: Vault = no_vault) -> list[Json]:
    contents = _contents(messages, target, vault)
    parts = [part for content in contents for part in cast("list[JsonObject]", content["parts"])]
    return [part.get("thoughtSignature") for part in parts if "functionCall" in part]


def _kept(signatures: Mapping[str, tuple[str, str]]) -> Vault:
    """A vault of call id to signature and the provider that made it."""

    def vault(call_id: str) -> Sequence[Thinking]:
        if call_id not in signatures:
            return ()
        signature, origin = signatures[call_id]
        return (Thinking(text="", signature=signature, origin=origin),)

    return vault


def test_a_signature_comes_back_with_its_call() -> None:
    """The signature of the message is sent where this provider made it."""
    assert _signatures(_turn(_call("a", signature="c2ln", origin="google"))) == ["c2ln"]


def test_a_lost_signature_is_restored_from_the_vault() -> None:
    """A client that drops signatures gets its turn repaired, each call with its own."""
    vault = _kept({"a": ("c2lnYQ==", "google"), "c": ("c2lnYw==", "google")})
    messages = [*_turn(_call("a"), _call("b")), *_turn(_call("c"))]
    assert _signatures(messages, vault=vault) == ["c2lnYQ==", None, "c2lnYw=="]


@pytest.mark.parametrize("origin", ["anthropic", "google-eu"])
def test_a_foreign_signature_is_never_sent(origin: str) -> None:
    """What another provider signed is replaced by the stand-in, wherever it was kept."""
    assert _signatures(_turn(_call("a", signature="Zm9l", origin=origin))) == [LOST_SIGNATURE]
    assert _signatures(_turn(_call("a")), vault=_kept({"a": ("Zm9l", origin)})) == [LOST_SIGNATURE]


def test_the_stand_in_is_for_the_first_call_of_each_turn() -> None:
    """Of parallel calls only the first is checked, so only it gets the documented value."""
    messages = [*_turn(_call("a"), _call("b")), *_turn(_call("c"))]
    assert _signatures(messages) == [LOST_SIGNATURE, None, LOST_SIGNATURE]


def test_models_with_budgets_need_no_signature() -> None:
    """Gemini 2.5 does not check signatures, so none is made up for it."""
    assert _signatures(_turn(_call("a")), OLD) == [None]


def test_only_own_signed_thoughts_come_back() -> None:
    """A thought returns where this provider signed it; any other is left out."""
    own = Thinking(text="hm", signature="c2ln", origin="google")
    foreign = Thinking(text="hm", signature="c2ln", origin="anthropic")
    plain = Thinking(text="hm", origin="google")
    contents = _contents(_turn(own, foreign, plain, Text(text="Yes.")))
    assert contents[1]["parts"] == [
        {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "Yes."},
    ]


def test_tools_are_declared_by_json_schema() -> None:
    """Functions keep their schema but for the dialect's URI; a free-form tool is a function of one string."""
    patch = Tool(name="apply_patch", custom=True)
    request = dataclasses.replace(_request(), tools=(WEATHER, patch, Tool(name="now")))
    tools = cast("list[JsonObject]", _render(request).body["tools"])
    functions = cast("list[JsonObject]", tools[0]["functionDeclarations"])
    assert functions[0] == {
        "name": "get_weather",
        "description": "Weather of a city.",
        "parametersJsonSchema": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    }
    assert cast("JsonObject", functions[1]["parametersJsonSchema"])["required"] == ["input"]
    assert functions[2] == {"name": "now"}


@pytest.mark.parametrize(
    ("choice", "strict", "config"),
    [
        (None, None, None),
        (None, True, {"mode": "VALIDATED"}),
        (ToolChoice(mode="auto"), None, {"mode": "AUTO"}),
        (ToolChoice(mode="auto"), True, {"mode": "VALIDATED"}),
        (ToolChoice(mode="none"), True, {"mode": "NONE"}),
        (ToolChoice(mode="required"), None, {"mode": "ANY"}),
        (
            ToolChoice(mode="named", name="get_weather"),
            None,
            {"mode": "ANY", "allowedFunctionNames": ["get_weather"]},
        ),
    ],
)
def test_tool_choice(choice: ToolChoice | None, strict: bool | None, config: JsonObject | None) -> None:
    """Each choice has a mode of Gemini's, and strict tools ask for calls that keep to their schema."""
    tool = dataclasses.replace(WEATHER, strict=strict)
    body = _render(dataclasses.replace(_request(), tools=(tool,), tool_choice=choice)).body
    assert body.get("toolConfig") == (None if config is None else {"functionCallingConfig": config})


def test_sampling_parameters_have_googles_names() -> None:
    """Every parameter that Gemini knows is written under its name there."""
    request = dataclasses.replace(
        _request(),
        max_tokens=100,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        seed=7,
        stop=("END",),
        service_tier="flex",
    )
    assert _config(request) == {
        "maxOutputTokens": 100,
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "seed": 7,
        "stopSequences": ["END"],
    }
    assert _render(request).body["serviceTier"] == "flex"


def test_hints_leave_no_trace() -> None:
    """What changes no answer is left out without a word."""
    request = dataclasses.replace(
        _request(),
        user="u",
        metadata={"a": "b"},
        store=True,
        cache_key="k",
        verbosity="low",
        parallel_tool_calls=False,
        service_tier="auto",
    )
    assert _render(request) == Rendered(_render(_request()).body)


def test_output_formats() -> None:
    """Free JSON is a media type; a schema stands beside it."""
    schema: JsonObject = {"type": "object", "properties": {"a": {"type": "integer"}}}
    free = dataclasses.replace(_request(), output=OutputFormat(kind="json_object"))
    bound = dataclasses.replace(_request(), output=OutputFormat(kind="json_schema", schema=schema, strict=True))
    assert _config(free) == {"responseMimeType": "application/json"}
    assert _config(bound) == {"responseMimeType": "application/json", "responseJsonSchema": schema}


def test_tools_and_an_output_format_together_need_gemini_3() -> None:
    """Gemini 2.5 refuses the pair, so it is refused here by the caller's name for it."""
    request = dataclasses.replace(_request(), tools=(WEATHER,), output=OutputFormat(kind="json_object"))
    assert _config(request)["responseMimeType"] == "application/json"
    with pytest.raises(Unsupported, match="response_format"):
        _render(request, OLD)


@pytest.mark.parametrize(
    ("reasoning", "levels", "budgets"),
    [
        (None, {}, {}),
        (Reasoning(effort="high"), {"thinkingLevel": "HIGH"}, {"thinkingBudget": 24576}),
        (Reasoning(effort="minimal"), {"thinkingLevel": "LOW"}, {"thinkingBudget": 1024}),
        (Reasoning(effort="max"), {"thinkingLevel": "HIGH"}, {"thinkingBudget": 24576}),
        (Reasoning(budget_tokens=4000, enabled=True), {"thinkingLevel": "MEDIUM"}, {"thinkingBudget": 4000}),
        (Reasoning(budget_tokens=64000, enabled=True), {"thinkingLevel": "HIGH"}, {"thinkingBudget": 24576}),
        (Reasoning(enabled=True), {}, {}),
        (Reasoning(effort="none"), {"thinkingLevel": "LOW"}, {"thinkingBudget": 0}),
        (Reasoning(enabled=False), {"thinkingLevel": "LOW"}, {"thinkingBudget": 0}),
    ],
)
def test_reasoning(reasoning: Reasoning | None, levels: JsonObject, budgets: JsonObject) -> None:
    """Efforts and budgets become the one kind of switch that the model has; thoughts are shown while it thinks."""
    off = reasoning is not None and (reasoning.enabled is False or reasoning.effort == "none")
    shown = {} if reasoning is None or off else {"includeThoughts": True}
    request = dataclasses.replace(_request(), reasoning=reasoning)
    assert _config(request).get("thinkingConfig", {}) == {**shown, **levels}
    assert _config(request, OLD).get("thinkingConfig", {}) == {**shown, **budgets}


def test_a_model_that_always_thinks_gets_its_smallest_budget() -> None:
    """Gemini 2.5 Pro refuses a budget of 0, so `none` is as little as it takes."""
    facts = next(model for model in load_models() if model.name == "gemini-2.5-pro")
    provider = merge_quirks(Quirks(), load_presets()["google"].quirks[Dialect.GEMINI])
    target = dataclasses.replace(TARGET, quirks=merge_quirks(provider, facts.quirks[Dialect.GEMINI]))
    request = dataclasses.replace(_request(), reasoning=Reasoning(effort="none"))
    assert _config(request, target) == {"thinkingConfig": {"thinkingBudget": 128}}


SEARCH = HostedTool(dialect=Dialect.ANTHROPIC, kind="web_search_20250305", raw={"type": "web_search_20250305"})
OPAQUE = Opaque(dialect=Dialect.OPENAI_RESPONSES, kind="item_reference", raw={"type": "item_reference"})
REFUSED: list[tuple[Dialect, dict[str, object], str]] = [
    (Dialect.OPENAI_CHAT, {"choices": 2}, "n"),
    (Dialect.OPENAI_CHAT, {"logprobs": True}, "logprobs"),
    (Dialect.OPENAI_CHAT, {"logit_bias": {"1": 5}}, "logit_bias"),
    (Dialect.OPENAI_CHAT, {"stop": tuple("abcdef")}, "stop"),
    (Dialect.ANTHROPIC, {"stop": tuple("abcdef")}, "stop_sequences"),
    (Dialect.ANTHROPIC, {"tools": (SEARCH,)}, "tools"),
    (Dialect.OPENAI_CHAT, {"extra": {"web_search_options": {}}}, "web_search_options"),
    (Dialect.OPENAI_RESPONSES, {"messages": (Message("user", (OPAQUE,)),)}, "messages"),
    (Dialect.OPENAI_CHAT, {"messages": (Message("user", (Media(kind="image", file_id="f"),)),)}, "messages"),
]


@pytest.mark.parametrize(("dialect", "fields", "name"), REFUSED)
def test_what_gemini_lacks_is_refused_by_the_callers_name(
    dialect: Dialect, fields: dict[str, object], name: str
) -> None:
    """The error names the field as the caller's dialect calls it, so that the caller can find it."""
    request = dataclasses.replace(_request(dialect=dialect), **fields)
    with pytest.raises(Unsupported) as caught:
        _render(request)
    assert caught.value.param == name
    assert caught.value.status == 400


@pytest.mark.parametrize(("dialect", "fields", "name"), REFUSED)
def test_what_a_route_allows_to_drop_is_dropped_and_told(
    dialect: Dialect, fields: dict[str, object], name: str
) -> None:
    """With the field in the route's list the request goes out without it, and the answer can say so."""
    messages = (*cast("tuple[Message, ...]", fields.get("messages", ())), *HI)
    request = dataclasses.replace(_request(dialect=dialect), **{**fields, "messages": messages})
    rendered = _render(request, dataclasses.replace(TARGET, drop=frozenset({name})))
    assert rendered == Rendered(_render(_request()).body, (name,))


def test_a_parameter_that_the_model_refuses_is_refused_here() -> None:
    """`unsupported` holds Gemini's names; the error holds the caller's."""
    quirks = dataclasses.replace(LEVELS, unsupported=frozenset({"topP"}))
    request = dataclasses.replace(_request(), top_p=0.5)
    with pytest.raises(Unsupported, match="'top_p'"):
        _render(request, dataclasses.replace(TARGET, quirks=quirks))


def test_a_body_of_this_dialect_is_left_alone() -> None:
    """There are no callers of this dialect, so there is nothing to adapt."""
    assert CODEC.adapt is not None
    body: JsonObject = {"contents": []}
    assert CODEC.adapt(body, TARGET, no_vault) == (body, False, ())
    assert CODEC.parse_request is None
    assert CODEC.writer is None
