"""The caller's side of the wire, inbound: headers, body, and the moment the caller goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

from turnout.core.deadline import Deadline
from turnout.core.errors import BodyTimeout, BodyTooLarge, InvalidField

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class ClientGone(Exception):
    """The caller closed the connection before the body was whole."""


def header_map(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by lower-case name, as ASGI gives them; the lines of a repeated name are one list (RFC 9110, 5.3)."""
    found = dict(headers)
    if len(found) < len(headers):
        found.clear()
        for name, value in headers:
            found[name] = found[name] + b", " + value if name in found else value
    return found


async def read_body(receive: Receive, headers: dict[bytes, bytes], limit: int, seconds: float) -> bytes:
    """The whole body. Raises BodyTooLarge, BodyTimeout, or ClientGone."""
    length = headers.get(b"content-length")
    if length is not None and length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    encoding = headers.get(b"content-encoding", b"identity")
    if encoding != b"identity":
        raise InvalidField(
            "This server takes uncompressed bodies only; send no 'content-encoding'.", param="content-encoding"
        )
    try:
        with Deadline(seconds):
            message = await receive()
            if not message.get("more_body") and message["type"] == "http.request":
                body: bytes = message["body"]
                if len(body) > limit:
                    raise _too_large(limit)
                return body
            return await _read_pieces(receive, message, limit)
    except TimeoutError:
        raise BodyTimeout(f"The request body did not arrive within {seconds:g} seconds.") from None


async def _read_pieces(receive: Receive, message: Message, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        pieces.append(piece)
        if not message.get("more_body"):
            return b"".join(pieces)
        message = await receive()


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than {limit} bytes, which is what this server takes.")


ON_DISCONNECT = "turnout.on_disconnect"
"""Key in the scope: a function that takes what to call when the connection is lost, and returns what ends that.
`protocol` puts it there."""


class DisconnectWatch:
    """Cancels the request's task when the caller goes away, so that the upstream call ends with it.

    Told by the protocol rather than by a task that waits for ASGI's `http.disconnect`, which would cost more than
    parsing the request. Once `complete` says that the whole answer is out there is nothing left to cancel.
    """

    __slots__ = ("_complete", "_owner", "gone", "stop")

    def __init__(self, scope: Scope, complete: Callable[[], bool]) -> None:
        owner = asyncio.current_task()
        assert owner is not None, "a request runs in a task"
        self._owner = owner
        self._complete = complete
        self.gone = False
        subscribe: Callable[[Callable[[], None]], Callable[[], None]] = scope[ON_DISCONNECT]
        self.stop = subscribe(self._lost)
        """Ends the watch."""

    def _lost(self) -> None:
        if not self._complete():
            self.gone = True
            self._owner.cancel()
