"""Makes the catalogue from the settings, the environment and what Turnout ships knowing.

    catalogue = build_catalogue(settings, os.environ, local_model=LocalModel(name="smollm2", context=4096))

Everything that a name can refer to is checked here, so that a catalogue in use has no loose ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from turnout.catalogue.accounts import LOCAL, Account, accounts
from turnout.catalogue.deployments import deployments, facts_table
from turnout.catalogue.fingerprint import fingerprint
from turnout.catalogue.model import Catalogue, Deployment, Provider, Route, RouteTarget
from turnout.catalogue.presets import Preset, load_models, load_presets
from turnout.catalogue.priced import priced
from turnout.catalogue.prices import prices_in_use
from turnout.catalogue.quirks import merge_quirks
from turnout.catalogue.routes import routes
from turnout.core.names import did_you_mean
from turnout.core.settings_model import Settings
from turnout.core.target import Dialect, Quirks
from turnout.core.toml_table import Problems

EMBEDDED_BASE = "embedded:"
"""Stands where a URL would: the embedded model's address is known only while it runs."""
_EMBEDDED_ENDPOINTS: Mapping[Dialect, str] = {
    Dialect.OPENAI_CHAT: "{base}/v1/chat/completions",
    Dialect.OPENAI_COMPLETIONS: "{base}/v1/completions",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """The embedded model that this process can run."""

    name: str
    context: int
    """Tokens of prompt and output together."""


def wanted_local_model(settings: Settings) -> LocalModel | None:
    """The embedded model as the settings want it: named after its file where a path is given. Whether its weights are
    there is for the caller to find out."""
    if not settings.local.enabled:
        return None
    name = PurePath(settings.local.model).name.removesuffix(".gguf")
    return LocalModel(name=name, context=settings.local.context)


def build_catalogue(settings: Settings, environ: Mapping[str, str], *, local_model: LocalModel | None) -> Catalogue:
    """The catalogue. Raises ConfigProblems with everything that is wrong."""
    problems = Problems(settings.positions)
    presets = load_presets()
    found = accounts(settings, environ, presets, problems)
    if local_model is not None:
        found[LOCAL] = Account(provider=_embedded(presets["embedded"]), key_from=None, models=())
    offered = deployments(settings, found, facts_table(load_models()), problems)
    if local_model is not None:
        local = _local_deployment(found[LOCAL].provider, local_model)
        offered.setdefault(local.name, local)
    prices = prices_in_use(settings, [*presets, *settings.providers, LOCAL], problems)
    offered = {name: priced(each, presets[each.provider.preset], prices.book) for name, each in offered.items()}
    named = routes(settings, offered, problems)
    if local_model is not None:
        named.setdefault(LOCAL, _local_route(settings, local_model))
    _check_keys(settings, named, problems)
    _check_budgets(settings, named, problems)
    default = _default_route(settings, named, problems, has_local=local_model is not None)
    problems.raise_any()
    providers = {name: account.provider for name, account in found.items()}
    return Catalogue(
        version=fingerprint(providers, offered, named, default),
        providers=providers,
        deployments=offered,
        routes=named,
        default_route=default,
        prices=prices.book,
        price_version=prices.version,
    )


def _embedded(preset: Preset) -> Provider:
    return Provider(
        name=LOCAL,
        preset=preset.name,
        title=preset.title,
        base_url=EMBEDDED_BASE,
        endpoints=_EMBEDDED_ENDPOINTS,
        auth="none",
        embedded=True,
        self_hosted=True,
        quirks={dialect: merge_quirks(Quirks(), preset.quirks.get(dialect, {})) for dialect in _EMBEDDED_ENDPOINTS},
        data=preset.data,
    )


def _local_deployment(provider: Provider, model: LocalModel) -> Deployment:
    return Deployment(
        name=f"{LOCAL}/{model.name}",
        provider=provider,
        model=model.name,
        context=model.context,
        max_output=model.context,
        quirks=provider.quirks,
        endpoints=provider.endpoints,
        data=provider.data,
    )


def _local_route(settings: Settings, model: LocalModel) -> Route:
    target = RouteTarget(f"{LOCAL}/{model.name}")
    return Route(name=LOCAL, targets=(target,), max_attempts=settings.retry.max_attempts, implicit=True)


def _default_route(
    settings: Settings, named: Mapping[str, Route], problems: Problems, *, has_local: bool
) -> str | None:
    wanted = settings.default_route
    if wanted is None:
        return LOCAL if has_local else None
    if wanted not in named:
        hint = did_you_mean(wanted, named)
        problems.add(("default_route",), f"there is no route or model '{wanted}'. {hint}".rstrip())
    return wanted


def _check_keys(settings: Settings, named: Mapping[str, Route], problems: Problems) -> None:
    for index, key in enumerate(settings.keys):
        for place, name in enumerate(key.routes):
            if name not in named:
                hint = did_you_mean(name, named)
                path = ("keys", index, "routes", place)
                problems.add(path, f"there is no route or model '{name}'. {hint}".rstrip())


def _check_budgets(settings: Settings, named: Mapping[str, Route], problems: Problems) -> None:
    """A budget of a route that is not there would limit nothing, and nobody would notice."""
    for budget in settings.budgets.values():
        for place, name in enumerate(budget.match if budget.per == "route" else ()):
            path = ("budgets", budget.name, "match", place)
            if name not in named:
                hint = did_you_mean(name, named)
                problems.add(path, f"there is no route or model '{name}'. {hint}".rstrip())
            elif named[name].name != name:
                problems.add(path, f"'{name}' is another name for '{named[name].name}', whose money it is. Name that.")
