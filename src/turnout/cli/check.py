"""`turnout check`: what is wrong with the configuration, or what it sets up. Calls nobody and starts nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import click

from turnout.catalogue.accounts import accounts, incomplete_keys
from turnout.catalogue.load import wanted_local_model
from turnout.catalogue.model import Catalogue, Deployment, Provider, Route
from turnout.catalogue.presets import load_presets
from turnout.catalogue.reload import Loaded, loaded_from
from turnout.core.problems import ConfigProblems
from turnout.core.settings import find_config, read_settings
from turnout.core.settings_model import Settings
from turnout.core.toml_table import Problems

_MOST_NAMES = 5


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The file to check. Default: $TURNOUT_CONFIG, else ./turnout.toml.",
)
def check(config: Path | None) -> None:
    """Check the configuration without starting anything.

    Exits with 1 and a line for each problem, with file and line; or shows what is set up.
    """
    try:
        settings = read_settings(find_config(config, os.environ), os.environ)
        loaded = loaded_from(settings, os.environ, local_model=wanted_local_model(settings))
    except ConfigProblems as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        click.echo(_counted(len(error.problems), "problem"), err=True)
        raise SystemExit(1) from None
    for line in summary(loaded, os.environ):
        click.echo(line)
    for line in warnings(loaded, os.environ):
        click.echo(f"warning: {line}")


def summary(loaded: Loaded, environ: Mapping[str, str]) -> Iterator[str]:
    """What the configuration sets up. Tells the names of variables, never what is in them."""
    settings, catalogue = loaded.settings, loaded.catalogue
    yield f"configuration: {settings.file or 'no file; defaults and the environment'}"
    yield f"listens on:    {settings.server.host}:{settings.server.port}"
    yield f"data in:       {settings.storage.dir}"
    yield f"default route: {catalogue.default_route or 'none'}"
    yield f"catalogue:     {catalogue.version}"
    origins = _key_origins(settings, environ)
    yield from _section("provider", (_provider(p, origins.get(p.name)) for p in catalogue.providers.values()))
    yield from _section("deployment", _deployments(catalogue))
    yield from _section(
        "route", (_route(r) for name, r in catalogue.routes.items() if not r.implicit and r.name == name)
    )
    yield from _section("alias", (f"{alias} -> {name}" for alias, name in settings.aliases.items()))
    yield from _section("key", (f"{key.name} ({key.role})" for key in settings.keys))


def warnings(loaded: Loaded, environ: Mapping[str, str]) -> Iterator[str]:
    """What is allowed and may not be meant."""
    settings, catalogue = loaded.settings, loaded.catalogue
    if not catalogue.deployments:
        yield "there is no deployment. Set a provider's key, such as OPENAI_API_KEY, or enable `[local]`."
    for key in incomplete_keys(settings, environ, load_presets()):
        address = " or ".join((*key.preset.base_url_env, "`base_url`"))
        yield f"{key.variable} is set, and '{key.preset.name}' is left out: its address is missing ({address})."
    targeted = {
        target.deployment for route in catalogue.routes.values() if not route.implicit for target in route.targets
    }
    for deployment in catalogue.deployments.values():
        if deployment.context is None and (deployment.name in targeted or deployment.name in settings.deployments):
            yield f"the context of '{deployment.name}' is not known, so no prompt's length is checked. Write `context`."
    for route in settings.routes.values():
        if route.strategy == "fallback" and any(target.weight != 1 for target in route.targets):
            yield f"the weights of route '{route.name}' mean nothing: its strategy is 'fallback'."


def _key_origins(settings: Settings, environ: Mapping[str, str]) -> dict[str, str | None]:
    """Where each provider's key was found."""
    found = accounts(settings, environ, load_presets(), Problems(settings.positions))
    return {name: account.key_from for name, account in found.items()}


def _section(noun: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield _counted(len(found), noun)
        yield from (f"  {line}" for line in found)


def _counted(count: int, noun: str) -> str:
    plural = noun if count == 1 else f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count} {plural}"


def _provider(provider: Provider, origin: str | None) -> str:
    where = "on this machine" if provider.embedded else provider.base_url
    key = f"key from {origin}" if origin else "no key"
    facts = [fact for fact in (provider.data.jurisdiction, provider.data.region) if fact]
    return ", ".join([f"{provider.name}: {where}", *([] if provider.embedded else [key]), *facts])


def _deployments(catalogue: Catalogue) -> Iterator[str]:
    """By provider, because a vendor may have fifty."""
    for provider in catalogue.providers:
        own = [deployment for deployment in catalogue.deployments.values() if deployment.provider.name == provider]
        yield from (_deployment(deployment) for deployment in own[:_MOST_NAMES])
        if len(own) > _MOST_NAMES:
            yield f"... and {len(own) - _MOST_NAMES} more of {provider}"


def _deployment(deployment: Deployment) -> str:
    context = f"{deployment.context:,} tokens" if deployment.context else "context not known"
    return f"{deployment.name}: {context}, {', '.join(dialect.value for dialect in deployment.endpoints)}"


def _route(route: Route) -> str:
    weighted = route.strategy == "weighted"
    targets = [f"{target.deployment} x{target.weight}" if weighted else target.deployment for target in route.targets]
    return f"{route.name}: {(', ' if weighted else ' then ').join(targets)}"
