"""Reads the settings, once, from `turnout.toml` and the environment. Every mistake is reported, not only the first.

    settings = read_settings(find_config(None, os.environ), os.environ)

`settings_model` holds the shapes, `settings_names` the entries with names of their own (providers, routes, keys); this
module holds the fixed sections and the order of reading. What a name refers to is checked by `catalogue.load`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from turnout.core.problems import ConfigProblems, Problem
from turnout.core.settings_model import (
    BreakerSettings,
    LimitSettings,
    LocalSettings,
    LogFormat,
    LogLevel,
    LogSettings,
    RetrySettings,
    ServerSettings,
    Settings,
    StorageSettings,
    TelemetrySettings,
)
from turnout.core.settings_money import read_budgets, read_money
from turnout.core.settings_names import (
    read_aliases,
    read_deployments,
    read_keys,
    read_limits,
    read_providers,
    read_routes,
    url_fault,
)
from turnout.core.toml_source import TomlSource, load_toml
from turnout.core.toml_table import Problems, Table

CONFIG_NAME = "turnout.toml"


def find_config(given: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read: `--config`, else $TURNOUT_CONFIG, else ./turnout.toml; None where there is none.

    A file that is named and missing raises ConfigProblems: falling back to defaults would serve something else.
    """
    if given is not None:
        return _existing(given, str(given), "is not a file. It was given with --config.")
    if variable := environ.get("TURNOUT_CONFIG", "").strip():
        return _existing(Path(variable), variable, "is not a file. It was given in $TURNOUT_CONFIG.")
    here = Path(CONFIG_NAME)
    return here if here.is_file() else None


def _existing(path: Path, name: str, message: str) -> Path:
    if not path.is_file():
        raise ConfigProblems([Problem(name, None, "", message)])
    return path


def data_dir(environ: Mapping[str, str]) -> Path:
    """Where state is kept unless `[storage] dir` says: $TURNOUT_HOME, else the XDG data directory."""
    if home := environ.get("TURNOUT_HOME", "").strip():
        return Path(home)
    # The XDG specification: a relative path in the variable is to be ignored.
    xdg = environ.get("XDG_DATA_HOME", "").strip()
    if xdg and Path(xdg).is_absolute():
        return Path(xdg) / "turnout"
    user = environ.get("HOME", "").strip()
    return (Path(user) if user else Path.home()) / ".local" / "share" / "turnout"


