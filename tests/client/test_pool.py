"""Which connection carries which request."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from kit import ErrorResponse, HTTPClient, Limits, Request, Response
from support.deadlines import scaled
from support.loops import poll
from support.scripted import Line, ScriptedServer

Serve = Callable[..., Any]
Connect = Callable[..., HTTPClient]
T = scaled(10)


def hello(request: Request) -> Response:
    return Response(b"hello")


def reason_of(response: Response) -> Any:
    assert isinstance(response, ErrorResponse)
    assert response.status_code == 0
    return response.exception.reason  # type: ignore[union-attr]


@pytest.mark.parametrize("tls", [False, True])
def test_requests_one_after_the_other_share_a_connection(
    serve: Serve, connect: Connect, tls: bool
) -> None:
    server = serve(("GET", "/", hello), tls=tls)
    client = connect(server)
    for _ in range(5):
        client.get("/").wait(T)
    exchanges = server.journal.wait_for("/", count=5, timeout=T)
    assert len({exchange.connection.id for exchange in exchanges}) == 1
    assert [exchange.ordinal for exchange in exchanges] == [1, 2, 3, 4, 5]


def test_no_more_connections_are_made_than_allowed(
    serve: Serve, connect: Connect, gate: Any
) -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def held(request: Request) -> Response:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        gate.pass_through()
        with lock:
            now[0] -= 1
        return Response(b"x")

    server = serve(("GET", "/", held))
    client = connect(server, max_connections=3)
    handles = [client.get("/") for _ in range(20)]
    gate.await_arrivals(3)
    gate.open()
    for handle in handles:
        assert handle.wait(T).payload == b"x"
    assert most == [3]
    assert len({exchange.connection.id for exchange in server.journal}) == 3


def test_who_waits_for_a_name_that_does_not_resolve_fails_too(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    client = connect(("no.such.host.test", 80), max_connections=1)
    handles = [client.get("/") for _ in range(10)]
    for handle in handles:
        assert isinstance(reason_of(handle.wait(T)), socket.gaierror)


@pytest.mark.parametrize("host", ["x" * 64 + ".test", "a..b"])
def test_a_name_that_cannot_be_encoded_is_an_os_error(connect: Connect, host: str) -> None:
    reason = reason_of(connect((host, 80)).get("/").wait(T))
    assert isinstance(reason, OSError)


def test_who_waits_behind_refused_connections_fails_too(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        addr = gone.getsockname()
    client = connect(addr, max_connections=2)
    handles = [client.get("/") for _ in range(300)]
    for handle in handles:
        assert isinstance(reason_of(handle.wait(T)), ConnectionRefusedError)


def test_who_waits_behind_an_address_that_fails_at_once_fails_too(connect: Connect) -> None:
    # A destination that the system refuses without sending anything.
    client = connect(("255.255.255.255", 80), max_connections=1)
    handles = [client.get("/") for _ in range(2000)]
    reasons = [reason_of(handle.wait(T)) for handle in handles]
    assert {reason.errno for reason in reasons} <= {errno.EACCES, errno.ENETUNREACH}


def test_the_next_address_is_tried_when_one_refuses(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(("GET", "/", hello))
    with socket.create_server(("127.0.0.1", 0)) as gone:
        refusing = gone.getsockname()
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", refusing),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("255.255.255.255", 1)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", server.addr),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    client = connect(("several.test", 80), max_connections=1)
    handles = [client.get("/") for _ in range(5)]
    assert [handle.wait(T).payload for handle in handles] == [b"hello"] * 5


def test_an_address_of_a_family_that_the_system_lacks_is_passed_over(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(("GET", "/", hello))
    found = [
        (9999, socket.SOCK_STREAM, 6, "", ("::1", server.port, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", server.addr),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert connect(("both.test", 80)).get("/").wait(T).payload == b"hello"


def answer_once(line: Line) -> None:
    line.read_head()
    line.answer(b"first")


def close_on_second(line: Line) -> None:
    """Answer one request, and break off when the next has come."""
    answer_once(line)
    line.read_head()


def answer_again(line: Line) -> None:
    while line.read_head():
        line.answer(b"again")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_an_idempotent_request_on_a_stale_connection_is_sent_once_more(
    connect: Connect, method: str
) -> None:
    with ScriptedServer(close_on_second, answer_again) as server:
        client = connect(server.addr, max_connections=1)
        assert client.get("/").wait(T).payload == b"first"
        response = client.request(method, "/").wait(T)
        assert response.status_code == 200, response
        assert server.accepted == 2
        client.stop()


def test_a_post_is_never_sent_twice(connect: Connect) -> None:
    with ScriptedServer(close_on_second, answer_again) as server:
        client = connect(server.addr)
        client.get("/").wait(T)
        reason = reason_of(client.post("/", b"order").wait(T))
        assert "closed the connection without a response" in str(reason)
        assert server.accepted == 1
        assert client.get("/").wait(T).payload == b"again"
        client.stop()


def test_a_fresh_connection_that_breaks_is_not_retried(connect: Connect) -> None:
    with ScriptedServer(lambda line: (line.read_head(), None)[1], answer_again) as server:
        client = connect(server.addr)
        assert reason_of(client.get("/").wait(T)) is not None
        assert server.accepted == 1
        client.get("/").wait(T)
        client.stop()


def test_a_retry_holds_to_the_bound_of_connections(connect: Connect) -> None:
    both = threading.Barrier(2)

    def close_together(line: Line) -> None:
        answer_once(line)
        line.read_head()

    most, now, lock = [0], [0], threading.Lock()

    def counted(line: Line) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        answer_again(line)
        with lock:
            now[0] -= 1

    with ScriptedServer(close_together, counted, counted, counted, counted) as server:
        client = connect(server.addr, max_connections=1)
        client.get("/").wait(T)
        handles = [client.get("/") for _ in range(10)]
        assert [handle.wait(T).payload for handle in handles] == [b"again"] * 10
        client.stop()
        assert server.accepted == 2
        assert most == [1]
    assert both.n_waiting == 0


def test_a_post_after_the_server_has_closed_takes_a_new_connection(connect: Connect) -> None:
    with ScriptedServer(answer_once, answer_again) as server:
        client = connect(server.addr)
        client.get("/").wait(T)
        poll(client, lambda: not client._pool._connections)  # type: ignore[union-attr]
        assert client.post("/", b"").wait(T).payload == b"again"
        client.stop()


def test_a_response_that_closes_its_connection_is_followed_by_a_new_one(
    connect: Connect,
) -> None:
    def close(line: Line) -> None:
        line.read_head()
        line.answer(b"x", "200 OK", "Connection: close")
        line.await_end()

    with ScriptedServer(close, close, close) as server:
        client = connect(server.addr)
        assert [client.post("/", b"").wait(T).payload for _ in range(3)] == [b"x"] * 3
        assert server.accepted == 3


def test_what_comes_unasked_on_an_idle_connection_ends_it(connect: Connect) -> None:
    ended = threading.Event()

    def chatter(line: Line) -> None:
        line.read_head()
        line.answer(b"x")
        line.answer(b"unasked")
        line.await_end()
        ended.set()

    with ScriptedServer(chatter, answer_again) as server:
        client = connect(server.addr)
        client.get("/").wait(T)
        assert ended.wait(T)
        assert client.get("/").wait(T).payload == b"again"
        client.stop()


def test_an_idle_connection_is_closed_after_a_while(connect: Connect) -> None:
    ended = threading.Event()

    def wait(line: Line) -> None:
        answer_once(line)
        line.await_end()
        ended.set()

    with ScriptedServer(wait) as server:
        client = connect(server.addr, limits=Limits(idle_s=0.05))
        client.get("/").wait(T)
        assert ended.wait(T)


def test_open_websockets_take_no_request_its_place(serve: Serve, connect: Connect) -> None:
    from kit import Resource, websocket

    class Chat(Resource):
        @websocket("/ws")
        def chat(self, request: Any, opcode: Any, payload: Any) -> None: ...

    client = connect(serve(Chat(), ("GET", "/", hello)), max_connections=1)
    sockets = [client.websocket("/ws") for _ in range(5)]
    for one in sockets:
        one.receive(T)
    assert client.get("/").wait(T).payload == b"hello"
    assert client.get("/").wait(T).payload == b"hello"


def test_every_place_is_free_again_after_everything_went_wrong(connect: Connect) -> None:
    def garbage(line: Line) -> None:
        line.read_head()
        line.send(b"no http at all\r\n\r\n")
        line.await_end()

    def reset(line: Line) -> None:
        line.read_head()

    def half(line: Line) -> None:
        line.read_head()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    with ScriptedServer(garbage, reset, half, half, garbage, answer_again) as server:
        client = connect(server.addr, max_connections=1)
        bad = [client.post("/", b"x") for _ in range(5)]
        for handle in bad:
            assert reason_of(handle.wait(T)) is not None
        assert client.get("/").wait(T).payload == b"again"
        pool = client._pool
        assert pool is not None
        assert sum(pool._counts.values()) == 1
        client.stop()
        assert sum(pool._counts.values()) == 0
        assert pool._connections == set()
