"""Where requests go, seen from both ends: what the caller is told, and which upstream was asked."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from raw_http import RawAnswer, post

from harness import Gateway, deployment, provider, running_gateway
from turnout.double import Double, Received, Reply, anthropic, echo, faults
from turnout.double.openai import error as openai_error

HI: list[Any] = [{"role": "user", "content": "hi"}]
CHAT = "/v1/chat/completions"
TOML = (
    provider("up", "{url}/v1")
    + deployment("a", "up", "m-a", "context = 2000")
    + deployment("b", "up", "m-b", "context = 8000")
    + deployment("c", "up", "m-c", "context = 32000")
    + provider("claude", "{url}", preset="anthropic")
    + deployment("d", "claude", "m-d", "context = 8000")
    + """
[routes.order]
targets = ["a", "b", "c"]

[routes.split]
strategy = "weighted"
targets = [{ deployment = "a", weight = 1 }, { deployment = "b", weight = 3 }]

[routes.even]
strategy = "weighted"
targets = ["a", "b"]

[routes.loose]
strategy = "weighted"
sticky = false
targets = [{ deployment = "a", weight = 1 }, { deployment = "b", weight = 3 }]

[routes.dropping]
targets = ["d"]
drop = ["seed", "logit_bias"]

[routes.strict]
targets = ["d", "a"]

[aliases]
gpt-4o-mini = "order"

[retry]
budget = 1.0

[breaker]
failures = 100
"""
)


@pytest.fixture
def double():
    """An echo model that fails for the models named in `failing`."""
    with Double() as found:
        yield found


@pytest.fixture
def gateway(tmp_path, double):
    """A gateway of its own for each test: routing has a memory."""
    with running_gateway(tmp_path, TOML.replace("{url}", double.url)) as found:
        yield found


def failing(double: Double, *models: str, reply: Reply | None = None) -> None:
    """These models fail from now on, the others answer."""
    bad = reply or faults.status(500)

    def script(request: Received) -> Reply:
        return bad if request.model in models else echo(request)

    double.script = script


def ask(gateway: Gateway, model: str, *headers: tuple[str, str], **fields: Any) -> RawAnswer:
    """A chat request."""
    return post(gateway.url, CHAT, {"model": model, "messages": HI, **fields}, headers)


def went(answer: RawAnswer) -> str:
    """The deployment that answered."""
    assert answer.status == 200, answer.body
    return answer.headers["x-turnout-deployment"]


def explained(gateway: Gateway, path: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What `/admin/explain` says of a request."""
    asked = {"endpoint": path, "request": body, **more}
    answer = post(gateway.url, "/admin/explain", asked, key=gateway.admin_key)
    assert answer.status == 200, answer.body
    return answer.json


# ---- order and weights -------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_a_fallback_route_goes_down_its_list(gateway, double, stream):
    """The first that answers is told with the number of attempts; the caller sees no failure."""
    for dead, expected in ((), "a"), (("m-a",), "b"), (("m-a", "m-b"), "c"):
        failing(double, *dead)
        # a conversation of its own each time, for none is bound to a deployment yet
        answer = ask(gateway, "order", ("x-turnout-session", expected), stream=stream)
        assert went(answer) == expected
        assert answer.headers["x-turnout-attempts"] == str(len(dead) + 1)
    assert [request.model for request in double.requests] == ["m-a", "m-a", "m-b", "m-a", "m-b", "m-c"]


def test_when_all_fail_the_last_error_is_told(gateway, double):
    """After at most `max_attempts` calls, each with a record."""
    failing(double, "m-a", "m-b", "m-c", reply=openai_error(503, "all away"))
    answer = ask(gateway, "order")

    assert answer.status == 503 and "all away" in answer.json["error"]["message"]
    assert len(double.requests) == 3
    gateway.requests(wait_for=1)
    assert [row["deployment"] for row in gateway.attempts()] == ["a", "b", "c"]


def test_what_the_caller_did_wrong_is_not_tried_elsewhere(gateway, double):
    """A 400 from one deployment would be a 400 from the next."""
    failing(double, "m-a", reply=openai_error(400, "bad field"))

    assert ask(gateway, "order").status == 400
    assert len(double.requests) == 1


@pytest.mark.parametrize("route", ["split", "loose"])
def test_a_weighted_split_has_its_frequencies(gateway, route):
    """One to three over 400 conversations; five standard deviations are allowed."""
    total = 400
    hits = [went(ask(gateway, route, ("x-turnout-session", f"s{n}"))) for n in range(total)]

    assert abs(hits.count("b") - total * 0.75) < 5 * (total * 0.75 * 0.25) ** 0.5


