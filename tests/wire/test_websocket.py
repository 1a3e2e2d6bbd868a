from __future__ import annotations

import gc
import itertools
import tracemalloc
import weakref
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import ConnectionClosedError, LocalProtocolError
from kit.opcodes import WebSocketOpCode
from kit.wire.websocket import Closed, Event, Message, Ping, Pong, WebSocketProtocol
from support.websocket_frames import (
    BINARY,
    CLOSE,
    CONT,
    LIMIT,
    PING,
    PONG,
    TEXT,
    client,
    close_payload,
    feed,
    frame,
    server,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Text, Binary = WebSocketOpCode.Text, WebSocketOpCode.Binary


def only_closed(events: list[Event]) -> Closed:
    assert len(events) == 1, events
    assert isinstance(events[0], Closed)
    return events[0]


# Messages


def test_a_text_frame_is_a_message_of_str() -> None:
    assert server().receive(frame(TEXT, "grüße".encode())) == [Message(Text, "grüße")]


def test_a_binary_frame_is_a_message_of_bytes() -> None:
    (message,) = server().receive(frame(BINARY, b"\xff\x00"))
    assert message == Message(Binary, b"\xff\x00")
    assert type(message.payload) is bytes


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_an_empty_frame_is_an_empty_message(opcode: int) -> None:
    (message,) = server().receive(frame(opcode))
    assert isinstance(message, Message)
    assert len(message.payload) == 0


@pytest.mark.parametrize("size", [125, 126, 127, 65535, 65536])
@pytest.mark.parametrize("role", ["server", "client"])
def test_every_length_form_is_read_and_written(role: str, size: int) -> None:
    sender, receiver = server(100_000), client(100_000)
    if role == "client":
        sender, receiver = receiver, sender
    sender.send_binary(bytes(size))
    (message,) = receiver.receive(sender.data_to_send())
    assert message == Message(Binary, bytes(size))
    assert type(message.payload) is bytes


def test_fragments_are_put_together() -> None:
    pieces = [
        frame(TEXT, b"ab", fin=False),
        frame(CONT, b"", fin=False),
        frame(CONT, b"cd", fin=False),
        frame(CONT, b"ef"),
    ]
    assert feed(server(), pieces) == [Message(Text, "abcdef")]


def test_binary_fragments_are_put_together() -> None:
    pieces = [frame(BINARY, b"\xff", fin=False), frame(CONT, b"\xfe")]
    assert feed(server(), pieces) == [Message(Binary, b"\xff\xfe")]


def test_a_code_point_may_be_split_between_fragments() -> None:
    data = "€".encode()
    pieces = [frame(TEXT, data[:1], fin=False), frame(CONT, data[1:])]
    assert feed(server(), pieces) == [Message(Text, "€")]


def test_control_frames_between_fragments_come_in_order() -> None:
    data = (
        frame(TEXT, b"a", fin=False)
        + frame(PING, b"1")
        + frame(PONG, b"2")
        + frame(CONT, b"b")
        + frame(TEXT, b"c")
    )
    assert server().receive(data) == [
        Ping(b"1"),
        Pong(b"2"),
        Message(Text, "ab"),
        Message(Text, "c"),
    ]


def test_a_ping_is_answered_with_its_payload() -> None:
    protocol = server()
    assert protocol.receive(frame(PING, b"hi")) == [Ping(b"hi")]
    assert protocol.data_to_send() == frame(PONG, b"hi", masked=False)


def test_a_buffer_that_is_reused_by_its_owner_is_copied() -> None:
    protocol = server()
    data = bytearray(frame(TEXT, b"ab"))
    assert protocol.receive(data[:4]) == []
    rest = memoryview(data)[4:]
    assert protocol.receive(rest) == [Message(Text, "ab")]


# Sending


def test_a_server_sends_unmasked() -> None:
    protocol = server()
    protocol.send_text("hé")
    assert protocol.data_to_send() == frame(TEXT, "hé".encode(), masked=False)


def test_a_client_sends_masked() -> None:
    protocol = client()
    protocol.send_text("hello")
    data = protocol.data_to_send()
    assert data[1] & 0x80
    assert server().receive(data) == [Message(Text, "hello")]


def test_queued_frames_come_joined_and_once() -> None:
    protocol = server()
    protocol.send_text("a")
    protocol.send_binary(bytearray(b"b"))
    protocol.send_ping(b"c")
    assert protocol.data_to_send() == (
        frame(TEXT, b"a", masked=False)
        + frame(BINARY, b"b", masked=False)
        + frame(PING, b"c", masked=False)
    )
    assert protocol.data_to_send() == b""


def test_send_fragments_sends_one_message_in_several_frames() -> None:
    protocol = server()
    protocol.send_fragments(piece for piece in ("a", "", "€"))
    assert protocol.data_to_send() == (
        frame(TEXT, b"a", fin=False, masked=False)
        + frame(CONT, b"", fin=False, masked=False)
        + frame(CONT, "€".encode(), masked=False)
    )


def test_send_fragments_of_one_piece_is_one_frame() -> None:
    protocol = server()
    protocol.send_fragments([b"a"])
    assert protocol.data_to_send() == frame(BINARY, b"a", masked=False)


@pytest.mark.parametrize(
    ("send", "text"),
    [
        (lambda p: p.send_text(b"x"), "a text message must be a str, not bytes"),
        (lambda p: p.send_binary("x"), "a binary message must be bytes, not str"),
        (lambda p: p.send_ping("x"), "a ping must be bytes, not str"),
        (lambda p: p.send_ping(bytes(126)), "ping payload is 126 bytes, allowed are 125"),
        (
            lambda p: p.send_text("ab\ud800"),
            (
                "a text message holds the lone surrogate '\\ud800' at index 2, which UTF-8 "
                "cannot say: encode it otherwise or send it as binary"
            ),
        ),
        (
            lambda p: p.send_fragments([]),
            "a fragmented message needs at least one fragment, got none",
        ),
        (
            lambda p: p.send_fragments(["a", b"b"]),
            "a fragment after a str must be a str, not bytes",
        ),
        (lambda p: p.send_fragments([b"a", "b"]), "a binary fragment must be bytes, not str"),
        (
            lambda p: p.send_close(1000, "x" * 124),
            "close reason is 124 bytes in UTF-8, allowed are 123",
        ),
        (
            lambda p: p.send_close(1000, "é" * 62),
            "close reason is 124 bytes in UTF-8, allowed are 123",
        ),
        (lambda p: p.send_close(1000, b"x"), "a close reason must be a str, not bytes"),
        (
            lambda p: p.send_close(None, "bye"),
            "close reason 'bye' without a code: give a code, such as 1000",
        ),
    ],
)
def test_what_would_break_the_wire_is_refused(
    send: Callable[[WebSocketProtocol], None], text: str
) -> None:
    protocol = server()
    with pytest.raises(LocalProtocolError) as caught:
        send(protocol)
    assert str(caught.value) == text
    assert protocol.data_to_send() == b""
    assert not protocol.is_closing


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, True, "1000"])
def test_a_close_code_that_is_not_for_the_wire_is_refused(code: int) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        server().send_close(code)
    assert str(caught.value) == (
        f"close code {code!r} cannot be sent: allowed are 1000 to 1003, 1007 to 1014 "
        "and 3000 to 4999"
    )


