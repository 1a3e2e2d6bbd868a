"""A certificate authority for all, and a server of each kind for each test."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit import CertificateAuthority, HTTPServer
from support.peer_app import Shop


@pytest.fixture(scope="session")
def authority() -> CertificateAuthority:
    return CertificateAuthority()


@pytest.fixture(scope="session")
def cafile(authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return authority.write_pem(tmp_path_factory.mktemp("authority") / "ca.pem")


@pytest.fixture(scope="session")
def trusting(authority: CertificateAuthority) -> ssl.SSLContext:
    """A client's context that trusts the authority, with no word on ALPN."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.trust(context)
    return context


@pytest.fixture(params=["plain", "tls"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def context(scheme: str, trusting: ssl.SSLContext) -> ssl.SSLContext | None:
    """What a client needs to trust the server; None where there is no TLS."""
    return trusting if scheme == "tls" else None


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def server(scheme: str, authority: CertificateAuthority, shop: Shop) -> Iterator[HTTPServer]:
    ssl_context = authority.server_context() if scheme == "tls" else None
    with HTTPServer(("127.0.0.1", 0), ssl_context=ssl_context) as server:
        server.registerRoutes(shop)
        yield server
        assert server.stop() == []