def read_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Reads a file, or only the environment where there is none. Raises ConfigProblems with all that is wrong."""
    source = load_toml(path) if path is not None else TomlSource()
    return settings_from(source, environ, file=path)


def settings_from(source: TomlSource, environ: Mapping[str, str], *, file: Path | None = None) -> Settings:
    """Settings from parsed TOML. Raises ConfigProblems."""
    problems = Problems(source.positions)
    root = Table(source.values, (), problems, environ)
    limits = _limits(root.table("limits"))
    retry = _retry(root.table("retry"))
    settings = Settings(
        server=_server(root.table("server")),
        storage=_storage(root.table("storage"), environ, file),
        log=_log(root.table("log")),
        limits=limits,
        retry=retry,
        breaker=_breaker(root.table("breaker")),
        local=_local(root.table("local")),
        telemetry=_telemetry(root.table("telemetry")),
        providers=read_providers(root),
        deployments=read_deployments(root),
        routes=read_routes(root, retry.max_attempts),
        aliases=read_aliases(root),
        keys=read_keys(root, limits),
        money=read_money(root.table("money")),
        budgets=read_budgets(root),
        prices=root.raw_table("prices"),
        calendars=root.raw_table("calendars"),
        default_route=root.optional_text("default_route", env="TURNOUT_DEFAULT_ROUTE"),
        providers_from_environment=root.flag("providers_from_environment", True),
        file=file,
        positions=source.positions,
    )
    root.done()
    problems.raise_any()
    return settings


def _server(table: Table) -> ServerSettings:
    usual = ServerSettings()
    found = ServerSettings(
        host=table.text("host", usual.host, env="TURNOUT_HOST"),
        port=table.integer("port", usual.port, least=0, most=65_535, env="TURNOUT_PORT"),
        max_body_bytes=table.integer("max_body_bytes", usual.max_body_bytes, least=1024, most=1 << 30),
        header_timeout=table.number("header_timeout", usual.header_timeout, least=0.1, most=600),
        body_timeout=table.number("body_timeout", usual.body_timeout, least=0.1, most=3600),
        drain_seconds=table.number("drain_seconds", usual.drain_seconds, least=0, most=3600),
        keepalive_seconds=table.number("keepalive_seconds", usual.keepalive_seconds, least=1, most=300),
        max_requests_in_flight=table.integer(
            "max_requests_in_flight", usual.max_requests_in_flight, least=1, most=100_000
        ),
        cors_origins=table.texts("cors_origins", check=_origin),
    )
    table.done()
    return found


def _origin(text: str) -> str | None:
    if text == "*":
        return "must be named one by one: a key in a page of any origin would be open to all."
    if not text.startswith(("http://", "https://")) or text.count("/") != 2:
        return "must be an origin such as 'https://app.example.com', without a path."
    return None


def _storage(table: Table, environ: Mapping[str, str], file: Path | None) -> StorageSettings:
    written = table.optional_text("dir")
    shared = table.flag("shared", False)
    table.forbid("database_url", "holds a password: put it in an environment variable, named by `database_url_env`.")
    variable = table.optional_text("database_url_env", check=_variable)
    table.done()
    place = data_dir(environ) if written is None else _written_dir(written, environ, file)
    return StorageSettings(dir=place, shared=shared, database_url_env=variable)


def _variable(text: str) -> str | None:
    return "must be the name of a variable, not the URL itself." if "/" in text or "=" in text else None


def _written_dir(written: str, environ: Mapping[str, str], file: Path | None) -> Path:
    base = file.parent if file is not None else Path()
    if written == "~" or written.startswith("~/"):
        base = Path(environ.get("HOME") or Path.home())
        written = written[2:]
    # Relative to the file, so that the place does not depend on where the server was started.
    return base / written


def _log(table: Table) -> LogSettings:
    usual = LogSettings()
    level = table.choice("level", ("debug", "info", "warning", "error"), usual.level, env="TURNOUT_LOG_LEVEL")
    shape = table.choice("format", ("json", "text"), usual.format, env="TURNOUT_LOG_FORMAT")
    requests = table.flag("requests", usual.requests, env="TURNOUT_LOG_REQUESTS")
    table.done()
    return LogSettings(level=cast("LogLevel", level), requests=requests, format=cast("LogFormat", shape))


def _limits(table: Table) -> LimitSettings:
    limits = read_limits(table, LimitSettings())
    table.done()
    return limits


def _retry(table: Table) -> RetrySettings:
    usual = RetrySettings()
    found = RetrySettings(
        budget=table.number("budget", usual.budget, least=0, most=1),
        max_attempts=table.integer("max_attempts", usual.max_attempts, least=1, most=10),
    )
    table.done()
    return found


def _breaker(table: Table) -> BreakerSettings:
    usual = BreakerSettings()
    found = BreakerSettings(
        failures=table.integer("failures", usual.failures, least=1, most=1000),
        open_seconds=table.number("open_seconds", usual.open_seconds, least=0.1, most=3600),
    )
    table.done()
    return found


def _local(table: Table) -> LocalSettings:
    usual = LocalSettings()
    found = LocalSettings(
        enabled=table.flag("enabled", usual.enabled, env="TURNOUT_LOCAL"),
        model=table.text("model", usual.model, env="TURNOUT_LOCAL_MODEL"),
        context=table.integer("context", usual.context, least=256, most=1 << 20),
        threads=table.integer("threads", usual.threads, least=1, most=256),
    )
    table.done()
    return found


def _telemetry(table: Table) -> TelemetrySettings:
    usual = TelemetrySettings()
    found = TelemetrySettings(
        otlp_endpoint=table.optional_text("otlp_endpoint", env="OTEL_EXPORTER_OTLP_ENDPOINT", check=url_fault),
        metrics=table.flag("metrics", usual.metrics),
    )
    table.done()
    return found
