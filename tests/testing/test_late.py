"""Requests that come to a port when its server is gone."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from collections.abc import Callable, Iterator

import pytest

from kit import Request, Response, StateError, keep_relay
from kit.testing import CheckedServer
from kit.testing.late import LatePorts, LateRequest
from support.authority import authority
from support.deadlines import scaled

WAIT_S = 10.0

Start = Callable[..., CheckedServer]


@pytest.fixture
def start() -> Iterator[Start]:
    servers = []

    def run(*, tls: bool = False, host: str = "127.0.0.1") -> CheckedServer:
        context = authority().server_context() if tls else None
        server = CheckedServer((host, 0), ssl_context=context)
        server.registerRoutes([("GET", "/", lambda request: Response("in time"))])
        servers.append(server.start())
        return server

    with keep_relay():
        yield run
        for server in servers:
            server.stop()


@pytest.fixture
def ports() -> Iterator[LatePorts]:
    made = LatePorts(lambda: "the next")
    yield made
    made.close()


def connect(
    server: CheckedServer, context: ssl.SSLContext | None = None
) -> http.client.HTTPConnection:
    if context is None:
        return http.client.HTTPConnection(server.host, server.port, timeout=scaled(WAIT_S))
    return http.client.HTTPSConnection(
        server.host, server.port, timeout=scaled(WAIT_S), context=context
    )


def is_kept(server: CheckedServer) -> bool:
    """Tell whether the port is kept; another process may have taken one that is not."""
    client = connect(server)
    try:
        client.request("GET", "/")
        return client.getresponse().headers["Kit-Late"] == name(server)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()


def name(server: CheckedServer) -> str:
    return f"{os.getpid()} at {server.port}"


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_late_request_is_answered_and_noted_with_its_owner(
    start: Start, ports: LatePorts, tls: bool
) -> None:
    server = start(tls=tls)
    assert ports.retire(server, "the first") == []
    assert not server.is_running
    client = connect(server, authority().client_context() if tls else None)
    client.request("GET", "/poll?n=1")
    response = client.getresponse()
    assert response.status == 410
    assert response.headers["Kit-Late"] == "the first"
    assert response.headers["Connection"] == "close"
    assert response.read().decode() == (
        "GET /poll?n=1 came too late: the server at this port belonged to the first, which is "
        "over.\nLet whatever sends it end before the test does.\n"
    )
    client.close()
    assert ports.requests == [LateRequest("the first", "the next", "GET /poll?n=1")]
    [exchange] = ports.journal.wait_for(timeout=scaled(WAIT_S), state="complete")
    assert (exchange.target, exchange.status) == ("/poll?n=1", 410)
    assert len(server.journal) == 0
    assert server.problems() == []


def test_a_request_in_the_very_moment_after_the_end_is_late_too(
    start: Start, ports: LatePorts
) -> None:
    for _ in range(100):
        server = start()
        ports.retire(server, "the first")
        with socket.create_connection(server.addr, scaled(WAIT_S)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 410"


def test_a_late_request_may_have_a_body(start: Start, ports: LatePorts) -> None:
    server = start()
    ports.retire(server, "the first")
    client = connect(server)
    client.connect()
    client.request("POST", "/", body=b"x" * 1000)
    response = client.getresponse()
    assert (response.status, response.read()[:6]) == (410, b"POST /")
    client.close()


def test_a_connection_that_is_kept_alive_is_closed(start: Start, ports: LatePorts) -> None:
    server = start()
    client = connect(server)
    client.request("GET", "/")
    assert client.getresponse().read() == b"in time"
    ports.retire(server, "the first")
    sock = client.sock
    sock.settimeout(scaled(WAIT_S))
    assert sock.recv(1) == b""
    client.close()
    assert ports.requests == []


def test_a_websocket_handshake_is_late_too(start: Start, ports: LatePorts) -> None:
    server = start()
    ports.retire(server, "the first")
    with socket.create_connection(server.addr, scaled(WAIT_S)) as client:
        client.sendall(
            b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert client.recv(13) == b"HTTP/1.1 410 "
    assert [late.request for late in ports.requests] == ["GET /ws"]


def test_what_does_not_parse_is_noted(start: Start, ports: LatePorts) -> None:
    server = start()
    ports.retire(server, "the first")
    with socket.create_connection(server.addr, scaled(WAIT_S)) as client:
        client.sendall(b"what is this\r\n\r\n")
        assert client.recv(13) == b"HTTP/1.1 400 "
    assert [late.request for late in ports.requests] == ["a request that does not parse"]


def test_an_owner_of_any_name_fits_into_the_header(start: Start, ports: LatePorts) -> None:
    server = start()
    ports.retire(server, "test_ä.py::test[a\r\nb-✓]")
    client = connect(server)
    client.request("GET", "/")
    assert client.getresponse().headers["Kit-Late"] == ("test_%C3%A4.py::test[a%0D%0Ab-%E2%9C%93]")
    client.close()


def test_a_server_that_was_stopped_already_leaves_no_port(start: Start, ports: LatePorts) -> None:
    server = start()
    server.stop()
    assert ports.retire(server, "the first") == []
    assert ports.port_count == 0


def test_the_oldest_port_is_closed_when_there_are_too_many(start: Start) -> None:
    ports = LatePorts(lambda: "now", max_ports=2)
    servers = [start() for _ in range(3)]
    for server in servers:
        ports.retire(server, name(server))
    assert [is_kept(server) for server in servers] == [False, True, True]
    assert ports.port_count == 2
    ports.close()
    assert [is_kept(server) for server in servers] == [False, False, False]


def test_requests_beyond_the_bound_are_counted(start: Start) -> None:
    ports = LatePorts(lambda: "now", max_requests=2)
    server = start()
    ports.retire(server, "it")
    for _ in range(5):
        client = connect(server)
        client.request("GET", "/")
        assert client.getresponse().status == 410
        client.close()
    assert (len(ports.requests), ports.dropped) == (2, 3)
    assert repr(ports) == "<LatePorts 1 open, 5 late requests>"
    ports.close()


def test_ports_that_are_closed_take_no_more(start: Start, ports: LatePorts) -> None:
    ports.close()
    with pytest.raises(StateError) as caught:
        ports.retire(start(), "it")
    assert str(caught.value) == "these late ports have been closed: make a new LatePorts"


def test_a_handler_may_retire_its_own_server(start: Start, ports: LatePorts) -> None:
    server = start()
    client = connect(server)

    def retire_inside(request: Request) -> Response:
        assert ports.retire(server, "the first", grace_s=scaled(WAIT_S)) == []
        return Response("mine")

    server.registerRoutes([("GET", "/inside", retire_inside)])
    client.request("GET", "/inside")
    assert client.getresponse().read() == b"mine"
    client.close()
    assert ports.port_count == 1
