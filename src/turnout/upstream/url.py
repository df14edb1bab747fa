"""The parts of an upstream's URL. One reader for the egress policy and for the socket, so that they can't disagree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

_PORTS = {"http": 80, "https": 443}
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_HOST = re.compile(r"[a-z0-9._~:-]+")
_KEPT = "%/:=&?~+!$,;'@()*[]"
"""What may stand in a path or query as it is; anything else that isn't a letter or digit is quoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """An http or https URL. `host` is in lower case, without brackets; `target` is path and query as they are sent."""

    scheme: str
    host: str
    port: int
    target: str
    userinfo: str = ""

    @property
    def origin(self) -> tuple[str, int]:
        """Host and port."""
        return (self.host, self.port)

    @property
    def authority(self) -> str:
        """Host and port as the `Host` header has them."""
        return self.bracketed if self.port == _PORTS[self.scheme] else f"{self.bracketed}:{self.port}"

    @property
    def bracketed(self) -> str:
        """The host as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host


def parse_url(text: str) -> Url:
    """Reads a URL. Raises ValueError for what is none, and for one that no request should be sent to."""
    if _UNSAFE.search(text):
        raise ValueError("the URL holds a space, a backslash or a control character")
    parts = urlsplit(text)
    if parts.scheme not in _PORTS:
        raise ValueError("the URL does not begin with http:// or https://")
    host = parts.hostname or ""
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    if not _HOST.fullmatch(host):
        raise ValueError("the URL names no host")
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    query = f"?{quote(parts.query, safe=_KEPT)}" if parts.query else ""
    return Url(
        scheme=parts.scheme,
        host=host,
        port=port,
        target=(quote(parts.path, safe=_KEPT) or "/") + query,
        userinfo=parts.netloc.rpartition("@")[0],
    )
