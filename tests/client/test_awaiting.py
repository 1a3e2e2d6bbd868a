"""Waits on handles in an event loop; none of them may block it."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio
from freezegun import freeze_time

from kit import (
    HTTPClient,
    Request,
    RequestHandle,
    Resource,
    Response,
    StateError,
    WaitTimeoutError,
    WebSocketHandle,
    WebSocketOpCode,
    websocket,
)
from kit.clock import monotonic
from support.deadlines import scaled
from support.scripted import Line, ScriptedServer

Serve = Callable[..., Any]
Connect = Callable[..., HTTPClient]
Run = Callable[[Callable[[], Awaitable[None]]], None]
T = scaled(10)

OPEN = (WebSocketOpCode.Open, "")
CLOSED = (WebSocketOpCode.Close, "")


def run_asyncio(function: Callable[[], Any]) -> None:
    asyncio.run(function())


LOOPS: dict[str, Any] = {
    "asyncio": run_asyncio,
    "trio": trio.run,
    "anyio-asyncio": functools.partial(anyio.run, backend="asyncio"),
    "anyio-trio": functools.partial(anyio.run, backend="trio"),
}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    return LOOPS[request.param]  # type: ignore[no-any-return]


@pytest.fixture
def client(serve: Serve, connect: Connect, gate: Any) -> HTTPClient:
    def pass_gate(request: Request) -> Response:
        gate.pass_through()
        return Response("passed")

    return connect(
        serve(("GET", "/gate", pass_gate), ("GET", "/", lambda request: Response("hello")), Echo())
    )


class Echo(Resource):
    @websocket("/ws")
    def echo(self, request: Any, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if opcode == WebSocketOpCode.Text:
            request.send(payload)


async def enlisted(handle: RequestHandle | WebSocketHandle, count: int) -> None:
    """Let the loop run on until so many wait."""
    deadline = monotonic() + T
    while len(handle._wakers) < count:
        assert monotonic() < deadline, "nobody waits"
        await anyio.lowlevel.checkpoint()


# Responses


def test_the_loop_goes_on_while_a_response_is_awaited(
    run: Run, client: HTTPClient, gate: Any
) -> None:
    async def main() -> None:
        handle = client.get("/gate")
        got = []

        async def wait() -> None:
            got.append(await handle.wait_async(T))

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(wait)
            await enlisted(handle, 3)
            assert not handle.done()
            gate.open()
        assert got == [handle.response] * 3
        assert got[0].text() == "passed"

    run(main)


def test_a_thread_and_a_coroutine_may_wait_for_one_response(
    run: Run, client: HTTPClient, gate: Any
) -> None:
    handle = client.get("/gate")
    got: list[Response] = []
    thread = threading.Thread(target=lambda: got.append(handle.wait(T)))

    async def main() -> None:
        thread.start()
        async with anyio.create_task_group() as group:
            group.start_soon(handle.wait_async, T)
            await enlisted(handle, 2)
            gate.open()
        got.append(await handle.wait_async())

    run(main)
    thread.join(T)
    assert got == [handle.response] * 2
    assert handle._wakers == ()


def test_a_response_that_is_there_is_given_at_once(run: Run, client: HTTPClient) -> None:
    handle = client.get("/")
    handle.wait(T)

    async def main() -> None:
        assert (await handle.wait_async(0)).text() == "hello"

    run(main)


def test_a_response_is_awaited_without_a_limit(run: Run, client: HTTPClient, gate: Any) -> None:
    async def main() -> None:
        handle = client.get("/gate")
        got = []

        async def wait() -> None:
            got.append(await handle.wait_async())

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await enlisted(handle, 1)
            gate.open()
        assert [response.text() for response in got] == ["passed"]

    run(main)


def test_an_awaited_response_has_a_limit_that_says_what_the_request_was_doing(
    run: Run, connect: Connect
) -> None:
    async def main(client: HTTPClient) -> None:
        handle = client.get("/never")
        with pytest.raises(WaitTimeoutError, match=r"GET /never was not done after 0\.01 s: "):
            await handle.wait_async(0.01)
        assert handle._wakers == ()
        assert not handle.done()

    with ScriptedServer(Line.await_end) as server:
        client = connect(server.addr)
        run(lambda: main(client))
        client.stop()


def test_a_wait_that_is_cancelled_leaves_the_request_alone(
    run: Run, client: HTTPClient, gate: Any
) -> None:
    async def main() -> None:
        handle = client.get("/gate")
        async with anyio.create_task_group() as group:
            group.start_soon(handle.wait_async, T)
            await enlisted(handle, 1)
            group.cancel_scope.cancel()
        assert handle._wakers == ()
        assert not handle.done()
        gate.open()
        assert (await handle.wait_async(T)).text() == "passed"

    run(main)


@pytest.mark.parametrize(
    "end", [lambda handle, _: handle.cancel(), lambda _, client: client.stop()]
)
def test_a_request_that_is_cancelled_wakes_those_who_wait(
    run: Run, client: HTTPClient, end: Callable[[RequestHandle, HTTPClient], object]
) -> None:
    async def main() -> None:
        handle = client.get("/gate")
        got = []

        async def wait() -> None:
            got.append(await handle.wait_async(T))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await enlisted(handle, 1)
            end(handle, client)
        assert [response.status_code for response in got] == [0]
        assert got[0].text() == "the request was cancelled"

    run(main)


def test_an_awaited_time_limit_is_real_where_time_is_frozen(
    run: Run, client: HTTPClient, gate: Any
) -> None:
    async def main() -> None:
        handle = client.get("/gate")
        began = monotonic()
        with pytest.raises(WaitTimeoutError):
            await handle.wait_async(0.2)
        assert 0.15 < monotonic() - began < T
        gate.open()
        assert (await handle.wait_async(T)).text() == "passed"

    with freeze_time("2031-04-05", real_asyncio=True):
        run(main)


def test_outside_a_loop_there_is_nothing_to_await(client: HTTPClient, gate: Any) -> None:
    coroutines = [client.get("/gate").wait_async(), client.websocket("/ws").receive_async()]
    for coroutine in coroutines:
        with pytest.raises(StateError, match="no event loop runs here"):
            coroutine.send(None)
    gate.open()


# Messages


def test_the_messages_of_a_websocket_are_awaited_in_order(run: Run, client: HTTPClient) -> None:
    async def main() -> None:
        ws = client.websocket("/ws")
        assert await ws.receive_async(T) == OPEN
        ws.send("a")
        ws.send("b")
        assert await ws.receive_async() == (WebSocketOpCode.Text, "a")
        assert await ws.receive_async(T) == (WebSocketOpCode.Text, "b")
        ws.close()
        assert await ws.receive_async(T) == CLOSED
        with pytest.raises(StateError) as caught:
            await ws.receive_async(T)
        assert str(caught.value) == "websocket /ws is closed, and its Close was received"

    run(main)


def test_the_loop_goes_on_while_a_message_is_awaited(run: Run, client: HTTPClient) -> None:
    async def main() -> None:
        ws = client.websocket("/ws")
        assert await ws.receive_async(T) == OPEN
        got = []

        async def receive() -> None:
            got.append(await ws.receive_async(T))

        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(receive)
            await enlisted(ws, 2)
            ws.send("a")
            ws.send("b")
        assert sorted(got) == [(WebSocketOpCode.Text, "a"), (WebSocketOpCode.Text, "b")]
        assert ws._wakers == []

    run(main)


def test_a_close_ends_the_wait_of_everybody(run: Run, client: HTTPClient) -> None:
    async def main() -> None:
        ws = client.websocket("/ws")
        assert await ws.receive_async(T) == OPEN
        got: list[object] = []

        async def receive() -> None:
            try:
                got.append(await ws.receive_async(T))
            except StateError as error:
                got.append(str(error))

        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(receive)
            await enlisted(ws, 2)
            ws.close()
        assert got == [CLOSED, "websocket /ws is closed, and its Close was received"]

    run(main)


def test_a_wait_that_is_cancelled_takes_no_message(run: Run, client: HTTPClient) -> None:
    async def main() -> None:
        ws = client.websocket("/ws")
        assert await ws.receive_async(T) == OPEN
        async with anyio.create_task_group() as group:
            group.start_soon(ws.receive_async, T)
            await enlisted(ws, 1)
            group.cancel_scope.cancel()
        assert ws._wakers == []
        ws.send("kept")
        assert await ws.receive_async(T) == (WebSocketOpCode.Text, "kept")

    run(main)


def test_an_awaited_message_has_a_limit(run: Run, client: HTTPClient) -> None:
    async def main() -> None:
        ws = client.websocket("/ws")
        assert await ws.receive_async(T) == OPEN
        with pytest.raises(WaitTimeoutError) as caught:
            await ws.receive_async(0.01)
        assert str(caught.value) == "nothing arrived on websocket /ws within 0.01 s"
        assert ws._wakers == []

    run(main)


def test_messages_for_a_callback_are_not_awaited(run: Run, client: HTTPClient) -> None:
    async def main() -> None:
        ws = client.websocket("/ws", callback=lambda opcode, payload: None)
        with pytest.raises(StateError) as caught:
            await ws.receive_async(T)
        assert str(caught.value) == (
            "this websocket has a callback, which gets its messages in update()"
        )

    run(main)
