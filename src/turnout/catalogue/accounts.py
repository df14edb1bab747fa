"""Providers: those the settings name, and those whose key stands in the environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from turnout.catalogue.address import base_url_fault, host_of, is_private_host
from turnout.catalogue.model import DataPolicy, Provider, Timeouts
from turnout.catalogue.presets import Preset
from turnout.catalogue.quirks import QuirkOverrides, merge_quirks
from turnout.core.errors import ConfigError
from turnout.core.names import did_you_mean
from turnout.core.secret import Secret
from turnout.core.secret_source import clean_secret, config_dir, read_secret
from turnout.core.settings_model import DataSettings, ProviderSettings, SecretSource, Settings, TimeoutSettings
from turnout.core.settings_names import url_fault
from turnout.core.target import Dialect, Quirks
from turnout.core.toml_source import KeyPath, TomlTable
from turnout.core.toml_table import Problems

LOCAL = "local"
"""The name of the embedded model's provider, and of the route to it."""
_EMBEDDED_PRESET = "embedded"
_DIALECTS = {dialect.value: dialect for dialect in Dialect}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A provider, and what its deployments take over."""

    provider: Provider
    key_from: str | None
    """The variable or file that its key came from; None where it has none."""
    models: tuple[str, ...] | None = None
    """The models to offer; None: those that are known of the preset."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    overrides: Mapping[Dialect, QuirkOverrides] = field(default_factory=dict[Dialect, QuirkOverrides])
    """The operator's quirks. They stand over those of a model."""


class AmbientKey(NamedTuple):
    """A vendor's usual variable, set in the environment."""

    preset: Preset
    variable: str


def accounts(
    settings: Settings, environ: Mapping[str, str], presets: Mapping[str, Preset], problems: Problems
) -> dict[str, Account]:
    """Every provider by name, in the order of the presets."""
    found: dict[str, Account] = {}
    for entry in settings.providers.values():
        preset = _preset_of(entry, presets, problems)
        if preset is not None:
            found[entry.name] = _Builder(settings, environ, problems).account(entry, preset)
    for key in ambient_keys(settings, environ, presets):
        if _base_url_of(key.preset, environ) is not None:
            entry = ProviderSettings(name=key.preset.name, preset=key.preset.name)
            found[entry.name] = _Builder(settings, environ, problems).account(entry, key.preset)
    order = list(presets)
    return dict(sorted(found.items(), key=lambda item: order.index(item[1].provider.preset)))


def ambient_keys(settings: Settings, environ: Mapping[str, str], presets: Mapping[str, Preset]) -> Iterator[AmbientKey]:
    """Vendors whose key is found without being configured.

    A variable that a configured provider uses is taken: who sends a key to a regional URL does not want it
    sent to the global one as well. Self-hosted servers have no address to be guessed.
    """
    if not settings.providers_from_environment:
        return
    taken = {entry.api_key.env for entry in settings.providers.values()}
    for entry in settings.providers.values():
        if not entry.api_key and (preset := presets.get(entry.preset)):
            taken |= {_first_set(preset.key_env, environ)}
    for preset in presets.values():
        variable = _first_set(preset.key_env, environ)
        if variable and variable not in taken and preset.name not in settings.providers and not preset.self_hosted:
            yield AmbientKey(preset, variable)


def incomplete_keys(
    settings: Settings, environ: Mapping[str, str], presets: Mapping[str, Preset]
) -> Iterator[AmbientKey]:
    """Vendors whose key is in the environment and whose address is not, so that they are left out."""
    return (key for key in ambient_keys(settings, environ, presets) if _base_url_of(key.preset, environ) is None)


