from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from kit import HTTPClient, HTTPServer, Request, Resource, Response, WebSocketOpCode, websocket
from support.authority import authority
from support.deadlines import scaled
from support.lead import current_relay, settle
from support.talk import Talk

Serve = Callable[..., HTTPServer]


class Doings(Resource):
    """Everything a server may be in the middle of."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Semaphore(0)
        self.wake = threading.Event()

    def sleep(self, request: Request) -> Response:
        self.entered.release()
        self.wake.wait(scaled(20))
        return Response("slept")

    async def sleep_async(self, request: Request) -> Response:
        self.entered.release()
        while not self.wake.is_set():  # noqa: ASYNC110 - an event of threads
            await asyncio.sleep(0.005)
        return Response("slept")

    def large(self, request: Request) -> Response:
        self.entered.release()
        return Response(bytes(32 << 20))

    def stream(self, request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            self.entered.release()
            while True:
                yield bytes(65536)

        return Response(pieces())

    @websocket("/ws")
    def websocket(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if opcode is WebSocketOpCode.Text:
            self.entered.release()
            self.wake.wait(scaled(20))


def wait_until_stopping(server: HTTPServer) -> None:
    """Wait until the leader has told every connection of the stop."""
    listener = server._listener
    assert listener is not None
    pause = threading.Event()
    while not listener.is_closed:
        pause.wait(0.001)
    settle(current_relay())


def serve_doings(serve: Serve, **options: object) -> tuple[HTTPServer, Doings]:
    doings = Doings()
    server = serve(doings, **options)
    server.registerRoutes(
        [
            ("GET", "/sleep", doings.sleep),
            ("GET", "/async", doings.sleep_async),
            ("GET", "/large", doings.large),
            ("GET", "/stream", doings.stream),
        ]
    )
    return server, doings


@pytest.mark.parametrize(
    ("target", "doing"),
    [
        ("/sleep", "in handler Doings.sleep"),
        ("/async", "in handler Doings.sleep_async"),
        ("/large", "sending the response"),
        ("/stream", "sending the response"),
    ],
)
@pytest.mark.parametrize("is_tls", [False, True])
def test_stop_is_bounded_and_names_what_it_cut(
    serve: Serve, target: str, doing: str, is_tls: bool
) -> None:
    ca = authority()
    context = ca.client_context() if is_tls else None
    server, doings = serve_doings(serve, ssl_context=ca.server_context() if is_tls else None)
    with Talk(server.addr, context=context) as peer:
        peer.ask(target)
        assert doings.entered.acquire(timeout=scaled(10))
        began = time.perf_counter()
        told = server.stop(grace_s=0.1)
        took_s = time.perf_counter() - began
        doings.wake.set()
        assert peer.is_ended()
    assert len(told) == 1
    assert f"GET {target}, {doing}" in told[0]
    assert took_s < 0.1 + scaled(3.5)


@pytest.mark.parametrize("target", ["/sleep", "/async"])
def test_a_handler_that_finishes_in_the_grace_period_is_answered(serve: Serve, target: str) -> None:
    server, doings = serve_doings(serve)
    with Talk(server.addr) as peer:
        peer.ask(target)
        assert doings.entered.acquire(timeout=scaled(10))
        told: list[list[str]] = []
        stopping = threading.Thread(target=lambda: told.append(server.stop(grace_s=scaled(10))))
        stopping.start()
        wait_until_stopping(server)
        doings.wake.set()
        answer = peer.read_answer()
        stopping.join(scaled(10))
        assert (answer.body, answer.headers.get("connection")) == (b"slept", "close")
        assert peer.is_ended()
    assert told == [[]]


def test_idle_connections_do_not_hold_stop_up(serve: Serve) -> None:
    server, _ = serve_doings(serve)
    peers = [Talk(server.addr) for _ in range(50)]
    for peer in peers:
        assert peer.get("/none").status == 404
    began = time.perf_counter()
    assert server.stop(grace_s=scaled(10)) == []
    assert time.perf_counter() - began < scaled(2)
    for peer in peers:
        assert peer.is_ended()
        peer.close()


def test_stop_just_as_a_bench_thread_gives_connections_back_waits_for_none(serve: Serve) -> None:
    """A stop that misses a connection in its owner's hands must catch it when it comes back."""
    for attempt in range(20):
        slow_server = HTTPServer(("127.0.0.1", 0))

        def slow(request: Request) -> Response:
            time.sleep(0.012)
            return Response("slow")

        slow_server.registerRoutes([("GET", "/slow", slow)])
        slow_server.start()
        peers = [Talk(slow_server.addr) for _ in range(8)]
        for peer in peers:
            peer.ask("/slow")
        for peer in peers:
            assert peer.read_answer().body == b"slow"
        # The bench threads now wait HOT_S for a next request, then give back.
        threading.Event().wait(0.016 + attempt * 0.0005)
        began = time.perf_counter()
        assert slow_server.stop(grace_s=scaled(10)) == []
        assert time.perf_counter() - began < scaled(2)
        for peer in peers:
            peer.close()


