"""Whole streams: any split, both ways, random bytes, and the time they take."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kit.errors import RemoteProtocolError
from kit.limits import Limits
from kit.wire.http1 import (
    ClientProtocol,
    EndOfMessage,
    PeerClosed,
    RequestHead,
    ResponseHead,
    ServerProtocol,
)
from kit.wire.http1.fields import FORBIDDEN_TRAILERS
from support.wire import Event, join_bodies, pull, serve, split_at, split_bytewise

Fields = list[tuple[bytes, bytes]]
Message = tuple[str, str, Fields, bytes, str, Fields]
Outcome = list[Event] | int

TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
RESERVED = {b"connection", b"date", b"upgrade", b"expect"} | FORBIDDEN_TRAILERS

tokens = st.text(TOKEN_CHARACTERS, min_size=1, max_size=12)
names = tokens.map(str.encode).filter(lambda name: name.lower() not in RESERVED)
values = (
    st.binary(max_size=20)
    .map(lambda value: bytes(byte for byte in value if byte == 9 or (byte >= 32 and byte != 127)))
    .map(lambda value: value.strip(b" \t"))
)
fields = st.lists(st.tuples(names, values), max_size=6)
bodies = st.one_of(st.just(b""), st.binary(max_size=60), st.just(b"\r\n\r\n0\r\n\r\n"))
targets = st.text("abc/?%=&._-~:@!$'()*+,;", max_size=20).map(lambda text: "/" + text)
cut_lists = st.lists(st.integers(0, 600), max_size=12)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Draw a request as the client is asked to send it."""
    return (
        draw(tokens.filter(lambda method: method not in ("CONNECT", "HEAD"))),
        draw(targets),
        [(b"Host", b"a:80"), *draw(fields)],
        draw(bodies),
        draw(st.sampled_from(["length", "chunked", "pieces"])),
        draw(fields),
    )


def write_request(protocol: ClientProtocol, message: Message) -> bytes:
    method, target, headers, body, form, trailers = message
    if form == "length":
        return protocol.send_request(method, target, headers, body)
    if form == "chunked":
        return protocol.send_request(
            method, target, [*headers, (b"Transfer-Encoding", b"chunked")], body
        )
    sent = protocol.start_request(method, target, headers, length=None)
    for start in range(0, len(body), 7):
        sent += protocol.send_data(body[start : start + 7])
    return sent + protocol.end_request(trailers)


def kept(raw_headers: Fields) -> Fields:
    framing = (b"content-length", b"transfer-encoding")
    return [(name, value) for name, value in raw_headers if name.lower() not in framing]


@given(st.lists(messages(), min_size=1, max_size=3), cut_lists)
@settings(max_examples=150, deadline=None)
def test_any_split_of_what_our_client_sends_is_what_our_server_reads(
    sent_messages: list[Message], cuts: list[int]
) -> None:
    stream = b"".join(write_request(ClientProtocol(), message) for message in sent_messages)
    whole = serve([stream])
    assert serve(split_at(stream, cuts)) == whole
    assert serve(split_bytewise(stream)) == whole
    events = iter(whole)
    for method, target, headers, body, form, trailers in sent_messages:
        head = next(events)
        assert isinstance(head, RequestHead)
        assert (head.method, head.target, kept(head.raw_headers)) == (method, target, headers)
        if body:
            assert next(events) == body
        if head.has_body:
            assert next(events) == EndOfMessage(trailers if form == "pieces" else [])
    assert isinstance(next(events), PeerClosed)


@given(messages(), st.sampled_from([200, 201, 404, 503]), cut_lists)
@settings(max_examples=150, deadline=None)
def test_any_split_of_what_our_server_sends_is_what_our_client_reads(
    message: Message, status: int, cuts: list[int]
) -> None:
    _, _, headers, body, form, trailers = message
    server = ServerProtocol()
    server.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    server.next_event()
    if form == "pieces":
        stream = server.start_response(status, headers, length=None)
        for start in range(0, len(body), 7):
            stream += server.send_data(body[start : start + 7])
        stream += server.end_response(trailers)
    else:
        trailers = trailers if form == "chunked" else []
        stream = server.send_response(status, headers, body, trailers=trailers)
    results = []
    for pieces in ([stream], split_at(stream, cuts), split_bytewise(stream)):
        client = ClientProtocol()
        client.send_request("GET", "/", [(b"Host", b"a")])
        events: list[Event] = []
        for piece in pieces:
            client.receive(piece)
            events += pull(client)
        results.append(join_bodies(events))
        assert client.can_reuse
    assert results[0] == results[1] == results[2]
    head, *rest = results[0]
    assert isinstance(head, ResponseHead)
    assert head.status == status
    assert [pair for pair in kept(head.raw_headers) if pair[0] != b"Date"] == headers
    assert rest == [*([body] if body else []), EndOfMessage(trailers)]


