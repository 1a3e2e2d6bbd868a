from __future__ import annotations

import pytest

from kit.errors import LocalProtocolError, RemoteProtocolError
from kit.limits import Limits
from kit.wire.http1 import PEER_CLOSED, ClientProtocol, EndOfMessage, ResponseHead
from support.wire import Event, Split, is_receiving, join_bodies, pull, split_bytewise

HOST = [(b"Host", b"a")]
OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"Content-Length: 0\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SMALL = Limits(head_bytes=512, head_fields=8)


def asked(method: str = "GET", headers: list[tuple[bytes, bytes]] = HOST) -> ClientProtocol:
    protocol = ClientProtocol(SMALL)
    protocol.send_request(method, "/", headers)
    return protocol


def read(
    sample: bytes, split: Split, *, method: str = "GET", ends: bool = True
) -> tuple[list[Event], ClientProtocol]:
    protocol = asked(method)
    events: list[Event] = []
    for piece in split(sample):
        protocol.receive(piece)
        events += pull(protocol)
    if ends:
        protocol.receive_eof()
        events += pull(protocol)
    return join_bodies(events), protocol


def whole(sample: bytes) -> list[bytes]:
    return [sample]


SPLITS = pytest.mark.parametrize("split", [whole, split_bytewise])


# What is sent


