"""The one place where the HTTP client's exceptions become ours."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TypeAlias

import aiohttp

from turnout.core.errors import UpstreamBroken, UpstreamError, UpstreamTimeout, UpstreamUnreachable
from turnout.upstream.connector import EgressRefused, StaleConnectionError

Maker: TypeAlias = Callable[[BaseException, str], UpstreamError]


def _unreachable(error: BaseException, host: str) -> UpstreamError:
    return UpstreamUnreachable(f"No connection to {host} could be made: {_words(error)}.", should_retry=True)


def _slow_connect(_error: BaseException, host: str) -> UpstreamError:
    return UpstreamUnreachable(f"{host} did not take a connection in time.", should_retry=True)


def _refused(error: BaseException, _host: str) -> UpstreamError:
    return UpstreamUnreachable(f"The egress policy forbids this connection: {error}", should_retry=False)


def _unsendable(error: BaseException, host: str) -> UpstreamError:
    return UpstreamUnreachable(f"No request to {host} could be written: {_words(error)}.", should_retry=False)


def _silent(_error: BaseException, host: str) -> UpstreamError:
    return UpstreamTimeout(f"{host} was silent for longer than its deployment allows.")


def _broken(error: BaseException, host: str) -> UpstreamError:
    return UpstreamBroken(f"The connection to {host} broke: {_words(error)}.")


def _not_http(_error: BaseException, host: str) -> UpstreamError:
    # aiohttp's own text quotes the bytes; nothing of a hostile answer is passed on
    return UpstreamBroken(f"{host} answered with something that is not valid HTTP.")


def _cut(_error: BaseException, host: str) -> UpstreamError:
    return UpstreamBroken(f"{host} ended its answer before it was complete.")


def _stale(_error: BaseException, host: str) -> UpstreamError:
    error = UpstreamBroken(f"{host} had closed a kept-alive connection when it was used again.")
    error.stale = True
    return error


TABLE: dict[type[BaseException], Maker] = {
    # Nothing was sent
    EgressRefused: _refused,
    aiohttp.ClientConnectorError: _unreachable,  # refused, DNS, TLS, certificate, proxy: all before the request
    aiohttp.ConnectionTimeoutError: _slow_connect,
    aiohttp.ServerFingerprintMismatch: _unreachable,
    aiohttp.ClientHttpProxyError: _unreachable,
    aiohttp.InvalidURL: _unsendable,
    aiohttp.NonHttpUrlClientError: _unsendable,
    aiohttp.WSServerHandshakeError: _unsendable,
    aiohttp.WSMessageTypeError: _unsendable,
    ValueError: _unsendable,
    # Something may have been sent, and billed
    StaleConnectionError: _stale,
    aiohttp.ServerDisconnectedError: _broken,
    aiohttp.ServerConnectionError: _broken,
    aiohttp.ServerTimeoutError: _silent,
    aiohttp.ClientOSError: _broken,
    aiohttp.ClientConnectionError: _broken,
    aiohttp.ClientPayloadError: _cut,
    aiohttp.UploadAbortedError: _broken,
    aiohttp.ClientResponseError: _not_http,
    aiohttp.RedirectClientError: _not_http,
    ssl.SSLError: _broken,
    TimeoutError: _silent,
    OSError: _broken,
    RuntimeError: _broken,  # aiohttp: "Connection closed.", "Session is closed"
}
"""By exception class; a subclass without a line of its own takes the nearest one's, in method resolution order."""

MAPPED = (aiohttp.ClientError, OSError, TimeoutError, ValueError, RuntimeError)
"""What to catch around the client."""


def translate(error: BaseException, host: str) -> UpstreamError:
    """Our error for the client's. `host` names the upstream in the message."""
    cause = error.__cause__
    if isinstance(cause, EgressRefused):  # aiohttp wraps what a resolver or a socket factory raises
        return _refused(cause, host)
    return maker_of(type(error))(error, host)


def maker_of(kind: type[BaseException]) -> Maker:
    """The table's line for an exception class; unknown ones count as broken, since a request may have been sent."""
    for ancestor in kind.__mro__:
        if (maker := TABLE.get(ancestor)) is not None:
            return maker
    return _broken


def _words(error: BaseException) -> str:
    """A short reason without addresses of ours."""
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.strerror:
        return error.os_error.strerror
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).rstrip(".") or type(error).__name__
