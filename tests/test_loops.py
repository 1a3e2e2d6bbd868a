"""Waiting in asyncio and in trio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from kit import HTTPClient, HTTPServer, StateError, WaitTimeoutError
from kit.loops import LoopSignal, find_trio, run_in_thread
from support.deadlines import scaled

WAIT_S = 10.0

Run = Callable[[Callable[[], Awaitable[Any]]], Any]


def run_asyncio(function: Callable[[], Any]) -> Any:
    return asyncio.run(function())


@pytest.fixture(params=[run_asyncio, trio.run], ids=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param  # type: ignore[no-any-return]


def test_a_thread_wakes_a_coroutine_as_often_as_it_likes(run: Run) -> None:
    async def wait() -> None:
        signal = LoopSignal()
        for _ in range(3):
            thread = threading.Thread(target=signal.set)
            thread.start()
            await signal.wait()
            thread.join()
        signal.close()

    run(wait)


def test_it_wakes_by_itself_when_the_time_is_over(run: Run) -> None:
    async def wait() -> None:
        signal = LoopSignal()
        was_expired = signal.is_expired
        signal.start_timer(0.01)
        signal.start_timer(1000.0)
        await signal.wait()
        assert (was_expired, signal.is_expired) == (False, True)
        signal.close()

    run(wait)


def test_a_loop_that_is_over_is_not_woken(run: Run) -> None:
    async def make() -> LoopSignal:
        return LoopSignal()

    run(make).set()


def test_a_server_and_a_client_are_async_context_managers_in_either(run: Run) -> None:
    async def use() -> None:
        async with HTTPServer(("127.0.0.1", 0)) as server:
            assert server.is_running
            async with HTTPClient(server.addr) as client:
                client.get("/")
                await server.wait_for_async("GET /", timeout=scaled(WAIT_S))
        assert not server.is_running

    run(use)


def test_outside_a_loop_it_says_so() -> None:
    with pytest.raises(StateError) as caught:
        LoopSignal()
    assert str(caught.value) == (
        "no event loop runs here: await this in asyncio or trio, or take what blocks"
    )


def test_trio_is_found_in_its_own_tasks_alone() -> None:
    async def look() -> object:
        return find_trio()

    assert find_trio() is None
    assert trio.run(look) is trio
    assert asyncio.run(look()) is None


def test_what_blocks_runs_in_another_thread(run: Run) -> None:
    threads: list[int] = []

    async def wait() -> None:
        await run_in_thread(lambda: threads.append(threading.get_ident()))

    run(wait)
    assert threads != [threading.get_ident()]


def test_a_server_is_used_in_any_loop(run: Run) -> None:
    async def use() -> None:
        async with HTTPServer(("127.0.0.1", 0)) as server:
            gate = server.hold("GET", "/")
            server.expect("GET", "/").respond("a")

            def ask() -> None:
                import urllib.request

                with urllib.request.urlopen(server.url, timeout=scaled(WAIT_S)) as response:
                    assert response.read() == b"a"

            thread = threading.Thread(target=ask)
            thread.start()
            [request] = await gate.wait_for_async(timeout=scaled(WAIT_S))
            gate.release(request)
            found = await server.wait_for_async("GET /", state="complete", timeout=scaled(WAIT_S))
            assert found[0].status == 200
            with pytest.raises(WaitTimeoutError):
                await server.wait_for_async("GET /never", timeout=0.01)
            await run_in_thread(thread.join)
        assert not server.is_running

    run(use)
