from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from kit import Request, Resource, Response, WebSocketOpCode, websocket
from kit.errors import ConnectionClosedError, LocalProtocolError, StateError
from support.deadlines import scaled
from support.raw import make_request
from support.raw_websocket import ACCEPT, FIELDS, KEY, RawWebSocket, make_handshake
from support.serving import WAIT_S, Rig, await_event, hello
from support.websocket_frames import BINARY, CLOSE, PING, PONG, TEXT, close_payload, frame

Open, Text, Binary, Close = (
    WebSocketOpCode.Open,
    WebSocketOpCode.Text,
    WebSocketOpCode.Binary,
    WebSocketOpCode.Close,
)
Act = Callable[[Request, WebSocketOpCode, Any], Any]


class Socket(Resource):
    """Notes each call; acts on it with `act`."""

    def __init__(self, act: Act | None = None) -> None:
        self.act = act
        self.calls: list[tuple[WebSocketOpCode, Any]] = []
        self.closed = threading.Event()
        self.opened = threading.Event()
        self.requests: list[Request] = []
        self.overlaps = 0
        self._inside = threading.Lock()

    @websocket("/ws")
    def websocket(self, request: Request, opcode: WebSocketOpCode, payload: Any) -> Any:
        if not self._inside.acquire(blocking=False):
            self.overlaps += 1
            return None
        try:
            return self.handle(request, opcode, payload)
        finally:
            self._inside.release()
            if opcode is Close:
                self.closed.set()
            elif opcode is Open:
                self.opened.set()

    def handle(self, request: Request, opcode: WebSocketOpCode, payload: Any) -> Any:
        self.calls.append((opcode, payload))
        if opcode is Open:
            self.requests.append(request)
        return None if self.act is None else self.act(request, opcode, payload)


def echo(request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
    if opcode in (Text, Binary):
        request.send(payload)


# The handshake


def test_a_handshake_is_answered_with_101(rig: Rig) -> None:
    rig.serve(Socket(echo))
    ws = RawWebSocket(rig.connect())
    answer = ws.answer
    assert (answer.status, answer.value("upgrade")) == (101, "websocket")
    assert answer.value("connection") == "Upgrade"
    assert answer.value("sec-websocket-accept") == ACCEPT
    ws.send(TEXT, "grüße".encode())
    ws.send(BINARY, b"\x00\xff")
    assert ws.read() == (TEXT, "grüße".encode(), True, 0)
    assert ws.read() == (BINARY, b"\x00\xff", True, 0)


def replace(old: str, new: str) -> tuple[str, ...]:
    return tuple(new if field.startswith(old) else field for field in FIELDS)


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        (replace("Sec-WebSocket-V", "Sec-WebSocket-Version: 8"), 426, "is 8, expected 13"),
        (replace("Sec-WebSocket-V", "X: y"), 426, "Sec-WebSocket-Version is none, expected 13"),
        (replace("Sec-WebSocket-K", "Sec-WebSocket-Key: eA=="), 400, "holds 1 bytes, expected 16"),
        (replace("Sec-WebSocket-K", "Sec-WebSocket-Key: !"), 400, "is not base64"),
        (replace("Sec-WebSocket-K", "X: y"), 400, "websocket handshake without Sec-WebSocket-Key"),
        ((*FIELDS, f"Sec-WebSocket-Key: {KEY}"), 400, "2 Sec-WebSocket-Key fields"),
        ((*FIELDS, "Sec-WebSocket-Extensions: ;"), 400, "malformed websocket handshake"),
        (replace("Upgrade", "Upgrade: h2c"), 426, "/ws is a websocket"),
        (replace("Connection", "Connection: close"), 426, "/ws is a websocket"),
        ((), 426, "/ws is a websocket"),
    ],
)
def test_a_bad_handshake_is_refused(
    rig: Rig, fields: tuple[str, ...], status: int, text: str
) -> None:
    socket = Socket()
    rig.serve(socket, ("GET", "/", hello))
    client = rig.connect()
    client.send(make_request("/ws", "GET", *fields))
    answer = client.read_answer()
    assert answer.status == status
    assert text in answer.text
    if "Sec-WebSocket-Version" in text or "expected 13" in text:
        assert answer.value("sec-websocket-version") == "13"
    if status == 426:
        assert answer.value("upgrade") == "websocket"
        assert "Upgrade" in (answer.value("connection") or "")
    if "Connection: close" not in fields:
        assert client.ask().text == "hello"
    assert socket.calls == []


