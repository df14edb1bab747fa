"""One gateway before one scripted upstream for a whole table of faults: every case has deployments of its own, so that
no circuit that one case opens is seen by another."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from harness import Gateway, deployment, provider, running_gateway
from turnout.double import Answer, Double, Received, Reply, Tokens, anthropic, faults, openai, responses

Speech = Literal["chat", "messages", "responses"]
SPEECHES: tuple[Speech, ...] = ("chat", "messages", "responses")

PATHS: dict[Speech, str] = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
PRESETS: dict[Speech, str] = {"chat": "openai_compatible", "messages": "anthropic", "responses": "openai"}
ENDPOINTS: dict[Speech, str] = {"chat": "openai_chat", "messages": "anthropic", "responses": "openai_responses"}
OTHER: dict[Speech, Speech] = {"chat": "messages", "messages": "chat", "responses": "chat"}
WORDS = "Hello one two three four five six seven eight nine ten eleven twelve."
GOOD = Answer(text=WORDS, tokens=Tokens(input=11, output=23))
SPARE = Answer(text="The spare answers.", tokens=Tokens(input=5, output=3))
"""What the second deployment of a route says."""


def good(speech: Speech, stream: bool, answer: Answer = GOOD) -> Reply:
    """A sound answer in a dialect."""
    if speech == "chat":
        return openai.chat_stream(answer) if stream else openai.chat(answer)
    if speech == "messages":
        return anthropic.messages_stream(answer) if stream else anthropic.messages(answer)
    return responses.responses_stream(answer) if stream else responses.responses(answer)


PREFACE: dict[Speech, int] = {"chat": 1, "messages": 3, "responses": 4}
"""Events of a stream before the first word."""


def body(speech: Speech, model: str, stream: bool, text: str = "hi") -> dict[str, object]:
    """The smallest request of a dialect."""
    if speech == "responses":
        return {"model": model, "input": text, "stream": stream}
    request: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
    if speech == "messages":
        request["max_tokens"] = 100
    return request


def upstream(name: str, speech: Speech, url: str, extra: str = "") -> str:
    """The TOML of a provider that speaks one dialect."""
    return provider(
        name,
        url if speech == "messages" else url + "/v1",
        preset=PRESETS[speech],
        extra='models = ["unused"]\n' + extra,
    )


def target(name: str, provider_name: str, speech: Speech, extra: str = "") -> str:
    """The TOML of a deployment whose upstream model has its own name, so that the script can tell it."""
    return deployment(f'"{name}"', provider_name, name, f'endpoints = ["{ENDPOINTS[speech]}"]\n{extra}')


@dataclass(frozen=True)
class Told:
    """What a caller saw."""

    status: int
    headers: httpx.Headers
    content: bytes
    seconds: float
    broken: bool = False
    """The connection ended inside the body."""

    @property
    def events(self) -> list[dict[str, object]]:
        """The data of every event in order; `[DONE]` as {"type": "[DONE]"}."""
        found: list[dict[str, object]] = []
        for block in self.content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n"):
            lines = [line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:")]
            data = b"\n".join(lines)
            if data == b"[DONE]":
                found.append({"type": "[DONE]"})
            elif data:
                found.append(json.loads(data))
        return found

    @property
    def json(self) -> dict[str, object]:
        return json.loads(self.content)

    @property
    def request_id(self) -> str:
        return self.headers["x-request-id"]


def ask(gateway: Gateway, speech: Speech, request: dict[str, object], headers: dict[str, str] | None = None) -> Told:
    """Sends a request and reads its answer to the end, whatever it is. Fails after 10 seconds."""
    content = bytearray()
    broken = False
    sent = {"authorization": gateway.headers["authorization"], **(headers or {})}
    with (
        httpx.Client(timeout=10) as client,
        client.stream("POST", gateway.url + PATHS[speech], json=request, headers=sent) as response,
    ):
        try:
            for piece in response.iter_raw():
                content += piece
        except httpx.RemoteProtocolError:
            broken = True
        return Told(response.status_code, response.headers, bytes(content), response.elapsed.total_seconds(), broken)


def text_of(speech: Speech, told: Told, stream: bool) -> str:
    """The words of an answer."""
    if not stream:
        answer = told.json
        if speech == "chat":
            return answer["choices"][0]["message"]["content"] or ""  # type: ignore[index]
        if speech == "messages":
            return "".join(block.get("text", "") for block in answer["content"])  # type: ignore[union-attr]
        return "".join(part["text"] for item in answer["output"] for part in item.get("content", []))  # type: ignore[union-attr]
    words = ""
    for event in told.events:
        if speech == "chat":
            for choice in event.get("choices", []):  # type: ignore[union-attr]
                words += choice["delta"].get("content") or ""
        elif speech == "messages" and event["type"] == "content_block_delta":
            words += event["delta"].get("text", "")  # type: ignore[union-attr]
        elif speech == "responses" and event["type"] == "response.output_text.delta":
            words += str(event["delta"])
    return words


def terminators(speech: Speech, told: Told) -> int:
    """How often a stream says that it ended well."""
    good_end = {"chat": "[DONE]", "messages": "message_stop", "responses": "response.completed"}[speech]
    return sum(event.get("type") == good_end for event in told.events)


def stream_error(speech: Speech, told: Told) -> dict[str, object] | None:
    """The error that the last event tells in the caller's dialect, or None."""
    last = told.events[-1] if told.events else {}
    if speech == "chat":
        error = last.get("error")
    elif speech == "messages":
        error = last.get("error") if last.get("type") == "error" else None
    else:
        whole = last.get("response") if last.get("type") == "response.failed" else None
        error = whole.get("error") if isinstance(whole, dict) else None
    return error if isinstance(error, dict) else None


