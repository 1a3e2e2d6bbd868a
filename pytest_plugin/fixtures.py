"""The fixtures. `kit` is imported when the first of them is used."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from pytest_plugin.options import SETTINGS
from pytest_plugin.server_fixtures import SERVERS
from pytest_plugin.servers import FACTORY, ServerFactory, find_coverage
from pytest_plugin.totals import TOTALS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    import kit
    import kit.testing

TRUST_VARIABLES = (
    "SSL_CERT_FILE",  # OpenSSL, hence Python's ssl, httpx, Ruby, Go
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
"""Where libraries and programs look for the authorities to trust."""


@pytest.fixture(scope="session")
def kit_ca() -> kit.CertificateAuthority:
    """Certificate authority of this session: `.pem`, `.client_context()`, `.issue_files(dir)`."""
    import kit

    return kit.CertificateAuthority()


@pytest.fixture(scope="session")
def kit_limits() -> kit.Limits | None:
    """Bounds of every server that is given none; put a fixture of this name in place.

    With limits of your own, `grace_s` is also how long handlers may run after a test.
    """
    return None


@pytest.fixture(scope="session")
def kit_server_options() -> dict[str, Any]:
    """Arguments of `kit_server` and `kit_plain_server`, as the marker `kit_server` takes them.

    Put a fixture of this name in place, of any scope; the marker of a test goes before it.
    """
    return {}


@pytest.fixture(scope="session")
def kit_cassette_options() -> dict[str, Any]:
    """Arguments of cassettes, as the marker `kit_cassette` takes them.

    Put a fixture of this name in place, of any scope; the marker of a test goes before it.
    """
    return {}


@pytest.fixture(scope="session")
def kit_session_server_factory(
    request: pytest.FixtureRequest,
    kit_ca: kit.CertificateAuthority,
    kit_limits: kit.Limits | None,
) -> Iterator[ServerFactory]:
    """Start servers that live until the session ends; as `kit_server_factory`.

    What goes wrong on them in a test fails that test, whose marker may allow it. Stubs
    that no test has used, and what came to light later, are told at the end of the
    session. For fixtures of your own with a wider scope than a test.
    """
    config = request.config
    __tracebackhide__ = True
    config.stash[SERVERS].keep_relay(request.session)
    factory = ServerFactory(
        kit_ca,
        config.stash[SETTINGS],
        find_coverage(config),
        limits=kit_limits,
        is_session=True,
    )
    config.stash[FACTORY] = factory
    from pytest_plugin.verification import SessionEnd

    end = SessionEnd(request.session, factory)
    config.pluginmanager.register(end)
    yield factory
    factory.stop()
    config.stash[TOTALS].add(factory.servers)
    end.verify()


@pytest.fixture
def kit_server(kit_server_factory: ServerFactory) -> kit.testing.CheckedServer:
    """HTTP server of this test alone: running, with TLS, on a free port, without routes.

    Give it routes by `kit_server.registerRoutes(...)`, or by the marker
    `kit_server(routes=...)`; what it gets is in `kit_server.journal`. The test fails if
    a handler raises, a request matches nothing, a stub is left over or a websocket ends
    uncleanly, unless `kit_server.allow(...)` or the marker says that it may.
    """
    return kit_server_factory(**kit_server_factory.arguments)


@pytest.fixture
def kit_plain_server(kit_server_factory: ServerFactory) -> kit.testing.CheckedServer:
    """HTTP server of this test alone, like `kit_server`, that speaks plain HTTP."""
    return kit_server_factory(**{**kit_server_factory.arguments, "tls": False})


@pytest.fixture
def kit_exchanges(kit_server_factory: ServerFactory) -> kit.Journal:
    """Exchanges of all servers of this test, in order of arrival: one `kit.Journal`.

    Servers of `kit_session_server_factory` are not among them.
    """
    return kit_server_factory.collect()


@pytest.fixture
def kit_client(
    kit_server: kit.HTTPServer, kit_ca: kit.CertificateAuthority
) -> Iterator[kit.HTTPClient]:
    """Polling client of `kit_server`, started, that trusts `kit_ca`."""
    import kit

    url = urlsplit(kit_server.url)
    context = kit_ca.client_context() if kit_server.is_tls else None
    address = (url.hostname or kit_server.host, kit_server.port)
    with kit.HTTPClient(address, url.scheme, ssl_context=context) as client:
        client.fault_seed = kit_server.fault_seed
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
    import urllib.request

    for variable in TRUST_VARIABLES:
        monkeypatch.setenv(variable, str(_kit_ca_path))
    # From Python 3.12 on, urlopen reads the environment once and keeps what it found.
    monkeypatch.setattr(urllib.request, "_opener", None)
    return _kit_ca_path