@pytest.mark.parametrize("is_busy", [False, True])
def test_an_open_websocket_hears_that_the_server_goes_away(serve: Serve, is_busy: bool) -> None:
    server, doings = serve_doings(serve)
    with connect(server.ws_url_for("/ws"), open_timeout=scaled(10)) as peer:
        if is_busy:
            peer.send("hold on")
            assert doings.entered.acquire(timeout=scaled(10))
        told: list[list[str]] = []
        stopping = threading.Thread(target=lambda: told.append(server.stop(grace_s=scaled(10))))
        stopping.start()
        if is_busy:
            wait_until_stopping(server)
            doings.wake.set()
        with pytest.raises(ConnectionClosed) as raised:
            peer.recv(timeout=scaled(10))
        stopping.join(scaled(10))
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 1001
    assert told == [[]]


def test_stop_during_everything_at_once(serve: Serve) -> None:
    server, doings = serve_doings(serve)
    other, _ = serve_doings(serve)
    peers = [Talk(server.addr) for _ in range(12)]
    targets = ["/sleep", "/async", "/large", "/stream", "/none", "/sleep"] * 2
    half = Talk(server.addr)
    half.send(b"GET /sle")
    for peer, target in zip(peers, targets, strict=True):
        peer.ask(target)
    for _ in range(10):
        assert doings.entered.acquire(timeout=scaled(10))
    began = time.perf_counter()
    told = server.stop(grace_s=0.1)
    assert time.perf_counter() - began < 0.1 + scaled(3.5)
    assert len(told) == 10
    doings.wake.set()
    for peer in [*peers, half]:
        assert peer.is_ended()
        peer.close()
    with Talk(other.addr) as peer:
        assert peer.get("/none").status == 404


def answer_nearly_too_late(request: Request) -> Response:
    time.sleep(0.006)
    return Response("near")


def test_stop_while_clients_hammer_the_server() -> None:
    for _ in range(15):
        server = HTTPServer(("127.0.0.1", 0))
        server.registerRoutes(
            [
                ("GET", "/quick", lambda request: Response("quick")),
                ("GET", "/near", answer_nearly_too_late),
            ]
        )
        server.start()
        answered = threading.Semaphore(0)

        def hammer(
            target: str, server: HTTPServer = server, answered: threading.Semaphore = answered
        ) -> None:
            try:
                with Talk(server.addr) as peer:
                    while True:
                        assert peer.get(target).status == 200
                        answered.release()
            except (OSError, EOFError):
                pass

        threads = [
            threading.Thread(target=hammer, args=(target,)) for target in ["/quick", "/near"] * 3
        ]
        for thread in threads:
            thread.start()
        for _ in range(20):
            assert answered.acquire(timeout=scaled(10))
        began = time.perf_counter()
        assert server.stop(grace_s=scaled(10)) == []
        assert time.perf_counter() - began < scaled(2)
        for thread in threads:
            thread.join(scaled(10))
            assert not thread.is_alive()


def test_stopping_with_many_handlers_asleep_takes_no_longer_than_with_one(serve: Serve) -> None:
    server, doings = serve_doings(serve)
    peers = [Talk(server.addr) for _ in range(24)]
    for peer in peers:
        peer.ask("/sleep")
    for _ in peers:
        assert doings.entered.acquire(timeout=scaled(10))
    began = time.perf_counter()
    assert len(server.stop(grace_s=0.05)) == 24
    assert time.perf_counter() - began < 0.05 + scaled(4)
    doings.wake.set()
    for peer in peers:
        peer.close()


def test_a_client_stopped_with_requests_on_their_way_ends_them(serve: Serve) -> None:
    server, doings = serve_doings(serve)
    client = HTTPClient(server.addr).start()
    handles = [client.get(target) for target in ["/sleep", "/async", "/stream"]]
    for _ in handles:
        assert doings.entered.acquire(timeout=scaled(10))
    began = time.perf_counter()
    client.stop()
    assert time.perf_counter() - began < scaled(3)
    assert all(handle.done() for handle in handles)
    doings.wake.set()


def test_two_threads_may_stop_one_server_at_once(serve: Serve) -> None:
    server, _ = serve_doings(serve)
    with Talk(server.addr) as peer:
        assert peer.get("/none").status == 404
        relay = current_relay()
        threads = [threading.Thread(target=server.stop) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(scaled(10))
            assert not thread.is_alive()
        assert peer.is_ended()
    assert relay._stopped.is_set()


def test_a_coroutine_that_ignores_its_cancellation_is_given_up() -> None:
    entered, done = threading.Event(), threading.Event()

    async def stubborn(request: Request) -> Response:
        entered.set()
        while not done.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                pass
        return Response("at last")

    server = HTTPServer(("127.0.0.1", 0))
    server.registerRoutes([("GET", "/stubborn", stubborn)])
    server.start()
    relay = current_relay()
    with Talk(server.addr) as peer:
        peer.ask("/stubborn")
        assert entered.wait(scaled(10))
        began = time.perf_counter()
        [told] = server.stop(grace_s=0.05)
        assert "in handler" in told
        assert peer.is_ended()
        assert time.perf_counter() - began < scaled(4)
    done.set()
    assert relay._stopped.is_set()
    assert not server._connections
