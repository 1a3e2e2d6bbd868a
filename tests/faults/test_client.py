"""A client that goes wrong as ordered, so that a server can be tested."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
import urllib.error
from collections.abc import Callable
from typing import Any

import pytest

from kit import (
    ConnectionClosedError,
    ErrorResponse,
    HTTPClient,
    HTTPServer,
    JsonResponse,
    Limits,
    Request,
    Resource,
    Response,
    WebSocketOpCode,
    faults,
    websocket,
)
from kit.faults import Fault
from kit.record import Exchange
from kit.testing import CheckedServer
from support.authority import authority
from support.deadlines import scaled
from support.scripted import Line, ScriptedServer

WAIT_S = 10.0


class Received:
    """A script that keeps what it receives up to the end, then answers if it is to."""

    def __init__(self, answer: bytes = b"") -> None:
        self.answer = answer
        self._ends: queue.SimpleQueue[tuple[bytes, str]] = queue.SimpleQueue()

    def __call__(self, line: Line) -> None:
        data, end = b"", "end"
        try:
            while piece := line.sock.recv(65536):
                data += piece
            if self.answer:
                line.send(self.answer)
        except TimeoutError:
            end = "silence"
        except ConnectionResetError:
            end = "reset"
        self._ends.put((data, end))

    def wait(self) -> tuple[bytes, str]:
        """Return what came, and how it ended."""
        return self._ends.get(timeout=scaled(WAIT_S))


def run(
    fault: Fault, answer: bytes = b"", payload: Any = b"hello world", **options: Any
) -> tuple[bytes, str, Response]:
    """Have a client send a faulty request; returns what came, how it ended, and its result."""
    received = Received(answer)
    with ScriptedServer(received) as server:
        with HTTPClient(server.addr, **options) as client:
            client.fault(fault)
            response = client.post("/up", payload).wait(scaled(WAIT_S))
        return *received.wait(), response


def reason_of(response: Response) -> Any:
    assert isinstance(response, ErrorResponse)
    assert isinstance(response.exception, urllib.error.URLError)
    return response.exception.reason


ANSWER = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nbad"


def test_a_request_is_reset_before_its_first_byte() -> None:
    data, end, response = run(faults.Reset())

    assert (data, end) == (b"", "reset")
    assert str(reason_of(response)) == "fault: reset before the first byte"


def test_a_request_is_reset_in_the_middle() -> None:
    data, end, response = run(faults.Reset(after=21))

    assert (data, end) == (b"POST /up HTTP/1.1\r\nHo", "reset")
    assert str(reason_of(response)) == "fault: reset after 21 bytes"


def test_a_request_is_reset_behind_its_last_byte() -> None:
    data, end, response = run(faults.Reset(after="end"))

    assert data.endswith(b"\r\n\r\nhello world")
    assert end == "reset"
    assert str(reason_of(response)) == "fault: reset after the last byte"


def test_a_truncated_request_still_hears_the_answer() -> None:
    data, end, response = run(faults.Truncate(21), ANSWER)

    assert (data, end) == (b"POST /up HTTP/1.1\r\nHo", "end")
    assert response.status_code == 400


def test_a_stalled_request_sends_no_more_and_hears_the_answer() -> None:
    def script(line: Line) -> None:
        assert line.read_body(21) == b"POST /up HTTP/1.1\r\nHo"
        line.send(ANSWER)
        line.await_end()

    with ScriptedServer(script) as server, HTTPClient(server.addr) as client:
        client.fault(faults.Stall(21))
        assert client.post("/up", b"hello world").wait(scaled(WAIT_S)).status_code == 400


def test_a_stalled_request_times_out() -> None:
    with ScriptedServer(Received()) as server, HTTPClient(server.addr, timeout_s=0.1) as client:
        client.fault(faults.Stall(21))
        response = client.post("/up", b"hello world").wait(scaled(WAIT_S))

    assert isinstance(reason_of(response), TimeoutError)


def test_a_malformed_chunk_is_sent() -> None:
    data, _, response = run(faults.MalformedChunk(), ANSWER)
    head, _, body = data.partition(b"\r\n\r\n")

    assert b"Transfer-Encoding: chunked" in head
    assert b"content-length" not in head.lower()
    assert body == b"not-a-size\r\nand no chunk\r\n"
    assert response.status_code == 400


def test_a_wrong_length_is_sent() -> None:
    data, _, response = run(faults.WrongLength(5), ANSWER)

    assert b"Content-Length: 16\r\n" in data
    assert data.endswith(b"\r\n\r\nhello world")
    assert response.status_code == 400


def test_the_first_chunk_of_an_upload_has_the_wrong_size() -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"hello world")
    os.close(write_end)
    with os.fdopen(read_end, "rb") as unsized:
        data, _, _ = run(faults.WrongLength(5), ANSWER, payload=unsized)

    assert data.endswith(b"\r\n\r\n10\r\nhello world\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("fault", "begins", "ends"),
    [
        (faults.Garbage("before", b"<<<"), b"<<<POST /up HTTP/1.1\r\n", b"\r\n\r\nhello world"),
        (faults.Garbage("after", b"<<<"), b"POST /up HTTP/1.1\r\n", b"\r\n\r\n<<<hello world"),
        (faults.RawBytes(b"EHLO test\r\n"), b"EHLO test\r\n", b"EHLO test\r\n"),
    ],
    ids=repr,
)
def test_what_is_no_HTTP_is_sent(fault: Fault, begins: bytes, ends: bytes) -> None:
    data, _, response = run(fault, ANSWER)

    assert data.startswith(begins)
    assert data.endswith(ends)
    assert response.status_code == 400


def test_headers_are_sent_without_end() -> None:
    data, end, _ = run(faults.EndlessHeaders(max_bytes=100_000), ANSWER)

    assert data.startswith(b"POST /up HTTP/1.1\r\nX-Endless-0: ")
    assert len(data) > 100_000
    assert b"\r\n\r\n" not in data
    assert end == "end"


@pytest.mark.parametrize(
    "fault",
    [faults.Dribble(size=9, interval_s=0.001), faults.Delay(0.05), faults.ChunkDelay(0.01)],
    ids=repr,
)
def test_a_slow_request_arrives_whole_and_its_connection_is_used_again(fault: Fault) -> None:
    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes([("POST", "/", lambda request: Response(request.read()))])
        with HTTPClient(server.addr) as client:
            client.fault(fault, nth=(1, 3))
            for text in (b"first", b"second", b"third"):
                assert client.post("/", text).wait(scaled(WAIT_S)).payload == text

    assert len({each.connection.id for each in server.journal}) == 1


def test_a_delayed_request_comes_late() -> None:
    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes([("GET", "/", lambda _: Response("hello"))])
        with HTTPClient(server.addr) as client:
            client.fault(faults.Delay(0.05))
            begun = time.monotonic()
            client.get("/").wait(scaled(WAIT_S))

    assert time.monotonic() - begun >= 0.05


def test_a_file_is_dribbled_and_cut(tmp_path: Any) -> None:
    (tmp_path / "body").write_bytes(bytes(300_000))
    received = Received(ANSWER)
    with (
        ScriptedServer(received) as server,
        HTTPClient(server.addr) as client,
        (tmp_path / "body").open("rb") as file,
    ):
        client.fault(faults.Truncate(200_000))
        assert client.post("/", file).wait(scaled(WAIT_S)).status_code == 400
        data, end = received.wait()

    assert (len(data), end) == (200_000, "end")


def test_faults_work_over_TLS() -> None:
    context = authority().server_context()
    received = Received()
    with (
        ScriptedServer(received, context=context) as server,
        HTTPClient(
            ("localhost", server.addr[1]), "https", ssl_context=authority().client_context()
        ) as client,
    ):
        client.fault(faults.Reset(after=21))
        response = client.get("/").wait(scaled(WAIT_S))

    assert str(reason_of(response)) == "fault: reset after 21 bytes"


# Which requests


def test_only_some_requests_of_a_client_go_wrong() -> None:
    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes([("GET", "/:any", lambda _: JsonResponse({}))])
        with HTTPClient(server.addr) as client:
            rule = client.fault(faults.Reset(), "GET", "/b", nth=2)
            told = [
                client.get(path, {"q": "1"}).wait(scaled(WAIT_S)).status_code
                for path in ("/a", "/b", "/b", "/b")
            ]
            assert told == [200, 200, 0, 200]
            assert (rule.seen, rule.applied) == (3, 1)
            client.clear_faults()
            assert client.get("/b").wait(scaled(WAIT_S)).status_code == 200


def test_a_faulty_request_is_not_repeated_on_another_connection() -> None:
    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes([("GET", "/", lambda _: Response("hello"))])
        with HTTPClient(server.addr) as client:
            client.get("/").wait(scaled(WAIT_S))
            client.fault(faults.Reset(after="end"))
            assert client.get("/").wait(scaled(WAIT_S)).status_code == 0
        assert all(each.ordinal <= 2 for each in server.journal)
        assert len({each.connection.id for each in server.journal}) == 1


def test_what_follows_a_refused_websocket_goes_right() -> None:
    def write(_: Request) -> Response:
        return Response("hello")

    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes([("GET", "/", write), ("GET", "/next", write)])
        with HTTPClient(server.addr) as client:
            client.fault(faults.CloseWithoutFrame(), times=1)
            handle = client.websocket("/")
            assert handle.receive(scaled(WAIT_S))[0] is WebSocketOpCode.Close
            assert client.get("/next").wait(scaled(WAIT_S)).payload == b"hello"
            assert client.get("/next").wait(scaled(WAIT_S)).payload == b"hello"


def test_a_handshake_that_is_refused_ends_though_its_connection_is_reset() -> None:
    with HTTPServer(("127.0.0.1", 0)) as server, HTTPClient(server.addr) as client:
        client.fault(faults.Reset(after="end"))
        handle = client.websocket("/")
        assert handle.receive(scaled(WAIT_S))[0] is WebSocketOpCode.Close
        response = handle.response

    assert response is not None
    assert str(reason_of(response)) == "fault: reset after the last byte"


def test_where_a_request_is_redirected_to_nothing_goes_wrong() -> None:
    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes(
            [
                ("GET", "/old", lambda _: Response(None, 302, {"Location": "/new"})),
                ("GET", "/new", lambda request: Response(request.headers.text("x-endless-0"))),
            ]
        )
        with HTTPClient(server.addr) as client:
            client.fault(faults.Delay(0.01), times=1)
            assert client.get("/old").wait(scaled(WAIT_S)).status_code == 200


# A server of ours, and what it makes of it


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (faults.MalformedChunk(), 400),
        (faults.WrongLength(5), 400),
        (faults.Garbage("before"), 400),
        (faults.RawBytes(b"EHLO test\r\n\r\n"), 400),
        (faults.EndlessHeaders(), 431),
        (faults.Truncate(40), 400),
        (faults.Stall(40), 408),
        (faults.Dribble(5, 0.0005), 200),
    ],
    ids=repr,
)
def test_our_server_answers_a_client_that_sends_badly(fault: Fault, status: int) -> None:
    limits = Limits(head_s=0.1 if status == 408 else scaled(WAIT_S))
    with CheckedServer(("127.0.0.1", 0), limits=limits) as server:
        server.allow(malformed=True)
        server.registerRoutes([("POST", "/", lambda request: Response(request.read()))])
        with HTTPClient(server.addr) as client:
            client.fault(fault)
            assert client.post("/", b"hello world").wait(scaled(WAIT_S)).status_code == status


# Websockets


class Listening(Resource):
    """Keeps what a websocket says, and says nothing but one greeting."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str | bytes] = []

    @websocket("/ws")
    def listen(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if opcode in (WebSocketOpCode.Text, WebSocketOpCode.Binary):
            self.messages.append(payload)
            request.send("heard")


@pytest.fixture
def talk() -> Callable[[Fault], tuple[Exchange, Any]]:
    """Have a client send "hello" on a faulty websocket, and close; the server's record."""

    def talk(fault: Fault) -> tuple[Exchange, Any]:
        limits = Limits(close_s=0.2)
        with HTTPServer(("127.0.0.1", 0), limits=limits) as server:
            server.registerRoutes(Listening())
            with HTTPClient(server.addr, limits=limits) as client:
                client.fault(fault)
                handle = client.websocket("/ws")
                assert handle.receive(scaled(WAIT_S))[0] is WebSocketOpCode.Open
                try:
                    handle.send("hello")
                except ConnectionClosedError:
                    assert isinstance(fault, faults.ResetMidMessage)
                opcode, _ = handle.receive(scaled(WAIT_S))
                if opcode is not WebSocketOpCode.Close:
                    handle.close()
                    while opcode is not WebSocketOpCode.Close:
                        opcode, _ = handle.receive(scaled(WAIT_S))
            (exchange,) = server.wait_for(lambda each: each.is_done, timeout=scaled(WAIT_S))
        return exchange, handle

    return talk


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (faults.InvalidUtf8(), 1007),
        (faults.WrongMask(), 1002),
        (faults.OversizedFrame(), 1009),
        (faults.ResetMidMessage(), 1006),
        (faults.CloseWithoutFrame(), 1006),
        (faults.UnaskedPong(), 1000),
        (faults.Dribble(5, 0.0005), 1000),
    ],
    ids=repr,
)
def test_our_server_closes_a_websocket_whose_client_sends_badly(
    talk: Callable[[Fault], tuple[Exchange, Any]], fault: Fault, code: int
) -> None:
    exchange, handle = talk(fault)

    assert exchange.close_code == code
    assert handle.close_code == code


