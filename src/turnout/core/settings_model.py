"""The shape of the settings: one frozen value, read once. What each means to an operator is in `turnout.example.toml`.

Names of environment variables and files stand here, never what is in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from turnout.core.money import Money
from turnout.core.toml_source import Positions, TomlTable

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "text"]
KeyRole = Literal["user", "admin"]
RouteStrategy = Literal["fallback", "weighted"]
OnUnknownPrice = Literal["flag", "refuse"]
BudgetWindow = Literal["hour", "day", "week", "month", "total"]
BudgetPer = Literal["key", "team", "tag", "route", "user", "all"]

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """Where a secret is found: an environment variable or a file. One of the two at most."""

    env: str | None = None
    file: str | None = None

    def __bool__(self) -> bool:
        return self.env is not None or self.file is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """The listening side. Times are seconds."""

    host: str = "127.0.0.1"
    port: int = 4000
    """0 takes any free port."""
    max_body_bytes: int = 10 * MIB
    header_timeout: float = 10.0
    body_timeout: float = 30.0
    drain_seconds: float = 30.0
    """How long requests in flight may still run after a stop signal."""
    keepalive_seconds: float = 15.0
    """How often a stream is pinged while the model thinks."""
    max_requests_in_flight: int = 1024
    cors_origins: tuple[str, ...] = ()
    """Origins that browsers may call from. None: no CORS header is ever sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """Where the database and pulled weights live."""

    dir: Path
    shared: bool = False
    """Several processes of this machine write the SQLite file."""
    database_url_env: str | None = None
    """The variable with a PostgreSQL URL; None: TURNOUT_DATABASE_URL, where it is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What is logged. Prompts and answers never are."""

    level: LogLevel = "info"
    requests: bool = False
    """One line per request."""
    format: LogFormat = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """Limits of a key: requests and tokens per minute, requests at once. None: no limit."""

    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """How often a failed attempt is tried elsewhere."""

    budget: float = 0.1
    """Share of requests that may be retried, over a window; it keeps an outage from doubling the load."""
    max_attempts: int = 3
    """For routes that do not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSettings:
    """When a failing deployment is left alone."""

    failures: int = 5
    """In a row."""
    open_seconds: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """The embedded model."""

    enabled: bool = True
    model: str = "smollm2-135m-instruct"
    """Its name, or the path of a GGUF file."""
    context: int = 4096
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutSettings:
    """Seconds. None: the provider's, and where that is silent too, the built-in one."""

    connect: float | None = None
    first_byte: float | None = None
    idle: float | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """What the operator declares of where data goes. None: as the preset says."""

    region: str | None = None
    jurisdiction: str | None = None
    retention_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """`[providers.NAME]`."""

    name: str
    preset: str
    base_url: str | None = None
    allow_http: bool = False
    """Take a plain http URL of a host that is neither loopback nor private."""
    api_key: SecretSource = field(default_factory=SecretSource)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    models: tuple[str, ...] | None = None
    """Models to offer. None: those that the catalogue knows of this preset."""
    data: DataSettings = field(default_factory=DataSettings)
    timeouts: TimeoutSettings = field(default_factory=TimeoutSettings)
    quirks: TomlTable = field(default_factory=dict[str, object])
    """As written; the catalogue knows the names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSettings:
    """`[deployments.NAME]`."""

    name: str
    provider: str
    model: str
    context: int | None = None
    max_output: int | None = None
    max_concurrency: int | None = None
    endpoints: tuple[str, ...] = ()
    """Dialects it can be called through. Empty: as known of the model, else all of the provider's."""
    data: DataSettings = field(default_factory=DataSettings)
    timeouts: TimeoutSettings = field(default_factory=TimeoutSettings)
    quirks: TomlTable = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings:
    """One entry of a route's `targets`."""

    deployment: str
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSettings:
    """`[routes.NAME]`."""

    name: str
    targets: tuple[TargetSettings, ...]
    """In the order of the file, so that target i stands at `routes.NAME.targets[i]`."""
    strategy: RouteStrategy = "fallback"
    drop: tuple[str, ...] = ()
    max_attempts: int = 3
    total_timeout: float = 600.0
    sticky: bool = True
    sticky_seconds: float = 300.0
    unknown_price: OnUnknownPrice = "flag"
    """What becomes of a request to a model whose price is not known: served and marked, or refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """`[[keys]]`: a virtual key whose secret comes from the environment, for containers."""

    name: str
    secret: SecretSource
    role: KeyRole = "user"
    routes: tuple[str, ...] = ()
    """Names the key may ask for. Empty: all."""
    team: str = ""
    tags: tuple[str, ...] = ()
    limits: LimitSettings = field(default_factory=LimitSettings)
    """Its own, and the `[limits]` where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneySettings:
    """`[money]`."""

    enabled: bool = True
    """Off: nothing is set aside or booked, and no budget holds."""
    outage_allowance: Money | None = None
    """What a process may go on spending in each budget while the database is away. None: it stops."""
    outage_seconds: float = 60.0
    """For how long."""
    hold_output: int | None = None
    """Output tokens to set aside for a request that names no maximum. None: the model's own maximum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSettings:
    """`[budgets.NAME]`: at most so much, in each window, for each subject."""

    name: str
    limit: Money | None = None
    """Above it requests are refused. None: nothing is."""
    soft: Money | None = None
    """Above it only a warning is given."""
    window: BudgetWindow = "month"
    zone: str = "UTC"
    """IANA name. Its local calendar decides when a day begins."""
    per: BudgetPer = "all"
    """Whose money it is: each key, team, tag, route or end user has its own; or all requests share one."""
    match: tuple[str, ...] = ()
    """The subjects that it holds for, each with an amount of its own. Empty: every one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """What is told to the operator's own systems. Nothing is told to anybody else."""

    otlp_endpoint: str | None = None
    metrics: bool = True
    """Serve `/metrics`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the operator decides."""

    server: ServerSettings = field(default_factory=ServerSettings)
    storage: StorageSettings
    log: LogSettings = field(default_factory=LogSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    retry: RetrySettings = field(default_factory=RetrySettings)
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    local: LocalSettings = field(default_factory=LocalSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    providers: Mapping[str, ProviderSettings] = field(default_factory=dict[str, ProviderSettings])
    deployments: Mapping[str, DeploymentSettings] = field(default_factory=dict[str, DeploymentSettings])
    routes: Mapping[str, RouteSettings] = field(default_factory=dict[str, RouteSettings])
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    keys: tuple[KeySettings, ...] = ()
    money: MoneySettings = field(default_factory=MoneySettings)
    budgets: Mapping[str, BudgetSettings] = field(default_factory=dict[str, BudgetSettings])
    prices: TomlTable = field(default_factory=dict[str, object])
    """`[prices]`, as written; the catalogue knows the keys."""
    calendars: TomlTable = field(default_factory=dict[str, object])
    """`[calendars]`, likewise."""
    default_route: str | None = None
    providers_from_environment: bool = True
    """Offer each vendor whose key stands in the environment under its usual name."""
    file: Path | None = None
    """The file it was read from."""
    positions: Positions = field(default_factory=Positions, compare=False, repr=False)
    """Where each key stands, for problems that only the catalogue can see."""
