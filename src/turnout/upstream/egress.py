"""Where this process may connect to. Pure: no sockets, no lookups.

1. Only to the hosts and ports that configured providers name.
2. Never to link-local or metadata addresses, whatever a name resolves to.
3. To private and loopback addresses only for a provider that is declared so: `self_hosted`, or a base URL whose host
   is itself a private address or `localhost`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from turnout.catalogue.model import Provider
from turnout.upstream.url import parse_url

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
Origin: TypeAlias = "tuple[str, int]"

_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",  # link-local; metadata of AWS, GCP, Azure, DigitalOcean, Oracle
        "fe80::/10",
        "fd00:ec2::/32",  # AWS metadata and time over IPv6
        "fd20:ce::/32",  # GCP metadata over IPv6
        "100.100.100.200/32",  # Alibaba Cloud metadata
        "168.63.129.16/32",  # Azure's host agent, a public-looking address
        "192.0.0.192/32",  # Oracle Cloud classic metadata
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What may be connected to. `origins` maps host and port to whether a private address is fine there."""

    origins: Mapping[Origin, bool] = field(default_factory=dict[Origin, bool])
    _refused: dict[Origin, str] = field(default_factory=dict[Origin, str], init=False)
    """Origins whose host is an address that may not be connected to; looked at on every request."""

    def __post_init__(self) -> None:
        for origin, private in self.origins.items():
            literal = parse_address(origin[0])
            if literal is not None and (reason := refusal_of_address(literal, private)) is not None:
                self._refused[origin] = reason

    def refusal_of_origin(self, host: str, port: int) -> str | None:
        """Why no connection to `host` may be tried, or None when it may."""
        origin = (host, port)
        if origin not in self.origins:
            return f"'{host}:{port}' is not the address of any configured provider."
        return self._refused.get(origin)

    def refusal_of(self, host: str, port: int, address: str) -> str | None:
        """Why a connection to `host` may not go to `address`, or None when it may."""
        parsed = parse_address(address)
        if parsed is None:
            return f"'{address}' is no IP address."
        return refusal_of_address(parsed, self.origins.get((host, port), False))


def policy_of(providers: Iterable[Provider], *, also: Iterable[str] = ()) -> EgressPolicy:
    """The policy of a catalogue. `also` are URLs that may be reached beside it, private or not (a proxy)."""
    origins: dict[Origin, bool] = {}
    for provider in providers:
        if provider.embedded:
            continue
        urls = [template.replace("{base}", provider.base_url) for template in provider.endpoints.values()]
        urls += [provider.base_url, (provider.count_tokens_url or "").replace("{base}", provider.base_url)]
        for url in filter(None, urls):
            origin = origin_of(url)
            private = provider.self_hosted or is_private_host(origin[0])
            origins[origin] = origins.get(origin, False) or private
    for url in also:
        origins[origin_of(url)] = True
    return EgressPolicy(origins)


def origin_of(url: str) -> Origin:
    """Host and port of a URL (templates in the path are fine). Raises ValueError for what is none."""
    return parse_url(url).origin


def is_private_host(host: str) -> bool:
    """Whether the name itself says that it is not on the public internet."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    literal = parse_address(host)
    return literal is not None and not literal.is_global


def parse_address(text: str) -> Address | None:
    """An IP address, its zone left out; None for a name."""
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def refusal_of_address(address: Address, private: bool) -> str | None:
    """Why an address may not be connected to, or None. `private`: private and loopback ones may."""
    address = _inner(address)
    if any(address in network for network in _NEVER) or address.is_multicast:
        return f"{address} is a link-local or metadata address, and those are never connected to."
    if not address.is_global and not private:
        return f"{address} is a private address; set `self_hosted = true` on the provider if that is meant."
    return None


def _inner(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where there is one: a disguise must not help."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
