"""The words for what goes wrong between Turnout and an upstream, in one place.

Until a request is written nothing can have been billed: those errors are `UpstreamUnreachable`. From then on it may
have been processed: `UpstreamTimeout` and `UpstreamBroken`. Nothing of a hostile answer's bytes is passed on.
"""

from __future__ import annotations

from turnout.core.errors import UpstreamBroken, UpstreamTimeout, UpstreamUnreachable


class EgressRefused(OSError):
    """The egress policy forbids this connection; the text says why."""


NO_CONNECTION = (OSError, ValueError)
"""What to catch around connecting: refusals, name lookup, TCP, TLS, proxies, timeouts (all OSError), bad URLs."""


def unreachable(error: BaseException, host: str) -> UpstreamUnreachable:
    """Our error for one that came before the request was written."""
    if isinstance(error, EgressRefused):
        return UpstreamUnreachable(f"The egress policy forbids this connection: {error}", should_retry=False)
    if isinstance(error, TimeoutError) and not error.args:
        return UpstreamUnreachable(f"{host} did not take a connection in time.", should_retry=True)
    if not isinstance(error, OSError):  # a refused certificate is both OSError and ValueError
        return UpstreamUnreachable(f"No request to {host} could be written: {_words(error)}.", should_retry=False)
    return UpstreamUnreachable(f"No connection to {host} could be made: {_words(error)}.", should_retry=True)


def ended(error: BaseException | None, host: str, *, stale: bool) -> UpstreamBroken:
    """It ended before the answer's headers were here. `stale`: it was a kept-alive connection, and no byte came."""
    if stale:
        broken = UpstreamBroken(f"{host} had closed a kept-alive connection when it was used again.")
        broken.stale = True
        return broken
    reason = "it was closed before an answer came" if error is None else _words(error)
    return UpstreamBroken(f"The connection to {host} broke: {reason}.")


def cut(host: str) -> UpstreamBroken:
    """The connection ended inside the body."""
    return UpstreamBroken(f"{host} ended its answer before it was complete.")


def not_http(host: str) -> UpstreamBroken:
    """The bytes that came are no HTTP answer, or not one that can be trusted."""
    return UpstreamBroken(f"{host} answered with something that is not valid HTTP.")


def given_up(host: str) -> UpstreamBroken:
    """Our side closed the connection."""
    return UpstreamBroken(f"The connection to {host} broke: it was closed from this side.")


def too_long(host: str, limit: int) -> UpstreamBroken:
    """The body is longer than may be read."""
    return UpstreamBroken(f"{host} sent more than {limit} bytes.")


def encoded(host: str, encoding: str) -> UpstreamBroken:
    """The body is compressed."""
    return UpstreamBroken(f"{host} sent '{encoding[:20]}' content, though none was asked for.")


def silent(host: str) -> UpstreamTimeout:
    """No headers in time."""
    return UpstreamTimeout(f"{host} was silent for longer than its deployment allows.")


def idle(host: str, seconds: float) -> UpstreamTimeout:
    """A pause inside the body."""
    return UpstreamTimeout(f"{host} sent nothing for {seconds:g} seconds.")


def late(host: str) -> UpstreamTimeout:
    """No end of the body in time."""
    return UpstreamTimeout(f"{host} did not finish its answer in time.")


def _words(error: BaseException) -> str:
    """A short reason without addresses of ours."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).rstrip(".") or type(error).__name__
