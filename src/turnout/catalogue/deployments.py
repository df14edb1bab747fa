"""Deployments: a model at a provider, offered because it is known or because the operator wrote it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from turnout.catalogue.accounts import Account, declared, quirk_overrides, timeouts_over
from turnout.catalogue.model import Deployment
from turnout.catalogue.presets import ModelFacts
from turnout.catalogue.quirks import QuirkOverrides, merge_quirks
from turnout.core.names import did_you_mean
from turnout.core.settings_model import DeploymentSettings, Settings
from turnout.core.target import Dialect, Quirks
from turnout.core.toml_source import KeyPath
from turnout.core.toml_table import Problems

FactsTable = Mapping[tuple[str, str], ModelFacts]
"""Facts by preset and the provider's name of the model."""


def facts_table(models: Sequence[ModelFacts]) -> FactsTable:
    """The facts, to be looked up."""
    return {(facts.provider, facts.name): facts for facts in models}


def deployments(
    settings: Settings, found: Mapping[str, Account], facts: FactsTable, problems: Problems
) -> dict[str, Deployment]:
    """Every deployment by name, by the order of the providers; what is written stands before what is merely known."""
    offered: dict[str, Deployment] = {}
    for account in found.values():
        for entry in settings.deployments.values():
            if entry.provider == account.provider.name:
                offered[entry.name] = _written(entry, account, facts, problems)
        for deployment in _known(account, facts):
            offered.setdefault(deployment.name, deployment)
    for entry in settings.deployments.values():
        _check_provider(entry, settings, found, problems)
    return offered


def _check_provider(
    entry: DeploymentSettings, settings: Settings, found: Mapping[str, Account], problems: Problems
) -> None:
    """A provider that is configured wrongly has its own problem already."""
    if entry.provider in found or entry.provider in settings.providers:
        return
    hint = did_you_mean(entry.provider, found) or "Write it as a `[providers]` entry, or set its key."
    problems.add(("deployments", entry.name, "provider"), f"there is no provider '{entry.provider}'. {hint}")


def _known(account: Account, facts: FactsTable) -> list[Deployment]:
    """The models of a provider that nobody had to write."""
    provider = account.provider
    names = account.models
    if names is None:
        names = tuple(name for preset, name in facts if preset == provider.preset)
    entries = (DeploymentSettings(name=f"{provider.name}/{name}", provider=provider.name, model=name) for name in names)
    return [_Plan(entry, account, facts.get((provider.preset, entry.model))).deployment({}) for entry in entries]


def _written(entry: DeploymentSettings, account: Account, facts: FactsTable, problems: Problems) -> Deployment:
    path: KeyPath = ("deployments", entry.name)
    plan = _Plan(entry, account, facts.get((account.provider.preset, entry.model)))
    before = len(problems)
    dialects = _checked_endpoints(entry, account, path, problems)
    overrides = quirk_overrides(entry.quirks, (*path, "quirks"), dialects, problems)
    made = plan.deployment(overrides)
    if not made.endpoints and len(problems) == before:
        spoken = ", ".join(dialect.value for dialect in plan.known_dialects())
        problems.add((*path, "endpoints"), f"the model '{entry.model}' can only be called through {spoken}.")
    return made


def _checked_endpoints(
    entry: DeploymentSettings, account: Account, path: KeyPath, problems: Problems
) -> tuple[Dialect, ...]:
    """The dialects of the provider; an `endpoints` entry that is none of them is a problem."""
    dialects = tuple(account.provider.endpoints)
    spoken = [dialect.value for dialect in dialects]
    for index, name in enumerate(entry.endpoints):
        if name not in spoken:
            hint = did_you_mean(name, spoken) or f"Spoken there: {', '.join(spoken)}."
            problems.add((*path, "endpoints", index), f"'{account.provider.name}' does not speak '{name}'. {hint}")
    return dialects


@dataclass(frozen=True, slots=True)
class _Plan:
    """One deployment about to be made: what is written, where it runs, what is known of the model."""

    entry: DeploymentSettings
    account: Account
    facts: ModelFacts | None

    def known_dialects(self) -> tuple[Dialect, ...]:
        """What the model is known to be callable through, else all that its provider speaks."""
        endpoints = self.account.provider.endpoints
        if self.facts is None:
            return tuple(endpoints)
        return tuple(dialect for dialect in self.facts.dialects if dialect in endpoints)

    def deployment(self, overrides: Mapping[Dialect, QuirkOverrides]) -> Deployment:
        entry, provider, facts = self.entry, self.account.provider, self.facts
        wanted = entry.endpoints
        dialects = [dialect for dialect in self.known_dialects() if not wanted or dialect.value in wanted]
        return Deployment(
            name=entry.name,
            provider=provider,
            model=entry.model,
            context=entry.context or (facts.context if facts else None),
            max_output=entry.max_output or (facts.max_output if facts else None),
            quirks={dialect: self._quirks(dialect, overrides.get(dialect, {})) for dialect in dialects},
            endpoints={dialect: provider.endpoints[dialect] for dialect in dialects},
            timeouts=timeouts_over(self.account.timeouts, entry.timeouts),
            data=declared(provider.data, entry.data),
            max_concurrency=entry.max_concurrency,
        )

    def _quirks(self, dialect: Dialect, overrides: QuirkOverrides) -> Quirks:
        """The preset's, the model's over it, then the operator's for the provider, then those for the deployment."""
        quirks = self.account.provider.quirks[dialect]
        if self.facts is not None:
            quirks = merge_quirks(quirks, self.facts.quirks.get(dialect, {}))
            quirks = merge_quirks(quirks, self.account.overrides.get(dialect, {}))
        return merge_quirks(quirks, overrides)
