"""Who may call what: every path of the table with every kind of key, over a real socket."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from fault_world import deployment_of_every_kind
from starlette.routing import Route
from test_limits_http import ENDPOINTS as REQUESTS

from harness import KEY, Gateway, running_gateway
from turnout.double import Double
from turnout.gateway.endpoints import ENDPOINTS, HOT, Endpoint
from turnout.gateway.rest import rest_app

NARROW = "sk-narrow-0123456789abcdef0"
OTHER_CALLER = "sk-other-0123456789abcdef01"
HOLDERS = ("nobody", "garbage", "user", "admin")
FORMS = ("bearer", "x-api-key")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Double]]:
    """A gateway with a key that may use one route only."""
    with Double() as double:
        config = (
            deployment_of_every_kind(double.url) + '\n[aliases]\nhush = "secret"\n[routes.secret]\ntargets = ["m"]\n'
        )
        for name, variable, extra in (("narrow", "NARROW_KEY", 'routes = ["m"]'), ("other", "OTHER_KEY", "")):
            config += f'[[keys]]\nname = "{name}"\nsecret_env = "{variable}"\n{extra}\n'
        environ = {"NARROW_KEY": NARROW, "OTHER_KEY": OTHER_CALLER}
        with running_gateway(tmp_path_factory.mktemp("access"), config, environ) as gateway:
            yield gateway, double


def _headers(secret: str | None, form: str) -> dict[str, str]:
    if secret is None:
        return {}
    return {"authorization": f"Bearer {secret}"} if form == "bearer" else {"x-api-key": secret}


def _call(gateway: Gateway, endpoint: Endpoint, secret: str | None, form: str) -> httpx.Response:
    path = endpoint.path.replace("{model:path}", "m").replace("{id}", "nobody")
    request = REQUESTS.get(endpoint.path, {})
    with httpx.Client(timeout=10) as client:
        content = json.dumps(request) if endpoint.method == "POST" else None
        return client.request(endpoint.method, gateway.url + path, content=content, headers=_headers(secret, form))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_every_path_gives_the_access_that_the_table_declares(
    both: tuple[Gateway, Double], endpoint: Endpoint, holder: str, form: str
) -> None:
    """Nobody and a wrong key get 401, a user's key on an admin path gets 403, and who may call gets neither; before
    that nothing is looked at and nothing is sent."""
    gateway, double = both
    secret = {"nobody": None, "garbage": "sk-garbage-0123456789", "user": KEY, "admin": gateway.admin_key}[holder]
    before = len(double.requests)
    status = _call(gateway, endpoint, secret, form).status_code
    if endpoint.access == "public":
        assert status not in (401, 403)
    elif holder in ("nobody", "garbage"):
        assert status == 401
    elif endpoint.access == "admin" and holder == "user":
        assert status == 403
    else:
        assert status not in (401, 403, 405, 500)
    if status in (401, 403):
        assert len(double.requests) == before


def test_no_path_is_served_that_the_table_does_not_declare(both: tuple[Gateway, Double]) -> None:
    """The router's own list of paths and methods is the table's; HEAD comes with GET."""
    gateway, _ = both
    served: set[tuple[str, str]] = set()
    for each in rest_app(gateway.running.services).routes:
        assert isinstance(each, Route), "nothing is mounted"
        served |= {(method, each.path) for method in each.methods or () if method != "HEAD"}
    assert served == {(each.method, each.path) for each in ENDPOINTS if each.operation is None}
    assert all(each.access in ("public", "user", "admin") for each in ENDPOINTS)
    assert {path for path, each in HOT.items() if each.access == "user"} == set(HOT)


@pytest.mark.parametrize(
    "path",
    [
        "/docs",
        "/openapi.json",
        "/redoc",
        "/admin",
        "/admin/",
        "/admin/keys/",
        "/debug",
        "/.env",
        "/metrics/x",
        "/static/../turnout.toml",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_nothing_else_answers(both: tuple[Gateway, Double], path: str, method: str) -> None:
    """No documentation, no index, no redirect: 404 or 405, the same for an administrator."""
    gateway, _ = both
    with httpx.Client() as client:
        answer = client.request(method, gateway.url + path, headers=_headers(gateway.admin_key, "bearer"))
    assert answer.status_code in (404, 405) and "location" not in answer.headers


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", sorted(HOT))
def test_a_key_for_one_route_reaches_no_other_on_any_endpoint(
    both: tuple[Gateway, Double], path: str, form: str
) -> None:
    """Not by the route's name, not by an alias, a deployment or a provider's own model name: 403, or 404 where there is
    no such name; nothing is sent."""
    gateway, double = both
    before = len(double.requests)
    with httpx.Client() as client:
        for model in ("secret", "hush", "embed", "echo-1", "up/echo-1", "M", "m ", "unheard-of", "m\x00"):
            request = {**REQUESTS[path], "model": model}
            answer = client.post(gateway.url + path, json=request, headers=_headers(NARROW, form))
            assert answer.status_code in (403, 404), (model, answer.content)
            if model in ("secret", "hush", "embed"):
                assert answer.status_code == 403
    assert len(double.requests) == before


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("version", [{}, {"anthropic-version": "2023-06-01"}])
def test_a_key_for_one_route_sees_no_other_in_the_lists(
    both: tuple[Gateway, Double], form: str, version: dict[str, str]
) -> None:
    """/v1/models shows what may be used, in both shapes; asking for another by name is as if it were not there."""
    gateway, _ = both
    headers = {**_headers(NARROW, form), **version}
    with httpx.Client() as client:
        listed = client.get(gateway.url + "/v1/models", headers=headers).json()
        assert [each["id"] for each in listed["data"]] == ["m"]
        hidden = client.get(gateway.url + "/v1/models/secret", headers=headers)
        unknown = client.get(gateway.url + "/v1/models/unheard", headers=headers)
        assert hidden.status_code in (403, 404) and unknown.status_code == 404
        full = client.get(gateway.url + "/v1/models", headers={**_headers(KEY, form), **version}).json()
        assert {"m", "secret", "embed"} <= {each["id"] for each in full["data"]}


def test_i7_both_header_forms_decide_the_same(both: tuple[Gateway, Double]) -> None:
    """For every path and every key the status is the same, whichever header carries it."""
    gateway, _ = both
    for endpoint in ENDPOINTS:
        for secret in (KEY, NARROW, gateway.admin_key, "sk-garbage", "tn_bad"):
            by_form = [_call(gateway, endpoint, secret, form).status_code for form in FORMS]
            assert by_form[0] == by_form[1], (endpoint, secret)


@pytest.mark.parametrize("where", ["query", "cookie", "api-key", "x-goog-api-key"])
def test_a_key_in_any_other_place_is_no_key(both: tuple[Gateway, Double], where: str) -> None:
    """Query strings end up in logs; only the two headers count."""
    gateway, _ = both
    query = f"?api_key={KEY}&key={KEY}" if where == "query" else ""
    headers = {} if where == "query" else {"cookie" if where == "cookie" else where: KEY}
    with httpx.Client() as client:
        assert client.get(gateway.url + "/v1/models" + query, headers=headers).status_code == 401


def test_authenticated_answers_are_never_cached(both: tuple[Gateway, Double]) -> None:
    """Each answer says no-store and that it varies with the key (a shared cache leaked across users elsewhere)."""
    gateway, _ = both
    for endpoint in ENDPOINTS:
        if endpoint.access != "public":
            for secret in (KEY, "sk-garbage"):
                answer = _call(gateway, endpoint, secret, "bearer")
                assert answer.headers["cache-control"] == "no-store", endpoint
                assert "authorization" in answer.headers["vary"].lower()


def test_i6_conversations_of_two_keys_are_never_one(both: tuple[Gateway, Double]) -> None:
    """The same conversation of two keys has two names."""
    gateway, _ = both
    with httpx.Client() as client:
        for secret in (KEY, OTHER_CALLER):
            answer = client.post(
                gateway.url + "/v1/chat/completions",
                json=REQUESTS["/v1/chat/completions"],
                headers={**_headers(secret, "bearer"), "x-session-id": "same"},
            )
            assert answer.status_code == 200
    for _ in range(500):
        rows = {row["key_id"]: row["session"] for row in gateway.requests() if row["outcome"] == "ok"}
        if "other" in rows:
            break
        time.sleep(0.01)
    assert rows["test"] and rows["test"] != rows["other"]


@pytest.mark.parametrize("form", FORMS)
def test_a_revoked_key_is_401_from_the_next_request_on(both: tuple[Gateway, Double], form: str) -> None:
    """Made by an administrator it works at once; revoked it stops at once, on every endpoint."""
    gateway, _ = both
    admin = _headers(gateway.admin_key, form)
    with httpx.Client() as client:
        made = client.post(gateway.url + "/admin/keys", json={"name": f"short-{form}"}, headers=admin).json()
        headers = _headers(made["key"], form)
        assert client.get(gateway.url + "/v1/models", headers=headers).status_code == 200
        assert client.post(gateway.url + f"/admin/keys/{made['id']}/revoke", headers=admin).status_code == 200
        assert client.get(gateway.url + "/v1/models", headers=headers).status_code == 401
        for path, request in REQUESTS.items():
            refused = client.post(gateway.url + path, json=request, headers=headers)
            assert refused.status_code == 401 and "revoked" in refused.json()["error"]["message"]
