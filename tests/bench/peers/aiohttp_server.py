"""aiohttp, without its access log."""

from __future__ import annotations

import asyncio
import time

from aiohttp import WSMsgType, web

from bench.peers.serving import announce, parse_arguments, server_context


async def greet(request: web.Request) -> web.Response:
    return web.Response(text=f"hello {request.match_info['name']}")


async def greet_late(request: web.Request) -> web.Response:
    await asyncio.to_thread(time.sleep, 0.01)
    return await greet(request)


async def count(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.json())))


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def talk(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


async def main() -> None:
    """Serve."""
    app = web.Application(client_max_size=8 << 20)
    app.router.add_get("/users/{name}", greet)
    app.router.add_get("/slow/{name}", greet_late)
    app.router.add_post("/json", count)
    app.router.add_post("/echo", echo)
    app.router.add_get("/ws", talk)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(parse_arguments()))
    await site.start()
    announce(runner.addresses[0][1])
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
