from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.engine.channel import EXPIRED, GONE, READ, RESUME, WRITE, Channel
from kit.engine.relay import Relay
from kit.wire.streams import MemoryStream, memory_pair

NO_RELAY = cast("Relay", None)


class Line(Channel):
    """Does what it is told in a turn."""

    def __init__(
        self, stream: MemoryStream, act: Callable[[int], int] = lambda ready: READ
    ) -> None:
        super().__init__(NO_RELAY, stream)
        self.act = act
        self.errors: list[BaseException] = []

    def step(self, ready: int) -> int:
        return self.act(ready)

    def expire(self) -> int:
        return self.act(EXPIRED)

    def fail(self, error: BaseException) -> None:
        self.errors.append(error)


def read_all(stream: MemoryStream) -> bytes:
    received = b""
    while piece := stream.recv(65536):
        received += piece
    return received


@pytest.mark.parametrize("ready", [READ, WRITE, RESUME, EXPIRED])
def test_a_turn_steps_or_expires_and_says_what_is_wanted(ready: int) -> None:
    seen: list[int] = []
    left, _ = memory_pair()

    def act(ready: int) -> int:
        seen.append(ready)
        return WRITE

    line = Line(left, act)
    assert line.turn(ready) == WRITE
    assert seen == [ready]


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), OSError("gone"), SystemExit(1), KeyboardInterrupt(), GeneratorExit()],
)
@pytest.mark.parametrize("ready", [READ, EXPIRED])
def test_whatever_goes_wrong_in_a_turn_ends_the_channel_alone(
    error: BaseException, ready: int
) -> None:
    def act(ready: int) -> int:
        raise error

    left, right = memory_pair()
    line = Line(left, act)
    assert line.turn(ready) == GONE
    assert (line.errors, line.is_closed) == ([error], True)
    assert right.recv(10) == b""
    assert line.turn(READ) == GONE
    assert line.errors == [error]


def test_closing_twice_closes_once() -> None:
    closed = []

    class Counting(MemoryStream):
        def close(self) -> None:
            closed.append(self)

    line = Line(Counting(10))
    line.close()
    line.close()
    assert len(closed) == 1


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=20),
    capacity=st.integers(1, 30),
)
def test_what_is_written_arrives_in_order_however_little_the_peer_takes(
    pieces: list[bytes], capacity: int
) -> None:
    left, right = memory_pair(capacity)
    line = Line(left)
    received = b""
    for piece in pieces:
        line.write(piece)
        received += right.recv(7) or b""
    while not line.flush():
        assert line.unsent_bytes > 0
        assert left.blocked_on == WRITE
        received += read_all(right)
    assert line.unsent_bytes == 0
    assert received + read_all(right) == b"".join(pieces)


def test_unsent_bytes_are_counted() -> None:
    left, right = memory_pair(10)
    line = Line(left)
    line.write(b"x" * 25)
    assert line.unsent_bytes == 15
    line.write(b"y" * 5)
    assert line.unsent_bytes == 20
    right.recv(10)
    assert not line.flush()
    assert line.unsent_bytes == 10


def test_a_write_after_the_peer_is_gone_is_an_os_error() -> None:
    left, right = memory_pair()
    right.close()
    with pytest.raises(BrokenPipeError):
        Line(left).write(b"x")


def test_nothing_to_write_changes_nothing() -> None:
    left, right = memory_pair()
    line = Line(left)
    line.write(b"")
    assert (line.flush(), line.unsent_bytes, right.recv(1)) == (True, 0, None)
