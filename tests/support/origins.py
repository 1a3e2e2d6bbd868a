"""HTTP servers that no one here wrote, all with the same resources."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gzip
import hashlib
import http.server
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest_httpserver
import werkzeug
from aiohttp import web

from support.deadlines import scaled

Pairs = list[tuple[str, str]]


@dataclasses.dataclass
class Asked:
    """A request as a server saw it."""

    method: str
    path: str
    query: str
    pairs: Pairs
    body: bytes
    peer: tuple[str, int]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.pairs if key.lower() == name.lower()), None)


@dataclasses.dataclass
class Given:
    """A response that a server is to send."""

    body: bytes = b""
    status: int = 200
    pairs: Pairs = dataclasses.field(default_factory=list)
    is_streamed: bool = False


class Book:
    """What the servers answer, and what they were asked."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was asked."""
        self.asked: list[Asked] = []
        self.release = threading.Event()
        """Until it is set, /held does not answer."""
        self.arrived = threading.Event()
        """Set when /held was asked for."""

    def answer(self, asked: Asked) -> Given:
        self.asked.append(asked)
        name = asked.path.strip("/").partition("/")[0].replace("-", "_")
        method: Callable[[Asked], Given] | None = getattr(self, f"give_{name}", None)
        return Given(b"nothing here", 404) if method is None else method(asked)

    def give_json(self, asked: Asked) -> Given:
        told = {
            "method": asked.method,
            "path": asked.path,
            "query": parse_qs(asked.query, keep_blank_values=True),
            "length": len(asked.body),
            "sha256": hashlib.sha256(asked.body).hexdigest(),
            "type": asked.header("Content-Type"),
            "coding": asked.header("Transfer-Encoding"),
            "authorization": asked.header("Authorization"),
            "cookie": asked.header("Cookie"),
            "host": asked.header("Host"),
        }
        return Given(json.dumps(told).encode(), 200, [("Content-Type", "application/json")])

    def give_bytes(self, asked: Asked) -> Given:
        return Given(bytes(range(256)), 200, [("Content-Type", "application/octet-stream")])

    def give_large(self, asked: Asked) -> Given:
        return Given(bytes(range(256)) * 32768)

    def give_echo(self, asked: Asked) -> Given:
        return Given(asked.body, 200, [("Content-Type", asked.header("Content-Type") or "")])

    def give_streamed(self, asked: Asked) -> Given:
        return Given(b"0123456789" * 100_000, is_streamed=True)

    def give_packed(self, asked: Asked) -> Given:
        assert asked.header("Accept-Encoding") == "gzip"
        pairs = [("Content-Encoding", "gzip"), ("Content-Type", "text/plain; charset=utf-8")]
        return Given(gzip.compress("grüße\n".encode() * 10_000), 200, pairs)

    def give_packed_streamed(self, asked: Asked) -> Given:
        return dataclasses.replace(self.give_packed(asked), is_streamed=True)

    def give_status(self, asked: Asked) -> Given:
        status = int(asked.path.rpartition("/")[2])
        if status in (204, 304):
            return Given(b"", status)
        pairs = [("Content-Type", "application/json")]
        return Given(json.dumps({"status": status}).encode(), status, pairs)

    def give_cookies(self, asked: Asked) -> Given:
        return Given(b"", 200, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/")])

    def give_redirect(self, asked: Asked) -> Given:
        """/redirect/302?to=<where>."""
        status = int(asked.path.rpartition("/")[2])
        return Given(b"elsewhere", status, [("Location", parse_qs(asked.query)["to"][0])])

    def give_loop(self, asked: Asked) -> Given:
        return Given(b"again", 302, [("Location", "/loop")])

    def give_closing(self, asked: Asked) -> Given:
        return Given(b"bye", 200, [("Connection", "close")])

    def give_held(self, asked: Asked) -> Given:
        self.arrived.set()
        assert self.release.wait(scaled(20))
        return Given(b"at last")


@dataclasses.dataclass
class Origin:
    """A running server."""

    address: tuple[str, int]
    scheme: str
    book: Book
    keeps_alive: bool = True
    streams_chunked: bool = True
    takes_chunked: bool = True

    def url(self, path: str) -> str:
        return f"{self.scheme}://{self.address[0]}:{self.address[1]}{path}"


def _pieces(body: bytes) -> Iterator[bytes]:
    for at in range(0, len(body), 10_000):
        yield body[at : at + 10_000]


@contextlib.contextmanager
def run_werkzeug(book: Book, context: ssl.SSLContext | None) -> Iterator[Origin]:
    """pytest-httpserver, which is werkzeug."""

    def handle(request: werkzeug.Request) -> werkzeug.Response:
        peer = (request.remote_addr or "", int(request.environ.get("REMOTE_PORT", 0)))
        given = book.answer(
            Asked(
                request.method,
                request.path,
                request.query_string.decode(),
                list(request.headers.items()),
                request.get_data(),
                peer,
            )
        )
        body: Any = _pieces(given.body) if given.is_streamed else given.body
        response = werkzeug.Response(body, given.status)
        response.headers.clear()
        if not given.is_streamed and given.status not in (204, 304):
            response.headers["Content-Length"] = str(len(given.body))
        for name, value in given.pairs:
            response.headers.add(name, value)
        return response

    server = pytest_httpserver.HTTPServer("127.0.0.1", 0, ssl_context=context, threaded=True)
    server.expect_request(re.compile(".*")).respond_with_handler(handle)
    with server:
        address = ("127.0.0.1", server.port)
        # werkzeug closes after each response.
        yield Origin(address, "https" if context else "http", book, keeps_alive=False)
    server.check()


@contextlib.contextmanager
def run_aiohttp(book: Book, context: ssl.SSLContext | None) -> Iterator[Origin]:
    """aiohttp's server, on a thread with a loop of its own."""

    async def handle(request: web.Request) -> web.StreamResponse:
        asked = Asked(
            request.method,
            request.path,
            request.query_string,
            list(request.headers.items()),
            await request.read(),
            (request.transport.get_extra_info("peername")[:2] if request.transport else ("", 0)),
        )
        if asked.path == "/held":
            given = await asyncio.to_thread(book.answer, asked)
        else:
            given = book.answer(asked)
        pairs = [(name, value) for name, value in given.pairs if name != "Connection"]
        if not given.is_streamed:
            response = web.Response(body=given.body, status=given.status)
            _set_headers(response, pairs)
            if ("Connection", "close") in given.pairs:
                response.force_close()
            return response
        stream = web.StreamResponse(status=given.status)
        _set_headers(stream, pairs)
        stream.enable_chunked_encoding()
        await stream.prepare(request)
        for piece in _pieces(given.body):
            await stream.write(piece)
        await stream.write_eof()
        return stream

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", handle)
    with serve_aiohttp(app, context) as address:
        yield Origin(address, "https" if context else "http", book)


def _set_headers(response: web.StreamResponse, pairs: Pairs) -> None:
    response.headers.popall("Content-Type", None)
    for name, value in pairs:
        response.headers.add(name, value)


@contextlib.contextmanager
def serve_aiohttp(
    app: web.Application, context: ssl.SSLContext | None
) -> Iterator[tuple[str, int]]:
    started = threading.Event()
    addresses: list[tuple[str, int]] = []
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=scaled(1)
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        addresses.append(runner.addresses[0][:2])
        loops.append((asyncio.get_running_loop(), asyncio.Event()))
        started.set()
        await loops[0][1].wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="aiohttp-origin")
    thread.start()
    assert started.wait(scaled(20))
    try:
        yield addresses[0]
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(scaled(20))


