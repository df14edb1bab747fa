"""The streaming fault matrix: how each fault of an upstream ends for the caller, and what is written of it.

Rows S1 to S11 x the caller's dialect x stream or not x with and without a second deployment x the upstream's dialect.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from fault_world import (
    OTHER,
    PREFACE,
    SPARE,
    SPEECHES,
    WORDS,
    Speech,
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

from harness import Gateway
from turnout.double import Double, Reply, Send, Stall, Wait, anthropic, faults, raw

Make = Callable[[Speech], Reply]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A row of the matrix. `stream` and `whole` make the upstream's reply; None: the row has no such mode."""

    name: str
    stream: Make | None
    whole: Make | None
    status: int
    """What the caller sees where nothing had been sent yet."""
    code: str = "upstream_broken"
    committed: bool = False
    """Words came before the fault: the stream ends with an error event, and no other deployment is asked."""
    estimated: bool = True
    """The provider may have billed for it, and its counts never came."""
    retry_after: str | None = None
    anthropic_type: str = "api_error"


def _sse(name: Speech) -> Reply:
    return good(name, True)


def _json(name: Speech) -> Reply:
    return good(name, False)


def _half(name: Speech) -> Reply:
    """Half of the whole answer's bytes, then silence."""
    data = _json(name).content
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data)
    return raw(head + data[:40], Stall())


def _joined(reply: Reply) -> Reply:
    """The same stream in one write."""
    return dataclasses.replace(reply, body=(Send(reply.content),))


def _in_band(name: Speech) -> bytes:
    if name == "messages":
        return anthropic.in_band_error("Overloaded")
    if name == "chat":
        return b'data: {"error":{"message":"Overloaded","type":"server_error","code":503}}\n\n'
    failed = b'{"id":"resp_1","object":"response","status":"failed","output":[],"error":{"code":"server_is_overloaded","message":"Overloaded"}}'
    return (
        b'event: response.failed\ndata: {"type":"response.failed","sequence_number":3,"response":' + failed + b"}\n\n"
    )


