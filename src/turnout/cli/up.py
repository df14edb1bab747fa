"""`turnout up`: from nothing to an answer. Fetches the embedded model, makes a key, says what to type."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from turnout.app import Running
from turnout.catalogue.model import Catalogue
from turnout.cli.serve import run_server
from turnout.core.errors import ConfigError
from turnout.core.problems import ConfigProblems
from turnout.core.settings import find_config, read_settings
from turnout.core.settings_model import Settings
from turnout.ledger.datadir import DataDir
from turnout.ledger.keys import KeySpec
from turnout.upstream.local_pull import pull
from turnout.upstream.local_weights import find_weights

FIRST_KEY = "first.key"
"""The file with the first user key, in the data directory: so that the quick start can show it again."""
_SHOWN = 6


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="The configuration; none is needed.")
@click.option("--host", help="The address to listen on. Default: 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65_535), help="The port; 0 takes a free one. Default: 4000.")
@click.option("--local/--no-local", default=True, help="Fetch the embedded model when it is not here.")
def up(config: Path | None, host: str | None, port: int | None, local: bool) -> None:
    """Start a gateway with everything it needs, and say how to use it."""
    try:
        settings = read_settings(find_config(config, os.environ), os.environ)
    except ConfigProblems as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        raise SystemExit(1) from None
    if local and settings.local.enabled:
        _fetch(settings)
    run_server(config, host, port, _welcome)


def _fetch(settings: Settings) -> None:
    """Fetches the weights once. Without them the gateway still serves every provider whose key it finds."""
    try:
        find_weights(settings.storage.dir, settings.local.model)
        return
    except ConfigError:
        click.echo(f"Fetching the embedded model '{settings.local.model}' (once)")
    DataDir(settings.storage.dir)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    try:
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(settings.local.model, total=None)

            def show(what: str, done: int, total: int | None) -> None:
                bar.update(task, description=what, completed=done, total=total)

            pull(settings.local.model, settings.storage.dir, progress=show)
    except ConfigError as error:
        click.echo(f"The embedded model is left out: {error.message}", err=True)


async def _welcome(running: Running, url: str) -> None:
    key = await _first_key(running)
    catalogue = running.services.reloader.current.catalogue
    model = catalogue.default_route or next(iter(catalogue.routes), None)
    if running.embedded is not None:
        await _loaded(running)
    click.echo(f"\nTurnout is serving at {url}\n")
    for line in _serving(catalogue):
        click.echo(f"  {line}")
    if model is None:
        click.echo("\nNothing to serve yet: set a provider's key, such as OPENAI_API_KEY, and start again.")
        return
    where = running.settings.storage.dir / FIRST_KEY
    click.echo(f"\nYour key (kept in {where}):\n\n  {key}\n\nTry it:\n")
    click.echo(
        f"curl -s {url}/v1/chat/completions -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' "
        f'-d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "What is a canal?"}}], '
        '"max_tokens": 60}\'\n'
    )
    click.echo("Stop with Ctrl-C.")


async def _loaded(running: Running) -> None:
    """Waits until the embedded model can answer, so that the line that is printed works when it is pasted."""
    assert running.embedded is not None, "asked only where there is one"
    try:
        await running.embedded.start()
    except ConfigError as error:
        click.echo(f"The embedded model does not start: {error.message}", err=True)


def _serving(catalogue: Catalogue) -> list[str]:
    """A line per provider with some of its models."""
    by_provider: dict[str, list[str]] = {}
    for deployment in catalogue.deployments.values():
        by_provider.setdefault(deployment.provider.name, []).append(deployment.model)
    lines: list[str] = []
    for name, models in by_provider.items():
        more = f", and {len(models) - _SHOWN} more" if len(models) > _SHOWN else ""
        lines.append(f"{name:<12} {', '.join(models[:_SHOWN])}{more}")
    return lines


async def _first_key(running: Running) -> str:
    """The quick start's user key: made once, kept in a file that only its owner can read."""
    directory = DataDir(running.settings.storage.dir)
    text = directory.read(FIRST_KEY)
    if text is None:
        issued = await running.services.keys.create(KeySpec(name="first key"), "turnout up")
        text = issued.text.reveal()
        directory.write_private(FIRST_KEY, text)
    return text
