from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from kit import StateError
from kit.engine.channel import GONE, PARKED, READ
from kit.engine.listener import BATCH, RETRY_S, Listener
from kit.engine.relay import Relay
from support.deadlines import scaled


class Relayed:
    """Takes what a listener asks of its relay."""

    def __init__(self) -> None:
        self.settled: list[int] = []
        self.later: list[tuple[float, Callable[[], object]]] = []
        self.before_call: Callable[[], object] = lambda: None
        self.is_busy = False

    def call(self, function: Callable[[], object]) -> None:
        if not self.is_busy:
            self.before_call()
            function()

    def settle(self, channel: Listener, want: int) -> None:
        self.settled.append(want)

    def call_later(self, delay_s: float, function: Callable[[], object]) -> None:
        self.later.append((delay_s, function))


class Door:
    """A listening socket with a listener, and those it has welcomed."""

    def __init__(self) -> None:
        self.relay = Relayed()
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.inside: list[socket.socket] = []
        self.outside: list[socket.socket] = []
        self.room = 10_000
        self.listener = Listener(
            cast("Relay", self.relay), self.sock, self.welcome, lambda: len(self.inside) < self.room
        )

    def welcome(self, sock: socket.socket, address: tuple[str, int]) -> None:
        assert sock.getpeername() == address
        self.inside.append(sock)

    def knock(self, count: int) -> None:
        for _ in range(count):
            self.outside.append(
                socket.create_connection(self.sock.getsockname(), timeout=scaled(10))
            )


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    for sock in [*door.inside, *door.outside, door.sock]:
        sock.close()


def test_all_who_wait_are_taken_in_one_turn(door: Door) -> None:
    door.knock(5)
    assert door.listener.turn(READ) == READ
    assert [one.getpeername() for one in door.inside] == [one.getsockname() for one in door.outside]


def test_a_flood_is_taken_in_portions(door: Door) -> None:
    door.knock(BATCH + 3)
    assert door.listener.turn(READ) == READ
    assert len(door.inside) == BATCH
    assert door.listener.turn(READ) == READ
    assert len(door.inside) == BATCH + 3


def test_nobody_there_is_no_error(door: Door) -> None:
    assert door.listener.turn(READ) == READ


def test_without_room_further_ones_wait_and_it_looks_again_later(door: Door) -> None:
    door.room = 2
    door.knock(3)
    assert door.listener.turn(READ) == PARKED
    assert len(door.inside) == 2
    door.listener.parked()
    [(delay_s, go_on)] = door.relay.later
    assert delay_s == RETRY_S
    go_on()
    assert door.relay.settled == [READ]
    door.room = 3
    assert door.listener.turn(READ) in (READ, PARKED)
    assert len(door.inside) == 3


class Failing:
    """A listening socket whose accept fails."""

    def __init__(self, sock: socket.socket, *errors: OSError) -> None:
        self._sock, self._errors = sock, list(errors)

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        if self._errors:
            raise self._errors.pop(0)
        return self._sock.accept()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_an_exhausted_system_is_given_time(
    door: Door, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    door.knock(1)
    door.listener._socket = cast("socket.socket", Failing(door.sock, OSError(code, "no room")))
    with caplog.at_level(logging.WARNING, "kit"):
        assert door.listener.turn(READ) == PARKED
    assert "cannot accept a connection" in caplog.text
    assert door.listener.turn(READ) == READ
    assert len(door.inside) == 1


def test_an_exhausted_system_is_told_once_until_it_recovers(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    def exhaust() -> None:
        full = OSError(errno.EMFILE, "no room")
        door.listener._socket = cast("socket.socket", Failing(door.sock, full, full))
        for _ in range(2):
            assert door.listener.turn(READ) == PARKED

    door.knock(1)
    with caplog.at_level(logging.WARNING, "kit"):
        exhaust()
        assert len(caplog.records) == 1
        assert door.listener.turn(READ) == READ
        exhaust()
        assert len(caplog.records) == 2


def test_a_peer_that_went_away_while_it_waited_is_passed_over(door: Door) -> None:
    door.knock(1)
    gone = ConnectionAbortedError(errno.ECONNABORTED, "gone")
    door.listener._socket = cast("socket.socket", Failing(door.sock, gone))
    assert door.listener.turn(READ) == READ
    assert len(door.inside) == 1


def test_a_shut_listener_refuses_and_stays_shut(door: Door) -> None:
    address = door.sock.getsockname()
    door.listener.shut()
    assert door.relay.settled == [GONE]
    assert door.listener.turn(READ) == GONE
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=scaled(10))
    door.listener._go_on()
    assert door.relay.settled == [GONE]


def test_a_port_that_refuses_is_free_for_nobody_and_accepts_again(door: Door) -> None:
    address = door.sock.getsockname()
    for _ in range(2):
        door.listener.refuse()
    assert door.relay.settled == [PARKED]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=scaled(10))
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(address)
    for _ in range(2):
        door.listener.accept_again()
    assert door.relay.settled == [PARKED, READ]
    door.outside.append(socket.create_connection(address, timeout=scaled(10)))
    door.listener.close()


def test_a_port_that_refuses_does_not_look_for_room(door: Door) -> None:
    door.listener.refuse()
    door.listener.parked()
    door.listener._go_on()  # which it had asked for before
    assert door.relay.later == []
    assert door.relay.settled == [PARKED]
    door.listener.close()


def test_a_port_of_a_server_that_has_stopped_stays_as_it_is(door: Door) -> None:
    door.listener.shut()
    door.listener.refuse()
    door.listener.accept_again()
    assert door.relay.settled == [GONE]


def test_a_server_that_stops_as_its_port_is_switched_stays_stopped(door: Door) -> None:
    door.relay.before_call = door.listener.shut
    door.listener.refuse()
    assert door.relay.settled == [GONE]


def test_why_a_port_cannot_be_switched_is_told_to_who_asked(door: Door) -> None:
    door.sock.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        door.listener.refuse()


def test_a_leader_that_does_not_come_is_not_waited_for_long(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.engine.listener.PATIENCE_S", 0.01)
    door.relay.is_busy = True
    with pytest.raises(StateError) as caught:
        door.listener.refuse()
    assert str(caught.value) == ("the server is too busy: its port could not be switched in time")


def test_a_listener_that_was_full_serves_on_a_real_relay() -> None:
    from kit import HTTPServer, Limits
    from support.talk import Talk

    entered, go = threading.Semaphore(0), threading.Event()

    def hold(request: object) -> object:
        from kit import Response

        entered.release()
        go.wait(scaled(20))
        return Response("held")

    with HTTPServer(("127.0.0.1", 0), limits=Limits(connections=2)) as server:
        server.registerRoutes([("GET", "/hold", hold)])
        with Talk(server.addr) as one, Talk(server.addr) as two, Talk(server.addr) as three:
            for peer in (one, two, three):
                peer.ask("/hold")
            for _ in range(2):
                assert entered.acquire(timeout=scaled(10))
            assert not entered.acquire(blocking=False)
            go.set()
            for peer in (one, two):
                assert peer.read_answer().body == b"held"
                peer.close()
            assert three.read_answer().body == b"held"
