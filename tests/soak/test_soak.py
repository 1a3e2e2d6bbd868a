"""Many connections at once, many requests in a row, many servers one after another.

The sizes are small unless KIT_SOAK is `full`, as `tox -e soak` sets it; then each test
also prints what it measured.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from kit import HTTPServer, Journal, Request, Resource, Response, WebSocketOpCode, get, websocket
from support.deadlines import scaled
from support.lead import current_relay
from support.leaks import find_leaks, take_snapshot
from support.modules import ROOT

IS_FULL = os.environ.get("KIT_SOAK") == "full"

IDLE, BUSY, ROUNDS = (5000, 500, 40) if IS_FULL else (200, 50, 10)
REQUESTS = 200_000 if IS_FULL else 6_000
SERVERS = 10_000 if IS_FULL else 300
BATCH = 50

MAX_BYTES_PER_IDLE_WEBSOCKET = 8 * 1024
MAX_GROWTH_BLOCKS = 2_000
MAX_GROWTH_BYTES = 4 * 1024 * 1024

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="memory is read from /proc"
)


class App(Resource):
    def __init__(self) -> None:
        self.opened = self.closed = 0

    @get("/busy")
    def busy(self, request: Request) -> Response:
        return Response("busy")

    @websocket("/ws")
    def websocket(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        self.opened += opcode is WebSocketOpCode.Open
        self.closed += opcode is WebSocketOpCode.Close
        if opcode is WebSocketOpCode.Text:
            request.send(payload)


def serve(app: App) -> HTTPServer:
    # A small journal, which is full, and so as large as it gets, long before the end.
    server = HTTPServer(("127.0.0.1", 0), journal=Journal(max_exchanges=100))
    server.registerRoutes(app)
    return server.start()


def read_memory_bytes() -> int:
    """Return what the process holds in memory."""
    import resource  # not on Windows, where nothing here runs

    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def show(text: str) -> None:
    if IS_FULL:
        with contextlib.suppress(OSError):
            os.write(2, f"\n{text}\n".encode())


@pytest.fixture
def _many_descriptors() -> Iterator[None]:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + BUSY + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"{wanted} descriptors are needed, {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Crowd:
    """The peers' process; each `step` returns what it came to."""

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "soak.crowd", *map(str, (port, IDLE, BUSY, ROUNDS))],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def step(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the crowd has died"
        return json.loads(line)

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process as process:
            process.kill()


@needs_proc
@pytest.mark.usefixtures("_many_descriptors")
def test_idle_websockets_and_busy_connections_share_one_relay() -> None:
    app = App()
    server = serve(app)
    before = read_memory_bytes()
    with Crowd(server.port) as crowd:
        assert crowd.step() == {"opened": IDLE}
        each = (read_memory_bytes() - before) / IDLE
        crowd.go_on()
        assert crowd.step() == {"connected": BUSY}
        relay, threads = current_relay(), threading.active_count()
        began = time.perf_counter()
        crowd.go_on()
        assert crowd.step() == {"answered": BUSY * ROUNDS}
        took = time.perf_counter() - began
        crowd.go_on()
        assert crowd.step() == {"echoed": IDLE}
        assert current_relay() is relay
        assert len(server._connections) == IDLE + BUSY
        assert app.opened == IDLE
        assert app.closed == 0
        crowd.go_on()
    pause = threading.Event()
    for _ in range(int(scaled(30) * 100)):
        if not server._connections:
            break
        pause.wait(0.01)  # nobody is told of it while the server runs
    assert server.stop() == []
    assert app.closed == IDLE
    show(
        f"{IDLE} idle websockets at {each / 1024:.1f} KiB each; beside them {BUSY} connections "
        f"got {BUSY * ROUNDS} answers in {took:.1f} s, {BUSY * ROUNDS / took:.0f} a second, "
        f"with {threads} threads"
    )
    if IS_FULL:
        assert each < MAX_BYTES_PER_IDLE_WEBSOCKET


def ask(sock: socket.socket, count: int) -> None:
    """Send a batch of requests at once and read all of its answers."""
    sock.sendall(b"GET /busy HTTP/1.1\r\nHost: a\r\n\r\n" * count)
    data = b""
    while data.count(b"\r\n\r\nbusy") < count:
        piece = sock.recv(65536)
        assert piece, "the server closed the connection"
        data += piece


@needs_proc
def test_the_memory_stays_flat_over_many_requests() -> None:
    """Compare what is held after a quarter of the requests with what is held at the end.

    Blocks are those of Python's allocator, which a leak of objects makes more of whatever
    the system's allocator returns; bytes are the resident set, for what lies beside it.
    """
    with serve(App()) as server:
        address = server.addr
        with socket.create_connection(address, scaled(30)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            began = time.perf_counter()
            for _ in range(REQUESTS // BATCH // 4):
                ask(sock, BATCH)
            memory, blocks = read_memory_bytes(), sys.getallocatedblocks()
            for _ in range(REQUESTS // BATCH * 3 // 4):
                ask(sock, BATCH)
            took = time.perf_counter() - began
            grown_bytes = read_memory_bytes() - memory
            grown_blocks = sys.getallocatedblocks() - blocks
        dropped = server.journal.dropped
    show(
        f"{REQUESTS} requests in {took:.1f} s; over the last three quarters of them "
        f"{grown_blocks:+} blocks, {grown_bytes / 1024:+.0f} KiB resident of "
        f"{memory / 1024 / 1024:.0f} MiB"
    )
    assert dropped > 0
    assert grown_blocks < MAX_GROWTH_BLOCKS
    assert grown_bytes < MAX_GROWTH_BYTES


@needs_proc
def test_servers_one_after_another_leave_nothing_behind() -> None:
    serve(App()).stop()
    before, blocks = take_snapshot(), sys.getallocatedblocks()
    began = time.perf_counter()
    for number in range(SERVERS):
        server = serve(App())
        if number % 50 == 0:
            with socket.create_connection(server.addr, scaled(30)) as sock:
                ask(sock, 1)
        assert server.stop() == []
    took = time.perf_counter() - began
    gc.collect()
    grown = sys.getallocatedblocks() - blocks
    assert find_leaks(before) == []
    show(
        f"{SERVERS} servers in {took:.1f} s, {took / SERVERS * 1e6:.0f} us each; "
        f"{grown:+} blocks, no thread, socket or file more"
    )
    assert grown < MAX_GROWTH_BLOCKS
