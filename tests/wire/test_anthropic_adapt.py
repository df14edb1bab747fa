"""Quirks of a target, applied to a body of its own dialect."""

from __future__ import annotations

import copy
import dataclasses

import orjson
import pytest

from turnout.core.errors import Unsupported
from turnout.core.target import Dialect, Quirks, Target
from turnout.wire.anthropic import CODEC
from turnout.wire.codec import no_vault
from turnout.wire.neutral import Thinking

CLAUDE = Target(
    model="claude-x",
    provider="anthropic",
    dialect=Dialect.ANTHROPIC,
    quirks=Quirks(signed_thinking=True, keep_billing_line=True, forced_tool_choice="not_thinking"),
)
VLLM = Target(model="q", provider="vllm", dialect=Dialect.ANTHROPIC)
DEEPSEEK = Target(
    model="deepseek-v4-pro",
    provider="deepseek",
    dialect=Dialect.ANTHROPIC,
    quirks=Quirks(
        signed_thinking=True,
        foreign_thinking="placeholder",
        thinking_default=True,
        forced_tool_choice="not_thinking",
        effort_levels=("low", "high", "max"),
    ),
)
LINE = "x-anthropic-billing-header: cc_version=2.1; cc_entrypoint=cli; cch=1a2b;"
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "sig"}
UNSIGNED = {"type": "thinking", "thinking": "hm", "signature": ""}
REDACTED = {"type": "redacted_thinking", "data": "x"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
SAY = {"type": "text", "text": "So."}
PLACEHOLDER = {"type": "thinking", "thinking": " ", "signature": ""}


def body(*blocks: dict, **fields: object) -> dict:
    """A request whose assistant turn holds these blocks."""
    return {
        "model": "m",
        "max_tokens": 9000,
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": list(blocks) or [SAY]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "r"}]},
        ],
    } | fields


def adapt(given: dict, target: Target, vault=no_vault):
    """Adapts, and proves that what came in did not change."""
    before = copy.deepcopy(given)
    adapted = CODEC.adapt(given, target, vault)
    assert given == before
    assert adapted.changed == (adapted.body is not given)
    return adapted


def turn(given: dict, target: Target, vault=no_vault) -> list[dict]:
    """The assistant turn as the target gets it."""
    return adapt(given, target, vault).body["messages"][1]["content"]


@pytest.mark.parametrize(
    "given",
    [
        body(THOUGHT, REDACTED, CALL, system=LINE + "\nYou are Claude Code."),
        body(CALL, thinking={"type": "enabled", "budget_tokens": 500}, unheard_of={"a": 1}),
        body(THOUGHT, system=[{"type": "text", "text": LINE}], thinking={"type": "adaptive"}),
        body(tool_choice={"type": "any"}, output_config={"effort": "max"}),
        {"messages": 5, "system": 7, "thinking": "x"},
    ],
)
def test_a_body_for_anthropic_is_not_touched(given: dict):
    """The bytes that came in are the bytes that go out (pain 31, 32, 35)."""
    adapted = adapt(given, CLAUDE)

    assert not adapted.changed and adapted.body is given


def test_thinking_that_anthropic_surely_refuses_is_taken_out():
    """After a turn of another model, thinking without a signature would fail every further request (pain 29)."""
    assert turn(body(UNSIGNED, SAY), CLAUDE) == [SAY]
    assert turn(body(THOUGHT, UNSIGNED, SAY), CLAUDE) == [THOUGHT, SAY]

    def foreign(_call_id: str) -> tuple[Thinking, ...]:
        return (Thinking(text="hm", signature="sig", origin="deepseek"),)

    assert turn(body(THOUGHT, CALL), CLAUDE, foreign) == [CALL]


@pytest.mark.parametrize(
    "system, expected",
    [
        (LINE + "\nYou are Claude Code.", "You are Claude Code."),
        (LINE + "\n\nYou.", "You."),
        (LINE, None),
        ("You.\n" + LINE, "You.\n" + LINE),
        ([{"type": "text", "text": LINE}, {"type": "text", "text": "You."}], [{"type": "text", "text": "You."}]),
        (
            [{"type": "text", "text": LINE + "\nYou.", "cache_control": {"type": "ephemeral"}}],
            [{"type": "text", "text": "You.", "cache_control": {"type": "ephemeral"}}],
        ),
        ([{"type": "text", "text": LINE}], None),
        ([{"type": "text", "text": "You."}], [{"type": "text", "text": "You."}]),
    ],
)
def test_the_billing_line_is_taken_out_elsewhere(system: object, expected: object):
    """It changes with each request and empties the prompt cache of every other provider (pain 41)."""
    adapted = adapt(body(system=system), VLLM)

    assert adapted.body.get("system") == expected
    assert ("system" in adapted.body) == (expected is not None)
    assert adapted.changed == (system != expected)


