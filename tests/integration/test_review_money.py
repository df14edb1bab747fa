"""What a caller may not do to its bill or to a budget by the words of its request: found by review."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from harness import Gateway, deployment, provider, running_gateway
from turnout.core.json import JsonObject
from turnout.double import Double

PRICES = """
[prices.chat]
rows = [ { model = "*", from = "2026-01-01", input = "1", output = "2", tiers = { batch = "0.5", flex = "0.5" } } ]
[prices.gem]
rows = [ { model = "*", from = "2026-01-01", input = "1", output = "2", tiers = { batch = "0.5", flex = "0.5" } } ]
[prices.legacy]
rows = [ { model = "*", from = "2026-01-01", input = "0", output = "2" } ]
[prices.claude]
rows = [
  { model = "*", from = "2026-01-01", input = "4", cached = "0.4", cache_write = "5", cache_write_1h = "8", output = "0" },
]
"""
SAID: JsonObject = {"messages": [{"role": "user", "content": "hello there my friend"}]}
"""Four words, which the double counts as four tokens each way."""


@dataclass(frozen=True)
class Booked:
    """What the ledger says of a request."""

    held: int | None
    cost: int | None
    estimated: bool
    flags: str


def booked(gateway: Gateway, path: str, body: JsonObject | bytes) -> Booked:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {**gateway.headers, "content-type": "application/json"}
    answer = httpx.post(gateway.url + path, content=content, headers=headers, timeout=20)
    assert answer.status_code == 200, answer.text
    for _ in range(500):
        for row in gateway.rows("postings"):
            if row["request_id"] == answer.headers["x-request-id"]:
                held, cost = row["held_nano"], row["cost_nano"]
                assert held is None or isinstance(held, int)
                assert cost is None or isinstance(cost, int)
                return Booked(held, cost, bool(row["estimated"]), str(row["flags"]))
        time.sleep(0.01)
    raise AssertionError("nothing was booked")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Double() as double:
        config = provider("chat", double.url + "/v1", extra='models = ["unused"]')
        config += provider("legacy", double.url + "/v1", extra='models = ["unused"]')
        config += provider("claude", double.url, preset="anthropic", extra='models = ["unused"]')
        config += provider("gem", double.url, preset="google", extra='models = ["unused"]')
        config += deployment("c", "chat", "m", 'endpoints = ["openai_chat"]')
        config += deployment("l", "legacy", "m", 'endpoints = ["openai_completions"]')
        config += deployment("a", "claude", "claude-x")
        config += deployment("g", "gem", "gemini-x")
        with running_gateway(tmp_path_factory.mktemp("words"), config + PRICES) as running:
            yield running


@pytest.mark.parametrize("model", ["c", "g"])
def test_no_call_is_a_batch_because_its_caller_says_so(gateway: Gateway, model: str) -> None:
    """A provider that does not know the word, or never gets it, sells its usual service at the full price."""
    plain = booked(gateway, "/v1/chat/completions", {"model": model, "max_tokens": 100, **SAID})
    batch = booked(
        gateway, "/v1/chat/completions", {"model": model, "max_tokens": 100, "service_tier": "batch", **SAID}
    )
    assert plain.cost == 12_000
    assert batch == plain


@pytest.mark.parametrize("word", ["service_tier", "speed", "inference_geo"])
def test_a_word_made_up_keeps_no_cost_out_of_the_books(gateway: Gateway, word: str) -> None:
    """The provider passes over it. What was bought is not said, so the cost is marked as estimated."""
    found = booked(gateway, "/v1/chat/completions", {"model": "c", "max_tokens": 100, word: "mars", **SAID})
    assert (found.cost, found.estimated, found.flags) == (12_000, True, "tier_unsaid")


def test_of_two_maxima_the_larger_is_set_aside(gateway: Gateway) -> None:
    """Which of the two a server goes by is its own matter."""
    large = booked(gateway, "/v1/chat/completions", {"model": "c", "max_tokens": 5000, **SAID})
    both = booked(
        gateway, "/v1/chat/completions", {"model": "c", "max_tokens": 5000, "max_completion_tokens": 1, **SAID}
    )
    assert both.held == large.held


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        ({"prompt": "hello"}, 1),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": "hello", "n": 3}, 3),
        ({"prompt": "hello", "n": 3, "best_of": 20}, 20),
        ({"prompt": ["hello"] * 7}, 7),
        ({"prompt": [[1, 2], [3]], "n": 2}, 4),
    ],
)
def test_every_answer_that_is_written_is_set_aside(gateway: Gateway, asked: JsonObject, answers: int) -> None:
    found = booked(gateway, "/v1/completions", {"model": "l", "max_tokens": 100, **asked})
    assert found.held == answers * 100 * 2_000


@pytest.mark.parametrize("asked", [{"max_tokens": 10**18}, {"max_tokens": 100, "n": 10**18}])
def test_an_absurd_maximum_is_no_fault_of_the_database(gateway: Gateway, asked: JsonObject) -> None:
    """It was answered with 503, and counted as an end that was lost."""
    found = booked(gateway, "/v1/chat/completions", {"model": "c", **asked, **SAID})
    assert found.held is not None and found.held > 10**12
    assert gateway.running.services.writer.lost == 0


def test_a_cache_write_is_set_aside_however_its_name_is_written(gateway: Gateway) -> None:
    part = {"type": "text", "text": "word " * 2000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    body: JsonObject = {"model": "a", "max_tokens": 10, "messages": [{"role": "user", "content": [part]}]}
    plain = json.dumps(body).encode()
    hidden = plain.replace(b"cache_control", b"cache\\u005fcontrol")
    assert hidden != plain
    assert booked(gateway, "/v1/messages", hidden).held == booked(gateway, "/v1/messages", plain).held


def test_letters_that_json_writes_with_escapes_ask_for_no_cache(gateway: Gateway) -> None:
    """As Python's `json` and Go's write them."""
    said = "<äöü\u0007ж😀> " * 500
    body: JsonObject = {"model": "a", "max_tokens": 10, "messages": [{"role": "user", "content": said}]}
    escaped = json.dumps(body).replace("<", "\\u003c").encode()
    as_it_is = json.dumps(body, ensure_ascii=False).encode()
    assert booked(gateway, "/v1/messages", escaped).held == booked(gateway, "/v1/messages", as_it_is).held


@pytest.mark.parametrize("stream", [False, True])
def test_nobody_leaves_work_at_a_provider_that_is_never_billed(tmp_path: Path, stream: bool) -> None:
    """It was sent, answered with 502, and booked as a prompt without an answer; the provider did the work."""
    with Double() as double:
        config = provider("up", double.url + "/v1", preset="openai", extra='models = ["unused"]')
        with running_gateway(tmp_path, config + deployment("r", "up", "gpt-x")) as gateway:
            body: JsonObject = {"model": "r", "input": "hello", "background": True, "stream": stream}
            told = httpx.post(gateway.url + "/v1/responses", json=body, headers=gateway.headers)
            allowed = httpx.post(
                gateway.url + "/v1/responses",
                json={**body, "background": False, "stream": False},
                headers=gateway.headers,
            )
        assert (told.status_code, told.json()["error"]["param"]) == (400, "background")
        assert allowed.status_code == 200
        assert len(double.requests) == 1


def test_a_connection_that_never_came_costs_nothing(tmp_path: Path) -> None:
    """The route's time ended while it was being made; the prompt was booked, though no byte of it had left."""
    with socket.socket() as full, contextlib.ExitStack() as held:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):  # what a backlog of none holds; further connections wait
            one = held.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        config = provider("chat", f"http://127.0.0.1:{full.getsockname()[1]}/v1", extra='models = ["unused"]')
        config += deployment("c", "chat", "m", 'endpoints = ["openai_chat"]')
        config += '[routes.r]\ntargets = ["c"]\ntotal_timeout = 1\n'
        with running_gateway(tmp_path, config + PRICES.partition("[prices.gem]")[0]) as gateway:
            body: JsonObject = {"model": "r", "max_tokens": 10, **SAID}
            told = httpx.post(gateway.url + "/v1/chat/completions", json=body, headers=gateway.headers)
            gateway.requests(wait_for=1)
            ends = [(row["kind"], row["cost_nano"]) for row in gateway.rows("postings")]
    assert told.status_code == 504
    assert ends == [("void", 0)]
