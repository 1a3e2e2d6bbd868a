"""TLS that fails on purpose, seen by Python's own ssl."""

from __future__ import annotations

import socket
import ssl
import urllib.request

import pytest

from kit.errors import ConfigurationError
from kit.testing import TLS_FAULTS, TlsFault, TlsFaultServer, find_tls_fault
from pytest_plugin.tls_faults import NAMES
from support.authority import authority
from support.deadlines import scaled

LOUD = [fault for fault in TLS_FAULTS if fault.reason]
OF_CERTIFICATES = [fault for fault in TLS_FAULTS if fault.detail]


def connect(server: TlsFaultServer, context: ssl.SSLContext, timeout_s: float = 20) -> None:
    with (
        socket.create_connection(server.addr, scaled(timeout_s)) as plain,
        context.wrap_socket(plain, server_hostname=server.host),
    ):
        pass


@pytest.mark.parametrize("fault", LOUD, ids=lambda fault: fault.name)
def test_OpenSSL_gives_the_reason_that_the_fault_tells(fault: TlsFault) -> None:
    with TlsFaultServer(fault, authority()) as server, pytest.raises(ssl.SSLError) as caught:
        connect(server, server.client_context())

    assert caught.value.reason == fault.reason
    if fault.detail is not None:
        assert isinstance(caught.value, ssl.SSLCertVerificationError)
        assert caught.value.verify_message.startswith(fault.detail)


def test_a_stalled_handshake_ends_by_the_clients_own_timeout() -> None:
    with TlsFaultServer("stalled", authority()) as server, pytest.raises(TimeoutError):
        connect(server, server.client_context(), 0.2)


@pytest.mark.parametrize("fault", OF_CERTIFICATES, ids=lambda fault: fault.name)
def test_a_client_that_verifies_nothing_is_answered(fault: TlsFault) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with TlsFaultServer(fault, authority()) as server:
        with urllib.request.urlopen(server.url, context=context, timeout=scaled(20)) as response:
            assert (response.status, response.read()) == (200, b"")
        assert server.accepted == 1


def test_the_right_certificate_of_a_client_is_accepted() -> None:
    context = authority().client_context(identity="me@example.com")
    with (
        TlsFaultServer("no-client-certificate", authority()) as server,
        urllib.request.urlopen(server.url, context=context, timeout=scaled(20)) as response,
    ):
        assert response.status == 200


def test_a_fault_server_makes_an_authority_of_its_own() -> None:
    expected = pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired")
    with TlsFaultServer("expired") as server, expected:
        connect(server, server.client_context())


def test_every_connection_meets_the_fault() -> None:
    with TlsFaultServer("wrong-cipher", authority()) as server:
        for _ in range(3):
            with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
                connect(server, server.client_context())
        assert server.accepted == 3


def test_it_tells_where_it_is_and_what_fails() -> None:
    with TlsFaultServer("expired", authority()) as server:
        assert server.url == f"https://127.0.0.1:{server.port}"
        assert server.ws_url == f"wss://127.0.0.1:{server.port}"
        assert server.addr == ("127.0.0.1", server.port)
        assert repr(server) == f"<TlsFaultServer expired {server.url}>"
        assert str(server.fault) == "the certificate expired in 2001"


@pytest.mark.parametrize("name", ["", "late", 3])
def test_a_fault_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        TlsFaultServer(name)

    names = ", ".join(fault.name for fault in TLS_FAULTS)
    assert str(caught.value) == f"there is no TLS fault {name!r}: expected one of {names}"


def test_a_fault_is_found_by_its_name() -> None:
    assert [find_tls_fault(fault.name) for fault in TLS_FAULTS] == list(TLS_FAULTS)


def test_the_plugin_knows_the_same_faults() -> None:
    assert tuple(fault.name for fault in TLS_FAULTS) == NAMES


TEXTS = {
    "expired": "the certificate expired in 2001",
    "not-yet-valid": "the certificate becomes valid in 2900",
    "wrong-host": "the certificate is good for wrong.test only",
    "self-signed": "the certificate is signed by itself",
    "unknown-ca": "the certificate is of an authority that nobody trusts",
    "missing-intermediate": "the certificate of the authority between is not sent along",
    "aborted": "the connection ends behind the client's first message of the handshake",
    "stalled": "the handshake is never answered",
    "plain": "the port answers in plain HTTP",
    "wrong-version": "the server takes no version of TLS that a client offers",
    "wrong-cipher": "the server takes no cipher that a client offers",
    "no-client-certificate": (
        "the server requires a client's certificate, and the client has none"
    ),
    "wrong-client-certificate": (
        "the server requires a client's certificate, and the client's is of another authority"
    ),
}


def test_a_fault_says_what_is_wrong() -> None:
    assert {fault.name: str(fault) for fault in TLS_FAULTS} == TEXTS
