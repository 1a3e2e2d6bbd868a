from __future__ import annotations

import gc
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from kit import (
    HTTPServer,
    Limits,
    Request,
    Resource,
    Response,
    WebSocketOpCode,
    websocket,
)
from kit.errors import LimitError
from support.authority import authority
from support.deadlines import scaled
from support.talk import Talk

Serve = Callable[..., HTTPServer]


def pong(request: Request) -> Response:
    return Response("pong")


PING = ("GET", "/ping", pong)
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def wait_until_alone(server: HTTPServer) -> None:
    """Wait until the server has no connection left."""
    assert wait_for(lambda: not server._connections), f"left: {server!r}"


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.perf_counter() + scaled(10)
    pause = threading.Event()
    while not condition() and time.perf_counter() < deadline:
        pause.wait(0.005)
    return condition()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /pi",
        b"GET /ping HTTP/1.1\r\nHost: h\r\n",
        b"POST /ping HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345",
        b"POST /ping HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12",
    ],
    ids=["nothing", "request line", "head", "body", "chunk"],
)
@pytest.mark.parametrize("goodbye", ["close", "reset"])
def test_a_client_that_vanishes_in_mid_request_leaves_nothing(
    serve: Serve, sent: bytes, goodbye: str
) -> None:
    server = serve([PING, ("POST", "/ping", pong)])
    with Talk(server.addr) as other:
        assert other.get("/ping").body == b"pong"
        peer = Talk(server.addr)
        peer.send(sent)
        getattr(peer, goodbye)()
        assert other.get("/ping").body == b"pong"
    wait_until_alone(server)


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.parametrize("kind", ["bytes", "stream"])
def test_a_client_that_vanishes_in_mid_response_fails_its_exchange_alone(
    serve: Serve, kind: str, is_tls: bool
) -> None:
    closed = threading.Event()

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
        finally:
            closed.set()

    def send(request: Request) -> Response:
        return Response(bytes(32 << 20) if kind == "bytes" else endless())

    ca = authority()
    server = serve(
        [("GET", "/large", send), PING], ssl_context=ca.server_context() if is_tls else None
    )
    context = ca.client_context() if is_tls else None
    with Talk(server.addr, context=context) as other:
        peer = Talk(server.addr, context=context)
        peer.ask("/large")
        assert peer.read_head().status == 200
        peer.reset()
        assert other.get("/ping").body == b"pong"
        if kind == "stream":
            assert closed.wait(scaled(10)), "the generator was not closed"
    wait_until_alone(server)
    [exchange] = server.journal.filter(path="/large")
    assert exchange.error is not None


def test_a_stream_with_nothing_to_say_is_closed_when_the_server_stops(serve: Serve) -> None:
    going = threading.Event()

    def silent() -> Iterator[bytes]:
        yield b"first"
        going.wait(scaled(20))
        yield b"last"

    server = serve([("GET", "/silent", lambda request: Response(silent()))])
    with Talk(server.addr) as peer:
        peer.ask("/silent")
        assert peer.read_head().status == 200
        assert peer.read_chunk() == b"first"
        [told] = server.stop(grace_s=0.05)
        assert "GET /silent, sending the response" in told
        going.set()
        assert peer.is_ended()


def test_what_was_streamed_before_the_client_left_is_on_record(serve: Serve) -> None:
    left = threading.Event()

    def events() -> Iterator[bytes]:
        yield b"first"
        yield b"second"
        assert left.wait(scaled(10))
        while True:
            yield b"x" * 65536

    server = serve([("GET", "/events", lambda request: Response(events()))])
    with Talk(server.addr) as peer:
        peer.ask("/events")
        assert peer.read_head().status == 200
        assert (peer.read_chunk(), peer.read_chunk()) == (b"first", b"second")
        peer.reset()
        left.set()
    wait_until_alone(server)
    [exchange] = server.journal
    assert exchange.is_failed
    assert exchange.response_body.startswith(b"firstsecond")


def test_a_client_that_vanishes_in_its_tls_handshake_delays_nobody(serve: Serve) -> None:
    ca = authority()
    server = serve([PING], ssl_context=ca.server_context())
    vanishing = Talk(server.addr)
    vanishing.send(b"\x16\x03\x01\x02\x00\x01")
    dawdling = Talk(server.addr)
    dawdling.send(b"\x16\x03\x01\x02\x00\x01")
    babbling = Talk(server.addr)
    babbling.send(b"GET /ping HTTP/1.1\r\nHost: h\r\n\r\n")
    with Talk(server.addr, context=ca.client_context()) as peer:
        vanishing.reset()
        assert peer.get("/ping").body == b"pong"
        assert babbling.is_ended()
        babbling.close()
        with Talk(server.addr, context=ca.client_context()) as second:
            assert second.get("/ping").body == b"pong"
    dawdling.close()
    wait_until_alone(server)


