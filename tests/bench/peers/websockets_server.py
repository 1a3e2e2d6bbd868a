"""The websockets library, on asyncio or, with --threaded, with a thread for each connection."""

from __future__ import annotations

import asyncio

from websockets.asyncio.server import ServerConnection, serve
from websockets.sync.server import ServerConnection as ThreadedConnection
from websockets.sync.server import serve as serve_threaded

from bench.peers.serving import announce, parse_arguments


async def talk(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def talk_threaded(connection: ThreadedConnection) -> None:
    for message in connection:
        connection.send(message)


async def run() -> None:
    async with serve(talk, "127.0.0.1", 0) as server:
        announce(next(iter(server.sockets)).getsockname()[1])
        await server.serve_forever()


def run_threaded() -> None:
    with serve_threaded(talk_threaded, "127.0.0.1", 0) as server:
        announce(server.socket.getsockname()[1])
        server.serve_forever()


if __name__ == "__main__":
    if parse_arguments().is_threaded:
        run_threaded()
    else:
        asyncio.run(run())
