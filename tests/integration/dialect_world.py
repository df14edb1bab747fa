"""One gateway before four upstreams, one for each dialect spoken upstream; all four are the double."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import anthropic as anthropic_sdk
import openai as openai_sdk

from harness import KEY, Gateway, deployment, provider, running_gateway
from turnout.double import Answer, Double, Received, Reply, anthropic, gemini, openai, responses

UPSTREAMS = ("openai_chat", "openai_responses", "anthropic", "gemini")
"""Each is the name of a dialect, and of the route that leads to a deployment called in it."""


def config(url: str) -> str:
    """Vendors' own presets, so that their quirks hold, with the double's address in the place of theirs."""
    return (
        provider("openai", url + "/v1", preset="openai")
        + provider("anthropic", url, preset="anthropic")
        + provider("google", url + "/v1beta", preset="google")
        + deployment("openai_chat", "openai", "m-chat", 'context = 100000\nendpoints = ["openai_chat"]')
        + deployment("openai_responses", "openai", "m-responses", 'context = 100000\nendpoints = ["openai_responses"]')
        + deployment("anthropic", "anthropic", "m-claude", "context = 100000\nmax_output = 8192")
        + deployment("gemini", "google", "m-gemini")
    )


def in_dialect(request: Received, answer: Answer) -> Reply:
    """`answer` as the vendor of the request's path would give it."""
    path, body = request.path, request.json
    stream = body.get("stream") is True
    if path.endswith("/chat/completions"):
        options = body.get("stream_options")
        usage = isinstance(options, dict) and options.get("include_usage") is True
        return openai.chat_stream(answer, usage=usage) if stream else openai.chat(answer)
    if path.endswith("/responses"):
        return responses.responses_stream(answer) if stream else responses.responses(answer)
    if path.endswith("/messages"):
        return anthropic.messages_stream(answer) if stream else anthropic.messages(answer)
    if path.endswith(":streamGenerateContent"):
        return gemini.generate_stream(answer)
    if path.endswith(":generateContent"):
        return gemini.generate(answer)
    return openai.error(404, f"no endpoint {path}")


@dataclass(kw_only=True)
class World:
    """The gateway, the upstream, and clients with the test key that try once."""

    gateway: Gateway
    double: Double
    openai: openai_sdk.OpenAI
    anthropic: anthropic_sdk.Anthropic

    def says(self, answer: Answer) -> None:
        """What the upstream answers from now on."""
        self.double.script = lambda request: in_dialect(request, answer)

    @property
    def sent(self) -> Received:
        """What the upstream received last."""
        return self.double.requests[-1]


@contextlib.contextmanager
def clients(url: str, key: str = KEY) -> Iterator[tuple[openai_sdk.OpenAI, anthropic_sdk.Anthropic]]:
    """Both vendors' clients, pointed at a gateway, without retries of their own."""
    with (
        openai_sdk.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0) as one,
        anthropic_sdk.Anthropic(base_url=url, api_key=key, max_retries=0) as other,
    ):
        yield one, other


@contextlib.contextmanager
def world(tmp_path: Path, more: str = "", environ: Mapping[str, str] | None = None) -> Iterator[World]:
    """Runs all of it; `more` is TOML to add, in which `{url}` is the double's address."""
    with Double() as double:
        toml = config(double.url) + more.replace("{url}", double.url)
        with running_gateway(tmp_path, toml, environ) as gateway, clients(gateway.url) as (one, other):
            yield World(gateway=gateway, double=double, openai=one, anthropic=other)
