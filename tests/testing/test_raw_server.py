"""A raw server, and the clients it answers."""

from __future__ import annotations

import ssl
import threading
import urllib.request

import pytest
import urllib3

from kit import HTTPClient
from kit.errors import ConfigurationError, ConnectionClosedError, HandshakeError, StateError
from kit.testing import RawClient, RawServer, RawServerConnection
from support.authority import authority
from support.deadlines import scaled

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_bytes_answer_every_connection() -> None:
    with RawServer(ANSWER) as server:
        for _ in range(3):
            with urllib.request.urlopen(f"{server.url}/a", timeout=scaled(20)) as response:
                assert response.read() == b"ok"

        assert server.accepted == 3
        assert [head.split(b"\r\n")[0] for head in server.heads] == [b"GET /a HTTP/1.1"] * 3


def test_scripts_serve_one_connection_each_and_the_last_all_others() -> None:
    with RawServer(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", ANSWER) as server:
        statuses = [RawClient(server.addr) for _ in range(3)]
        told = []
        for client in statuses:
            with client:
                told.append(client.request().status)

    assert told == [503, 200, 200]


def test_a_truncated_answer_reaches_a_client() -> None:
    with (
        RawServer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort") as server,
        urllib3.PoolManager(retries=False) as pool,
        pytest.raises(urllib3.exceptions.ProtocolError),
    ):
        pool.request("GET", server.url, timeout=scaled(20))


def test_a_function_does_what_it_likes() -> None:
    def script(connection: RawServerConnection) -> None:
        connection.read_head()
        connection.answer(b"one", "200 Fine", "X-A: b")
        connection.read_head()
        connection.reset()

    with RawServer(script) as server, RawClient(server.url) as client:
        first = client.request()
        assert (first.reason, first.body, first.get_all("x-a")) == ("Fine", b"one", ["b"])
        client.send(client.make_head("GET", "/two"))
        with pytest.raises(ConnectionClosedError, match="was broken"):
            client.read_response()


def test_it_speaks_TLS() -> None:
    with RawServer(ANSWER, ssl_context=authority().server_context()) as server:
        assert server.url.startswith("https://")
        with HTTPClient(server.addr, "https", ssl_context=authority().client_context()) as client:
            response = client.get("/").wait(scaled(20))

    assert response.payload == b"ok"


def test_it_speaks_websocket() -> None:
    def script(connection: RawServerConnection) -> None:
        connection.accept_upgrade("X-Odd: yes")
        frame = connection.read_frame()
        assert frame.is_masked
        connection.send_frame(frame.opcode, frame.payload[::-1], is_masked=True)
        connection.send_close(1000)
        connection.read_to_end()

    with RawServer(script) as server, RawClient(server.ws_url) as client:
        assert client.upgrade("/ws").get_all("x-odd") == ["yes"]
        client.send_frame(1, b"abc")
        assert client.read_frame().payload == b"cba"
        assert client.read_frame().close_code == 1000


def test_a_request_without_a_key_is_no_handshake() -> None:
    with (
        RawServer(lambda connection: connection.accept_upgrade()) as server,
        RawClient(server.url) as client,
    ):
        client.send(client.make_head())
        assert client.is_at_end()

        # It is noted before the connection is closed.
        (error,) = server.errors
        assert isinstance(error, HandshakeError)
        assert str(error) == "the request is no websocket handshake: no Sec-WebSocket-Key"


def test_what_a_script_asserts_is_raised_where_the_server_is_left() -> None:
    def script(connection: RawServerConnection) -> None:
        assert connection.read_head() == b"something else"

    expected = pytest.raises(AssertionError, match="something else")
    with expected, RawServer(script) as server, RawClient(server.url) as client:
        client.send(client.make_head())
        assert client.is_at_end()


def test_what_a_client_breaks_is_noted() -> None:
    with RawServer(ANSWER) as server, RawClient(server.url) as client:
        client.send(b"half a hea")
        client.end()
        assert client.is_at_end()

        assert [str(error) for error in server.errors] == [
            (
                "the connection was ended by the peer before b'\\r\\n\\r\\n' came; "
                "so far came b'half a hea'"
            )
        ]


def test_stopping_ends_scripts_that_wait() -> None:
    began = threading.Event()

    def script(connection: RawServerConnection) -> None:
        began.set()
        connection.read_head()

    with RawServer(script) as server, RawClient(server.url) as client:
        assert began.wait(scaled(20))
        server.stop()
        assert client.is_at_end()

    assert server.errors == []


@pytest.mark.parametrize(
    ("scripts", "text"),
    [
        ((), "a raw server needs a script: bytes, or a function"),
        (("text",), "a script is bytes, or a function of a connection, not 'text'"),
    ],
)
def test_what_is_no_script_is_refused(scripts: tuple[bytes, ...], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RawServer(*scripts)

    assert str(caught.value) == text


def test_it_cannot_be_started_twice() -> None:
    with RawServer(ANSWER) as server, pytest.raises(StateError) as caught:
        server.start()

    assert str(caught.value) == "this raw server was started already: make a new one"


def test_it_tells_where_it_is() -> None:
    server = RawServer(ANSWER)
    assert server.port == 0
    with server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert server.ws_url == f"ws://{server.host}:{server.port}"
        assert repr(server) == f"<RawServer {server.url}, 0 accepted>"


def test_a_failed_handshake_is_noted() -> None:
    with RawServer(ANSWER, ssl_context=authority().server_context()) as server:
        with RawClient(server.addr) as client:
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            assert client.is_at_end()
        (error,) = server.errors

    assert isinstance(error, ssl.SSLError)


def test_a_connection_too_many_is_closed_and_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.testing.raw_server.MAX_CONNECTIONS", 1)
    with (
        RawServer(lambda connection: connection.read_to_end()) as server,
        RawClient(server.addr, timeout_s=scaled(20)),
        RawClient(server.addr, timeout_s=scaled(20)) as second,
    ):
        assert second.is_at_end()

    assert [str(error) for error in server.errors] == ["1 connections are open"]