@pytest.mark.parametrize(
    "sent", [b"", b"\x81", b"\x81\xfe\x01\x00\x01\x02\x03\x04abc", b"\x01\x83\x01\x02\x03\x04abc"]
)
@pytest.mark.parametrize("goodbye", ["close", "reset"])
def test_a_client_that_vanishes_in_mid_message_gets_its_close_call(
    serve: Serve, sent: bytes, goodbye: str
) -> None:
    calls: list[WebSocketOpCode] = []
    closed = threading.Event()

    def socket(request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        calls.append(opcode)
        if opcode is WebSocketOpCode.Close:
            closed.set()

    server = serve_websocket(serve, socket)
    peer = Talk(server.addr)
    peer.send(UPGRADE)
    assert peer.read_head().status == 101
    peer.send(sent)
    getattr(peer, goodbye)()
    assert closed.wait(scaled(10))
    wait_until_alone(server)
    assert calls == [WebSocketOpCode.Open, WebSocketOpCode.Close]


def serve_websocket(serve: Serve, function: Callable[..., object], **options: object) -> HTTPServer:
    class Socket(Resource):
        @websocket("/ws")
        def websocket(
            self, request: Request, opcode: WebSocketOpCode, payload: str | bytes
        ) -> object:
            return function(request, opcode, payload)

    server = serve(Socket(), **options)
    server.registerRoutes([PING])
    return server


# A peer that reads nothing


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.parametrize("kind", ["bytes", "stream"])
def test_a_peer_that_reads_nothing_is_cut_in_time_and_costs_no_memory(
    serve: Serve, kind: str, is_tls: bool
) -> None:
    large = bytes(50 << 20)
    made = 0

    def endless() -> Iterator[bytes]:
        nonlocal made
        while True:
            made += 65536
            yield bytes(65536)

    def send(request: Request) -> Response:
        return Response(large if kind == "bytes" else endless())

    ca = authority()
    server = serve(
        [("GET", "/large", send), PING],
        limits=Limits(write_s=0.3),
        ssl_context=ca.server_context() if is_tls else None,
    )
    context = ca.client_context() if is_tls else None
    with Talk(server.addr, context=context, receive_buffer_bytes=4096) as peer:
        gc.collect()
        tracemalloc.start()
        try:
            peer.ask("/large")
            assert wait_for(lambda: any(one.error for one in server.journal)), "not cut"
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        [exchange] = server.journal
        assert "write_s" in str(exchange.error)
    # A response of bytes is joined with its head once; beyond that nothing is copied.
    assert peak < (len(large) if kind == "bytes" else 0) + (8 << 20)
    assert made < 32 << 20
    wait_until_alone(server)


def test_a_websocket_peer_that_reads_nothing_is_cut_and_the_sender_told(serve: Serve) -> None:
    outcome: list[BaseException] = []
    calls: list[WebSocketOpCode] = []

    def socket(request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        calls.append(opcode)
        if opcode is WebSocketOpCode.Text:
            try:
                while True:
                    request.send(bytes(100_000))
            except Exception as error:
                outcome.append(error)

    limits = Limits(write_s=0.3, output_bytes=500_000)
    server = serve_websocket(serve, socket, limits=limits)
    with Talk(server.addr, receive_buffer_bytes=4096) as peer:
        peer.send(UPGRADE + b"\x81\x81\x00\x00\x00\x00a")
        assert peer.read_head().status == 101
        wait_until_alone(server)
    assert isinstance(outcome[0], LimitError)
    assert "write_s" in str(outcome[0])
    assert calls[-1] is WebSocketOpCode.Close


# Slow-loris peers


@pytest.mark.parametrize(
    ("limits", "sent"),
    [
        (Limits(idle_s=0.2), b""),
        (Limits(head_s=0.2), b"GET /ping HT"),
        (
            Limits(body_s=0.2),
            b"POST /ping HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n1",
        ),
        (Limits(idle_s=0.2), b"GET /ping HTTP/1.1\r\nHost: h\r\n\r\n"),
    ],
    ids=["idle", "head", "body", "idle after a request"],
)
def test_a_peer_that_dawdles_is_dropped_and_delays_nobody(
    serve: Serve, limits: Limits, sent: bytes
) -> None:
    server = serve([PING, ("POST", "/ping", pong)], limits=limits)
    peers = [Talk(server.addr) for _ in range(20)]
    for peer in peers:
        peer.send(sent)
    slowest = 0.0
    for _ in range(30):
        began = time.perf_counter()
        with Talk(server.addr) as quick:
            assert quick.get("/ping").body == b"pong"
        slowest = max(slowest, time.perf_counter() - began)
    for peer in peers:
        assert peer.is_ended()
        peer.close()
    assert slowest < scaled(0.3)
    wait_until_alone(server)


def test_a_tls_handshake_that_dawdles_is_dropped(serve: Serve) -> None:
    ca = authority()
    server = serve([PING], ssl_context=ca.server_context(), limits=Limits(handshake_s=0.2))
    with Talk(server.addr) as peer:
        assert peer.is_ended()
    wait_until_alone(server)


def test_a_peer_that_dribbles_to_a_slow_route_meets_its_time_limit(serve: Serve) -> None:
    """A bench thread that stays with a hot connection must not keep it past its deadline."""

    def slow(request: Request) -> Response:
        time.sleep(0.02)
        return Response("slow")

    server = serve([("GET", "/slow", slow), PING], limits=Limits(head_s=0.3))
    with Talk(server.addr) as peer:
        peer.get("/slow")
        peer.ask("/slow")
        began = time.perf_counter()
        peer.read_answer()
        peer.sock.settimeout(0.005)
        head = b"GET /slow HTTP/1.1\r\nHost: h\r\nX: "
        refused = b""
        while not refused and time.perf_counter() - began < scaled(5):
            try:
                peer.send(head or b"x")
                head = b""
                refused = peer.sock.recv(65536)
            except TimeoutError:
                pass
            except OSError:
                break
        assert b"408" in refused.split(b"\r\n")[0]