REQUEST = (
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;a=b\r\nhello\r\n0\r\nA: x\r\n\r\n"
)
wire_bytes = st.lists(
    st.one_of(
        st.binary(max_size=6),
        st.sampled_from(
            [
                *(b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b":", b"GET / HTTP/1.1\r\n", b"0\r\n"),
                *(b"Host: a\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
                *(b"5\r\nhello\r\n", b"HTTP/1.1 200 OK\r\n", b"Connection: close\r\n", REQUEST),
                *(b"Upgrade: x\r\n", b"Connection: upgrade\r\n", b"Expect: 100-continue\r\n"),
            ]
        ),
    ),
    max_size=12,
).map(b"".join)


@given(wire_bytes, cut_lists)
@example(b"GET / HTTP/1.1\r\nHost:\r\n\r\n", [])
@settings(max_examples=400, deadline=None)
def test_random_bytes_raise_nothing_but_the_documented_error_at_the_server(
    data: bytes, cuts: list[int]
) -> None:
    results: list[Outcome] = []
    for pieces in ([data], split_at(data, cuts), split_bytewise(data)):
        try:
            results.append(serve(pieces, limits=Limits(head_bytes=256, target_bytes=64)))
        except RemoteProtocolError as error:
            results.append(error.status_code)
    assert results[0] == results[1] == results[2]
    if isinstance(results[0], int):
        assert results[0] in {400, 414, 417, 431, 501, 505}


def receive(pieces: list[bytes]) -> Outcome:
    """Feed a client that waits for a response; return the events, or 400 for a refusal."""
    client = ClientProtocol(Limits(head_bytes=256))
    client.send_request("GET", "/", [(b"Host", b"a")])
    events: list[Event] = []
    try:
        for piece in pieces:
            client.receive(piece)
            events += pull(client)
        client.receive_eof()
        events += pull(client)
    except RemoteProtocolError as error:
        return error.status_code
    return join_bodies(events)


@given(st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n"]), wire_bytes, cut_lists)
@settings(max_examples=300, deadline=None)
def test_random_bytes_raise_nothing_but_the_documented_error_at_the_client(
    start: bytes, data: bytes, cuts: list[int]
) -> None:
    splits = ([start + data], split_at(start + data, cuts), split_bytewise(start + data))
    results = [receive(pieces) for pieces in splits]
    assert results[0] == results[1] == results[2]


@given(st.binary(min_size=1, max_size=4), st.integers(0, len(REQUEST)))
@settings(max_examples=300, deadline=None)
def test_a_damaged_request_is_read_alike_whole_and_bytewise(damage: bytes, position: int) -> None:
    data = REQUEST[:position] + damage + REQUEST[position:]
    results: list[Outcome] = []
    for pieces in ([data], split_bytewise(data)):
        try:
            results.append(serve(pieces))
        except RemoteProtocolError as error:
            results.append(error.status_code)
    assert results[0] == results[1]


def feed(protocol: ServerProtocol, data: bytes, piece_bytes: int) -> None:
    for start in range(0, len(data), piece_bytes):
        protocol.receive(data[start : start + piece_bytes])
        pull(protocol)


HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
FLOODS: dict[str, tuple[Callable[[int], bytes], int]] = {
    "a long target": (lambda size: b"GET /" + b"x" * size, 1),
    "a long field": (lambda size: HEAD + b"A: " + b"x" * size, 1),
    "many fields": (lambda size: HEAD + b"A: x\r\n" * (size // 6), 1),
    "one-byte chunks": (lambda size: CHUNKED + b"1\r\nx\r\n" * (size // 6), 65536),
    "one-byte chunks, bytewise": (lambda size: CHUNKED + b"1\r\nx\r\n" * (size // 6), 1),
    "blank lines in a chunk": (
        lambda size: CHUNKED + b"%x\r\n" % (size // 4 * 4) + b"\r\n\r\n" * (size // 4),
        3,
    ),
    "trailers": (lambda size: CHUNKED + b"0\r\n" + b"A: x\r\n" * (size // 6), 1),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_the_time_grows_with_the_bytes_and_no_faster(flood: str) -> None:
    make, piece_bytes = FLOODS[flood]
    limits = Limits(target_bytes=10**7, head_bytes=10**7, head_fields=10**6)

    def measure(size: int) -> float:
        data = make(size)
        best = float("inf")
        for _ in range(3):
            protocol = ServerProtocol(limits)
            start = time.process_time()
            feed(protocol, data, piece_bytes)
            best = min(best, time.process_time() - start)
        return best

    # A quadratic scan of the larger sample would take 64 times as long, not 8 times.
    assert measure(80_000) < 30 * measure(10_000)


def test_many_pipelined_requests_take_linear_time_and_leave_nothing_behind() -> None:
    protocol = ServerProtocol()
    request = HEAD + b"\r\n"
    protocol.receive(request * 2000)
    for _ in range(2000):
        assert isinstance(protocol.next_event(), RequestHead)
        protocol.send_response(200, [])
    assert protocol.next_event() is None
    assert not protocol.has_buffered
