"""Budgets over HTTP: a refusal in each dialect, before anything is sent, and no way round."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anthropic
import httpx
import openai
import pytest
from fault_world import PATHS, SPEECHES, Speech, body

from harness import KEY, Gateway, deployment, provider, running_gateway
from turnout.double import Double

# The double answers in full; a prompt costs nothing, and a token of the answer a tenth of a cent.
PRICED = """
[prices.up]
rows = [ { model = "*", from = "2026-01-01", input = "0", output = "1000" } ]
"""
BUDGETS = """
[budgets.users]
limit = "0.30"
window = "day"
zone = "Europe/Berlin"
per = "user"
"""


@pytest.fixture
def double() -> Iterator[Double]:
    with Double() as double:
        yield double


def _config(double: Double, *, prices: str = PRICED, budgets: str = BUDGETS) -> str:
    text = provider("up", double.url + "/v1", extra='models = ["unused"]')
    return text + deployment("m", "up", "echo-1", 'endpoints = ["openai_chat"]\nmax_output = 100') + prices + budgets


def _ask(gateway: Gateway, speech: Speech = "chat", *, user: str | None = None, stream: bool = False) -> httpx.Response:
    asked = body(speech, "m", stream)
    if user is not None:
        asked |= {"metadata": {"user_id": user}} if speech == "messages" else {"user": user}
    return httpx.post(gateway.url + PATHS[speech], json=asked, headers=gateway.headers, timeout=20)


def _spent(gateway: Gateway, amount: str) -> None:
    """As if the users without a name had spent so much."""
    with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {gateway.admin_key}"}) as admin:
        subject = next(
            each["subject"] for each in admin.get("/admin/budgets").json()["budgets"] if "(none)" in each["subject"]
        )
        change = {"subject": subject, "to": amount, "reason": "a test"}
        assert admin.post("/admin/budgets/users/correct", json=change).status_code == 200


@pytest.fixture(scope="module")
def nearly_spent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Double]]:
    """One request was answered; by the books it left five cents, and the next could cost ten."""
    with Double() as double, running_gateway(tmp_path_factory.mktemp("spent"), _config(double)) as gateway:
        assert _ask(gateway).status_code == 200
        _spent(gateway, "0.25")
        yield gateway, double


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("speech", SPEECHES)
def test_a_refusal_comes_as_http_in_the_callers_dialect(
    nearly_spent: tuple[Gateway, Double], speech: Speech, stream: bool
) -> None:
    """Nothing was sent, so a stream is not open yet."""
    gateway, double = nearly_spent
    told = _ask(gateway, speech, stream=stream)

    error = told.json()["error"]
    expected = (402, "billing_error") if speech == "messages" else (429, "insufficient_quota")
    assert (told.status_code, error["type"]) == expected
    assert error["message"].startswith("The budget 'users' (user (none), $0.30 a day, Europe/Berlin) has $0.05 left,")
    assert "could cost up to $0.10. It resets at 20" in error["message"]
    assert told.headers["x-should-retry"] == "false" and "retry-after" not in told.headers
    assert len(double.requests) == 1


def test_the_vendors_clients_do_not_come_back_for_nothing(nearly_spent: tuple[Gateway, Double]) -> None:
    """One refusal each, though both would try twice more by themselves."""
    gateway, double = nearly_spent
    with (
        openai.OpenAI(base_url=gateway.url + "/v1", api_key=KEY) as client,
        pytest.raises(openai.RateLimitError) as first,
    ):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    with (
        anthropic.Anthropic(base_url=gateway.url, api_key=KEY) as client,
        pytest.raises(anthropic.APIStatusError) as second,
    ):
        client.messages.create(model="m", max_tokens=100, messages=[{"role": "user", "content": "hi"}])
    since, last = (each.value.response.headers["x-request-id"] for each in (first, second))
    for _ in range(500):  # an answer may be there before its record
        if any(row["id"] == last for row in gateway.requests()):
            break
        time.sleep(0.01)
    codes = [row["error_code"] for row in gateway.requests() if str(row["id"]) >= since]  # ids rise with time

    assert (first.value.code, first.value.type) == ("budget_exceeded", "insufficient_quota")
    assert (second.value.status_code, second.value.type) == (402, "billing_error")
    assert codes == ["budget_exceeded", "budget_exceeded"]
    assert len(double.requests) == 1


def test_pain_02_the_first_requests_of_an_unknown_user_are_held_too(tmp_path: Path, double: Double) -> None:
    """Thirty at the same moment, whose account none has made yet, room for three at ten cents each: at no time more
    than three are under way, and those without a name are no better off."""
    config = _config(double, budgets=BUDGETS + '\n[budgets.all]\nlimit = "100"\n')
    with running_gateway(tmp_path, config) as gateway, ThreadPoolExecutor(30) as pool:
        for user in ("alice", None):
            statuses = list(pool.map(lambda _, user=user: _ask(gateway, user=user).status_code, range(30)))
            assert set(statuses) == {200, 429}
        gateway.requests(wait_for=60)  # answers come a moment before their records
        accounts = {row["subject"]: row for row in gateway.rows("accounts") if row["budget"] == "users"}

    assert sorted(str(subject).partition("/")[2] for subject in accounts) == ["(none)", "alice"]
    for row in accounts.values():
        spent = row["spent_nano"]
        assert isinstance(spent, int) and 0 < spent <= 300_000_000
        assert (row["held_nano"], row["over_nano"]) == (0, 0)


def test_a_model_without_a_price_is_refused_under_a_hard_budget(tmp_path: Path, double: Double) -> None:
    with running_gateway(tmp_path, _config(double, prices="")) as gateway:
        told = [_ask(gateway, speech) for speech in SPEECHES]

    assert [each.status_code for each in told] == [500, 500, 500]
    assert told[0].json()["error"]["code"] == "price_unknown"
    assert "the budget 'users' must hold" in told[0].json()["error"]["message"]
    assert [each.headers["x-should-retry"] for each in told] == ["false"] * 3
    assert double.requests == []


def test_a_model_without_a_price_is_served_elsewhere_unless_the_route_says_no(tmp_path: Path, double: Double) -> None:
    budgets = '[budgets.all]\nsoft = "1"\n[routes.strict]\ntargets = ["m"]\nunknown_price = "refuse"\n'
    with running_gateway(tmp_path, _config(double, prices="", budgets=budgets)) as gateway:
        strict = body("chat", "strict", False)
        refused = httpx.post(gateway.url + PATHS["chat"], json=strict, headers=gateway.headers)
        served = _ask(gateway)

    assert (refused.status_code, refused.json()["error"]["code"]) == (500, "price_unknown")
    assert served.status_code == 200


def test_a_target_without_a_price_is_passed_over_under_a_hard_budget(tmp_path: Path, double: Double) -> None:
    """The next one has a price and answers; nothing was sent to the first, and it counts as no attempt."""
    more = provider("free", double.url + "/v1", extra='models = ["unused"]') + deployment("unpriced", "free", "echo-2")
    route = '[routes.both]\ntargets = ["unpriced", "m"]\nmax_attempts = 1\n'
    with running_gateway(tmp_path, _config(double) + more + route) as gateway:
        asked = body("chat", "both", False)
        answer = httpx.post(gateway.url + PATHS["chat"], json=asked, headers=gateway.headers, timeout=20)

    assert (answer.status_code, answer.headers["x-turnout-deployment"]) == (200, "m")
    assert len(double.requests) == 1