# Closing


def test_a_close_frame_is_echoed_and_ends_the_connection() -> None:
    protocol = server()
    events = protocol.receive(frame(CLOSE, close_payload(1001, "away")))
    assert events == [Closed(1001, "away", is_clean=True)]
    assert protocol.data_to_send() == frame(CLOSE, close_payload(1001, "away"), masked=False)
    assert protocol.is_closed
    assert (protocol.close_code, protocol.close_reason) == (1001, "away")


def test_an_empty_close_frame_is_1005() -> None:
    protocol = server()
    assert protocol.receive(frame(CLOSE)) == [Closed(1005, "", is_clean=True)]
    assert protocol.data_to_send() == frame(CLOSE, masked=False)


def test_a_close_frame_within_a_fragmented_message_is_clean() -> None:
    data = frame(TEXT, b"a", fin=False) + frame(CLOSE, close_payload(1001))
    assert server().receive(data) == [Closed(1001, "", is_clean=True)]


def test_messages_are_reported_until_the_close_frame_is_answered() -> None:
    protocol = server()
    protocol.send_close(4000, "enough")
    assert protocol.data_to_send() == frame(CLOSE, close_payload(4000, "enough"), masked=False)
    assert protocol.is_closing
    assert protocol.close_code is None
    assert protocol.receive(frame(TEXT, b"late")) == [Message(Text, "late")]
    events = protocol.receive(frame(CLOSE, close_payload(4000)))
    assert events == [Closed(4000, "", is_clean=True)]
    assert repr(protocol) == "<WebSocketProtocol server, closed, 4000>"
    assert protocol.data_to_send() == b""


def test_a_ping_is_answered_while_closing() -> None:
    protocol = server()
    protocol.send_close()
    protocol.data_to_send()
    protocol.receive(frame(PING, b"x"))
    assert protocol.data_to_send() == frame(PONG, b"x", masked=False)


