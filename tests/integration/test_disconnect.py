"""A caller who leaves: the provider is hung up on within a second, the record says so, and nothing is left behind."""

from __future__ import annotations

import json
import random
import socket
import time
from pathlib import Path

import pytest
from fault_world import (
    PATHS,
    PREFACE,
    SPEECHES,
    Speech,
    ask,
    body,
    good,
    target,
    text_of,
    upstream,
    world,
)

from harness import KEY, Gateway
from turnout.double import Answer, Double, Received, Reply, Tokens, faults

PHASES = ("headers", "first word", "words", "whole")


def _reply(request: Received) -> Reply:
    speech: Speech = "messages" if request.path.endswith("messages") else "chat"
    stream = bool(request.json.get("stream"))
    phase = request.model.partition("-")[0]
    if phase in ("headers", "whole") or (phase != "echo" and not stream):
        return faults.never_answers()
    if phase == "first":
        return faults.stall(good(speech, stream), PREFACE[speech] - 1)
    if phase == "words":
        return faults.stall(good(speech, stream), PREFACE[speech] + 5)
    said = str(request.json["messages"][-1]["content"])  # type: ignore[index]
    return good(speech, stream, Answer(text=said, tokens=Tokens(input=1, output=1)))


def _config(double: Double) -> str:
    text = upstream("up-chat", "chat", double.url) + upstream("up-messages", "messages", double.url)
    for phase in ("headers", "first", "words", "whole", "echo"):
        text += target(f"{phase}-chat", "up-chat", "chat") + target(f"{phase}-messages", "up-messages", "messages")
    return text


def _open(gateway: Gateway, speech: Speech, model: str, stream: bool, text: str = "hi") -> socket.socket:
    """Sends a request and reads nothing."""
    host, port = gateway.url.removeprefix("http://").split(":")
    data = json.dumps(body(speech, model, stream, text)).encode()
    head = f"POST {PATHS[speech]} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(data)}\r\n\r\n"
    connection = socket.create_connection((host, int(port)), timeout=5)
    connection.sendall(head.encode() + data)
    return connection


@pytest.mark.parametrize("called", ["chat", "messages"])
@pytest.mark.parametrize("speech", SPEECHES)
@pytest.mark.parametrize("phase", PHASES)
def test_i12_the_upstream_is_closed_within_a_second_of_a_callers_leaving(
    tmp_path: Path, phase: str, speech: Speech, called: Speech
) -> None:
    """While it waits for headers, for the first word, after some words and without a stream."""
    with world(
        tmp_path,
        dict.fromkeys([f"{each}-{called}" for each in ("headers", "first", "words", "whole")], _reply),
        _config,
    ) as (
        gateway,
        double,
    ):
        caller = _open(gateway, speech, f"{phase.partition(' ')[0]}-{called}", phase != "whole")
        assert double.wait_for(lambda d: len(d.requests) == 1)
        if phase == "words":
            assert caller.recv(100)
        time.sleep(0.1)
        left = double.clock.monotonic()
        caller.close()
        assert double.wait_for(lambda d: d.open_connections == 0), "the provider was not hung up on"
        closed_at = double.connections[0].closed_at
        assert closed_at is not None and closed_at - left < 1.0 and double.connections[0].closed_by_peer
        [record] = gateway.requests(wait_for=1)
        [attempt] = gateway.attempts()
        assert (record["outcome"], attempt["outcome"]) == ("cancelled", "cancelled")
        assert record["status"] == (200 if phase == "words" else 499)
        if phase == "words":
            assert attempt["estimated"] == 1 and attempt["output_tokens"] > 1
        while gateway.running.services.traffic.in_flight and double.clock.monotonic() - left < 3:
            time.sleep(0.01)  # the record is on disk a moment before its task has ended
        assert gateway.running.services.traffic.in_flight == 0
        assert gateway.running.services.health.snapshot().of(f"{phase.partition(' ')[0]}-{called}").in_flight == 0


def test_i12_two_hundred_random_cancels_leave_nothing_and_mix_nothing_up(tmp_path: Path) -> None:
    """After them every pool slot is free, and each later request reads its own answer and no other's."""
    chance = random.Random(7)
    names = [f"{phase}-{called}" for phase in ("headers", "first", "words", "echo") for called in ("chat", "messages")]
    with world(tmp_path, dict.fromkeys(names, _reply), _config) as (gateway, double):
        ask(gateway, "chat", body("chat", "echo-chat", False, "warm"))
        for number in range(200):
            speech = chance.choice(SPEECHES)
            caller = _open(gateway, speech, chance.choice(names), chance.random() < 0.7, f"cancelled-{number}")
            time.sleep(chance.choice((0, 0, 0.001, 0.005, 0.02)))
            caller.close()
            if number % 10 == 0:
                said = f"mine-{number}"
                told = ask(gateway, "chat", body("chat", "echo-chat", number % 20 == 0, said))
                assert text_of("chat", told, number % 20 == 0) == said
        services = gateway.running.services
        deadline = time.monotonic() + 5
        transport = services.transport._http  # type: ignore[attr-defined]
        while time.monotonic() < deadline and (services.traffic.in_flight or transport.connections_in_use):
            time.sleep(0.02)
        assert (services.traffic.in_flight, transport.connections_in_use) == (0, 0)
        for health in (services.health.snapshot().of(name) for name in names):
            assert health.in_flight == 0
        started = {row["request_id"] for row in gateway.attempts()}
        recorded = {row["id"] for row in gateway.requests()}
        assert started <= recorded
        # A caller who left before the connection was up has an attempt on record that reached nobody.
        assert len(gateway.attempts()) >= len(double.requests)


def test_a_caller_who_leaves_inside_the_body_costs_nothing(tmp_path: Path) -> None:
    """Half a request body and a closed socket reach no provider and leave no request in flight."""
    with world(tmp_path, {}, _config) as (gateway, double):
        host, port = gateway.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as caller:
            caller.sendall(
                f"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ncontent-length: 500\r\n\r\n".encode()
                + b'{"mod'
            )
            time.sleep(0.1)
        [record] = gateway.requests(wait_for=1)
        assert (record["outcome"], record["status"], len(double.requests)) == ("cancelled", 499, 0)
        assert gateway.running.services.traffic.in_flight == 0
