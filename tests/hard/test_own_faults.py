"""What goes wrong on our own side: killed handlers, a full disk, a full journal, clocks."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable

import pytest
from freezegun import freeze_time

import kit.clock
from hard.test_processes import PRELUDE, ROOT, needs_rlimit, run_script
from kit import HTTPServer, Journal, Limits, Request, Response, WebSocketOpCode, websocket
from kit.record import Exchange
from kit.routing import Resource
from support.deadlines import scaled
from support.raw import RawClient
from support.raw_websocket import RawWebSocket
from support.talk import Talk
from support.websocket_frames import TEXT

Serve = Callable[..., HTTPServer]


def pong(request: Request) -> Response:
    return Response("pong")


PING = ("GET", "/ping", pong)


# Handlers that are killed


def kill(thread_id: int) -> None:
    """Have SystemExit raised in a thread, wherever it is."""
    count = ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread_id), ctypes.py_object(SystemExit)
    )
    assert count == 1


def test_a_handlers_thread_killed_from_outside_answers_500_and_lives_on(serve: Serve) -> None:
    entered = threading.Semaphore(0)
    threads: list[int] = []

    def spin(request: Request) -> Response:
        threads.append(threading.get_ident())
        entered.release()
        while True:
            time.sleep(0.001)

    server = serve([("GET", "/spin", spin), PING])
    with Talk(server.addr) as peer, Talk(server.addr) as other:
        for number in range(5):
            peer.ask("/spin")
            assert entered.acquire(timeout=scaled(10))
            assert other.get("/ping").body == b"pong"
            kill(threads[number])
            answer = peer.read_answer()
            assert answer.status == 500
            assert b"raised SystemExit" in answer.body
            assert peer.get("/ping").body == b"pong"
    for exchange in server.journal.filter(path="/spin"):
        assert isinstance(exchange.exception, SystemExit)
    with Talk(server.addr) as peer:
        assert peer.get("/ping").body == b"pong"


class Sockets(Resource):
    @websocket("/ws")
    def fail(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if opcode is WebSocketOpCode.Text:
            raise SystemExit(3)


def test_a_websocket_handler_that_exits_closes_its_websocket_alone(serve: Serve) -> None:
    server = serve(Sockets())
    server.registerRoutes([PING])
    with RawClient(server.addr) as one, RawClient(server.addr) as two, Talk(server.addr) as other:
        first, second = RawWebSocket(one), RawWebSocket(two)
        first.send(TEXT, b"go")
        assert first.read_close()[0] == 1011
        second.client.send(b"\x89\x80\0\0\0\0")
        assert second.read().opcode == 10
        assert other.get("/ping").body == b"pong"


# Disks that are full

UPLOAD = """
        import resource, tempfile
        from kit import Limits
        def count(request):
            return Response(str(len(request.read())))
        server = HTTPServer(("127.0.0.1", 0), limits=Limits(spool_bytes=1000, linger_s=0.2))
        server.registerRoutes([("GET", "/ping", pong), ("POST", "/", count)])
        server.start()
        import logging
        logging.getLogger("kit").propagate = False
        told = []
        class Listening(logging.Handler):
            def emit(self, record):
                told.append(record.exc_info[1])
        logging.getLogger("kit").addHandler(Listening())
        def upload(size):
            with socket.create_connection(server.addr, timeout=20) as peer:
                peer.sendall(b"POST / HTTP/1.1\\r\\nHost: h\\r\\nConnection: close\\r\\n")
                peer.sendall(b"Content-Length: %d\\r\\n\\r\\n" % size)
                with contextlib.suppress(ConnectionError):
                    for start in range(0, size, 1000):
                        peer.sendall(b"x" * min(1000, size - start))
                answer = b""
                while data := peer.recv(65536):
                    answer += data
            return answer
        assert upload(50_000).endswith(b"50000")
        for _ in range(5):
            answer = upload(300_000)
            assert answer.startswith(b"HTTP/1.1 507 "), answer
            assert b"the body cannot be stored: [Errno" in answer, answer
            assert fetch(server) == "pong"
        assert upload(50_000).endswith(b"50000")
        assert len(told) == 5 and all(isinstance(error, OSError) for error in told), told
        deadline = time.monotonic() + 20
        while server._connections:
            assert time.monotonic() < deadline, server._connections
            time.sleep(0.01)
        assert server.stop() == []
        print("well")
