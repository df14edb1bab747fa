"""Every official client against every dialect of upstream, in each way of asking: what each side saw."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from dialect_world import UPSTREAMS, World, world
from pydantic import BaseModel
from sdk_callers import CALLERS, MODES, Mode
from talk import Answered, Call, Called, Got, Said, Talk
from upstream_view import Seen, seen

from turnout.double import Answer, Tokens, ToolUse


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One gateway for the whole matrix: nothing in it fails, so no state is left that matters."""
    with world(tmp_path_factory.mktemp("matrix")) as found:
        yield found


PAIRS = list(itertools.product(CALLERS, UPSTREAMS))
FULL = [pytest.param(*pair, mode, id="-".join((*pair, mode))) for pair in PAIRS for mode in MODES]
BOTH = [pytest.param(*pair, mode, id="-".join((*pair, mode))) for pair in PAIRS for mode in ("whole", "stream")]
every_way = pytest.mark.parametrize(("caller", "upstream", "mode"), FULL)
each_way = pytest.mark.parametrize(("caller", "upstream", "mode"), BOTH)


def ask(running: World, caller: str, upstream: str, mode: Mode, talk: Talk, answer: Answer) -> tuple[Got, Seen]:
    """One request through the gateway, and what the upstream saw of it."""
    running.says(answer)
    before = len(running.double.requests)
    got = CALLERS[caller](running, upstream, talk, mode)
    assert len(running.double.requests) == before + 1
    return got, seen(running.sent)


class get_weather(BaseModel):
    """The weather of a city."""

    city: str


class get_time(BaseModel):
    """The time in a zone."""

    zone: str


class Verdict(BaseModel):
    """A structured answer."""

    good: bool
    why: str


# ---- words and numbers -------------------------------------------------------------------

TOKENS = Tokens(input=100, cached=40, cache_write=20, output=30, reasoning=12)
SAME = {"chat": "chat", "responses": "responses", "messages": "anthropic"}
NOT_TOLD = {"gemini": {"cache_write"}}
"""What the double's answers in a dialect do not report: Gemini bills its cache otherwise."""


@every_way
def test_an_answer_and_its_usage_arrive_in_the_callers_own_arithmetic(running, caller, upstream, mode):
    """Words, stop reason, a model name and each class of tokens are the same whatever lies between."""
    answer = Answer(text="Good morning, world.", tokens=TOKENS, model="m-dated")
    got, told = ask(running, caller, upstream, mode, Talk(), answer)

    # Bytes that need no translation keep the provider's own name of the model; else it is the one that was asked for.
    model = "m-dated" if upstream.endswith(SAME[caller]) else upstream
    assert (got.text, got.finish, got.model) == ("Good morning, world.", "stop", model)
    for name in ("input", "cached", "cache_write", "output", "reasoning"):
        expected = 0 if name in NOT_TOLD.get(upstream, ()) else getattr(TOKENS, name)
        assert getattr(got.counts, name) == expected, name
    assert told.turns == [("user", "Hello")]


