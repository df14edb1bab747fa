"""Providers and requests that point at a double; shared by the tests of this folder."""

from __future__ import annotations

from turnout.catalogue.model import Provider, Timeouts
from turnout.core.secret import Secret
from turnout.core.target import Dialect
from turnout.upstream.transport import UpstreamRequest

KEY = "sk-canary-provider-key"
QUICK = Timeouts(connect=0.5, first_byte=0.5, idle=0.15, total=1.0)


def provider(base_url: str, *, self_hosted: bool = False, name: str = "acme") -> Provider:
    return Provider(
        name=name,
        preset="openai",
        title="Acme",
        base_url=base_url,
        endpoints={Dialect.OPENAI_CHAT: "{base}/chat/completions"},
        api_key=Secret(KEY),
        self_hosted=self_hosted,
    )


def request(url: str, *, timeouts: Timeouts = QUICK, body: bytes = b'{"model":"m","stream":true}') -> UpstreamRequest:
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json", "user-agent": "turnout/test"}
    return UpstreamRequest(url=url + "/v1/chat/completions", headers=headers, body=body, timeouts=timeouts)
