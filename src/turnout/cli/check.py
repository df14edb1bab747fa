"""`turnout check`: what is wrong with the configuration, or what it sets up. Calls nobody and starts nothing."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import click

from turnout.catalogue.accounts import accounts, incomplete_keys
from turnout.catalogue.load import wanted_local_model
from turnout.catalogue.model import Catalogue, Deployment, Provider, Route
from turnout.catalogue.presets import load_presets
from turnout.catalogue.priced import price_key
from turnout.catalogue.reload import Loaded, loaded_from
from turnout.catalogue.tariff import UnknownPrice
from turnout.cli.amounts import dollars
from turnout.core.clock import SystemClock
from turnout.core.errors import TurnoutError
from turnout.core.problems import ConfigProblems
from turnout.core.settings import find_config, read_settings
from turnout.core.settings_model import BudgetSettings, Settings
from turnout.core.toml_table import Problems
from turnout.ledger.location import location_of

_MOST_NAMES = 5
_EACH = {"hour": "an hour", "day": "a day", "week": "a week", "month": "a month"}


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
    try:
        location_of(loaded.settings.storage, os.environ)
    except TurnoutError as error:  # the file is right, and the server does not start all the same
        raise click.ClickException(error.message) from None


def summary(loaded: Loaded, environ: Mapping[str, str]) -> Iterator[str]:
    """What the configuration sets up. Tells the names of variables, never what is in them."""
    settings, catalogue = loaded.settings, loaded.catalogue
    yield f"configuration: {settings.file or 'no file; defaults and the environment'}"
    yield f"listens on:    {settings.server.host}:{settings.server.port}"
    yield f"data in:       {settings.storage.dir}"
    yield f"record in:     {_record(settings, environ)}"
    yield f"default route: {catalogue.default_route or 'none'}"
    yield f"catalogue:     {catalogue.version}, prices {catalogue.price_version}"
    origins = _key_origins(settings, environ)
    yield from _section("provider", (_provider(p, origins.get(p.name)) for p in catalogue.providers.values()))
    yield from _section("deployment", _deployments(catalogue))
    yield from _section(
        "route", (_route(r) for name, r in catalogue.routes.items() if not r.implicit and r.name == name)
    )
    yield from _section("alias", (f"{alias} -> {name}" for alias, name in settings.aliases.items()))
    yield from _section("budget", (_budget(budget) for budget in settings.budgets.values()))
    if not settings.money.enabled:
        yield "money is off: nothing is set aside or booked, and no budget holds"
    yield from _section("key", (f"{key.name} ({key.role})" for key in settings.keys))


def _record(settings: Settings, environ: Mapping[str, str]) -> str:
    """Where it is; the command ends with what is wrong where the settings and the environment contradict each other."""
    try:
        return str(location_of(settings.storage, environ))
    except TurnoutError:
        return "not known"


def _budget(budget: BudgetSettings) -> str:
    """Such as `teams: $5.00 a day (Europe/Berlin), for each team; a warning at $4.00`."""
    limit = "no limit" if budget.limit is None else dollars(budget.limit)
    window = "in all" if budget.window == "total" else f"{_EACH[budget.window]} ({budget.zone})"
    whose = "for all together" if budget.per == "all" else f"for each {budget.per}"
    only = f", only {', '.join(budget.match)}" if budget.match else ""
    soft = f"; a warning at {dollars(budget.soft)}" if budget.soft is not None else ""
    return f"{budget.name}: {limit} {window}, {whose}{only}{soft}"


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
    yield from _unpriced(loaded, targeted)
    for route in settings.routes.values():
        if route.strategy == "fallback" and any(target.weight != 1 for target in route.targets):
            yield f"the weights of route '{route.name}' mean nothing: its strategy is 'fallback'."


def _unpriced(loaded: Loaded, targeted: Collection[str]) -> Iterator[str]:
    """Targets of routes that are refused, because what they cost is not known."""
    limits = [budget for budget in loaded.settings.budgets.values() if budget.limit is not None]
    if not loaded.settings.money.enabled:
        return
    for name in sorted(targeted):
        deployment = loaded.catalogue.deployments[name]
        found = loaded.catalogue.prices.in_force(price_key(deployment), SystemClock().now())
        if isinstance(found, UnknownPrice):
            budgets = ", ".join(f"'{budget.name}'" for budget in limits)
            then = f"under the limit of {budgets} it is refused" if limits else "its calls are booked without a cost"
            yield f"the price of '{name}' is not known: {then}. {found.message} Write it into `[prices]`."


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