def test_a_clients_fragment_stalls() -> None:
    with HTTPServer(("127.0.0.1", 0)) as server:
        listening = Listening()
        server.registerRoutes(listening)
        with HTTPClient(server.addr) as client:
            client.fault(faults.StalledFragment())
            handle = client.websocket("/ws")
            assert handle.receive(scaled(WAIT_S))[0] is WebSocketOpCode.Open
            handle.send("hello!")
        (exchange,) = server.wait_for(lambda each: each.is_done, timeout=scaled(WAIT_S))

    assert exchange.frames[0].payload == b"hel"
    assert not exchange.frames[0].is_final
    assert listening.messages == []


def test_a_client_whose_request_stalls_is_stopped_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with HTTPClient(address) as client:
            client.fault(faults.Delay(3000))
            handle = client.get("/")
    assert handle.wait(scaled(WAIT_S)).status_code == 0


def test_a_client_that_stops_reading_brings_the_response_to_a_halt() -> None:
    halted: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def script(line: Line) -> None:
        line.read_head()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        try:
            line.sock.sendall(bytes(100_000_000))
        except OSError as error:
            halted.put(error)
        else:
            halted.put(None)

    with ScriptedServer(script) as server, HTTPClient(server.addr, timeout_s=0.3) as client:
        rule = client.fault(faults.StopReading())
        response = client.get("/").wait(scaled(WAIT_S))
        error = halted.get(timeout=scaled(WAIT_S))

    assert isinstance(reason_of(response), TimeoutError)
    assert isinstance(error, ConnectionError)
    assert rule.applied == 1


