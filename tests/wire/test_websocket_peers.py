"""The protocol against the `websockets` package's own classes as the other side."""

from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Protocol, State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from kit.opcodes import WebSocketOpCode
from kit.wire.websocket import (
    ClientHandshake,
    Closed,
    Event,
    Message,
    Ping,
    Pong,
    WebSocketProtocol,
    accept_handshake,
)
from support.websocket_frames import BINARY, CLOSE, CONT, PING, TEXT, feed, frame

Text, Binary = WebSocketOpCode.Text, WebSocketOpCode.Binary
LIMIT = 10_000
CASES = [(role, compress) for role in ("server", "client") for compress in (False, True)]


def as_server(compress: bool, **deflate: bool | int) -> tuple[WebSocketProtocol, Protocol]:
    """Return our server's side and the peer that has shaken hands with it."""
    extensions = [ClientPerMessageDeflateFactory(**deflate)] if compress else None  # type: ignore[arg-type]
    peer = ClientProtocol(
        parse_uri("ws://localhost/"),
        extensions=extensions,
        subprotocols=["chat"],  # type: ignore[list-item]
    )
    request = peer.connect()
    peer.send_request(request)
    peer.data_to_send()
    accepted = accept_handshake(
        "GET",
        "1.1",
        [(name.encode(), value.encode()) for name, value in request.headers.raw_items()],
        subprotocols=["chat"],
        max_message_bytes=LIMIT,
    )
    peer.receive_data(b"HTTP/1.1 101 Switching Protocols\r\n")
    for name, value in accepted.headers:
        peer.receive_data(name + b": " + value + b"\r\n")
    peer.receive_data(b"\r\n")
    (response,) = peer.events_received()
    assert isinstance(response, Response)
    assert peer.state is State.OPEN
    assert peer.subprotocol == "chat"
    assert bool(peer.extensions) == accepted.protocol.is_compressed == compress
    return accepted.protocol, peer


