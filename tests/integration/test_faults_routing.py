"""Keep-alives, Retry-After, circuits and the retry budget, seen from both ends of the gateway."""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import openai as openai_sdk
import pytest
from fault_world import (
    PATHS,
    SPARE,
    SPEECHES,
    Speech,
    Told,
    ask,
    body,
    body_error,
    good,
    quick,
    record_of,
    route,
    stream_error,
    target,
    terminators,
    text_of,
    upstream,
    world,
)

from harness import KEY, Gateway
from turnout.double import Double, Received, Reply, Send, Stall, faults, sse

Replies = dict[str, Callable[[Received], Reply]]


def _streaming(request: Received) -> bool:
    return bool(request.json.get("stream"))


def _one(name: str, timeouts: str, *, attempts: int = 1, server: str = "") -> Callable[[Double], str]:
    """One chat deployment of that name, on a route `r`."""

    def config(double: Double) -> str:
        return (
            server
            + upstream("up", "chat", double.url)
            + target(name, "up", "chat", timeouts)
            + route("r", [name], attempts)
        )

    return config


@pytest.mark.parametrize("caller", SPEECHES)
def test_f6_pain_24_a_slow_first_token_is_bridged_by_pings_and_can_still_go_elsewhere(
    tmp_path: Path, caller: Speech
) -> None:
    """Keep-alives open the stream before the first word; then the next deployment answers in that same stream."""
    replies: Replies = {"mute": lambda _: faults.never_answers(), "spare": lambda r: good("chat", _streaming(r), SPARE)}

    def config(double: Double) -> str:
        text = "[server]\nkeepalive_seconds = 1\n" + upstream("up", "chat", double.url)
        text += target("mute", "up", "chat", quick(first_byte=2.2)) + target("spare", "up", "chat", quick())
        return text + route("r", ["mute", "spare"], 2) + route("alone", ["mute"])

    with world(tmp_path, replies, config) as (gateway, _):
        told, first = _timed(gateway, caller, "r")
        assert first < 2.0, "something arrives before the first deployment has given up"
        assert text_of(caller, told, True) == SPARE.text and terminators(caller, told) == 1
        record, attempts = record_of(gateway, told)
        assert (record["outcome"], [each["outcome"] for each in attempts]) == ("ok", ["error", "ok"])
        assert record["ttft_ms"] > 2000, "a ping is not a first token"

        told, _ = _timed(gateway, caller, "alone")
        assert told.status == 200 and stream_error(caller, told) and terminators(caller, told) == 0
        record, _ = record_of(gateway, told)
        assert (record["outcome"], record["error_code"], record["deployment"]) == ("error", "upstream_timeout", None)


def _timed(gateway: Gateway, caller: Speech, model: str):
    """The answer, and the seconds until the first byte of its body."""
    started = time.monotonic()
    content, first = b"", 99.0
    with (
        httpx.Client(timeout=10) as client,
        client.stream(
            "POST", gateway.url + PATHS[caller], json=body(caller, model, True), headers=gateway.headers
        ) as got,
    ):
        for piece in got.iter_raw():
            first = min(first, time.monotonic() - started)
            content += piece
        return Told(got.status_code, got.headers, content, 0.0), first


def test_a_caller_who_stops_reading_does_not_stop_the_pings_of_others(tmp_path: Path) -> None:
    """One task pings every stream; a full socket must not hold it up."""
    big = (
        b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"'
        + b"x" * 60000
        + b'"},"finish_reason":null}]}\n\n'
    )
    flood = dataclasses.replace(sse([]), body=(*([Send(big)] * 200), Stall()))
    replies: Replies = {"flood": lambda _: flood, "mute": lambda _: faults.never_answers()}

    def config(double: Double) -> str:
        text = "[server]\nkeepalive_seconds = 1\n" + upstream("up", "chat", double.url)
        return text + target("flood", "up", "chat", quick(9, 9, 30)) + target("mute", "up", "chat", quick(4, 4, 30))

    with world(tmp_path, replies, config) as (gateway, _):
        host, port = gateway.url.removeprefix("http://").split(":")
        sent = json.dumps(body("chat", "flood", True)).encode()
        with socket.socket() as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.connect((host, int(port)))
            lazy.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer "
                + KEY.encode()
                + b"\r\ncontent-length: %d\r\n\r\n" % len(sent)
                + sent
            )
            time.sleep(1.5)
            _, first = _timed(gateway, "chat", "mute")
    assert first < 3.0


FORMS = {
    "seconds": ({"retry_after": "7"}, 7, 7),
    "milliseconds": ({"retry_after_ms": "1500"}, 2, 2),
    "date": ({"retry_after": "DATE"}, 27, 31),
    "aeon": ({"retry_after": str(10**9)}, 60, 60),
    "negative": ({"retry_after": "-5"}, 0, 1),
    "words": ({"retry_after": "soon"}, None, None),
    "none": ({}, None, None),
}