def test_close_without_a_code_sends_an_empty_close_frame() -> None:
    protocol = server()
    protocol.send_close(None)
    assert protocol.data_to_send() == frame(CLOSE, masked=False)


def test_bytes_after_the_close_frame_are_thrown_away() -> None:
    protocol = server()
    data = frame(CLOSE, close_payload(1000)) + frame(TEXT, b"x") + frame(PING)
    assert protocol.receive(data) == [Closed(1000, "", is_clean=True)]
    protocol.data_to_send()
    assert protocol.receive(frame(PING)) == []
    assert protocol.data_to_send() == b""


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda p: None, "the stream ended without a close frame"),
        (lambda p: p.receive(frame(TEXT, b"abc")[:4]), "the stream ended within a frame"),
        (lambda p: p.send_close(), "the stream ended without an answer to the close frame"),
    ],
)
def test_the_end_of_the_stream_without_a_close_frame_is_1006(
    prepare: Callable[[WebSocketProtocol], None], reason: str
) -> None:
    protocol = server()
    prepare(protocol)
    assert protocol.receive_eof() == [Closed(1006, reason, is_clean=False)]
    assert protocol.receive_eof() == []


def test_the_end_of_the_stream_after_the_close_frame_is_no_second_event() -> None:
    protocol = server()
    protocol.receive(frame(CLOSE))
    assert protocol.receive_eof() == []
    assert protocol.close_code == 1005


def test_a_server_wants_to_close_once_the_handshake_is_done() -> None:
    protocol = server()
    protocol.send_close()
    assert not protocol.wants_close
    protocol.receive(frame(CLOSE))
    assert protocol.wants_close


def test_a_server_wants_to_close_when_it_failed_the_connection() -> None:
    protocol = server()
    protocol.receive(b"\xff\xff")
    assert protocol.wants_close


def test_a_client_leaves_it_to_the_server_to_close_first() -> None:
    protocol = client()
    protocol.receive(frame(CLOSE, masked=False))
    assert not protocol.wants_close
    protocol.receive_eof()
    assert protocol.wants_close


SENDS: list[Callable[[WebSocketProtocol], None]] = [
    lambda p: p.send_text("x"),
    lambda p: p.send_binary(b"x"),
    lambda p: p.send_ping(),
    lambda p: p.send_fragments(["x"]),
    lambda p: p.send_close(),
]


@pytest.mark.parametrize("send", SENDS)
def test_nothing_is_sent_after_the_own_close_frame(
    send: Callable[[WebSocketProtocol], None],
) -> None:
    protocol = server()
    protocol.send_close()
    protocol.data_to_send()
    with pytest.raises(ConnectionClosedError) as caught:
        send(protocol)
    assert str(caught.value) == "this side has sent a close frame: nothing can be sent after it"
    assert protocol.data_to_send() == b""


@pytest.mark.parametrize("send", SENDS)
def test_nothing_is_sent_on_a_closed_connection(
    send: Callable[[WebSocketProtocol], None],
) -> None:
    protocol = server()
    protocol.receive_eof()
    with pytest.raises(ConnectionClosedError) as caught:
        send(protocol)
    assert str(caught.value) == "the websocket is closed (1006): nothing can be sent on it"


# Failing

VIOLATIONS = [
    (frame(TEXT, b"x", masked=False), 1002, "a frame came unmasked: a client must mask its frames"),
    (frame(3), 1002, "invalid opcode"),
    (frame(15), 1002, "invalid opcode"),
    (frame(TEXT, b"x", rsv=4), 1002, "reserved bits must be 0"),
    (frame(PING, rsv=1), 1002, "reserved bits must be 0"),
    (frame(PING, bytes(126)), 1002, "control frame too long"),
    (frame(PING, fin=False), 1002, "fragmented control frame"),
    (frame(CLOSE, fin=False), 1002, "fragmented control frame"),
    (frame(CONT, b"x"), 1002, "a continuation frame without a message to continue"),
    (
        frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"),
        1002,
        "a new message began before the fragmented one ended",
    ),
    (frame(CLOSE, b"\x03"), 1002, "close frame too short"),
    (frame(CLOSE, close_payload(999)), 1002, "close code 999 is not allowed on the wire"),
    (frame(CLOSE, close_payload(1005)), 1002, "close code 1005 is not allowed on the wire"),
    (frame(CLOSE, close_payload(5000)), 1002, "close code 5000 is not allowed on the wire"),
    (frame(CLOSE, close_payload(1000, b"\xff")), 1007, "invalid UTF-8: invalid start byte"),
    (frame(TEXT, b"a\xff"), 1007, "invalid UTF-8: invalid start byte"),
    (frame(TEXT, b"\xe2\x82"), 1007, "invalid UTF-8: unexpected end of data"),
    (frame(TEXT, b"\xed\xa0\x80"), 1007, "invalid UTF-8: invalid continuation byte"),
    (frame(TEXT, b"\xc0\x80", fin=False), 1007, "invalid UTF-8: invalid start byte"),
    (
        frame(TEXT, b"\xe2", fin=False) + frame(CONT, b"", fin=True),
        1007,
        "invalid UTF-8: unexpected end of data",
    ),
    (frame(BINARY, bytes(LIMIT + 1)), 1009, "message exceeds 1000 bytes"),
    (
        frame(BINARY, bytes(LIMIT), fin=False) + frame(CONT, b"x"),
        1009,
        "message exceeds 1000 bytes",
    ),
]