@pytest.mark.parametrize("mode", ["whole", "stream"])
@pytest.mark.parametrize("caller", CALLERS)
def test_anthropics_own_count_of_thinking_is_passed_on(running, caller, mode):
    """`output_tokens_details.thinking_tokens` becomes the caller's count of reasoning."""
    usage: Any = {"input_tokens": 9, "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 33}}
    got, _ = ask(running, caller, "anthropic", mode, Talk(), Answer(usage=usage))

    assert (got.counts.output, got.counts.reasoning) == (50, 33)


CONVERSATION = Talk(
    system="You are terse.",
    turns=(
        Said(role="user", text="One?"),
        Said(role="assistant", text="Un."),
        Said(role="user", text="Größe 世界 \U0001f600?"),
    ),
    max_tokens=321,
    temperature=0.5,
)


@every_way
def test_instructions_and_turns_reach_the_model_in_their_order(running, caller, upstream, mode):
    """The system prompt stands where the dialect has it, and each turn keeps its speaker and its letters."""
    _, told = ask(running, caller, upstream, mode, CONVERSATION, Answer())

    assert told.system == "You are terse."
    assert told.turns == [("user", "One?"), ("assistant", "Un."), ("user", "Größe 世界 \U0001f600?")]
    assert (told.max_tokens, told.temperature) == (321, 0.5)


# ---- tools -------------------------------------------------------------------------------

PARALLEL = Answer(
    text="Let me look.",
    tools=(
        ToolUse(id="call_paris1", name="get_weather", arguments='{"city":"Paris"}'),
        ToolUse(id="call_zone22", name="get_time", arguments='{"zone":"Europe/Paris, \\"summer\\""}'),
    ),
)


@every_way
def test_parallel_tool_calls_come_back_whole(running, caller, upstream, mode):
    """Both calls arrive with their names, ids and arguments, and the definitions reached the model."""
    got, told = ask(running, caller, upstream, mode, Talk(tools=(get_weather, get_time)), PARALLEL)

    assert [(c.name, json.loads(c.arguments)) for c in got.calls] == [
        ("get_weather", {"city": "Paris"}),
        ("get_time", {"zone": 'Europe/Paris, "summer"'}),
    ]
    assert [c.id for c in got.calls] == ["call_paris1", "call_zone22"]
    assert (got.text, got.finish) == ("Let me look.", "tools")
    assert {name: set(schema["properties"]) for name, schema in told.tools.items()} == {
        "get_weather": {"city"},
        "get_time": {"zone"},
    }


TOOL_TURNS = Talk(
    tools=(get_weather, get_time),
    turns=(
        Said(role="user", text="Weather and time?"),
        Called(
            text="Looking.",
            calls=(
                Call(id="call_a1", name="get_weather", arguments='{"city": "Oslo"}'),
                Call(id="call_b2", name="get_time", arguments='{"zone": "CET"}'),
            ),
        ),
        Answered(results=(("call_a1", "rain"), ("call_b2", "noon"))),
    ),
)


@every_way
def test_calls_and_their_results_are_told_back_to_the_model(running, caller, upstream, mode):
    """Each result stays with its call, in the order of the calls."""
    got, told = ask(running, caller, upstream, mode, TOOL_TURNS, Answer(text="It rains at noon."))

    assert told.calls == [("call_a1", "get_weather", {"city": "Oslo"}), ("call_b2", "get_time", {"zone": "CET"})]
    assert told.results == [("call_a1", "rain"), ("call_b2", "noon")]
    assert told.turns == [("user", "Weather and time?"), ("assistant", "Looking.")]
    assert got.text == "It rains at noon."


FORCED = {
    "openai_chat": {"type": "function", "function": {"name": "get_time"}},
    "openai_responses": {"type": "function", "name": "get_time"},
    "anthropic": {"type": "tool", "name": "get_time"},
    "gemini": {"mode": "ANY", "allowedFunctionNames": ["get_time"]},
}


@each_way
def test_a_forced_tool_is_forced_in_every_dialect(running, caller, upstream, mode):
    """The caller's choice of one tool is written in the upstream's words."""
    answer = Answer(text="", tools=(ToolUse(id="call_t", name="get_time", arguments='{"zone":"UTC"}'),))
    talk = Talk(tools=(get_weather, get_time), force="get_time")
    got, told = ask(running, caller, upstream, mode, talk, answer)

    assert told.choice == FORCED[upstream]
    assert [c.name for c in got.calls] == ["get_time"]


# ---- structure, pictures -----------------------------------------------------------------


@every_way
def test_structured_output_is_parsed_by_the_client(running, caller, upstream, mode):
    """The schema reaches the model, and the client's parse helper returns the model's object."""
    answer = Answer(text='{"good": true, "why": "it \\u00fc works"}')
    got, told = ask(running, caller, upstream, mode, Talk(schema=Verdict), answer)

    assert got.parsed == Verdict(good=True, why="it ü works")
    assert set(told.schema["properties"]) == {"good", "why"}
    assert set(told.schema["required"]) == {"good", "why"}


PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(24)).decode()


