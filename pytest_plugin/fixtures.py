"""The fixtures. `kit` is imported when the first of them is used."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from pytest_plugin.servers import ServerFactory, find_coverage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import kit

TRUST_VARIABLES = (
    "SSL_CERT_FILE",  # OpenSSL, hence Python's ssl, httpx, Ruby, Go
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
"""Where libraries and programs look for the authorities to trust."""


@pytest.fixture(scope="session")
def _kit_relay() -> Iterator[None]:
    """Keep the relay running from test to test, so that a server costs next to nothing."""
    import kit

    with kit.keep_relay():
        yield


@pytest.fixture(scope="session")
def kit_ca() -> kit.CertificateAuthority:
    """Certificate authority of this session: `.pem`, `.client_context()`, `.issue_files(dir)`."""
    import kit

    return kit.CertificateAuthority()


@pytest.fixture
def kit_server_factory(request: pytest.FixtureRequest, _kit_relay: None) -> Iterator[ServerFactory]:
    """Start servers: `kit_server_factory(*routes, tls=True, host="127.0.0.1", limits=None)`.

    All are stopped when the test is over. Handlers that still run then have one
    second to finish; those that do not are cut, with a warning.
    """
    factory = ServerFactory(
        lambda: request.getfixturevalue("kit_ca"), find_coverage(request.config)
    )
    yield factory
    factory.stop()


@pytest.fixture
def kit_server(kit_server_factory: ServerFactory) -> kit.HTTPServer:
    """HTTP server of this test alone: running, with TLS, on a free port, without routes.

    Give it routes by `kit_server.registerRoutes(...)`; what it gets is in
    `kit_server.journal`.
    """
    return kit_server_factory()


@pytest.fixture
def kit_client(
    request: pytest.FixtureRequest, kit_server: kit.HTTPServer
) -> Iterator[kit.HTTPClient]:
    """Polling client of `kit_server`, started, that trusts `kit_ca`."""
    import kit

    url = urlsplit(kit_server.url)
    context = None
    if kit_server.is_tls:
        context = request.getfixturevalue("kit_ca").client_context()
    address = (url.hostname or kit_server.host, kit_server.port)
    with kit.HTTPClient(address, url.scheme, ssl_context=context) as client:
        yield client


@pytest.fixture(scope="session")
def _kit_ca_path(
    kit_ca: kit.CertificateAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return kit_ca.write_pem(tmp_path_factory.mktemp("kit") / "ca.pem")


@pytest.fixture
def kit_trust(_kit_ca_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make child processes, and libraries that ask the environment, trust `kit_ca`.

    Gives the path of the authority's certificate, for whoever is told of it otherwise.
    """
    for variable in TRUST_VARIABLES:
        monkeypatch.setenv(variable, str(_kit_ca_path))
    return _kit_ca_path
