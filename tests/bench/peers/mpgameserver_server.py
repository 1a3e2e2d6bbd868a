"""mpgameserver: its rate limit of 5 requests a minute is lifted, or it would answer 429 only."""

from __future__ import annotations

import time
from typing import Any

from mpgameserver import HTTPServer, Resource, Response, get, post
from twisted.internet import reactor

from bench.peers.serving import announce, find_free_port, parse_arguments


class App(Resource):
    """The routes that all servers have."""

    @get("/users/:name")
    def greet(self, request: Any) -> Response:
        return Response(f"hello {request.matches['name']}".encode())

    @get("/slow/:name")
    def greet_late(self, request: Any) -> Response:
        time.sleep(0.01)
        return self.greet(request)

    @post("/json")
    def count(self, request: Any) -> Response:
        return Response(str(len(request.json())).encode())

    @post("/echo")
    def echo(self, request: Any) -> Response:
        return Response(request.stream.read())


def main() -> None:
    """Serve."""
    arguments = parse_arguments()
    port = find_free_port()
    server = HTTPServer(("127.0.0.1", port), arguments.key, arguments.cert)
    server.registerRoutes(App())
    server.router.limiter.insert = lambda _: False
    reactor.callWhenRunning(announce, port)
    # It prints its routes: only the port may come first, which Twisted says when it runs.
    server.router.routes = []
    server.run()


if __name__ == "__main__":
    main()
