"""Secrets go where they belong and nowhere else, and a request's body has no say in where anything goes."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from fault_world import PATHS, SPEECHES, Speech, body, good, target, upstream

from harness import Gateway, running_gateway
from turnout.double import Double, Received, Reply, anthropic, faults, openai

CANARIES = {
    "UPSTREAM_KEY": "sk-canaryprovider-Zq8xV3mK1pL7",
    "TEST_KEY": "sk-canaryuser-Rt5wB9nH2dF4jY6s",
    "TURNOUT_ADMIN_KEY": "canaryadmin-Jc7gM4vX1zQ9bN3kT5uW",
    "TURNOUT_PEPPER": "canarypepper-Hy2sL8fD6aP0oI4eU7qE1rT3",
}
PROMPT = "canaryprompt-Gw4tK9"


def _forms(secret: str) -> Iterator[bytes]:
    """The ways in which a secret can stand in a sink."""
    raw = secret.encode()
    yield raw
    yield raw[-12:]
    yield base64.b64encode(raw).rstrip(b"=")[:-1]
    yield raw.hex().encode()
    yield raw[::-1]
    yield quote(secret, safe="").encode()


def _script(request: Received) -> Reply:
    """Each model fails in its own way; some quote our key, as providers do."""
    stream = bool(request.json.get("stream"))
    speech: Speech = "messages" if request.path.endswith("messages") else "chat"
    key = request.headers.get("authorization", request.headers.get("x-api-key", ""))
    match request.model.rpartition("-")[2]:
        case "401":
            said = f"Incorrect API key provided: {key}."
            return openai.error(401, said) if speech == "chat" else anthropic.error(401, said)
        case "500":
            return faults.status(500)
        case "cut":
            return faults.cut_after(good(speech, stream), 4)
        case "html":
            return faults.html_200()
        case "reset":
            return faults.reset_before_headers()
        case "redirect":
            return faults.redirect("http://127.0.0.1:1/")
        case "junk":
            return faults.not_http()
        case _:
            return good(speech, stream)


KINDS = ("good", "401", "500", "cut", "html", "reset", "redirect", "junk")


@pytest.mark.parametrize("style", ["json", "text"])
def test_i5_no_secret_and_no_prompt_occurs_in_any_sink(tmp_path: Path, style: str) -> None:
    """Log at debug, error bodies, headers, metrics, explain, model lists, readiness and the database: with faults of
    every kind, bad keys and admin calls, none holds a provider's key, a caller's, the admin's or the pepper."""
    with Double(_script) as double:
        config = f'[log]\nlevel = "debug"\nrequests = true\nformat = "{style}"\n[breaker]\nfailures = 1000\n'
        for speech in ("chat", "messages"):
            config += upstream(f"up-{speech}", speech, double.url)
            config += "".join(target(f"{speech}-{kind}", f"up-{speech}", speech) for kind in KINDS)
        with running_gateway(tmp_path, config, CANARIES) as gateway:
            seen = b"".join(_everything(gateway)) + gateway.log.getvalue().encode()
            assert len(double.requests) > 90
            with closing(sqlite3.connect(f"file:{gateway.database}?mode=ro", uri=True)) as connection:
                seen += "\n".join(connection.iterdump()).encode()
            for file in gateway.database.parent.glob("turnout.db*"):
                seen += file.read_bytes()
    for name, secret in {**CANARIES, "prompt": PROMPT}.items():
        for form in _forms(secret):
            assert form not in seen, f"{name} was found as {form!r}: {seen[max(0, seen.index(form) - 200) :][:300]!r}"
    assert b"Traceback" not in seen


def _everything(gateway: Gateway) -> Iterator[bytes]:
    """All that a caller and an administrator can be told."""
    user, admin = CANARIES["TEST_KEY"], CANARIES["TURNOUT_ADMIN_KEY"]
    with httpx.Client(base_url=gateway.url, timeout=10) as client:

        def told(method: str, path: str, key: str, value: object = None, **headers: str) -> bytes:
            sent = {"authorization": f"Bearer {key}", **headers}
            answer = client.request(method, path, headers=sent, content=json.dumps(value) if value else None)
            return repr(answer.headers.raw).encode() + answer.content

        for kind in KINDS:
            for called in ("chat", "messages"):
                for speech in SPEECHES:
                    for stream in (True, False):
                        request = body(speech, f"{called}-{kind}", stream, PROMPT)
                        yield told("POST", PATHS[speech], user, request)
        for speech in SPEECHES:
            yield told("POST", PATHS[speech], user + "x")
            yield told("POST", PATHS[speech], user, {"model": 5})
            yield told("POST", PATHS[speech], user, body(speech, "nobody", True, PROMPT), **{"x-api-key": admin})
        for path in ("/metrics", "/readyz", "/healthz", "/v1/models", "/admin/keys"):
            yield told("GET", path, admin)
            yield told("GET", path, user)
        request = body("chat", "chat-good", False)
        yield told("POST", "/admin/explain", admin, {"endpoint": "/v1/chat/completions", "request": request})
        yield told("POST", "/admin/reload", admin)


