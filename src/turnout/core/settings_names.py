"""Reads the entries that the operator names: providers, deployments, routes and keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from turnout.core.settings_model import (
    DataSettings,
    DeploymentSettings,
    KeyRole,
    KeySettings,
    LimitSettings,
    OnUnknownPrice,
    ProviderSettings,
    RouteSettings,
    RouteStrategy,
    SecretSource,
    TargetSettings,
    TimeoutSettings,
)
from turnout.core.toml_table import Table

A_DAY = 86_400.0
_MOST_TOKENS = 100_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}")
_NAME_RULE = "a name has letters, digits and . _ : / @ -, at most 128, and begins with a letter or digit."
_PROVIDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2: token
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_JURISDICTION = re.compile(r"[A-Z]{2}|self")
_SECRET_HEADERS = frozenset(
    {"authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"}
)
_OUR_HEADERS = frozenset(
    {"host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "te", "upgrade"}
    | {"accept-encoding", "expect", "trailer", "keep-alive"}
)


def url_fault(text: str) -> str | None:
    """What is wrong with an http(s) URL; None when nothing is."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  (a bad port raises when it is read)
    except ValueError:
        return "is not a URL."
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "must be a URL that begins with https:// or http://."
    if "@" in parts.netloc:
        return "must not hold a user or password. Put the secret in the environment and name it in `api_key_env`."
    if any(character.isspace() or ord(character) < 32 for character in text):
        return "must not hold spaces."
    return None


def read_limits(table: Table, usual: LimitSettings) -> LimitSettings:
    """`rpm`, `tpm` and `concurrency` of a table."""
    rpm = table.optional_integer("rpm", least=1, most=10_000_000)
    tpm = table.optional_integer("tpm", least=1, most=10_000_000_000)
    concurrency = table.optional_integer("concurrency", least=1, most=100_000)
    return LimitSettings(
        rpm=usual.rpm if rpm is None else rpm,
        tpm=usual.tpm if tpm is None else tpm,
        concurrency=usual.concurrency if concurrency is None else concurrency,
    )


def read_providers(root: Table) -> Mapping[str, ProviderSettings]:
    """Every `[providers.NAME]`."""
    return {name: _provider(name, table) for name, table in root.tables("providers")}


def _provider(name: str, table: Table) -> ProviderSettings:
    if not _PROVIDER_NAME.fullmatch(name):
        table.wrong("", "a provider's name has letters, digits, '.', '_' and '-', at most 64.")
    base_url = table.optional_text("base_url", check=url_fault)
    no_models = "must not be empty. Leave it out to offer every model that is known."
    models = table.texts("models", empty=no_models) if table.has("models") else None
    found = ProviderSettings(
        name=name,
        preset=table.text("preset", name),
        base_url=base_url.rstrip("/") if base_url else None,
        allow_http=table.flag("allow_http", False),
        api_key=_secret(table, "api_key"),
        headers=_headers(table),
        models=models,
        data=_data(table),
        timeouts=_timeouts(table),
        quirks=table.raw_table("quirks"),
    )
    table.done()
    return found


def _secret(table: Table, name: str) -> SecretSource:
    """`NAME_env` or `NAME_file`. The secret itself is refused: a file is copied, committed and mailed."""
    table.forbid(
        name,
        f"a secret must not stand in this file. Put it in an environment variable and write its name as "
        f"`{name}_env`, or write the path of a file that holds it as `{name}_file`. If the file was shared, "
        f"replace the secret.",
    )
    env = table.optional_text(f"{name}_env", check=_variable)
    file = table.optional_text(f"{name}_file")
    if env is not None and file is not None:
        table.wrong(f"{name}_file", f"`{name}_env` is given too. Keep one.")
        file = None
    return SecretSource(env=env, file=file)


def _variable(text: str) -> str | None:
    # The value is not repeated: people put the secret itself here.
    return (
        None if _VARIABLE.fullmatch(text) else "must be the name of an environment variable, such as 'OPENAI_API_KEY'."
    )


def _headers(table: Table) -> Mapping[str, str]:
    found: dict[str, str] = {}
    headers = table.table("headers")
    for name in headers.names():
        value = headers.text(name)
        lower = name.lower()
        if lower in _SECRET_HEADERS:
            headers.wrong(name, "credentials must not stand in this file; name them in `api_key_env`.")
        elif lower in _OUR_HEADERS or not _HEADER_NAME.fullmatch(name):
            headers.wrong(name, "this header can't be set.")
        elif lower in found:
            headers.wrong(name, "this header is given twice.")
        elif not _HEADER_VALUE.fullmatch(value):
            headers.wrong(name, "the value must be one line of printable characters.")
        else:
            found[lower] = value
    return found


def _data(table: Table) -> DataSettings:
    return DataSettings(
        region=table.optional_text("region"),
        jurisdiction=table.optional_text("jurisdiction", check=_jurisdiction),
        retention_days=table.optional_integer("retention_days", least=0, most=36_500),
    )