"""


@needs_rlimit
def test_a_file_that_may_not_grow_refuses_the_upload_alone() -> None:
    limit = """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    """
    done = run_script(limit + UPLOAD)
    assert (done.returncode, done.stdout, done.stderr) == (0, "well\n", "")


# What is mounted in it is seen by nobody else, and goes with the process.
OWN_MOUNTS = (shutil.which("unshare") or "unshare", "--mount")
MOUNT = ("mount", "-t", "tmpfs", "-o", "size=128k", "none", "/mnt")


def can_mount() -> bool:
    try:
        done = subprocess.run([*OWN_MOUNTS, *MOUNT], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def test_a_full_disk_refuses_the_upload_alone() -> None:
    if not can_mount():
        pytest.skip("a file system of its own cannot be mounted")
    mount = f"""
        import subprocess, tempfile
        subprocess.run({MOUNT!r}, check=True)
        tempfile.tempdir = "/mnt"
    """
    program = PRELUDE + textwrap.dedent(mount + UPLOAD)
    done = subprocess.run(
        [*OWN_MOUNTS, sys.executable, "-X", "dev", "-W", "error", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=scaled(60),
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "well\n", "")


# A journal at its bound


def test_a_full_journal_drops_the_oldest_and_hinders_nobody() -> None:
    journal = Journal(max_exchanges=10)
    with HTTPServer(("127.0.0.1", 0), journal=journal) as server:
        server.registerRoutes([("GET", "/:number", pong)])
        with Talk(server.addr) as peer:
            for number in range(100):
                assert peer.get(f"/{number}").body == b"pong"
        assert [exchange.target for exchange in journal] == [f"/{n}" for n in range(90, 100)]
        assert journal.dropped == 90


def test_more_open_exchanges_than_a_journal_holds_are_all_answered() -> None:
    journal = Journal(max_exchanges=5)
    with HTTPServer(("127.0.0.1", 0), journal=journal) as server:
        gate = server.hold("GET", "/held/:number")
        server.registerRoutes([("GET", "/held/:number", pong), PING])
        peers = [Talk(server.addr) for _ in range(20)]
        try:
            for number, peer in enumerate(peers):
                peer.ask(f"/held/{number}")
            gate.wait_for(20, scaled(10))
            assert len(journal) == 5
            assert journal.dropped == 15
            gate.release()
            assert [peer.read_answer().body for peer in peers] == [b"pong"] * 20
            assert peers[0].get("/ping").body == b"pong"
        finally:
            for peer in peers:
                peer.close()
        assert len(journal) == 5


def test_a_journal_at_its_bytes_keeps_what_it_can() -> None:
    journal = Journal(max_bytes=50_000)
    with HTTPServer(("127.0.0.1", 0), journal=journal) as server:
        server.registerRoutes([("POST", "/", lambda request: Response(request.read()))])
        with Talk(server.addr) as peer:
            body = b"x" * 10_000
            for _ in range(20):
                peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n" + body)
                assert peer.read_answer().body == body
        assert 0 < len(journal) < 5
        assert journal.dropped == 20 - len(journal)


# Clocks that jump


def is_sound(exchange: Exchange) -> bool:
    return exchange.is_done and 0 <= exchange.duration_s < scaled(10)


@pytest.mark.parametrize("jump_s", [86_400.0 * 365, -86_400.0 * 365, 3_600.0, -3_600.0])
def test_a_wall_clock_that_jumps_changes_dates_and_no_wait(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    real = kit.clock._REAL_TIME.time
    server = serve([PING], limits=Limits(idle_s=30.0, head_s=30.0))
    gate = server.hold("GET", "/held")
    server.registerRoutes([("GET", "/held", pong)])
    server.expect("GET", "/later").respond("late").delay(0.05)
    with Talk(server.addr) as peer, Talk(server.addr) as held, Talk(server.addr) as begun:
        before = peer.get("/ping").headers["date"]
        held.ask("/held")
        gate.wait_for(1, scaled(10))
        begun.send(b"GET /ping HTTP/1.1\r\n")
        peer.ask("/later")
        monkeypatch.setattr(kit.clock._REAL_TIME, "time", lambda: real() + jump_s)
        assert peer.read_answer().body == b"late"
        assert peer.get("/ping").headers["date"] != before
        gate.release()
        assert held.read_answer().body == b"pong"
        begun.send(b"Host: h\r\n\r\n")
        assert begun.read_answer().body == b"pong"
        monkeypatch.undo()
        assert peer.get("/ping").body == b"pong"
    server.journal.wait_for(is_sound, count=6, timeout=scaled(10))


def test_frozen_time_that_moves_back_and_forth_changes_dates_and_no_wait(serve: Serve) -> None:
    server = serve([PING])
    gate = server.hold("GET", "/held")
    server.registerRoutes([("GET", "/held", pong)])
    dates = []
    with Talk(server.addr) as peer, Talk(server.addr) as held:
        with freeze_time("2030-01-01") as frozen:
            held.ask("/held")
            gate.wait_for(1, scaled(10))
            for moment in ("2040-01-01", "2020-01-01", "2030-01-01"):
                frozen.move_to(moment)
                dates.append(peer.get("/ping").headers["date"])
        gate.release()
        assert held.read_answer().body == b"pong"
    assert [date[12:16] for date in dates] == ["2040", "2020", "2030"]
    server.journal.wait_for(is_sound, count=4, timeout=scaled(10))
