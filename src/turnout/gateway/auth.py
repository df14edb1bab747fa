"""Who calls, and what they may use. The decision is the same whichever header carries the key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from turnout.core.clock import Clock
from turnout.core.errors import Forbidden, Unauthenticated
from turnout.core.keyformat import KEY_LENGTH
from turnout.core.names import did_you_mean
from turnout.core.settings_model import LimitSettings
from turnout.ledger.keyring import KeyRing, KnownKey, Refusal
from turnout.ledger.keys import Role

MAX_CREDENTIAL = 512
"""Bytes. Longer ones are refused before they are hashed."""

_HOW = "Send it as `Authorization: Bearer <key>` or `x-api-key: <key>`."
_REFUSALS: dict[Refusal, str] = {
    "malformed": "This is no key of this server. Its keys begin with `tn_` and have"
    f" {KEY_LENGTH} characters; the checksum at the end shows a cut or mistyped one.",
    "unknown": "This key is not known here. Ask the administrator of this server for one.",
    "expired": "This key has expired. Ask the administrator of this server for a new one.",
    "revoked": "This key was revoked. Ask the administrator of this server for a new one.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who calls, proven. None for a limit: unlimited; None for `routes`: all."""

    key_id: str
    name: str
    role: Role
    routes: frozenset[str] | None = None
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    team: str = ""
    tags: tuple[str, ...] = ()


class Authenticator:
    """Turns request headers into a Principal."""

    def __init__(self, ring: KeyRing, clock: Clock, defaults: LimitSettings | None = None) -> None:
        """`defaults` hold for users' keys that have no limit of their own."""
        self._ring = ring
        self._clock = clock
        self._defaults = defaults or LimitSettings()
        self._principals: dict[str, tuple[KnownKey, Principal]] = {}  # at most one per known key

    def use_defaults(self, defaults: LimitSettings) -> None:
        """Takes over limits that were read again."""
        self._defaults = defaults
        self._principals.clear()

    def authenticate(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
        """The caller. `headers` are ASGI's: lower-case names. Raises Unauthenticated."""
        credential = _credential(headers)
        found = self._ring.find(credential, self._clock.now())
        if isinstance(found, str):
            raise Unauthenticated(_REFUSALS[found])
        held = self._principals.get(found.id)
        if held is not None and held[0] is found:
            return held[1]
        principal = _principal(found, self._defaults)
        self._principals[found.id] = (found, principal)
        return principal


def authorise_route(principal: Principal, route: str) -> None:
    """Raises Forbidden, naming what the key may use, when `route` is not among it."""
    allowed = principal.routes
    if allowed is None or route in allowed:
        return
    names = ", ".join(sorted(allowed)[:20]) or "nothing"
    hint = did_you_mean(route, allowed)
    raise Forbidden(
        f"The key '{principal.name}' may not use '{route}'. It may use: {names}. {hint}".rstrip(), param="model"
    )


def require_admin(principal: Principal) -> None:
    """Raises Forbidden for a key that is not an administrator's."""
    if principal.role != "admin":
        raise Forbidden(f"The key '{principal.name}' has the role `{principal.role}`; this needs the role `admin`.")


def _credential(headers: Iterable[tuple[bytes, bytes]]) -> str:
    found: bytes | None = None
    for name, value in headers:
        if name == b"authorization":
            given = _bearer(value)
        elif name == b"x-api-key":
            given = value.strip()
        else:
            continue
        if not given:
            continue  # some clients send the header empty when no key is set
        if found is not None and given != found:
            raise Unauthenticated("Two different keys were sent. Send one, in `Authorization` or in `x-api-key`.")
        found = given
    if found is None:
        raise Unauthenticated(f"No API key was sent. {_HOW}")
    if len(found) > MAX_CREDENTIAL:
        raise Unauthenticated(f"The API key is longer than {MAX_CREDENTIAL} bytes. {_HOW}")
    return found.decode("latin-1")


def _bearer(value: bytes) -> bytes:
    scheme, _, rest = value.strip().partition(b" ")
    if scheme.lower() == b"bearer":
        return rest.strip()
    if not scheme:
        return b""
    raise Unauthenticated(f"The `Authorization` header is not of the form `Bearer <key>`. {_HOW}")


def _principal(key: KnownKey, defaults: LimitSettings) -> Principal:
    spec = key.spec
    if spec.role == "admin":
        defaults = LimitSettings()
    return Principal(
        key_id=key.id,
        name=spec.name,
        role=spec.role,
        routes=None if spec.routes is None else frozenset(spec.routes),
        rpm=spec.rpm if spec.rpm is not None else defaults.rpm,
        tpm=spec.tpm if spec.tpm is not None else defaults.tpm,
        concurrency=spec.concurrency if spec.concurrency is not None else defaults.concurrency,
        team=spec.team,
        tags=tuple(sorted(spec.tags)),
    )
