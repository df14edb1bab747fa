"""Our own counts of an answer whose provider lost its, or sent counts that can't be."""

from __future__ import annotations

import pytest

from turnout.core.target import Dialect, Target
from turnout.gateway.reckoning import Ending, counted
from turnout.gateway.tally import Tally
from turnout.wire.anthropic.usage import parse_usage
from turnout.wire.assemble import replay
from turnout.wire.neutral import Response, Text, ToolCall, Usage

WORDS = "twelve words of eight letters or so, and some more 八个汉字在这里啊"
PARTS = (Text(text=WORDS), ToolCall(id="1", name="find", arguments='{"a":1}'))


def _tally() -> Tally:
    return Tally(Target(provider="p", model="m", dialect=Dialect.OPENAI_CHAT))


def test_an_answer_counts_the_same_whole_and_streamed() -> None:
    response = Response(id="1", model="m", parts=PARTS, stop_reason="end")
    whole, streamed = _tally(), _tally()
    whole.whole(response)
    streamed.add(list(replay(response)))

    # 51 ASCII letters are 13 tokens, 8 others are 8; the call is 1 + 2 and 4 around it.
    assert whole.estimated_usage(5) == streamed.estimated_usage(5) == Usage(input_tokens=5, output_tokens=28)


@pytest.mark.parametrize(
    ("usage", "estimated", "expected", "flags"),
    [
        (Usage(input_tokens=7, output_tokens=0), False, (7, 22), ["output_zero"]),
        (Usage(input_tokens=0, output_tokens=3), False, (10, 3), ["input_zero"]),
        (Usage(output_tokens=0), False, (10, 22), ["input_missing", "output_zero"]),
        (Usage(input_tokens=0, output_tokens=0), True, (10, 22), []),
    ],
)
def test_a_zero_for_words_that_were_seen_is_no_count(
    usage: Usage, estimated: bool, expected: tuple[int, int], flags: list[str]
) -> None:
    own = Usage(input_tokens=10, output_tokens=22)
    found = counted(Ending(usage=usage, own=own, estimated=estimated, billed=True), "chat")

    assert (found.counts.input, found.counts.output) == expected
    assert (found.flags, found.estimated) == (flags, True)


def test_an_answer_without_words_may_have_no_output() -> None:
    """A refusal, or a stop at once."""
    usage = Usage(input_tokens=7, output_tokens=0)
    own = Usage(input_tokens=10, output_tokens=0)

    assert not counted(Ending(usage=usage, own=own, estimated=False, billed=True), "chat").estimated


def test_counts_are_believed_alike_in_every_dialect() -> None:
    """A billion and one tokens of a dear model would be a debt that locks its payers out; 12.0 is 12."""
    usage = parse_usage({"input_tokens": 12.0, "output_tokens": 10**9 + 1, "cache_read_input_tokens": 10**9})

    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (12 + 10**9, None)
