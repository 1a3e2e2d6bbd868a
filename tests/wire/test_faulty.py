"""The stream that does on purpose what goes wrong, over an in-memory pair."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable, Iterable

import pytest

from kit.errors import FaultError
from kit.wire.faulty import PARKED, PIECE_BYTES, Action, End, FaultyStream, Pause
from kit.wire.streams import (
    READ,
    WRITE,
    MemoryStream,
    SocketStream,
    count_in_flight,
    memory_pair,
    wait_ready,
)
from support.deadlines import scaled


class Script:
    """A tamper that says beforehand what is done."""

    def __init__(
        self,
        *answers: Iterable[Action],
        start: Iterable[Action] | None = None,
        end: Iterable[Action] = (),
    ) -> None:
        self.answers = list(answers)
        self.first, self.last = start, end
        self.seen: list[bytes] = []

    @property
    def why_missed(self) -> str:
        return "it always takes place"

    def watch(self, call: Callable[[], None]) -> None:
        call()

    def start(self) -> Iterable[Action] | None:
        return self.first

    def send(self, data: bytes) -> Iterable[Action]:
        self.seen.append(data)
        return self.answers.pop(0) if self.answers else (data,)

    def end(self) -> Iterable[Action]:
        return self.last


def make_pair(
    script: Script | None = None, *, is_server: bool = True, capacity: int = 65536
) -> tuple[FaultyStream, MemoryStream]:
    inner, peer = memory_pair(capacity)
    stream = FaultyStream(inner, is_server=is_server)
    if script is not None:
        stream.apply("broken by a script", script)
    return stream, peer


def test_without_a_tamper_everything_passes() -> None:
    stream, peer = make_pair()

    assert stream.handshake()
    assert stream.send(b"abc") == 3
    assert peer.recv(10) == b"abc"
    assert stream.recv(10) is None
    assert stream.blocked_on == READ
    peer.send(b"def")
    assert stream.has_pending()
    assert stream.recv(10) == b"def"
    stream.shutdown_write()
    assert peer.recv(10) == b""
    stream.close()


def test_a_full_stream_is_told_as_by_the_inner_one() -> None:
    stream, _ = make_pair(capacity=2)

    assert stream.send(b"abc") == 2
    assert stream.send(b"c") == 0
    assert stream.blocked_on == WRITE


def test_what_is_sent_is_altered() -> None:
    stream, peer = make_pair(Script([b"A", b"B"]))

    assert stream.send(b"abc") == 3
    assert peer.recv(10) == b"AB"


def test_bytes_that_follow_each_other_leave_together() -> None:
    stream, peer = make_pair(Script([b"A", b"B", b"C", End.FINISH]))
    stream.send(b"abc")

    assert peer.recv(10) == b"ABC"
    assert peer.recv(10) == b""


def test_a_tamper_is_given_at_most_64_KiB_at_once() -> None:
    script = Script()
    stream, _ = make_pair(script, capacity=1 << 20)

    assert stream.send(bytes(PIECE_BYTES + 1)) == PIECE_BYTES
    assert stream.send(memoryview(b"x")) == 1
    assert [len(piece) for piece in script.seen] == [PIECE_BYTES, 1]


def test_a_piece_counts_as_unsent_until_all_of_it_is_out() -> None:
    script = Script([b"12345", b"6789"])
    stream, peer = make_pair(script, capacity=4)

    assert stream.send(b"abc") == 0
    assert stream.blocked_on == WRITE
    assert peer.recv(10) == b"1234"
    assert stream.send(b"abc") == 0
    assert peer.recv(10) == b"5678"
    assert stream.send(b"abc") == 3
    assert peer.recv(10) == b"9"
    assert script.seen == [b"abc"]


def test_a_pause_is_waited_for_by_nobody_but_a_timer() -> None:
    stream, peer = make_pair(Script([b"a", Pause(3600), b"b"]))

    assert stream.send(b"abc") == 0
    assert stream.blocked_on == PARKED
    assert stream.is_held
    assert 3500 < stream.pause_left_s <= 3600
    assert peer.recv(10) == b"a"
    assert peer.recv(10) is None


def test_a_pause_is_told_once() -> None:
    stream, _ = make_pair(Script([Pause(3600)]))
    stream.send(b"abc")

    told = stream.take_pause()
    assert told is not None
    assert 3500 < told <= 3600
    assert stream.take_pause() is None


def test_a_pause_of_no_time_is_over_at_once() -> None:
    stream, peer = make_pair(Script([b"a", Pause(0), b"b"]))

    assert stream.send(b"abc") == 3
    assert peer.recv(10) == b"a"
    assert peer.recv(10) == b"b"
    assert not stream.is_held


def test_a_reset_breaks_the_stream_and_says_why() -> None:
    stream, peer = make_pair(Script([b"a", End.RESET, b"b"]))

    with pytest.raises(FaultError) as raised:
        stream.send(b"abc")
    assert str(raised.value) == "fault: broken by a script"
    assert raised.value.fault == "broken by a script"
    assert peer.recv(10) == b"a"
    for call in (lambda: stream.recv(10), lambda: stream.send(b"c"), stream.flush):
        with pytest.raises(FaultError, match=r"^fault: broken by a script$"):
            call()


@pytest.mark.parametrize("end", [End.FINISH, End.STALL])
def test_a_server_that_has_ended_swallows_what_comes_until_the_peer_leaves(end: End) -> None:
    stream, peer = make_pair(Script([b"a", end]))

    assert stream.send(b"abc") == 0
    assert stream.blocked_on == READ
    assert stream.is_ended
    assert stream.is_held
    assert stream.is_finished is (end is End.FINISH)
    peer.send(b"never read")
    assert stream.recv(10) is None
    assert not stream.has_pending()
    peer.close()
    with pytest.raises(FaultError, match=r"^fault: broken by a script$"):
        stream.recv(10)


def test_a_stall_sends_no_end_and_a_finish_does() -> None:
    stalled, its_peer = make_pair(Script([b"a", End.STALL]))
    finished, other_peer = make_pair(Script([b"a", End.FINISH]))
    stalled.send(b"abc")
    finished.send(b"abc")

    assert [its_peer.recv(10), its_peer.recv(10)] == [b"a", None]
    assert [other_peer.recv(10), other_peer.recv(10)] == [b"a", b""]


def test_a_frozen_server_reads_nothing() -> None:
    stream, peer = make_pair(Script(start=[End.FREEZE]))
    peer.send(b"upload")

    assert not stream.flush()
    assert stream.blocked_on == PARKED
    assert stream.recv(10) is None
    assert stream.inner.recv(10) == b"upload"


@pytest.mark.parametrize("end", [End.FINISH, End.STALL])
def test_a_client_that_has_ended_goes_on_receiving(end: End) -> None:
    stream, peer = make_pair(Script([b"a", end]), is_server=False)

    assert stream.send(b"abc") == 3
    assert stream.send(b"more") == 4
    assert not stream.is_held
    peer.send(b"answer")
    assert stream.recv(10) == b"answer"
    assert peer.recv(10) == b"a"
    assert peer.recv(10) == (b"" if end is End.FINISH else None)


def test_a_fault_may_take_the_handling_over() -> None:
    inner, peer = memory_pair()
    stream = FaultyStream(inner, is_server=True)

    assert stream.apply("answers itself", Script(start=[b"answer", End.FINISH]))
    assert not stream.flush()
    assert peer.recv(10) == b"answer"
    assert peer.recv(10) == b""


def test_a_fault_may_let_the_handling_be() -> None:
    inner, _ = memory_pair()

    assert not FaultyStream(inner, is_server=True).apply("waits", Script())


def test_a_tamper_comes_off_with_the_end_of_the_message() -> None:
    stream, peer = make_pair(Script([b"A"]))
    stream.send(b"abc")

    assert stream.finish()
    assert stream.send(b"abc") == 3
    assert peer.recv(10) == b"A"
    assert peer.recv(10) == b"abc"


def test_a_fault_may_end_the_connection_behind_the_message() -> None:
    stream, peer = make_pair(Script(end=[End.FINISH]))
    stream.send(b"abc")

    assert not stream.finish()
    assert peer.recv(10) == b"abc"
    assert peer.recv(10) == b""


def test_a_fault_may_break_the_connection_behind_the_message() -> None:
    stream, _ = make_pair(Script(end=[End.RESET]))
    stream.send(b"abc")

    with pytest.raises(FaultError, match=r"^fault: broken by a script$"):
        stream.finish()


def test_no_goodbye_is_said_once_a_fault_has_ended_the_connection() -> None:
    stream, peer = make_pair(Script([End.STALL]))
    stream.send(b"abc")
    stream.say_goodbye()
    stream.shutdown_write()

    assert peer.recv(10) is None


def test_the_rest_is_the_inner_streams() -> None:
    stream, peer = make_pair()
    stream.spoil()
    stream.reset()

    assert stream.fileno() == -1
    assert stream.was_cut is False
    stream.cut()
    assert peer.recv(10) == b""


def test_a_faulty_stream_says_what_it_wraps_and_what_it_does() -> None:
    stream, _ = make_pair()
    assert repr(stream) == f"<FaultyStream over {stream.inner!r}>"

    stream.apply("broken by a script", Script())
    assert repr(stream) == f"<FaultyStream broken by a script over {stream.inner!r}>"


def test_bytes_on_their_way_are_counted_until_the_peers_system_has_them() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        with client, server:
            stream = SocketStream(server)
            assert count_in_flight(stream) == 0
            while stream.send(bytes(65536)):
                pass
            is_known = sys.platform.startswith("linux")
            assert (count_in_flight(stream) > 0) is is_known


def test_nobody_knows_what_is_on_its_way_in_memory() -> None:
    assert count_in_flight(memory_pair()[0]) == 0


def test_a_reset_is_seen_as_one_behind_all_that_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        stream = FaultyStream(SocketStream(accepted), is_server=True)
        stream.apply("broken by a script", Script([b"last words", End.RESET]))
        with client:
            client.settimeout(scaled(10))
            with contextlib.closing(stream), pytest.raises(FaultError):
                while True:  # it waits until the words have arrived
                    stream.send(b"x")
            assert client.recv(100) == b"last words"
            with pytest.raises(ConnectionResetError):
                client.recv(1)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="nobody else counts what is sent")
def test_a_reset_waits_for_what_is_on_its_way_though_the_peer_talks_meanwhile() -> None:
    size = 60_000
    with socket.socket() as listener, socket.socket() as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client.settimeout(scaled(10))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        accepted, _ = listener.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        stream = FaultyStream(SocketStream(accepted), is_server=True)
        stream.apply("broken by a script", Script([bytes(size), End.RESET]))
        with contextlib.closing(stream):
            assert stream.send(b"x") == 0  # the reset waits
            client.sendall(b"y")
            assert wait_ready(stream, READ, scaled(10))
            assert stream.recv(10) == b"y"
            received = 0
            with pytest.raises(FaultError):
                while True:
                    received += len(client.recv(size)) if received < size else 0
                    stream.flush()
        assert received == size
