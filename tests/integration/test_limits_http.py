"""The limits of a key over HTTP: exactly so many, on every endpoint that can spend, told as clients expect it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anthropic
import httpx
import openai
import pytest
from fault_world import PATHS, SPEECHES, Speech, body, deployment_of_every_kind, good

from harness import Gateway, running_gateway
from turnout.double import Double, Received, Reply, echo, faults
from turnout.gateway.endpoints import HOT

LIMITED = "sk-limited-0123456789abcdef"


def _key(name: str, limits: str) -> str:
    return f'\n[[keys]]\nname = "{name}"\nsecret_env = "LIMITED_KEY"\n{limits}\n'


def _serve(folder: Path, double: Double, limits: str):
    config = deployment_of_every_kind(double.url) + _key("limited", limits)
    return running_gateway(folder, config, {"LIMITED_KEY": LIMITED})


def _post(
    gateway: Gateway, speech: Speech, *, stream: bool = False, form: str = "bearer", model: str = "m"
) -> httpx.Response:
    headers = {"authorization": f"Bearer {LIMITED}"} if form == "bearer" else {"x-api-key": LIMITED}
    with httpx.Client(timeout=20) as client:
        return client.post(gateway.url + PATHS[speech], json=body(speech, model, stream), headers=headers)


def _parallel(count: int, call: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """All at the same moment."""
    gate = threading.Barrier(count)

    def one(number: int) -> httpx.Response:
        gate.wait()
        return call(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_pain_01_of_n_at_once_exactly_as_many_pass_as_there_is_room_for(tmp_path: Path) -> None:
    """40 requests at the same moment, room for 7, in three dialects and both header forms: 7 pass and 33 do not."""
    with Double() as double, _serve(tmp_path, double, "rpm = 7") as gateway:
        told = _parallel(40, lambda n: _post(gateway, SPEECHES[n % 3], stream=n % 2 == 0, form=("bearer", "x")[n % 2]))
        assert sorted(each.status_code for each in told) == [200] * 7 + [429] * 33
        assert len(double.requests) == 7


def test_a_limit_of_requests_at_once_holds_exactly_and_frees_its_slots(tmp_path: Path) -> None:
    """20 at once with room for 4: 4 pass; afterwards, after errors and after cancels too, all 4 slots are free."""

    def slow(request: Received) -> Reply:
        return faults.slow_first_byte(echo(request), 0.5)

    with Double(slow) as double, _serve(tmp_path, double, "concurrency = 4") as gateway:
        for _ in range(2):
            told = _parallel(20, lambda n: _post(gateway, SPEECHES[n % 3], stream=n % 2 == 0))
            assert sorted(each.status_code for each in told) == [200] * 4 + [429] * 16
        double.script = lambda _: faults.status(400)
        assert {_post(gateway, "chat").status_code for _ in range(6)} == {400}
        double.script = lambda _: faults.never_answers()
        for _ in range(6):
            with pytest.raises(httpx.ReadTimeout), httpx.Client(timeout=0.1) as client:
                client.post(
                    gateway.url + PATHS["chat"],
                    json=body("chat", "m", True),
                    headers={"authorization": f"Bearer {LIMITED}"},
                )
        time.sleep(0.2)
        double.script = slow
        told = _parallel(4, lambda _: _post(gateway, "messages"))
        assert [each.status_code for each in told] == [200] * 4


@pytest.mark.parametrize("speech", SPEECHES)
def test_a_429_tells_when_to_come_back_in_the_words_of_each_dialect(tmp_path: Path, speech: Speech) -> None:
    """retry-after, retry-after-ms, x-should-retry and the vendor's own limit headers, on answers and on refusals."""
    with Double() as double, _serve(tmp_path, double, "rpm = 1\ntpm = 100000") as gateway:
        good_one, refused = _post(gateway, speech), _post(gateway, speech)
    assert (good_one.status_code, refused.status_code) == (200, 429)
    assert 55 <= int(refused.headers["retry-after"]) <= 60
    assert 55_000 <= int(refused.headers["retry-after-ms"]) <= 60_000
    assert refused.headers["x-should-retry"] == "true"
    for answer in (good_one, refused):
        if speech == "messages":
            assert answer.headers["anthropic-ratelimit-requests-limit"] == "1"
            assert answer.headers["anthropic-ratelimit-requests-remaining"] == "0"
            assert answer.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
            assert answer.headers["anthropic-ratelimit-tokens-limit"] == "100000"
        else:
            assert answer.headers["x-ratelimit-limit-requests"] == "1"
            assert answer.headers["x-ratelimit-remaining-requests"] == "0"
            assert answer.headers["x-ratelimit-reset-requests"].endswith("s")
            assert answer.headers["x-ratelimit-limit-tokens"] == "100000"
    error = refused.json()["error"]
    assert error["type"] == "rate_limit_error" and "1 requests a minute" in error["message"]