@pytest.mark.parametrize("form", FORMS)
def test_f14_f15_every_form_of_retry_after_is_read_and_clamped(tmp_path: Path, form: str) -> None:
    """The caller is told the provider's delay, at most a minute; nonsense is as good as none."""
    headers, least, most = FORMS[form]

    def limited(_request: Received) -> Reply:
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
        return faults.status(429, **{k: v.replace("DATE", date) for k, v in headers.items()})

    with world(tmp_path, {"m": limited}, _one("m", quick())) as (gateway, _):
        told = ask(gateway, "chat", body("chat", "r", False))
        assert told.status == 429
        if least is None:
            assert "retry-after" not in told.headers
        else:
            assert least <= int(told.headers["retry-after"]) <= most
            assert int(told.headers["retry-after-ms"]) <= 60_000
        assert told.headers["x-should-retry"] == "true"


def test_f14_retry_after_is_respected_for_the_deployment_that_said_it(tmp_path: Path) -> None:
    """The next request goes straight to the other deployment, without asking the limited one again."""
    replies: Replies = {
        "a": lambda _: faults.status(429, retry_after="30"),
        "b": lambda r: good("chat", _streaming(r), SPARE),
    }

    def config(double: Double) -> str:
        text = upstream("up", "chat", double.url) + target("a", "up", "chat") + target("b", "up", "chat")
        return text + route("r", ["a", "b"], 2) + route("only", ["a"])

    with world(tmp_path, replies, config) as (gateway, double):
        for expected in (2, 1, 1):
            told = ask(gateway, "chat", body("chat", "r", False))
            assert told.headers["x-turnout-attempts"] == str(expected)
        told = ask(gateway, "messages", body("messages", "only", False))
        assert told.status == 503 and body_error("messages", told)["message"]
        assert 25 <= int(told.headers["retry-after"]) <= 30
        assert [each.model for each in double.requests].count("a") == 1


def test_f16_the_circuit_opens_at_five_failures_and_lets_one_probe_through(tmp_path: Path) -> None:
    """Five 500s open it, then nothing is sent; when it is half open exactly one of six requests goes through."""
    broken = threading.Event()
    broken.set()

    def reply(request: Received) -> Reply:
        return faults.status(500) if broken.is_set() else faults.slow_first_byte(good("chat", False), 0.3)

    server = "[breaker]\nfailures = 5\nopen_seconds = 1\n"
    with world(tmp_path, {"m": reply}, _one("m", quick(2, 2, 5), server=server)) as (gateway, double):
        statuses = [ask(gateway, "chat", body("chat", "r", False)).status for _ in range(9)]
        assert statuses == [502] * 5 + [503] * 4
        assert len(double.requests) == 5
        broken.clear()
        time.sleep(1.05)
        with ThreadPoolExecutor(6) as pool:
            told = list(pool.map(lambda _: ask(gateway, "chat", body("chat", "r", False)), range(6)))
        assert sorted(each.status for each in told) == [200] + [503] * 5
        assert all("retry-after" in each.headers for each in told if each.status == 503)
        assert len(double.requests) == 6
        assert ask(gateway, "chat", body("chat", "r", False)).status == 200, "the good probe closed it"


def test_pain_20_the_chain_is_that_of_the_asked_route_to_its_end(tmp_path: Path) -> None:
    """A deployment that stands in two routes fails over along the route that the caller named."""
    replies: Replies = {name: (lambda _: faults.status(500)) for name in ("a", "b")}
    replies |= {"c": lambda r: good("chat", _streaming(r), SPARE), "d": lambda r: good("chat", _streaming(r), SPARE)}

    def config(double: Double) -> str:
        text = upstream("up", "chat", double.url) + "".join(target(name, "up", "chat") for name in "abcd")
        return text + route("long", ["a", "b", "c"], 3) + route("other", ["a", "d"], 3)

    with world(tmp_path, replies, config) as (gateway, _):
        for stream in (True, False):
            told = ask(gateway, "responses", body("responses", "long", stream))
            assert told.headers["x-turnout-deployment"] == "c"
            _, attempts = record_of(gateway, told)
            assert [each["deployment"] for each in attempts] == ["a", "b", "c"]
        assert ask(gateway, "chat", body("chat", "other", True)).headers["x-turnout-deployment"] == "d"


def test_a_failure_is_tried_again_three_times_at_most(tmp_path: Path) -> None:
    """500s without an end give three attempts; a 500 that passes gives two and a good answer."""
    fails = iter([500, 500, 500, 500])

    def reply(_request: Received) -> Reply:
        code = next(fails, None)
        return faults.status(code) if code else good("chat", False)

    with world(tmp_path, {"m": reply}, _one("m", quick(), attempts=3)) as (gateway, double):
        assert ask(gateway, "chat", body("chat", "r", False)).status == 502
        assert len(double.requests) == 3
        told = ask(gateway, "chat", body("chat", "r", False))
        assert told.status == 200 and told.headers["x-turnout-attempts"] == "2"


