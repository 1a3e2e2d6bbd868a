"""The loop's view: nothing blocks, and callbacks run where and when it polls."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from kit import (
    ErrorResponse,
    HTTPClient,
    JsonResponse,
    LimitError,
    Request,
    Response,
    WaitTimeoutError,
)
from kit.clock import monotonic
from support.deadlines import scaled
from support.loops import poll
from support.scripted import Line, ScriptedServer

Serve = Callable[..., Any]
Connect = Callable[..., HTTPClient]
T = scaled(10)


def hello(request: Request) -> Response:
    return Response(b"hello")


def test_a_request_returns_though_its_host_name_does_not_resolve_yet(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(("GET", "/", hello))
    go_on = threading.Event()
    real = socket.getaddrinfo

    def dawdle(host: Any, *rest: Any, **named: Any) -> Any:
        assert go_on.wait(T)
        return real("127.0.0.1" if host == "slow.test" else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", dawdle)
    client = connect(("slow.test", server.port))
    handles = [client.get("/") for _ in range(5)]
    # If a call blocked, this line would not be reached before the gate opens.
    assert not any(handle.done() for handle in handles)
    client.update()
    assert client.pending() == 5
    go_on.set()
    assert [handle.wait(T).payload for handle in handles] == [b"hello"] * 5


def test_a_request_returns_though_its_server_never_answers(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        client = connect(mute.getsockname())
        began = monotonic()
        handles = [client.get("/") for _ in range(100)]
        client.update()
        assert monotonic() - began < scaled(2)
        assert [handle.done() for handle in handles] == [False] * 100
        assert client.pending() == 100
        client.stop()


def test_a_callback_runs_in_update_on_the_callers_thread(serve: Serve, connect: Connect) -> None:
    client = connect(serve(("GET", "/", hello)))
    threads: list[int] = []
    handle = client.get("/", callback=lambda _: threads.append(threading.get_ident()))
    handle.wait(T)
    assert handle.done()
    assert threads == []
    client.update()
    assert threads == [threading.get_ident()]
    client.update()
    assert len(threads) == 1


def test_a_callback_gets_the_handles_response(serve: Serve, connect: Connect) -> None:
    client = connect(serve(("GET", "/", lambda _: JsonResponse({"a": 1}))))
    got: list[Response] = []
    handle = client.get("/", callback=got.append)
    handle.wait(T)
    client.update()
    assert got == [handle.response]
    assert isinstance(got[0], JsonResponse)


def test_update_drains_everything_that_is_complete(serve: Serve, connect: Connect) -> None:
    client = connect(serve(("GET", "/:n", lambda r: Response(r.matches["n"]))))
    got: list[bytes] = []
    handles = [
        client.get(f"/{n}", callback=lambda response: got.append(response.payload))
        for n in range(50)
    ]
    assert client.pending() == 50
    for handle in handles:
        handle.wait(T)
    assert client.pending() == 50
    client.update()
    assert client.pending() == 0
    assert sorted(got, key=int) == [b"%d" % n for n in range(50)]


def test_responses_are_yielded_after_their_callbacks(serve: Serve, connect: Connect) -> None:
    client = connect(serve(("GET", "/", hello)))
    told: list[str] = []
    handles = [client.get("/", callback=lambda _: told.append("callback")) for _ in range(3)]
    for handle in handles:
        handle.wait(T)
    for handle in client.getResponses():
        assert handle in handles
        told.append("yield")
    assert told == ["callback", "yield"] * 3


def test_responses_that_nobody_takes_stay(serve: Serve, connect: Connect) -> None:
    client = connect(serve(("GET", "/", hello)))
    for handle in [client.get("/") for _ in range(3)]:
        handle.wait(T)
    next(client.getResponses())
    assert client.pending() == 2
    assert len(list(client.getResponses())) == 2
    assert list(client.getResponses()) == []


def test_what_a_callback_raises_surfaces_and_the_rest_stays(serve: Serve, connect: Connect) -> None:
    client = connect(serve(("GET", "/", hello)), max_connections=1)
    got: list[str] = []

    def explode(_: Response) -> None:
        raise RuntimeError("the callback is wrong")

    handles = [
        client.get("/", callback=lambda _: got.append("first")),
        client.get("/", callback=explode),
        client.get("/", callback=lambda _: got.append("last")),
    ]
    for handle in handles:
        handle.wait(T)
    with pytest.raises(RuntimeError, match="the callback is wrong"):
        client.update()
    assert got == ["first"]
    assert client.pending() == 1
    client.update()
    assert got == ["first", "last"]
    assert client.pending() == 0


def test_a_callback_may_begin_requests_and_poll(serve: Serve, connect: Connect) -> None:
    client = connect(serve(("GET", "/", hello)))
    got: list[bytes] = []

    def again(response: Response) -> None:
        got.append(response.payload)
        client.update()
        if len(got) < 5:
            client.get("/", callback=again)

    client.get("/", callback=again)
    poll(client, lambda: len(got) == 5)
    assert client.pending() == 0


def test_a_callback_that_polls_takes_what_its_caller_would_have_taken(
    serve: Serve, connect: Connect
) -> None:
    client = connect(serve(("GET", "/:n", hello)))
    got: list[str] = []

    def poll_too(response: Response) -> None:
        got.append("first begins")
        client.update()
        got.append("first ends")

    handles = [
        client.get("/1", callback=poll_too),
        client.get("/2", callback=lambda _: got.append("second")),
    ]
    for handle in handles:
        handle.wait(T)
    if client._inbox[0] is not handles[0]:
        client._inbox.reverse()  # they are answered in any order
    client.update()
    assert got == ["first begins", "second", "first ends"]
    assert client.pending() == 0


def test_results_can_be_polled_after_the_stop(serve: Serve, connect: Connect) -> None:
    client = connect(serve(("GET", "/", hello)))
    got: list[Response] = []
    client.get("/", callback=got.append).wait(T)
    client.stop()
    client.update()
    assert [response.payload for response in got] == [b"hello"]


def test_more_pending_requests_than_allowed_are_refused(serve: Serve, connect: Connect) -> None:
    client = connect(serve(("GET", "/", hello)), max_pending=2)
    handles = [client.get("/"), client.get("/")]
    with pytest.raises(LimitError) as caught:
        client.get("/")
    assert str(caught.value) == (
        "too many requests are pending: call update(): the limit max_pending is 2"
    )
    for handle in handles:
        handle.wait(T)
    client.update()
    assert client.get("/").wait(T).payload == b"hello"


def test_waiting_has_a_limit_that_says_what_the_request_was_doing(connect: Connect) -> None:
    with ScriptedServer(Line.await_end) as server:
        client = connect(server.addr)
        handle = client.get("/never")
        poll(client, lambda: "waiting for the response" in repr(handle))
        with pytest.raises(WaitTimeoutError) as caught:
            handle.wait(0.01)
        assert str(caught.value) == (
            "GET /never was not done after 0.01 s: waiting for the response"
        )
        assert repr(handle) == "<RequestHandle GET /never: waiting for the response>"
        client.stop()


def test_a_handle_tells_its_request_and_outcome(serve: Serve, connect: Connect) -> None:
    client = connect(serve(("GET", "/", hello)))
    handle = client.get("/")
    assert (handle.method, handle.path) == ("GET", "/")
    handle.wait(T)
    assert handle.response is handle.response
    assert repr(handle) == f"<RequestHandle GET /: {handle.response!r}>"
    assert repr(client).endswith("started, 1 pending>")


def test_requests_from_eight_threads_all_get_their_own_answers(
    serve: Serve, connect: Connect
) -> None:
    client = connect(serve(("GET", "/:n", lambda r: Response(r.matches["n"]))))
    wrong: list[str] = []

    def ask(thread: int) -> None:
        for n in range(25):
            name = f"{thread}-{n}"
            if client.get(f"/{name}").wait(T).payload != name.encode():
                wrong.append(name)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(T)
    assert wrong == []
    assert client.pending() == 200
    client.update()
    assert client.pending() == 0


def test_who_begins_to_wait_as_the_request_is_done_is_woken_at_once(
    serve: Serve, connect: Connect
) -> None:
    handle = connect(serve(("GET", "/", hello))).get("/")
    handle.wait(T)
    woken = threading.Event()
    handle._enlist(woken.set)  # having found it not done a moment ago
    assert woken.is_set()
    assert handle._wakers == ()


def test_several_waiters_of_one_request_all_wake(serve: Serve, connect: Connect, gate: Any) -> None:
    def held(_: Request) -> Response:
        gate.pass_through()
        return Response(b"x")

    handle = connect(serve(("GET", "/", held))).get("/")
    got: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: got.append(handle.wait(T).payload)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    gate.await_arrivals()
    gate.open()
    for thread in threads:
        thread.join(T)
    assert got == [b"x"] * 4


def test_an_async_program_can_hold_a_client(serve: Serve) -> None:
    server = serve(("GET", "/", hello))

    async def run() -> bytes:
        async with HTTPClient(server.addr) as client:
            handle = client.get("/")
            await asyncio.to_thread(handle.wait, T)
            assert handle.response is not None
            return bytes(handle.response.payload)

    assert asyncio.run(run()) == b"hello"


def test_a_refused_connection_is_an_error_response_with_status_0(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        addr = gone.getsockname()
    client = connect(addr)
    response = client.get("/").wait(T)
    assert isinstance(response, ErrorResponse)
    assert response.status_code == 0
    assert isinstance(response.exception.reason, ConnectionRefusedError)  # type: ignore[union-attr]
