"""Live servers for the assertions on what was recorded; stopped at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit import HTTPServer
from support.authority import authority
from support.deadlines import scaled

Serve = Callable[..., HTTPServer]

WAIT_S = 10.0


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server: `serve(("GET", "/", handler), ..., tls=False, names=())`."""
    with contextlib.ExitStack() as stack:

        def start(
            *routes: Any, tls: bool = False, names: tuple[str, ...] = (), host: str = "127.0.0.1"
        ) -> HTTPServer:
            context = authority().server_context(*names) if tls else None
            server = HTTPServer((host, 0), ssl_context=context)
            for route in routes:
                server.registerRoutes([route] if isinstance(route, tuple) else route)
            server.start()
            stack.callback(server.stop, grace_s=scaled(WAIT_S))
            return server

        yield start