def _first_set(names: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    return next((name for name in names if environ.get(name, "").strip()), None)


def _base_url_of(preset: Preset, environ: Mapping[str, str]) -> str | None:
    variable = _first_set(preset.base_url_env, environ)
    return environ[variable].strip() if variable else preset.base_url


def _preset_of(entry: ProviderSettings, presets: Mapping[str, Preset], problems: Problems) -> Preset | None:
    path: KeyPath = ("providers", entry.name)
    known = [name for name in presets if name != _EMBEDDED_PRESET]
    if entry.name == LOCAL:
        problems.add(path, f"the name '{LOCAL}' belongs to the embedded model; its settings are in `[local]`.")
        return None
    if entry.preset in known:
        return presets[entry.preset]
    if entry.preset == entry.name:
        hint = did_you_mean(entry.name, known) or "For a server that speaks OpenAI's API write 'openai_compatible'."
        problems.add(path, f"needs `preset`, because '{entry.name}' is not the name of one. {hint}")
    else:
        hint = did_you_mean(entry.preset, known) or f"There are: {', '.join(known)}."
        problems.add((*path, "preset"), f"there is no preset '{entry.preset}'. {hint}")
    return None


@dataclass(frozen=True, slots=True)
class _Builder:
    """Makes one provider. Problems go to the key that is at fault."""

    settings: Settings
    environ: Mapping[str, str]
    problems: Problems

    def account(self, entry: ProviderSettings, preset: Preset) -> Account:
        path: KeyPath = ("providers", entry.name)
        base_url = self._base_url(entry, preset)
        key, key_from = self._key(entry, preset)
        overrides = quirk_overrides(entry.quirks, (*path, "quirks"), tuple(preset.endpoints), self.problems)
        provider = Provider(
            name=entry.name,
            preset=preset.name,
            title=preset.title if entry.name == preset.name else f"{preset.title} ({entry.name})",
            base_url=base_url,
            endpoints=preset.endpoints,
            auth=preset.auth,
            api_key=key,
            headers={**preset.headers, **entry.headers},
            count_tokens_url=preset.count_tokens_url,
            self_hosted=preset.self_hosted,
            quirks={
                dialect: merge_quirks(
                    merge_quirks(Quirks(), preset.quirks.get(dialect, {})), overrides.get(dialect, {})
                )
                for dialect in preset.endpoints
            },
            data=declared(self._policy(preset, base_url), entry.data),
        )
        return Account(
            provider=provider,
            key_from=key_from,
            models=entry.models,
            timeouts=timeouts_over(Timeouts(), entry.timeouts),
            overrides=overrides,
        )

    def _base_url(self, entry: ProviderSettings, preset: Preset) -> str:
        path: KeyPath = ("providers", entry.name, "base_url")
        url = entry.base_url or _base_url_of(preset, self.environ)
        if url is None:
            where = f" or ${preset.base_url_env[0]}" if preset.base_url_env else ""
            self.problems.add(path, f"the preset '{preset.name}' has no address of its own. Write `base_url`{where}.")
            return ""
        fault = url_fault(url) or base_url_fault(url, allow_http=entry.allow_http)
        if fault:
            variable = None if entry.base_url else _first_set(preset.base_url_env, self.environ)
            if variable:
                self.problems.add_environment(variable, fault)
            else:
                self.problems.add(path, fault)
            return ""
        return preset.clean_base(url)

    def _key(self, entry: ProviderSettings, preset: Preset) -> tuple[Secret | None, str | None]:
        if entry.api_key:
            return self._named_key(entry.name, entry.api_key)
        variable = _first_set(preset.key_env, self.environ)
        if variable is not None:
            try:
                return clean_secret(self.environ[variable], f"the environment variable {variable}"), variable
            except ConfigError as error:
                self.problems.add_environment(variable, error.message)
        elif preset.key_env and not preset.self_hosted:
            names = " or ".join(preset.key_env)
            self.problems.add(
                ("providers", entry.name), f"no key is found: {names} is not set, and there is no `api_key_env`."
            )
        return None, None

    def _named_key(self, name: str, source: SecretSource) -> tuple[Secret | None, str | None]:
        try:
            return read_secret(source, self.environ, config_dir(self.settings)), source.env or source.file
        except ConfigError as error:
            key = "api_key_env" if source.env else "api_key_file"
            self.problems.add(("providers", name, key), error.message)
            return None, None

    def _policy(self, preset: Preset, base_url: str) -> DataPolicy:
        """What the preset says of data holds at the vendor's own address, or on a machine of one's own."""
        host = host_of(base_url)
        if preset.self_hosted:
            return preset.data if is_private_host(host) else DataPolicy()
        if preset.base_url is not None and host != host_of(preset.base_url):
            return DataPolicy()
        return preset.data


def quirk_overrides(
    written: TomlTable, path: KeyPath, dialects: tuple[Dialect, ...], problems: Problems
) -> dict[Dialect, QuirkOverrides]:
    """The operator's quirks by dialect, checked."""
    found: dict[Dialect, QuirkOverrides] = {}
    for name, values in written.items():
        dialect = _DIALECTS.get(name)
        if dialect not in dialects:
            spoken = [dialect.value for dialect in dialects]
            hint = did_you_mean(name, spoken) or f"Spoken here: {', '.join(spoken)}."
            problems.add((*path, name), f"must be a dialect that the provider speaks. {hint}")
        elif not isinstance(values, Mapping):
            problems.add((*path, name), "must be a table of quirks.")
        else:
            found[dialect] = _good_quirks(values, (*path, name), problems)  # pyright: ignore[reportUnknownArgumentType]
    return found


def _good_quirks(values: TomlTable, path: KeyPath, problems: Problems) -> QuirkOverrides:
    good: dict[str, object] = {}
    for name, value in values.items():
        try:
            merge_quirks(Quirks(), {name: value})
            good[name] = value
        except ConfigError as error:
            problems.add((*path, name), error.message)
    return good


def declared(known: DataPolicy, said: DataSettings) -> DataPolicy:
    """What is known, with what the operator declares over it. A declared field is the operator's word."""
    if said == DataSettings():
        return known
    return dataclasses.replace(
        known,
        region=known.region if said.region is None else said.region,
        jurisdiction=known.jurisdiction if said.jurisdiction is None else said.jurisdiction,
        retention_days=known.retention_days if said.retention_days is None else said.retention_days,
        source="declared in the configuration",
    )


def timeouts_over(usual: Timeouts, said: TimeoutSettings) -> Timeouts:
    """Timeouts with the operator's over them."""
    return Timeouts(
        connect=usual.connect if said.connect is None else said.connect,
        first_byte=usual.first_byte if said.first_byte is None else said.first_byte,
        idle=usual.idle if said.idle is None else said.idle,
        total=usual.total if said.total is None else said.total,
    )
