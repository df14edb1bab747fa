"""The error table covers everything that the HTTP client can raise."""

from __future__ import annotations

import ssl

import aiohttp
import pytest

from turnout.core.errors import UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from turnout.upstream.faults import MAPPED, TABLE, maker_of


def subclasses(kind: type[BaseException]) -> list[type[BaseException]]:
    found: list[type[BaseException]] = []
    for child in kind.__subclasses__():
        found += [child, *subclasses(child)]
    return found


CLIENT_ERRORS = sorted({kind for kind in subclasses(aiohttp.ClientError)}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", CLIENT_ERRORS, ids=lambda kind: kind.__name__)
def test_every_client_error_has_a_line(kind: type[BaseException]) -> None:
    """Each aiohttp exception finds a line of its own family, not the fallback, and is caught."""
    assert any(ancestor in TABLE for ancestor in kind.__mro__ if issubclass(ancestor, aiohttp.ClientError | OSError))
    assert issubclass(kind, MAPPED)


EXPECTED = {
    aiohttp.ClientConnectorDNSError: UpstreamUnreachable,
    aiohttp.ClientConnectorSSLError: UpstreamUnreachable,
    aiohttp.ClientConnectorCertificateError: UpstreamUnreachable,
    aiohttp.ClientProxyConnectionError: UpstreamUnreachable,
    aiohttp.ClientHttpProxyError: UpstreamUnreachable,
    aiohttp.ConnectionTimeoutError: UpstreamUnreachable,
    aiohttp.ServerFingerprintMismatch: UpstreamUnreachable,
    aiohttp.InvalidUrlClientError: UpstreamUnreachable,
    aiohttp.SocketTimeoutError: UpstreamTimeout,
    TimeoutError: UpstreamTimeout,
    aiohttp.ServerDisconnectedError: UpstreamBroken,
    aiohttp.ClientConnectionResetError: UpstreamBroken,
    aiohttp.ClientOSError: UpstreamBroken,
    aiohttp.ClientPayloadError: UpstreamBroken,
    aiohttp.ClientResponseError: UpstreamBroken,
    aiohttp.UploadAbortedError: UpstreamBroken,
    aiohttp.TooManyRedirects: UpstreamBroken,
    ConnectionResetError: UpstreamBroken,
    ssl.SSLError: UpstreamBroken,
    RuntimeError: UpstreamBroken,
    ValueError: UpstreamUnreachable,
    KeyError: UpstreamBroken,
}


@pytest.mark.parametrize("kind", EXPECTED, ids=lambda kind: kind.__name__)
def test_what_was_not_sent_is_unreachable_and_the_rest_may_be_billed(kind: type[BaseException]) -> None:
    """Only errors from before the request count as `nothing was sent`."""
    assert EXPECTED[kind] is type(maker_of(kind)(Exception("x"), "host"))