@pytest.mark.parametrize(("data", "code", "reason"), VIOLATIONS)
def test_a_violation_fails_the_connection(data: bytes, code: int, reason: str) -> None:
    protocol = server()
    assert only_closed(protocol.receive(data)) == Closed(code, reason, is_clean=False)
    assert protocol.data_to_send() == frame(CLOSE, close_payload(code, reason), masked=False)
    assert (protocol.close_code, protocol.close_reason) == (code, reason)


@pytest.mark.parametrize(("data", "code", "reason"), VIOLATIONS)
def test_a_violation_is_found_byte_by_byte_with_more_behind_it(
    data: bytes, code: int, reason: str
) -> None:
    protocol = server()
    pieces = [bytes([byte]) for byte in data + frame(TEXT, b"after") + frame(PING)]
    assert only_closed(feed(protocol, pieces)) == Closed(code, reason, is_clean=False)
    assert protocol.data_to_send() == frame(CLOSE, close_payload(code, reason), masked=False)


def test_a_masked_frame_fails_a_client() -> None:
    closed = only_closed(client().receive(frame(TEXT, b"x")))
    assert closed == Closed(
        1002, "a frame came masked: a server must not mask its frames", is_clean=False
    )


def test_a_violation_after_the_own_close_frame_sends_no_second_one() -> None:
    protocol = server()
    protocol.send_close()
    protocol.data_to_send()
    assert only_closed(protocol.receive(frame(3))).code == 1002
    assert protocol.data_to_send() == b""


def test_what_came_before_a_violation_is_reported() -> None:
    protocol = server()
    events = protocol.receive(frame(TEXT, b"ok") + frame(PING, b"1") + frame(TEXT, b"\xff"))
    assert events[:2] == [Message(Text, "ok"), Ping(b"1")]
    assert isinstance(events[2], Closed)
    assert len(events) == 3


def test_frames_after_invalid_text_are_not_answered() -> None:
    protocol = server()
    protocol.receive(frame(TEXT, b"\xff") + frame(PING) + frame(CLOSE))
    assert protocol.data_to_send() == frame(
        CLOSE, close_payload(1007, "invalid UTF-8: invalid start byte"), masked=False
    )


def test_a_message_of_exactly_the_limit_passes() -> None:
    pieces = [frame(BINARY, bytes(LIMIT - 1), fin=False), frame(CONT, b"x")]
    (message,) = feed(server(), pieces)
    assert isinstance(message, Message)
    assert len(message.payload) == LIMIT


def test_an_oversized_frame_is_refused_by_its_header() -> None:
    header = frame(BINARY, bytes(LIMIT + 1))[:4]
    assert only_closed(server().receive(header)).code == 1009


def test_the_limit_counts_each_message_by_itself() -> None:
    pieces = [frame(BINARY, bytes(LIMIT)), frame(BINARY, bytes(LIMIT))]
    assert len(feed(server(), pieces)) == 2


# The tap


def test_the_tap_sees_every_frame_in_wire_order() -> None:
    protocol = server()
    seen: list[tuple[str, int, bool, bytes]] = []
    protocol.tap = lambda *args: seen.append(args)
    protocol.receive(frame(TEXT, b"a", fin=False) + frame(PING, b"p") + frame(CONT, b"b"))
    protocol.send_fragments(["c", "d"])
    protocol.receive(frame(CLOSE, close_payload(1000)))
    assert seen == [
        ("received", TEXT, False, b"a"),
        ("received", PING, True, b"p"),
        ("sent", PONG, True, b"p"),
        ("received", CONT, True, b"b"),
        ("sent", TEXT, False, b"c"),
        ("sent", CONT, True, b"d"),
        ("received", CLOSE, True, close_payload(1000)),
        ("sent", CLOSE, True, close_payload(1000)),
    ]


