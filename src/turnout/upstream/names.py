"""From a host's name to the addresses that may be connected to. The socket goes to one of these: there is no second
lookup that could answer otherwise."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from turnout.upstream.egress import EgressPolicy, parse_address
from turnout.upstream.faults import EgressRefused

Lookup: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to addresses, the preferred one first. Raises OSError."""


class Names:
    """Looks names up, once for all who ask at the same time. Serves the last good answer while lookups fail."""

    def __init__(
        self, lookup: Lookup, policy: EgressPolicy, loop: asyncio.AbstractEventLoop, *, seconds: float
    ) -> None:
        self.policy = policy
        self._lookup = lookup
        self._loop = loop
        self._seconds = seconds
        self._fresh: dict[tuple[str, int], tuple[float, Sequence[str]]] = {}
        self._last: dict[tuple[str, int], Sequence[str]] = {}
        self._asking: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}

    async def addresses(self, host: str, port: int) -> list[str]:
        """The permitted addresses of a host. Raises EgressRefused when there are none, OSError when it has none."""
        if (reason := self.policy.refusal_of_origin(host, port)) is not None:
            raise EgressRefused(reason)
        try:
            found = await self._found(host, port)
        except OSError:
            if (last := self._last.get((host, port))) is None:
                raise
            found = last
        reasons = [self.policy.refusal_of(host, port, address) for address in found]
        good = [address for address, reason in zip(found, reasons, strict=True) if reason is None]
        if not good:
            told = "; ".join(sorted({reason for reason in reasons if reason is not None}))
            raise EgressRefused(f"'{host}' may not be connected to: {told or 'it has no address'}")
        self._last[host, port] = good
        return good

    def close(self) -> None:
        """Gives up the lookups under way."""
        for asked in list(self._asking.values()):
            asked.cancel()

    async def _found(self, host: str, port: int) -> Sequence[str]:
        if parse_address(host) is not None:
            return [host]
        key = (host, port)
        until, found = self._fresh.get(key, (0.0, ()))
        if self._loop.time() < until:
            return found
        asked = self._asking.get(key)
        if asked is None:
            asked = self._asking[key] = asyncio.ensure_future(self._lookup(host, port))
            asked.add_done_callback(lambda done: self._answered(key, done))
        return await asyncio.shield(asked)  # one that stops waiting does not end it for the others

    def _answered(self, key: tuple[str, int], done: asyncio.Future[Sequence[str]]) -> None:
        del self._asking[key]
        if not done.cancelled() and done.exception() is None:
            self._fresh[key] = (self._loop.time() + self._seconds, done.result())


async def system_lookup(host: str, port: int) -> list[str]:
    """The operating system's answer, asked in the loop's thread pool."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(info[4][0]) for info in found))
