"""No way round the meter: every endpoint that can spend is booked and held, N at once with room for k are k, and a
window that closes frees what it held."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from fault_world import PATHS, SPEECHES, body
from usage_world import SetClock

from harness import Gateway, deployment, provider, running_gateway
from turnout.double import Answer, Double, Received, Reply, Tokens, openai
from turnout.gateway.endpoints import ENDPOINTS, Endpoint

# A prompt costs nothing, and a token of the answer a tenth of a cent. The answer takes all of what was set aside, so
# that it frees no room for others: ten cents each.
PRICES = """
[prices.up]
rows = [ { model = "*", from = "2026-01-01", input = "0", output = "1000" } ]
"""
FULL = Answer(text="x" * 400, tokens=Tokens(input=5, output=100))


def _full(request: Received) -> Reply:
    """The longest answer that is allowed."""
    return openai.chat_stream(FULL) if request.json.get("stream") is True else openai.chat(FULL)


def _config(url: str, budgets: str) -> str:
    text = provider("up", url + "/v1", extra='models = ["unused"]')
    return text + deployment("m", "up", "echo-1", 'endpoints = ["openai_chat"]\nmax_output = 100') + PRICES + budgets


def _ask(gateway: Gateway, number: int = 0, key: str | None = None, **more: str) -> int:
    """The status, in any dialect, whole or streamed."""
    speech = SPEECHES[number % 3]
    asked = body(speech, "m", number % 2 == 0)
    if user := more.get("user"):
        asked |= {"metadata": {"user_id": user}} if speech == "messages" else {"user": user}
    headers = {"authorization": f"Bearer {key}"} if key else dict(gateway.headers)
    if tags := more.get("tags"):
        headers["x-turnout-tags"] = tags
    return httpx.post(gateway.url + PATHS[speech], json=asked, headers=headers, timeout=30).status_code


def _new_key(gateway: Gateway, name: str, team: str) -> str:
    admin = {"authorization": f"Bearer {gateway.admin_key}"}
    made = httpx.post(gateway.url + "/admin/keys", json={"name": name, "team": team}, headers=admin).json()
    return str(made["key"])


@pytest.mark.parametrize(
    ("per", "room"), [("key", 7), ("team", 1), ("tag", 13), ("route", 50), ("user", 3), ("all", 99)]
)
def test_pain_01_02_03_of_a_hundred_at_once_exactly_as_many_pass_as_have_room(
    tmp_path: Path, per: str, room: int
) -> None:
    """In a database without a row, for a subject that the first of them makes. What is left over is less than one."""
    limit = f"{room / 10 + 0.09:.2f}"
    budget = f'\n[budgets.b]\nlimit = "{limit}"\nwindow = "total"\nper = "{per}"\n'
    with Double(_full) as double, running_gateway(tmp_path, _config(double.url, budget)) as gateway:
        assert gateway.rows("accounts") == []
        key = _new_key(gateway, "fresh", "a-new-team")
        with ThreadPoolExecutor(100) as pool:
            told = Counter(pool.map(lambda n: _ask(gateway, n, key, user="new", tags="new"), range(100)))
        gateway.requests(wait_for=100)
        [account] = gateway.rows("accounts")

        assert told[200] == len(double.requests) == room
        assert told[429] + told[402] == 100 - room
        assert (account["spent_nano"], account["held_nano"]) == (room * 100_000_000, 0)
        assert len([row for row in gateway.rows("postings") if row["kind"] == "settle"]) == room


# ---- every endpoint


def _every_kind(url: str, budgets: str = "") -> str:
    rows = 'rows = [ { model = "*", from = "2026-01-01", input = "10", output = "20" } ]\n'
    text = provider("up", url + "/v1", preset="openai") + provider("an", url, preset="anthropic")
    for name, of, endpoint in (
        ("openai_chat", "up", "openai_chat"),
        ("openai_responses", "up", "openai_responses"),
        ("openai_completions", "up", "openai_completions"),
        ("openai_embeddings", "up", "openai_embeddings"),
        ("anthropic", "an", "anthropic"),
    ):
        text += deployment(name, of, f"echo-{name}", f'endpoints = ["{endpoint}"]\nmax_output = 100\ncontext = 9000')
    return text + f"\n[prices.up]\n{rows}\n[prices.an]\n{rows}" + budgets


def _spend(gateway: Gateway, endpoint: Endpoint) -> httpx.Response:
    turns = [{"role": "user", "content": "hello you"}]
    asked: dict[str, object] = {"model": endpoint.dialect.value, "messages": turns, "max_tokens": 50}
    if endpoint.path.endswith(("/responses", "/embeddings")):
        asked = {"model": endpoint.dialect.value, "input": "hello you"}
    elif endpoint.path.endswith("/v1/completions"):
        asked = {"model": endpoint.dialect.value, "prompt": "hello you"}
    elif endpoint.operation == "count_tokens":
        del asked["max_tokens"]
    return httpx.post(gateway.url + endpoint.path, json=asked, headers=gateway.headers, timeout=10)


SPENDING = [each for each in ENDPOINTS if each.operation is not None]


def test_pain_05_every_endpoint_that_can_spend_writes_a_posting(tmp_path: Path) -> None:
    """Counting tokens reaches a provider too, which asks nothing for it. The other endpoints reach none."""
    with Double() as double, running_gateway(tmp_path, _every_kind(double.url)) as gateway:
        for number, endpoint in enumerate(SPENDING, start=1):
            told = _spend(gateway, endpoint)
            assert told.status_code == 200, (endpoint.path, told.text)
            gateway.requests(wait_for=number)
            found = [row for row in gateway.rows("postings") if row["request_id"] == told.headers["x-request-id"]]
            costs = [int(str(row["cost_nano"])) for row in found]
            if endpoint.operation == "count_tokens":
                assert costs == [], "counting is free"
            else:
                assert len(costs) == 1 and costs[0] > 0, endpoint.path
        reached, posted = len(double.requests), len(gateway.rows("postings"))
        headers = {"authorization": f"Bearer {gateway.admin_key}"}
        for endpoint in ENDPOINTS:
            if endpoint.operation is None:
                path = (
                    endpoint.path.replace("{model:path}", "anthropic").replace("{id}", "x").replace("{name:path}", "b")
                )
                httpx.request(endpoint.method, gateway.url + path, headers=headers, json={}, timeout=10)

        assert (len(double.requests), len(gateway.rows("postings"))) == (reached, posted)
        assert reached == len(SPENDING)


def test_pain_05_an_empty_budget_closes_every_endpoint_that_can_spend(tmp_path: Path) -> None:
    budget = '\n[budgets.b]\nlimit = "0.000001"\nwindow = "total"\nper = "all"\n'
    with Double() as double, running_gateway(tmp_path, _every_kind(double.url, budget)) as gateway:
        told = {endpoint.path: _spend(gateway, endpoint).status_code for endpoint in SPENDING}
        reached = [request.path for request in double.requests]

    assert set(told.values()) == {429, 402, 200}
    assert [path for path, status in told.items() if status == 200] == ["/v1/messages/count_tokens"]
    assert reached == ["/v1/messages/count_tokens"]


def test_several_choices_and_prompts_are_held_and_paid_in_full(tmp_path: Path) -> None:
    """A request for three choices, or the best of three, or for two prompts, can cost as many answers."""
    budget = (
        '\n[budgets.b]\nlimit = "0.0045"\nwindow = "total"\nper = "all"\n'  # two answers of 100 tokens at 20, no three
    )
    with Double() as double, running_gateway(tmp_path, _every_kind(double.url, budget)) as gateway:
        told: dict[str, int] = {}
        for name, more in (
            ("n", {"prompt": "hi", "n": 3}),
            ("best_of", {"prompt": "hi", "best_of": 3}),
            ("prompts", {"prompt": ["a", "b", "c"]}),
            ("tokens of prompts", {"prompt": [[1, 2], [3], [4]]}),
            ("one", {"prompt": "hi"}),
            ("tokens of one", {"prompt": [1, 2, 3, 4]}),
        ):
            asked = {"model": "openai_completions", "max_tokens": 100, **more}
            answer = httpx.post(gateway.url + "/v1/completions", json=asked, headers=gateway.headers, timeout=10)
            told[name] = answer.status_code

    assert told == {
        "n": 429,
        "best_of": 429,
        "prompts": 429,
        "tokens of prompts": 429,
        "one": 200,
        "tokens of one": 200,
    }


# ---- windows


HOURLY = '\n[budgets.b]\nlimit = "0.25"\nwindow = "{}"\nzone = "Asia/Kolkata"\nper = "all"\n'


@pytest.mark.parametrize(
    ("window", "now", "last", "first"),
    [
        # Half an hour beside UTC.
        ("hour", "2026-11-23T12:35:00+00:00", "2026-11-23T13:29:59.999+00:00", "2026-11-23T13:30:00+00:00"),
        ("day", "2026-11-23T12:35:00+00:00", "2026-11-23T18:29:59.999+00:00", "2026-11-23T18:30:00+00:00"),
        ("month", "2026-11-23T12:35:00+00:00", "2026-11-30T18:29:59.999+00:00", "2026-11-30T18:30:00+00:00"),
    ],
)
def test_a_new_window_has_all_its_room_and_no_instant_before(
    tmp_path: Path, window: str, now: str, last: str, first: str
) -> None:
    clock = SetClock(now)
    with Double(_full) as double:
        config = _config(double.url, HOURLY.format(window))
        with running_gateway(tmp_path, config, clock=clock) as gateway:
            told = [_ask(gateway, 1), _ask(gateway, 1), _ask(gateway, 1)]
            clock.set(last)
            told += [_ask(gateway, 1)]
            clock.set(first)
            told += [_ask(gateway, 1), _ask(gateway, 1), _ask(gateway, 1)]
            gateway.requests(wait_for=7)
            spent = [row["spent_nano"] for row in gateway.rows("accounts")]

    assert told == [200, 200, 402, 402, 200, 200, 402]
    assert spent == [200_000_000, 200_000_000]


def test_a_call_is_charged_to_the_window_in_which_it_began(tmp_path: Path) -> None:
    """Also where that has closed by the time it ends; the new one is not touched."""
    clock = SetClock("2026-11-23T13:29:59+00:00")
    slow = dataclasses.replace(openai.chat(FULL), delay=0.5)
    with (
        Double([slow]) as double,
        running_gateway(tmp_path, _config(double.url, HOURLY.format("hour")), clock=clock) as gateway,
    ):
        caller = threading.Thread(target=_ask, args=(gateway, 3))
        caller.start()
        assert double.wait_for(lambda double: len(double.requests) == 1)
        clock.set("2026-11-23T13:30:01+00:00")
        caller.join()
        gateway.requests(wait_for=1)
        [account] = gateway.rows("accounts")

    assert account["opens_ms"] == 1_795_437_000_000  # 12:30 UTC
    assert (account["spent_nano"], account["held_nano"]) == (100_000_000, 0)
