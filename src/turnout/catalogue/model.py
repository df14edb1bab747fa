"""The catalogue: providers, deployments, routes. Frozen; a reload makes a new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from turnout.catalogue.tariff import GLOBAL, PriceBook
from turnout.core.errors import UnknownModel
from turnout.core.names import did_you_mean
from turnout.core.secret import Secret
from turnout.core.settings_model import OnUnknownPrice
from turnout.core.target import Dialect, Quirks, Target

AuthScheme = Literal["bearer", "x-api-key", "api-key", "x-goog-api-key", "none"]
Strategy = Literal["fallback", "weighted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds. `first_byte` and `idle` count bytes from the provider, pings included."""

    connect: float = 3.0
    first_byte: float = 120.0
    idle: float = 30.0
    total: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPolicy:
    """Where a request goes and what happens to it there. None: not known, which no rule may read as good."""

    region: str | None = None
    jurisdiction: str | None = None
    """ISO 3166 code of the law that applies, `EU`, or `self` for what runs on the team's own machines."""
    retention_days: int | None = None
    trains_on_data: bool | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who answers: an account at a vendor, a self-hosted server, or the embedded model."""

    name: str
    preset: str
    title: str
    base_url: str
    """Without a trailing slash; empty for the embedded model."""
    endpoints: Mapping[Dialect, str]
    """URL template per dialect it speaks, best dialect first: `{base}`, `{model}` and (Gemini) `{method}`."""
    auth: AuthScheme = "bearer"
    api_key: Secret | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    count_tokens_url: str | None = None
    embedded: bool = False
    self_hosted: bool = False
    quirks: Mapping[Dialect, Quirks] = field(default_factory=dict[Dialect, Quirks])
    data: DataPolicy = field(default_factory=DataPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A model at a provider."""

    name: str
    """Unique in the catalogue; `provider/model` unless the operator named it."""
    provider: Provider
    model: str
    """The provider's own name for the model."""
    context: int | None = None
    """Tokens of prompt and output together; None when unknown, which no filter may read as large."""
    max_output: int | None = None
    quirks: Mapping[Dialect, Quirks] = field(default_factory=dict[Dialect, Quirks])
    """The provider's quirks with the model's own over them."""
    endpoints: Mapping[Dialect, str] = field(default_factory=dict[Dialect, str])
    """The provider's, or the subset this model can be called through (embedding models: one)."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    data: DataPolicy = field(default_factory=DataPolicy)
    max_concurrency: int | None = None
    channel: str = ""
    """Whose price list holds; empty before the catalogue has looked."""
    price_region: str = GLOBAL
    """Whose regional price holds where an answer does not say."""

    def target(self, dialect: Dialect, drop: frozenset[str] = frozenset()) -> Target:
        """What a dialect needs to write for this deployment."""
        return Target(
            model=self.model,
            provider=self.provider.name,
            dialect=dialect,
            quirks=self.quirks.get(dialect, Quirks()),
            max_output=self.max_output,
            drop=drop,
        )


@dataclass(frozen=True, slots=True)
class RouteTarget:
    """One place a route may send to. Weights matter to the `weighted` strategy only."""

    deployment: str
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A name that callers ask for, and where it leads."""

    name: str
    targets: tuple[RouteTarget, ...]
    strategy: Strategy = "fallback"
    drop: frozenset[str] = frozenset()
    """Parameters that may be left out for a target that can't express them."""
    max_attempts: int = 3
    total_timeout: float = 600.0
    sticky: bool = True
    """Keep a conversation where its prompt cache is warm."""
    sticky_seconds: float = 300.0
    """How long after the last request a conversation stays bound; the providers' cache life is 5 minutes."""
    unknown_price: OnUnknownPrice = "flag"
    """What becomes of a request whose price is not known."""
    implicit: bool = False
    """Made for a plain model name, not written by the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything a request can be sent to."""

    version: str
    """Changes when anything in it changes; written on every record."""
    providers: Mapping[str, Provider]
    deployments: Mapping[str, Deployment]
    routes: Mapping[str, Route]
    """By name, the implicit ones (each deployment's name, each plain model name) included."""
    default_route: str | None = None
    prices: PriceBook = field(default_factory=PriceBook, compare=False, repr=False)
    price_version: str = ""
    """Changes when any price or calendar does; written on every cost."""

    def resolve(self, name: str) -> Route:
        """The route of that name. Raises UnknownModel with the nearest names."""
        route = self.routes.get(name)
        if route is None:
            hint = did_you_mean(name, self.routes)
            known = f"This server has {len(self.routes)} names; GET /v1/models lists them."
            raise UnknownModel(f"There is no model or route '{name}'. {hint or known}", param="model")
        return route

    def targets(self, route: Route) -> Iterator[tuple[Deployment, int]]:
        """A route's deployments with their weights, in its order."""
        for target in route.targets:
            yield self.deployments[target.deployment], target.weight