@pytest.mark.parametrize("name", ["reset", "silent", "cut", "empty"])
def test_what_may_have_been_billed_is_never_sent_again_to_the_same_deployment(tmp_path: Path, name: str) -> None:
    """After the request went out whole and no answer came, one more deployment may be asked, and no third."""
    made = {
        "reset": faults.reset_before_headers(),
        "silent": faults.never_answers(),
        "cut": faults.half_a_body(good("chat", False)),
        "empty": faults.empty_200(),
    }
    replies: Replies = {each: (lambda _: made[name]) for each in "abc"}

    def config(double: Double) -> str:
        text = upstream("up", "chat", double.url) + "".join(target(each, "up", "chat", quick()) for each in "abc")
        return text + route("one", ["a"], 3) + route("three", ["a", "b", "c"], 3)

    with world(tmp_path, replies, config) as (gateway, double):
        told = ask(gateway, "chat", body("chat", "one", False))
        assert told.status in (502, 504) and len(double.requests) == 1
        _, attempts = record_of(gateway, told)
        assert attempts[0]["estimated"] == 1 and attempts[0]["input_tokens"] > 0
        told = ask(gateway, "chat", body("chat", "three", False))
        assert [each.model for each in double.requests] == ["a", "a", "b"]


def test_f17_i17_a_full_outage_is_not_multiplied(tmp_path: Path) -> None:
    """200 requests into an outage: no deployment gets more than 1.1 times that and a small floor, with the circuits
    kept shut so that only the budget holds the retries back."""
    replies: Replies = {each: (lambda _: faults.status(500)) for each in "ab"}

    def config(double: Double) -> str:
        text = "[breaker]\nfailures = 1000\n" + upstream("up", "chat", double.url)
        text += target("a", "up", "chat") + target("b", "up", "chat")
        return text + route("one", ["a"], 3) + route("two", ["a", "b"], 3)

    # The rate rule of the circuit can't be switched off; what it holds back would hide the budget, so count per ask.
    with world(tmp_path, replies, config) as (gateway, double):
        with ThreadPoolExecutor(16) as pool:
            told = list(pool.map(lambda n: ask(gateway, "chat", body("chat", "two", n % 2 == 0)), range(200)))
        assert {each.status for each in told} <= {502, 503}
        asked = [each.model for each in double.requests]
        assert asked.count("a") <= 200 * 1.1 + 5 and asked.count("b") <= 200 * 1.1 + 5
        attempts = gateway.attempts()
        assert len(attempts) == len(asked)


def test_f17_the_budget_alone_holds_back_retries(tmp_path: Path) -> None:
    """With a 429 that names no time the circuit stays out of it: 200 requests make at most 223 attempts."""
    with world(tmp_path, {"m": lambda _: faults.status(429)}, _one("m", quick(), attempts=3)) as (gateway, double):
        with ThreadPoolExecutor(16) as pool:
            told = list(pool.map(lambda _: ask(gateway, "chat", body("chat", "r", False)), range(200)))
        assert {each.status for each in told} == {429}
        assert 200 < len(double.requests) <= 200 * 1.1 + 6


def test_a_key_refused_upstream_is_never_told_as_the_callers(tmp_path: Path) -> None:
    """I15: the provider's 401, as a status and as an error event, is our fault and not the caller's key."""
    event = b'event: error\ndata: {"type":"error","error":{"type":"authentication_error","message":"bad key"}}\n\n'
    replies: Replies = {"status": lambda _: faults.status(401), "event": lambda _: sse([event])}

    def config(double: Double) -> str:
        return (
            upstream("up", "messages", double.url)
            + target("status", "up", "messages")
            + target("event", "up", "messages")
        )

    with world(tmp_path, replies, config) as (gateway, _):
        for model in replies:
            for caller in SPEECHES:
                told = ask(gateway, caller, body(caller, model, True))
                assert told.status == 502 or told.status == 503, told.content
                assert "authentication" not in str(body_error(caller, told)["type"])


def test_the_openai_client_sees_every_failed_stream_as_an_error(tmp_path: Path) -> None:
    """A cut stream raises in the real client, which takes a mere end for success."""
    replies: Replies = {"m": lambda _: faults.cut_after(good("chat", True), 5)}
    with world(tmp_path, replies, _one("m", quick())) as (gateway, _):
        client = openai_sdk.OpenAI(base_url=gateway.url + "/v1", api_key=KEY, max_retries=0)
        with pytest.raises(openai_sdk.APIError):
            for _ in client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}], stream=True
            ):
                pass
        client.close()
