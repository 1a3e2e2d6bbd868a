"""wirekit: default settings, so every exchange is recorded and all limits hold."""

from __future__ import annotations

import time

from bench.peers.serving import announce, parse_arguments
from kit import HTTPServer, Request, Resource, Response, WebSocketOpCode, get, post, websocket


class App(Resource):
    """The routes that all servers have."""

    @get("/users/:name")
    def greet(self, request: Request) -> Response:
        return Response(f"hello {request.matches['name']}")

    @get("/slow/:name")
    def greet_late(self, request: Request) -> Response:
        time.sleep(0.01)
        return Response(f"hello {request.matches['name']}")

    @post("/json")
    def count(self, request: Request) -> Response:
        return Response(str(len(request.json())))

    @post("/echo")
    def echo(self, request: Request) -> Response:
        return Response(request.stream.read())

    @websocket("/ws")
    def talk(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if opcode in {WebSocketOpCode.Text, WebSocketOpCode.Binary}:
            request.send(payload)


def main() -> None:
    """Serve."""
    arguments = parse_arguments()
    server = HTTPServer(("127.0.0.1", 0), arguments.key, arguments.cert)
    server.registerRoutes(App())
    server.start()
    announce(server.port)
    server.run()


if __name__ == "__main__":
    main()