# ---- sessions ----------------------------------------------------------------------------

NAMED: dict[str, Any] = {
    "header": ({}, [("x-turnout-session", "conv-{n}")]),
    "claude code": ({}, [("x-claude-code-session-id", "conv-{n}")]),
    "cache key": ({"prompt_cache_key": "conv-{n}"}, []),
    "beginning": ({"messages": [{"role": "user", "content": "I am conversation {n}"}]}, []),
}


def _filled(value: Any, n: int) -> Any:
    if isinstance(value, str):
        return value.replace("{n}", str(n))
    if isinstance(value, dict):
        return {key: _filled(each, n) for key, each in value.items()}
    return [_filled(each, n) for each in value]


@pytest.mark.parametrize("name", NAMED)
def test_pain_40_a_conversation_stays_where_its_cache_is_warm(gateway, name):
    """However the client names it, a conversation goes to one deployment, and conversations spread."""
    fields, headers = NAMED[name]
    homes: list[str] = []
    for n in range(20):
        body = {"model": "even", "messages": HI, **_filled(fields, n)}
        lines = [(key, value.replace("{n}", str(n))) for key, value in headers]
        turns = [body["messages"], [*body["messages"], {"role": "assistant", "content": "yes"}, *HI]]
        seen = {went(post(gateway.url, CHAT, {**body, "messages": turn}, lines)) for turn in turns * 2}
        assert len(seen) == 1
        homes.append(seen.pop())
    assert set(homes) == {"a", "b"}


def test_pain_40_a_conversation_follows_its_fallback_and_stays_there(gateway, double):
    """After a failure the cache is warm elsewhere: going back at once would pay for it twice."""
    session = ("x-turnout-session", "one")
    assert went(ask(gateway, "order", session)) == "a"
    failing(double, "m-a")
    assert went(ask(gateway, "order", session)) == "b"
    failing(double)
    answer = ask(gateway, "order", session)
    assert went(answer) == "b" and "cache" in answer.headers["x-turnout-reason"]
    assert went(ask(gateway, "order", ("x-turnout-session", "two"))) == "a"


def test_claude_codes_user_id_names_the_conversation(gateway):
    """Its metadata is a JSON object with the session in it; other fields of it change nothing."""
    homes: dict[int, set[str]] = {}
    for n, agent in itertools.product(range(20), ("x", "y")):
        user = f'{{"device_id":"{agent}","session_id":"s-{n}"}}'
        body = {"model": "even", "max_tokens": 9, "metadata": {"user_id": user}, "messages": HI}
        homes.setdefault(n, set()).add(went(post(gateway.url, "/v1/messages", body)))
    assert all(len(found) == 1 for found in homes.values())
    assert len(set.union(*homes.values())) == 2


# ---- what fits, what can be said ---------------------------------------------------------


def test_pain_42_only_deployments_that_the_request_fits_are_asked(gateway, double):
    """Context is a hard filter: prompt and output together, and the reason says who was left out."""
    answer = ask(gateway, "order", max_tokens=3000)
    assert went(answer) == "b" and "a out: context" in answer.headers["x-turnout-reason"]
    long = [{"role": "user", "content": "word " * 12_000}]
    assert went(post(gateway.url, CHAT, {"model": "order", "messages": long})) == "c"
    answer = ask(gateway, "order", max_tokens=40_000)
    assert answer.status == 400 and answer.json["error"]["code"] == "context_length_exceeded"
    assert {request.model for request in double.requests} == {"m-b", "m-c"}


def test_a_route_may_drop_what_the_target_can_not_express(gateway, double):
    """The caller is told by name, and so is the record."""
    answer = ask(gateway, "dropping", seed=7, logit_bias={"50256": -100})

    assert went(answer) == "d"
    assert set(answer.headers["x-turnout-dropped"].split(",")) == {"seed", "logit_bias"}
    assert not {"seed", "logit_bias"} & double.requests[-1].json.keys()
    assert set(str(gateway.requests(wait_for=1)[0]["dropped"]).split(",")) == {"seed", "logit_bias"}


def test_without_leave_it_is_refused_by_the_callers_field(gateway, double):
    """Nothing is sent, and the remedy is told."""
    answer = ask(gateway, "d", seed=7)

    assert answer.status == 400
    assert answer.json["error"]["param"] == "seed" and "drop" in answer.json["error"]["message"]
    assert double.requests == []


