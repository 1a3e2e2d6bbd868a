"""Websockets that go wrong: what the wire carries, the handler is told, the record says."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from kit import Request, Resource, Response, WebSocketOpCode, faults, websocket
from kit.errors import ConnectionClosedError
from kit.faults import Fault
from kit.record import Exchange
from kit.testing import CheckedServer
from support.deadlines import scaled
from support.raw import RawClient
from support.raw_websocket import ACCEPT, Frame, RawWebSocket, make_handshake
from support.serving import Rig, hello
from support.websocket_frames import close_payload


class Echo(Resource):
    """Sends every message back, and notes what it is called for."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[WebSocketOpCode] = []
        self.closed = threading.Event()
        self.requests: list[Request] = []

    @websocket("/ws")
    def echo(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        self.calls.append(opcode)
        self.requests.append(request)
        if opcode is WebSocketOpCode.Close:
            self.closed.set()
        elif opcode is not WebSocketOpCode.Open:
            request.send(payload)


@pytest.fixture
def echo() -> Echo:
    return Echo()


def start(rig: Rig, echo: Echo, fault: Fault) -> RawClient:
    rig.serve(echo).fault(fault, "GET", "/ws")
    return rig.connect()


def finish(rig: Rig, client: RawClient) -> Exchange:
    client.close()
    exchange = rig.await_done()[0]
    assert exchange.fault is not None
    return exchange


def test_a_handshake_is_refused_and_calls_no_handler(rig: Rig, echo: Echo) -> None:
    client = start(rig, echo, faults.RefuseHandshake(429))
    client.send(make_handshake())

    assert client.read_answer().status == 429
    assert finish(rig, client).response_status == 429
    assert echo.calls == []


def test_a_wrong_accept_is_sent(rig: Rig, echo: Echo) -> None:
    socket = RawWebSocket(start(rig, echo, faults.WrongAccept()))

    assert socket.answer.status == 101
    assert socket.answer.value("Sec-WebSocket-Accept") not in (None, ACCEPT)


def test_a_message_is_broken_off_by_a_reset(rig: Rig, echo: Echo) -> None:
    client = start(rig, echo, faults.ResetMidMessage(message=2))
    socket = RawWebSocket(client)
    socket.send(1, b"first")
    assert socket.read() == Frame(1, b"first")
    socket.send(1, b"second")

    assert client.read_exactly(5) == b"\x81\x06sec"
    assert client.receive() == b""
    exchange = finish(rig, client)
    assert exchange.error == "the websocket broke: fault: reset in message 2"
    assert echo.closed.wait(scaled(10))
    assert echo.calls.count(WebSocketOpCode.Close) == 1


def test_a_connection_ends_without_a_close_frame_behind_a_message(rig: Rig, echo: Echo) -> None:
    client = start(rig, echo, faults.CloseWithoutFrame())
    socket = RawWebSocket(client)
    socket.send(1, b"hello")

    assert socket.read() == Frame(1, b"hello")
    assert client.receive_strictly() == b""
    assert "fault: closed without a Close frame" in (finish(rig, client).error or "")
    assert echo.closed.wait(scaled(10))


def test_a_connection_ends_in_place_of_a_close_frame(rig: Rig, echo: Echo) -> None:
    client = start(rig, echo, faults.CloseWithoutFrame())
    socket = RawWebSocket(client)
    socket.send(8, close_payload(1000))

    assert client.receive_strictly() == b""
    finish(rig, client)
    assert echo.closed.wait(scaled(10))


def test_a_close_is_never_answered(rig: Rig, echo: Echo) -> None:
    client = start(rig, echo, faults.NeverAnswerClose())
    socket = RawWebSocket(client)
    socket.send(1, b"hello")
    assert socket.read() == Frame(1, b"hello")
    socket.send(8, close_payload(1000))
    assert echo.closed.wait(scaled(10))

    client.timeout_s = 0.1
    with pytest.raises(TimeoutError):
        client.receive_strictly()
    assert not rig.journal[0].is_done
    assert finish(rig, client).error == "the websocket broke: fault: Close never answered"
    rig.await_no_connections()


def test_a_text_is_sent_that_is_not_UTF_8(rig: Rig, echo: Echo) -> None:
    socket = RawWebSocket(start(rig, echo, faults.InvalidUtf8()))
    socket.send(2, b"hello")
    frame = socket.read()

    assert frame.opcode == 1
    with pytest.raises(UnicodeDecodeError):
        frame.payload.decode()


def test_half_a_message_is_sent_as_a_fragment_and_nothing_more(rig: Rig, echo: Echo) -> None:
    client = start(rig, echo, faults.StalledFragment())
    socket = RawWebSocket(client)
    socket.send(1, b"hello!")
    assert socket.read() == Frame(1, b"hel", is_final=False)

    socket.send(9, b"ping")
    client.timeout_s = 0.1
    with pytest.raises(TimeoutError):
        client.receive_strictly()
    exchange = finish(rig, client)
    assert exchange.error == "the websocket broke: fault: stalled after a fragment of message 1"
    assert echo.closed.wait(scaled(10))


def test_a_servers_frame_is_masked(rig: Rig, echo: Echo) -> None:
    client = start(rig, echo, faults.WrongMask(message=2))
    socket = RawWebSocket(client)
    socket.send(1, b"first")
    assert socket.read() == Frame(1, b"first")
    socket.send(1, b"again")

    head, mask, payload = (client.read_exactly(size) for size in (2, 4, 5))
    assert head == b"\x81\x85"
    assert bytes(one ^ two for one, two in zip(payload, mask * 2, strict=False)) == b"again"


def test_a_frame_claims_to_be_larger_than_it_is(rig: Rig, echo: Echo) -> None:
    client = start(rig, echo, faults.OversizedFrame(length=1 << 40))
    socket = RawWebSocket(client)
    socket.send(1, b"hello")

    assert client.read_exactly(10) == b"\x81\x7f" + (1 << 40).to_bytes(8)
    assert client.read_exactly(5) == b"hello"


def test_a_pong_comes_that_nobody_asked_for(rig: Rig, echo: Echo) -> None:
    socket = RawWebSocket(start(rig, echo, faults.UnaskedPong(message=2)))
    for text in (b"first", b"second"):
        socket.send(1, text)

    assert [socket.read() for _ in range(3)] == [
        Frame(1, b"first"),
        Frame(10, b"unasked"),
        Frame(1, b"second"),
    ]


# Faults that are not of websockets alone


def test_a_handshake_is_delayed_and_the_messages_are_not_lost(rig: Rig, echo: Echo) -> None:
    socket = RawWebSocket(start(rig, echo, faults.Delay(0.05)))
    socket.send(1, b"hello")

    assert socket.read() == Frame(1, b"hello")
    socket.send(8, close_payload(1000))
    assert socket.read_close()[0] == 1000
    assert finish(rig, socket.client).is_complete


@pytest.mark.parametrize(
    "fault", [faults.Dribble(size=7, interval_s=0.001), faults.ChunkDelay(0.001)], ids=repr
)
def test_slow_messages_arrive_whole_and_in_order(rig: Rig, echo: Echo, fault: Fault) -> None:
    socket = RawWebSocket(start(rig, echo, fault))
    texts = [f"message {number}".encode() for number in range(20)]
    for text in texts:
        socket.send(1, text)

    assert [socket.read().payload for _ in texts] == texts
    socket.send(8, close_payload(1000))
    assert socket.read_close()[0] == 1000


def test_messages_of_many_threads_are_dribbled_whole(rig: Rig, echo: Echo) -> None:
    socket = RawWebSocket(start(rig, echo, faults.Dribble(size=40, interval_s=0.0005)))
    socket.send(1, b"begin")
    assert socket.read() == Frame(1, b"begin")
    request = echo.requests[0]

    def send(name: str) -> None:
        for number in range(15):
            request.send(f"{name}{number}")

    threads = [threading.Thread(target=send, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    received = [socket.read().payload.decode() for _ in range(60)]
    for thread in threads:
        thread.join()

    for name in "abcd":
        mine = [text for text in received if text.startswith(name)]
        assert mine == [f"{name}{number}" for number in range(15)]


def test_a_thread_that_sends_is_told_of_the_reset(rig: Rig, echo: Echo) -> None:
    socket = RawWebSocket(start(rig, echo, faults.ResetMidMessage(message=2)))
    socket.send(1, b"begin")
    socket.read()

    deadline = time.monotonic() + scaled(10)
    with pytest.raises(ConnectionError):
        while time.monotonic() < deadline:
            echo.requests[0].send("from a thread")
    assert echo.closed.wait(scaled(10))
    assert "fault: reset in message 2" in (finish(rig, socket.client).error or "")


@pytest.mark.parametrize("fault", [faults.StalledFragment(), faults.Stall(300)], ids=repr)
def test_a_server_stops_soon_though_a_websocket_is_stalled(
    rig: Rig, echo: Echo, fault: Fault
) -> None:
    server = rig.serve(echo)
    server.fault(fault)
    socket = RawWebSocket(rig.connect())
    socket.send(1, bytes(500).replace(b"\0", b"x"))
    socket.client.receive()

    assert server.stop(grace_s=scaled(60)) == []
    assert rig.await_done()[0].fault == fault
    assert echo.closed.is_set()


def test_a_request_that_asks_for_no_websocket_is_left_alone(rig: Rig, echo: Echo) -> None:
    server = rig.serve(echo, ("GET", "/", hello))
    rule = server.fault(faults.RefuseHandshake(), nth=1)
    client = rig.connect()

    assert client.ask("/").text == "hello"
    assert rule.seen == 0
    client.send(make_handshake())
    assert client.receive().startswith(b"HTTP/1.1 403 ")
    assert (rule.seen, rule.applied) == (1, 1)


@pytest.mark.parametrize(
    ("fault", "target", "reason"),
    [
        (faults.WrongAccept(), "/nowhere", "the handshake was not accepted"),
        (faults.InvalidUtf8(), "/nowhere", "no websocket was opened"),
        (faults.InvalidUtf8(2), "/ws", "only 1 message came before the end"),
        (faults.OversizedFrame(length=3), "/ws", "the message's frame was no shorter than 3 bytes"),
        (faults.Reset("end"), "/ws", "no message was sent that has a last byte"),
    ],
    ids=str,
)
def test_a_fault_that_a_websocket_gives_no_occasion_for_says_so(
    rig: Rig, echo: Echo, fault: Fault, target: str, reason: str
) -> None:
    rule = rig.serve(echo).fault(fault)
    client = rig.connect()
    client.send(make_handshake(target))
    if target == "/ws":
        client.read_until(b"\r\n\r\n")
        client.send(b"\x81\x85\0\0\0\0hello")
        assert client.read_frame().payload == b"hello"
        client.send(b"\x88\x82\0\0\0\0\x03\xe8")
    exchange = rig.await_done()[0]

    assert str(exchange.fault) == f"{fault}: has not taken place, as {reason}"
    assert rule.applied == 0


def test_an_empty_message_is_reset_within_its_head(rig: Rig, echo: Echo) -> None:
    rig.serve(echo).fault(faults.ResetMidMessage())
    client = rig.connect()
    client.send(make_handshake())
    client.read_until(b"\r\n\r\n")
    client.send(b"\x81\x80\0\0\0\0")

    assert client.read_exactly(1) == b"\x81"
    with pytest.raises(ConnectionClosedError):
        client.receive_strictly()


def test_a_compressed_message_is_broken_as_well(plain_rig: Rig) -> None:
    class Packed(Resource):
        @websocket("/ws", compress=True)
        def talk(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
            if opcode is WebSocketOpCode.Open:
                request.send("x" * 1000)

    plain_rig.serve(Packed()).fault(faults.StalledFragment())
    socket = RawWebSocket(
        plain_rig.connect(), "/ws", "Sec-WebSocket-Extensions: permessage-deflate"
    )
    frame = socket.read()

    assert (frame.opcode, frame.is_final, frame.rsv) == (1, False, 4)


# The verdict


WEBSOCKET_FAULTS: list[Fault] = [
    faults.CloseWithoutFrame(),
    faults.InvalidUtf8(),
    faults.NeverAnswerClose(),
    faults.OversizedFrame(),
    faults.RefuseHandshake(),
    faults.Reset(),
    faults.ResetMidMessage(),
    faults.StalledFragment(),
    faults.WrongAccept(),
    faults.WrongMask(),
]


@pytest.mark.parametrize("fault", WEBSOCKET_FAULTS, ids=repr)
def test_a_websocket_that_was_broken_on_purpose_is_no_problem(echo: Echo, fault: Fault) -> None:
    with CheckedServer(("127.0.0.1", 0)) as server:
        server.registerRoutes(echo)
        server.fault(fault)
        with RawClient((server.host, server.port)) as client:
            client.send(make_handshake())
            client.receive()
            with contextlib.suppress(OSError):  # it may be broken by now
                client.send(b"\x81\x85\0\0\0\0hello")
                client.send(b"\x88\x82\0\0\0\0\x03\xe8")
            client.receive()
        server.wait_for(lambda each: each.is_done, timeout=scaled(10))

        assert server.problems() == []


@pytest.mark.parametrize(
    "fault",
    [faults.Reset(), faults.Truncate(5), faults.EmptyReply(), faults.EarlyResponse(500)],
    ids=repr,
)
def test_a_request_that_was_broken_on_purpose_is_no_problem(fault: Fault) -> None:
    with CheckedServer(("127.0.0.1", 0)) as server:
        server.registerRoutes([("GET", "/", lambda _: Response("hello"))])
        server.fault(fault)
        with RawClient((server.host, server.port)) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            client.receive()
        server.wait_for(lambda each: each.is_done, timeout=scaled(10))

        assert server.problems() == []
