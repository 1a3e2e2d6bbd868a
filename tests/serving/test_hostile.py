from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit import Request, Resource, Response, WebSocketOpCode, get, post, websocket
from support.raw import RawClient, make_request
from support.raw_websocket import make_handshake
from support.serving import Rig, make_authority
from support.websocket_frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, close_payload, frame

HOSTILE = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class App(Resource):
    def __init__(self) -> None:
        self.sockets: dict[int, list[WebSocketOpCode]] = {}

    @get("/:name*")
    def show(self, request: Request) -> Response:
        return Response(request.matches["name"])

    @post("/", max_content_length=1000)
    def take(self, request: Request) -> Response:
        return Response(request.read())

    @get("/lines")
    def lines(self, request: Request) -> Response:
        return Response(f"{n}\n" for n in range(100))

    @websocket("/ws")
    def websocket(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if opcode is WebSocketOpCode.Open:
            self.sockets[id(request)] = []
        self.sockets[id(request)].append(opcode)
        if opcode in (WebSocketOpCode.Text, WebSocketOpCode.Binary):
            request.send(payload)


class Live(NamedTuple):
    rig: Rig
    app: App


@pytest.fixture(params=["plain", "tls"])
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    died: list[object] = []
    hook, threading.excepthook = threading.excepthook, died.append
    try:
        with Rig(make_authority() if request.param == "tls" else None) as rig:
            app = App()
            rig.serve(app, linger_s=0.2)
            yield Live(rig, app)
            rig.await_no_connections()
            assert rig.errors == []
    finally:
        threading.excepthook = hook
    assert died == []


def attack(rig: Rig, data: bytes, cuts: list[int], *, is_reset: bool) -> None:
    """Send bytes, cut into pieces, and leave; then ask for something decent."""
    context = make_authority().client_context() if rig.is_tls else None
    address = (rig.server.host, rig.server.port)
    with RawClient(address, context) as client:
        edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
        try:
            for start, end in itertools.pairwise(edges):
                client.send(data[start:end])
            if is_reset:
                client.reset()
            else:
                client.end()
                client.read_to_end()
        except OSError:
            pass  # the server may have had enough
    with RawClient(address, context) as client:
        assert client.ask("/decent", "GET", "Connection: close").text == "decent"
        assert client.is_at_end()


CUTS = st.lists(st.integers(0, 5000), max_size=4)
SAMPLES = [
    make_request("/a/b?c=d", "GET", "Accept: */*"),
    make_request("/", "POST", body=b"hello"),
    make_request("/", "POST", "Transfer-Encoding: chunked")
    + b"5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\n",
    make_request("/", "POST", "Expect: 100-continue", body=b"hello"),
    make_request("/lines") * 3,
    make_request("http://a:80/x", "HEAD", "Connection: keep-alive, x")
    + make_request("*", "OPTIONS"),
    make_handshake() + frame(TEXT, b"hi") + frame(PING) + frame(CLOSE, close_payload(1000)),
]
TOKENS = st.sampled_from(
    [
        *(b"\r\n", b"\n", b"\r", b" ", b":", b"\0", b"\xff", b"0", b"5", b"GET ", b"HTTP/1.1"),
        *(b"chunked", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
        *(b"Host: b\r\n", b"Expect: x\r\n", b"Upgrade: websocket\r\nConnection: upgrade\r\n"),
    ]
)


@HOSTILE
@given(st.binary(max_size=300), CUTS, st.booleans())
def test_garbage_harms_nobody(live: Live, data: bytes, cuts: list[int], is_reset: bool) -> None:
    attack(live.rig, data, cuts, is_reset=is_reset)


@HOSTILE
@given(st.sampled_from(SAMPLES), st.integers(0, 500), CUTS, st.booleans())
def test_truncated_requests_harm_nobody(
    live: Live, sample: bytes, size: int, cuts: list[int], is_reset: bool
) -> None:
    attack(live.rig, sample[:size], cuts, is_reset=is_reset)


@HOSTILE
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 9), TOKENS), min_size=1, max_size=4),
    CUTS,
    st.booleans(),
)
def test_mutated_requests_harm_nobody(
    live: Live, sample: bytes, edits: list[tuple[int, int, bytes]], cuts: list[int], is_reset: bool
) -> None:
    for position, removed, token in edits:
        start = position % len(sample)
        sample = sample[:start] + token + sample[start + removed :]
    attack(live.rig, sample, cuts, is_reset=is_reset)


FRAMES = st.builds(
    frame,
    st.sampled_from([CONT, TEXT, BINARY, CLOSE, PING, PONG, 3, 11]),
    st.one_of(st.binary(max_size=200), st.text(max_size=50).map(str.encode)),
    fin=st.booleans(),
    masked=st.sampled_from([True, True, True, False]),
    rsv=st.sampled_from([0, 0, 0, 0, 4]),
)


@HOSTILE
@given(st.lists(FRAMES, max_size=8), st.binary(max_size=20), CUTS, st.booleans())
def test_any_frames_harm_nobody(
    live: Live, frames: list[bytes], rest: bytes, cuts: list[int], is_reset: bool
) -> None:
    attack(live.rig, make_handshake() + b"".join(frames) + rest, cuts, is_reset=is_reset)
    live.rig.await_no_connections()
    for calls in live.app.sockets.values():
        assert calls[0] is WebSocketOpCode.Open
        assert calls[-1] is WebSocketOpCode.Close
        assert calls.count(WebSocketOpCode.Open) == calls.count(WebSocketOpCode.Close) == 1
    live.app.sockets.clear()
