from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import struct
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.wire.streams import (
    READ,
    WRITE,
    MemoryStream,
    SocketStream,
    Stream,
    TlsStream,
    memory_pair,
    wait_ready,
)
from support.authority import authority
from support.deadlines import scaled

Pair = tuple[Stream, Stream]


def make_plain() -> Pair:
    left, right = socket.socketpair()
    return SocketStream(left), SocketStream(right)


def make_tls() -> Pair:
    ca = authority()
    left, right = socket.socketpair()
    client = TlsStream(left, ca.client_context(), server_hostname="localhost")
    server = TlsStream(right, ca.server_context())
    shake(client, server)
    return client, server


def shake(client: Stream, server: Stream) -> None:
    done = [False, False]
    for _ in range(20):
        done = [
            one or stream.handshake() for one, stream in zip(done, (client, server), strict=True)
        ]
        if all(done):
            # The session tickets of TLS 1.3 come behind the handshake.
            assert client.recv(1) is None
            return
    pytest.fail("the handshake does not end")


def make_memory() -> Pair:
    return memory_pair()


@pytest.fixture(params=[make_plain, make_tls, make_memory], ids=["plain", "tls", "memory"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    make: Callable[[], Pair] = request.param
    left, right = make()
    yield left, right
    left.close()
    right.close()


def read(stream: Stream, max_bytes: int = 65536) -> bytes | None:
    """Receive once there is something, where the system needs a moment."""
    data = stream.recv(max_bytes)
    if data is None and not isinstance(stream, MemoryStream) and wait_ready(stream, READ, 0.2):
        data = stream.recv(max_bytes)
    return data


def test_what_one_end_sends_the_other_receives(pair: Pair) -> None:
    left, right = pair
    assert left.send(b"there") == 5
    assert read(right) == b"there"
    assert right.send(memoryview(b"back")) == 4
    assert read(left) == b"back"


def test_nothing_there_is_none_and_waits_for_reading(pair: Pair) -> None:
    left, _ = pair
    assert left.recv(10) is None
    assert left.blocked_on == READ


def test_no_room_is_0_and_waits_for_writing(pair: Pair) -> None:
    left, right = pair
    block, sent = bytes(65536), 0
    while taken := left.send(block):
        sent += taken
    assert left.blocked_on == WRITE
    received = 0
    while received < sent:
        data = read(right)
        assert data
        received += len(data)
        if left.send(block):
            break
    else:
        pytest.fail("there is never room again")


def test_at_most_so_many_bytes_are_received(pair: Pair) -> None:
    left, right = pair
    left.send(b"abcdef")
    assert read(right, 4) == b"abcd"
    assert read(right, 4) == b"ef"


def test_what_is_decrypted_already_is_pending(pair: Pair) -> None:
    left, right = pair
    assert not right.has_pending()
    left.send(b"abcdef")
    assert read(right, 4) == b"abcd"
    assert right.has_pending() is not isinstance(right, SocketStream)
    assert read(right, 4) == b"ef"
    assert not right.has_pending()


def test_the_end_of_writing_arrives_behind_the_data(pair: Pair) -> None:
    left, right = pair
    left.send(b"last")
    left.shutdown_write()
    assert read(right) == b"last"
    assert read(right) == b""
    assert read(right) == b""


def test_a_close_after_a_goodbye_is_an_orderly_end(pair: Pair) -> None:
    left, right = pair
    left.say_goodbye()
    left.close()
    assert read(right) == b""
    assert getattr(right, "was_cut", False) is False


def test_a_cut_ends_both_directions_and_the_owner_still_closes(pair: Pair) -> None:
    left, right = pair
    left.cut()
    left.cut()
    assert read(left) == b""
    assert read(right) == b""
    with pytest.raises(OSError):
        for _ in range(100):
            left.send(bytes(65536))
    left.close()


def test_an_unfinished_write_of_a_closed_peer_is_an_os_error(pair: Pair) -> None:
    left, right = pair
    right.close()
    with pytest.raises(OSError):
        for _ in range(100):
            left.send(bytes(65536))


def test_closing_twice_is_no_error(pair: Pair) -> None:
    for stream in pair:
        stream.close()
        stream.close()
        stream.cut()
        stream.say_goodbye()
        stream.shutdown_write()


@given(
    pieces=st.lists(st.binary(max_size=30), max_size=15),
    capacity=st.integers(1, 20),
    take=st.integers(1, 20),
)
def test_a_memory_pair_keeps_order_and_bound(pieces: list[bytes], capacity: int, take: int) -> None:
    left, right = memory_pair(capacity)
    received, most = b"", 0
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            sent = left.send(rest)
            rest = rest[sent:]
            most = max(most, sum(map(len, right._inbox)))
            if not sent:
                data = right.recv(take)
                assert data
                received += data
    left.shutdown_write()
    while data := right.recv(take):
        received += data
    assert received == b"".join(pieces)
    assert most <= capacity


def test_an_empty_send_is_not_the_end(pair: Pair) -> None:
    left, right = pair
    assert left.send(b"") == 0
    assert right.recv(10) is None


def test_a_tls_connection_cut_without_a_goodbye_is_told_from_an_orderly_end() -> None:
    client, server = make_tls()
    assert isinstance(client, TlsStream)
    assert isinstance(server, TlsStream)
    client.sock.close()
    assert read(server) == b""
    assert server.was_cut
    server.close()


def test_a_handshake_says_what_it_waits_for() -> None:
    left, right = socket.socketpair()
    client = TlsStream(left, authority().client_context(), server_hostname="localhost")
    assert not client.handshake()
    assert client.blocked_on == READ
    client.close()
    right.close()


def test_a_handshake_without_room_waits_for_writing() -> None:
    left, right = socket.socketpair()
    left.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while left.send(bytes(65536)):
            pass
    client = TlsStream(left, authority().client_context(), server_hostname="localhost")
    assert not client.handshake()
    assert client.blocked_on == WRITE
    client.close()
    right.close()


def test_a_handshake_with_a_babbler_is_an_os_error() -> None:
    left, right = socket.socketpair()
    server = TlsStream(left, authority().server_context())
    right.send(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ssl.SSLError) as raised:
        server.handshake()
    assert isinstance(raised.value, OSError)
    server.close()
    right.close()


def test_a_handshake_whose_peer_vanishes_is_an_os_error() -> None:
    left, right = socket.socketpair()
    server = TlsStream(left, authority().server_context())
    right.close()
    with pytest.raises(OSError):
        server.handshake()
    server.close()


@pytest.mark.parametrize("early", [b"", b"\x16"], ids=["silent", "with data"])
def test_a_peer_that_resets_before_the_handshake_leaves_no_descriptor_open(early: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        peer.sendall(early)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted, _ = listener.accept()
        number = accepted.fileno()
        peer.close()
        with pytest.raises(OSError, match=r"reset by peer|before TLS handshake"):
            TlsStream(accepted, authority().server_context())
        assert accepted.fileno() == -1
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)


def test_a_client_that_does_not_trust_the_server_ends_the_handshake() -> None:
    left, right = socket.socketpair()
    client = TlsStream(left, ssl.create_default_context(), server_hostname="localhost")
    server = TlsStream(right, authority().server_context())
    with contextlib.closing(client), contextlib.closing(server), pytest.raises(ssl.SSLError):
        shake(client, server)


# wait_ready


def test_waiting_ends_when_there_is_something() -> None:
    left, right = make_plain()
    assert not wait_ready(right, READ, 0.0)
    left.send(b"x")
    assert wait_ready(right, READ, scaled(10))
    assert wait_ready(left, WRITE, scaled(10))
    left.close()
    assert wait_ready(right, READ, scaled(10))
    right.close()


def test_waiting_ends_in_time() -> None:
    left, right = make_plain()
    assert not wait_ready(right, READ, 0.01)
    assert not wait_ready(right, READ, -1.0)
    while left.send(bytes(65536)):
        pass
    assert not wait_ready(left, WRITE, 0.01)
    left.close()
    right.close()


def test_waiting_works_without_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    monkeypatch.delattr(select, "poll", raising=False)
    left, right = make_plain()
    assert not wait_ready(right, READ, 0.01)
    left.send(b"x")
    assert wait_ready(right, READ, scaled(10))
    assert wait_ready(left, WRITE, scaled(10))
    left.close()
    right.close()


def test_a_stream_tells_what_it_is() -> None:
    left, right = make_plain()
    assert repr(left) == f"<SocketStream fd {left.fileno()}>"
    left.close()
    right.close()
    client, server = make_tls()
    assert repr(client) == f"<TlsStream fd {client.fileno()} TLSv1.3>"
    client.close()
    server.close()
