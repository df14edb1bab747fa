"""Checks of what is listened on and called: our own server or its port, and the providers. No key is ever sent."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import orjson

from turnout.catalogue.model import Catalogue, Provider
from turnout.cli.finding import Finding, ok, problem, warning
from turnout.core.settings_model import Settings
from turnout.ledger.datadir import holder
from turnout.upstream.egress import EgressPolicy, origin_of, policy_of

SECONDS = 3.0


def server(settings: Settings) -> Iterator[Finding]:
    """The running server on this data directory, or else whether its address is free."""
    held = holder(settings.storage.dir)
    if held is not None and held.url is not None:
        yield running(held.url)
    else:
        yield address(settings.server.host, settings.server.port)


def running(url: str) -> Finding:
    """Whether the server at `url` is alive and ready."""
    try:
        alive, _ = _get(url, "/healthz")
        ready, body = _get(url, "/readyz")
    except (OSError, http.client.HTTPException) as error:
        return problem("server", f"{url} does not answer: {error}.", "Look at its log; restart it.")
    if alive != 200:
        return problem("server", f"{url}/healthz answered {alive}.", "Look at its log.")
    if ready != 200:
        return problem("server", f"{url} is not ready: {_problems(body)}.", "Look at its log.")
    return ok("server", f"{url} is alive and ready.")


def _get(url: str, path: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(1 << 16)
    finally:
        connection.close()


def _problems(body: bytes) -> str:
    try:
        said: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "it does not say why"
    listed: object = said.get("problems") if isinstance(said, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(listed, list):
        return "it does not say why"
    return "; ".join(str(each) for each in listed)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def address(host: str, port: int) -> Finding:
    """Whether the server's address can be listened on."""
    shown = f"{host}:{port}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            return problem(
                "address",
                f"{shown} can't be listened on: {error}.",
                "Stop what listens there, or choose another `[server] port` ($TURNOUT_PORT) or `host`.",
            )
    return ok("address", f"{shown} is free.")


def providers(catalogue: Catalogue, environ: Mapping[str, str], *, network: bool) -> Iterator[Finding]:
    """Each provider that is called over the network."""
    proxied = environ.get("https_proxy") or environ.get("HTTPS_PROXY")
    for provider in catalogue.providers.values():
        if provider.embedded:
            continue
        yield key(provider)
        if not network:
            continue
        name = f"provider {provider.name}"
        if proxied and provider.base_url.startswith("https:"):
            yield ok(name, "is called through the proxy in $HTTPS_PROXY, so it was not tried directly.")
        else:
            yield reach(name, provider)


def key(provider: Provider) -> Finding:
    """Whether there is a key where one is needed."""
    name = f"provider {provider.name}"
    if provider.api_key is not None:
        return ok(name, f"{provider.base_url}, with a key.")
    if provider.auth == "none" or provider.self_hosted:
        return ok(name, f"{provider.base_url}, without a key.")
    return warning(name, f"{provider.base_url} has no key.", "Name it in `api_key_env` or `api_key_file`.")


def reach(name: str, provider: Provider) -> Finding:
    """Whether a connection can be made: name, TCP, TLS. Nothing is sent on it."""
    host, port = origin_of(provider.base_url)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return problem(name, f"'{host}' has no address: {error.strerror}.", "Check `base_url` and the name server.")
    address, refused = _permitted(policy_of([provider]), host, port, [str(each[4][0]) for each in found])
    if address is None:
        return problem(name, f"'{host}' may not be connected to: {refused}", "Check `base_url`.")
    try:
        with socket.create_connection((address, port), timeout=SECONDS) as plain:
            if provider.base_url.startswith("https:"):
                with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secured:
                    return ok(name, f"{host}:{port} is reachable ({secured.version()}).")
    except ssl.SSLError as error:
        return problem(name, f"TLS with {host}:{port} fails: {error.reason}.", "Check `base_url`, clock, certificates.")
    except OSError as error:
        return problem(name, f"{host}:{port} can't be reached: {error}.", "Check `base_url`, network and firewall.")
    return ok(name, f"{host}:{port} is reachable.")


def _permitted(policy: EgressPolicy, host: str, port: int, addresses: list[str]) -> tuple[str | None, str]:
    """The first address that the server itself would connect to, or why there is none."""
    reason = ""
    for each in addresses:
        refused = policy.refusal_of(host, port, each)
        if refused is None:
            return each, ""
        reason = refused
    return None, reason
