"""`turnout serve`: the gateway, as the configuration says."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import click
import uvloop

from turnout.app import Running, Surroundings, gateway
from turnout.core.errors import TurnoutError
from turnout.core.problems import ConfigProblems
from turnout.core.settings import find_config
from turnout.serving import listen, serve_until_stopped, url_of


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The configuration. Default: $TURNOUT_CONFIG, else ./turnout.toml, else defaults and the environment.",
)
@click.option("--host", help="The address to listen on. Default: the configuration's, else 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65_535), help="The port; 0 takes a free one. Default: 4000.")
def serve(config: Path | None, host: str | None, port: int | None) -> None:
    """Serve what the configuration says, until a stop signal."""
    run_server(config, host, port, _tell)


async def _tell(running: Running, url: str) -> None:
    running.services.journal.info("listening", url=url)


def run_server(
    config: Path | None, host: str | None, port: int | None, when_up: Callable[[Running, str], Awaitable[None]]
) -> None:
    """Serves; problems of the configuration end the process with a line for each."""
    try:
        uvloop.run(_serve(find_config(config, os.environ), host, port, when_up))
    except ConfigProblems as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        raise SystemExit(1) from None
    except TurnoutError as error:
        raise click.ClickException(error.message) from None


async def _serve(
    config: Path | None, host: str | None, port: int | None, when_up: Callable[[Running, str], Awaitable[None]]
) -> None:
    async with gateway(config, Surroundings()) as running:
        settings = running.settings.server
        listener = listen(host or settings.host, settings.port if port is None else port)
        url = url_of(listener)
        running.lock.announce(url)
        await serve_until_stopped(running, listener, when_up=lambda: when_up(running, url))
