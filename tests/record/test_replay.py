"""Streams and websockets out of recordings, frame by frame."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import websockets.exceptions
import websockets.sync.client

from kit import Cassette, HTTPServer, Request, Response, Upstream, WebSocketOpCode, har, websocket
from kit.clock import monotonic
from kit.record.entry import (
    RECEIVE,
    SEND,
    Entry,
    RecordedFrame,
    RecordedRequest,
    RecordedResponse,
)
from support.deadlines import scaled

T = scaled(10)
TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
SERVER = "http://api.example.com"

Frames = Sequence[tuple[str, int, bytes] | tuple[str, int, bytes, float]]


def write(path: Path, *entries: Entry) -> Path:
    har.write(path, har.dump(entries))
    return path


def make_stream(*pieces: tuple[float, bytes]) -> Entry:
    body = b"".join(data for _, data in pieces)
    response = RecordedResponse(
        status=200,
        headers=((b"Content-Type", b"text/event-stream"),),
        body=body,
        marks=tuple((offset_s, len(data)) for offset_s, data in pieces),
    )
    request = RecordedRequest(method="GET", url=f"{SERVER}/events")
    return Entry(started_at=0.0, request=request, response=response)


def make_socket(*frames: Any, subprotocol: bytes = b"") -> Entry:
    fields = ((b"Sec-WebSocket-Protocol", subprotocol),) if subprotocol else ()
    return Entry(
        started_at=0.0,
        request=RecordedRequest(method="GET", url=f"{SERVER}/ws"),
        response=RecordedResponse(status=101, headers=fields),
        frames=tuple(
            RecordedFrame(
                direction=frame[0], opcode=frame[1], data=frame[2], offset_s=sum(frame[3:])
            )
            for frame in frames
        ),
        resource_type="websocket",
    )


@contextlib.contextmanager
def play(path: Path, **options: Any) -> Iterator[tuple[HTTPServer, Cassette]]:
    with Cassette(path, **options) as cassette, HTTPServer(("127.0.0.1", 0)) as server:
        server.fallback = cassette
        yield server, cassette


def dial(server: HTTPServer, **options: Any) -> websockets.sync.client.ClientConnection:
    url = server.ws_url_for("/ws")
    made = websockets.sync.client.connect(url, open_timeout=T, close_timeout=T, **options)
    return cast("websockets.sync.client.ClientConnection", made)


def await_close(connection: websockets.sync.client.ClientConnection) -> tuple[int, str]:
    with pytest.raises(websockets.exceptions.ConnectionClosed) as caught:
        connection.recv(T)
    received = caught.value.rcvd
    assert received is not None
    return received.code, received.reason


def read_pieces(server: HTTPServer) -> tuple[list[bytes], list[float]]:
    """Read a stream chunk by chunk, as they were sent."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=T)
    connection.request("GET", "/events")
    response = connection.getresponse()
    pieces, times = [], []
    stream = response.fp
    while size := int(stream.readline(), 16):
        pieces.append(stream.read(size))
        times.append(monotonic())
        stream.readline()
    connection.close()
    return pieces, times


# Streams


@pytest.mark.parametrize("pace", ["causal", "fast", "timed"])
def test_the_pieces_of_a_stream_are_played_as_they_were_cut(tmp_path: Path, pace: str) -> None:
    pieces = [(0.0, b"data: 1\n\n"), (0.01, b"data: 2\n\ndata: 3\n\n"), (0.02, b"data: 4\n\n")]
    path = write(tmp_path / "a.har", make_stream(*pieces))
    with play(path, pace=pace) as (server, _):
        assert read_pieces(server)[0] == [data for _, data in pieces]


def test_a_timed_stream_keeps_its_pauses(tmp_path: Path) -> None:
    path = write(tmp_path / "a.har", make_stream((0.0, b"1"), (0.1, b"2"), (0.3, b"3")))
    with play(path, pace="timed") as (server, _):
        begun = monotonic()
        _, times = read_pieces(server)
    assert times[2] - begun >= 0.29


def test_a_stream_that_is_not_timed_has_no_pauses(tmp_path: Path) -> None:
    path = write(tmp_path / "a.har", make_stream((0.0, b"1"), (3600.0, b"2")))
    with play(path) as (server, _):
        assert read_pieces(server)[0] == [b"1", b"2"]