def body_error(speech: Speech, told: Told) -> dict[str, object]:
    """The error of a plain answer; fails where its shape is not the dialect's."""
    answer = told.json
    error = answer["error"]
    assert isinstance(error, dict) and error["message"], answer
    if speech == "messages":
        assert answer["type"] == "error" and answer["request_id"] == told.request_id
        assert set(error) == {"type", "message"}
    else:
        assert set(error) == {"message", "type", "param", "code"}
    return error


def record_of(gateway: Gateway, told: Told) -> tuple[dict[str, object], list[dict[str, object]]]:
    """The record of a request and its attempts. It is on disk a moment after the answer."""
    import time

    for _ in range(500):
        found = [row for row in gateway.rows("requests") if row["id"] == told.request_id]
        if found:
            attempts = [row for row in gateway.rows("attempts") if row["request_id"] == told.request_id]
            return found[0], sorted(attempts, key=lambda row: int(str(row["number"])))
        time.sleep(0.01)
    raise AssertionError(f"{told.request_id} has no record")


@contextlib.contextmanager
def world(
    folder: Path,
    replies: dict[str, Callable[[Received], Reply]],
    config: Callable[[Double], str],
    environ: dict[str, str] | None = None,
) -> Iterator[tuple[Gateway, Double]]:
    """A gateway and a double that answers by the model's name."""

    def script(request: Received) -> Reply:
        return replies[request.model](request)

    with Double(script) as double, running_gateway(folder, config(double), environ) as gateway:
        yield gateway, double


def quick(first_byte: float = 0.4, idle: float = 0.4, total: float = 5.0) -> str:
    """Short timeouts of a deployment."""
    return f"first_byte_timeout = {first_byte}\nidle_timeout = {idle}\ntotal_timeout = {total}\n"


def route(name: str, targets: Iterable[str], attempts: int = 1, extra: str = "") -> str:
    """The TOML of a route that keeps no conversation in place."""
    named = ", ".join(f'"{each}"' for each in targets)
    return f'\n[routes."{name}"]\ntargets = [{named}]\nmax_attempts = {attempts}\nsticky = false\n{extra}\n'


__all__ = ["faults"]


def deployment_of_every_kind(url: str) -> str:
    """`m` answers chat and completions, `embed` embeds."""
    text = provider("up", url + "/v1", extra='models = ["unused"]')
    text += deployment("m", "up", "echo-1", 'endpoints = ["openai_chat", "openai_completions"]')
    return text + deployment("embed", "up", "embed-1", 'endpoints = ["openai_embeddings"]')
