"""`python -m turnout.double --port 8099`: an echo model on a port of its own, for trying things out."""

from __future__ import annotations

import asyncio
import signal

import click

from turnout.double.server import Double


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8099, show_default=True, help="Port to listen on; 0 takes a free one.")
def serve(host: str, port: int) -> None:
    """Serves an echo model in the OpenAI, Anthropic and Gemini dialects. A model called `fail-500`, `fail-429`,
    `fail-cut`, `fail-stall`, `fail-reset`, `fail-empty` or `fail-html` fails in that way."""
    asyncio.run(_serve(host, port))


async def _serve(host: str, port: int) -> None:
    async with Double(host=host, port=port) as double:
        click.echo(f"The double answers on {double.url}")
        stop = asyncio.Event()
        for each in (signal.SIGINT, signal.SIGTERM):  # a shell starts what is in its background with SIGINT ignored
            asyncio.get_running_loop().add_signal_handler(each, stop.set)
        await stop.wait()


if __name__ == "__main__":
    serve()
