"""Cancelling, at every stage of a request's life, and what the pool makes of it."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit import ErrorResponse, HTTPClient, Request, Response
from kit.clock import monotonic
from support.authority import authority
from support.deadlines import scaled
from support.loops import poll
from support.scripted import Line, ScriptedServer

Serve = Callable[..., Any]
Connect = Callable[..., HTTPClient]
T = scaled(10)


def answer_next(line: Line) -> None:
    line.read_head()
    line.answer(b"next")


def hello(request: Request) -> Response:
    return Response(b"hello")


@pytest.fixture
def held(gate: Any) -> Callable[[Request], Response]:
    def handler(request: Request) -> Response:
        gate.pass_through()
        return Response(b"held")

    return handler


def assert_is_cancelled(handle: Any) -> None:
    assert handle.cancelled()
    assert handle.done()
    response = handle.wait(0)
    assert isinstance(response, ErrorResponse)
    assert response.status_code == 0
    assert str(response.exception.reason) == "the request was cancelled"  # type: ignore[union-attr]
    assert repr(handle) == f"<RequestHandle {handle.method} {handle.path}: cancelled>"


def test_a_cancelled_request_in_flight_ends_its_connection(connect: Connect) -> None:
    asked, ended = threading.Event(), threading.Event()

    def mute(line: Line) -> None:
        line.read_head()
        asked.set()
        line.await_end()
        ended.set()

    with ScriptedServer(mute, answer_next) as server:
        client = connect(server.addr, max_connections=1)
        called: list[object] = []
        handle = client.get("/", callback=called.append)
        assert asked.wait(T)
        assert handle.cancel() is True
        assert_is_cancelled(handle)
        assert client.pending() == 0
        assert ended.wait(T)
        # The pool goes on, and its only place is free again.
        assert client.get("/").wait(T).payload == b"next"
        assert [one.path for one in client.getResponses()] == ["/"]
        assert called == []


def test_a_request_cancelled_while_it_waits_is_never_sent(
    serve: Serve, connect: Connect, gate: Any, held: Any
) -> None:
    server = serve(("GET", "/held", held), ("GET", "/:n", hello))
    client = connect(server, max_connections=1)
    first = client.get("/held")
    gate.await_arrivals()
    second, third = client.get("/second"), client.get("/third")
    assert second.cancel()
    assert_is_cancelled(second)
    gate.open()
    assert first.wait(T).payload == b"held"
    assert third.wait(T).payload == b"hello"
    assert [exchange.path for exchange in server.journal] == ["/held", "/third"]
    assert client.pending() == 2
    client.update()
    assert client.pending() == 0


def test_cancelling_what_is_done_changes_nothing(serve: Serve, connect: Connect) -> None:
    client = connect(serve(("GET", "/", hello)))
    got: list[Response] = []
    handle = client.get("/", callback=got.append)
    handle.wait(T)
    assert handle.cancel() is False
    assert not handle.cancelled()
    client.update()
    assert [response.payload for response in got] == [b"hello"]


def test_cancelling_twice_counts_once(serve: Serve, connect: Connect, held: Any) -> None:
    client = connect(serve(("GET", "/", held)))
    other, handle = client.get("/"), client.get("/")
    assert handle.cancel() is True
    assert handle.cancel() is False
    assert client.pending() == 1
    other.cancel()
    assert client.pending() == 0


def test_a_cancel_wakes_who_waits(serve: Serve, connect: Connect, gate: Any, held: Any) -> None:
    handle = connect(serve(("GET", "/", held))).get("/")
    gate.await_arrivals()
    got: list[Response] = []
    waiter = threading.Thread(target=lambda: got.append(handle.wait(T)))
    waiter.start()
    handle.cancel()
    waiter.join(T)
    assert [response.status_code for response in got] == [0]


@pytest.fixture
def slow_names(monkeypatch: pytest.MonkeyPatch, stack: Any) -> Iterator[tuple[Any, Any]]:
    """The system's resolver, which gives 127.0.0.1 for slow.test once the event is set."""
    go_on, asked = threading.Event(), threading.Semaphore(0)
    real = socket.getaddrinfo

    def dawdle(host: Any, *rest: Any, **named: Any) -> Any:
        if host != "slow.test":
            return real(host, *rest, **named)
        asked.release()
        assert go_on.wait(T)
        return real("127.0.0.1", *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", dawdle)
    yield go_on, asked
    go_on.set()


def test_a_request_cancelled_while_its_name_is_resolved_is_not_dialed(
    serve: Serve, connect: Connect, slow_names: Any
) -> None:
    go_on, asked = slow_names
    server = serve(("GET", "/:n", hello))
    client = connect(("slow.test", server.port), max_connections=1)
    handle, other = client.get("/first"), client.get("/other")
    assert asked.acquire(timeout=T)
    handle.cancel()
    assert_is_cancelled(handle)
    go_on.set()
    assert other.wait(T).payload == b"hello"
    assert [exchange.path for exchange in server.journal] == ["/other"]


def test_resolving_a_name_has_a_time_limit(connect: Connect, slow_names: Any) -> None:
    client = connect(("slow.test", 9), timeout_s=0.05)
    response = client.get("/").wait(T)
    assert isinstance(response, ErrorResponse)
    assert str(response.exception.reason) == (  # type: ignore[union-attr]
        "no progress for 0.05 s while resolving slow.test"
    )


def test_a_client_stopped_while_it_resolves_a_name_says_nothing_in_the_log(
    connect: Connect, slow_names: Any, caplog: pytest.LogCaptureFixture
) -> None:
    go_on, asked = slow_names
    caplog.set_level(logging.ERROR)
    client = connect(("slow.test", 9))
    handle = client.get("/")
    assert asked.acquire(timeout=T)
    stopper = threading.Thread(target=client.stop)
    stopper.start()
    assert handle.wait(T).status_code == 0
    go_on.set()
    stopper.join(T)
    assert handle.cancelled()
    assert caplog.records == []


def test_a_request_can_be_cancelled_in_the_tls_handshake(connect: Connect) -> None:
    ended = threading.Event()

    def mute(line: Line) -> None:
        line.await_end()
        ended.set()

    with ScriptedServer(mute) as server:
        context = authority().client_context()
        client = connect(server.addr, protocol="https", ssl_context=context)
        handle = client.get("/")
        poll(client, lambda: "in the TLS handshake" in repr(handle))
        handle.cancel()
        assert ended.wait(T)


def test_a_request_cancelled_while_it_uploads_stops_to_upload(connect: Connect) -> None:
    begun, ended = threading.Event(), threading.Event()

    def reads_nothing(line: Line) -> None:
        line.read_head()
        begun.set()
        assert stop.wait(T)
        line.await_end()
        ended.set()

    stop = threading.Event()
    with ScriptedServer(reads_nothing) as server:
        client = connect(server.addr)
        handle = client.post("/", bytes(50_000_000))
        assert begun.wait(T)
        handle.cancel()
        stop.set()
        assert ended.wait(T)


def test_a_redirect_is_not_followed_once_cancelled(connect: Connect) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def redirect(line: Line) -> None:
        line.read_head()
        asked.set()
        assert go_on.wait(T)
        # The client may have gone already, by the time any of this is sent.
        with contextlib.suppress(ConnectionError):
            line.answer(b"", "302 Found", "Location: /next")
            assert line.read_head() == b""

    with ScriptedServer(redirect, Line.await_end) as server:
        client = connect(server.addr)
        handle = client.get("/")
        assert asked.wait(T)
        handle.cancel()
        go_on.set()
        client.stop()
        assert server.accepted == 1


def test_a_stop_cancels_what_is_in_flight_and_what_waits(
    serve: Serve, connect: Connect, gate: Any, held: Any
) -> None:
    client = connect(serve(("GET", "/", held)), max_connections=2)
    called: list[object] = []
    handles = [client.get("/", callback=called.append) for _ in range(6)]
    gate.await_arrivals(2)
    began = monotonic()
    client.stop()
    assert monotonic() - began < scaled(1)
    for handle in handles:
        assert_is_cancelled(handle)
    assert client.pending() == 0
    client.update()
    assert called == []
    gate.open()


def test_a_stop_from_a_callback_works(serve: Serve, connect: Connect) -> None:
    client = connect(serve(("GET", "/", hello)))
    client.get("/", callback=lambda _: client.stop()).wait(T)
    client.update()
    assert "stopped" in repr(client)


def test_requests_that_race_a_stop_are_all_done_or_refused(serve: Serve) -> None:
    server = serve(("GET", "/", hello))
    handles: list[Any] = []

    def ask(client: HTTPClient) -> None:
        from kit import StateError

        try:
            while True:
                handles.append(client.get("/"))
                if len(handles) > 5000:
                    return
        except StateError:
            return

    for _ in range(10):
        client = HTTPClient(server.addr).start()
        threads = [threading.Thread(target=ask, args=(client,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        client.stop()
        for thread in threads:
            thread.join(T)
        for handle in handles:
            handle.wait(T)
        client.update()
        assert client.pending() == 0
        handles.clear()


@pytest.mark.parametrize("round_", range(5))
def test_cancels_that_race_answers_lose_nothing(
    serve: Serve, connect: Connect, round_: int
) -> None:
    client = connect(serve(("GET", "/", hello)), max_connections=4)
    got: list[Response] = []
    handles = [client.get("/", callback=got.append) for _ in range(200)]
    cancelled = sum(handle.cancel() for handle in handles[round_::2])
    for handle in handles:
        handle.wait(T)
    client.update()
    assert len(got) == 200 - cancelled
    assert sum(handle.cancelled() for handle in handles) == cancelled
    assert client.pending() == 0
    assert client.get("/").wait(T).payload == b"hello"
