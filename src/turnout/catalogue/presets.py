"""What Turnout ships knowing: a preset per kind of provider, and facts about current models.

The data is `data/providers.toml` and `data/models.toml`, each fact with its source. This module reads them strictly (an
unknown key is an error that names file and key) and knows nothing of the operator's configuration, which is laid over
it elsewhere.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from typing import Literal, cast, get_args

from turnout.catalogue.model import AuthScheme, DataPolicy
from turnout.catalogue.quirks import QuirkOverrides, merge_quirks
from turnout.core.errors import ConfigError
from turnout.core.target import Dialect, Quirks
from turnout.core.toml_source import Positions
from turnout.core.toml_table import Problems, Table

ModelKind = Literal["chat", "embedding"]
PROVIDERS_FILE = "providers.toml"
MODELS_FILE = "models.toml"
_DIALECTS = {dialect.value: dialect for dialect in Dialect}
_EMBEDDING = Dialect.OPENAI_EMBEDDINGS
_ABILITIES = ("tools", "vision", "reasoning")
_MOST = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What is known of a kind of provider before an operator has said anything."""

    name: str
    title: str
    source: str
    """The vendor's reference for the endpoints."""
    base_url: str | None = None
    """None: the operator must give it."""
    base_url_env: tuple[str, ...] = ()
    """Environment names that may give the base URL; the first that is set wins."""
    key_env: tuple[str, ...] = ()
    """Environment names that may hold the key; the first that is set wins."""
    auth: AuthScheme = "bearer"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    endpoints: Mapping[Dialect, str]
    """URL template per dialect, best dialect first: `{base}`, `{model}` and (Gemini) `{method}`."""
    count_tokens_url: str | None = None
    """Template, as `endpoints`."""
    self_hosted: bool = False
    embedded: bool = False
    data: DataPolicy = field(default_factory=DataPolicy)
    price_regions: Mapping[str, str] = field(default_factory=dict[str, str])
    """The price region that a host of the vendor leads to; every other host leads to the price that holds anywhere."""
    quirks: Mapping[Dialect, QuirkOverrides] = field(default_factory=dict[Dialect, QuirkOverrides])
    """Departures from the dialects' owners, for `quirks.merge_quirks`."""
    quirk_sources: Mapping[Dialect, Mapping[str, str]] = field(default_factory=dict[Dialect, Mapping[str, str]])
    """Where each of them is documented."""

    def clean_base(self, url: str) -> str:
        """A base URL as people paste it, cut to what the templates expect: no trailing slash, and without the path that
        the templates add themselves (`http://host:8000/v1` becomes `http://host:8000` for vLLM)."""
        url = url.rstrip("/")
        paths = [template.removeprefix("{base}/").split("/") for template in self.endpoints.values()]
        ends = {"/" + "/".join(path[:count]) for path in paths for count in range(1, len(path) + 1)}
        for end in sorted(ends, key=len, reverse=True):
            if url.endswith(end):
                return url.removesuffix(end)
        return url


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known of one model at one kind of provider. None: not known."""

    provider: str
    """The preset's name."""
    name: str
    """The provider's own name for the model."""
    kind: ModelKind = "chat"
    context: int | None = None
    """Tokens of prompt and output together."""
    max_output: int | None = None
    tools: bool | None = None
    vision: bool | None = None
    reasoning: bool | None = None
    dialects: tuple[Dialect, ...]
    """Those it can be called through, the provider's best first."""
    quirks: Mapping[Dialect, QuirkOverrides] = field(default_factory=dict[Dialect, QuirkOverrides])
    """To be merged over the provider's."""
    retires: date | None = None
    """The vendor's announced last day."""
    source: str
    verified: date
    """When the facts were last taken from their sources."""


def load_presets() -> Mapping[str, Preset]:
    """The shipped presets, by name. Raises ConfigError at a defect of the data."""
    return parse_presets(_read(PROVIDERS_FILE), PROVIDERS_FILE)


def load_models(presets: Mapping[str, Preset] | None = None) -> tuple[ModelFacts, ...]:
    """The shipped model facts; give the presets if they are loaded. Raises ConfigError at a defect of the data."""
    return parse_models(_read(MODELS_FILE), load_presets() if presets is None else presets, MODELS_FILE)


def parse_presets(text: bytes, file: str) -> Mapping[str, Preset]:
    """Presets from TOML. Raises ConfigError naming `file` and the key."""
    root, problems = _open(text, file)
    presets = {name: _preset(name, root.table(name)) for name in root.names()}
    problems.raise_any()
    return presets


def parse_models(text: bytes, presets: Mapping[str, Preset], file: str) -> tuple[ModelFacts, ...]:
    """Model facts from TOML. Raises ConfigError naming `file` and the key."""
    root, problems = _open(text, file)
    facts: list[ModelFacts] = []
    for name in root.names():
        if name in presets:
            facts += _provider_models(root.table(name), presets[name])
        else:
            root.wrong(name, "is no preset.")
    problems.raise_any()
    return tuple(facts)


def _read(name: str) -> bytes:
    return files("turnout.catalogue").joinpath("data", name).read_bytes()


def _open(text: bytes, file: str) -> tuple[Table, Problems]:
    try:
        values = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from None
    problems = Problems(Positions(file=file))
    return Table(values, (), problems, {}), problems