def as_client(compress: bool, **deflate: bool | int) -> tuple[WebSocketProtocol, Protocol]:
    """Return our client's side and the peer that has shaken hands with it."""
    handshake = ClientHandshake(["chat"], compress=compress, max_message_bytes=LIMIT)
    peer = ServerProtocol(
        extensions=[ServerPerMessageDeflateFactory(**deflate)],  # type: ignore[arg-type]
        subprotocols=["chat"],  # type: ignore[list-item]
    )
    peer.receive_data(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    for name, value in handshake.headers:
        peer.receive_data(name + b": " + value + b"\r\n")
    peer.receive_data(b"\r\n")
    (request,) = peer.events_received()
    assert isinstance(request, Request)
    response = peer.accept(request)
    peer.send_response(response)
    peer.data_to_send()
    headers = [(name.encode(), value.encode()) for name, value in response.headers.raw_items()]
    protocol = handshake.finish(response.status_code, headers)
    assert protocol.subprotocol == "chat"
    assert protocol.is_compressed == compress
    return protocol, peer


def connect(role: str, compress: bool, **deflate: bool | int) -> tuple[WebSocketProtocol, Protocol]:
    return (as_server if role == "server" else as_client)(compress, **deflate)


def from_peer(peer: Protocol) -> bytes:
    return b"".join(peer.data_to_send())


def to_peer(protocol: WebSocketProtocol, peer: Protocol) -> list[tuple[int, bytes, bool]]:
    peer.receive_data(protocol.data_to_send())
    frames = peer.events_received()
    assert all(isinstance(received, Frame) for received in frames)
    return [
        (int(received.opcode), bytes(received.data), received.fin)
        for received in frames
        if isinstance(received, Frame)
    ]


@pytest.mark.parametrize(("role", "compress"), CASES)
def test_messages_arrive_in_both_directions(role: str, compress: bool) -> None:
    protocol, peer = connect(role, compress)
    for text in ("", "a", "grüße " * 500):
        peer.send_text(text.encode())
        assert protocol.receive(from_peer(peer)) == [Message(Text, text)]
        protocol.send_text(text)
        assert to_peer(protocol, peer) == [(TEXT, text.encode(), True)]
        peer.send_binary(text.encode())
        assert protocol.receive(from_peer(peer)) == [Message(Binary, text.encode())]
        protocol.send_binary(text.encode())
        assert to_peer(protocol, peer) == [(BINARY, text.encode(), True)]


@pytest.mark.parametrize(("role", "compress"), CASES)
def test_fragments_arrive_in_both_directions(role: str, compress: bool) -> None:
    protocol, peer = connect(role, compress)
    peer.send_text(b"ab", fin=False)
    peer.send_ping(b"p")
    peer.send_continuation(b"cd", fin=True)
    assert protocol.receive(from_peer(peer)) == [Ping(b"p"), Message(Text, "abcd")]
    protocol.send_fragments(["x", "y" * 300, "z"])
    assert to_peer(protocol, peer) == [
        (Opcode.PONG, b"p", True),
        (TEXT, b"x", False),
        (CONT, b"y" * 300, False),
        (CONT, b"z", True),
    ]


@pytest.mark.parametrize(("role", "compress"), CASES)
def test_pings_are_answered_in_both_directions(role: str, compress: bool) -> None:
    protocol, peer = connect(role, compress)
    protocol.send_ping(b"hello")
    assert to_peer(protocol, peer) == [(PING, b"hello", True)]
    assert protocol.receive(from_peer(peer)) == [Pong(b"hello")]


@pytest.mark.parametrize(("role", "compress"), CASES)
def test_the_peer_closes(role: str, compress: bool) -> None:
    protocol, peer = connect(role, compress)
    peer.send_close(4001, "tschüß")
    assert protocol.receive(from_peer(peer)) == [Closed(4001, "tschüß", is_clean=True)]
    assert [opcode for opcode, _, _ in to_peer(protocol, peer)] == [CLOSE]
    peer.receive_eof()
    assert (peer.close_code, peer.close_reason) == (4001, "tschüß")


@pytest.mark.parametrize(("role", "compress"), CASES)
def test_the_peer_answers_our_close(role: str, compress: bool) -> None:
    protocol, peer = connect(role, compress)
    protocol.send_close(1001, "bye")
    assert [opcode for opcode, _, _ in to_peer(protocol, peer)] == [CLOSE]
    assert protocol.receive(from_peer(peer)) == [Closed(1001, "bye", is_clean=True)]
    peer.receive_eof()
    assert (peer.close_code, peer.close_reason) == (1001, "bye")


@pytest.mark.parametrize(("role", "compress"), CASES)
def test_invalid_text_tells_the_peer_1007(role: str, compress: bool) -> None:
    protocol, peer = connect(role, compress)
    peer.send_text(b"a\xff")
    reason = "invalid UTF-8: invalid start byte"
    assert protocol.receive(from_peer(peer)) == [Closed(1007, reason, is_clean=False)]
    to_peer(protocol, peer)
    peer.receive_eof()
    assert (peer.close_code, peer.close_reason) == (1007, reason)


@pytest.mark.parametrize(("role", "compress"), CASES)
@pytest.mark.parametrize("seed", [None, 1])
def test_the_limit_is_exact(role: str, compress: bool, seed: int | None) -> None:
    data = bytes(LIMIT) if seed is None else random.Random(seed).randbytes(LIMIT)
    protocol, peer = connect(role, compress)
    peer.send_binary(data)
    assert protocol.receive(from_peer(peer)) == [Message(Binary, data)]
    peer.send_binary(data + b"x")
    assert protocol.receive(from_peer(peer)) == [
        Closed(1009, f"message exceeds {LIMIT} bytes", is_clean=False)
    ]


@pytest.mark.parametrize(("role", "compress"), CASES)
def test_the_limit_is_exact_over_fragments(role: str, compress: bool) -> None:
    protocol, peer = connect(role, compress)
    for extra in (b"", b"x"):
        peer.send_binary(bytes(LIMIT - 10), fin=False)
        peer.send_continuation(bytes(10) + extra, fin=True)
    events = protocol.receive(from_peer(peer))
    assert events == [
        Message(Binary, bytes(LIMIT)),
        Closed(1009, f"message exceeds {LIMIT} bytes", is_clean=False),
    ]


def test_a_compressed_bomb_is_not_unpacked() -> None:
    protocol, peer = as_server(compress=True)
    peer.send_binary(bytes(50_000_000))
    bomb = from_peer(peer)
    assert len(bomb) > LIMIT
    small = bomb[:4]
    assert protocol.receive(small)[-1] == Closed(
        1009, f"message exceeds {LIMIT} bytes", is_clean=False
    )


def test_a_small_compressed_bomb_is_not_unpacked() -> None:
    protocol, peer = as_server(compress=True)
    peer.send_binary(bytes(5_000_000))
    bomb = from_peer(peer)
    assert len(bomb) < LIMIT
    assert protocol.receive(bomb) == [
        Closed(1009, f"message exceeds {LIMIT} bytes", is_clean=False)
    ]


@pytest.mark.parametrize("role", ["server", "client"])
@pytest.mark.parametrize(
    "deflate",
    [
        {"server_no_context_takeover": True},
        {"client_no_context_takeover": True},
        {"server_max_window_bits": 9},
        {"client_max_window_bits": 9},
    ],
)
def test_every_negotiated_parameter_is_kept(role: str, deflate: dict[str, bool | int]) -> None:
    protocol, peer = connect(role, True, **deflate)
    data = b"".join(b"%d," % number for number in range(1500))
    for _ in range(3):
        peer.send_binary(data)
        assert protocol.receive(from_peer(peer)) == [Message(Binary, data)]
        protocol.send_binary(data)
        assert to_peer(protocol, peer) == [(BINARY, data, True)]


def test_the_tap_sees_what_was_meant_not_what_was_compressed() -> None:
    protocol, peer = as_server(compress=True)
    seen: list[tuple[str, int, bool, bytes]] = []
    protocol.tap = lambda *args: seen.append(args)
    peer.send_text(b"a" * 500)
    protocol.receive(from_peer(peer))
    protocol.send_text("b" * 500)
    assert len(protocol.data_to_send()) < 100
    assert seen == [("received", TEXT, True, b"a" * 500), ("sent", TEXT, True, b"b" * 500)]


def test_the_samples_of_rfc_7692_are_read() -> None:
    samples = [  # sections 7.2.3.1 to 7.2.3.5
        frame(TEXT, bytes.fromhex("f248cdc9c90700"), rsv=4),
        frame(TEXT, bytes.fromhex("f248cd"), rsv=4, fin=False)
        + frame(CONT, bytes.fromhex("c9c90700")),
        frame(TEXT, bytes.fromhex("000500faff48656c6c6f00"), rsv=4),
        frame(TEXT, bytes.fromhex("f348cdc9c9070000"), rsv=4),
        frame(TEXT, bytes.fromhex("f248050000 00ffffcac9c90700".replace(" ", "")), rsv=4),
    ]
    for sample in samples:
        protocol, _ = as_server(compress=True)
        assert feed(protocol, [sample, frame(TEXT, b"plain")]) == [
            Message(Text, "Hello"),
            Message(Text, "plain"),
        ]


def test_messages_after_a_final_deflate_block_are_not_lost() -> None:
    protocol, _ = as_server(compress=True)
    final = frame(TEXT, bytes.fromhex("f348cdc9c9070000"), rsv=4)
    assert feed(protocol, [final] * 3) == [Message(Text, "Hello")] * 3


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, bytes.fromhex("f348cdc9c907000000"), rsv=4),
        frame(TEXT, bytes.fromhex("f348cdc9c9070000"), rsv=4, fin=False) + frame(CONT, b"x"),
    ],
)
def test_data_after_a_final_deflate_block_fails_the_connection(data: bytes) -> None:
    protocol, _ = as_server(compress=True)
    assert protocol.receive(data) == [
        Closed(1002, "compressed data after a final deflate block", is_clean=False)
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (frame(TEXT, b"\xff\xff\xff", rsv=4), "decompression failed"),
        (
            frame(TEXT, b"\x00", rsv=4, fin=False) + frame(CONT, b"", rsv=4),
            "RSV1 bit set in continuation frame",
        ),
        (frame(TEXT, b"x", rsv=2), "reserved bits must be 0"),
        (frame(PING, b"x", rsv=4), "reserved bits must be 0"),
    ],
)
def test_bad_compression_fails_the_connection(data: bytes, reason: str) -> None:
    protocol, _ = as_server(compress=True)
    assert protocol.receive(data) == [Closed(1002, reason, is_clean=False)]


