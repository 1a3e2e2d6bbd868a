"""pytest-httpserver: permanent handlers; one thread, or a thread for each request."""

from __future__ import annotations

import re
import threading
import time

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from bench.peers.serving import announce, parse_arguments, server_context


def greet(request: Request) -> Response:
    return Response(f"hello {request.path.rpartition('/')[2]}", mimetype="text/plain")


def greet_late(request: Request) -> Response:
    time.sleep(0.01)
    return greet(request)


def count(request: Request) -> Response:
    return Response(str(len(request.get_json())))


def echo(request: Request) -> Response:
    return Response(request.get_data())


def main() -> None:
    """Serve."""
    arguments = parse_arguments()
    server = HTTPServer(
        port=0, ssl_context=server_context(arguments), threaded=arguments.is_threaded
    )
    server.expect_request(re.compile("^/users/[^/]+$"), "GET").respond_with_handler(greet)
    server.expect_request(re.compile("^/slow/[^/]+$"), "GET").respond_with_handler(greet_late)
    server.expect_request("/json", "POST").respond_with_handler(count)
    server.expect_request("/echo", "POST").respond_with_handler(echo)
    server.start()
    announce(server.port)
    threading.Event().wait()


if __name__ == "__main__":
    main()
