"""A server made of plain functions, and what it has been asked."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections.abc import Callable
from typing import Any, Self

from kit import CertificateAuthority, HTTPServer, Journal, Limits, Request, Response
from kit.record import Exchange
from support.deadlines import scaled
from support.raw import RawClient

WAIT_S = 10.0

Handler = Callable[[Request], Any]


@functools.cache
def make_authority() -> CertificateAuthority:
    return CertificateAuthority()


class _Collector(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.ERROR)
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)


class Rig:
    """One server, started with `serve`, and the raw connections to it.

    Attributes:
        calls: the targets of all requests that reached a handler, in order.
        errors: log records of the level ERROR.
    """

    def __init__(self, authority: CertificateAuthority | None) -> None:
        self._authority = authority
        self._stack = contextlib.ExitStack()
        self.server: HTTPServer = None  # type: ignore[assignment]
        self.calls: list[str] = []
        self.errors: list[logging.LogRecord] = []

    def __enter__(self) -> Self:
        handler = _Collector(self.errors)
        logging.getLogger("kit").addHandler(handler)
        self._stack.callback(logging.getLogger("kit").removeHandler, handler)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def is_tls(self) -> bool:
        return self._authority is not None

    @property
    def journal(self) -> Journal:
        return self.server.journal

    def serve(self, *routes: Any, **limits: float) -> HTTPServer:
        """Start the server; `("GET", "/path", handler)` tuples, or resources."""
        context = self._authority.server_context() if self._authority else None
        bounds = Limits(**limits)  # type: ignore[arg-type]
        self.server = HTTPServer(("127.0.0.1", 0), ssl_context=context, limits=bounds)
        for route in routes:
            if isinstance(route, tuple):
                method, pattern, handler = route
                self.server.registerRoutes([(method, pattern, self._counted(handler))])
            else:
                self.server.registerRoutes(route)
        self.server.start()
        self._stack.callback(self.server.stop, grace_s=scaled(WAIT_S))
        return self.server

    def _counted(self, handler: Handler) -> Handler:
        import inspect

        if inspect.iscoroutinefunction(handler):

            @functools.wraps(handler)
            async def count_async(request: Request, *rest: Any) -> Any:
                self.calls.append(request.target)
                return await handler(request, *rest)

            return count_async

        @functools.wraps(handler)
        def count(request: Request, *rest: Any) -> Any:
            self.calls.append(request.target)
            return handler(request, *rest)

        return count

    def connect(self, *, receive_buffer: int | None = None) -> RawClient:
        """Open a connection; it is closed before the server stops."""
        context = self._authority.client_context() if self._authority else None
        address = (self.server.host, self.server.port)
        client = RawClient(address, context, receive_buffer=receive_buffer)
        return self._stack.enter_context(client)

    def await_done(self, count: int = 1, *, failed: bool | None = None) -> list[Exchange]:
        """Wait until this many exchanges are complete or failed."""

        def is_done(exchange: Exchange) -> bool:
            return exchange.is_done and (failed is None or exchange.is_failed is failed)

        return self.journal.wait_for(is_done, count=count, timeout=scaled(WAIT_S))

    def await_no_connections(self) -> None:
        """Wait until every connection is closed on the server's side too."""
        server, pause = self.server, threading.Event()
        for _ in range(int(scaled(WAIT_S) * 100)):
            if not server._connections:
                return
            pause.wait(0.01)  # nobody is told of it while the server runs
        raise AssertionError([one.describe() for one in server._connections])


def await_event(event: threading.Event) -> None:
    assert event.wait(scaled(WAIT_S)), "what the test waits for did not happen in time"


def echo(request: Request) -> Response:
    return Response(request.read())


def hello(request: Request) -> Response:
    return Response("hello")
