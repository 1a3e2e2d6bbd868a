"""The server's websockets, used by clients that no one here wrote."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest

from kit import HTTPServer, Request, WebSocketOpCode, websocket
from support.deadlines import scaled
from support.peer_app import Shop, Teapot
from support.websocket_peers import PEERS, Ended, Peer, Refused

Open, Close = WebSocketOpCode.Open, WebSocketOpCode.Close
Text, Binary = WebSocketOpCode.Text, WebSocketOpCode.Binary
PATHS = ["/echo", "/echo-plain", "/echo-async"]

Connect = Callable[..., Peer]


@pytest.fixture(params=sorted(PEERS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def connect(kind: str, server: HTTPServer, context: ssl.SSLContext | None) -> Connect:
    def connect(path: str, **options: Any) -> Peer:
        peer: Peer = PEERS[kind](server.ws_url_for(path), context, **options)
        return peer

    return connect


@pytest.mark.parametrize("path", PATHS)
def test_messages_come_back_as_they_were_sent(connect: Connect, shop: Shop, path: str) -> None:
    payloads: list[str | bytes] = [
        "hello",
        b"\x00\xff",
        "",
        b"",
        "grüße 👋",
        "x" * 126,
        b"y" * 65536,
    ]
    with connect(path) as peer:
        for payload in payloads:
            peer.send(payload)
            assert peer.receive() == payload

    assert shop.closed.wait(scaled(10))
    opcodes = [Text if isinstance(payload, str) else Binary for payload in payloads]
    assert shop.calls == [(Open, ""), *zip(opcodes, payloads, strict=True), (Close, "")]


@pytest.mark.parametrize("path", PATHS)
def test_many_messages_come_back_in_order(connect: Connect, path: str) -> None:
    with connect(path) as peer:
        for number in range(200):
            peer.send(str(number))
        assert [peer.receive() for _ in range(200)] == [str(number) for number in range(200)]


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize(
    "payload", ["ab" * 500_000, bytes(range(256)) * 4096], ids=["text", "binary"]
)
def test_a_message_of_one_MiB_comes_back(
    connect: Connect, payload: str | bytes, compress: bool
) -> None:
    with connect("/echo", compress=compress) as peer:
        peer.send(payload)
        assert peer.receive() == payload


@pytest.mark.parametrize("compress", [True, False])
def test_fragments_arrive_as_one_message(
    connect: Connect, shop: Shop, kind: str, compress: bool
) -> None:
    if kind == "aiohttp":
        pytest.skip("aiohttp sends no fragments")
    with connect("/echo", compress=compress) as peer:
        peer.send_fragments(["grü", "ße ", "", "👋", "x" * 70_000])
        assert peer.receive() == "grüße 👋" + "x" * 70_000
        peer.send_fragments([b"a", b"", b"b" * 1000])
        assert peer.receive() == b"a" + b"b" * 1000
    assert shop.closed.wait(scaled(10))
    assert [opcode for opcode, _ in shop.calls] == [Open, Text, Binary, Close]


@pytest.mark.parametrize(
    ("path", "offered", "agreed"),
    [("/echo", True, True), ("/echo", False, False), ("/echo-plain", True, False)],
)
def test_both_must_want_compression(
    connect: Connect, path: str, offered: bool, agreed: bool
) -> None:
    with connect(path, compress=offered) as peer:
        assert peer.is_compressed is agreed
        for payload in ("a" * 10_000, "b", "a" * 10_000):
            peer.send(payload)
            assert peer.receive() == payload


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [(["chat.v1"], "chat.v1"), (["chat.v1", "chat.v2"], "chat.v2"), (["other"], None), ([], None)],
)
def test_the_servers_first_choice_of_subprotocol_is_taken(
    connect: Connect, kind: str, offered: list[str], agreed: str | None
) -> None:
    with (
        connect("/echo", subprotocols=offered or None)
        if kind != "aiohttp"
        else connect("/echo", subprotocols=offered) as peer
    ):
        assert peer.subprotocol == agreed


def test_a_ping_is_answered_and_does_not_reach_the_handler(
    connect: Connect, shop: Shop, server: HTTPServer
) -> None:
    with connect("/echo") as peer:
        peer.ping()
        peer.send("after")
        assert peer.receive() == "after"
    assert shop.closed.wait(scaled(10))
    assert shop.calls == [(Open, ""), (Text, "after"), (Close, "")]
    frames = server.journal.wait_for(state="complete", timeout=scaled(10))[0].frames
    opcodes = [(frame.direction, frame.opcode) for frame in frames[:2]]
    assert [opcode for _, opcode in opcodes] == [9, 10]


def test_the_handlers_ping_is_answered(connect: Connect, server: HTTPServer) -> None:
    def has_pong(exchange: Any) -> bool:
        return any(frame.opcode == 10 for frame in exchange.frames)

    with connect("/orders") as peer:
        assert peer.receive() == "welcome"
        peer.send("ping")
        peer.send("close")
        with pytest.raises(Ended):
            peer.receive()
    exchange = server.journal.wait_for(has_pong, timeout=scaled(10))[0]
    pong = next(frame for frame in exchange.frames if frame.opcode == 10)
    assert pong.payload == b"are you there"


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1000, "done"), (1001, "going"), (3000, "ü" * 61), (4999, "z")]
)
def test_the_clients_code_and_reason_reach_the_Close_call(
    connect: Connect, shop: Shop, server: HTTPServer, code: int, reason: str
) -> None:
    with connect("/echo") as peer:
        peer.close(code, reason)

    assert shop.closed.wait(scaled(10))
    assert shop.end == (code, reason)
    assert shop.calls == [(Open, ""), (Close, "")]
    exchange = server.journal.wait_for(state="complete", timeout=scaled(10))[0]
    assert exchange.close_code == code


def test_the_handlers_code_and_reason_reach_the_client(connect: Connect, shop: Shop) -> None:
    with connect("/orders") as peer:
        assert peer.receive() == "welcome"
        peer.send("close")
        with pytest.raises(Ended) as ended:
            peer.receive()

    assert ended.value.args == (4001, "as you wish")
    assert shop.closed.wait(scaled(10))
    assert shop.calls == [(Open, ""), (Text, "close"), (Close, "")]


def test_the_server_can_close_from_another_thread(
    connect: Connect, server: HTTPServer, shop: Shop
) -> None:
    sockets: list[Request] = []
    opened = threading.Event()

    class Held(Shop):
        @websocket("/held")
        def held(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
            sockets.append(request)
            if opcode == Open:
                opened.set()

    server.registerRoutes(Held())
    with connect("/held") as peer:
        assert opened.wait(scaled(10))
        for number in range(100):
            sockets[0].send(f"push {number}")
        sockets[0].close(4002, "enough")
        assert [peer.receive() for _ in range(100)] == [f"push {at}" for at in range(100)]
        with pytest.raises(Ended) as ended:
            peer.receive()
    assert ended.value.args == (4002, "enough")


def test_an_Open_call_may_refuse(connect: Connect, shop: Shop, server: HTTPServer) -> None:
    with pytest.raises(Refused) as refused, connect("/guarded"):
        pass

    status, body = refused.value.args
    assert status == 403
    assert body is None or json.loads(body) == {"why": "members only"}
    exchange = server.journal.wait_for(state="complete", timeout=scaled(10))[0]
    assert exchange.response_status == 403
    assert shop.calls == [(Open, "")]


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/user/bob", 200)])
def test_what_is_no_websocket_route_is_refused(connect: Connect, path: str, status: int) -> None:
    with pytest.raises(Refused) as refused, connect(path):
        pass
    assert refused.value.args[0] == status


def test_a_message_beyond_the_bound_ends_with_1009(connect: Connect, shop: Shop) -> None:
    with connect("/bounded", compress=False) as peer:
        peer.send("x" * 1000)
        assert peer.receive() == "x" * 1000
        peer.send("x" * 1001)
        with pytest.raises(Ended) as ended:
            peer.receive()
    assert ended.value.args[0] == 1009
    assert shop.closed.wait(scaled(10))
    assert len(shop.calls) == 3


def test_a_packed_message_beyond_the_bound_ends_with_1009(connect: Connect, shop: Shop) -> None:
    with connect("/bounded") as peer:
        peer.send("x" * 1_000_000)
        with pytest.raises(Ended) as ended:
            peer.receive()
    assert ended.value.args[0] == 1009
    assert shop.closed.wait(scaled(10))


def test_a_handler_that_raises_ends_with_1011(
    connect: Connect, shop: Shop, server: HTTPServer
) -> None:
    with connect("/orders") as peer:
        assert peer.receive() == "welcome"
        peer.send("raise")
        with pytest.raises(Ended) as ended:
            peer.receive()
    assert ended.value.args == (1011, "the handler raised an exception")
    assert shop.closed.wait(scaled(10))
    assert [opcode for opcode, _ in shop.calls] == [Open, Text, Close]
    exchange = server.journal.wait_for(lambda one: one.is_done, timeout=scaled(10))[0]
    assert isinstance(exchange.exception, Teapot)


def test_a_stopping_server_says_1001(connect: Connect, server: HTTPServer, shop: Shop) -> None:
    with connect("/echo") as peer:
        peer.send("x")
        assert peer.receive() == "x"
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        try:
            with pytest.raises(Ended) as ended:
                peer.receive()
        finally:
            stopping.join(scaled(10))
    assert ended.value.args == (1001, "the server stops")
    assert shop.calls[-1] == (Close, "")


def test_the_exchange_has_every_frame(connect: Connect, server: HTTPServer) -> None:
    with connect("/echo", compress=False) as peer:
        peer.send("one")
        assert peer.receive() == "one"
        peer.send(b"two")
        assert peer.receive() == b"two"
        peer.close(1000, "bye")

    exchange = server.journal.wait_for(state="complete", timeout=scaled(10))[0]
    assert exchange.is_websocket
    assert exchange.response_status == 101
    assert [(frame.direction, frame.opcode) for frame in exchange.frames] == [
        ("received", 1),
        ("sent", 1),
        ("received", 2),
        ("sent", 2),
        ("received", 8),
        ("sent", 8),
    ]
