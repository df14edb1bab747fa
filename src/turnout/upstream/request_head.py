"""The head of a request, as bytes.

What repeats from call to call is made once: the request line with `Host`, and a template for each set of header names.
A call then fills in its values. No name or value can end a line: that would let it write headers of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from turnout.upstream.url import Url

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2
_OURS = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that speak of this connection; a call does not write them."""
_ADDED = {"accept": "*/*", "accept-encoding": "identity"}
"""Sent with every call that does not name its own."""


class RequestHead:
    """Writes the heads of requests to one URL. `proxied`: the target is absolute; `extra` are header lines to add."""

    __slots__ = ("_extra", "_host", "_lines", "_target")

    def __init__(self, url: Url, *, proxied: bool = False, extra: str = "") -> None:
        self._host = url.authority
        self._target = f"{url.scheme}://{url.authority}{url.target}" if proxied else url.target
        self._extra = extra
        self._lines: dict[str, str] = {}

    def write(self, method: str, headers: Mapping[str, str], length: int) -> bytes:
        """The head, up to and with its empty line. Raises ValueError for what must not be sent."""
        line = self._lines.get(method) or self._line(method)
        template, ends = _template(tuple(headers), self._host)
        fields = template % tuple(headers.values())
        # As many line ends as the template has; one more would come from a value.
        if not ends == fields.count("\n") == fields.count("\r") or "\0" in fields:
            raise ValueError("a header holds a line end or a NUL")
        size = f"content-length: {length}\r\n\r\n" if length or method not in ("GET", "DELETE") else "\r\n"
        return (line + fields + size).encode()

    def _line(self, method: str) -> str:
        if not _TOKEN.fullmatch(method) or method in ("HEAD", "CONNECT"):
            raise ValueError("the method is none that can be sent")
        line = self._lines[method] = f"{method} {self._target} HTTP/1.1\r\n{self._extra}"
        return line


@lru_cache(maxsize=1024)
def _template(names: tuple[str, ...], host: str) -> tuple[str, int]:
    """Header lines with `%s` for the values, and their number."""
    for name in names:
        if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
            raise ValueError(f"the header name {name[:40]!r} can't be sent")
    given = {name.lower() for name in names}
    if len(given) < len(names):
        raise ValueError("a header is given twice")
    lines = [] if "host" in given else [f"host: {host}"]
    lines += [f"{name.replace('%', '%%')}: %s" for name in names]
    lines += [f"{name}: {value}" for name, value in _ADDED.items() if name not in given]
    return "".join([f"{line}\r\n" for line in lines]), len(lines)
