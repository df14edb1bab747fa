"""Requests byte for byte, which no client library sends and returns untouched."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from harness import KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


def post(
    url: str, path: str, body: bytes | Mapping[str, Any], headers: Sequence[tuple[str, str]] = (), key: str = KEY
) -> RawAnswer:
    """POSTs exactly these bytes, with exactly these headers beside the key and the length."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    parts = urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)) as connection:
        connection.putrequest("POST", path, skip_accept_encoding=True)
        connection.putheader("content-type", "application/json")
        connection.putheader("content-length", str(len(data)))
        if not any(name.lower() in ("authorization", "x-api-key") for name, _ in headers):
            connection.putheader("authorization", f"Bearer {key}")
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(data)
        return _answer(connection.getresponse())


def get(url: str, path: str, headers: Mapping[str, str] | None = None, key: str = KEY) -> RawAnswer:
    """GETs with the key."""
    parts = urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)) as connection:
        connection.request("GET", path, headers={"authorization": f"Bearer {key}", **(headers or {})})
        return _answer(connection.getresponse())


def _answer(response: http.client.HTTPResponse) -> RawAnswer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return RawAnswer(status=response.status, headers=headers, body=response.read())