def test_an_idle_compressed_connection_holds_no_zlib_context() -> None:
    protocol, peer = as_server(compress=True)
    (extension,) = protocol._extensions
    assert not {"encoder", "decoder"} & set(vars(extension))
    peer.send_text(b"x")
    protocol.receive(from_peer(peer))
    assert {"encoder", "decoder"} & set(vars(extension)) == {"decoder"}
    protocol.send_text("x")
    assert {"encoder", "decoder"} <= set(vars(extension))
    with pytest.raises(AttributeError) as caught:
        _ = extension.other  # type: ignore[attr-defined]
    assert str(caught.value) == "'LazyDeflate' object has no attribute 'other'"


# Random talk

SENDS = st.one_of(
    st.tuples(st.just("text"), st.text(max_size=200)),
    st.tuples(st.just("binary"), st.binary(max_size=200)),
    st.tuples(st.just("ping"), st.binary(max_size=125)),
    st.tuples(st.just("fragments"), st.lists(st.text(max_size=20), min_size=1, max_size=4)),
)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(CASES),
    st.lists(SENDS, max_size=8),
    st.integers(min_value=1, max_value=50),
)
def test_a_peer_with_our_own_class_gets_what_was_sent(
    case: tuple[str, bool], sends: list[tuple[str, object]], step: int
) -> None:
    sender, receiver = own_pair(*case)
    expected: list[Event] = []
    for kind, value in sends:
        getattr(sender, {"fragments": "send_fragments"}.get(kind, f"send_{kind}"))(value)
        expected.append(as_event(kind, value))
    data = sender.data_to_send()
    assert feed(receiver, [data[at : at + step] for at in range(0, len(data), step)]) == expected


