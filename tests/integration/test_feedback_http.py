"""Feedback over HTTP: on one's own requests, again and again, and on nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from harness import Gateway, deployment, provider, running_gateway
from turnout.double import Double

OTHER = "sk-other-0123456789abcdef01"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    more = '\n[[keys]]\nname = "other"\nsecret_env = "OTHER_KEY"\n'
    with Double() as double:
        config = provider("up", f"{double.url}/v1") + deployment("m", "up", "model-1") + more
        with running_gateway(tmp_path_factory.mktemp("feedback"), config, {"OTHER_KEY": OTHER}) as running:
            yield running


def ask(gateway: Gateway) -> str:
    """The id of a request that was answered."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 5}
    answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=gateway.headers, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-request-id"]


def say(gateway: Gateway, key: str | None = None, **body: object) -> httpx.Response:
    headers = gateway.headers if key is None else {"x-api-key": key}
    return httpx.post(f"{gateway.url}/v1/feedback", json=body, headers=headers, timeout=20)


def said(gateway: Gateway, request_id: str) -> dict[object, object]:
    return {row["name"]: row["value_micro"] for row in gateway.rows("feedback") if row["request_id"] == request_id}


def test_feedback_is_kept_and_the_later_word_holds(gateway):
    """Right after the answer; saying the same again changes nothing, another name is added."""
    request_id = ask(gateway)
    first = say(gateway, request_id=request_id, accepted=True, units={"tickets": 1.5})
    again = say(gateway, request_id=request_id, accepted=True, units={"tickets": 1.5})

    assert (first.status_code, first.json()) == (200, {"request_id": request_id, "recorded": ["accepted", "tickets"]})
    assert again.json() == first.json()
    assert said(gateway, request_id) == {"accepted": 1_000_000, "tickets": 1_500_000}
    assert say(gateway, request_id=request_id, accepted=False, units={"minutes": 3}).status_code == 200
    assert said(gateway, request_id) == {"accepted": 0, "tickets": 1_500_000, "minutes": 3_000_000}


def test_another_key_s_request_is_as_unknown_as_one_that_never_was(gateway):
    """The same status and code, and nothing is written."""
    request_id = ask(gateway)
    theirs = say(gateway, key=OTHER, request_id=request_id, accepted=True)
    never = say(gateway, key=OTHER, request_id="req_never", accepted=True)

    assert [each.status_code for each in (theirs, never)] == [404, 404]
    texts = [each.json()["error"] for each in (theirs, never)]
    assert texts[0]["code"] == texts[1]["code"] == "not_found"
    assert texts[0]["message"].replace(request_id, "ID") == texts[1]["message"].replace("req_never", "ID")
    assert said(gateway, request_id) == {}


def test_names_can_t_pile_up_on_a_request(gateway):
    """16 of them, over any number of calls."""
    request_id = ask(gateway)
    for start in (0, 8):
        units = {f"unit{number}": 1 for number in range(start, start + 8)}
        assert say(gateway, request_id=request_id, units=units).status_code == 200

    assert say(gateway, request_id=request_id, units={"one_more": 1}).status_code == 400
    assert say(gateway, request_id=request_id, units={"unit3": 2}).status_code == 200
    assert len(said(gateway, request_id)) == 16


def test_a_flood_of_feedback_loses_none(gateway):
    """40 at once, each on its own request."""
    ids = [ask(gateway) for _ in range(40)]
    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(lambda each: say(gateway, request_id=each, accepted=True).status_code, ids))

    assert told == [200] * 40
    assert all(said(gateway, each) == {"accepted": 1_000_000} for each in ids)


def test_without_a_key_there_is_no_feedback(gateway):
    """401, and GET is not taken."""
    assert httpx.post(f"{gateway.url}/v1/feedback", json={}).status_code == 401
    assert httpx.get(f"{gateway.url}/v1/feedback", headers=gateway.headers).status_code == 405
