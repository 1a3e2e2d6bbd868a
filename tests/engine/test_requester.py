"""A client's connection, turn by turn; tests/client has the rest."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import cast

import pytest

from kit import Limits
from kit.engine.channel import GONE, READ, WRITE
from kit.engine.pool import Pool
from kit.engine.relay import Relay
from kit.engine.requester import Requester
from kit.engine.transaction import Transaction
from kit.wire.streams import SocketStream, wait_ready
from support.deadlines import scaled

LINGER = struct.pack("ii", 1, 0)


class Pooled:
    """Takes what a connection tells its pool."""

    limits = Limits()
    timeout_s = 10.0

    def __init__(self) -> None:
        self.closed: list[Requester] = []

    def end(self, transaction: Transaction, error: BaseException | None) -> None:
        transaction.finish(error)

    def note_closed(self, connection: Requester) -> None:
        self.closed.append(connection)


class Ends:
    """A connection and the server's end of it."""

    def __init__(self) -> None:
        self.pool = Pooled()
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(scaled(10))
            address = server.getsockname()
            transaction = Transaction(
                ("http", *address),
                "GET",
                "/",
                [],
                None,
                sink=None,
                redirects=0,
                finish=lambda _: None,
            )
            self.requester = Requester(
                cast("Relay", None),
                cast("Pool", self.pool),
                transaction.origin,
                [(socket.AF_INET, address)],
                transaction,
            )
            self.server, _ = server.accept()
        self.server.settimeout(scaled(10))

    def await_news(self) -> None:
        """Wait until the client's end can be read from."""
        assert wait_ready(self.requester.stream, READ, scaled(10)), "nothing came"


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.requester.close()
    ends.server.close()


def test_a_wake_up_before_the_connection_is_there_is_passed_over(ends: Ends) -> None:
    there = ends.requester.stream
    with socket.socket() as unconnected:
        ends.requester.stream = SocketStream(unconnected)
        assert ends.requester.step(WRITE) == WRITE
        assert ends.requester.transaction is not None
        assert ends.requester.transaction.state == "connecting"
    ends.requester.stream = there
    ends.requester.step(WRITE)
    assert ends.server.recv(65536).startswith(b"GET / HTTP/1.1\r\n")


def test_a_connection_is_usable_until_the_server_ends_it(ends: Ends) -> None:
    ends.requester.step(WRITE)
    ends.server.recv(65536)
    assert ends.requester.is_usable()
    ends.server.close()
    ends.await_news()
    assert not ends.requester.is_usable()


def test_a_connection_that_the_server_has_reset_is_not_usable(ends: Ends) -> None:
    ends.requester.step(WRITE)
    ends.server.recv(65536)
    ends.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    ends.server.close()
    ends.await_news()
    assert not ends.requester.is_usable()


def test_a_connection_tells_its_end_once(ends: Ends) -> None:
    assert ends.requester.break_off(TimeoutError("late")) == GONE
    ends.requester.close()
    assert ends.pool.closed == [ends.requester]