ENDPOINTS: dict[str, dict[str, object]] = {
    "/v1/chat/completions": {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    "/v1/responses": {"model": "m", "input": "hi"},
    "/v1/messages": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    "/v1/messages/count_tokens": {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    "/v1/completions": {"model": "m", "prompt": "hi"},
    "/v1/embeddings": {"model": "embed", "input": "hi"},
}


def test_pain_05_every_endpoint_that_reaches_a_provider_is_limited_and_recorded(tmp_path: Path) -> None:
    """The table of endpoints is the list: each counts against the key's limit, and each leaves a record."""
    assert set(ENDPOINTS) == set(HOT), "a new endpoint needs a line here"
    with Double() as double, _serve(tmp_path, double, f"rpm = {len(ENDPOINTS)}") as gateway, httpx.Client() as client:
        headers = {"authorization": f"Bearer {LIMITED}"}
        for path, request in ENDPOINTS.items():
            answer = client.post(gateway.url + path, json=request, headers=headers)
            assert answer.status_code == 200, answer.content
        asked = len(double.requests)
        for path, request in ENDPOINTS.items():
            assert client.post(gateway.url + path, json=request, headers=headers).status_code == 429
        assert len(double.requests) == asked
        rows = gateway.requests(wait_for=2 * len(ENDPOINTS))
    assert {row["endpoint"] for row in rows if row["outcome"] == "ok"} == set(ENDPOINTS)
    assert {row["endpoint"] for row in rows if row["error_code"] == "rate_limit_exceeded"} == set(ENDPOINTS)


def test_i4_a_request_that_used_no_tokens_gives_its_room_back(tmp_path: Path) -> None:
    """Unknown models and a provider's outage leave the key's tokens as they were."""

    def reply(request: Received) -> Reply:
        return good("chat", False) if request.model == "echo-1" else faults.status(500)

    with Double(reply) as double, _serve(tmp_path, double, "tpm = 1000") as gateway:
        for _ in range(30):
            request = {**body("chat", "nobody", False), "max_tokens": 900}
            with httpx.Client() as client:
                answer = client.post(
                    gateway.url + PATHS["chat"], json=request, headers={"authorization": f"Bearer {LIMITED}"}
                )
            assert answer.status_code == 404
        assert _post(gateway, "chat").headers["x-ratelimit-remaining-tokens"] != "0"


def test_the_real_clients_wait_for_as_long_as_they_are_told(tmp_path: Path) -> None:
    """openai and anthropic retry a 429 by themselves, after the delay in its headers, and then get their answer."""
    with Double() as double, _serve(tmp_path, double, "rpm = 60") as gateway:
        while _post(gateway, "chat").status_code == 200:  # a slow machine refills while it empties
            assert len(double.requests) < 200
        asked = len(double.requests)
        began = time.monotonic()
        chat = openai.OpenAI(base_url=gateway.url + "/v1", api_key=LIMITED, max_retries=3)
        assert chat.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}]).choices
        messages = anthropic.Anthropic(base_url=gateway.url, api_key=LIMITED, max_retries=3)
        assert messages.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]).content
        assert 0.5 < time.monotonic() - began < 6
        assert len(double.requests) == asked + 2
        with pytest.raises(openai.RateLimitError) as refused:
            openai.OpenAI(base_url=gateway.url + "/v1", api_key=LIMITED, max_retries=0).chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}]
            )
        assert refused.value.code == "rate_limit_exceeded"
        chat.close()
        messages.close()


def test_a_full_server_sheds_with_a_503_that_says_when(tmp_path: Path) -> None:
    """Above `max_requests_in_flight` a request is refused at once, in its dialect, and the rest are served."""

    def slow(request: Received) -> Reply:
        return faults.slow_first_byte(echo(request), 0.5)

    config = "[server]\nmax_requests_in_flight = 3\n"
    with Double(slow) as double:
        text = config + deployment_of_every_kind(double.url) + _key("limited", "")
        with running_gateway(tmp_path, text, {"LIMITED_KEY": LIMITED}) as gateway:
            told = _parallel(9, lambda n: _post(gateway, SPEECHES[n % 3]))
    assert sorted(each.status_code for each in told) == [200] * 3 + [503] * 6
    for each in told:
        if each.status_code == 503:
            assert each.headers["retry-after"] == "1" and each.json()["error"]["type"] == "overloaded_error"