@pytest.mark.parametrize(
    ("method", "headers", "body", "expected"),
    [
        ("GET", [], b"", b"GET /x?y HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("POST", [], b"hi", b"POST /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"),
        ("POST", [], b"", b"POST /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
        ("DELETE", [], b"", b"DELETE /x?y HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("GET", [], b"hi", b"GET /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"),
        (
            "POST",
            [(b"Transfer-Encoding", b"chunked")],
            b"hi",
            (
                b"POST /x?y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"2\r\nhi\r\n0\r\n\r\n"
            ),
        ),
        (
            "DELETE",
            [(b"Content-Length", b"0")],
            b"",
            b"DELETE /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "GET",
            [(b"Connection", b"close")],
            b"",
            b"GET /x?y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        ),
        (
            "GET",
            [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")],
            b"",
            b"GET /x?y HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        ),
    ],
)
def test_a_whole_request_is_framed(
    method: str, headers: list[tuple[bytes, bytes]], body: bytes, expected: bytes
) -> None:
    protocol = ClientProtocol()
    assert protocol.send_request(method, "/x?y", [*HOST, *headers], body) == expected
    assert protocol.last_head == expected[: expected.index(b"\r\n\r\n") + 4]
    assert not protocol.is_idle


def test_trailers_make_a_request_chunked() -> None:
    sent = ClientProtocol().send_request("PUT", "/", HOST, b"hi", trailers=[(b"A", b"x")])
    assert sent.endswith(b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: x\r\n\r\n")


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (5, b"Content-Length: 5\r\n\r\nhiyou"),
        (None, b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\nyou\r\n0\r\n\r\n"),
    ],
)
def test_a_streamed_request_is_framed(length: int | None, expected: bytes) -> None:
    protocol = ClientProtocol()
    sent = protocol.start_request("PUT", "/", HOST, length=length)
    sent += protocol.send_data(b"hi") + protocol.send_data(b"") + protocol.send_data(b"you")
    sent += protocol.end_request()
    assert sent == b"PUT / HTTP/1.1\r\nHost: a\r\n" + expected


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("OPTIONS", "*"),
        ("CONNECT", "a:443"),
        ("GET", "http://a/x"),
        ("GET", "/%20"),
        ("M-SEARCH", "/"),
    ],
)
def test_every_form_of_target_can_be_sent(method: str, target: str) -> None:
    sent = ClientProtocol().send_request(method, target, HOST)
    assert sent.startswith(f"{method} {target} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "reason"),
    [
        ("GET", "/", [], b"", "host is missing: an http/1.1 request needs the header"),
        ("GET", "/", HOST * 2, b"", "host is given more than once"),
        ("GET", "/", [(b"Host", b"a b")], b"", "host is malformed: 'a b'"),
        ("", "/", HOST, b"", "method '' is not a token"),
        ("G T", "/", HOST, b"", "method 'G T' is not a token"),
        ("GET\r\n", "/", HOST, b"", "method 'GET\\r\\n' is not a token"),
        ("GÄT", "/", HOST, b"", "method 'GÄT' is not a token"),
        ("GET", "", HOST, b"", "target '' must be visible ascii without a '#'"),
        ("GET", "/a b", HOST, b"", "target '/a b' must be visible ascii without a '#'"),
        ("GET", "/ä", HOST, b"", "target '/ä' must be visible ascii without a '#'"),
        ("GET", "/\ud800", HOST, b"", "target '/\\ud800' must be visible ascii"),
        ("GET", "/#a", HOST, b"", "target '/#a' must be visible ascii without a '#'"),
        ("GET", "/\r\nA: x", HOST, b"", "target '/\\r\\nA: x' must be visible ascii"),
        ("GET", "*", HOST, b"", "the target of GET is '*', expected a path or an http url"),
        ("GET", "a", HOST, b"", "the target of GET is 'a', expected a path or an http url"),
        ("CONNECT", "/", HOST, b"", "the target of CONNECT is '/', expected `host:port`"),
        ("GET", "/", [*HOST, (b"A", b"\n")], b"", "the value of header 'A' has a line end"),
        ("GET", "/", [*HOST, (b"A b", b"")], b"", "header name 'A b' is not a token"),
        ("GET", "/", [*HOST, (b"Content-Length", b"3")], b"", "content-length is 3, but the body"),
        ("GET", "/", [*HOST, (b"Transfer-Encoding", b"x")], b"", "transfer-encoding is 'x', only"),
    ],
)
def test_what_would_break_the_wire_is_not_sent(
    method: str, target: str, headers: list[tuple[bytes, bytes]], body: bytes, reason: str
) -> None:
    protocol = ClientProtocol()
    with pytest.raises(LocalProtocolError) as caught:
        protocol.send_request(method, target, headers, body)
    assert str(caught.value)[: len(reason)] == reason
    assert protocol.can_reuse


def test_a_request_body_must_have_its_declared_length() -> None:
    protocol = ClientProtocol()
    protocol.start_request("PUT", "/", HOST, length=3)
    with pytest.raises(LocalProtocolError, match="the body is longer than its content-length of 3"):
        protocol.send_data(b"four")
    with pytest.raises(LocalProtocolError, match="3 bytes are missing"):
        protocol.end_request()


def test_one_request_at_a_time() -> None:
    protocol = asked()
    with pytest.raises(LocalProtocolError) as caught:
        protocol.send_request("GET", "/", HOST)
    assert str(caught.value) == "a request is still being sent or answered"
    with pytest.raises(LocalProtocolError, match="data was given, but no request is being sent"):
        protocol.send_data(b"x")
    with pytest.raises(LocalProtocolError, match="the end was given, but no request is being sent"):
        protocol.end_request()


# What arrives


@SPLITS
def test_a_response_head_is_told_as_it_came(split: Split) -> None:
    raw = b"HTTP/1.1 404 Nicht da \xfc\r\nX:  y \r\nx:\r\nContent-Length: 2\r\n\r\n"
    events, protocol = read(raw + b"hi", split, ends=False)
    head = ResponseHead(
        status=404,
        reason="Nicht da ü",
        http_version="1.1",
        raw_headers=[(b"X", b"y"), (b"x", b""), (b"Content-Length", b"2")],
        raw=raw,
        content_length=2,
        is_chunked=False,
        has_body=True,
        keep_alive=True,
        is_informational=False,
    )
    assert events == [head, b"hi", EndOfMessage()]
    assert protocol.can_reuse


@SPLITS
@pytest.mark.parametrize(
    ("sample", "method", "body", "can_reuse"),
    [
        (EMPTY, "GET", [], True),
        (OK + b"Content-Length: 2\r\n\r\nhi", "GET", [b"hi"], True),
        (OK + b"Content-Length: 2\r\n\r\n", "HEAD", [], True),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", "HEAD", [], True),
        (OK + b"\r\n", "HEAD", [], True),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", "GET", [], True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", "GET", [], True),
        (CHUNKED + b"2\r\nhi\r\n0\r\n\r\n", "GET", [b"hi"], True),
        (CHUNKED + b"0\r\n\r\n", "GET", [], True),
        (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi", "GET", [b"hi"], False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "GET", [b"hi"], False),
        (
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
            "GET",
            [b"hi"],
            True,
        ),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET", [], True),
        (b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "GET", [], True),
    ],
)
def test_a_delimited_response_ends_by_itself(
    sample: bytes, method: str, body: list[bytes], can_reuse: bool, split: Split
) -> None:
    events, protocol = read(sample, split, method=method, ends=False)
    assert events[1:] == [*body, EndOfMessage()]
    assert protocol.is_idle
    assert protocol.can_reuse is can_reuse
    protocol.receive_eof()
    assert protocol.next_event() is PEER_CLOSED
    assert repr(PEER_CLOSED) == "PEER_CLOSED"
    assert not protocol.can_reuse


@SPLITS
def test_a_response_without_a_length_ends_with_the_connection(split: Split) -> None:
    events, protocol = read(OK + b"\r\nhello", split)
    head = events[0]
    assert isinstance(head, ResponseHead)
    assert head.has_body
    assert not head.keep_alive
    assert events[1:] == [b"hello", EndOfMessage(), PEER_CLOSED]
    assert not protocol.can_reuse


@SPLITS
def test_trailers_come_with_the_end(split: Split) -> None:
    events, _ = read(CHUNKED + b"2\r\nhi\r\n0\r\nA: x\r\n\r\n", split, ends=False)
    assert events[1:] == [b"hi", EndOfMessage([(b"A", b"x")])]


@SPLITS
def test_interim_responses_come_before_the_final_one(split: Split) -> None:
    events, protocol = read(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + EMPTY,
        split,
        ends=False,
    )
    heads = [event for event in events if isinstance(event, ResponseHead)]
    assert [head.status for head in heads] == [100, 103, 200]
    assert [head.is_informational for head in heads] == [True, True, False]
    assert events[-1] == EndOfMessage()
    assert protocol.can_reuse


def test_interim_responses_have_a_bound() -> None:
    protocol = asked()
    protocol.receive(b"HTTP/1.1 102 Processing\r\n\r\n" * 65)
    with pytest.raises(RemoteProtocolError) as caught:
        pull(protocol)
    assert str(caught.value) == "more than 64 interim responses to one request"


def test_a_connection_is_used_again() -> None:
    protocol = asked()
    for _ in range(3):
        protocol.receive(EMPTY)
        could_reuse = protocol.can_reuse
        assert len(pull(protocol)) == 2
        assert (could_reuse, protocol.can_reuse) == (False, True)
        protocol.send_request("GET", "/", HOST)


def test_our_own_close_ends_the_connection() -> None:
    protocol = asked(headers=[*HOST, (b"Connection", b"close")])
    protocol.receive(EMPTY)
    pull(protocol)
    assert not protocol.can_reuse
    with pytest.raises(LocalProtocolError) as caught:
        protocol.send_request("GET", "/", HOST)
    assert str(caught.value) == "the connection cannot carry another request"


def test_a_response_before_the_requests_end_closes_the_connection() -> None:
    protocol = ClientProtocol()
    protocol.start_request("PUT", "/", HOST, length=10)
    protocol.receive(EMPTY)
    assert pull(protocol)[-1] == EndOfMessage()
    assert protocol.is_idle
    assert not protocol.can_reuse


@SPLITS
def test_a_101_ends_http(split: Split) -> None:
    protocol = asked(headers=[*HOST, (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")])
    events: list[Event] = []
    for piece in split(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x00"):
        protocol.receive(piece)
        events += pull(protocol)
    assert [event.status for event in events if isinstance(event, ResponseHead)] == [101]
    assert len(events) == 1
    assert protocol.is_switched
    assert not protocol.can_reuse
    assert protocol.take_buffer() == b"\x81\x00"


def test_a_2xx_to_connect_ends_http() -> None:
    protocol = ClientProtocol()
    protocol.send_request("CONNECT", "a:1", HOST)
    protocol.receive(OK + b"Content-Length: 5\r\n\r\nraw")
    assert len(pull(protocol)) == 1
    assert protocol.is_switched
    assert protocol.take_buffer() == b"raw"


def test_is_receiving_from_the_first_byte_to_the_last() -> None:
    protocol = asked()
    assert not is_receiving(protocol)
    protocol.receive(b"H")
    assert protocol.next_event() is None
    assert is_receiving(protocol)
    protocol.receive(CHUNKED[1:])
    pull(protocol)
    assert is_receiving(protocol)
    protocol.receive(b"0\r\n\r\n")
    pull(protocol)
    assert not is_receiving(protocol)


@SPLITS
@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the response does not begin with a status line: "),
        (b"<html>\r\n\r\n", "the response does not begin with a status line: "),
        (b"\r\n" + EMPTY, "the response does not begin with a status line: "),
        (b"\x15\x03\x03\x00\x02", "the response looks like TLS, but plain http was asked for"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "the response has an unknown http version: 'HTTP/2"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "the status line is malformed: 'HTTP/1.1 20 OK'"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "the status line is malformed: 'HTTP/1.1 2000 OK'"),
        (b"HTTP/1.1  200 OK\r\n\r\n", "the status line is malformed: 'HTTP/1.1  200 OK'"),
        (b"HTTP/1.1 200 OK\nA: x\r\n\r\n", "a bare CR or LF in the status line"),
        (OK + b"A: x\nB: y\r\n\r\n", "a bare LF in the header block"),
        (OK + b"A : x\r\n\r\n", "whitespace between header name 'A' and the colon"),
        (OK + b"A: x\r\n y\r\n\r\n", "whitespace at the start of header line 2 (a folded"),
        (OK + b"Content-Length: 1\r\n" * 2 + b"\r\nx", "content-length is given more than once"),
        (OK + b"Content-Length: 1, 1\r\n\r\nx", "content-length is a list: '1, 1'"),
        (OK + b"Content-Length: -1\r\n\r\n", "content-length is not a decimal number: '-1'"),
        (
            OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "content-length and transfer-encoding in one message",
        ),
        (OK + b"Transfer-Encoding: gzip\r\n\r\n", "transfer-encoding does not end in chunked"),
        (
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "transfer-encoding in an http/1.0 response",
        ),
        (b"HTTP/1.1 101 X\r\n\r\n", "a 101 response, but the request asked for no upgrade"),
        (CHUNKED + b"x", "a chunk size is not a hexadecimal number"),
        (EMPTY + b"x", "1 bytes arrived, but no request waits for a response"),
        (OK + b"A: " + b"x" * 512 + b"\r\n\r\n", "the head or trailers are longer than the limit"),
        (OK + b"A: x\r\n" * 9 + b"\r\n", "more header fields than the limit head_fields of 8"),
    ],
)
def test_a_malformed_response_is_refused(sample: bytes, reason: str, split: Split) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read(sample, split, ends=False)
    assert caught.value.reason[: len(reason)] == reason


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (b"", "the peer closed the connection without a response"),
        (b"HTTP/1.1 2", "in the middle of a response head: 10 bytes of it have arrived"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "the peer closed the connection without a response"),
        (OK + b"Content-Length: 5\r\n\r\nhel", "middle of a body: 2 of 5 bytes are missing"),
        (CHUNKED + b"5\r\nhel", "in the middle of a chunked body: 2 bytes of a chunk are missing"),
    ],
)
@SPLITS
def test_the_end_of_the_stream_in_mid_message_is_refused(
    sample: bytes, reason: str, split: Split
) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read(sample, split)
    assert caught.value.reason.startswith("the peer closed the connection ")
    assert caught.value.reason.endswith(reason)


def test_bytes_that_nobody_asked_for_are_refused() -> None:
    protocol = ClientProtocol()
    assert protocol.next_event() is None
    protocol.receive(b"hello")
    assert not protocol.can_reuse
    for _ in range(2):
        with pytest.raises(RemoteProtocolError) as caught:
            protocol.next_event()
        assert str(caught.value) == "5 bytes arrived, but no request waits for a response"
    assert not protocol.can_reuse
    protocol.receive(b"more")
    assert not protocol.has_buffered


@pytest.mark.parametrize(
    ("sample", "events"),
    [
        (OK + b"Content-Length: 6\r\n\r\n", 1),
        (CHUNKED + b"6\r\n", 1),
        (OK + b"\r\nsixsix", 1),
    ],
)
def test_a_body_over_its_limit_is_refused(sample: bytes, events: int) -> None:
    protocol = asked()
    protocol.body_limit = 5
    protocol.receive(sample)
    for _ in range(events):
        assert protocol.next_event() is not None
    with pytest.raises(RemoteProtocolError) as caught:
        protocol.next_event()
    assert str(caught.value) == "the body is longer than its limit of 5 bytes"


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_a_status_line_has_a_bound(end: bytes) -> None:
    protocol = ClientProtocol()
    protocol.send_request("GET", "/", HOST)
    protocol.receive(OK[:-2] + b"x" * 9000 + end)
    with pytest.raises(RemoteProtocolError) as caught:
        protocol.next_event()
    assert str(caught.value) == "the status line is longer than 8192 bytes"


def test_repr_tells_state_and_buffer() -> None:
    protocol = asked()
    protocol.receive(b"HTTP")
    assert repr(protocol) == "<ClientProtocol reading head, 4 bytes buffered>"
