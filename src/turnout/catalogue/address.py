"""Whether a provider's base URL may be called. Judges the text only; the transport checks what a name resolves to."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa", ".svc", ".test")
_METADATA_HOSTS = frozenset({"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"})


def host_of(url: str) -> str:
    """The host in lower case, without brackets or a final dot."""
    return (urlsplit(url).hostname or "").rstrip(".")


def is_private_host(host: str) -> bool:
    """True for loopback, private addresses and names that no public DNS has, such as a container's."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_PRIVATE_SUFFIXES))
    return address.is_private or address.is_loopback


def base_url_fault(url: str, *, allow_http: bool) -> str | None:
    """What speaks against calling a URL whose form is good already; None when nothing does."""
    parts, host = urlsplit(url), host_of(url)
    if parts.query or parts.fragment:
        return "must not have a query or fragment."
    if host in _METADATA_HOSTS or _is_forbidden_address(host):
        return f"'{host}' is not the address of a model server: link-local and metadata addresses are refused."
    if parts.scheme == "http" and not allow_http and not is_private_host(host):
        return f"must begin with https://, because the key and the prompts would travel to '{host}' in the clear. \
Write `allow_http = true` if that is meant."
    return None


def _is_forbidden_address(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    # fd00:ec2::254 is the metadata service of EC2 over IPv6; it lies in a private range.
    metadata = address == ipaddress.ip_address("fd00:ec2::254")
    return metadata or address.is_link_local or address.is_multicast or address.is_unspecified
