"""Connections that go wrong before anything is read, also beneath TLS."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest

from kit import ConfigurationError, HTTPServer, Response, StateError, faults
from support.deadlines import scaled
from support.raw import RawClient
from support.serving import Rig, hello, make_authority


def dial(rig: Rig) -> RawClient:
    """Connect by TCP alone, also where the server speaks TLS."""
    return RawClient((rig.server.host, rig.server.port))


def is_refused(server: HTTPServer) -> bool:
    try:
        with socket.create_connection(server.addr, timeout=scaled(10)):
            return False
    except ConnectionRefusedError:
        return True


def test_a_connection_is_reset_at_once(rig: Rig) -> None:
    rule = rig.serve(("GET", "/", hello)).fault_connections(faults.Reset())

    with pytest.raises(ConnectionResetError):  # noqa: SIM117 - the connect may meet it already
        with socket.create_connection(rig.server.addr, timeout=scaled(10)) as sock:
            sock.recv(1)
    rig.await_no_connections()
    assert rule.applied == 1


def test_a_connection_is_closed_at_once(rig: Rig) -> None:
    rig.serve(("GET", "/", hello)).fault_connections(faults.EmptyReply())

    with dial(rig) as client:
        assert client.receive_strictly() == b""
    rig.await_no_connections()


def test_a_connection_is_taken_and_never_answered(rig: Rig) -> None:
    rule = rig.serve(("GET", "/", hello)).fault_connections(faults.NeverAnswer())
    with dial(rig) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.timeout_s = 0.1
        with pytest.raises(TimeoutError):
            client.receive_strictly()

    rig.await_no_connections()
    assert rig.calls == []
    assert rule.applied == 1
    assert len(rig.journal) == 0


def test_a_server_stops_though_it_never_answers_a_connection(rig: Rig) -> None:
    server = rig.serve(("GET", "/", hello))
    server.fault_connections(faults.NeverAnswer())
    with dial(rig) as client:
        while not server._connections:
            threading.Event().wait(0.005)  # nobody tells of a connection that says nothing
        assert server.stop(grace_s=scaled(60)) == []
        assert client.receive() == b""


def test_the_second_connection_goes_wrong_and_the_others_do_not(rig: Rig) -> None:
    rule = rig.serve(("GET", "/", hello)).fault_connections(faults.EmptyReply(), nth=2)

    assert rig.connect().ask("/").text == "hello"
    with dial(rig) as client:
        assert client.receive() == b""
    assert rig.connect().ask("/").text == "hello"
    assert (rule.seen, rule.applied) == (3, 1)


def test_a_connection_that_goes_wrong_is_a_tls_clients_failure() -> None:
    with Rig(make_authority()) as rig:
        server = rig.serve(("GET", "/", hello))
        server.fault_connections(faults.EmptyReply())
        context = make_authority().client_context()
        with (
            socket.create_connection(server.addr, timeout=scaled(10)) as sock,
            pytest.raises(ssl.SSLEOFError),
        ):
            context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)


def test_connections_are_refused_until_the_rule_is_removed(rig: Rig) -> None:
    server = rig.serve(("GET", "/", hello))
    assert rig.connect().ask("/").text == "hello"

    for _ in range(2):
        rule = server.fault_connections(faults.Refuse())
        assert is_refused(server)
        rule.remove()
        assert rig.connect().ask("/").text == "hello"


def test_an_open_connection_goes_on_while_others_are_refused(rig: Rig) -> None:
    server = rig.serve(("GET", "/", hello))
    client = rig.connect()
    client.ask("/")
    server.fault_connections(faults.Refuse())

    assert is_refused(server)
    assert client.ask("/").text == "hello"


def test_connections_are_refused_while_any_rule_says_so(plain_rig: Rig) -> None:
    server = plain_rig.serve(("GET", "/", hello))
    first = server.fault_connections(faults.Refuse())
    second = server.fault_connections(faults.Refuse())

    first.remove()
    first.remove()
    assert is_refused(server)
    second.remove()
    assert not is_refused(server)


def test_clearing_the_faults_lets_connections_in_again(plain_rig: Rig) -> None:
    server = plain_rig.serve(("GET", "/", hello))
    server.fault_connections(faults.Refuse())
    server.fault_connections(faults.NeverAnswer())
    server.clear_faults()

    assert plain_rig.connect().ask("/").text == "hello"


def test_a_handler_may_have_its_server_refuse(plain_rig: Rig) -> None:
    def refuse(_: object) -> Response:
        plain_rig.server.fault_connections(faults.Refuse())
        return Response("refusing")

    server = plain_rig.serve(("GET", "/", refuse))

    assert plain_rig.connect().ask("/").text == "refusing"
    assert is_refused(server)


def test_a_server_that_refuses_stops_as_any_other(plain_rig: Rig) -> None:
    server = plain_rig.serve(("GET", "/", hello))
    rule = server.fault_connections(faults.Refuse())

    assert server.stop() == []
    rule.remove()
    assert is_refused(server)


def test_a_server_that_does_not_run_cannot_refuse() -> None:
    server = HTTPServer(("127.0.0.1", 0))
    with pytest.raises(StateError) as raised:
        server.fault_connections(faults.Refuse())
    assert str(raised.value) == "the server does not listen: start() it, then have it refuse"


@pytest.mark.parametrize("given", [{"nth": 1}, {"every": 2}, {"share": 0.5}, {"times": 1}], ids=str)
def test_refused_connections_cannot_be_counted(given: dict[str, int]) -> None:
    server = HTTPServer(("127.0.0.1", 0))
    with pytest.raises(ConfigurationError) as raised:
        server.fault_connections(faults.Refuse(), **given)
    assert str(raised.value) == (
        "Refuse takes no nth, every, share or times, as refused connections never reach the "
        "server: remove() the rule to accept again"
    )