def _preset(name: str, table: Table) -> Preset:
    quirks, sources = _quirks(table.table("quirks"))
    preset = Preset(
        name=name,
        title=table.required_text("title"),
        source=table.required_text("source"),
        base_url=table.optional_text("base_url"),
        base_url_env=table.texts("base_url_env"),
        key_env=table.texts("key_env"),
        auth=cast("AuthScheme", table.choice("auth", get_args(AuthScheme), "bearer")),
        headers=table.mapping("headers"),
        endpoints=_endpoints(table.table("endpoints")),
        count_tokens_url=table.optional_text("count_tokens_url"),
        self_hosted=table.flag("self_hosted", default=False),
        embedded=table.flag("embedded", default=False),
        data=_data(table.table("data")),
        price_regions=table.mapping("price_regions"),
        quirks=quirks,
        quirk_sources=sources,
    )
    table.done()
    return preset


def _dialect(table: Table, key: str) -> Dialect | None:
    if key not in _DIALECTS:
        table.wrong(key, "is no dialect.")
    return _DIALECTS.get(key)


def _endpoints(table: Table) -> dict[Dialect, str]:
    found: dict[Dialect, str] = {}
    for key in table.names():
        if (dialect := _dialect(table, key)) is not None:
            found[dialect] = table.text(key)
    return found


def _data(table: Table) -> DataPolicy:
    policy = DataPolicy(
        region=table.optional_text("region"),
        jurisdiction=table.optional_text("jurisdiction"),
        retention_days=table.optional_integer("retention_days", least=0, most=36_500),
        trains_on_data=table.flag("trains_on_data", default=False) if table.has("trains_on_data") else None,
        source=table.text("source"),
    )
    table.done()
    return policy


def _quirks(table: Table) -> tuple[dict[Dialect, QuirkOverrides], dict[Dialect, Mapping[str, str]]]:
    """Overrides per dialect, and the source of each: the value's own, or else its table's."""
    quirks: dict[Dialect, QuirkOverrides] = {}
    sources: dict[Dialect, Mapping[str, str]] = {}
    for key in table.names():
        dialect, values = _dialect(table, key), dict(table.raw_table(key))
        source = values.pop("source", None)
        origin: dict[str, object] = dict.fromkeys(values, source)
        for name, value in values.items():
            if isinstance(value, dict):
                cell = cast("dict[str, object]", value)
                values[name], origin[name] = cell.get("value"), cell.get("source")
        for name in values:
            if not isinstance(origin[name], str):
                table.wrong(key, f"{name} has no source.")
        try:
            merge_quirks(Quirks(), values)
        except ConfigError as error:
            table.wrong(key, error.message)
        if dialect is not None:
            quirks[dialect], sources[dialect] = values, {name: str(where) for name, where in origin.items()}
    return quirks, sources


def _provider_models(table: Table, preset: Preset) -> list[ModelFacts]:
    sets = {name: _quirks(inner)[0] for name, inner in table.tables("quirk_sets")}
    source, verified = table.required_text("source"), _day(table, "verified")
    if verified is None:
        table.wrong("", "needs `verified`.")
    facts = [_model(row, preset, sets, source, verified or date.min) for row in table.array_of_tables("models")]
    table.done()
    return facts


def _model(
    row: Table, preset: Preset, sets: Mapping[str, Mapping[Dialect, QuirkOverrides]], source: str, verified: date
) -> ModelFacts:
    kind = cast("ModelKind", row.choice("kind", get_args(ModelKind), "chat"))
    can = set(row.texts("can")) if row.has("can") else None
    for ability in (can or set()) - set(_ABILITIES):
        row.wrong("can", f"'{ability}' is none of {', '.join(_ABILITIES)}.")
    facts = ModelFacts(
        provider=preset.name,
        name=row.required_text("name"),
        kind=kind,
        context=row.optional_integer("context", least=1, most=_MOST),
        max_output=row.optional_integer("max_output", least=1, most=_MOST),
        tools=None if can is None else "tools" in can,
        vision=None if can is None else "vision" in can,
        reasoning=None if can is None else "reasoning" in can,
        dialects=_model_dialects(row, preset, kind),
        quirks=_laid_over(row, sets),
        retires=_day(row, "retires"),
        source=source,
        verified=verified,
    )
    row.done()
    return facts


def _model_dialects(row: Table, preset: Preset, kind: ModelKind) -> tuple[Dialect, ...]:
    named = row.texts("dialects")
    usable = tuple(d for d in preset.endpoints if (d is _EMBEDDING) == (kind == "embedding"))
    for name in named:
        if name not in [d.value for d in usable]:
            row.wrong("dialects", f"'{name}' is no endpoint of {preset.name}.")
    found = tuple(d for d in usable if not named or d.value in named)
    if not found:
        row.wrong("", f"{preset.name} has no endpoint for it.")
    return found


def _laid_over(row: Table, sets: Mapping[str, Mapping[Dialect, QuirkOverrides]]) -> dict[Dialect, QuirkOverrides]:
    """The named quirk sets, one over the other."""
    merged: dict[Dialect, QuirkOverrides] = {}
    for name in row.texts("quirks"):
        if name not in sets:
            row.wrong("quirks", f"there is no quirk set '{name}'.")
        for dialect, values in sets.get(name, {}).items():
            merged[dialect] = {**merged.get(dialect, {}), **values}
    return merged


def _day(table: Table, key: str) -> date | None:
    text = table.optional_text(key)
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        table.wrong(key, "must be a day such as 2026-11-22.")
        return None
