"""TLS as it should be: verified, never downgraded, ended at once."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from calls import provider, request
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from turnout.core.errors import UpstreamUnreachable
from turnout.double import Double, faults, openai
from turnout.upstream.http import HttpTransport

NOW = datetime.now(UTC)


def certificate(folder: Path, *, address: str = "127.0.0.1", until: datetime = NOW + timedelta(days=1)) -> Path:
    """A self-signed certificate with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "double")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=10))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "double.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


def run(double: Double, ca_file: Path | None, act: Callable[[HttpTransport], Awaitable[None]]) -> None:
    async def main() -> None:
        # A refused certificate is the server's handshake error too; the loop would log it.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        async with double:
            transport = HttpTransport([provider(double.url)], ca_file=str(ca_file) if ca_file else None)
            try:
                await act(transport)
            finally:
                await transport.close()

    asyncio.run(main())


def serving(path: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


def test_a_verified_connection_carries_a_call(tmp_path: Path) -> None:
    """With the certificate's authority trusted, the answer arrives."""
    path = certificate(tmp_path)
    double = Double([openai.chat()], tls=serving(path))

    async def act(transport: HttpTransport) -> None:
        response = await transport.send(request(double.url))
        assert openai.chat().content == await response.read(1 << 20)
        response.close()

    run(double, path, act)


@pytest.mark.parametrize("case", ["unknown authority", "wrong host", "expired"])
def test_a_bad_certificate_is_unreachable_and_gets_no_request(tmp_path: Path, case: str) -> None:
    """F5: the key is not sent, and there is one attempt only."""
    if case == "wrong host":
        path = certificate(tmp_path, address="192.0.2.1")
    elif case == "expired":
        path = certificate(tmp_path, until=NOW - timedelta(days=1))
    else:
        path = certificate(tmp_path)
    double = Double([openai.chat()], tls=serving(path))

    async def act(transport: HttpTransport) -> None:
        with pytest.raises(UpstreamUnreachable):
            await transport.send(request(double.url))
        assert double.requests == []
        assert len(double.connections) <= 1

    run(double, None if case == "unknown authority" else path, act)


def test_closing_in_mid_stream_does_not_wait_for_a_goodbye(tmp_path: Path) -> None:
    """I12 over TLS: the provider sees the end within a second, though it never answers the close."""
    path = certificate(tmp_path)
    double = Double([faults.stall(openai.chat_stream(), 3)], tls=serving(path))

    async def act(transport: HttpTransport) -> None:
        response = await transport.send(request(double.url))
        await anext(response.chunks())
        response.close()
        assert await double.until(lambda d: d.open_connections == 0, 1.0)

    run(double, path, act)