def own_pair(role: str, compress: bool) -> tuple[WebSocketProtocol, WebSocketProtocol]:
    handshake = ClientHandshake(compress=compress, max_message_bytes=LIMIT)
    accepted = accept_handshake("GET", "1.1", handshake.headers, max_message_bytes=LIMIT)
    client = handshake.finish(101, accepted.headers)
    return (accepted.protocol, client) if role == "server" else (client, accepted.protocol)


def as_event(kind: str, value: object) -> Event:
    if isinstance(value, list):
        return Message(Text, "".join(value))
    if isinstance(value, str):
        return Message(Text, value)
    assert isinstance(value, bytes)
    return Ping(value) if kind == "ping" else Message(Binary, value)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5), st.booleans())
def test_random_compressed_bytes_never_raise(payloads: list[bytes], as_fragments: bool) -> None:
    protocol, _ = as_server(compress=True)
    last = len(payloads) - 1
    pieces = [
        frame(CONT if as_fragments and index else TEXT, payload, fin=fin, rsv=0 if index else 4)
        for index, payload in enumerate(payloads)
        for fin in [not as_fragments or index == last]
    ]
    events = feed(protocol, pieces) + protocol.receive_eof()
    assert isinstance(events[-1], Closed)
    assert sum(isinstance(event, Closed) for event in events) == 1


def test_the_encoder_speaks_plain_zlib() -> None:
    protocol, _ = as_server(compress=True)
    protocol.send_text("Hello")
    data = protocol.data_to_send()
    assert data[0] == 0xC1
    assert zlib.decompressobj(wbits=-12).decompress(data[2:] + b"\x00\x00\xff\xff") == b"Hello"
