"""A connection of literal bytes, over a pair of sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from kit.errors import (
    ConfigurationError,
    ConnectionClosedError,
    LimitError,
    RemoteProtocolError,
    WaitTimeoutError,
)
from kit.opcodes import WebSocketOpCode
from kit.testing import RawConnection, RawFrame, RawResponse, make_frame
from kit.testing.raw import parse_head, read_body, read_chunks
from support.deadlines import scaled

Pair = tuple[RawConnection, RawConnection]


class Client(RawConnection):
    is_client = True


@pytest.fixture
def pair() -> Iterator[Pair]:
    left, right = socket.socketpair()
    with (
        Client(left, timeout_s=scaled(20)) as one,
        RawConnection(right, timeout_s=scaled(20)) as two,
    ):
        yield one, two


def test_bytes_cross_as_they_are(pair: Pair) -> None:
    left, right = pair
    left.send(b"GET / HTTP/1.1\nno: end")
    left.send_pieces([b"\n\n", b"", b"and more\r\n\r\n"])

    assert right.read_exactly(14) == b"GET / HTTP/1.1"
    assert right.read_until(b"\n\n") == b"\nno: end\n\n"
    assert right.read_head() == b"and more\r\n\r\n"


def test_what_came_behind_a_mark_is_read_next(pair: Pair) -> None:
    left, right = pair
    left.send(b"one|two|three")
    left.end()

    assert right.read_until(b"|") == b"one|"
    assert right.receive(1) == b"t"
    assert right.read_until(b"|") == b"wo|"
    assert right.read_to_end() == b"three"
    assert right.receive() == b""


def test_a_mark_is_found_across_pieces(pair: Pair) -> None:
    left, right = pair
    left.send(b"a\r\n\r")
    assert right.receive(1) == b"a"
    right._rest = b"a" + right.receive()
    left.send(b"\nb")

    assert right.read_head() == b"a\r\n\r\n"
    assert right.read_exactly(1) == b"b"


def test_the_other_side_goes_on_after_one_has_ended(pair: Pair) -> None:
    left, right = pair
    left.end()

    assert right.is_at_end()
    right.send(b"late")
    assert left.read_exactly(4) == b"late"


def test_bytes_before_the_end_are_not_lost(pair: Pair) -> None:
    left, right = pair
    left.send(b"x")

    assert not right.is_at_end()
    left.end()
    assert right.read_to_end() == b"x"
    assert right.is_at_end()


@pytest.mark.parametrize(
    ("sent", "read", "text"),
    [
        (b"", 4, "4 bytes did not come in 0.05 s"),
        (b"ab", 4, "4 bytes did not come in 0.05 s; so far came b'ab'"),
        (b"ab", b"|", "b'|' did not come in 0.05 s; so far came b'ab'"),
        (b"ab", None, "the end of the connection did not come in 0.05 s; so far came b'ab'"),
    ],
)
def test_what_does_not_come_in_time_is_told(
    pair: Pair, sent: bytes, read: int | bytes | None, text: str
) -> None:
    left, right = pair
    left.send(sent)
    right.timeout_s = 0.05
    with pytest.raises(WaitTimeoutError) as caught:
        _read(right, read)

    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (4, "the connection was ended by the peer before 4 bytes came; so far came b'ab'"),
        (b"|", "the connection was ended by the peer before b'|' came; so far came b'ab'"),
    ],
)
def test_an_early_end_is_told(pair: Pair, read: int | bytes, text: str) -> None:
    left, right = pair
    left.send(b"ab")
    left.end()
    with pytest.raises(ConnectionClosedError) as caught:
        _read(right, read)

    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("read", "what"), [(9, "9 bytes"), (b"|", "b'|'"), (None, "the end of the connection")]
)
def test_what_is_read_has_a_bound(pair: Pair, read: int | bytes | None, what: str) -> None:
    left, right = pair
    right.max_bytes = 8
    left.send(b"123456789")
    left.end()
    with pytest.raises(LimitError) as caught:
        _read(right, read)

    assert str(caught.value) == f"more was read in search of {what}: the limit max_bytes is 8"


def _read(connection: RawConnection, read: int | bytes | None) -> bytes:
    if isinstance(read, int):
        return connection.read_exactly(read)
    return connection.read_to_end() if read is None else connection.read_until(read)


def test_what_a_peer_does_not_read_ends_in_time(pair: Pair) -> None:
    left, _ = pair
    left.timeout_s = 0.05
    with pytest.raises(WaitTimeoutError) as caught:
        left.send(bytes(50_000_000))

    assert str(caught.value) == (
        "50000000 bytes could not be sent in 0.05 s: the peer does not read"
    )


# Frames


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_frames_of_every_size_cross(pair: Pair, size: int) -> None:
    left, right = pair
    left.send_frame(WebSocketOpCode.Binary, b"x" * size)
    right.send_frame(WebSocketOpCode.Text, b"y" * size, is_final=False)

    assert right.read_frame() == RawFrame(2, b"x" * size, is_masked=True)
    assert left.read_frame() == RawFrame(1, b"y" * size, is_final=False, is_masked=False)


def test_a_frame_may_break_every_rule(pair: Pair) -> None:
    left, right = pair
    left.send_frame(15, b"?", rsv=5, is_masked=False)

    assert right.read_frame() == RawFrame(15, b"?", True, 5, False)


def test_a_close_frame_has_its_code(pair: Pair) -> None:
    left, right = pair
    left.send_close(1011, "broken")
    left.send_frame(WebSocketOpCode.Close)
    left.send_frame(WebSocketOpCode.Ping)

    closed = right.read_frame()
    assert (closed.close_code, closed.payload[2:]) == (1011, b"broken")
    assert right.read_frame().close_code == 1005
    assert right.read_frame().close_code is None


def test_a_frame_is_made_as_RFC_6455_has_it() -> None:
    # The examples of section 5.7.
    assert make_frame(1, b"Hello") == b"\x81\x05Hello"
    assert (
        make_frame(1, b"Hello", is_masked=True) == b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
    )
    assert make_frame(1, b"Hel", is_final=False) == b"\x01\x03Hel"


@pytest.mark.parametrize(("opcode", "rsv"), [(16, 0), (-1, 0), (1, 8)])
def test_numbers_that_do_not_fit_are_refused(opcode: int, rsv: int) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_frame(opcode, rsv=rsv)

    assert str(caught.value) == (f"an opcode is 0 to 15 and rsv 0 to 7, not {opcode!r} and {rsv!r}")


# Responses


def test_a_head_is_taken_apart() -> None:
    head = b"HTTP/1.1 404 Not Found\r\nA: 1\r\na:  2 \r\n\r\n"

    assert parse_head(head) == RawResponse(head, 404, "Not Found", [("A", "1"), ("a", "2")])
    assert parse_head(head).get_all("A") == ["1", "2"]


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b"nonsense\r\n\r\n", "no status line begins the response: b'nonsense'"),
        (b"HTTP/1.1 200\r\nno colon\r\n\r\n", "a header line has no name: b'no colon'"),
    ],
)
def test_a_head_that_is_none_is_told(head: bytes, text: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_head(head)

    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("fields", "sent", "body"),
    [
        (b"Content-Length: 3\r\n", b"abcd", b"abc"),
        (b"Transfer-Encoding: chunked\r\n", b"2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: t\r\n\r\n", b"abc"),
        (b"", b"abc", b"abc"),
    ],
)
def test_a_body_is_read_by_its_framing(pair: Pair, fields: bytes, sent: bytes, body: bytes) -> None:
    left, right = pair
    left.send(sent)
    left.end()

    assert read_body(right, parse_head(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n"), "GET") == body


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_some_responses_have_no_body(pair: Pair, method: str, status: int) -> None:
    head = parse_head(b"HTTP/1.1 %d X\r\nContent-Length: 3\r\n\r\n" % status)

    assert read_body(pair[1], head, method) == b""


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"z\r\n", r"a chunk's size is malformed: b'z\\r\\n'"),
        (b"1\r\nabc", "a chunk is longer than its size: b'bc'"),
    ],
)
def test_a_malformed_chunk_is_told(pair: Pair, sent: bytes, text: str) -> None:
    left, right = pair
    left.send(sent)
    with pytest.raises(RemoteProtocolError) as caught:
        read_chunks(right)

    assert str(caught.value) == text.replace(r"\\", "\\")


def test_a_length_that_is_no_number_is_told(pair: Pair) -> None:
    head = parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n")
    with pytest.raises(RemoteProtocolError) as caught:
        read_body(pair[1], head, "GET")

    assert str(caught.value) == "content-length is no number: 'many'"


def test_chunks_have_a_bound(pair: Pair) -> None:
    left, right = pair
    right.max_bytes = 10
    left.send(b"8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n")
    with pytest.raises(LimitError, match="in search of a chunked body: the limit max_bytes is 10"):
        read_chunks(right)


def test_trailers_have_a_bound(pair: Pair) -> None:
    left, right = pair
    right.max_bytes = 10
    left.send(b"0\r\nA: 1234\r\nB: 1234\r\n\r\n")
    text = "more was read in search of the trailers' end: the limit max_bytes is 10"
    with pytest.raises(LimitError, match=text):
        read_chunks(right)
