"""The legal order of stream events, and the assembler that trusts it."""

from __future__ import annotations

import copy

import pytest

from turnout.core.target import Dialect
from turnout.wire.assemble import Assembler, assemble, merge_usage, replay
from turnout.wire.neutral import (
    Ended,
    Event,
    Failed,
    Finished,
    Opaque,
    PartDelta,
    PartSigned,
    PartStarted,
    PartStopped,
    Ping,
    Response,
    Started,
    Text,
    Thinking,
    ToolCall,
    Usage,
    UsageReported,
)
from turnout.wire.state import IllegalEvent, StreamState

START, FINISH, END, FAIL = Started("i", "m"), Finished("end"), Ended(), Failed("x")
OPEN0, OPEN1, DELTA0, SIGN0, STOP0 = (
    PartStarted(0, "text"),
    PartStarted(1, "text"),
    PartDelta(0, "a"),
    PartSigned(0, "s"),
    PartStopped(0),
)
USAGE = UsageReported(Usage(input_tokens=1))
EVERY: dict[str, Event] = {
    "Started": START,
    "PartStarted": OPEN1,
    "PartDelta": DELTA0,
    "PartSigned": SIGN0,
    "PartStopped": STOP0,
    "UsageReported": USAGE,
    "Finished": FINISH,
    "Ended": END,
    "Failed": FAIL,
    "Ping": Ping(),
}
PART_MOVES = "PartDelta PartSigned PartStopped"
TABLE: list[tuple[str, list[Event], str]] = [
    ("new", [], "Started Failed Ping"),
    ("open", [START], "PartStarted UsageReported Finished Failed Ping"),
    ("open", [START, OPEN0], f"PartStarted {PART_MOVES} UsageReported Finished Failed Ping"),
    ("finished", [START, FINISH], "UsageReported Ended Failed Ping"),
    ("finished", [START, OPEN0, FINISH], f"{PART_MOVES} UsageReported Failed Ping"),
    ("ended", [START, FINISH, END], ""),
    ("failed", [FAIL], ""),
    ("failed", [START, OPEN0, FAIL], ""),
]


@pytest.mark.parametrize("move", EVERY)
@pytest.mark.parametrize(("phase", "before", "legal"), TABLE)
def test_the_table(phase: str, before: list[Event], legal: str, move: str) -> None:
    """Each event is legal in exactly the states the table says; an illegal one changes nothing."""
    state = StreamState()
    for event in before:
        state.move(event)
    assert state.phase == phase
    parts = copy.copy(state.open_parts)

    if move in legal.split():
        state.move(EVERY[move])
    else:
        with pytest.raises(IllegalEvent):
            state.move(EVERY[move])
        assert (state.phase, state.open_parts) == (phase, parts)


def test_an_index_is_used_once() -> None:
    """A closed part is not opened again under its index."""
    state = StreamState()
    for event in (START, OPEN0, STOP0):
        state.move(event)

    with pytest.raises(IllegalEvent):
        state.move(OPEN0)


RESPONSE = Response(
    id="r",
    model="m",
    parts=(
        Thinking(text="t", signature="s", encrypted="e", item_id="rs_1", origin="acme"),
        Text(text="words", annotations=({"type": "url"},)),
        Text(text="no", refusal=True),
        ToolCall(id="c", name="f", arguments="{}", signature="g", origin="acme"),
        ToolCall(id="d", name="p", arguments="raw", custom=True, origin="acme"),
        Opaque(dialect=Dialect.ANTHROPIC, kind="odd", raw={"type": "odd"}),
        Text(text=""),
    ),
    stop_reason="stop_sequence",
    stop_sequence="END",
    usage=Usage(input_tokens=3, output_tokens=4, raw={"x": 1}),
    created=5,
)


def test_replay_and_assemble_are_inverse() -> None:
    """A response survives being made a stream and a response again, through legal events."""
    events = list(replay(RESPONSE))
    state = StreamState()
    for event in events:
        state.move(event)

    assert state.phase == "ended"
    assert assemble(events, Dialect.ANTHROPIC, "acme") == RESPONSE


def test_interleaved_parts_are_put_in_order() -> None:
    """Deltas of two open parts land in their own part."""
    assembler = Assembler(Dialect.OPENAI_CHAT)
    for event in (START, OPEN0, OPEN1, PartDelta(1, "b"), PartDelta(0, "a"), PartDelta(1, "B"), PartDelta(0, "A")):
        assembler.add(event)

    assert assembler.parts == (Text(text="aA"), Text(text="bB"))


def test_merging_usage_keeps_what_is_not_reported_and_takes_zero() -> None:
    """None keeps the older count; an explicit 0 replaces it."""
    old = Usage(input_tokens=10, cached_tokens=4, output_tokens=1, raw={"a": 1})
    new = Usage(cached_tokens=0, output_tokens=7)

    assert merge_usage(old, new) == Usage(input_tokens=10, cached_tokens=0, output_tokens=7, raw={"a": 1})
    assert merge_usage(None, new) is new
