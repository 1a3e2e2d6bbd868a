"""Servers for the hard cases; each test ends with proof that they are well."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kit import HTTPServer, Limits
from support.lead import GuardedSelector, current_relay, guard

Serve = Callable[..., HTTPServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers from route tuples or a resource; all are stopped at the end."""
    servers: list[HTTPServer] = []
    guards: list[GuardedSelector] = []

    def start(routes: object, *, limits: Limits | None = None, **options: object) -> HTTPServer:
        server = HTTPServer(("127.0.0.1", 0), limits=limits, **options)  # type: ignore[arg-type]
        server.registerRoutes(routes)  # type: ignore[arg-type]
        server.start()
        servers.append(server)
        relay = current_relay()
        if not isinstance(relay._selector, GuardedSelector):
            guards.append(guard(relay))
        return server

    yield start
    for server in servers:
        server.stop(grace_s=0.05)
    assert [one.overlaps for one in guards] == [0] * len(guards), "two leaders at once"