def test_a_target_that_can_express_it_is_preferred_to_a_refusal(gateway):
    """The next of the route takes what the first can't."""
    answer = ask(gateway, "strict", seed=7)

    assert went(answer) == "a"


def test_an_alias_is_its_route(gateway, double):
    """The same order, the same record."""
    failing(double, "m-a")

    assert went(ask(gateway, "gpt-4o-mini")) == "b"
    row = gateway.requests(wait_for=1)[0]
    assert (row["asked"], row["route"], row["deployment"]) == ("gpt-4o-mini", "order", "b")


def test_the_answer_tells_who_answered_and_why(gateway):
    """For every endpoint and for streams too."""
    for path, body in (
        (CHAT, {"messages": HI}),
        (CHAT, {"messages": HI, "stream": True}),
        ("/v1/responses", {"input": "hi"}),
        ("/v1/messages", {"messages": HI, "max_tokens": 9, "stream": True}),
    ):
        answer = post(gateway.url, path, {"model": "order", **body})
        assert went(answer) == "a"
        assert answer.headers["x-turnout-attempts"] == "1"
        assert answer.headers["x-turnout-reason"]
        assert answer.headers["x-request-id"].startswith("req_")


# ---- explain = execute -------------------------------------------------------------------

REQUESTS: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    (path, {"model": model, **body, **more}, headers)
    for path, body in (
        (CHAT, {"messages": HI}),
        ("/v1/responses", {"input": "hi"}),
        ("/v1/messages", {"messages": HI, "max_tokens": 99}),
    )
    for model in ("order", "split", "strict", "dropping", "d")
    for more in ({}, {"temperature": 0.5}, {"stream": True})
    for headers in ([], [("x-turnout-session", "s1")], [("x-turnout-session", "s5")])
] + [
    (CHAT, {"model": "split", "messages": [{"role": "user", "content": f"Hello {n}"}], **more}, [])
    for n in range(20)
    for more in ({}, {"seed": 1}, {"max_tokens": 3000})
]


def test_explain_tells_what_is_then_done(gateway):
    """For many requests of a key: the explained first candidate answers, in the lane and for the reason told."""
    went(ask(gateway, "a"))
    key = gateway.requests(wait_for=1)[0]["key_id"]
    for number, (path, body, headers) in enumerate(REQUESTS, 1):
        told = explained(gateway, path, body, headers=dict(headers), key=key)
        answer = post(gateway.url, path, body, headers)
        first = next(each for each in told["candidates"] if each["lane"] is not None)
        assert went(answer) == first["deployment"], (path, body, headers)
        assert answer.headers["x-turnout-reason"] == told["reason"]
        row = gateway.requests(wait_for=number + 1)[-1]
        attempt = gateway.attempts()[-1]
        assert (row["route"], attempt["lane"], attempt["dialect"]) == (told["route"], first["lane"], first["dialect"])
        assert row["session"] == told["features"]["session"]
        assert row["dropped"] == ",".join(first["dropped"])


def test_explain_tells_a_refusal_as_it_would_be(gateway):
    """The same status and words as the request itself gets."""
    for path, body in (
        (CHAT, {"model": "none-such", "messages": HI}),
        (CHAT, {"model": "order", "messages": HI, "max_tokens": 90_000}),
        ("/v1/embeddings", {"model": "d", "input": "hi"}),
    ):
        told = post(gateway.url, "/admin/explain", {"endpoint": path, "request": body}, key=gateway.admin_key)
        answer = post(gateway.url, path, body)
        said = told.json["error"] if told.status == 200 else {**told.json["error"], "status": told.status}
        assert (said["status"], said["message"]) == (answer.status, answer.json["error"]["message"])


def test_explain_sends_nothing(gateway, double):
    """And it is for administrators."""
    explained(gateway, CHAT, {"model": "order", "messages": HI})

    assert double.requests == []
    assert post(gateway.url, "/admin/explain", {"request": {}}).status == 403


def test_count_tokens_follows_the_same_route(gateway, double):
    """Counting asks the deployment that would answer."""
    double.script = lambda request: anthropic.count_tokens(9)
    answer = post(gateway.url, "/v1/messages/count_tokens", {"model": "strict", "messages": HI})

    assert answer.json == {"input_tokens": 9}
    assert double.requests[-1].model == "m-d"