def test_a_recorded_stream_keeps_its_pieces_and_times(tmp_path: Path) -> None:
    came = threading.Semaphore(0)

    def stream(request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            for number in range(3):
                yield b"data: %d\n\n" % number
                assert came.acquire(timeout=T)

        return Response(pieces(), 200, {"Content-Type": "text/event-stream"})

    path = tmp_path / "a.har"
    with (
        HTTPServer(("127.0.0.1", 0)) as upstream,
        Upstream(upstream.url, timeout_s=T) as source,
        Cassette(path, mode="once", upstream=source) as cassette,
        HTTPServer(("127.0.0.1", 0)) as server,
    ):
        upstream.registerRoutes([("GET", "/events", stream)])
        server.fallback = cassette
        connection = http.client.HTTPConnection(server.host, server.port, timeout=T)
        connection.request("GET", "/events")
        response = connection.getresponse()
        for number in range(3):
            assert response.read1(100) == b"data: %d\n\n" % number
            came.release()
        assert response.read() == b""
        connection.close()
        server.stop()
        cassette.settle(T)
    (entry,) = har.load(path)
    assert [chunk.data for chunk in entry.response.chunks] == [
        b"data: 0\n\n",
        b"data: 1\n\n",
        b"data: 2\n\n",
    ]
    offsets = [chunk.offset_s for chunk in entry.response.chunks]
    assert offsets == sorted(offsets)
    with play(path) as (server, _):
        assert len(read_pieces(server)[0]) == 3


def test_a_stream_that_the_client_leaves_is_recorded_as_far_as_it_came(tmp_path: Path) -> None:
    def stream(request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            yield b"data: 0\n\n"
            while True:
                yield b": on and on\n\n" * 1000

        return Response(pieces(), 200, {"Content-Type": "text/event-stream"})

    path = tmp_path / "a.har"
    with (
        HTTPServer(("127.0.0.1", 0)) as upstream,
        Upstream(upstream.url, timeout_s=T) as source,
        Cassette(path, mode="once", upstream=source) as cassette,
        HTTPServer(("127.0.0.1", 0)) as server,
    ):
        upstream.registerRoutes([("GET", "/events", stream)])
        server.fallback = cassette
        connection = http.client.HTTPConnection(server.host, server.port, timeout=T)
        connection.request("GET", "/events")
        response = connection.getresponse()
        assert response.read(9) == b"data: 0\n\n"
        response.close()
        connection.close()
        assert cassette.settle(T)
        assert cassette.not_recorded == 0
    (entry,) = har.load(path)
    assert entry.response.body.startswith(b"data: 0\n\n: on and on\n\n")


def test_a_recording_without_a_response_is_a_502(tmp_path: Path) -> None:
    request = RecordedRequest(method="GET", url=f"{SERVER}/events")
    response = RecordedResponse(error="net::ERR_FAILED")
    entry = Entry(started_at=0.0, request=request, response=response)
    with play(write(tmp_path / "a.har", entry)) as (server, _):
        connection = http.client.HTTPConnection(server.host, server.port, timeout=T)
        connection.request("GET", "/events")
        answer = connection.getresponse()
        assert answer.status == 502
        assert answer.read().startswith(b"the recording has no response to this request")
        connection.close()


# Websockets


def test_a_recorded_websocket_is_played_without_its_upstream(tmp_path: Path) -> None:
    @websocket("/ws", subprotocols=["chat"])
    def handle(request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if opcode == WebSocketOpCode.Open:
            request.send("welcome")
        elif opcode == WebSocketOpCode.Text and payload == "bye":
            request.close(4000, "so long")
        elif opcode != WebSocketOpCode.Close:
            request.send(payload)

    def talk(server: HTTPServer) -> list[Any]:
        with dial(server, subprotocols=["chat"]) as peer:
            said: list[Any] = [peer.subprotocol, peer.recv(T)]
            for message in ("one", b"\x00two"):
                peer.send(message)
                said.append(peer.recv(T))
            peer.send("bye")
            return [*said, await_close(peer)]

    path = tmp_path / "a.har"
    with (
        HTTPServer(("127.0.0.1", 0)) as upstream,
        Upstream(upstream.url, timeout_s=T) as source,
        Cassette(path, mode="once", upstream=source) as cassette,
        HTTPServer(("127.0.0.1", 0)) as server,
    ):
        upstream.registerRoutes([("GET", "/ws", handle)])
        server.fallback = cassette
        recorded = talk(server)
        server.stop()
        assert cassette.settle(T)
    assert recorded == ["chat", "welcome", "one", b"\x00two", (4000, "so long")]
    for pace in ("causal", "timed"):
        with play(path, pace=pace) as (server, cassette):
            assert talk(server) == recorded
            assert cassette.problems() == []


def test_causal_waits_for_what_the_client_said(tmp_path: Path) -> None:
    frames = [
        (RECEIVE, TEXT, b"first"),
        (SEND, TEXT, b"go"),
        (RECEIVE, TEXT, b"second"),
        (RECEIVE, BINARY, b"third"),
    ]
    path = write(tmp_path / "a.har", make_socket(*frames))
    with play(path) as (server, _), dial(server) as peer:
        assert peer.recv(T) == "first"
        with pytest.raises(TimeoutError):
            peer.recv(0.05)
        peer.send("go")
        assert [peer.recv(T), peer.recv(T)] == ["second", b"third"]


def test_fast_does_not_wait_for_the_client(tmp_path: Path) -> None:
    frames = [(RECEIVE, TEXT, b"1"), (SEND, TEXT, b"go"), (RECEIVE, TEXT, b"2", 3600.0)]
    path = write(tmp_path / "a.har", make_socket(*frames))
    with play(path, pace="fast") as (server, cassette), dial(server) as peer:
        assert [peer.recv(T), peer.recv(T)] == ["1", "2"]
        peer.send("whatever")
        assert cassette.problems() == []


def test_timed_keeps_the_pauses(tmp_path: Path) -> None:
    frames = [(RECEIVE, TEXT, b"1", 0.05), (SEND, TEXT, b"go", 0.1), (RECEIVE, TEXT, b"2", 0.3)]
    path = write(tmp_path / "a.har", make_socket(*frames))
    with play(path, pace="timed") as (server, _), dial(server) as peer:
        assert peer.recv(T) == "1"
        begun = monotonic()
        peer.send("go")
        assert peer.recv(T) == "2"
        assert monotonic() - begun >= 0.19


def test_a_client_that_leaves_ends_a_timed_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.har", make_socket((RECEIVE, TEXT, b"late", 3600.0)))
    with play(path, pace="timed") as (server, _):
        with dial(server):
            pass
        (exchange,) = server.wait_for(state="complete", timeout=T)
        assert exchange.close_code == 1000


def test_the_close_of_the_server_is_played(tmp_path: Path) -> None:
    close = (RECEIVE, CLOSE, (4001).to_bytes(2, "big") + b"enough")
    path = write(tmp_path / "a.har", make_socket((RECEIVE, TEXT, b"1"), close))
    with play(path) as (server, _), dial(server) as peer:
        assert peer.recv(T) == "1"
        assert await_close(peer) == (4001, "enough")


def test_the_close_of_the_client_is_waited_for(tmp_path: Path) -> None:
    code = (1000).to_bytes(2, "big")
    path = write(tmp_path / "a.har", make_socket((SEND, CLOSE, code), (RECEIVE, CLOSE, code)))
    with play(path) as (server, _), dial(server) as peer:
        with pytest.raises(TimeoutError):
            peer.recv(0.05)
        peer.close(1000)


def test_pings_of_the_server_are_played(tmp_path: Path) -> None:
    path = write(tmp_path / "a.har", make_socket((RECEIVE, PING, b"p"), (RECEIVE, TEXT, b"1")))
    with play(path) as (server, _), dial(server) as peer:
        assert peer.recv(T) == "1"
        (exchange,) = server.journal
        first = exchange.frames[0]
        assert (first.name, first.payload) == ("Ping", b"p")


def test_json_messages_are_compared_by_value(tmp_path: Path) -> None:
    frames = [(SEND, TEXT, b'{"a": 1, "b": 2}'), (RECEIVE, TEXT, b"yes")]
    path = write(tmp_path / "a.har", make_socket(*frames))
    with play(path) as (server, _), dial(server) as peer:
        peer.send('{"b":2,"a":1}')
        assert peer.recv(T) == "yes"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ('{"a": 2}', "json: $.a: expected 1, got 2"),
        (b"\x00", "expected Text, got Binary"),
        ("x", "body: expected 8 bytes of application/json, got 1 bytes of no stated type"),
    ],
)
def test_a_message_that_was_not_recorded_ends_the_websocket(
    tmp_path: Path, message: str | bytes, text: str
) -> None:
    path = write(tmp_path / "a.har", make_socket((SEND, TEXT, b'{"a": 1}')))
    told = f"message 1 of the client is not as recorded: {text}"
    with play(path) as (server, cassette), dial(server) as peer:
        peer.send(message)
        assert await_close(peer) == (1008, told[:123])
        assert cassette.problems() == [f"a.har entry 0, websocket /ws: {told}"]


def test_a_message_behind_the_end_of_the_recording_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.har", make_socket((RECEIVE, TEXT, b"1")))
    with play(path) as (server, cassette), dial(server) as peer:
        peer.send("more")
        assert peer.recv(T) == "1"
        assert await_close(peer)[0] == 1008
        (problem,) = cassette.problems()
        assert problem == (
            "a.har entry 0, websocket /ws: message 1 of the client is not as recorded: "
            "the recording has ended"
        )


def test_what_a_client_says_may_be_ignored(tmp_path: Path) -> None:
    path = write(tmp_path / "a.har", make_socket((SEND, TEXT, b"x"), (RECEIVE, TEXT, b"1")))
    with play(path, ignore=["frame"]) as (server, cassette), dial(server) as peer:
        peer.send("anything")
        assert peer.recv(T) == "1"
        assert cassette.ignored() == ["frame"]


def test_what_was_ignored_of_a_message_is_told(tmp_path: Path) -> None:
    frames = [(SEND, TEXT, b'{"id": 1, "n": 2}'), (RECEIVE, TEXT, b"1")]
    path = write(tmp_path / "a.har", make_socket(*frames))
    with play(path, ignore=["json:id", "json:x"]) as (server, cassette), dial(server) as peer:
        peer.send('{"id": 7, "n": 2}')
        assert peer.recv(T) == "1"
        assert cassette.ignored() == ["json:id"]


def test_secrets_in_messages_match_all_the_same(tmp_path: Path) -> None:
    frames = [(SEND, TEXT, b'{"token": "abcdefgh1"}'), (RECEIVE, TEXT, b"1")]
    path = write(tmp_path / "a.har", make_socket(*frames))
    assert b"abcdefgh1" not in path.read_bytes()
    with play(path) as (server, _), dial(server) as peer:
        peer.send('{"token": "another-one"}')
        assert peer.recv(T) == "1"


def test_secrets_in_binary_json_match_all_the_same(tmp_path: Path) -> None:
    frames = [(SEND, BINARY, b'{"token": "abcdefgh1"}'), (RECEIVE, BINARY, b"1")]
    path = write(tmp_path / "a.har", make_socket(*frames))
    with play(path) as (server, _), dial(server) as peer:
        peer.send(b'{"token": "another-one"}')
        assert peer.recv(T) == b"1"


def test_a_secret_of_one_message_is_known_in_the_next(tmp_path: Path) -> None:
    frames = [
        (SEND, TEXT, b'{"token": "abcdefgh1"}'),
        (RECEIVE, TEXT, b"1"),
        (SEND, TEXT, b"it is abcdefgh1"),
        (RECEIVE, TEXT, b"2"),
    ]
    path = write(tmp_path / "a.har", make_socket(*frames))
    with play(path) as (server, _), dial(server) as peer:
        peer.send('{"token": "an0ther-one"}')
        assert peer.recv(T) == "1"
        peer.send("it is an0ther-one")
        assert peer.recv(T) == "2"


def test_a_body_that_was_left_out_is_told(tmp_path: Path) -> None:
    response = RecordedResponse(
        status=200, headers=((b"Content-Encoding", b"br"),), body=b"x", is_encoded=True
    )
    request = RecordedRequest(method="GET", url=f"{SERVER}/a")
    path = write(tmp_path / "a.har", Entry(started_at=0.0, request=request, response=response))
    with play(path) as (server, _):
        connection = http.client.HTTPConnection(server.host, server.port, timeout=T)
        connection.request("GET", "/a")
        answer = connection.getresponse()
        assert answer.status == 502
        assert answer.read().decode() == (
            "the body of a.har entry 0 was left out when it was written: in a content coding "
            "that is not undone, so it cannot be searched for secrets\n"
        )
        connection.close()


def test_a_plain_request_is_no_websocket(tmp_path: Path) -> None:
    path = write(tmp_path / "a.har", make_socket((RECEIVE, TEXT, b"1")))
    with play(path) as (server, _):
        connection = http.client.HTTPConnection(server.host, server.port, timeout=T)
        connection.request("GET", "/ws")
        response = connection.getresponse()
        assert response.status == 404
        assert "  ✗ it is a websocket\n" in response.read().decode()
        connection.close()


def test_a_websocket_that_was_not_recorded_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "a.har", make_stream((0.0, b"1"), (0.0, b"2")))
    with (
        play(path) as (server, _),
        pytest.raises(websockets.exceptions.InvalidStatus) as caught,
        dial(server),
    ):
        pass
    assert caught.value.response.status_code == 404
    assert b"no recording answers websocket /ws in " in (caught.value.response.body or b"")
