"""Servers and clients for the client's tests; all are stopped at the end, clients first."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit import HTTPClient, HTTPServer, Limits
from support.authority import authority
from support.deadlines import scaled

Serve = Callable[..., HTTPServer]
Connect = Callable[..., HTTPClient]

WAIT_S = 10.0


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def serve(stack: contextlib.ExitStack) -> Serve:
    """Start a server: `serve(("GET", "/", handler), ..., tls=False, limits=None)`."""

    def start(
        *routes: Any, tls: bool = False, host: str = "127.0.0.1", limits: Limits | None = None
    ) -> HTTPServer:
        context = authority().server_context() if tls else None
        server = HTTPServer((host, 0), ssl_context=context, limits=limits)
        for route in routes:
            server.registerRoutes([route] if isinstance(route, tuple) else route)
        server.start()
        stack.callback(server.stop, grace_s=scaled(WAIT_S))
        return server

    return start


@pytest.fixture
def connect(stack: contextlib.ExitStack) -> Connect:
    """Start a client for a server, or for an address."""

    def start(server: Any, **options: Any) -> HTTPClient:
        if isinstance(server, tuple):
            return stack.enter_context(HTTPClient(server, **options))
        if server.is_tls:
            options = {"protocol": "https", "ssl_context": authority().client_context(), **options}
        return stack.enter_context(HTTPClient(server.addr, **options))

    return start


class Gate:
    """Holds handlers until it is opened, and counts who has come to it."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self._came = threading.Semaphore(0)

    def open(self) -> None:
        self._opened.set()

    def pass_through(self) -> None:
        self._came.release()
        assert self._opened.wait(scaled(WAIT_S)), "nobody opened the gate"

    def await_arrivals(self, count: int = 1) -> None:
        for _ in range(count):
            assert self._came.acquire(timeout=scaled(WAIT_S)), "not so many came to the gate"


@pytest.fixture
def gate(stack: contextlib.ExitStack) -> Iterator[Gate]:
    """A gate that opens at the latest when the test ends, before the servers stop."""
    gate = Gate()
    yield gate
    gate.open()