def test_a_1_0_handshake_is_refused(rig: Rig) -> None:
    rig.serve(Socket())
    client = rig.connect()
    client.send(make_handshake().replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert client.read_answer().status == 426


def test_an_upgrade_to_one_of_several_protocols_is_a_websocket(rig: Rig) -> None:
    rig.serve(Socket(echo))
    client = rig.connect()
    client.send(make_request("/ws", "GET", *replace("Upgrade", "Upgrade: h2c, WebSocket")))
    assert client.read_answer().status == 101


def test_a_handshake_with_a_body_is_accepted_after_it(rig: Rig) -> None:
    socket = Socket(echo)
    rig.serve(socket)
    client = rig.connect()
    client.send(make_request("/ws", "GET", *FIELDS, body=b"body") + frame(TEXT, b"hi"))
    assert client.read_answer().status == 101
    assert client.read_exactly(4) == b"\x81\x02hi"
    assert socket.requests[0].body == b"body"


def test_open_may_refuse_with_a_response(rig: Rig) -> None:
    socket = Socket(lambda request, *_: Response("not you", 403, {"X-Why": "because"}))
    rig.serve(socket, ("GET", "/", hello))
    client = rig.connect()
    answer = RawWebSocket(client).answer
    assert (answer.status, answer.text, answer.value("x-why")) == (403, "not you", "because")
    assert client.ask().text == "hello"
    assert socket.calls == [(Open, "")]
    with pytest.raises(ConnectionClosedError, match="the websocket was refused"):
        socket.requests[0].send("late")
    assert rig.await_done(2)[0].is_websocket is False


def test_a_late_send_on_a_refused_websocket_does_not_touch_the_next_one(plain_rig: Rig) -> None:
    def act(request: Request, opcode: WebSocketOpCode, payload: Any) -> Response | None:
        if not request.params:
            return Response("no", 403)
        with pytest.raises(ConnectionClosedError):
            socket.requests[0].send("stray")
        return None

    socket = Socket(act)
    plain_rig.serve(socket)
    client = plain_rig.connect()
    assert RawWebSocket(client).answer.status == 403
    ws = RawWebSocket(client, "/ws?second")
    assert ws.answer.status == 101
    ws.send(CLOSE)
    assert ws.read() == (CLOSE, b"", True, 0)


def test_open_that_raises_is_answered_with_500(rig: Rig) -> None:
    def act(*_: Any) -> None:
        raise KeyError("boom")

    socket = Socket(act)
    rig.serve(socket, ("GET", "/", hello))
    client = rig.connect()
    answer = RawWebSocket(client).answer
    assert answer.status == 500
    assert "Socket.websocket raised KeyError: 'boom'" in answer.text
    assert client.ask().text == "hello"
    assert socket.calls == [(Open, "")]
    assert isinstance(rig.await_done(2)[0].exception, KeyError)


def test_open_that_returns_nonsense_is_answered_with_500(rig: Rig) -> None:
    rig.serve(Socket(lambda *_: {"a": 1}))
    answer = RawWebSocket(rig.connect()).answer
    assert answer.status == 500
    assert "returned dict, expected a kit.Response" in answer.text


def test_open_may_send_before_it_returns(rig: Rig) -> None:
    def act(request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
        if opcode is Open:
            request.send("first")
            request.send(b"second")
        else:
            echo(request, opcode, payload)

    rig.serve(Socket(act))
    # What comes with the handshake is not lost, although Open has accepted early.
    ws = RawWebSocket(rig.connect(), behind=frame(TEXT, b"along") + frame(PING, b"p"))
    assert ws.read() == (TEXT, b"first", True, 0)
    assert ws.read() == (BINARY, b"second", True, 0)
    assert sorted([ws.read(), ws.read()]) == [(TEXT, b"along", True, 0), (PONG, b"p", True, 0)]


def test_open_that_refuses_after_it_has_sent_is_closed_with_1011(rig: Rig) -> None:
    def act(request: Request, opcode: WebSocketOpCode, payload: Any) -> Response | None:
        if opcode is not Open:
            return None
        request.send("welcome")
        return Response("or not", 403)

    socket = Socket(act)
    rig.serve(socket)
    ws = RawWebSocket(rig.connect())
    assert ws.read().payload == b"welcome"
    assert ws.read_close() == (1011, "the handler raised an exception")
    ws.send(CLOSE, close_payload(1011))
    await_event(socket.closed)
    assert [opcode for opcode, _ in socket.calls] == [Open, Close]
    (exchange,) = rig.await_done()
    assert isinstance(exchange.exception, LocalProtocolError)
    assert "only the Open call may refuse, and only before it sends" in str(exchange.exception)


def test_frames_sent_together_with_the_handshake_are_processed(rig: Rig) -> None:
    socket = Socket(echo)
    rig.serve(socket)
    behind = frame(TEXT, b"one") + frame(TEXT, b"two") + frame(CLOSE, close_payload(1000, "bye"))
    ws = RawWebSocket(rig.connect(), behind=behind)
    # The Close is answered after what came before it.
    assert [ws.read().payload for _ in range(3)] == [b"one", b"two", close_payload(1000, "bye")]
    await_event(socket.closed)
    assert socket.calls == [(Open, ""), (Text, "one"), (Text, "two"), (Close, "")]
    assert rig.errors == []


@pytest.mark.parametrize("kind", ["slow", "async"])
def test_a_message_right_before_the_close_is_answered_however_long_it_takes(
    rig: Rig, kind: str
) -> None:
    pause = threading.Event()

    class Slow(Resource):
        @websocket("/ws")
        def websocket(self, request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
            pause.wait(0.02)
            echo(request, opcode, payload)

    class Async(Resource):
        @websocket("/ws")
        async def websocket(self, request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
            await asyncio.sleep(0.02)
            echo(request, opcode, payload)

    rig.serve(Slow() if kind == "slow" else Async())
    for _ in range(3):
        ws = RawWebSocket(rig.connect())
        ws.client.send(frame(TEXT, b"x") + frame(CLOSE, close_payload(1000)))
        assert [ws.read().payload, ws.read().payload] == [b"x", close_payload(1000)]
        assert ws.client.is_at_end()
    assert rig.errors == []


@pytest.mark.parametrize(
    ("offer", "agreed"), [("b, a", "a"), ("b", "b"), ("c", None), (None, None)]
)
def test_the_best_common_subprotocol_is_agreed_on(
    rig: Rig, offer: str | None, agreed: str | None
) -> None:
    seen: list[str | None] = []

    class Chat(Resource):
        @websocket("/ws", subprotocols=("a", "b"))
        def websocket(self, request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
            seen.append(request.subprotocol)

    rig.serve(Chat())
    fields = [] if offer is None else [f"Sec-WebSocket-Protocol: {offer}"]
    ws = RawWebSocket(rig.connect(), "/ws", *fields)
    assert ws.answer.status == 101
    assert ws.answer.value("sec-websocket-protocol") == agreed
    assert seen == [agreed]


def test_messages_are_compressed_when_the_client_offers_it(rig: Rig) -> None:
    rig.serve(Socket(echo))
    ws = RawWebSocket(
        rig.connect(),
        "/ws",
        "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover",
    )
    assert "permessage-deflate" in (ws.answer.value("sec-websocket-extensions") or "")
    packer = zlib.compressobj(wbits=-15)
    text = b"many words " * 1000
    packed = packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)
    ws.send(TEXT, packed[:-4], rsv=4)
    answer = ws.read()
    assert (answer.opcode, answer.rsv) == (TEXT, 4)
    assert len(answer.payload) < 1000
    unpacker = zlib.decompressobj(wbits=-15)
    assert unpacker.decompress(answer.payload + b"\x00\x00\xff\xff") == text
    frames = rig.journal[0].frames
    assert [(one.direction, one.payload) for one in frames] == [("received", text), ("sent", text)]


# Messages


def test_pings_are_answered_and_not_delivered(rig: Rig) -> None:
    socket = Socket(echo)
    rig.serve(socket)
    ws = RawWebSocket(rig.connect())
    ws.send(PING, b"one")
    ws.send(TEXT, b"first ", fin=False)
    ws.send(PING, b"two")
    ws.send(PONG, b"unasked")
    ws.send(0, b"half")
    assert [ws.read() for _ in range(3)] == [
        (PONG, b"one", True, 0),
        (PONG, b"two", True, 0),
        (TEXT, b"first half", True, 0),
    ]
    assert socket.calls == [(Open, ""), (Text, "first half")]


def test_a_handler_may_ping(rig: Rig) -> None:
    rig.serve(Socket(lambda request, *_: request.ping(b"you?")))
    ws = RawWebSocket(rig.connect())
    assert ws.read() == (PING, b"you?", True, 0)


@pytest.mark.parametrize("is_bytewise", [False, True])
def test_frames_are_understood_however_they_are_cut(rig: Rig, is_bytewise: bool) -> None:
    rig.serve(Socket(echo))
    client = rig.connect()
    data = make_handshake() + frame(TEXT, b"hello") + frame(BINARY, bytes(300))
    if is_bytewise:
        client.send_bytewise(data)
    else:
        client.send(data)
    assert client.read_answer().status == 101
    assert client.read_exactly(7) == b"\x81\x05hello"
    assert client.read_exactly(304) == b"\x82\x7e\x01\x2c" + bytes(300)


def test_messages_of_one_websocket_are_never_handled_two_at_once(rig: Rig) -> None:
    pause = threading.Event()

    def act(request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
        if payload in ("3", "50"):
            pause.wait(0.03)  # long enough to lose the lead
        echo(request, opcode, payload)

    socket = Socket(act)
    rig.serve(socket)
    ws = RawWebSocket(rig.connect())
    ws.client.send(b"".join(frame(TEXT, b"%d" % number) for number in range(100)))
    assert [ws.read().payload for _ in range(100)] == [b"%d" % number for number in range(100)]
    ws.send(CLOSE)
    assert ws.read().opcode == CLOSE
    await_event(socket.closed)
    numbers = [(Text, str(number)) for number in range(100)]
    assert socket.calls == [(Open, ""), *numbers, (Close, "")]
    assert socket.overlaps == 0


def test_messages_of_an_async_handler_are_never_handled_two_at_once(rig: Rig) -> None:
    calls: list[Any] = []
    inside: list[int] = []
    closed = threading.Event()

    class Chat(Resource):
        @websocket("/ws")
        async def websocket(self, request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
            inside.append(1)
            await asyncio.sleep(0)
            calls.append((opcode, payload, len(inside)))
            if opcode is Text:
                request.send(payload)
            await asyncio.sleep(0)
            inside.pop()
            if opcode is Close:
                closed.set()

    rig.serve(Chat())
    numbers = range(100)
    ws = RawWebSocket(rig.connect(), behind=frame(TEXT, b"0") + frame(TEXT, b"1"))
    ws.client.send(b"".join(frame(TEXT, b"%d" % number) for number in numbers[2:]))
    assert [ws.read().payload for _ in numbers] == [b"%d" % number for number in numbers]
    ws.send(CLOSE)
    assert ws.read().opcode == CLOSE
    await_event(closed)
    texts = [(Text, str(number), 1) for number in numbers]
    assert calls == [(Open, "", 1), *texts, (Close, "", 1)]


def test_two_websockets_do_not_wait_for_each_other(rig: Rig) -> None:
    gate = threading.Event()

    class Chat(Resource):
        @websocket("/ws")
        def websocket(self, request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
            if payload == "wait":
                await_event(gate)
            if opcode is Text:
                request.send(payload)

    rig.serve(Chat())
    first, second = RawWebSocket(rig.connect()), RawWebSocket(rig.connect())
    first.send(TEXT, b"wait")
    for number in range(20):
        second.send(TEXT, b"%d" % number)
        assert second.read().payload == b"%d" % number
    gate.set()
    assert first.read().payload == b"wait"


@pytest.mark.parametrize("when", ["after open", "during open"])
def test_threads_send_at_once_and_each_in_order(rig: Rig, when: str) -> None:
    threads: list[threading.Thread] = []
    errors: list[BaseException] = []

    def send_all(request: Request, name: int) -> None:
        try:
            for number in range(500):
                request.send(f"{name} {number}")
        except BaseException as error:
            errors.append(error)

    def act(request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
        if opcode is Open:
            threads.extend(
                threading.Thread(target=send_all, args=(request, name)) for name in range(8)
            )
            if when == "during open":
                for thread in threads:
                    thread.start()
        elif payload == "go":
            for thread in threads:
                thread.start()
        elif opcode is Text:
            request.send(payload)

    rig.serve(Socket(act))
    ws = RawWebSocket(rig.connect())
    if when == "after open":
        ws.send(TEXT, b"go")
    ws.client.send(frame(TEXT, b"8 0") + frame(PING))
    seen: dict[int, list[int]] = {name: [] for name in range(9)}
    pongs = 0
    for _ in range(8 * 500 + 2):
        opcode, payload, _, _ = ws.read()
        if opcode == PONG:
            pongs += 1
            continue
        name, number = map(int, payload.split())
        seen[name].append(number)
    for thread in threads:
        thread.join()
    assert errors == []
    assert seen == {**{name: list(range(500)) for name in range(8)}, 8: [0]}
    assert pongs == 1


def test_a_sender_waits_for_a_slow_reader_and_loses_nothing(rig: Rig) -> None:
    def act(request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
        if opcode is Text:
            for number in range(100):
                request.send(bytes([number]) * 100_000)

    rig.serve(Socket(act), ("GET", "/", hello), output_bytes=100_000)
    ws = RawWebSocket(rig.connect(receive_buffer=4096))
    ws.send(TEXT, b"go")
    assert rig.connect().ask().text == "hello"
    for number in range(100):
        assert ws.read().payload == bytes([number]) * 100_000
    ws.send(CLOSE)
    assert ws.read().opcode == CLOSE


def test_what_one_thread_could_not_send_at_once_leaves_without_another_call(rig: Rig) -> None:
    socket = Socket()
    rig.serve(socket)
    ws = RawWebSocket(rig.connect(receive_buffer=4096))
    await_event(socket.opened)
    for size in (900_000, 5_000_000):
        thread = threading.Thread(target=socket.requests[0].send, args=(bytes(size),))
        thread.start()
        assert len(ws.read().payload) == size
        thread.join()


def test_the_frames_are_in_the_journal(rig: Rig) -> None:
    rig.serve(Socket(echo))
    ws = RawWebSocket(rig.connect())
    ws.send(TEXT, b"hi")
    ws.read()
    ws.send(PING, b"p")
    ws.read()
    ws.send(CLOSE, close_payload(1001, "off"))
    assert ws.read_close() == (1001, "off")
    assert ws.client.is_at_end()
    (exchange,) = rig.await_done(failed=False)
    assert [(one.direction, one.name, one.payload) for one in exchange.frames] == [
        ("received", "Text", b"hi"),
        ("sent", "Text", b"hi"),
        ("received", "Ping", b"p"),
        ("sent", "Pong", b"p"),
        ("received", "Close", close_payload(1001, "off")),
        ("sent", "Close", close_payload(1001, "off")),
    ]
    assert (exchange.status, exchange.close_code, exchange.is_websocket) == (101, 1001, True)
    assert exchange.route == "/ws"


# Ends


def check_calls(socket: Socket, *expected: tuple[WebSocketOpCode, Any]) -> None:
    await_event(socket.closed)
    assert socket.calls == [(Open, ""), *expected, (Close, "")]
    assert socket.overlaps == 0


@pytest.mark.parametrize("payload", [b"", close_payload(1000), close_payload(4000, "so")])
def test_a_clean_close_is_echoed_and_delivered_once(rig: Rig, payload: bytes) -> None:
    socket = Socket(echo)
    rig.serve(socket)
    ws = RawWebSocket(rig.connect())
    ws.send(TEXT, b"hi")
    assert ws.read().payload == b"hi"
    ws.send(CLOSE, payload)
    assert ws.read() == (CLOSE, payload, True, 0)
    assert ws.client.is_at_end()
    check_calls(socket, (Text, "hi"))
    request = socket.requests[0]
    assert request.close_code == (int.from_bytes(payload[:2], "big") if payload else 1005)
    assert request.close_reason == payload[2:].decode()
    with pytest.raises(ConnectionClosedError, match="nothing can be sent"):
        request.send("late")
    request.close()  # again, and nothing happens
    assert rig.await_done()[0].is_complete
    rig.await_no_connections()


@pytest.mark.parametrize("end", ["shut", "close", "reset", "in mid-frame"])
def test_an_abrupt_disconnect_is_delivered_once_as_1006(rig: Rig, end: str) -> None:
    socket = Socket(echo)
    rig.serve(socket)
    ws = RawWebSocket(rig.connect())
    ws.send(TEXT, b"hi")
    assert ws.read().payload == b"hi"
    if end == "in mid-frame":
        ws.client.send(frame(TEXT, b"whole")[:-1])
        ws.client.end()
    elif end == "shut":
        ws.client.end()
    elif end == "close":
        ws.client.close()
    else:
        ws.client.reset()
    check_calls(socket, (Text, "hi"))
    assert socket.requests[0].close_code == 1006
    (exchange,) = rig.await_done(failed=True)
    assert exchange.close_code == 1006
    rig.await_no_connections()
    assert rig.errors == []


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (frame(TEXT, b"x", masked=False), 1002, "a frame came unmasked: a client must mask"),
        (frame(3), 1002, ""),
        (frame(TEXT, b"x", rsv=4), 1002, ""),
        (frame(PING, bytes(126)), 1002, ""),
        (frame(PING, b"x", fin=False), 1002, ""),
        (frame(0, b"x"), 1002, "a continuation frame without a message to continue"),
        (frame(CLOSE, b"x"), 1002, ""),
        (frame(CLOSE, close_payload(1005)), 1002, "close code 1005 is not allowed on the wire"),
        (frame(TEXT, b"\xff"), 1007, "invalid UTF-8"),
        (frame(TEXT, b"\xff", fin=False), 1007, "invalid UTF-8"),
        (frame(BINARY, bytes(2000)), 1009, "message exceeds 1000 bytes"),
        (frame(BINARY, bytes(600), fin=False) + frame(0, bytes(600)), 1009, "message exceeds"),
        (frame(BINARY, bytes(2000))[:8], 1009, "message exceeds 1000 bytes"),
    ],
)
def test_a_peer_that_breaks_the_protocol_is_told_and_cut(
    rig: Rig, data: bytes, code: int, reason: str
) -> None:
    socket = Socket(echo)
    rig.serve(socket, message_bytes=1000)
    ws = RawWebSocket(rig.connect())
    ws.client.send(frame(TEXT, b"hi") + data)
    told = ws.read_close()
    assert (told[0], told[1][: len(reason)]) == (code, reason)
    assert ws.client.is_at_end()
    check_calls(socket, (Text, "hi"))
    assert socket.requests[0].close_code == code
    (exchange,) = rig.await_done(failed=True)
    assert exchange.close_code == code
    assert rig.errors == []


def test_a_peer_in_the_midst_of_too_large_a_message_still_gets_the_1009(rig: Rig) -> None:
    rig.serve(Socket(), message_bytes=1000)
    ws = RawWebSocket(rig.connect())
    ws.client.send(frame(BINARY, bytes(10_000_000)))
    assert ws.read_close() == (1009, "message exceeds 1000 bytes")
    assert ws.client.is_at_end()


@pytest.mark.parametrize("is_async", [False, True])
def test_a_handler_that_raises_on_a_message_closes_with_1011(rig: Rig, is_async: bool) -> None:
    calls: list[Any] = []
    closed = threading.Event()

    def handle(opcode: WebSocketOpCode, payload: Any) -> None:
        calls.append((opcode, payload))
        if opcode is Close:
            closed.set()
        if opcode is Text:
            raise KeyError("boom")

    class Sync(Resource):
        @websocket("/ws")
        def websocket(self, request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
            handle(opcode, payload)

    class Async(Resource):
        @websocket("/ws")
        async def websocket(self, request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
            handle(opcode, payload)

    rig.serve(Async() if is_async else Sync())
    ws = RawWebSocket(rig.connect())
    ws.client.send(frame(TEXT, b"one") + frame(TEXT, b"two"))
    assert ws.read_close() == (1011, "the handler raised an exception")
    ws.send(CLOSE, close_payload(1011))
    assert ws.client.is_at_end()
    await_event(closed)
    assert calls == [(Open, ""), (Text, "one"), (Close, "")]
    assert isinstance(rig.await_done()[0].exception, KeyError)
    assert len(rig.errors) == 1


def test_a_handler_that_raises_on_close_harms_nobody(rig: Rig) -> None:
    def act(request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
        if opcode is Close:
            raise KeyError("at the end")

    socket = Socket(act)
    rig.serve(socket)
    ws = RawWebSocket(rig.connect())
    ws.send(CLOSE, close_payload(1000))
    assert ws.read_close() == (1000, "")
    assert ws.client.is_at_end()
    check_calls(socket)
    assert isinstance(rig.await_done()[0].exception, KeyError)


def test_a_handler_that_lets_a_failed_send_pass_still_gets_its_close(rig: Rig) -> None:
    gate = threading.Event()

    def act(request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
        if opcode is Text:
            await_event(gate)
            for _ in range(1000):
                request.send(bytes(100_000))

    socket = Socket(act)
    rig.serve(socket)
    ws = RawWebSocket(rig.connect())
    ws.send(TEXT, b"go")
    ws.client.reset()
    gate.set()
    check_calls(socket, (Text, "go"))
    assert isinstance(rig.await_done()[0].exception, ConnectionClosedError)
    assert socket.requests[0].close_code == 1006
    assert rig.errors == []


def test_a_handler_may_close(rig: Rig) -> None:
    def act(request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
        if opcode is Text:
            request.close(4001, "enough")
            with pytest.raises(ConnectionClosedError, match="begun to close"):
                request.send("more")

    socket = Socket(act)
    rig.serve(socket)
    ws = RawWebSocket(rig.connect())
    ws.send(TEXT, b"x")
    assert ws.read_close() == (4001, "enough")
    ws.send(CLOSE, close_payload(4001))
    assert ws.client.is_at_end()
    check_calls(socket, (Text, "x"))
    assert rig.errors == []


def test_another_thread_may_close(rig: Rig) -> None:
    socket = Socket()
    rig.serve(socket)
    ws = RawWebSocket(rig.connect())
    await_event(socket.opened)
    socket.requests[0].close(1000, "bye")
    assert ws.read_close() == (1000, "bye")
    ws.send(CLOSE, close_payload(1000))
    assert ws.client.is_at_end()
    check_calls(socket)


def test_wrong_arguments_raise_at_their_caller_and_nothing_is_sent(rig: Rig) -> None:
    socket = Socket(echo)
    rig.serve(socket)
    ws = RawWebSocket(rig.connect())
    await_event(socket.opened)
    request = socket.requests[0]
    with pytest.raises(LocalProtocolError, match="ping payload is 126 bytes"):
        request.ping(bytes(126))
    with pytest.raises(LocalProtocolError, match="close code 1005 cannot be sent"):
        request.close(1005)
    with pytest.raises(LocalProtocolError, match="a websocket text must be valid Unicode"):
        request.send("\ud800")
    with pytest.raises(TypeError, match="cannot send float on a websocket"):
        request.send(1.5)
    ws.send(TEXT, b"still there")
    assert ws.read() == (TEXT, b"still there", True, 0)


def test_a_plain_request_has_no_websocket(rig: Rig) -> None:
    errors: list[str] = []

    def act(request: Request) -> Response:
        with pytest.raises(StateError) as caught:
            request.send("x")
        errors.append(str(caught.value))
        return Response("x")

    rig.serve(("GET", "/", act))
    rig.connect().ask()
    assert errors[0].startswith("send() is for websockets")


def test_a_peer_that_does_not_answer_the_close_is_cut_after_close_s(rig: Rig) -> None:
    socket = Socket()
    rig.serve(socket, close_s=0.1)
    ws = RawWebSocket(rig.connect())
    await_event(socket.opened)
    socket.requests[0].close(1000, "bye")
    assert ws.read_close() == (1000, "bye")
    assert ws.client.is_at_end()
    check_calls(socket)
    assert socket.requests[0].close_code == 1006
    (exchange,) = rig.await_done(failed=True)
    assert "the peer did not answer in time" in (exchange.error or "")


def test_a_peer_that_reads_nothing_is_cut_after_write_s(rig: Rig) -> None:
    socket = Socket()
    rig.serve(socket, ("GET", "/", hello), write_s=0.1, output_bytes=100_000)
    RawWebSocket(rig.connect(receive_buffer=4096))
    await_event(socket.opened)
    failures: list[Exception] = []
    try:
        while True:
            socket.requests[0].send(bytes(1_000_000))
    except Exception as error:
        failures.append(error)
    assert type(failures[0]).__name__ in ("LimitError", "ConnectionClosedError")
    assert rig.connect().ask().text == "hello"
    check_calls(socket)
    assert socket.requests[0].close_code == 1006
    rig.await_done(failed=True)


def test_a_peer_that_closes_but_reads_no_further_is_cut_after_write_s(rig: Rig) -> None:
    def act(request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
        if opcode is Text:
            request.send(bytes(8_000_000))

    socket = Socket(act)
    rig.serve(socket, write_s=0.1, close_s=3600, output_bytes=100_000_000)
    ws = RawWebSocket(rig.connect(receive_buffer=4096))
    ws.client.send(frame(TEXT, b"go") + frame(CLOSE, close_payload(1000)))
    (exchange,) = rig.await_done(failed=False)
    assert exchange.close_code == 1000
    rig.await_no_connections()
    check_calls(socket, (Text, "go"))


def test_a_slow_reader_is_not_cut_while_it_reads(plain_rig: Rig) -> None:
    socket = Socket()
    plain_rig.serve(socket, write_s=0.3, output_bytes=100_000_000)
    ws = RawWebSocket(plain_rig.connect(receive_buffer=4096))
    await_event(socket.opened)
    size = 8_000_000
    socket.requests[0].send(bytes(size))
    pause = threading.Event()
    ws.client.read_exactly(10)
    for _ in range(16):
        ws.client.read_exactly(size // 16)
        pause.wait(0.05)  # 0.8 s altogether
    ws.send(CLOSE)
    assert ws.read() == (CLOSE, b"", True, 0)


def test_idle_websockets_stay_open(rig: Rig) -> None:
    limits = {"idle_s": 0.1, "head_s": 0.1, "body_s": 0.1, "close_s": 0.1, "write_s": 0.1}
    rig.serve(Socket(echo), **limits)
    ws = RawWebSocket(rig.connect())
    assert rig.connect().is_at_end()
    ws.send(TEXT, b"hi")
    assert ws.read().payload == b"hi"


def test_stop_says_1001_and_delivers_close(rig: Rig) -> None:
    socket = Socket()
    server = rig.serve(socket)
    ws = RawWebSocket(rig.connect())
    await_event(socket.opened)
    stopped: list[list[str]] = []
    thread = threading.Thread(target=lambda: stopped.append(server.stop(grace_s=scaled(WAIT_S))))
    thread.start()
    assert ws.read_close() == (1001, "the server stops")
    ws.send(CLOSE, close_payload(1001))
    assert ws.client.is_at_end()
    thread.join()
    assert stopped == [[]]
    check_calls(socket)


def test_stop_does_not_wait_long_for_a_websocket_that_does_not_answer(rig: Rig) -> None:
    socket = Socket()
    server = rig.serve(socket)
    ws = RawWebSocket(rig.connect())
    await_event(socket.opened)
    assert server.stop(grace_s=scaled(WAIT_S)) == []
    assert ws.read_close() == (1001, "the server stops")
    check_calls(socket)


def test_stop_ends_a_websocket_whose_handler_was_busy(rig: Rig) -> None:
    gate = threading.Event()

    def act(request: Request, opcode: WebSocketOpCode, payload: Any) -> None:
        if opcode is Text:
            await_event(gate)

    socket = Socket(act)
    server = rig.serve(socket)
    ws = RawWebSocket(rig.connect())
    ws.send(TEXT, b"x")
    rig.journal.wait_for("/ws", state="handling")
    stopped: list[list[str]] = []
    thread = threading.Thread(target=lambda: stopped.append(server.stop(grace_s=scaled(WAIT_S))))
    thread.start()
    gate.set()
    assert ws.read_close() == (1001, "the server stops")
    ws.send(CLOSE, close_payload(1001))
    thread.join()
    assert stopped == [[]]
    check_calls(socket, (Text, "x"))
