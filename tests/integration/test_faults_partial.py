"""What was delivered before a stream broke is not lost from the record (pain case 23)."""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_world import SPEECHES, Speech, ask, body, good, quick, record_of, stream_error, target, upstream, world

from turnout.double import Received, Reply, faults


@pytest.mark.parametrize("caller", SPEECHES)
@pytest.mark.parametrize("end", ["cut", "stalled"])
def test_pain_23_a_broken_stream_is_a_failure_that_keeps_its_partial_usage(
    tmp_path: Path, caller: Speech, end: str
) -> None:
    """A timeout or a cut in the middle is never written down as success, and the words that came are counted."""

    def broken(request: Received) -> Reply:
        del request
        whole = good("chat", True)
        return faults.cut_after(whole, 3) if end == "cut" else faults.stall(whole, 3)

    def config(double: object) -> str:
        return upstream("up", "chat", double.url) + target("m", "up", "chat", quick())  # type: ignore[attr-defined]

    with world(tmp_path, {"m": broken}, config) as (gateway, _):
        told = ask(gateway, caller, body(caller, "m", True))
        record, attempts = record_of(gateway, told)

    assert stream_error(caller, told) is not None
    assert (record["outcome"], len(attempts)) == ("truncated", 1)
    (attempt,) = attempts
    assert attempt["outcome"] == "truncated" and attempt["estimated"]
    assert attempt["input_tokens"] and attempt["output_tokens"]