STEERING: dict[str, object] = {
    "api_base": "http://127.0.0.1:9/",
    "base_url": "http://127.0.0.1:9/",
    "api_key": "sk-callers-own",
    "custom_llm_provider": "evil",
    "headers": {"x-evil": "1"},
    "extra_headers": {"x-evil": "1"},
    "extra_body": {"x": 1},
    "organization": "org-evil",
    "proxy": "http://127.0.0.1:9/",
    "chat_template": "{{ evil }}",
    "request_timeout": 0,
    "deployment_id": "other",
}


@pytest.mark.parametrize("speech", SPEECHES)
def test_i19_a_body_can_choose_no_host_no_header_and_no_key(tmp_path: Path, speech: Speech) -> None:
    """Fields that steer other gateways are at most unknown JSON here: host, headers and key are the configuration's."""
    with Double() as double:
        config = upstream("up", speech, double.url) + target("m", "up", speech)
        with running_gateway(tmp_path, config) as gateway, httpx.Client(timeout=10) as client:
            for field, value in STEERING.items():
                answer = client.post(
                    gateway.url + PATHS[speech],
                    json={**body(speech, "m", False), field: value},
                    headers={
                        **gateway.headers,
                        "x-evil": "1",
                        "x-portkey-custom-host": "http://127.0.0.1:9/",
                        "x-forwarded-host": "evil",
                        "openai-organization": "org-evil",
                        "cookie": "session=evil",
                        "proxy-authorization": "Basic ZXZpbA==",
                    },
                )
                assert answer.status_code in (200, 400), answer.content
    assert double.requests, "something was sent"
    for request in double.requests:
        sent = request.headers
        assert sent["host"] == double.url.removeprefix("http://")
        assert sent.get("authorization", sent.get("x-api-key")) in (
            "Bearer sk-upstream-0123456789",
            "sk-upstream-0123456789",
        )
        assert b"sk-test" not in request.head and b"evil" not in request.head


def test_f26_a_redirect_is_not_followed_and_the_key_stays(tmp_path: Path) -> None:
    """Every kind of redirect is an error of ours; the place that it leads to sees no connection."""
    with Double() as attacker, Double() as double:
        config = upstream("up", "chat", double.url) + target("m", "up", "chat")
        with running_gateway(tmp_path, "[breaker]\nfailures = 1000\n" + config) as gateway, httpx.Client() as client:
            for number, code in enumerate((301, 302, 303, 307, 308)):  # few enough that the circuit stays shut
                speech = SPEECHES[number % 3]
                double.script = [faults.redirect(attacker.url + "/v1/chat/completions", code)]
                request = body(speech, "m", True)
                answer = client.post(gateway.url + PATHS[speech], json=request, headers=gateway.headers)
                assert answer.status_code == 502 and "location" not in answer.headers
                assert attacker.url.encode() not in answer.content
        assert attacker.connections == []


def test_f27_a_providers_headers_are_not_reflected(tmp_path: Path) -> None:
    """Cookies, transport headers and inventions of the provider stay here."""
    reply = openai.chat()
    loud = Reply(
        headers=(
            *reply.headers,
            ("set-cookie", "a=b"),
            ("x-evil", "1"),
            ("access-control-allow-origin", "*"),
            ("server", "evil"),
        ),
        body=reply.body,
    )
    with Double([loud]) as double:
        config = upstream("up", "chat", double.url) + target("m", "up", "chat")
        with running_gateway(tmp_path, config) as gateway, httpx.Client() as client:
            answer = client.post(gateway.url + PATHS["chat"], json=body("chat", "m", False), headers=gateway.headers)
    assert answer.status_code == 200
    assert {"set-cookie", "x-evil", "access-control-allow-origin"} & set(answer.headers) == set()
    assert "evil" not in str(answer.headers)
