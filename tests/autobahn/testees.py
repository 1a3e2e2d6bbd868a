"""What the suite is run against: our server and client, and those of `websockets`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from urllib.parse import quote

import websockets.asyncio.client
import websockets.exceptions
import websockets.sync.server

from kit import HTTPClient, HTTPServer, Request, Resource, WebSocketOpCode, websocket
from kit.errors import ConnectionClosedError
from support.deadlines import scaled

MESSAGE_BYTES = 16 * 1024 * 1024
# More than what the suite gives its longest cases.
CASE_S = 600.0
OURS, THEIRS = "wirekit", "websockets"
# No pings of its own among the suite's, and no time-out because the suite is slow.
PATIENT: dict[str, Any] = {
    "max_size": MESSAGE_BYTES,
    "open_timeout": None,
    "ping_interval": None,
}

Address = tuple[str, int]
Play = Callable[[Address, str], None]


class _Echo(Resource):
    @websocket("/")
    def echo(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if opcode in (WebSocketOpCode.Text, WebSocketOpCode.Binary):
            request.send(payload)


@contextlib.contextmanager
def serve_ours() -> Iterator[str]:
    """Run our server as an echo; the value is its URL."""
    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes(_Echo())
        yield f"ws://127.0.0.1:{server.port}"


@contextlib.contextmanager
def serve_websockets() -> Iterator[str]:
    """Run the server of `websockets` as an echo; the value is its URL."""

    def echo(connection: websockets.sync.server.ServerConnection) -> None:
        with contextlib.suppress(websockets.exceptions.ConnectionClosed):
            for message in connection:
                connection.send(message)

    with websockets.sync.server.serve(echo, "127.0.0.1", 0, **PATIENT) as server:
        thread = threading.Thread(target=server.serve_forever, name="websockets-testee")
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


def play_ours(address: Address, agent: str) -> None:
    """Let our client play all cases of a fuzzing server."""
    with HTTPClient(address) as client:
        opened = client.websocket("/getCaseCount")
        assert opened.receive(scaled(CASE_S))[0] is WebSocketOpCode.Open
        count = int(opened.receive(scaled(CASE_S))[1])
        for number in range(1, count + 1):
            _echo_until_closed(client, f"/runCase?case={number}&agent={quote(agent)}")
        _echo_until_closed(client, f"/updateReports?agent={quote(agent)}")


def _echo_until_closed(client: HTTPClient, path: str) -> None:
    handle = client.websocket(path)
    while True:
        opcode, payload = handle.receive(scaled(CASE_S))
        if opcode is WebSocketOpCode.Close:
            return
        if opcode is not WebSocketOpCode.Open:
            # The case may have ended with messages still on their way to us.
            with contextlib.suppress(ConnectionClosedError):
                handle.send(payload)


def play_websockets(address: Address, agent: str) -> None:
    """Let the client of `websockets` play all cases of a fuzzing server."""
    asyncio.run(_play_websockets(f"ws://{address[0]}:{address[1]}", quote(agent)))


async def _play_websockets(base: str, agent: str) -> None:
    async with websockets.asyncio.client.connect(f"{base}/getCaseCount", **PATIENT) as connection:
        count = int(await connection.recv())
    for number in range(1, count + 1):
        await _echo_with_websockets(f"{base}/runCase?case={number}&agent={agent}")
    await _echo_with_websockets(f"{base}/updateReports?agent={agent}")


async def _echo_with_websockets(url: str) -> None:
    # A case that takes too long has failed, as the suite's own record says.
    with contextlib.suppress(websockets.exceptions.ConnectionClosed, TimeoutError):
        async with (
            asyncio.timeout(scaled(CASE_S)),
            websockets.asyncio.client.connect(url, **PATIENT) as connection,
        ):
            async for message in connection:
                await connection.send(message)


class Testee(NamedTuple):
    """Both roles of one implementation."""

    serve: Callable[[], AbstractContextManager[str]]
    play: Play


TESTEES = {
    OURS: Testee(serve_ours, play_ours),
    THEIRS: Testee(serve_websockets, play_websockets),
}