def test_thinking_goes_to_no_server_that_can_not_read_it():
    """All of it is removed, and a turn that is nothing else keeps a place (pain 30)."""
    assert turn(body(THOUGHT, REDACTED, SAY, CALL), VLLM) == [SAY, CALL]
    assert turn(body(THOUGHT), VLLM) == [{"type": "text", "text": "."}]
    assert not adapt(body(SAY, CALL), VLLM).changed


DISABLED = {"thinking": {"type": "disabled"}}


@pytest.mark.parametrize(
    "given, expected",
    [
        (body(CALL), [PLACEHOLDER, CALL]),
        (body(SAY, CALL), [PLACEHOLDER, SAY, CALL]),
        (body(THOUGHT, CALL), [THOUGHT, CALL]),
        (body(UNSIGNED, CALL), [UNSIGNED, CALL]),
        (body(REDACTED, CALL), [PLACEHOLDER, CALL]),
        (body(THOUGHT, REDACTED, CALL), [THOUGHT, CALL]),
        (body(SAY), [SAY]),
        (body(CALL, **DISABLED), [CALL]),
    ],
)
def test_deepseek_has_thinking_on_every_turn_that_calls_tools(given: dict, expected: list[dict]):
    """The live cases of its Anthropic endpoint: kept, replaced or not needed (pain 27)."""
    assert turn(given, DEEPSEEK) == expected


def test_deepseek_gets_its_own_thinking_back():
    """The vault has what the client lost; what another provider thought becomes a placeholder."""

    def own(_call_id: str) -> tuple[Thinking, ...]:
        return (Thinking(text="why", signature="d", origin="deepseek"),)

    def foreign(_call_id: str) -> tuple[Thinking, ...]:
        return (Thinking(text="why", signature="a", origin="anthropic"),)

    assert turn(body(CALL), DEEPSEEK, own) == [{"type": "thinking", "thinking": "why", "signature": "d"}, CALL]
    assert turn(body(THOUGHT, CALL), DEEPSEEK, foreign) == [PLACEHOLDER, CALL]


@pytest.mark.parametrize(
    "fields, expected",
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 500}}, {"thinking": {"type": "disabled"}}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, {}),
        ({"output_config": {"effort": "medium", "x": 1}}, {"output_config": {"effort": "high", "x": 1}}),
        ({"output_config": {"effort": "max"}}, {}),
        ({"tool_choice": {"type": "tool", "name": "f"}}, {"thinking": {"type": "disabled"}}),
        ({"tool_choice": {"type": "auto"}}, {}),
    ],
)
def test_settings_are_fitted_to_deepseek(fields: dict, expected: dict):
    """Tiny budgets, unknown efforts, and a forced tool, which it takes only when it does not think (pain 28)."""
    adapted = adapt(body(**fields), DEEPSEEK)

    assert adapted.body == body(**fields) | expected
    assert adapted.changed == bool(expected)


def test_thinking_is_converted_for_models_that_know_one_way_only():
    """A budget becomes an effort for adaptive models, and the other way round."""
    adaptive = dataclasses.replace(CLAUDE, quirks=dataclasses.replace(CLAUDE.quirks, adaptive_thinking=True))
    budgets = dataclasses.replace(VLLM, quirks=Quirks(unsupported=frozenset({"thinking.adaptive"})))
    given = body(thinking={"type": "enabled", "budget_tokens": 8000})

    assert adapt(given, adaptive).body == given | {
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "medium"},
    }
    assert adapt(body(thinking={"type": "adaptive"}), budgets).body["thinking"] == {
        "type": "enabled",
        "budget_tokens": 4500,
    }


def test_refused_parameters_are_dropped_only_where_the_route_says_so():
    """A name with a dot means a member."""
    quirks = dataclasses.replace(CLAUDE.quirks, unsupported=frozenset({"temperature", "output_config.effort"}))
    target = dataclasses.replace(CLAUDE, quirks=quirks)
    given = body(temperature=0.5, output_config={"effort": "low", "format": {}})

    with pytest.raises(Unsupported) as caught:
        adapt(given, target)
    assert caught.value.param in ("temperature", "output_config.effort")
    allowed = dataclasses.replace(target, drop=frozenset({"temperature", "output_config.effort"}))
    adapted = adapt(given, allowed)
    assert adapted.dropped == ("output_config.effort", "temperature")
    assert adapted.body == body(output_config={"format": {}})
    assert not adapt(body(), target).changed


def test_markers_stay_where_they_stood():
    """A cache marker of a tool result never moves into its content (pain 33)."""
    marked = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": [{"type": "text", "text": "r"}],
        "cache_control": {"type": "ephemeral"},
    }
    given = {
        "model": "m",
        "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": [CALL]},
            {"role": "user", "content": [marked]},
        ],
    }
    written = CODEC.render_request(CODEC.parse_request(given), VLLM, no_vault).body

    assert written["messages"][2]["content"] == [marked | {"content": "r"}]
    assert orjson.dumps(adapt(given, DEEPSEEK).body["messages"][2]) == orjson.dumps(given["messages"][2])
