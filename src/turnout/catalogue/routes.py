"""Routes: those that are written, and those that every deployment and model name is by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from turnout.catalogue.model import Deployment, Route, RouteTarget
from turnout.core.names import did_you_mean
from turnout.core.settings_model import RouteSettings, Settings
from turnout.core.target import Dialect
from turnout.core.toml_source import KeyPath
from turnout.core.toml_table import Problems


def routes(settings: Settings, offered: Mapping[str, Deployment], problems: Problems) -> dict[str, Route]:
    """Every route by name, aliases too. A written one goes before a deployment's name, and that before a model's."""
    found: dict[str, Route] = {}
    for entry in settings.routes.values():
        found[entry.name] = _Written(entry, settings, offered, problems).route()
    usual = settings.retry.max_attempts
    for name in offered:
        found.setdefault(name, _implicit(name, [name], usual))
    for model, names in _by_model(settings, offered).items():
        found.setdefault(model, _implicit(model, names, usual))
    return found | _aliases(settings, found, problems)


def _implicit(name: str, targets: list[str], max_attempts: int) -> Route:
    return Route(
        name=name,
        targets=tuple(RouteTarget(target) for target in targets),
        max_attempts=max_attempts,
        implicit=True,
    )


def _by_model(settings: Settings, offered: Mapping[str, Deployment]) -> dict[str, list[str]]:
    """The deployments of each plain model name. Where the operator wrote one for a model at a provider, the one that
    is merely known is not taken as well: it is the same place, without the operator's limits."""
    written = {(entry.provider, entry.model) for entry in settings.deployments.values()}
    found: dict[str, list[str]] = {}
    kinds: dict[str, frozenset[str]] = {}
    for name, deployment in offered.items():
        if (deployment.provider.name, deployment.model) in written and name not in settings.deployments:
            continue
        # A name that means a chat model here and an embedding model there leads to the first kind only.
        shared = kinds.get(deployment.model, uses(deployment)) & uses(deployment)
        if shared:
            kinds[deployment.model] = shared
            found.setdefault(deployment.model, []).append(name)
    return found


def uses(deployment: Deployment) -> frozenset[str]:
    """What a deployment can be called for: `chat`, `embedding`, or both where it is not known."""
    return frozenset(
        "embedding" if dialect is Dialect.OPENAI_EMBEDDINGS else "chat" for dialect in deployment.endpoints
    )


def _aliases(settings: Settings, found: Mapping[str, Route], problems: Problems) -> dict[str, Route]:
    """An alias is the route itself under another name: records show the route."""
    aliases: dict[str, Route] = {}
    for alias, name in settings.aliases.items():
        path: KeyPath = ("aliases", alias)
        written = alias in settings.routes or (alias in found and not _is_plain_model(found[alias]))
        if written:
            problems.add(path, f"'{alias}' is the name of a route or deployment already.")
        elif name in settings.aliases:
            problems.add(path, f"'{name}' is an alias too. Name the route itself.")
        elif name not in found:
            problems.add(path, f"there is no route or model '{name}'. {did_you_mean(name, found)}".rstrip())
        else:
            aliases[alias] = found[name]
    return aliases


def _is_plain_model(route: Route) -> bool:
    return route.implicit and all(target.deployment != route.name for target in route.targets)


@dataclass(frozen=True, slots=True)
class _Written:
    """One route of the settings about to be made."""

    entry: RouteSettings
    settings: Settings
    offered: Mapping[str, Deployment]
    problems: Problems

    def route(self) -> Route:
        entry = self.entry
        targets: dict[str, RouteTarget] = {}
        for index, target in enumerate(entry.targets):
            path: KeyPath = ("routes", entry.name, "targets", index)
            if target.deployment not in self.offered:
                self._unknown(target.deployment, path)
            elif target.deployment in targets:
                self.problems.add(path, f"'{target.deployment}' is in this route already.")
            else:
                targets[target.deployment] = RouteTarget(target.deployment, target.weight)
        self._check_kinds(list(targets))
        return Route(
            name=entry.name,
            targets=tuple(targets.values()),
            strategy=entry.strategy,
            drop=frozenset(entry.drop),
            max_attempts=entry.max_attempts,
            total_timeout=entry.total_timeout,
            sticky=entry.sticky,
            sticky_seconds=entry.sticky_seconds,
            unknown_price=entry.unknown_price,
        )

    def _unknown(self, name: str, path: KeyPath) -> None:
        if name in self.settings.deployments:
            return  # the deployment has its own problem
        models = [deployment.name for deployment in self.offered.values() if deployment.model == name]
        if name == self.entry.name and not models:
            self.problems.add(path, "a route can't lead to itself. Name a deployment.")
        elif name in self.settings.routes or name in self.settings.aliases:
            self.problems.add(
                path, f"'{name}' is a route. A route leads to deployments only, so that it can't go round."
            )
        elif models:
            self.problems.add(path, f"'{name}' is a model. Name its deployments: {', '.join(models)}.")
        else:
            self._unknown_provider(name, path)

    def _unknown_provider(self, name: str, path: KeyPath) -> None:
        provider = name.partition("/")[0]
        if provider in self.settings.providers and not any(
            deployment.provider.name == provider for deployment in self.offered.values()
        ):
            hint = f"The provider '{provider}' offers no models: give it `models`, or write a `[deployments]` entry."
        else:
            hint = did_you_mean(name, self.offered)
        self.problems.add(path, f"there is no deployment '{name}'. {hint}".rstrip())

    def _check_kinds(self, names: list[str]) -> None:
        """A request that one target can serve and another never could would fail by chance."""
        if not names:
            return
        shared = frozenset[str].intersection(*(uses(self.offered[name]) for name in names))
        if not shared:
            told = ", ".join(f"{name} ({' or '.join(sorted(uses(self.offered[name])))})" for name in names)
            self.problems.add(
                ("routes", self.entry.name, "targets"), f"no kind of request can be sent to all of them: {told}."
            )