def test_the_tap_gets_plain_values() -> None:
    protocol = client()
    types: list[tuple[type, ...]] = []
    protocol.tap = lambda *args: types.append(tuple(type(arg) for arg in args))
    data = frame(BINARY, b"abc", masked=False)
    feed(protocol, [data[:3], data[3:]])
    protocol.send_binary(bytearray(b"x"))
    assert types == [(str, int, bool, bytes)] * 2


# Any bytes, any split

PAYLOADS = st.binary(max_size=140)
VALID_FRAMES = st.one_of(
    st.builds(lambda text: frame(TEXT, text.encode()), st.text(max_size=60)),
    st.builds(lambda data: frame(BINARY, data), PAYLOADS),
    st.builds(lambda data: frame(PING, data), st.binary(max_size=125)),
    st.builds(lambda data: frame(PONG, data), st.binary(max_size=125)),
    st.builds(
        lambda a, b, c: frame(BINARY, a, fin=False) + frame(PING, c) + frame(CONT, b),
        PAYLOADS,
        PAYLOADS,
        st.binary(max_size=5),
    ),
)
ENDINGS = st.sampled_from(
    [b"", frame(CLOSE), frame(CLOSE, close_payload(1000, "bye")), frame(TEXT, b"\xff"), frame(3)]
)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


@settings(max_examples=150, deadline=None)
@given(st.lists(VALID_FRAMES, max_size=6), ENDINGS, st.lists(st.integers(min_value=0), max_size=8))
def test_any_split_gives_the_same_events_and_answers(
    frames: list[bytes], ending: bytes, cuts: list[int]
) -> None:
    data = b"".join(frames) + ending
    whole, cut = server(), server()
    assert feed(cut, split(data, cuts)) == whole.receive(data)
    assert cut.data_to_send() == whole.data_to_send()
    assert cut.receive_eof() == whole.receive_eof()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=8), st.sampled_from([server, client]))
def test_random_bytes_lead_to_events_and_never_raise(
    pieces: list[bytes], make: Callable[[], WebSocketProtocol]
) -> None:
    protocol = make()
    events = feed(protocol, pieces) + protocol.receive_eof()
    assert isinstance(events[-1], Closed)
    assert sum(isinstance(event, Closed) for event in events) == 1
    assert protocol.is_closed


# Memory


def test_a_large_frame_in_small_pieces_is_not_copied_for_each() -> None:
    size = 2 * 1024 * 1024
    data = frame(BINARY, bytes(size))
    protocol = server(size)
    pieces = [data[at : at + 64] for at in range(0, len(data), 64)]
    tracemalloc.start()
    try:
        feed(protocol, pieces[:-1])
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1.5 * size
    assert peak < 3 * size
    assert protocol.receive(pieces[-1]) == [Message(Binary, bytes(size))]


def test_endless_empty_fragments_do_not_fill_memory() -> None:
    protocol = server()
    protocol.receive(frame(TEXT, b"a", fin=False))
    empty = frame(CONT, b"", fin=False) * 100
    protocol.receive(empty)
    tracemalloc.start()
    try:
        feed(protocol, [empty] * 50)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 4096


def test_an_idle_connection_is_small() -> None:
    warm = server()
    warm.receive(frame(TEXT, b"x"))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        protocols = [server() for _ in range(100)]
        for protocol in protocols:
            protocol.receive(frame(TEXT, b"x"))
            protocol.send_text("y")
            protocol.data_to_send()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / 100 < 1024


@pytest.mark.parametrize("data", [frame(CLOSE), frame(3), frame(TEXT, b"ab")[:3]])
def test_a_closed_connection_goes_without_the_garbage_collector(data: bytes) -> None:
    protocol = Referable("server", max_message_bytes=LIMIT)
    reference = weakref.ref(protocol)
    gc.disable()
    try:
        protocol.receive(data)
        protocol.receive_eof()
        del protocol
        assert reference() is None
    finally:
        gc.enable()


class Referable(WebSocketProtocol):
    __slots__ = ("__weakref__",)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "<WebSocketProtocol server, open>"),
        (frame(CLOSE), "<WebSocketProtocol server, closed, 1005>"),
    ],
)
def test_repr_tells_role_and_state(data: bytes, text: str) -> None:
    protocol = server()
    protocol.receive(data)
    assert repr(protocol) == text
