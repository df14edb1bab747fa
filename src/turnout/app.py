"""The composition root: from settings to a running gateway. The only module that knows everyone."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TextIO

from starlette.middleware.cors import CORSMiddleware

from turnout.catalogue.accounts import LOCAL
from turnout.catalogue.load import LocalModel, wanted_local_model
from turnout.catalogue.reload import Reloader, ReloadResult
from turnout.core.clock import Clock, SystemClock
from turnout.core.errors import ConfigError
from turnout.core.ids import RandomBytes, RandomPool, new_id
from turnout.core.secret import Secret
from turnout.core.secret_source import read_given_keys
from turnout.core.settings import read_settings
from turnout.core.settings_model import Settings
from turnout.gateway.application import Application, Asgi
from turnout.gateway.auth import Authenticator
from turnout.gateway.billing import Billing
from turnout.gateway.bindings import Bindings
from turnout.gateway.journal import Journal
from turnout.gateway.limits import Limiter
from turnout.gateway.metrics import Metrics
from turnout.gateway.outlet import Pinger
from turnout.gateway.rest import rest_app
from turnout.gateway.services import Services
from turnout.gateway.telemetry import exporting
from turnout.gateway.traffic import Traffic
from turnout.gateway.vault import ReasoningVault
from turnout.ledger.datadir import DataDir, DirLock
from turnout.ledger.keyring import KeyRing, StaticKey
from turnout.ledger.keys import KeySpec, list_keys
from turnout.ledger.keystore import KeyStore
from turnout.ledger.leases import Leases
from turnout.ledger.location import location_of
from turnout.ledger.opening import open_store
from turnout.ledger.orphans import Presence
from turnout.ledger.ratios_live import LiveRatios
from turnout.ledger.spill import Spill
from turnout.ledger.writer import Writer
from turnout.upkeep import background, tell_expired
from turnout.upstream.embedded import EmbeddedModel, Transports
from turnout.upstream.health import BreakerRules, Health
from turnout.upstream.http import HttpTransport
from turnout.upstream.local_engine import LocalEngine
from turnout.upstream.local_weights import find_weights
from turnout.upstream.retry_budget import RetryBudget, RetryRules

ADMIN_KEY_NAME = "first administrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What comes from outside the process. Tests bring their own."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Clock = field(default_factory=SystemClock)
    random: Random = field(default_factory=Random)
    random_bytes: RandomBytes = os.urandom
    log: TextIO = field(default_factory=lambda: sys.stderr)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A gateway that can be served."""

    services: Services
    app: Asgi
    settings: Settings
    embedded: EmbeddedModel | None
    admin_key: Secret
    lock: DirLock


@contextlib.asynccontextmanager
async def gateway(config: Path | None, around: Surroundings) -> AsyncGenerator[Running]:
    """Builds everything, and takes it down in the other order. Raises ConfigProblems, ConfigError or
    StorageUnavailable before anything is served."""
    environ = around.environ
    reloader = _reloader(config, environ)
    settings = reloader.current.settings
    journal = Journal(around.clock, around.log, level=settings.log.level, as_json=settings.log.format == "json")
    location = location_of(settings.storage, environ)
    directory = DataDir(location.directory)
    async with contextlib.AsyncExitStack() as stack:
        lock = stack.enter_context(DirLock(directory, shared=location.shared))
        pepper = directory.pepper(_secret(environ, "TURNOUT_PEPPER"), around.random_bytes)
        store = open_store(location, directory, pepper, around.random_bytes)
        rows = list_keys(store)
        writer = Writer(
            store,
            owner=new_id("srv", around.clock.now(), around.random_bytes),
            spill=Spill(directory.path / "spill.jsonl"),
        )
        stack.push_async_callback(writer.close)
        allowance = settings.money.outage_allowance
        leases = None if allowance is None else Leases(allowance.nanodollars())
        presence = Presence(writer, around.clock, several=location.several, leases=leases)
        tell_expired(journal, await presence.beat())
        stack.push_async_callback(presence.leave)
        metrics, ratios = Metrics(), LiveRatios()
        admin = directory.admin_key(_secret(environ, "TURNOUT_ADMIN_KEY"), around.random_bytes)
        ring = KeyRing(pepper, rows, [_admin_key(admin), *_static_keys(settings, environ)])
        auth = Authenticator(ring, around.clock, settings.limits)
        http = HttpTransport(reloader.current.catalogue.providers.values(), proxies=_proxies(environ))
        stack.push_async_callback(http.close)
        embedded = _embedded(settings, reloader, around.random_bytes)
        if embedded is not None:
            stack.push_async_callback(embedded.close)
        health = Health(
            around.clock,
            BreakerRules(consecutive=settings.breaker.failures, cooldown=settings.breaker.open_seconds),
        )
        observe = await stack.enter_async_context(
            exporting(
                settings.telemetry.otlp_endpoint,
                lambda: reloader.current.catalogue.providers,
                journal,
                around.clock,
            )
        )

        def reload() -> ReloadResult:
            result = reloader.reload()
            catalogue = reloader.current.catalogue
            if result.swapped:
                http.reload(catalogue.providers.values())
                health.forget(frozenset(catalogue.deployments))
                auth.use_defaults(reloader.current.settings.limits)
                ring.replace_static([_admin_key(admin), *_static_keys(reloader.current.settings, environ)])
            _tell_reload(journal, result, catalogue.version)
            return result

        services = Services(
            reloader=reloader,
            clock=around.clock,
            random=around.random,
            random_bytes=RandomPool(around.random_bytes),
            session_key=pepper.reveal().encode(),
            auth=auth,
            keys=KeyStore(
                writer=writer,
                ring=ring,
                pepper=pepper,
                clock=around.clock,
                random_bytes=around.random_bytes,
            ),
            limiter=Limiter(around.clock),
            transport=Transports(http, embedded),
            health=health,
            retries=RetryBudget(around.clock, RetryRules(share=settings.retry.budget)),
            vault=ReasoningVault(around.clock),
            bindings=Bindings(around.clock),
            pinger=Pinger(around.clock, settings.server.keepalive_seconds),
            writer=writer,
            metrics=metrics,
            billing=Billing(
                writer=writer,
                clock=around.clock,
                reloader=reloader,
                metrics=metrics,
                journal=journal,
                ratios=ratios,
                leases=leases,
            ),
            ratios=ratios,
            traffic=Traffic(settings.server.max_requests_in_flight),
            journal=journal,
            reload=reload,
            waiting_for=_waiting(embedded),
            observe=observe,
        )
        async with background(services, embedded, presence):
            app: Asgi = Application(services, rest_app(services))
            if settings.server.cors_origins:
                app = CORSMiddleware(
                    app,
                    allow_origins=settings.server.cors_origins,
                    allow_methods=("GET", "POST"),
                    allow_headers=("*",),
                    expose_headers=("x-request-id", "request-id", "retry-after"),
                )
            yield Running(services=services, app=app, settings=settings, embedded=embedded, admin_key=admin, lock=lock)


