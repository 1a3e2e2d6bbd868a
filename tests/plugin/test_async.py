"""Tests that run in an event loop: pytest-asyncio's, or anyio's with asyncio or trio."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]

# An event loop that is blocked for long would let the heartbeat miss beats; a server in
# the same process must answer while a coroutine waits for what comes to it.
WAITS = """
import threading

import anyio
import httpx

{mark}

{backend}

async def ask(server, context, path):
    async with httpx.AsyncClient(base_url=server.url, verify=context, timeout=60) as client:
        return await client.get(path)

async def test_waits_for_what_the_same_loop_sends(kit_server, kit_ca):
    kit_server.expect("GET", "/a").respond("hello")
    texts = []

    async def send():
        texts.append((await ask(kit_server, kit_ca.client_context(), "/a")).text)

    async with anyio.create_task_group() as group:
        group.start_soon(send)
        [exchange] = await kit_server.wait_for_async("GET /a", timeout=60)
        [done] = await kit_server.wait_for_async("GET /a", state="complete", timeout=60)
    assert texts == ["hello"]
    assert exchange is done

async def test_holds_what_the_same_loop_sends(kit_server, kit_ca):
    kit_server.expect("GET", "/a").respond("hello")
    gate = kit_server.hold("GET", "/a")

    async def send():
        await ask(kit_server, kit_ca.client_context(), "/a")

    async with anyio.create_task_group() as group:
        group.start_soon(send)
        [request] = await gate.wait_for_async(timeout=60)
        gate.release(request)

async def test_servers_of_its_own(kit_server_factory):
    async with kit.HTTPServer(("127.0.0.1", 0)) as server:
        assert server.is_running
    assert not server.is_running
    assert kit_server_factory(tls=False).is_running

async def test_waits_in_vain(kit_plain_server):
    with pytest.raises(kit.WaitTimeoutError, match="nothing has arrived"):
        await kit_plain_server.wait_for_async(timeout=0.01)

async def test_fails_for_what_nothing_takes(kit_plain_server):
    assert (await ask(kit_plain_server, True, "/missing")).status_code == 404

async def test_verifies_by_itself(kit_plain_server):
    await ask(kit_plain_server, True, "/missing")
    with pytest.raises(AssertionError, match="unmatched: GET /missing"):
        kit_plain_server.verify()
    kit_plain_server.allow(unmatched=True)
"""

ASYNCIO = ("pytestmark = pytest.mark.asyncio", "")
ANYIO = (
    "pytestmark = pytest.mark.anyio",
    "@pytest.fixture\ndef anyio_backend():\n    return {!r}\n",
)


@pytest.mark.parametrize(
    ("mark", "backend"),
    [
        ASYNCIO,
        (ANYIO[0], ANYIO[1].format("asyncio")),
        (ANYIO[0], ANYIO[1].format("trio")),
    ],
    ids=["pytest-asyncio", "anyio-asyncio", "anyio-trio"],
)
def test_nothing_blocks_a_loop_and_all_is_verified(
    run_tests: RunTests, mark: str, backend: str
) -> None:
    result = run_tests(WAITS.format(mark=mark, backend=backend), autoload=True)
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E * 1 problem on http://127.0.0.1:*:",
            "E * 1 unmatched: GET /missing -> 404",
        ]
    )
    result.stdout.fnmatch_lines(["FAILED test_inner.py::test_fails_for_what_nothing_takes*"])
