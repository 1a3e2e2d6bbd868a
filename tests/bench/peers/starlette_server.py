"""Starlette on uvicorn with its faster parts (uvicorn[standard]), without its access log."""

from __future__ import annotations

import time

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bench.peers.serving import announce, find_free_port, parse_arguments


async def greet(request: Request) -> Response:
    return PlainTextResponse(f"hello {request.path_params['name']}")


def greet_late(request: Request) -> Response:
    time.sleep(0.01)
    return PlainTextResponse(f"hello {request.path_params['name']}")


async def count(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.json())))


async def echo(request: Request) -> Response:
    return Response(await request.body())


app = Starlette(
    routes=[
        Route("/users/{name}", greet),
        Route("/slow/{name}", greet_late),
        Route("/json", count, methods=["POST"]),
        Route("/echo", echo, methods=["POST"]),
    ]
)


def main() -> None:
    """Serve."""
    arguments = parse_arguments()
    port = find_free_port()
    announce(port)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        ssl_certfile=arguments.cert,
        ssl_keyfile=arguments.key,
    )


if __name__ == "__main__":
    main()