class _StdlibHandler(http.server.BaseHTTPRequestHandler):
    book: Book

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        given = self.book.answer(
            Asked(
                self.command,
                path,
                query,
                list(self.headers.items()),
                self.rfile.read(length),
                self.client_address[:2],
            )
        )
        self.send_response(given.status)
        for name, value in given.pairs:
            self.send_header(name, value)
        if self.protocol_version == "HTTP/1.1" and given.status not in (204, 304):
            self.send_header("Content-Length", str(len(given.body)))
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(ConnectionError):
                self.wfile.write(given.body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = _answer  # noqa: N815


class _StdlibServer(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # of many connections at once the default of 5 would lose some

    def shutdown_request(self, request: Any) -> None:
        """End TLS in good order: here the end of the connection is that of the body."""
        if isinstance(request, ssl.SSLSocket):
            request.settimeout(scaled(5))
            with contextlib.suppress(OSError, ValueError):
                request.unwrap()
        super().shutdown_request(request)


def _run_stdlib(book: Book, context: ssl.SSLContext | None, version: str) -> Iterator[Origin]:
    handler = type("Handler", (_StdlibHandler,), {"book": book, "protocol_version": version})
    with _StdlibServer(("127.0.0.1", 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="stdlib-origin")
        thread.start()
        try:
            address = ("127.0.0.1", server.server_address[1])
            yield Origin(
                address,
                "https" if context else "http",
                book,
                keeps_alive=version == "HTTP/1.1",
                streams_chunked=False,
                takes_chunked=False,
            )
        finally:
            server.shutdown()
            thread.join(scaled(20))


@contextlib.contextmanager
def run_stdlib(book: Book, context: ssl.SSLContext | None) -> Iterator[Origin]:
    """http.server with HTTP/1.0: bodies end with the connection."""
    yield from _run_stdlib(book, context, "HTTP/1.0")


@contextlib.contextmanager
def run_stdlib_kept_alive(book: Book, context: ssl.SSLContext | None) -> Iterator[Origin]:
    """http.server with HTTP/1.1 and lengths."""
    yield from _run_stdlib(book, context, "HTTP/1.1")


ORIGINS: dict[str, Callable[..., contextlib.AbstractContextManager[Origin]]] = {
    "werkzeug": run_werkzeug,
    "aiohttp": run_aiohttp,
    "stdlib-1.0": run_stdlib,
    "stdlib-1.1": run_stdlib_kept_alive,
}


Script = Callable[[socket.socket], None]


@contextlib.contextmanager
def played(*scripts: Script) -> Iterator[tuple[str, int]]:
    """Serve each connection with the next of the scripts."""

    def play() -> None:
        for script in scripts:
            connection, _ = listener.accept()
            connection.settimeout(scaled(20))
            with connection:
                script(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(scaled(20))
        thread = threading.Thread(target=play)
        thread.start()
        yield listener.getsockname()
        thread.join(scaled(30))


def read_head(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(4096)
        assert piece, data
        data += piece
    return data
