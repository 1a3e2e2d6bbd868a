"""How long it takes from making a server to its first answer, in one process."""

from __future__ import annotations

import argparse
import json
import socket
import ssl
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

Open = Callable[[], AbstractContextManager[int]]

REQUEST = b"GET /users/ada HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def build_wirekit(cert: str | None, key: str | None) -> Open:
    from kit import HTTPServer, Response

    @contextmanager
    def open_server() -> Iterator[int]:
        with HTTPServer(("127.0.0.1", 0), key, cert) as server:
            server.registerRoutes([("GET", "/users/:name", lambda _: Response("hello ada"))])
            yield server.port

    return open_server


def build_pytest_httpserver(cert: str | None, key: str | None) -> Open:
    from pytest_httpserver import HTTPServer

    @contextmanager
    def open_server() -> Iterator[int]:
        context = None
        if cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
        with HTTPServer(port=0, ssl_context=context) as server:
            server.expect_request("/users/ada").respond_with_data("hello ada")
            yield server.port

    return open_server


SERVERS = {"wirekit": build_wirekit, "pytest-httpserver": build_pytest_httpserver}


def fetch(port: int, context: ssl.SSLContext | None) -> bytes:
    """Make one request on a new connection."""
    with ExitStack() as stack:
        sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
        if context is not None:
            sock = stack.enter_context(context.wrap_socket(sock))
        sock.sendall(REQUEST)
        received = b""
        while part := sock.recv(65536):
            received += part
            if b"hello ada" in received:
                return received
    msg = f"no answer: {received!r}"
    raise SystemExit(msg)


def measure_ms(open_server: Open, context: ssl.SSLContext | None) -> float:
    """Return the milliseconds to the first answer of one more server."""
    start = time.perf_counter()
    with ExitStack() as stack:
        fetch(stack.enter_context(open_server()), context)
        return (time.perf_counter() - start) * 1e3


def main() -> None:
    """Start one server after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("server", choices=SERVERS)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--times", type=int, default=30)
    asked = parser.parse_args()
    context = None
    if asked.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    open_server = SERVERS[asked.server](asked.cert, asked.key)
    first, *others = (measure_ms(open_server, context) for _ in range(asked.times + 1))
    found = {"value": statistics.median(others), "first_ms": first, "max_ms": max(others)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
