"""Connections go to configured places only, tested at the socket."""

from __future__ import annotations

import asyncio

import pytest
from calls import provider, request

from turnout.catalogue.model import Provider
from turnout.core.errors import UpstreamUnreachable
from turnout.double import Double, openai
from turnout.upstream.egress import policy_of
from turnout.upstream.faults import EgressRefused
from turnout.upstream.http import HttpTransport
from turnout.upstream.sockets import open_socket


class FakeLookup:
    """Answers from a list, one answer for each lookup; the last one again and again."""

    def __init__(self, *answers: list[str] | OSError) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer


def call(lookup: FakeLookup, *, self_hosted: bool, times: int = 1) -> Double:
    """Calls a provider named api.acme.test that the lookup decides the address of."""

    async def main() -> Double:
        async with Double([openai.chat()]) as double:
            url = f"http://api.acme.test:{double.port}"
            own = provider(url, self_hosted=self_hosted)
            transport = HttpTransport([own], lookup=lookup, dns_seconds=0, keepalive=0.0)
            try:
                for _ in range(times):
                    response = await transport.send(request(url))
                    await response.read(1 << 20)
                    response.close()
            finally:
                await transport.close()
            return double

    return asyncio.run(main())


def test_a_name_that_resolves_to_loopback_is_refused() -> None:
    """F4: nothing reaches the local port, and the error says what to set if it is meant."""
    with pytest.raises(UpstreamUnreachable, match="self_hosted"):
        call(FakeLookup(["127.0.0.1"]), self_hosted=False)


def test_a_self_hosted_provider_may_be_on_loopback() -> None:
    """The same lookup is fine for a provider that is declared to be ours."""
    assert len(call(FakeLookup(["127.0.0.1"]), self_hosted=True).requests) == 1


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "224.0.0.1",
    ],
)
@pytest.mark.parametrize("self_hosted", [False, True])
def test_metadata_addresses_are_refused_for_everyone(address: str, self_hosted: bool) -> None:
    """F4: no declaration opens link-local and metadata addresses, in no disguise."""
    with pytest.raises(UpstreamUnreachable, match="egress policy"):
        call(FakeLookup([address]), self_hosted=self_hosted)


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "192.168.1.1", "172.16.0.1", "0.0.0.0", "::1", "fd12::1", "100.64.0.1"]
)
def test_private_addresses_are_refused_for_a_public_provider(address: str) -> None:
    """A public name may not lead into our own network."""
    with pytest.raises(UpstreamUnreachable, match="egress policy"):
        call(FakeLookup([address]), self_hosted=False)


def test_a_mixed_answer_leads_to_the_permitted_address_only() -> None:
    """One bad address among good ones is left out."""
    double = call(FakeLookup(["169.254.169.254", "127.0.0.1"]), self_hosted=True)
    assert len(double.requests) == 1


def test_rebinding_between_two_calls_is_refused() -> None:
    """F4: a name that was good and then turns to a metadata address is refused on the next connection."""
    lookup = FakeLookup(["127.0.0.1"], ["169.254.169.254"])
    with pytest.raises(UpstreamUnreachable, match="egress policy"):
        call(lookup, self_hosted=True, times=2)


def test_the_last_good_address_serves_while_lookups_fail() -> None:
    """F3: a DNS outage does not stop a provider that was reachable."""
    lookup = FakeLookup(["127.0.0.1"], OSError("SERVFAIL"))
    assert len(call(lookup, self_hosted=True, times=2).requests) == 2


def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    """F3: NXDOMAIN on the first call."""
    with pytest.raises(UpstreamUnreachable):
        call(FakeLookup(OSError(-2, "Name or service not known")), self_hosted=True)


def test_an_unconfigured_host_is_refused_without_a_lookup() -> None:
    """I19: not even the name is asked for."""
    lookup = FakeLookup(["127.0.0.1"])

    async def main() -> None:
        async with Double() as double:
            transport = HttpTransport([provider("http://api.acme.test")], lookup=lookup)
            for url in (double.url, f"http://evil.test:{double.port}", "http://api.acme.test:81"):
                with pytest.raises(UpstreamUnreachable, match="not the address of any configured provider"):
                    await transport.send(request(url))
            await transport.close()
            assert double.connections == []
            assert lookup.asked == []

    asyncio.run(main())


def test_a_removed_provider_is_refused_on_its_pooled_connection() -> None:
    """A reload holds for open connections too."""

    async def main() -> None:
        async with Double([openai.chat()]) as double:
            transport = HttpTransport([provider(double.url)])
            response = await transport.send(request(double.url))
            await response.read(1 << 20)
            transport.reload([])
            with pytest.raises(UpstreamUnreachable, match="egress"):
                await transport.send(request(double.url))
            await transport.close()
            assert len(double.requests) == 1

    asyncio.run(main())


@pytest.mark.parametrize("url", ["http://169.254.169.254", "http://[fe80::1]", "http://[::ffff:169.254.169.254]"])
def test_a_literal_metadata_address_is_refused_even_when_configured(url: str) -> None:
    """A base URL can't point there."""

    async def main() -> None:
        transport = HttpTransport([provider(url, self_hosted=True)])
        with pytest.raises(UpstreamUnreachable, match="never connected to"):
            await transport.send(request(url))
        await transport.close()

    asyncio.run(main())


@pytest.mark.parametrize("url", ["http://2130706433", "http://127.1", "http://0x7f.0.0.1"])
def test_other_ways_to_write_loopback_are_refused(url: str) -> None:
    """Numbers that the operating system reads as 127.0.0.1 do not count as a declared private host."""

    async def main() -> None:
        async with Double() as double:
            there = f"{url}:{double.port}"
            transport = HttpTransport([provider(there)])
            with pytest.raises(UpstreamUnreachable):
                await transport.send(request(there))
            await transport.close()
            assert double.connections == []

    asyncio.run(main())


@pytest.mark.parametrize("addresses", [["169.254.169.254"], ["::ffff:169.254.169.254", "fe80::1"], ["localhost"]])
def test_the_socket_itself_refuses_metadata_addresses(addresses: list[str]) -> None:
    """The last guard holds whatever the lookup and its guard let through, and takes no name."""

    async def main() -> None:
        with pytest.raises(EgressRefused):
            await open_socket(addresses, 80, asyncio.get_running_loop())

    asyncio.run(main())


def test_embedded_models_open_nothing() -> None:
    """A provider without a base URL adds no origin."""
    embedded = Provider(name="local", preset="embedded", title="", base_url="", endpoints={}, embedded=True)
    assert policy_of([embedded]).origins == {}
