"""A server that says what went wrong on it: what it keeps, and for how long."""

from __future__ import annotations

import queue
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit import Journal, Request, Response, keep_relay
from kit.testing import CheckedServer, VerificationError
from kit.testing.server import MAX_SUSPECTS
from support.deadlines import scaled

Start = Callable[..., CheckedServer]

WAIT_S = 10.0


@pytest.fixture
def start() -> Iterator[Start]:
    servers = []

    def run(*routes: Any, **options: Any) -> CheckedServer:
        server = CheckedServer(("127.0.0.1", 0), **options)
        server.registerRoutes(list(routes))
        servers.append(server.start())
        return server

    yield run
    for server in servers:
        server.stop(grace_s=scaled(WAIT_S))


def ask(server: CheckedServer, *targets: str) -> None:
    """Send GETs over one connection, and read until it is closed."""
    with socket.create_connection(server.addr, scaled(WAIT_S)) as client:
        for target in targets:
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert client.recv(65536).startswith(b"HTTP/1.1 ")
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass


def hello(request: Request) -> Response:
    return Response("hello")


def test_it_is_named_also_before_it_has_a_port() -> None:
    server = CheckedServer(("127.0.0.1", 0))
    assert server.url_or_addr() == "the server at 127.0.0.1"
    with server:
        assert server.url_or_addr() == server.url


def test_a_server_without_a_gap_tells_of_none(start: Start) -> None:
    server = start(("GET", "/", hello))
    ask(server, "/", "/missing")
    assert server.list_gaps() == []
    with pytest.raises(VerificationError) as caught:
        server.verify()
    assert "dropped" not in str(caught.value)


def test_what_the_journal_has_dropped_is_told_as_a_gap(start: Start) -> None:
    server = start(("GET", "/", hello), journal=Journal(max_exchanges=2))
    ask(server, "/missing", *["/"] * 3)
    gap = (
        "2 exchanges were dropped, as the journal was full: what was still open then "
        "cannot be judged"
    )
    assert server.list_gaps() == [gap]
    with pytest.raises(VerificationError) as caught:
        server.verify()
    lines = str(caught.value).splitlines()
    assert lines[-2:] == [
        gap,
        "where that is meant to happen: server.allow(unmatched=True)",
    ]


def test_problems_beyond_the_bound_are_counted(start: Start) -> None:
    server = start(journal=Journal(max_exchanges=10_000))
    ask(server, *["/missing"] * (MAX_SUSPECTS + 1))
    server.journal.clear()
    assert len(server.problems()) == MAX_SUSPECTS
    assert server.list_gaps() == [
        "1 more exchange may have been a problem, before the last 1000",
    ]


def test_somebody_else_may_go_on_with_its_socket(start: Start) -> None:
    taken: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with keep_relay():
        server = start(("GET", "/", hello))
        assert server.retire(taken.put) == []
        assert not server.is_running
        listener = taken.get(timeout=scaled(10))
        socket.create_connection(server.addr, scaled(WAIT_S)).close()
        assert not listener.is_closed
    assert listener.is_closed


def test_a_server_that_was_never_started_is_not_inherited() -> None:
    server = CheckedServer(("127.0.0.1", 0))
    assert server.retire(lambda listener: pytest.fail("called")) == []
