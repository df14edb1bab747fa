"""A TCP connection to one of several addresses: the first that answers (after RFC 8305, "Happy Eyeballs")."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from itertools import chain, zip_longest

from turnout.upstream.egress import parse_address, refusal_of_address
from turnout.upstream.faults import EgressRefused

_HEAD_START = 0.25
"""Seconds that an address has for itself before the next one is tried beside it (RFC 8305, section 5)."""


async def open_socket(addresses: Sequence[str], port: int, loop: asyncio.AbstractEventLoop) -> socket.socket:
    """A connected socket. Raises the first address's OSError where none can be connected to."""
    if len(addresses) == 1:
        return await _connect(addresses[0], port, loop)
    return await _race(_alternating(addresses), port, loop)


def guarded_socket(address: str) -> socket.socket:
    """A socket for an address. Raises EgressRefused for those that are never connected to, whoever resolved them."""
    parsed = parse_address(address)
    if parsed is None:
        raise EgressRefused(f"'{address}' is no IP address.")
    if (reason := refusal_of_address(parsed, private=True)) is not None:
        raise EgressRefused(reason)
    sock = socket.socket(socket.AF_INET6 if parsed.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a silent stream is not cut by the NAT on the way
    return sock


async def _connect(address: str, port: int, loop: asyncio.AbstractEventLoop) -> socket.socket:
    sock = guarded_socket(address)
    try:
        await loop.sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


async def _race(addresses: list[str], port: int, loop: asyncio.AbstractEventLoop) -> socket.socket:
    tasks: list[asyncio.Task[socket.socket]] = []  # all of them end with this function
    winner: socket.socket | None = None
    try:
        while winner is None:
            running = [task for task in tasks if not task.done()]
            if len(tasks) < len(addresses):
                tasks.append(loop.create_task(_connect(addresses[len(tasks)], port, loop)))
                running.append(tasks[-1])
            elif not running:
                break
            last = len(tasks) == len(addresses)
            await asyncio.wait(running, timeout=None if last else _HEAD_START, return_when=asyncio.FIRST_COMPLETED)
            winner = next((task.result() for task in tasks if _connected(task)), None)
    finally:
        for task in tasks:
            task.cancel()
            task.add_done_callback(lambda done: _close_unless(winner, done))
    if winner is not None:
        return winner
    failed = [error for task in tasks if (error := task.exception()) is not None]
    raise failed[0]


def _connected(task: asyncio.Task[socket.socket]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _close_unless(winner: socket.socket | None, done: asyncio.Task[socket.socket]) -> None:
    if _connected(done) and (sock := done.result()) is not winner:
        sock.close()


def _alternating(addresses: Sequence[str]) -> list[str]:
    """The families in turn, in the order that the system prefers, beginning with the first one's."""
    first = [address for address in addresses if (":" in address) == (":" in addresses[0])]
    other = [address for address in addresses if address not in first]
    return [address for address in chain.from_iterable(zip_longest(first, other)) if address is not None]