FAULTS: tuple[Fault, ...] = (
    Fault(name="S1-refused", stream=_sse, whole=_json, status=502, code="upstream_unreachable", estimated=False),
    Fault(
        name="S2-429",
        stream=lambda _: faults.status(429, retry_after="7"),
        whole=lambda _: faults.status(429, retry_after="7"),
        status=429,
        code="rate_limit_exceeded",
        estimated=False,
        retry_after="7",
        anthropic_type="rate_limit_error",
    ),
    Fault(
        name="S3-500",
        stream=lambda _: faults.status(500),
        whole=lambda _: faults.status(500),
        status=502,
        code="upstream_error",
        estimated=False,
    ),
    Fault(
        name="S3-529",
        stream=lambda _: faults.status(529),
        whole=lambda _: faults.status(529),
        status=503,
        code="overloaded",
        estimated=False,
        anthropic_type="overloaded_error",
    ),
    Fault(
        name="S4-slow",
        stream=lambda name: faults.slow_first_byte(_sse(name), 3),
        whole=lambda name: faults.slow_first_byte(_json(name), 3),
        status=504,
        code="upstream_timeout",
        anthropic_type="timeout_error",
    ),
    Fault(
        name="S5-cut",
        stream=lambda name: faults.cut_after(_sse(name), PREFACE[name] + 4),
        whole=lambda name: faults.half_a_body(_json(name)),
        status=502,
        committed=True,
    ),
    Fault(
        name="S5-reset",
        stream=lambda name: faults.cut_after(_sse(name), PREFACE[name] + 4, reset=True),
        whole=None,
        status=502,
        committed=True,
    ),
    Fault(
        name="S5-end-without-finish",  # the framing is whole, the answer is not
        stream=lambda name: dataclasses.replace(_sse(name), body=_sse(name).body[: PREFACE[name] + 4]),
        whole=None,
        status=502,
        committed=True,
    ),
    Fault(
        name="S5-cut-before-words",
        stream=lambda name: faults.cut_after(_sse(name), 1),
        whole=None,
        status=502,
    ),
    Fault(
        name="S6-stall",
        stream=lambda name: faults.stall(_sse(name), PREFACE[name] + 4),
        whole=_half,
        status=504,
        code="upstream_timeout",
        committed=True,
        anthropic_type="timeout_error",
    ),
    Fault(
        name="S7-malformed",
        stream=lambda name: faults.malformed_line(_sse(name), PREFACE[name] + 4),
        whole=lambda name: faults.truncated_json(_json(name)),
        status=502,
        committed=True,
    ),
    Fault(
        name="S7-malformed-first",
        stream=lambda name: faults.malformed_line(_sse(name), 0),
        whole=None,
        status=502,
    ),
    Fault(
        name="S7-malformed-one-write",  # words, the bad line and the terminal event in one read: nothing is out yet
        stream=lambda name: _joined(faults.malformed_line(_sse(name), PREFACE[name] + 4)),
        whole=None,
        status=502,
    ),
    Fault(
        name="S8-error-body",
        stream=lambda _: faults.error_200(),
        whole=lambda _: faults.error_200(),
        status=502,
        code="server_error",
    ),
    Fault(
        name="S8-error-event-first",
        stream=lambda name: faults.error_in_band(_sse(name), 0, _in_band(name)),
        whole=None,
        status=503,
        code="*",
        anthropic_type="overloaded_error",
    ),
    Fault(
        name="F29-error-event-later",
        stream=lambda name: faults.error_in_band(_sse(name), PREFACE[name] + 4, _in_band(name)),
        whole=None,
        status=503,
        code="*",
        committed=True,
        anthropic_type="overloaded_error",
    ),
    Fault(
        name="S9-empty", stream=lambda _: faults.empty_200(stream=True), whole=lambda _: faults.empty_200(), status=502
    ),
    Fault(
        name="S9-no-words",  # opens and closes properly and says nothing
        stream=lambda name: dataclasses.replace(_sse(name), body=_sse(name).body[:1]),
        whole=None,
        status=502,
    ),
    Fault(name="F18-html", stream=lambda _: faults.html_200(), whole=lambda _: faults.html_200(), status=502),
    Fault(
        name="F20-utf8",
        stream=lambda name: faults.invalid_utf8(_sse(name)),
        whole=lambda name: faults.invalid_utf8(_json(name)),
        status=502,
    ),
    Fault(
        name="F23-huge-line",
        stream=lambda name: faults.huge_line(_sse(name), PREFACE[name] + 4, 3 << 20),
        whole=None,
        status=502,
        committed=True,
    ),
    Fault(
        name="F26-redirect",
        stream=lambda _: faults.redirect("http://127.0.0.1:9/steal"),
        whole=lambda _: faults.redirect("http://127.0.0.1:9/steal"),
        status=502,
        code="upstream_redirect",
        estimated=False,
    ),
    Fault(
        name="F27-header-flood",
        stream=lambda _: faults.long_header(),
        whole=lambda _: faults.long_header(),
        status=502,
    ),
    Fault(name="F27-nul", stream=lambda _: faults.nul_header(), whole=lambda _: faults.nul_header(), status=502),
    Fault(name="F27-not-http", stream=lambda _: faults.not_http(), whole=lambda _: faults.not_http(), status=502),
    Fault(
        name="F25-gzip",
        stream=lambda _: faults.gzip_bomb(1 << 20),
        whole=lambda _: faults.gzip_bomb(1 << 20),
        status=502,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One cell of the matrix."""

    fault: Fault
    caller: Speech
    called: Speech
    stream: bool
    fallback: bool

    @property
    def id(self) -> str:
        mode = "stream" if self.stream else "whole"
        return f"{self.fault.name}.{self.caller}-{self.called}.{mode}.{'spare' if self.fallback else 'alone'}"

    def reply(self) -> Reply:
        make = self.fault.stream if self.stream else self.fault.whole
        assert make is not None, "only modes that the row has are cases"
        reply = make(self.called)
        if self.committed:  # the pause lets the first words out before the fault arrives
            at = PREFACE[self.called] + 3
            reply = dataclasses.replace(reply, body=(*reply.body[:at], Wait(0.03), *reply.body[at:]))
        return reply

    @property
    def committed(self) -> bool:
        return self.stream and self.fault.committed


CASES = [
    Case(fault=fault, caller=caller, called=called, stream=stream, fallback=fallback)
    for fault in FAULTS
    for caller in SPEECHES
    for called in (caller, OTHER[caller])
    for stream in (True, False)
    if (fault.stream if stream else fault.whole) is not None
    for fallback in (False, True)
]


def _config(double: Double) -> str:
    text = "[server]\nkeepalive_seconds = 60\n"
    closed = f"http://127.0.0.1:{faults.closed_port()}"
    for speech in SPEECHES:
        text += upstream(f"up-{speech}", speech, double.url) + upstream(f"closed-{speech}", speech, closed)
        for mode in ("stream", "whole"):
            text += target(f"spare.{speech}.{mode}", f"up-{speech}", speech)
    for case in CASES:
        where = "closed" if case.fault.name == "S1-refused" else "up"
        text += target(f"dep.{case.id}", f"{where}-{case.called}", case.called, quick())
        names = [f"dep.{case.id}"]
        if case.fallback:
            names.append(f"spare.{case.called}.{'stream' if case.stream else 'whole'}")
        text += route(case.id, names, len(names))
    return text


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for the whole table."""
    replies = {f"dep.{case.id}": (lambda _request, case=case: case.reply()) for case in CASES}
    for speech in SPEECHES:
        replies[f"spare.{speech}.stream"] = lambda _request, speech=speech: good(speech, True, SPARE)
        replies[f"spare.{speech}.whole"] = lambda _request, speech=speech: good(speech, False, SPARE)
    with world(tmp_path_factory.mktemp("matrix"), replies, _config) as (running, _):
        yield running


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_pain_19_21_22_24_25_every_fault_is_told(gateway: Gateway, case: Case) -> None:
    """A fault before the first word goes to the next deployment or becomes an HTTP error; one after it becomes an error
    event. No fault is a clean success, and each attempt is on record with how it ended."""
    told = ask(gateway, case.caller, body(case.caller, case.id, case.stream))
    request, attempts = record_of(gateway, told)

    assert not told.broken, "the answer's framing is whole"
    assert request["route"] == case.id, "the chain is the one that the caller asked for"
    if case.committed:
        _cut_off(case, told, request, attempts)
    elif case.fallback:
        _answered_elsewhere(case, told, request, attempts)
    else:
        _refused(case, told, request, attempts)


def _cut_off(case: Case, told, request, attempts) -> None:
    assert told.status == 200
    error = stream_error(case.caller, told)
    assert error is not None and error["message"], told.content
    if case.caller == "messages":
        assert error["type"] == case.fault.anthropic_type
    assert terminators(case.caller, told) == 0
    words = text_of(case.caller, told, True)
    assert words and WORDS.startswith(words), "what came before the fault is passed on, and nothing else"
    assert (request["outcome"], request["status"]) == ("truncated", 200)
    assert [each["outcome"] for each in attempts] == ["truncated"], "nothing is tried again after the first word"
    assert attempts[0]["estimated"] == 1 and attempts[0]["output_tokens"] > 1 and attempts[0]["input_tokens"] > 0
    assert attempts[0]["error_code"] == request["error_code"] is not None


def _answered_elsewhere(case: Case, told, request, attempts) -> None:
    assert told.status == 200, told.content
    assert text_of(case.caller, told, case.stream) == SPARE.text
    if case.stream:
        assert terminators(case.caller, told) == 1 and stream_error(case.caller, told) is None
    assert told.headers["x-turnout-deployment"] == request["deployment"] == attempts[1]["deployment"]
    assert told.headers["x-turnout-deployment"].startswith("spare.")
    assert (request["outcome"], request["error_code"]) == ("ok", None)
    assert [each["outcome"] for each in attempts] == ["error", "ok"]
    assert attempts[0]["estimated"] == case.fault.estimated
    assert (attempts[1]["estimated"], attempts[1]["output_tokens"]) == (0, 3)
    assert _is(case.fault.code, attempts[0]["error_code"])


def _refused(case: Case, told, request, attempts) -> None:
    assert told.status == case.fault.status, told.content
    assert told.headers["content-type"] == "application/json"
    error = body_error(case.caller, told)
    if case.caller == "messages":
        assert error["type"] == case.fault.anthropic_type
    else:
        assert _is(case.fault.code, error["code"])
    assert told.headers.get("retry-after") == case.fault.retry_after
    assert (request["outcome"], request["status"], request["deployment"]) == ("error", case.fault.status, None)
    assert _is(case.fault.code, request["error_code"])
    assert [each["outcome"] for each in attempts] == ["error"]
    assert attempts[0]["estimated"] == case.fault.estimated
    assert bool(attempts[0]["input_tokens"]) == case.fault.estimated


def _is(expected: str, code: object) -> bool:
    return bool(code) if expected == "*" else code == expected
