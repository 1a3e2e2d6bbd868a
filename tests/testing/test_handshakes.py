"""TLS handshakes that have failed, which no exchange tells of."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator

import pytest

from kit.clock import monotonic
from kit.testing import CheckedServer
from kit.testing.handshakes import MAX_FAILED_HANDSHAKES
from support.authority import authority
from support.deadlines import scaled
from support.failures import hide_numbers

WAIT_S = 10.0


@pytest.fixture
def server() -> Iterator[CheckedServer]:
    server = CheckedServer(("127.0.0.1", 0), ssl_context=authority().server_context())
    server.start()
    yield server
    server.stop(grace_s=scaled(WAIT_S))


def shake_hands(server: CheckedServer, context: ssl.SSLContext) -> None:
    with (
        socket.create_connection(server.addr, scaled(WAIT_S)) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as client,
    ):
        assert client.version() is not None


def refuse_hands(server: CheckedServer) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server, ssl.create_default_context())


def speak(server: CheckedServer, data: bytes) -> None:
    """Send what begins no handshake, or leave at once, and read until the server has closed."""
    with (
        socket.create_connection(server.addr, scaled(WAIT_S)) as client,
        contextlib.suppress(ConnectionResetError),  # where it has not read all
    ):
        if data:
            client.sendall(data)
        else:
            client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass


def test_a_handshake_that_succeeds_is_not_told(server: CheckedServer) -> None:
    shake_hands(server, authority().client_context())
    assert server.list_failed_handshakes() == []


def test_a_client_that_does_not_trust_is_told_as_soon_as_it_knows(server: CheckedServer) -> None:
    refuse_hands(server)
    (line,) = server.list_failed_handshakes()
    assert line.startswith("TLS handshake failed: 127.0.0.1:")
    assert "unknown ca" in line
    assert line.endswith(" (does the client trust kit_ca?)")


def test_a_client_that_speaks_plainly_is_told_as_such(server: CheckedServer) -> None:
    speak(server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    (line,) = server.list_failed_handshakes()
    assert line.endswith(" (does the client speak plain HTTP?)")


def test_a_client_that_leaves_at_once_is_told(server: CheckedServer) -> None:
    speak(server, b"")
    (line,) = hide_numbers(server.list_failed_handshakes())
    assert line.startswith("TLS handshake failed: HOST: SSLEOFError: ")


def test_only_the_last_ones_are_kept_and_the_others_counted(server: CheckedServer) -> None:
    for _ in range(MAX_FAILED_HANDSHAKES + 1):
        speak(server, b"x" * 8)
    lines = server.list_failed_handshakes()
    assert lines[0] == "(1 earlier TLS handshake failed)"
    assert len(lines) == 1 + MAX_FAILED_HANDSHAKES


def test_those_before_a_time_can_be_left_out(server: CheckedServer) -> None:
    speak(server, b"x" * 8)
    assert len(server.list_failed_handshakes()) == 1
    assert server.list_failed_handshakes(since=monotonic()) == []


def test_one_that_the_servers_end_has_cut_has_not_failed(server: CheckedServer) -> None:
    with socket.create_connection(server.addr, scaled(WAIT_S)) as client:
        shake_hands(server, authority().client_context())  # so that both were accepted
        server.stop(grace_s=scaled(WAIT_S))
        assert client.recv(1) == b""
    assert server.list_failed_handshakes() == []


def test_a_plain_server_has_none() -> None:
    with CheckedServer(("127.0.0.1", 0)) as server:
        speak(server, b"")
        assert server.list_failed_handshakes() == []
