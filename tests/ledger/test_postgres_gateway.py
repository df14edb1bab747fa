"""Running gateways that share a record: on PostgreSQL, through an outage of it, and on one SQLite file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import psycopg
from postgres import Server, server

from harness import Gateway, deployment, provider, running_gateway
from turnout.double import Double

PEPPER = {"TURNOUT_PEPPER": "p" * 64}
WITHIN = 2.0
"""Seconds in which a change of keys holds everywhere."""


def within(seconds: float, fact: Callable[[], bool]) -> float:
    """Waits until it is so; returns how long that took."""
    began = time.monotonic()
    while not fact():
        assert time.monotonic() - began < seconds, f"not so after {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - began


def ask(gateway: Gateway, key: str | None = None) -> httpx.Response:
    headers = gateway.headers if key is None else {"authorization": f"Bearer {key}"}
    body = {"model": "m1", "messages": [{"role": "user", "content": "hello"}]}
    return httpx.post(gateway.url + "/v1/chat/completions", json=body, headers=headers, timeout=30)


def admin(gateway: Gateway, path: str, body: object = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {gateway.admin_key}"}
    return httpx.post(gateway.url + path, json=body, headers=headers, timeout=30)


def config_for(double: Double) -> str:
    return provider("up", double.url + "/v1") + deployment("m1", "up", "echo-1")


def stored(database: Server, url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM requests").fetchone()
    assert row is not None
    return row[0]


def test_a_gateway_outlives_its_database(tmp_path: Path) -> None:
    """Down: 503 with Retry-After, never 401, not ready, alive. Up again: ready and answering by itself."""
    with server() as database, Double() as double:
        url = database.database()
        environ = {"TURNOUT_DATABASE_URL": url, **PEPPER}
        with running_gateway(tmp_path, config_for(double), environ) as gateway:
            assert [ask(gateway).status_code for _ in range(3)] == [200] * 3
            within(5, lambda: stored(database, url) == 3)
            database.kill()
            refused = [ask(gateway) for _ in range(5)]
            assert {answer.status_code for answer in refused[1:]} == {503}
            assert all(answer.headers.get("retry-after") for answer in refused[1:])
            assert "tn-test-p" not in "".join(answer.text for answer in refused) + gateway.log.getvalue()
            assert ask(gateway, "sk-not-a-key-of-anybody").status_code == 401
            within(3, lambda: httpx.get(gateway.url + "/readyz").status_code == 503)
            assert httpx.get(gateway.url + "/healthz").status_code == 200
            assert admin(gateway, "/admin/keys", {"name": "x"}).status_code == 503
            database.start()
            within(5, lambda: httpx.get(gateway.url + "/readyz").status_code == 200)
            assert ask(gateway).status_code == 200
            within(5, lambda: stored(database, url) >= 4)
    assert not (tmp_path / "home" / "turnout.db").exists()


def keys_follow(one: Gateway, two: Gateway) -> None:
    """A key made, given a new secret and revoked in one process holds so in the other."""
    made = admin(one, "/admin/keys", {"name": "x"}).json()
    within(WITHIN, lambda: ask(two, made["key"]).status_code == 200)
    turned = admin(two, f"/admin/keys/{made['id']}/rotate").json()
    within(WITHIN, lambda: ask(one, made["key"]).status_code == 401)
    assert ask(one, turned["key"]).status_code == 200
    assert admin(one, f"/admin/keys/{made['id']}/revoke").status_code == 200
    within(WITHIN, lambda: ask(two, turned["key"]).status_code == 401)


def both(tmp_path: Path, config: str, environs: tuple[Mapping[str, str], Mapping[str, str]]) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with (
        running_gateway(tmp_path / "one", config, environs[0]) as one,
        running_gateway(tmp_path / "two", config, environs[1]) as two,
    ):
        keys_follow(one, two)


def test_keys_follow_from_replica_to_replica(postgres_server: Server, tmp_path: Path) -> None:
    """Two replicas with data directories of their own."""
    environ = {"TURNOUT_DATABASE_URL": postgres_server.database(), **PEPPER}
    with Double() as double:
        both(tmp_path, config_for(double), (environ, environ))


def test_keys_follow_between_processes_on_one_file(tmp_path: Path) -> None:
    """Two processes with one data directory that both share."""
    environ = {"TURNOUT_HOME": str(tmp_path / "home")}
    with Double() as double:
        both(tmp_path, config_for(double) + "\n[storage]\nshared = true\n", (environ, environ))
