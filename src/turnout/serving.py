"""A built gateway on a socket: listening, signals, the orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Generator

import uvicorn

from turnout.app import Running
from turnout.core.errors import ConfigError
from turnout.gateway.protocol import with_timeout

_LAST_SECONDS = 5
"""For connections to end after the drain; a caller who has stopped reading would keep his for ever."""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: a stop drains first, see `serve_until_stopped`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _quiet_collector() -> None:
    """What was made at start lives for ever: the cycle collector need not look at it again, nor as often as by
    default, since a request makes thousands of objects and no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def listen(host: str, port: int) -> socket.socket:
    """The listening socket. Raises ConfigError where the address can't be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # IPPROTO_TCP is named because asyncio sets TCP_NODELAY only on sockets that say they are TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"{host}:{port} can't be listened on: {error.strerror}. Choose another with --port or `[server] port`."
        ) from error
    listener.listen(2048)
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket) -> str:
    """Where the socket listens, as a URL."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


async def serve_until_stopped(
    running: Running, listener: socket.socket, *, when_up: Callable[[], Awaitable[None]]
) -> None:
    """Serves until a stop signal, then drains: no new requests, those under way may end within `drain_seconds`. A
    second signal ends at once. SIGHUP reads the configuration again."""
    settings = running.settings.server
    config = uvicorn.Config(
        running.app,
        http=with_timeout(settings.header_timeout),
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here asks who the peer is
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_LAST_SECONDS,
        backlog=2048,
    )
    server = _Server(config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_stop() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, on_stop)
    loop.add_signal_handler(signal.SIGHUP, running.services.reload)
    _quiet_collector()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve([listener]))
        await when_up()
        stopped = tasks.create_task(stop.wait())
        await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        running.services.journal.info("draining", in_flight=running.services.traffic.in_flight)
        await running.services.traffic.drain(settings.drain_seconds)
        server.should_exit = True
    running.services.journal.info("stopped")
