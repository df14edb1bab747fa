"""`turnout doctor`: looks for what could keep the server from working. Changes nothing and sends no key anywhere."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import orjson

from turnout.catalogue.reload import Loaded, loaded_from
from turnout.cli import doctor_machine, doctor_network, doctor_storage
from turnout.cli.check import warnings
from turnout.cli.finding import Finding, ok, problem, warning
from turnout.cli.loaded import load_config
from turnout.cli.options import config_option
from turnout.core.problems import ConfigProblems
from turnout.core.settings import settings_from
from turnout.core.settings_model import Settings
from turnout.core.toml_source import TomlSource

_MARKS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}


@click.command()
@config_option
@click.option("--network", is_flag=True, help="Also try to reach each provider: name, TCP, TLS; no request, no key.")
@click.option("--json", "machine", is_flag=True, help="Print JSON, for machines.")
def doctor(config: Path | None, network: bool, machine: bool) -> None:
    """Look for what could keep the server from working, and say what to do.

    Exits with 1 when there is a problem; warnings do not count.
    """
    findings = list(examine(config, os.environ, network=network))
    if machine:
        click.echo(orjson.dumps([dataclasses.asdict(each) for each in findings], option=orjson.OPT_INDENT_2))
    else:
        for each in findings:
            click.echo(f"{_MARKS[each.state]} {each.check}: {each.told}")
            if each.remedy:
                click.echo(f"        -> {each.remedy}")
        counts = Counter(each.state for each in findings)
        click.echo(f"{counts['ok']} ok, {counts['warning']} warnings, {counts['problem']} problems")
    if any(each.state == "problem" for each in findings):
        raise SystemExit(1)


def examine(config: Path | None, environ: Mapping[str, str], *, network: bool) -> Iterator[Finding]:
    """Every check, from the machine up. Raises nothing: what can't be looked at is a finding."""
    loaded: Loaded | None = None
    configuration: list[Finding] = []
    try:
        loaded = load_config(config)
    except ConfigProblems as error:
        configuration = [
            problem("configuration", str(each), "Correct it; `turnout.example.toml` shows every setting.")
            for each in error.problems
        ]
    else:
        configuration = list(_configuration(loaded, environ))
    # With a broken file the rest of the machine can still be looked at, as if there were no file.
    settings = loaded.settings if loaded is not None else _without_file(environ)
    called = loaded.catalogue.providers.values() if loaded is not None else ()
    calls_https = any(provider.base_url.startswith("https:") for provider in called)
    yield from doctor_machine.machine(settings, calls_https=calls_https)
    yield from configuration
    if settings is None:
        return
    yield from doctor_storage.storage(settings, environ)
    yield from doctor_network.server(settings)
    if loaded is not None:
        yield from doctor_network.providers(loaded.catalogue, environ, network=network)


def _configuration(loaded: Loaded, environ: Mapping[str, str]) -> Iterator[Finding]:
    catalogue = loaded.catalogue
    file = str(loaded.settings.file or "no file; defaults and the environment")
    yield ok("configuration", f"{file}: {len(catalogue.deployments)} deployments, {len(catalogue.routes)} names.")
    for line in warnings(loaded, environ):
        yield warning("configuration", line, "See `turnout check`.")


def _without_file(environ: Mapping[str, str]) -> Settings | None:
    try:
        settings = settings_from(TomlSource(), environ)
        loaded_from(settings, environ, local_model=None)
    except ConfigProblems:
        return None
    return settings
