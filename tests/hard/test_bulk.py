from __future__ import annotations

import gc
import hashlib
import io
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, cast

from kit import HTTPClient, HTTPServer, Limits, Request, Resource, Response, WebSocketOpCode, post
from kit import websocket as websocket_route
from support.deadlines import scaled
from support.talk import Talk

Serve = Callable[..., HTTPServer]
MIB = 1 << 20
SIZE = 100 * MIB

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Peak:
    bytes = 0


@contextmanager
def measured() -> Iterator[Peak]:
    peak = Peak()
    gc.collect()
    tracemalloc.start()
    try:
        yield peak
        peak.bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Source(io.RawIOBase):
    """A file of `SIZE` bytes that is nowhere."""

    def __init__(self) -> None:
        self._at = 0
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "was asked for all at once"
        block = bytes([self._at // MIB % 256]) * min(size, SIZE - self._at)
        self._at += len(block)
        self.digest.update(block)
        return block


class Sink(io.RawIOBase):
    """A file that keeps nothing but length and digest."""

    def __init__(self) -> None:
        self.size = 0
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        self.size += len(view)
        self.digest.update(view)
        return len(view)


def test_a_hundred_mebibytes_go_up_and_down_in_bounded_memory(serve: Serve) -> None:
    def take(request: Request) -> Response:
        digest = hashlib.sha256()
        while block := request.stream.read(65536):
            digest.update(block)
        return Response(digest.hexdigest())

    def give(request: Request) -> Response:
        return Response(iter(lambda: source.read(65536), b""))

    source = Source()
    server = serve([("GET", "/down", give)])

    class Up(Resource):
        @post("/large", max_content_length=SIZE)
        def large(self, request: Request) -> Response:
            return take(request)

    server.registerRoutes(Up())
    with HTTPClient(server.addr) as client, measured() as peak:
        upload = Source()
        answer = client.post("/large", cast("IO[bytes]", upload)).wait(scaled(60))
        assert answer.status_code == 200
        assert answer.payload.decode() == upload.digest.hexdigest()
        sink = Sink()
        answer = client.get("/down", sink=cast("IO[bytes]", sink)).wait(scaled(60))
        assert answer.status_code == 200
        assert (sink.size, sink.digest.digest()) == (SIZE, source.digest.digest())
    assert peak.bytes < 16 * MIB


def test_a_thousand_connections_half_of_them_websockets_are_all_answered(serve: Serve) -> None:
    class Echo(Resource):
        @websocket_route("/ws")
        def websocket(
            self, request: Request, opcode: WebSocketOpCode, payload: str | bytes
        ) -> None:
            if opcode is WebSocketOpCode.Text:
                request.send(str(payload) + "!")

    server = serve(Echo())
    server.registerRoutes([("GET", "/:n", lambda request: Response(request.matches["n"]))])
    peers: list[Talk] = []
    try:
        for index in range(1000):
            peers.append(Talk(server.addr))
            if index % 2:
                peers[-1].send(UPGRADE)
        for index, peer in enumerate(peers):
            if index % 2:
                assert peer.read_head().status == 101
        assert len(server._connections) == 1000
        began = time.perf_counter()
        for index, peer in enumerate(peers):
            if index % 2:
                peer.send(b"\x81\x81\x00\x00\x00\x00a")
            else:
                peer.ask(f"/{index}")
        for index, peer in enumerate(peers):
            if index % 2:
                assert peer._file.read(4) == b"\x81\x02a!"
            else:
                assert peer.read_answer().body.decode() == str(index)
        assert time.perf_counter() - began < scaled(10)
        began = time.perf_counter()
        for peer in peers[1::2]:
            peer.send(b"\x88\x82\x00\x00\x00\x00\x03\xe8")
        assert server.stop(grace_s=scaled(10)) == []
        assert time.perf_counter() - began < scaled(5)
    finally:
        for peer in peers:
            peer.close()


def test_connections_beyond_the_bound_wait_for_room(serve: Serve) -> None:
    server = serve(
        [("GET", "/ping", lambda request: Response("pong"))], limits=Limits(connections=4)
    )
    peers = [Talk(server.addr) for _ in range(8)]
    for peer in peers:
        peer.ask("/ping")
    for peer in peers:
        assert peer.read_answer().body == b"pong"
        assert len(server._connections) <= 4
        peer.close()
