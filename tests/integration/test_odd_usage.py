"""Usage that can't be true (fault 28), in each dialect, whole and streamed: paid by our own counts, never below 0 and
never nothing, flagged, told, and the budgets add up."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from usage_world import Shape, recorded, settled, usage_world

from harness import Gateway
from turnout.double import Double

NAMES: dict[Shape, tuple[str, str, str]] = {
    # deployment, and the fields of input and output
    "chat": ("gpt", "prompt_tokens", "completion_tokens"),
    "responses": ("terra", "input_tokens", "output_tokens"),
    "messages": ("opus", "input_tokens", "output_tokens"),
    "gemini": ("gemini", "promptTokenCount", "candidatesTokenCount"),
}
PRICES = {"gpt": (5, 30), "terra": (2, 12), "opus": (5, 25), "gemini": (2, 12)}
"""Dollars a million, at the shipped prices of late 2026."""
OWN_OUTPUT = 6
VALUES = {
    "negative": b"-5",
    "null": b"null",
    "a fraction": b"2.5",
    "text": b'"12"',
    "a quintillion": b"1000000000000000000",
    "more than a billion": b"1000000001",
    "true": b"true",
    "an array": b"[3]",
    "an object": b'{"tokens":3}',
    "zero": b"0",
}
BUDGET = '\n[budgets.all]\nlimit = "1000"\nwindow = "total"\n'


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Double]]:
    with usage_world(tmp_path_factory.mktemp("odd"), more=BUDGET) as (gateway, double):
        yield gateway, double
        spent = sum(int(str(row["cost_nano"])) for row in gateway.rows("postings"))
        [account] = gateway.rows("accounts")
        assert (account["spent_nano"], account["held_nano"], account["unpriced"]) == (spent, 0, 0)


def _paid(posting: dict[str, object], given: int, written: int) -> None:
    name = str(posting["deployment"])
    to_read, to_write = PRICES[name]
    assert (posting["input_tokens"], posting["output_tokens"]) == (given, written)
    assert Decimal(str(posting["cost_nano"])) == (given * to_read + written * to_write) * 1000 > 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("shape", NAMES)
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("which", ["both", "input", "output"])
def test_a_count_that_is_none(
    world: tuple[Gateway, Double], shape: Shape, value: str, stream: bool, which: str
) -> None:
    gateway, double = world
    name, given, written = NAMES[shape]
    bad = VALUES[value]
    usage = b'{"%s":%s,"%s":%s}' % (
        given.encode(),
        b"70" if which == "output" else bad,
        written.encode(),
        b"40" if which == "input" else bad,
    )
    posting = settled(gateway, double, name, recorded(shape, usage, stream=stream), stream=stream)

    own = int(str(posting["neutral_tokens"]))
    _paid(posting, 70 if which == "output" else own, 40 if which == "input" else OWN_OUTPUT)
    flags = str(posting["flags"]).split(",")
    assert posting["estimated"] == 1
    if value == "zero":
        assert f"{which}_zero" in flags or which == "both"
    elif value != "null" and value != "an object" and value != "an array":
        assert any(flag.startswith("odd:") for flag in flags)
    assert any(flag.endswith(("_missing", "_zero")) for flag in flags)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("shape", NAMES)
@pytest.mark.parametrize("usage", [b"", b"{}", b"null", b"[]", b'"none"', b"7"])
def test_no_usage_at_all(world: tuple[Gateway, Double], shape: Shape, usage: bytes, stream: bool) -> None:
    gateway, double = world
    posting = settled(gateway, double, NAMES[shape][0], recorded(shape, usage, stream=stream), stream=stream)

    _paid(posting, int(str(posting["neutral_tokens"])), OWN_OUTPUT)
    assert (posting["estimated"], posting["flags"]) == (1, "input_missing,output_missing")


NESTED: dict[Shape, bytes] = {
    "chat": b'{"prompt_tokens":70,"completion_tokens":40,"prompt_tokens_details":null,"completion_tokens_details":{"reasoning_tokens":null}}',
    "responses": b'{"input_tokens":70,"output_tokens":40,"input_tokens_details":{"cached_tokens":null},"output_tokens_details":null}',
    "messages": b'{"input_tokens":70,"output_tokens":40,"cache_creation":null,"cache_read_input_tokens":null,"cache_creation_input_tokens":null,"server_tool_use":null}',
    "gemini": b'{"promptTokenCount":70,"candidatesTokenCount":40,"cachedContentTokenCount":null,"promptTokensDetails":null}',
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("shape", NAMES)
def test_a_part_that_is_null_is_no_fault(world: tuple[Gateway, Double], shape: Shape, stream: bool) -> None:
    gateway, double = world
    reply = recorded(shape, NESTED[shape], stream=stream, twice=stream)  # and told twice it is paid once
    posting = settled(gateway, double, NAMES[shape][0], reply, stream=stream)

    _paid(posting, 70, 40)
    assert posting["estimated"] == 0
    assert posting["flags"] in ("", "above_hold")


PARTS: dict[Shape, tuple[bytes, str]] = {
    "chat": (b'{"prompt_tokens":10,"completion_tokens":40,"prompt_tokens_details":{"cached_tokens":900}}', "parts_exceed_input"),
    "responses": (b'{"input_tokens":10,"output_tokens":4,"output_tokens_details":{"reasoning_tokens":50}}', "reasoning_exceeds_output"),
    "messages": (b'{"input_tokens":10,"output_tokens":40,"cache_creation_input_tokens":5,"cache_creation":{"ephemeral_1h_input_tokens":80}}', "parts_exceed_writes"),
    "gemini": (b'{"promptTokenCount":10,"candidatesTokenCount":40,"cachedContentTokenCount":900}', "parts_exceed_input"),
}  # fmt: skip
COSTS = {"gpt": "1650", "terra": "620", "opus": "1850", "gemini": "660"}
"""Millionths: 900 at 0.5 and 40 at 30; 10 at 2 and 50 at 12; 10 at 5, 80 at 10 and 40 at 25; 900 at 0.2 and 40 at 12."""


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("shape", NAMES)
def test_a_part_above_its_whole_is_paid_once(world: tuple[Gateway, Double], shape: Shape, stream: bool) -> None:
    gateway, double = world
    usage, flag = PARTS[shape]
    posting = settled(gateway, double, NAMES[shape][0], recorded(shape, usage, stream=stream), stream=stream)

    assert Decimal(str(posting["cost_nano"])) / 1000 == Decimal(COSTS[NAMES[shape][0]])
    assert flag in str(posting["flags"]).split(",")


def test_each_is_counted_and_told_once(tmp_path: Path) -> None:
    """A provider that goes wrong for a day fills no log."""
    with usage_world(tmp_path) as (gateway, double):
        reply = recorded("chat", b'{"prompt_tokens":-1,"completion_tokens":5}', stream=False)
        for _ in range(5):
            settled(gateway, double, "gpt", reply, stream=False)
        admin = {"authorization": f"Bearer {gateway.admin_key}"}
        metrics = httpx.get(gateway.url + "/metrics", headers=admin).text
        told = gateway.log.getvalue().count("usage flagged")

    assert told == 1
    assert 'turnout_usage_flags_total{deployment="gpt",flag="input_missing"} 5.0' in metrics
    assert 'turnout_usage_flags_total{deployment="gpt",flag="odd"} 5.0' in metrics
