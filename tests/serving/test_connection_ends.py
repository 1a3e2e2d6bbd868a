"""How and when a connection has ended is on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kit import Request, Resource, Response, faults, websocket
from kit.clock import monotonic
from kit.opcodes import WebSocketOpCode
from support.raw import RawClient, make_request
from support.raw_websocket import RawWebSocket
from support.serving import Rig, hello

SHORT_S = 0.1

Act = Callable[[RawClient], object]


def ask_to_close(client: RawClient) -> None:
    client.ask("/", "GET", "Connection: close")
    assert client.is_at_end()


def break_in_the_middle(request: Request) -> Response:
    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise ValueError("no such luck")

    return Response(pieces())


def find_end(rig: Rig) -> str | None:
    """Return how the only connection has ended, when it has."""
    rig.await_done()
    rig.await_no_connections()
    (connection,) = {exchange.connection for exchange in rig.journal}
    assert connection.closed_at is not None
    assert connection.opened_at < connection.closed_at <= monotonic()
    return connection.end


@pytest.mark.parametrize(
    ("act", "end"),
    [
        (lambda client: (client.ask(), client.end()), "by the peer"),
        (ask_to_close, "after the response"),
        (lambda client: (client.send(b"NONSENSE\r\n\r\n"), client.end()), "after a refusal"),
        (
            lambda client: (client.send(make_request("/broken")), client.read_to_end()),
            "by an error: ValueError: no such luck",
        ),
    ],
    ids=["peer", "response", "refusal", "error"],
)
def test_who_closes_and_why_is_known(rig: Rig, act: Act, end: str) -> None:
    rig.serve(("GET", "/", hello), ("GET", "/broken", break_in_the_middle))
    act(rig.connect())
    assert find_end(rig) == end


def test_an_idle_one_names_the_limit(rig: Rig) -> None:
    rig.serve(("GET", "/", hello), idle_s=SHORT_S)
    client = rig.connect()
    client.ask()
    assert client.is_at_end()
    assert find_end(rig) == "as it was idle for 0.1 s (limit idle_s)"


def test_a_reset_is_told_from_a_goodbye(plain_rig: Rig) -> None:
    plain_rig.serve(("GET", "/", hello))
    client = plain_rig.connect()
    client.ask()
    client.reset()
    assert find_end(plain_rig) == "by the peer, with a reset"


def test_a_fault_is_named(rig: Rig) -> None:
    rig.serve(("GET", "/", hello)).fault(faults.Reset())
    client = rig.connect()
    client.send(make_request())
    assert client.is_at_end()
    assert find_end(rig) == "by an error: fault: reset before the first byte"


def test_a_limit_that_ends_a_request_is_a_refusal(rig: Rig) -> None:
    rig.serve(("GET", "/", hello), head_s=SHORT_S)
    client = rig.connect()
    client.send(b"GET / HTTP/1.1\r\n")
    assert client.read_answer().status == 408
    assert client.is_at_end()
    client.end()
    assert find_end(rig) == "after a refusal"


def test_a_server_that_stops_closes_what_is_idle(rig: Rig) -> None:
    server = rig.serve(("GET", "/", hello))
    rig.connect().ask()
    server.stop()
    assert find_end(rig) == "as the server stopped"


def test_a_websocket_ends_its_connection(rig: Rig) -> None:
    class Silent(Resource):
        @websocket("/ws")
        def listen(
            self, request: Request, opcode: WebSocketOpCode, payload: str | bytes
        ) -> None: ...

    rig.serve(Silent())
    peer = RawWebSocket(rig.connect())
    peer.send(8, b"\x03\xe8")
    assert peer.read_close() == (1000, "")
    assert find_end(rig) == "after the websocket"
