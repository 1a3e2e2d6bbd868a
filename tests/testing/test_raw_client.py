"""A raw client against servers, over TCP and TLS."""

from __future__ import annotations

import ssl

import pytest

from kit import HTTPServer, Limits, Request, WebSocketOpCode, websocket
from kit.errors import ConfigurationError, HandshakeError
from kit.routing import Resource
from kit.testing import RawClient, RawServer
from kit.testing.raw_client import compute_accept
from support.authority import authority
from support.deadlines import scaled
from support.serving import Rig, echo, hello


class Echo(Resource):
    @websocket("/ws")
    def talk(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if opcode is WebSocketOpCode.Text:
            request.send(payload)


@pytest.fixture(params=["plain", "tls"])
def context(request: pytest.FixtureRequest) -> ssl.SSLContext | None:
    return authority().client_context() if request.param == "tls" else None


@pytest.fixture
def server(context: ssl.SSLContext | None) -> HTTPServer:
    own = None if context is None else authority().server_context()
    limits = Limits(grace_s=scaled(1))
    return HTTPServer(("127.0.0.1", 0), ssl_context=own, limits=limits)


def connect(server: HTTPServer, context: ssl.SSLContext | None) -> RawClient:
    return RawClient(server.url, context, timeout_s=scaled(20))


def test_literal_bytes_reach_a_server(server: HTTPServer, context: ssl.SSLContext | None) -> None:
    server.registerRoutes([("GET", "/", hello)])
    with server, connect(server, context) as client:
        client.send(b"GET / HTTP/1.1\nHost: bare\n\n")

        assert client.read_response().status == 400
        assert client.is_at_end()


def test_a_connection_carries_several_requests(
    server: HTTPServer, context: ssl.SSLContext | None
) -> None:
    server.registerRoutes([("GET", "/", hello), ("POST", "/echo", echo)])
    with server, connect(server, context) as client:
        assert client.request().body == b"hello"
        assert client.request("POST", "/echo", "X-A: b", body=b"abc").body == b"abc"
        head = client.request("HEAD")
        assert (head.body, head.get_all("content-length")) == (b"", ["5"])

    assert [exchange.ordinal for exchange in server.journal] == [1, 2, 3]
    assert server.journal[1].request_headers.text("x-a") == "b"
    assert server.journal[0].request_headers.text("host") == client.authority


def test_a_half_closed_connection_is_still_answered(
    server: HTTPServer, context: ssl.SSLContext | None
) -> None:
    server.registerRoutes([("GET", "/", hello)])
    with server, connect(server, context) as client:
        client.send(client.make_head())
        client.end()

        assert client.read_response().body == b"hello"
        assert client.is_at_end()


@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_a_reset_reaches_the_server(kind: str) -> None:
    with Rig(authority() if kind == "tls" else None) as rig:
        server = rig.serve(("POST", "/", echo))
        client = connect(server, authority().client_context() if kind == "tls" else None)
        client.send(client.make_head("POST", length=9) + b"half")
        client.reset()

        (exchange,) = rig.await_done(failed=True)
        assert exchange.method == "POST"


def test_websocket_frames_cross(server: HTTPServer, context: ssl.SSLContext | None) -> None:
    server.registerRoutes(Echo())
    with server, connect(server, context) as client:
        assert client.upgrade("/ws").status == 101
        client.send_frame(WebSocketOpCode.Text, b"on", is_final=False)
        client.send_frame(0, b"e")
        frame = client.read_frame()
        assert (frame.opcode, frame.payload, frame.is_masked) == (1, b"one", False)
        client.send_frame(WebSocketOpCode.Text, b"no mask", is_masked=False)
        assert client.read_frame().close_code == 1002
        client.send_close(1002)
        assert client.is_at_end()


def test_a_refused_handshake_is_told() -> None:
    with (
        HTTPServer(("127.0.0.1", 0)) as server,
        connect(server, None) as client,
        pytest.raises(HandshakeError) as caught,
    ):
        client.upgrade("/ws")

    assert str(caught.value) == "the server answered 404 to the handshake, not 101"


def test_a_wrong_accept_is_told() -> None:
    answer = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: wrong\r\n\r\n"
    with (
        RawServer(answer) as server,
        RawClient(server.ws_url) as client,
        pytest.raises(HandshakeError) as caught,
    ):
        client.upgrade()

    assert str(caught.value) == "the server's Sec-WebSocket-Accept is ['wrong'], which is wrong"


def test_the_accept_of_RFC_6455_is_computed() -> None:
    # The example of section 1.3.
    assert compute_accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_an_address_will_do_in_place_of_a_URL() -> None:
    with (
        RawServer(b"HTTP/1.1 204 No Content\r\n\r\n") as server,
        RawClient(server.addr, receive_buffer=4096) as client,
    ):
        assert client.request().status == 204


@pytest.mark.parametrize(
    ("where", "has_context", "text"),
    [
        (
            "127.0.0.1:80",
            False,
            (
                'a raw client connects to (host, port) or a URL such as "http://127.0.0.1:8000", '
                "not to '127.0.0.1:80'"
            ),
        ),
        ("ftp://here", False, "not to 'ftp://here'"),
        (None, False, "not to None"),
        ("https://here", False, "ssl_context does not fit https://: give ssl_context="),
        ("ws://here", True, "ssl_context does not fit ws://: leave ssl_context out"),
    ],
)
def test_where_it_cannot_connect_is_told(where: str, has_context: bool, text: str) -> None:
    context = authority().client_context() if has_context else None
    with pytest.raises(ConfigurationError) as caught:
        RawClient(where, context)

    assert str(caught.value).endswith(text)


def test_a_failed_handshake_leaves_no_socket_open() -> None:
    expected = pytest.raises(TimeoutError, match="the end of the TLS handshake did not come in")
    with RawServer(lambda connection: connection.read_to_end()) as server, expected:
        RawClient(server.addr, authority().client_context(), timeout_s=0.1)
