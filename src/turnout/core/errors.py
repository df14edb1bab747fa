"""Every error that Turnout raises, and whose fault it is.

The tree comes first; the rules behind it:

1. Each error knows the status to answer, a stable machine-readable `code`, and `fault`: the caller's,
   ours, or the upstream's. A dialect renders it; nothing here knows a dialect.
2. 401 is only for a credential proven bad, 402 and 429 only for money and limits. A fault of ours or
   of an upstream is a 5xx, so that no caller rotates keys because of our outage.
3. The message says what is wrong, where, and what to do. It never holds a secret or a prompt.

    TurnoutError
      CallerError            400
        InvalidJson          400   InvalidField 400   Unsupported 400   ContextTooLong 400
        Unauthenticated      401   Forbidden    403   UnknownModel 404  NotFound 404
        MethodNotAllowed     405   BodyTimeout  408   BodyTooLarge 413  RateLimited  429
        BudgetExceeded       429
      OurError               500
        Overloaded 503   Draining 503   StorageUnavailable 503   NoDeployment 503   PriceUnknown 500   ConfigError -
      UpstreamError          502
        UpstreamUnreachable 502   UpstreamTimeout 504   UpstreamBroken 502   UpstreamRejected (mapped)
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `turnout --help` shows errors and counts no money
    from datetime import datetime

    from turnout.core.money import Money


class Fault(Enum):
    """Whose fault an error is."""

    CALLER = "caller"
    US = "turnout"
    UPSTREAM = "upstream"


class TurnoutError(Exception):
    """Something went wrong in Turnout; see the message."""

    status: int = 500
    code: str = "internal_error"
    fault: Fault = Fault.US

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        """The request field at fault, as a path such as `messages[2].content`."""
        self.retry_after = retry_after
        """Seconds after which a retry can succeed; None when unknown."""
        self.should_retry = should_retry
        """True or False when we know whether a retry can help; None when we do not."""


class CallerError(TurnoutError):
    """The request can't be served as it was sent."""

    status = 400
    code = "invalid_request"
    fault = Fault.CALLER


class InvalidJson(CallerError):
    """The body is not the JSON object that the endpoint takes."""

    code = "invalid_json"


class InvalidField(CallerError):
    """A field has a wrong type or value; `param` names it."""

    code = "invalid_field"


class Unsupported(CallerError):
    """The chosen target can't express a parameter, and the route does not allow dropping it."""

    code = "unsupported_parameter"


class ContextTooLong(CallerError):
    """The prompt and the asked-for output fit no deployment of the route."""

    code = "context_length_exceeded"


class Unauthenticated(CallerError):
    """The key is missing, malformed, unknown, expired or revoked."""

    status = 401
    code = "invalid_api_key"


class Forbidden(CallerError):
    """The key is good and does not allow this."""

    status = 403
    code = "permission_denied"


class UnknownModel(CallerError):
    """No route or model has this name; the message lists the nearest names."""

    status = 404
    code = "model_not_found"


class NotFound(CallerError):
    """No such endpoint or object."""

    status = 404
    code = "not_found"


class MethodNotAllowed(CallerError):
    """The endpoint exists and takes another method."""

    status = 405
    code = "method_not_allowed"


class BodyTimeout(CallerError):
    """The request body did not arrive in time."""

    status = 408
    code = "request_timeout"


class BodyTooLarge(CallerError):
    """The request body is larger than this server takes."""

    status = 413
    code = "request_too_large"


class RateLimited(CallerError):
    """A limit of the key is reached; `retry_after` says when there is room again."""

    status = 429
    code = "rate_limit_exceeded"


class BudgetExceeded(CallerError):
    """A budget has no room for what the request could cost; the message says which, and when it resets.

    429 as OpenAI answers to an exhausted quota; the Messages dialect has 402 for it. A retry only helps where the
    window ends soon, and is said to help only then: else every client would come back twice for nothing.
    """

    status = 429
    code = "budget_exceeded"

    def __init__(
        self,
        message: str,
        *,
        budget: str,
        subject: str,
        limit: Money,
        left: Money,
        resets_at: datetime | None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, retry_after=retry_after, should_retry=retry_after is not None)
        self.budget = budget
        self.subject = subject
        """Whose it is, in words, such as `team engineering`; empty where all share it."""
        self.limit = limit
        self.left = left
        """What is neither spent nor set aside; never negative."""
        self.resets_at = resets_at
        """None where it never does."""


class OurError(TurnoutError):
    """A fault of this server."""


class Overloaded(OurError):
    """This server is at its own limit and sheds load."""

    status = 503
    code = "overloaded"


class Draining(OurError):
    """This server is shutting down and takes no new requests."""

    status = 503
    code = "shutting_down"


class StorageUnavailable(OurError):
    """The database does not take writes, so no request can be recorded."""

    status = 503
    code = "storage_unavailable"


class NoDeployment(OurError):
    """Every deployment of the route is excluded right now; the message says why each one is."""

    status = 503
    code = "no_deployment_available"


class PriceUnknown(OurError):
    """No price is known of a model that may only be called at a known price; the message says where to write it.

    The request is good and another key or body would meet the same, so it is no 4xx: our catalogue or configuration
    lacks a row. It is 500 and not 503 because waiting does not help, and it says so to clients.
    """

    code = "price_unknown"

    def __init__(self, message: str) -> None:
        super().__init__(message, should_retry=False)


class ConfigError(OurError):
    """The configuration can't be used; the message names file, line and key."""

    code = "invalid_configuration"


class UpstreamError(TurnoutError):
    """A provider failed us."""

    status = 502
    code = "upstream_error"
    fault = Fault.UPSTREAM


class UpstreamUnreachable(UpstreamError):
    """No connection could be made, so no request was sent and nothing was billed."""

    code = "upstream_unreachable"


class UpstreamTimeout(UpstreamError):
    """The provider was silent for longer than its deployment allows."""

    status = 504
    code = "upstream_timeout"


class UpstreamBroken(UpstreamError):
    """The answer was cut, malformed, empty, or ended without its terminal event."""

    code = "upstream_broken"
    stale: bool = False
    """A kept-alive connection ended before any byte of the answer: almost surely the provider had closed it before the
    request came, and nothing was billed. Not proven, so a resend is the caller's decision."""


class UpstreamRejected(UpstreamError):
    """The provider answered with an error status.

    `upstream_status` is what it said; `status` is what the caller gets. They differ where the
    provider's word would mislead: its 401 speaks of our key, not of the caller's.
    """

    code = "upstream_rejected"

    def __init__(
        self,
        message: str,
        *,
        upstream_status: int,
        status: int,
        code: str = "upstream_rejected",
        fault: Fault = Fault.UPSTREAM,
        param: str | None = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(message, param=param, retry_after=retry_after, should_retry=should_retry)
        self.upstream_status = upstream_status
        self.status = status
        self.code = code
        self.fault = fault