@each_way
@pytest.mark.parametrize("picture", [PIXEL, "https://example.com/cat.png"], ids=["data", "https"])
def test_a_picture_reaches_the_model_unharmed(running, caller, upstream, mode, picture):
    """A data URL keeps its bytes and type, an https URL stays a URL that the provider fetches."""
    talk = Talk(turns=(Said(role="user", text="What is it?", picture=picture),))
    _, told = ask(running, caller, upstream, mode, talk, Answer(text="A cat."))

    assert told.pictures == [picture]
    assert told.turns == [("user", "What is it?")]


# ---- reasoning ---------------------------------------------------------------------------

THINKS: dict[str, dict[str, Any]] = {
    "openai_chat": {"low": "low", "high": "high"},
    "openai_responses": {"low": "low", "high": "high"},
    "gemini": {
        "low": {"includeThoughts": True, "thinkingLevel": "LOW"},
        "high": {"includeThoughts": True, "thinkingLevel": "HIGH"},
    },
    # for a maximum of 4000 tokens: half of it at most, and all but one where the caller names a budget
    "anthropic": {
        "low": {"type": "enabled", "budget_tokens": 2000},
        "high": {"type": "enabled", "budget_tokens": 2000},
    },
}
BUDGETS: dict[str, Any] = {
    "low": {"type": "enabled", "budget_tokens": 1024},
    "high": {"type": "enabled", "budget_tokens": 3000},
}
EFFORT_OF_BUDGET = {"low": "low", "high": "medium"}
"""3000 tokens are no great effort."""


@each_way
@pytest.mark.parametrize("effort", ["low", "high"])
def test_a_wish_to_think_and_the_thoughts_cross_over(running, caller, upstream, mode, effort):
    """The effort is written in the upstream's words, and what it thought comes back apart from what it said."""
    answer = Answer(reasoning="Let me think about it.", text="42")
    got, told = ask(running, caller, upstream, mode, Talk(effort=effort), answer)

    if caller == "messages" and upstream == "anthropic":
        assert told.thinks == BUDGETS[effort]
    elif caller == "messages" and upstream == "gemini":
        assert told.thinks["includeThoughts"] is True
        assert told.thinks["thinkingLevel"] == EFFORT_OF_BUDGET[effort].upper()
    elif caller == "messages":
        assert told.thinks == EFFORT_OF_BUDGET[effort]
    else:
        assert told.thinks == THINKS[upstream][effort]
    assert (got.text, got.reasoning) == ("42", "Let me think about it.")


# ---- endings -----------------------------------------------------------------------------


@every_way
def test_the_end_by_length_is_told(running, caller, upstream, mode):
    """A cut answer is an answer that says it was cut."""
    got, told = ask(running, caller, upstream, mode, Talk(max_tokens=5), Answer(text="and then", finish="length"))

    assert got.finish == "length"
    assert told.max_tokens == 5
    assert got.text == "and then"


@each_way
def test_a_refusal_is_no_ordinary_end(running, caller, upstream, mode):
    """A blocked answer reaches each client as its own kind of refusal."""
    got, _ = ask(running, caller, upstream, mode, Talk(), Answer(text="No", finish="refusal"))

    assert got.finish == "refusal"


STOPS = Talk(stop=("END", "\n\n"))


@pytest.mark.parametrize("mode", ["whole", "stream"])
@pytest.mark.parametrize("upstream", ["openai_chat", "anthropic", "gemini"])
@pytest.mark.parametrize("caller", ["chat", "messages"])
def test_stop_sequences_are_sent_on(running, caller, upstream, mode):
    """The caller's stop sequences reach every upstream that has them."""
    got, told = ask(running, caller, upstream, mode, STOPS, Answer())

    assert told.stop == ["END", "\n\n"]
    assert got.finish == "stop"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("caller", "error", "field"),
    [("chat", openai.BadRequestError, "'stop'"), ("messages", anthropic.BadRequestError, "'stop_sequences'")],
)
def test_a_field_that_the_upstream_lacks_is_refused_by_the_callers_name(running, caller, error, field, mode):
    """OpenAI's Responses have no stop sequences: the request is refused before anything is sent, in every mode."""
    before = len(running.double.requests)
    with pytest.raises(error, match=field):
        CALLERS[caller](running, "openai_responses", STOPS, mode)

    assert len(running.double.requests) == before