def _jurisdiction(text: str) -> str | None:
    if _JURISDICTION.fullmatch(text):
        return None
    return "must be a country code of two capitals such as 'DE', or 'EU', or 'self' for your own machines."


def _timeouts(table: Table) -> TimeoutSettings:
    return TimeoutSettings(
        connect=table.optional_number("connect_timeout", least=0.05, most=120),
        first_byte=table.optional_number("first_byte_timeout", least=0.1, most=3600),
        idle=table.optional_number("idle_timeout", least=0.1, most=3600),
        total=table.optional_number("total_timeout", least=0.1, most=A_DAY),
    )


def read_deployments(root: Table) -> Mapping[str, DeploymentSettings]:
    """Every `[deployments.NAME]`."""
    return {name: _deployment(name, table) for name, table in root.tables("deployments")}


def _deployment(name: str, table: Table) -> DeploymentSettings:
    check_name(name, table)
    found = DeploymentSettings(
        name=name,
        provider=table.required_text("provider"),
        model=table.required_text("model"),
        context=table.optional_integer("context", least=1, most=_MOST_TOKENS),
        max_output=table.optional_integer("max_output", least=1, most=_MOST_TOKENS),
        max_concurrency=table.optional_integer("max_concurrency", least=1, most=100_000),
        endpoints=table.texts("endpoints", empty="must not be empty."),
        data=_data(table),
        timeouts=_timeouts(table),
        quirks=table.raw_table("quirks"),
    )
    table.done()
    if found.context and found.max_output and found.max_output > found.context:
        table.wrong("max_output", f"is larger than `context` ({found.context:,}).")
    return found


def check_name(name: str, table: Table) -> None:
    """Notes a name that the operator may not give."""
    if not _NAME.fullmatch(name):
        table.wrong("", _NAME_RULE)


def read_routes(root: Table, max_attempts: int) -> Mapping[str, RouteSettings]:
    """Every `[routes.NAME]`."""
    return {name: _route(name, table, max_attempts) for name, table in root.tables("routes")}


def _route(name: str, table: Table, max_attempts: int) -> RouteSettings:
    check_name(name, table)
    usual = RouteSettings(name=name, targets=())
    strategy = table.choice("strategy", ("fallback", "weighted"), usual.strategy)
    unknown_price = table.choice("unknown_price", ("flag", "refuse"), usual.unknown_price)
    found = RouteSettings(
        name=name,
        targets=_targets(table),
        strategy=cast("RouteStrategy", strategy),
        drop=table.texts("drop"),
        max_attempts=table.integer("max_attempts", max_attempts, least=1, most=10),
        total_timeout=table.number("total_timeout", usual.total_timeout, least=0.1, most=A_DAY),
        sticky=table.flag("sticky", usual.sticky),
        sticky_seconds=table.number("sticky_seconds", usual.sticky_seconds, least=1, most=A_DAY),
        unknown_price=cast("OnUnknownPrice", unknown_price),
    )
    table.done()
    return found


def _targets(table: Table) -> tuple[TargetSettings, ...]:
    if not table.has("targets"):
        table.wrong("", "needs `targets`, an array of names of deployments.")
        return ()
    items = table.items("targets", empty="must name at least one deployment.")
    return tuple(_target(table, index, item) for index, item in enumerate(items))


def _target(table: Table, index: int, item: object) -> TargetSettings:
    if isinstance(item, dict):
        entry = table.inner(cast("dict[str, object]", item), "targets", index)
        found = TargetSettings(
            deployment=entry.required_text("deployment"),
            weight=entry.integer("weight", 1, least=1, most=1_000_000),
        )
        entry.done()
        return found
    if isinstance(item, str) and item.strip():
        return TargetSettings(deployment=item)
    table.wrong_item("targets", index, "must be the name of a deployment, or a table with `deployment` and `weight`.")
    return TargetSettings(deployment="")


def read_aliases(root: Table) -> Mapping[str, str]:
    """`[aliases]`: another name for a route."""
    table = root.table("aliases")
    for name in table.names():
        if not _NAME.fullmatch(name):
            table.wrong(name, _NAME_RULE)
    return root.mapping("aliases")


def read_keys(root: Table, limits: LimitSettings) -> tuple[KeySettings, ...]:
    """Every `[[keys]]`."""
    found: dict[str, KeySettings] = {}
    for table in root.array_of_tables("keys"):
        key = _key(table, limits)
        if key.name in found:
            table.wrong("name", f"another key is called '{key.name}' already.")
        found[key.name] = key
    return tuple(found.values())


def _key(table: Table, limits: LimitSettings) -> KeySettings:
    secret = _secret(table, "secret")
    found = KeySettings(
        name=table.required_text("name"),
        secret=secret,
        role=cast("KeyRole", table.choice("role", ("user", "admin"), "user")),
        routes=table.texts("routes"),
        team=table.text("team"),
        tags=table.texts("tags"),
        limits=read_limits(table, limits),
    )
    if not secret and not (table.has("secret") or table.has("secret_env") or table.has("secret_file")):
        table.wrong("", "needs `secret_env` or `secret_file`.")
    table.done()
    return found
