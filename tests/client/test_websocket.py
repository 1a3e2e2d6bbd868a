"""The client's websockets, against our own server and against scripts."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from kit import (
    ConnectionClosedError,
    ErrorResponse,
    HTTPClient,
    HTTPServer,
    LimitError,
    Limits,
    Resource,
    Response,
    StateError,
    WaitTimeoutError,
    WebSocketHandle,
    WebSocketOpCode,
    websocket,
)
from kit.clock import monotonic
from kit.engine.channel import WRITE
from support.deadlines import scaled
from support.lead import current_relay
from support.loops import poll
from support.scripted import Line, ScriptedServer
from support.websocket_frames import CLOSE, TEXT, close_payload, frame

Serve = Callable[..., Any]
Connect = Callable[..., HTTPClient]
T = scaled(10)

OPEN = (WebSocketOpCode.Open, "")
CLOSED = (WebSocketOpCode.Close, "")


class Echo(Resource):
    """Echoes; remembers the Close of each socket."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.closed = threading.Semaphore(0)

    @websocket("/ws")
    def echo(self, request: Any, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if opcode == WebSocketOpCode.Open:
            self.requests.append(request)
        elif opcode == WebSocketOpCode.Close:
            self.closed.release()
        elif payload == "bye":
            request.close(4001, "as you wish")
        else:
            request.send(payload)

    @websocket("/closed")
    def refuse(self, request: Any, opcode: WebSocketOpCode, payload: str | bytes) -> Response:
        return ErrorResponse("members only", 403)


@pytest.fixture
def resource() -> Echo:
    return Echo()


@pytest.fixture(params=["plain", "tls"])
def any_client(
    request: pytest.FixtureRequest, serve: Serve, connect: Connect, resource: Echo
) -> HTTPClient:
    return connect(serve(resource, tls=request.param == "tls"))


@pytest.fixture
def client(serve: Serve, connect: Connect, resource: Echo) -> HTTPClient:
    server = serve(resource, ("GET", "/plain", lambda _: Response(b"plain")))
    return connect(server)


def ended_with(ws: WebSocketHandle) -> tuple[int | None, str]:
    return ws.close_code, ws.close_reason


def test_a_websocket_opens_echoes_and_closes(any_client: HTTPClient, resource: Echo) -> None:
    ws = any_client.websocket("/ws")
    assert ws.receive(T) == OPEN
    assert repr(ws) == "<WebSocketHandle /ws: open>"
    ws.send("text")
    assert ws.receive(T) == (WebSocketOpCode.Text, "text")
    ws.send(b"\0\xff")
    assert ws.receive(T) == (WebSocketOpCode.Binary, b"\0\xff")
    ws.ping(b"still there?")
    ws.close(1000, "done")
    assert ws.receive(T) == CLOSED
    assert ended_with(ws) == (1000, "done")
    assert ws.response is None
    assert repr(ws) == "<WebSocketHandle /ws: closed 1000>"
    assert resource.closed.acquire(timeout=T)
    assert (resource.requests[0].close_code, resource.requests[0].close_reason) == (1000, "done")


@pytest.mark.parametrize("compress", [False, True])
def test_a_big_message_goes_both_ways(any_client: HTTPClient, compress: bool) -> None:
    ws = any_client.websocket("/ws", compress=compress)
    ws.receive(T)
    message = bytes(range(256)) * 40_000
    ws.send(message)
    assert ws.receive(T) == (WebSocketOpCode.Binary, message)


def test_what_tls_has_decrypted_already_is_not_waited_for(
    serve: Serve, connect: Connect, resource: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.engine.websocket.RECEIVE_BYTES", 100)
    ws = connect(serve(resource, tls=True)).websocket("/ws", compress=False)
    assert ws.receive(T) == OPEN
    text = "0123456789" * 1000
    ws.send(text)
    assert ws.receive(T) == (WebSocketOpCode.Text, text)


def test_messages_come_in_order(client: HTTPClient) -> None:
    ws = client.websocket("/ws")
    ws.receive(T)
    for n in range(500):
        ws.send(str(n))
    assert [ws.receive(T)[1] for _ in range(500)] == [str(n) for n in range(500)]


def test_a_callback_gets_everything_in_update_on_the_callers_thread(client: HTTPClient) -> None:
    got: list[Any] = []
    threads: set[int] = set()

    def take(opcode: WebSocketOpCode, payload: str | bytes) -> None:
        threads.add(threading.get_ident())
        got.append((opcode, payload))
        if opcode == WebSocketOpCode.Open:
            ws.send("one")
        elif payload == "one":
            ws.close()

    ws = client.websocket("/ws", callback=take)
    poll(client, lambda: CLOSED in got)
    assert got == [OPEN, (WebSocketOpCode.Text, "one"), CLOSED]
    assert threads == {threading.get_ident()}


def test_nothing_reaches_a_callback_before_update(client: HTTPClient, resource: Echo) -> None:
    got: list[Any] = []
    client.websocket("/ws", callback=lambda *message: got.append(message))
    client.get("/plain").wait(T)
    assert got == []
    poll(client, lambda: got == [OPEN])


def test_what_a_message_callback_raises_surfaces_and_the_rest_stays(client: HTTPClient) -> None:
    got: list[Any] = []

    def take(opcode: WebSocketOpCode, payload: str | bytes) -> None:
        got.append(opcode)
        if opcode == WebSocketOpCode.Open:
            raise RuntimeError("the callback is wrong")

    ws = client.websocket("/ws", callback=take)
    with pytest.raises(RuntimeError, match="the callback is wrong"):
        poll(client, lambda: False)
    ws.close()
    poll(client, lambda: WebSocketOpCode.Close in got)
    assert got == [WebSocketOpCode.Open, WebSocketOpCode.Close]


def test_messages_and_responses_share_one_queue(client: HTTPClient) -> None:
    got: list[Any] = []
    ws = client.websocket("/ws", callback=lambda _, payload: got.append(payload))
    poll(client, lambda: got == [""])
    ws.send("first")
    plain = client.get("/plain", callback=lambda response: got.append(response.payload))
    poll(client, lambda: len(got) == 3)
    plain.wait(T)
    assert sorted(map(str, got)) == ["", "b'plain'", "first"]


def test_receive_is_not_for_those_with_a_callback(client: HTTPClient) -> None:
    ws = client.websocket("/ws", callback=lambda *_: None)
    with pytest.raises(StateError) as caught:
        ws.receive(T)
    assert str(caught.value) == "this websocket has a callback, which gets its messages in update()"


def test_what_has_arrived_can_be_taken_without_waiting(client: HTTPClient) -> None:
    ws = client.websocket("/ws")
    got: list[Any] = []

    def take() -> bool:
        got.extend(ws.getMessages())
        return bool(got)

    poll(client, take)
    assert got == [OPEN]
    assert list(ws.getMessages()) == []


def test_receiving_has_a_limit(client: HTTPClient) -> None:
    ws = client.websocket("/ws")
    ws.receive(T)
    with pytest.raises(WaitTimeoutError) as caught:
        ws.receive(0.01)
    assert str(caught.value) == "nothing arrived on websocket /ws within 0.01 s"


def test_nothing_is_received_behind_the_close(client: HTTPClient) -> None:
    ws = client.websocket("/ws")
    ws.receive(T)
    ws.close()
    assert ws.receive(T) == CLOSED
    with pytest.raises(StateError) as caught:
        ws.receive(T)
    assert str(caught.value) == "websocket /ws is closed, and its Close was received"


def test_sending_before_the_open_is_refused(connect: Connect) -> None:
    with ScriptedServer(Line.await_end) as server:
        client = connect(server.addr)
        ws = client.websocket("/ws")
        assert repr(ws) == "<WebSocketHandle /ws: opening>"
        for send in (lambda: ws.send("x"), ws.ping):
            with pytest.raises(StateError) as caught:
                send()  # type: ignore[no-untyped-call]
            assert str(caught.value) == "the websocket is not open yet: wait for its Open"
        client.stop()


def test_sending_after_the_close_is_refused(client: HTTPClient) -> None:
    ws = client.websocket("/ws")
    ws.receive(T)
    ws.close()
    ws.receive(T)
    with pytest.raises(ConnectionClosedError, match="the websocket is closed"):
        ws.send("x")
    ws.close()  # a second close does nothing


def test_closing_before_the_open_gives_it_up(connect: Connect) -> None:
    ended = threading.Event()

    def mute(line: Line) -> None:
        line.read_head()
        asked.set()
        line.await_end()
        ended.set()

    asked = threading.Event()
    with ScriptedServer(mute) as server:
        ws = connect(server.addr).websocket("/ws")
        assert asked.wait(T)
        ws.close()
        assert ws.receive(T) == CLOSED
        assert ws.close_code == 1006
        assert ended.wait(T)
        ws.close()


@pytest.mark.parametrize("round_", range(20))
def test_a_close_that_races_the_open_gives_one_close(client: HTTPClient, round_: int) -> None:
    ws = client.websocket("/ws")
    ws.close()
    got = [ws.receive(T)]
    if got == [OPEN]:
        got.append(ws.receive(T))
    assert got[-1] == CLOSED
    assert client.get("/plain").wait(T).payload == b"plain"
    assert list(ws.getMessages()) == []


def test_the_server_may_close(client: HTTPClient) -> None:
    ws = client.websocket("/ws")
    ws.receive(T)
    ws.send("bye")
    assert ws.receive(T) == CLOSED
    assert ended_with(ws) == (4001, "as you wish")


def test_a_refused_handshake_gives_a_close_and_the_response(client: HTTPClient) -> None:
    ws = client.websocket("/closed")
    assert ws.receive(T) == CLOSED
    assert ws.close_code == 1006
    response = ws.response
    assert isinstance(response, ErrorResponse)
    assert (response.status_code, response.payload) == (403, b"members only")
    with pytest.raises(ConnectionClosedError) as caught:
        ws.send("x")
    assert str(caught.value) == (
        "the websocket did not open: the server answered 403 to the websocket handshake, "
        "expected 101"
    )


def test_a_refused_connection_gives_a_close_and_the_reason(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        addr = gone.getsockname()
    ws = connect(addr).websocket("/ws")
    assert ws.receive(T) == CLOSED
    response = ws.response
    assert isinstance(response, ErrorResponse)
    assert isinstance(response.exception.reason, ConnectionRefusedError)  # type: ignore[union-attr]


def accept(line: Line, *fields: str) -> None:
    head = line.read_head()
    key = next(one for one in head.split(b"\r\n") if one.lower().startswith(b"sec-websocket-key"))
    token = key.partition(b":")[2].strip() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    proof = base64.b64encode(hashlib.sha1(token, usedforsecurity=False).digest()).decode()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {proof}",
        *fields,
        "",
        "",
    ]
    line.send("\r\n".join(lines).encode())


def test_a_handshake_that_proves_nothing_gives_a_close_and_the_reason(connect: Connect) -> None:
    def lie(line: Line) -> None:
        line.read_head()
        line.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: bm90aGluZw==\r\n\r\n"
        )
        line.await_end()

    with ScriptedServer(lie) as server:
        ws = connect(server.addr).websocket("/ws")
        assert ws.receive(T) == CLOSED
        response = ws.response
        assert isinstance(response, ErrorResponse)
        reason = str(response.exception.reason)  # type: ignore[union-attr]
        assert reason.startswith("server's Sec-WebSocket-Accept is bm90aGluZw==, expected ")


def test_what_comes_along_with_the_handshake_is_delivered(connect: Connect) -> None:
    def eager(line: Line) -> None:
        real_send = line.send
        line.send = lambda data: real_send(  # type: ignore[method-assign]
            data + frame(TEXT, b"early", masked=False)
        )
        accept(line)
        line.await_end()

    with ScriptedServer(eager) as server:
        client = connect(server.addr)
        ws = client.websocket("/ws", compress=False)
        assert [ws.receive(T), ws.receive(T)] == [OPEN, (WebSocketOpCode.Text, "early")]
        client.stop()


def test_a_connection_that_breaks_closes_with_1006(connect: Connect) -> None:
    with ScriptedServer(accept) as server:
        ws = connect(server.addr).websocket("/ws")
        assert [ws.receive(T), ws.receive(T)] == [OPEN, CLOSED]
        assert ws.close_code == 1006


def test_a_peer_that_breaks_the_protocol_closes_with_1002(connect: Connect) -> None:
    def break_it(line: Line) -> None:
        accept(line)
        line.send(frame(3, b"reserved", masked=False))
        line.await_end()

    with ScriptedServer(break_it) as server:
        ws = connect(server.addr).websocket("/ws")
        assert [ws.receive(T), ws.receive(T)] == [OPEN, CLOSED]
        assert ws.close_code in (1002, 1006)


def test_a_subprotocol_is_agreed_on(connect: Connect) -> None:
    def choose(line: Line) -> None:
        accept(line, "Sec-WebSocket-Protocol: chat.v2")
        line.await_end()

    with ScriptedServer(choose) as server:
        client = connect(server.addr)
        ws = client.websocket("/ws", subprotocols=["chat.v1", "chat.v2"])
        ws.receive(T)
        assert ws.subprotocol == "chat.v2"
        client.stop()


def test_a_peer_that_does_not_answer_the_close_is_not_waited_for(connect: Connect) -> None:
    from kit import Limits

    def deaf(line: Line) -> None:
        accept(line)
        line.await_end()

    with ScriptedServer(deaf) as server:
        client = connect(server.addr, limits=Limits(close_s=0.1))
        ws = client.websocket("/ws")
        ws.receive(T)
        ws.close()
        assert ws.receive(T) == CLOSED
        assert ws.close_code == 1006


# Stopping


def test_a_stop_says_goodbye_to_open_websockets(client: HTTPClient, resource: Echo) -> None:
    sockets = [client.websocket("/ws") for _ in range(5)]
    for ws in sockets:
        ws.receive(T)
    client.stop()
    for ws in sockets:
        assert ws.receive(T) == CLOSED
    for _ in sockets:
        assert resource.closed.acquire(timeout=T)
    assert [request.close_code for request in resource.requests] == [1001] * 5


def test_a_stop_gives_up_websockets_that_are_not_open(connect: Connect) -> None:
    with ScriptedServer(Line.await_end) as server:
        client = connect(server.addr, max_connections=1)
        first, waiting = client.websocket("/a"), client.websocket("/b")
        client.stop()
        assert first.receive(T) == waiting.receive(T) == CLOSED
        assert client._sockets == set()


def test_a_stop_gives_up_a_websocket_whose_name_is_not_resolved_yet(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def dawdle(*_: Any, **__: Any) -> Any:
        asked.set()
        assert go_on.wait(T)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    serve()  # keeps the relay, which would wait for the resolver before it ends
    monkeypatch.setattr(socket, "getaddrinfo", dawdle)
    client = connect(("slow.test", 80))
    got: list[Any] = []
    client.websocket("/ws", callback=lambda *message: got.append(message))
    try:
        assert asked.wait(T)
        client.stop()
        client.update()
        assert got == [CLOSED]
    finally:
        go_on.set()


def test_a_stop_does_not_wait_long_for_a_deaf_peer(connect: Connect) -> None:
    stop = threading.Event()

    def deaf(line: Line) -> None:
        accept(line)
        assert stop.wait(T)

    with ScriptedServer(deaf) as server:
        client = connect(server.addr)
        ws = client.websocket("/ws")
        ws.receive(T)
        began = monotonic()
        client.stop()
        assert monotonic() - began < scaled(2)
        stop.set()
        assert ws.receive(T) == CLOSED


def test_more_open_websockets_than_allowed_are_refused(
    serve: Serve, connect: Connect, resource: Echo
) -> None:
    client = connect(serve(resource), max_pending=2)
    sockets = [client.websocket("/ws"), client.websocket("/ws")]
    with pytest.raises(LimitError) as caught:
        client.websocket("/ws")
    assert str(caught.value) == "too many websockets are open: the limit max_pending is 2"
    sockets[0].receive(T)
    sockets[0].close()
    assert sockets[0].receive(T) == CLOSED
    poll(client, lambda: len(client._sockets) == 1)
    assert client.websocket("/ws").receive(T) == OPEN


def test_a_websocket_that_opened_has_no_response_of_its_own(client: HTTPClient) -> None:
    ws = client.websocket("/ws")
    assert ws.response is None
    assert ws.receive(T) == OPEN
    ws.close()
    assert ws.receive(T) == CLOSED
    assert ws.response is None


def test_a_closed_websocket_is_forgotten(client: HTTPClient) -> None:
    for _ in range(5):
        ws = client.websocket("/ws")
        ws.receive(T)
        ws.close()
        ws.receive(T)
    client.websocket("/closed").receive(T)
    poll(client, lambda: client._sockets == set())


# Memory


def flood(count: int, sent: list[int]) -> Callable[[Line], None]:
    def run(line: Line) -> None:
        accept(line)
        batch = b"".join(frame(TEXT, b"%01000d" % n, masked=False) for n in range(1000))
        for _ in range(count // 1000):
            line.send(batch)
            sent[0] += 1000
        line.send(frame(CLOSE, close_payload(1000), masked=False))
        line.await_end()

    return run


@pytest.mark.parametrize("style", ["receive", "callback"])
def test_messages_that_nobody_polls_are_bounded_and_go_on_when_polled(
    connect: Connect, style: str
) -> None:
    count, sent = 30_000, [0]
    with ScriptedServer(flood(count, sent)) as server:
        client = connect(server.addr)
        taken: list[Any] = []
        callback = None if style == "receive" else lambda *message: taken.append(message)
        ws = client.websocket("/ws", callback=callback, compress=False)
        stall = threading.Event()
        seen = -1
        while seen != sent[0] or ws._undelivered < 1024:  # until the server cannot send any more
            seen = sent[0]
            stall.wait(scaled(0.1))
        assert sent[0] < count
        assert 1024 <= ws._undelivered < 1200
        if style == "callback":
            poll(client, lambda: CLOSED in taken, 60)
        else:
            while not taken or taken[-1] != CLOSED:
                taken.append(ws.receive(T))
        assert len(taken) == count + 2
        assert [payload for _, payload in taken[1:-1]] == [f"{n:01000d}" for n in range(1000)] * (
            count // 1000
        )
        assert ws._undelivered == ws._undelivered_bytes == 0


def test_large_messages_that_nobody_polls_are_bounded_too(connect: Connect) -> None:
    size, count, sent = 4_000_000, 20, [0]

    def run(line: Line) -> None:
        accept(line)
        for _ in range(count):
            line.send(frame(TEXT, bytes(size), masked=False))
            sent[0] += 1
        line.await_end()

    with ScriptedServer(run) as server:
        client = connect(server.addr)
        ws = client.websocket("/ws", compress=False)
        assert ws.receive(T) == OPEN
        stall = threading.Event()
        seen = -1
        while seen != sent[0] or not sent[0]:
            seen = sent[0]
            stall.wait(scaled(0.2))
        assert 3 <= ws._undelivered <= 7
        for _ in range(count):
            assert len(ws.receive(T)[1]) == size
        client.stop()


def test_a_websocket_that_nobody_polls_can_still_be_closed(connect: Connect) -> None:
    sent = [0]
    with ScriptedServer(flood(10_000, sent)) as server:
        client = connect(server.addr, limits=Limits(close_s=T))
        ws = client.websocket("/ws", compress=False)
        poll(client, lambda: ws._is_throttled)
        ws.close()
        poll(client, lambda: ws.close_code is not None and ws._session.is_over)


def test_a_websocket_that_nobody_polls_still_sends(connect: Connect) -> None:
    got = threading.Event()
    size = 8_000_000

    def run(line: Line) -> None:
        accept(line)
        line.send(b"".join(frame(TEXT, b"x", masked=False) for _ in range(2000)))
        ready.wait(T)
        line.read_body(size)
        got.set()
        line.await_end()

    ready = threading.Event()
    with ScriptedServer(run) as server:
        client = connect(server.addr, limits=Limits(output_bytes=2 * size))
        ws = client.websocket("/ws", compress=False)
        poll(client, lambda: ws._is_throttled)
        ws.send(bytes(size))
        ready.set()
        assert got.wait(T)
        client.stop()


def test_a_server_that_reads_slowly_but_reads_is_not_given_up(connect: Connect) -> None:
    let_go = threading.Event()

    def run(line: Line) -> None:
        accept(line)
        assert let_go.wait(T)
        line.await_end()

    with ScriptedServer(run) as server:
        client = connect(server.addr, limits=Limits(output_bytes=16_000_000, write_s=3600))
        ws = client.websocket("/ws", compress=False)
        assert ws.receive(T) == OPEN
        ws.send(bytes(8_000_000))
        asked = threading.Event()
        found: list[float] = []

        def expire() -> None:
            # The limit that began with the first byte has passed, and some were taken since.
            session, link = ws._session, ws._session._link
            assert session._connection is not None
            assert link is not None
            assert session.expire() & WRITE
            found.append(session._connection.deadline - link.sent_at)
            asked.set()

        current_relay().call(expire)
        assert asked.wait(T)
        assert found == pytest.approx([3600])
        assert not ws._session.is_over
        let_go.set()
        client.stop()


def test_a_send_never_waits_for_a_server_that_does_not_read() -> None:
    let_go = threading.Event()

    class Deaf(Resource):
        @websocket("/ws")
        def hear(self, request: Any, opcode: WebSocketOpCode, payload: str | bytes) -> None:
            if opcode == WebSocketOpCode.Binary:
                let_go.wait(T)

    limits = Limits(message_bytes=4 * 2**20, write_s=T)
    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes(Deaf())
        with HTTPClient((server.host, server.port), limits=limits) as client:
            socket = client.websocket("/ws", compress=False)
            assert socket.receive(T) == OPEN
            began = monotonic()
            with pytest.raises(LimitError) as caught:
                for _ in range(100):
                    socket.send(bytes(2**20))
            assert monotonic() - began < T / 2
            let_go.set()
    assert "the websocket's peer reads too slowly: the limit output_bytes is" in str(caught.value)
