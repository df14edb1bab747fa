"""Whatever can go wrong before a request is written says that nothing was sent."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from turnout.upstream.faults import NO_CONNECTION, EgressRefused, ended, unreachable

CASES: dict[str, tuple[Exception, str, bool]] = {
    "the policy": (EgressRefused("'a' is a private address"), "egress policy forbids", False),
    "no such name": (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service", True),
    "refused": (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('10.0.0.1', 80)"), "No connect", True),
    "no route": (OSError(errno.EHOSTUNREACH, "No route to host"), "No route to host", True),
    "the system's own timeout": (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "timed out", True),
    "our timeout": (TimeoutError(), "did not take a connection in time", True),
    "a bad certificate": (ssl.SSLCertVerificationError(1, "certificate verify failed"), "verify failed", True),
    "TLS": (ssl.SSLError(1, "wrong version number"), "wrong version number", True),
    "a proxy": (ConnectionError("the proxy answered 407"), "the proxy answered 407", True),
    "a bad URL": (ValueError("the URL names no host"), "could be written: the URL names no host", False),
    "a bad header": (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), "could be written", False),
}


@pytest.mark.parametrize("name", CASES)
def test_what_was_not_sent_is_unreachable(name: str) -> None:
    """The error is caught around connecting, tells the reason, and knows whether another try can help."""
    error, words, retry = CASES[name]
    told = unreachable(error, "host")
    assert isinstance(error, NO_CONNECTION)
    assert words in told.message
    assert told.should_retry is retry


@pytest.mark.parametrize("stale", [False, True])
def test_an_end_without_an_answer_is_broken(stale: bool) -> None:
    """It may have been billed; only a kept-alive connection's silent end is told apart."""
    told = ended(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "host", stale=stale)
    assert told.stale is stale
    assert ("reset by peer" in told.message) is not stale
