"""The fixtures. `kit` is imported when the first of them is used."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from pytest_plugin.cassettes import make_book
from pytest_plugin.late import LATE
from pytest_plugin.options import OF_ALL_SERVERS, SETTINGS, check_arguments, read_marker
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
def _kit_relay(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep the relay running from test to test, so that a server costs next to nothing."""
    import kit

    with kit.keep_relay(), request.config.stash[LATE].keep_ports():
        yield


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


@pytest.fixture
def kit_server_options() -> dict[str, Any]:
    """Arguments of `kit_server` and `kit_plain_server`, as the marker `kit_server` takes them.

    Put a fixture of this name in place; the marker of a test goes before it.
    """
    return {}


@pytest.fixture
def kit_cassette_options() -> dict[str, Any]:
    """Arguments of cassettes, as the marker `kit_cassette` takes them.

    Put a fixture of this name in place; the marker of a test goes before it.
    """
    return {}


@pytest.fixture
def kit_server_factory(
    request: pytest.FixtureRequest,
    _kit_relay: None,
    kit_limits: kit.Limits | None,
    kit_server_options: dict[str, Any],
    kit_cassette_options: dict[str, Any],
) -> Iterator[ServerFactory]:
    """Start servers: `kit_server_factory(*routes, tls=True, host="127.0.0.1", limits=None)`.

    `hostname` gives names of your own to the certificate, `routes` the routes by name;
    `verify` and `allow_unmatched`, `allow_handler_errors`, `allow_malformed`,
    `allow_unused_stubs`, `allow_unclean_websockets` say what the test does not fail for,
    `strict` and `allow_lint` whether it fails for sloppy clients; `faults` go wrong on purpose;
    `upstream` names the server it stands before, which is recorded, or played from the
    test's cassette. All are stopped when the test is over. Handlers that still run then have one
    second to finish; those that do not are cut, with a warning.
    """
    __tracebackhide__ = True
    check_arguments("kit_server_options", kit_server_options)
    arguments = {**kit_server_options, **read_marker(request.node)}
    book = make_book(request.node, kit_cassette_options)
    factory = ServerFactory(
        lambda: request.getfixturevalue("kit_ca"),
        request.config.stash[SETTINGS],
        find_coverage(request.config),
        limits=kit_limits,
        stop=request.config.stash[LATE].make_stop(request.node.nodeid),
        cassettes=book,
        allowed={name: value for name, value in arguments.items() if name in OF_ALL_SERVERS},
    )
    factory.arguments = arguments
    request.node.stash[FACTORY] = factory
    if "kit_exchanges" in request.fixturenames:
        factory.collect()
    yield factory
    try:
        factory.stop()
    finally:
        book.finish(has_passed=factory.has_passed)
    request.config.stash[TOTALS].add(factory.servers)
    if factory.has_passed:
        factory.verify("after the test had passed: ")


@pytest.fixture(scope="session")
def kit_session_server_factory(
    request: pytest.FixtureRequest, _kit_relay: None, kit_limits: kit.Limits | None
) -> Iterator[ServerFactory]:
    """Start servers that live until the session ends; as `kit_server_factory`.

    They are verified at the end of the session: each problem is told with the test in
    which it arose. For fixtures of your own with a wider scope than a test.
    """
    config = request.config
    __tracebackhide__ = True
    factory = ServerFactory(
        lambda: request.getfixturevalue("kit_ca"),
        config.stash[SETTINGS],
        find_coverage(config),
        limits=kit_limits,
        is_session=True,
    )
    config.stash[FACTORY] = factory
    yield factory
    factory.stop()
    request.config.stash[TOTALS].add(factory.servers)
    factory.verify("at the end of the session: ")


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