def test_a_client_that_has_stopped_reading_is_stopped_at_once() -> None:
    answered = threading.Event()

    def script(line: Line) -> None:
        line.read_head()
        line.answer()
        answered.set()
        line.await_end()

    with ScriptedServer(script) as server:
        with HTTPClient(server.addr, timeout_s=3000) as client:
            client.fault(faults.StopReading())
            handle = client.get("/")
            assert answered.wait(scaled(WAIT_S))
        assert handle.wait(scaled(WAIT_S)).status_code == 0


def test_a_client_never_answers_a_close() -> None:
    with HTTPServer(("127.0.0.1", 0), limits=Limits(close_s=0.1)) as server:
        server.registerRoutes(Leaving())
        with HTTPClient(server.addr, limits=Limits(close_s=scaled(WAIT_S))) as client:
            rule = client.fault(faults.NeverAnswerClose())
            client.get("/").wait(scaled(WAIT_S))
            assert rule.seen == 0
            client.websocket("/ws")
            [exchange] = server.wait_for(
                lambda each: each.path == "/ws" and each.is_done, timeout=scaled(WAIT_S)
            )

    assert [(one.direction, one.name) for one in exchange.frames] == [("sent", "Close")]
    assert exchange.error == (
        "the websocket ended uncleanly with 1006: "
        "the stream ended without an answer to the close frame"
    )
    assert rule.applied == 1


class Leaving(Resource):
    """Closes a websocket as soon as it is open."""

    @websocket("/ws")
    def leave(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if opcode is WebSocketOpCode.Open:
            request.close(1000)
