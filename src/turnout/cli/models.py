"""`turnout models`: what can be asked for, and what is known of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
import orjson
from rich.markup import escape

from turnout.catalogue.model import Catalogue, Deployment, Route
from turnout.catalogue.presets import load_models, load_presets
from turnout.cli.loaded import load_config
from turnout.cli.model_card import known_json, print_card
from turnout.cli.model_prices import price_json, price_text
from turnout.cli.options import config_option
from turnout.cli.tables import plain_table, short_count, show
from turnout.core.clock import SystemClock
from turnout.core.errors import TurnoutError
from turnout.core.json import Json, JsonObject
from turnout.core.names import did_you_mean
from turnout.core.target import Quirks


@click.command()
@click.argument("model", required=False)
@config_option
@click.option("--provider", help="Only the deployments of this provider, and the routes that lead to them.")
@click.option("--json", "machine", is_flag=True, help="Print JSON, for machines.")
def models(model: str | None, config: Path | None, provider: str | None, machine: bool) -> None:
    """List deployments and routes: context, prices now, dialects, jurisdiction, peculiarities.

    With MODEL, a deployment or any model that this version knows, print all that is known of it: limits, abilities,
    cache, licence, whose law, public scores, each with its source.

    Reads the configuration and the shipped catalogue; asks no provider.
    """
    try:
        catalogue = load_config(config).catalogue
    except TurnoutError as error:
        raise click.ClickException(error.message) from error
    if model is not None:
        if provider is not None:
            raise click.UsageError(f"Write the provider before the model instead: {provider}/{model}.")
        print_card(catalogue, model, machine=machine)
        return
    if provider is not None and provider not in catalogue.providers:
        hint = did_you_mean(provider, catalogue.providers) or f"Known: {', '.join(catalogue.providers) or 'none'}."
        raise click.ClickException(f"There is no provider '{provider}'. {hint}")
    chosen = [each for each in catalogue.deployments.values() if provider in (None, each.provider.name)]
    names = {each.name for each in chosen}
    routes = {
        name: route
        for name, route in catalogue.routes.items()
        if any(target.deployment in names for target in route.targets)
    }
    if machine:
        click.echo(orjson.dumps(_as_json(catalogue, chosen, routes), option=orjson.OPT_INDENT_2))
    else:
        _show(catalogue, chosen, routes)


def departures(quirks: Quirks) -> dict[str, Json]:
    """Where a deployment departs from the norm of its dialect, with the values."""
    usual = Quirks()
    found: dict[str, Json] = {}
    for field in dataclasses.fields(Quirks):
        value: object = getattr(quirks, field.name)
        if value != getattr(usual, field.name):
            found[field.name] = _plain(value)
    return found


def _plain(value: object) -> Json:
    if isinstance(value, frozenset | tuple):
        texts = [str(each) for each in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        listed: list[Json] = [*(sorted(texts) if isinstance(value, frozenset) else texts)]
        return listed
    assert isinstance(value, bool | int | str), "a quirk is a flag, a number, a word or several words"
    return value


def _as_json(catalogue: Catalogue, chosen: list[Deployment], routes: dict[str, Route]) -> JsonObject:
    now = SystemClock().now()
    presets = load_presets()
    models = load_models(presets)
    deployments: list[Json] = [
        {**_deployment(each), "price": price_json(catalogue, each, now), **known_json(each, models, presets)}
        for each in chosen
    ]
    listed: list[Json] = [_route(name, route) for name, route in routes.items()]
    return {
        "catalogue": catalogue.version,
        "prices": catalogue.price_version,
        "default_route": catalogue.default_route,
        "deployments": deployments,
        "routes": listed,
    }


def _deployment(deployment: Deployment) -> JsonObject:
    quirks: JsonObject = {
        dialect.value: departures(deployment.quirks.get(dialect, Quirks())) for dialect in deployment.endpoints
    }
    return {
        "name": deployment.name,
        "provider": deployment.provider.name,
        "model": deployment.model,
        "context": deployment.context,
        "max_output": deployment.max_output,
        "dialects": [dialect.value for dialect in deployment.endpoints],
        "jurisdiction": deployment.data.jurisdiction,
        "region": deployment.data.region,
        "retention_days": deployment.data.retention_days,
        "self_hosted": deployment.provider.self_hosted,
        "quirks": quirks,
    }


def _route(name: str, route: Route) -> JsonObject:
    targets: list[Json] = [{"deployment": target.deployment, "weight": target.weight} for target in route.targets]
    return {
        "name": name,
        "alias_of": route.name if route.name != name else None,
        "implicit": route.implicit,
        "strategy": route.strategy,
        "targets": targets,
        "drop": [*sorted(route.drop)],
    }


def _show(catalogue: Catalogue, chosen: list[Deployment], routes: dict[str, Route]) -> None:
    if not chosen:
        show(escape("There is no deployment. Set a provider's key, such as OPENAI_API_KEY, or enable `[local]`."))
        return
    table = plain_table(
        "deployment", "context", "output", "$/M in / cached / out", "dialects", "where", "to know", title="Deployments"
    )
    table.columns[0].no_wrap = True  # a name that is cut can't be copied
    now = SystemClock().now()
    for each in chosen:
        table.add_row(
            escape(each.name),
            short_count(each.context),
            short_count(each.max_output),
            price_text(catalogue, each, now),
            " ".join(dialect.value.removeprefix("openai_") for dialect in each.endpoints),
            _where(each),
            escape(_summary(each)),
        )
    show(table)
    _show_routes(catalogue, routes)


def _show_routes(catalogue: Catalogue, routes: dict[str, Route]) -> None:
    table = plain_table("route", "strategy", "leads to", "may drop", title="Routes")
    table.columns[0].overflow = table.columns[2].overflow = "fold"
    hidden = 0
    for name, route in routes.items():
        if name in catalogue.deployments and route.implicit:
            continue  # every deployment is a route of its own name
        if route.implicit and name == route.name and len(route.targets) == 1 and name != catalogue.default_route:
            hidden += 1
            continue
        shown = f"{name} (default)" if name == catalogue.default_route else name
        leads = f"alias of {route.name}" if name != route.name else _targets(route)
        table.add_row(escape(shown), route.strategy, escape(leads), escape(", ".join(sorted(route.drop))))
    if table.row_count:
        show("", table)
    if hidden:
        show(f"Also {hidden} plain model names that lead to one deployment each; --json lists them.")


def _targets(route: Route) -> str:
    if route.strategy == "weighted":
        return ", ".join(f"{target.deployment} x{target.weight}" for target in route.targets)
    return " then ".join(target.deployment for target in route.targets)


def _where(deployment: Deployment) -> str:
    facts = [deployment.data.jurisdiction or "not known", deployment.data.region or ""]
    if deployment.provider.embedded:
        facts.append("on this machine")
    elif deployment.provider.self_hosted and deployment.data.jurisdiction != "self":
        facts.append("self-hosted")
    return ", ".join(fact for fact in facts if fact)


def _summary(deployment: Deployment) -> str:
    """What a caller notices first, in the deployment's own best dialect; all of it is in the JSON."""
    dialect = next(iter(deployment.endpoints), None)
    quirks = deployment.quirks.get(dialect, Quirks()) if dialect else Quirks()
    said = {
        "thinks by default": quirks.thinking_default,
        "reasoning must be sent back": quirks.replay_reasoning != "never",
        "no forced tools while thinking": quirks.forced_tool_choice == "not_thinking",
        "no forced tools": quirks.forced_tool_choice == "never",
        "no JSON schema": not quirks.json_schema,
        "no images": not quirks.images,
        "no usage in streams": not quirks.stream_usage,
        f"refuses {len(quirks.unsupported)} parameters": bool(quirks.unsupported),
    }
    return ", ".join(text for text, holds in said.items() if holds) or "-"