def _reloader(config: Path | None, environ: Mapping[str, str]) -> Reloader:
    """With the embedded model where its weights are here; without them it is left out, and the rest is served."""
    return Reloader(config, environ, local_model=_local_model(read_settings(config, environ)))


def _local_model(settings: Settings) -> LocalModel | None:
    wanted = wanted_local_model(settings)
    if wanted is None or _names_local(settings):
        return wanted  # what the operator relies on is not left out: a missing file shows in `/readyz` and the log
    try:
        find_weights(settings.storage.dir, settings.local.model)
    except ConfigError:
        return None
    return wanted


def _names_local(settings: Settings) -> bool:
    """Whether the configuration refers to the embedded model."""
    names = {target.deployment for route in settings.routes.values() for target in route.targets}
    names.update(settings.aliases.values(), *(key.routes for key in settings.keys))
    names.add(settings.default_route or "")
    return any(name == LOCAL or name.startswith(f"{LOCAL}/") for name in names)


def _embedded(settings: Settings, reloader: Reloader, random_bytes: RandomBytes) -> EmbeddedModel | None:
    if not any(provider.embedded for provider in reloader.current.catalogue.providers.values()):
        return None

    def make() -> LocalEngine:
        return LocalEngine(
            find_weights(settings.storage.dir, settings.local.model),
            context=settings.local.context,
            threads=settings.local.threads,
            random_bytes=random_bytes,
        )

    return EmbeddedModel(make)


def _waiting(embedded: EmbeddedModel | None) -> Callable[[], str | None]:
    def waiting() -> str | None:
        if embedded is None or embedded.running:
            return None
        return embedded.problem or "the embedded model is loading"

    return waiting


def _tell_reload(journal: Journal, result: ReloadResult, version: str) -> None:
    for problem in result.problems:
        journal.error("configuration refused, the last good one stays", problem=str(problem))
    if result.swapped:
        journal.info("configuration reloaded", catalogue=version)
    for name in result.needs_restart:
        journal.warning("needs a restart to take effect", key=name)


def _secret(environ: Mapping[str, str], name: str) -> Secret | None:
    text = environ.get(name, "").strip()
    return Secret(text) if text else None


def _admin_key(secret: Secret) -> StaticKey:
    return StaticKey(secret=secret, spec=KeySpec(name=ADMIN_KEY_NAME, role="admin"))


def _static_keys(settings: Settings, environ: Mapping[str, str]) -> list[StaticKey]:
    keys: list[StaticKey] = []
    for given in read_given_keys(settings, environ):
        key = given.settings
        spec = KeySpec(
            name=key.name,
            role=key.role,
            routes=key.routes or None,
            team=key.team,
            tags=key.tags,
            rpm=key.limits.rpm,
            tpm=key.limits.tpm,
            concurrency=key.limits.concurrency,
        )
        keys.append(StaticKey(secret=given.secret, spec=spec))
    return keys


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The proxies that the environment names, as every other HTTP client takes them."""
    found: dict[str, str] = {}
    for scheme in ("http", "https"):
        url = environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY")
        if url:
            found[scheme] = url
    return found
