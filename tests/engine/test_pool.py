"""What a pool does at the leader's hands, call by call; tests/client/test_pool.py has the rest."""

from __future__ import annotations

import functools
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from kit import Limits, StateError
from kit.engine.channel import GONE, WRITE, Channel
from kit.engine.pool import Pool
from kit.engine.relay import Relay
from kit.engine.requester import Requester
from kit.engine.timers import Call
from kit.engine.transaction import Transaction
from kit.wire.tls import client_context
from support.deadlines import scaled


class Relayed:
    """Takes what a pool asks of its relay; `lead` does it, where the test wants that."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []
        self.slow: list[Callable[[], None]] = []
        self.settled: list[tuple[Channel, int]] = []
        self.turns: list[Channel] = []
        self.is_stopped = False
        self.has_threads = True

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        if self.is_stopped:
            raise StateError("the relay has stopped")
        self.calls.append(functools.partial(function, *arguments))

    def call_later(self, delay_s: float, function: Callable[[], object]) -> Call:
        return Call(delay_s, function)

    def run_slow(self, job: Callable[[], None]) -> None:
        if not self.has_threads:
            raise RuntimeError("can't start new thread")
        self.slow.append(job)

    def settle(self, channel: Channel, want: int) -> None:
        self.settled.append((channel, want))
        channel.is_registered = want != GONE

    def give_turn(self, channel: Channel) -> bool:
        self.turns.append(channel)
        return True

    def lead(self) -> None:
        while self.calls:
            self.calls.pop(0)()


class Bath:
    """A pool, the server it dials, and what became of its transactions."""

    def __init__(self, max_connections: int = 1) -> None:
        self.relay = Relayed()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(scaled(10))
        self.lines: list[socket.socket] = []
        self.done: list[Transaction] = []
        self.pool = Pool(
            cast("Relay", self.relay),
            Limits(),
            get_context=self._get_context,
            timeout_s=10,
            max_connections=max_connections,
        )

    def _get_context(self) -> ssl.SSLContext:
        return client_context()

    def ask(self, host: str = "127.0.0.1") -> Transaction:
        return Transaction(
            ("http", host, self.server.getsockname()[1]),
            "GET",
            "/",
            [],
            None,
            sink=None,
            redirects=0,
            finish=self.done.append,
        )

    def submit(self, transaction: Transaction) -> Transaction:
        self.pool.submit(transaction)
        self.relay.lead()
        return transaction

    def dial(self) -> Requester:
        """Have a connection made, as idle as after its first response."""
        transaction = self.submit(self.ask())
        connection = transaction.connection
        assert connection is not None
        self.lines.append(self.server.accept()[0])
        connection.transaction = None
        transaction.finish()
        self.done.clear()
        assert self.pool.next_for(connection) is None
        return connection

    def close(self) -> None:
        self.relay.is_stopped = False
        self.pool.close(0)
        self.relay.lead()
        for line in [*self.lines, self.server]:
            line.close()

    def why(self, transaction: Transaction) -> str:
        assert self.done == [transaction]
        return str(transaction.error)


@pytest.fixture
def bath() -> Iterator[Bath]:
    bath = Bath()
    yield bath
    bath.close()
    assert not bath.pool._connections


def test_what_is_submitted_to_a_relay_that_has_stopped_is_cancelled(bath: Bath) -> None:
    bath.relay.is_stopped = True
    assert bath.why(bath.submit(bath.ask())) == "the request was cancelled"


def test_a_repeat_on_a_relay_that_has_stopped_is_cancelled(bath: Bath) -> None:
    bath.relay.is_stopped = True
    transaction = bath.ask()
    bath.pool.retry(transaction)
    assert bath.why(transaction) == "the request was cancelled"


def test_a_name_that_is_found_when_the_relay_has_stopped_is_not_dialed(
    bath: Bath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    transaction = bath.submit(bath.ask("name.test"))
    bath.relay.is_stopped = True
    (resolve,) = bath.relay.slow
    resolve()
    assert bath.why(transaction) == "the request was cancelled"


def test_without_a_thread_for_its_name_a_request_fails_and_gives_its_place_back(
    bath: Bath,
) -> None:
    bath.relay.has_threads = False
    transaction = bath.submit(bath.ask("name.test"))
    assert isinstance(transaction.error, OSError)
    assert bath.why(transaction) == "no thread to resolve a name on: can't start new thread"
    assert bath.submit(bath.ask()).connection is not None


def test_an_ipv6_address_with_a_zone_is_left_to_the_resolver(bath: Bath) -> None:
    transaction = bath.submit(bath.ask("fe80::1%eth0"))
    assert transaction.state == "resolving fe80::1%eth0"
    assert len(bath.relay.slow) == 1


def test_a_connection_that_the_server_has_closed_is_not_used(bath: Bath) -> None:
    idle = bath.dial()
    bath.lines[0].close()
    transaction = bath.submit(bath.ask())
    assert idle.is_closed
    assert bath.relay.turns == []
    assert transaction.connection is not idle
    assert (transaction.connection, WRITE) in bath.relay.settled


def test_a_connection_that_is_used_no_more_is_passed_over(bath: Bath) -> None:
    idle = bath.dial()
    idle.close()
    transaction = bath.ask()
    bath.pool._submit(transaction)  # before the pool hears of the end
    assert transaction.connection is None
    assert bath.relay.turns == []
    bath.relay.lead()
    assert transaction.connection is not None


def test_a_repeat_takes_the_place_of_an_idle_connection(bath: Bath) -> None:
    idle = bath.dial()
    transaction = bath.ask()
    bath.pool.retry(transaction)
    bath.relay.lead()
    assert idle.is_closed
    assert transaction.connection is not None
    assert bath.pool._counts[transaction.origin] == 1


@pytest.mark.parametrize("ends", ["cancel", "close"])
def test_a_repeat_that_nobody_waits_for_any_more_is_not_dialed(bath: Bath, ends: str) -> None:
    transaction = bath.ask()
    bath.pool.retry(transaction)
    if ends == "cancel":
        transaction.is_cancelled = True
    else:
        bath.relay.calls.insert(0, bath.pool._shut)
    bath.relay.lead()
    assert bath.why(transaction) == "the request was cancelled"
    assert transaction.connection is None


def test_a_connection_that_falls_free_in_a_closed_pool_is_closed(bath: Bath) -> None:
    connection = bath.dial()
    bath.pool._idle.clear()
    connection.is_registered = False  # busy, so that the pool cannot close it by itself
    bath.pool.close(0)
    bath.relay.lead()
    closed = [connection.is_closed]
    connection.is_parked = True
    assert bath.pool.next_for(connection) is None
    bath.relay.lead()
    assert [*closed, connection.is_closed] == [False, True]
    assert bath.pool._emptied.is_set()


def test_a_cancel_does_not_end_the_connection_of_another_request(bath: Bath) -> None:
    connection = bath.dial()
    first, second = bath.ask(), bath.ask()
    connection.begin(first)
    connection.begin(second)  # the first one has its response by now
    bath.pool.cancel(first)
    bath.relay.lead()
    assert not connection.is_closed
    assert connection.transaction is second
    assert bath.done == []


def test_a_websocket_gives_its_place_back_once(bath: Bath) -> None:
    connection = bath.dial()
    for _ in range(2):
        bath.pool.note_switched(connection)
    bath.relay.lead()
    assert bath.pool._counts[connection.origin] == 0


def test_a_connection_is_forgotten_once(bath: Bath) -> None:
    connection = bath.dial()
    connection.close()
    bath.pool.note_closed(connection)
    bath.relay.lead()
    assert bath.pool._counts[connection.origin] == 0


def test_the_end_of_a_pool_does_not_wait_where_the_relay_has_stopped(bath: Bath) -> None:
    bath.relay.is_stopped = True
    bath.pool.close(scaled(3600))
    assert bath.relay.calls == []
