from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from freezegun import freeze_time

from kit.errors import LocalProtocolError, RemoteProtocolError
from kit.limits import Limits
from kit.wire.http1 import PEER_CLOSED, EndOfMessage, PeerClosed, RequestHead, ServerProtocol
from support.wire import Event, is_receiving, pull, serve, split_bytewise

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
OLD_KEPT = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPECT = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n"

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
DATE_LINE = b"Date: " + DATE + b"\r\n"


@pytest.fixture(autouse=True)
def _date() -> Iterator[None]:
    with freeze_time("1994-11-06 08:49:37"):
        yield


def started(request: bytes) -> ServerProtocol:
    """Make a protocol that has told the request's head."""
    protocol = ServerProtocol()
    protocol.receive(request)
    assert isinstance(protocol.next_event(), RequestHead)
    return protocol


def parse(request: bytes) -> RequestHead:
    head = ServerProtocol()
    head.receive(request)
    event = head.next_event()
    assert isinstance(event, RequestHead)
    return event


# What arrives


def test_a_request_head_is_told_as_it_came() -> None:
    raw = b"GET /a?b=%2F HTTP/1.1\r\nhOST: example.com:80\r\nX:\t one  two \t\r\nx:\r\n\r\n"
    assert parse(raw) == RequestHead(
        method="GET",
        target="/a?b=%2F",
        http_version="1.1",
        raw_headers=[(b"hOST", b"example.com:80"), (b"X", b"one  two"), (b"x", b"")],
        raw=raw,
        content_length=None,
        is_chunked=False,
        has_body=False,
        keep_alive=True,
        expects_continue=False,
        upgrade="",
        host="example.com:80",
    )


def test_a_head_in_the_same_bytes_is_parsed_once() -> None:
    protocol = ServerProtocol()
    heads = []
    for request in (GET, GET, OLD_KEPT, GET):
        protocol.receive(request)
        heads.append(protocol.next_event())
        protocol.send_response(200, [])
    assert heads[0] is heads[1]
    assert heads[2] == parse(OLD_KEPT)
    assert heads[3] == heads[0]


@pytest.mark.parametrize(
    "method", ["GET", "get", "PURGE", "M-SEARCH", "!#$%&'*+-.^_`|~", "x" * 256]
)
def test_any_token_is_a_method(method: str) -> None:
    assert parse(GET.replace(b"GET", method.encode())).method == method


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "QUERY", "GET"])
def test_any_method_may_have_a_body(method: str) -> None:
    events = serve([POST.replace(b"POST", method.encode()) + b"hello"])
    assert events[1:] == [b"hello", EndOfMessage(), PEER_CLOSED]


@pytest.mark.parametrize(
    ("request_line", "host", "expected"),
    [
        (b"GET / HTTP/1.1", b"a", "a"),
        (b"GET / HTTP/1.1", b"", ""),
        (b"GET / HTTP/1.1", b"a:", "a:"),
        (b"GET / HTTP/1.1", b"a_b.example:65535", "a_b.example:65535"),
        (b"GET / HTTP/1.1", b"127.0.0.1:1", "127.0.0.1:1"),
        (b"GET / HTTP/1.1", b"[::1]:80", "[::1]:80"),
        (b"GET / HTTP/1.1", b"[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]"),
        (b"GET / HTTP/1.1", b"a%20b", "a%20b"),
        (b"OPTIONS * HTTP/1.1", b"a", "a"),
        (b"OPTIONS * HTTP/1.1", b"", ""),
        (b"OPTIONS / HTTP/1.1", b"a", "a"),
        (b"GET http://b:81/x?y HTTP/1.1", b"a", "b:81"),
        (b"GET HTTPS://b HTTP/1.1", b"a", "b"),
        (b"GET http://b?x HTTP/1.1", b"a", "b"),
        (b"GET http://[::1]:8/ HTTP/1.1", b"a", "[::1]:8"),
        (b"CONNECT b:443 HTTP/1.1", b"b:443", "b:443"),
        (b"GET / HTTP/1.0", b"a", "a"),
        (b"GET / HTTP/1.0", b"", ""),
    ],
)
def test_the_host_is_the_authority_of_the_target_or_else_the_field(
    request_line: bytes, host: bytes, expected: str
) -> None:
    assert parse(request_line + b"\r\nHost: " + host + b"\r\n\r\n").host == expected


def test_a_request_of_http_1_0_needs_no_host() -> None:
    assert parse(OLD).host == ""


def test_a_remembered_block_without_host_is_still_refused_in_http_1_1() -> None:
    protocol = started(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    protocol.send_response(200, [])
    protocol.receive(b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")
    with pytest.raises(RemoteProtocolError, match="host is missing"):
        protocol.next_event()


@pytest.mark.parametrize(
    ("version", "connection", "expected"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"close", False),
        (b"1.1", b"x, CLOSE ,y", False),
        (b"1.1", b"keep-alive, close", False),
        (b"1.1", b"closed", True),
        (b"1.0", b"", False),
        (b"1.0", b"Keep-Alive", True),
        (b"1.0", b"keep-alive, close", False),
    ],
)
def test_keep_alive_is_what_version_and_connection_options_ask_for(
    version: bytes, connection: bytes, expected: bool
) -> None:
    request = b"GET / HTTP/%b\r\nHost: a\r\nConnection: %b\r\n\r\n" % (version, connection)
    assert parse(request).keep_alive is expected


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (UPGRADE, "websocket"),
        (UPGRADE.replace(b"Connection: Upgrade", b"Connection: keep-alive, upgrade"), "websocket"),
        (UPGRADE.replace(b"WebSocket", b"h2c, WebSocket"), "h2c, websocket"),
        (UPGRADE.replace(b"Connection: Upgrade\r\n", b""), ""),
        (UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"), ""),
        (UPGRADE.replace(b"Upgrade: WebSocket\r\n", b""), ""),
    ],
)
def test_an_upgrade_counts_with_its_connection_option_in_http_1_1(
    request_bytes: bytes, expected: str
) -> None:
    assert parse(request_bytes).upgrade == expected


def test_a_body_of_declared_length_is_told_as_it_arrives() -> None:
    protocol = started(POST)
    assert protocol.next_event() is None
    protocol.receive(b"he")
    assert protocol.next_event() == b"he"
    assert protocol.next_event() is None
    assert is_receiving(protocol)
    protocol.receive(b"lloGET")
    assert pull(protocol) == [b"llo", EndOfMessage()]
    assert not is_receiving(protocol)
    assert protocol.has_buffered


def test_a_declared_length_of_zero_is_no_body() -> None:
    head = parse(POST.replace(b"5", b"0"))
    assert (head.content_length, head.has_body) == (0, False)


@pytest.mark.parametrize(
    ("chunks", "body", "trailers"),
    [
        (b"0\r\n\r\n", None, []),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello", []),
        (b"005\r\nhello\r\n000\r\n\r\n", b"hello", []),
        (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2, []),
        (b'5;a=b;c\r\nhello\r\n0;d="e;f"\r\n\r\n', b"hello", []),
        (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", []),
        (b"5\r\nhello\r\n0\r\nA: x\r\nB:y \r\n\r\n", b"hello", [(b"A", b"x"), (b"B", b"y")]),
    ],
)
def test_a_chunked_body_is_told_with_its_trailers(
    chunks: bytes, body: bytes | None, trailers: list[tuple[bytes, bytes]]
) -> None:
    expected: list[Event] = [EndOfMessage(trailers), PEER_CLOSED]
    if body:
        expected.insert(0, body)
    for pieces in ([CHUNKED + chunks], split_bytewise(CHUNKED + chunks)):
        events = serve(pieces)
        assert isinstance(events[0], RequestHead)
        assert events[0].is_chunked
        assert events[0].has_body
        assert events[1:] == expected


def test_what_follows_a_chunked_message_is_the_next_request() -> None:
    events = serve([CHUNKED + b"1\r\nx\r\n0\r\nA: x\r\n\r\n" + GET])
    assert [type(event) for event in events] == [
        *(RequestHead, bytes, EndOfMessage),
        *(RequestHead, PeerClosed),
    ]


def test_a_pipelined_request_waits_for_the_response_before_it() -> None:
    protocol = ServerProtocol()
    protocol.receive(GET + GET.replace(b"/ ", b"/2 "))
    assert isinstance(protocol.next_event(), RequestHead)
    assert protocol.next_event() is None
    assert protocol.has_buffered
    protocol.start_response(200, [], length=2)
    assert protocol.next_event() is None
    protocol.send_data(b"hi")
    assert protocol.next_event() is None
    protocol.end_response()
    second = protocol.next_event()
    assert isinstance(second, RequestHead)
    assert second.target == "/2"


def test_one_empty_line_before_a_request_is_ignored() -> None:
    for pieces in ([b"\r\n" + GET + b"\r\n" + GET], split_bytewise(b"\r\n" + GET + b"\r\n" + GET)):
        heads = [event for event in serve(pieces) if isinstance(event, RequestHead)]
        assert [head.raw for head in heads] == [GET, GET]


def test_an_empty_line_and_the_end_are_no_partial_request() -> None:
    assert serve([GET + b"\r\n"])[1:] == [PEER_CLOSED]
    assert serve([]) == [PEER_CLOSED]


def test_the_end_of_the_stream_behind_an_unanswered_request_is_told_after_the_answer() -> None:
    protocol = started(GET)
    protocol.receive_eof()
    assert protocol.next_event() is None
    protocol.send_response(200, [])
    assert protocol.next_event() is PEER_CLOSED


def test_is_receiving_while_a_head_is_here_in_part() -> None:
    protocol = ServerProtocol()
    assert not is_receiving(protocol)
    protocol.receive(b"G")
    assert protocol.next_event() is None
    assert is_receiving(protocol)
    protocol.receive(GET[1:])
    protocol.next_event()
    assert not is_receiving(protocol)


def test_a_chunked_body_over_its_limit_gets_413_at_once() -> None:
    protocol = started(CHUNKED)
    protocol.body_limit = 5
    protocol.receive(b"5\r\nhello\r\n")
    assert protocol.next_event() == b"hello"
    protocol.receive(b"1\r\n")
    with pytest.raises(RemoteProtocolError) as caught:
        protocol.next_event()
    assert caught.value.status_code == 413
    assert str(caught.value) == "the body is longer than its limit of 5 bytes"


def test_a_declared_length_over_the_limit_gets_413_before_the_body() -> None:
    protocol = started(POST)
    protocol.body_limit = 4
    with pytest.raises(RemoteProtocolError) as caught:
        protocol.next_event()
    assert caught.value.status_code == 413


def test_the_body_limit_is_for_one_request() -> None:
    protocol = started(POST + b"hello" + POST)
    protocol.body_limit = 5
    assert pull(protocol) == [b"hello", EndOfMessage()]
    protocol.send_response(200, [])
    protocol.next_event()
    assert protocol.body_limit is None


def test_an_error_is_raised_again_until_it_is_answered() -> None:
    protocol = ServerProtocol()
    protocol.receive(b"nonsense\r\n\r\n")
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="the request line has no target"):
            protocol.next_event()
    assert not protocol.keep_alive
    with pytest.raises(LocalProtocolError) as caught:
        protocol.send_response(200, [])
    assert str(caught.value) == "only an error response may follow a protocol error, not 200"
    sent = protocol.send_response(400, [], b"no")
    assert sent == (
        b"HTTP/1.1 400 Bad Request\r\n" + DATE_LINE + b"Content-Length: 2\r\n"
        b"Connection: close\r\n\r\nno"
    )
    protocol.receive(GET)
    assert protocol.next_event() is None
    assert not protocol.has_buffered
    protocol.receive_eof()
    assert protocol.next_event() is PEER_CLOSED


def test_an_error_in_a_body_is_answered_as_the_requests_method_asks() -> None:
    protocol = started(CHUNKED.replace(b"POST", b"HEAD") + b"x")
    with pytest.raises(RemoteProtocolError):
        protocol.next_event()
    assert protocol.send_response(400, [], b"no").endswith(
        b"Content-Length: 2\r\nConnection: close\r\n\r\n"
    )


def test_an_error_behind_a_response_can_be_answered() -> None:
    protocol = started(GET + b"x\r\n\r\n")
    protocol.send_response(200, [])
    with pytest.raises(RemoteProtocolError):
        protocol.next_event()
    assert not protocol.is_response_started
    assert protocol.send_response(400, []).startswith(b"HTTP/1.1 400 ")


def test_a_time_out_of_the_callers_can_be_answered() -> None:
    protocol = ServerProtocol()
    protocol.receive(b"GET / HT")
    assert protocol.next_event() is None
    protocol.fail(RemoteProtocolError("too slow", 408))
    assert protocol.send_response(408, []).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert protocol.next_event() is None


@pytest.mark.parametrize("sample", [b"x\r\n\r\n", b"GET / HTTP/1.1\r\nA : x\r\n\r\n", b"\x16\x03"])
def test_a_refused_head_can_be_taken_for_the_record(sample: bytes) -> None:
    for pieces in ([sample + GET], split_bytewise(sample)):
        protocol = ServerProtocol()
        with pytest.raises(RemoteProtocolError):
            for piece in pieces:
                protocol.receive(piece)
                protocol.next_event()
        taken = protocol.take_buffer()
        assert taken
        assert (sample + GET).startswith(taken)
        assert not protocol.has_buffered
        assert protocol.send_response(400, []).startswith(b"HTTP/1.1 400 ")


def test_a_refused_body_leaves_nothing_to_be_taken() -> None:
    protocol = started(CHUNKED + b"x")
    with pytest.raises(RemoteProtocolError):
        protocol.next_event()
    assert protocol.take_buffer() == b""


def test_a_time_out_on_a_second_request_can_be_answered() -> None:
    protocol = started(GET + b"GET / HT")
    protocol.send_response(200, [])
    assert protocol.next_event() is None
    protocol.fail(RemoteProtocolError("too slow", 408))
    assert protocol.take_buffer() == b"GET / HT"
    assert not protocol.is_response_started
    assert protocol.send_response(408, []).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_bytes_after_the_end_of_the_stream_are_a_fault_of_the_caller() -> None:
    protocol = ServerProtocol()
    protocol.receive_eof()
    with pytest.raises(LocalProtocolError) as caught:
        protocol.receive(b"x")
    assert str(caught.value) == "data was given after the end of the stream"


def test_limits_are_the_given_ones() -> None:
    protocol = ServerProtocol(Limits(target_bytes=3))
    protocol.receive(b"GET /abc HTTP/1.1\r\n")
    with pytest.raises(RemoteProtocolError) as caught:
        protocol.next_event()
    assert caught.value.status_code == 414
    assert str(caught.value) == "the request target is longer than the limit target_bytes of 3"


def test_repr_tells_state_and_buffer() -> None:
    protocol = started(POST + b"hel")
    assert repr(protocol) == "<ServerProtocol body, 3 bytes buffered>"


# What is sent


def text_of(sent: bytes) -> bytes:
    return sent.replace(DATE_LINE, b"")


@pytest.mark.parametrize(
    ("request_bytes", "status", "headers", "body", "expected"),
    [
        (GET, 200, [], b"hi", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
        (GET, 200, [], b"", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        (GET, 599, [], b"", b"HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n"),
        (
            GET,
            200,
            [(b"X-a", b"1"), (b"x-A", b""), (b"Set-Cookie", b"\xe4")],
            b"",
            b"HTTP/1.1 200 OK\r\nX-a: 1\r\nx-A: \r\nSet-Cookie: \xe4\r\nContent-Length: 0\r\n\r\n",
        ),
        (HEAD, 200, [], b"hi", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
        (
            HEAD,
            200,
            [(b"content-length", b"9")],
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        ),
        (GET, 204, [], b"", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (GET, 205, [], b"", b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"),
        (GET, 304, [], b"", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        (
            GET,
            304,
            [(b"Content-Length", b"9")],
            b"",
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        ),
        (
            OLD,
            200,
            [],
            b"hi",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
        ),
        (
            OLD_KEPT,
            200,
            [],
            b"hi",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi",
        ),
        (
            GET,
            200,
            [(b"Transfer-Encoding", b"chunked")],
            b"hi",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        ),
        (
            GET,
            200,
            [(b"Connection", b"X-Hop, Keep-Alive")],
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X-Hop\r\n\r\n",
        ),
        (
            GET,
            200,
            [(b"Connection", b"X-Hop, Close")],
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X-Hop, close\r\n\r\n",
        ),
    ],
)
def test_a_whole_response_is_framed(
    request_bytes: bytes,
    status: int,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    expected: bytes,
) -> None:
    protocol = started(request_bytes)
    given = list(headers)
    sent = protocol.send_response(status, headers, body)
    assert text_of(sent) == expected
    assert DATE_LINE in sent
    assert headers == given
    assert text_of(protocol.last_head) == expected[: expected.index(b"\r\n\r\n") + 4]
    assert protocol.is_response_complete
    assert protocol.is_response_started
    assert protocol.keep_alive is (b"close" not in expected)


def test_a_date_of_the_handlers_own_is_kept() -> None:
    sent = started(GET).send_response(200, [(b"date", b"yesterday")])
    assert sent == b"HTTP/1.1 200 OK\r\ndate: yesterday\r\nContent-Length: 0\r\n\r\n"


def test_close_is_told_and_ends_the_reading() -> None:
    protocol = started(GET + GET)
    sent = protocol.send_response(200, [], close=True)
    assert b"\r\nConnection: close\r\n" in sent
    assert not protocol.keep_alive
    assert protocol.next_event() is None
    assert not protocol.has_buffered


def test_an_unread_body_closes_the_connection() -> None:
    protocol = started(POST)
    assert b"\r\nConnection: close\r\n" in protocol.send_response(413, [])
    assert not protocol.keep_alive
    assert protocol.is_receiving
    protocol.receive(b"hello")
    assert protocol.next_event() is None


def test_trailers_make_a_response_chunked() -> None:
    sent = started(GET).send_response(200, [], b"hi", trailers=[(b"A", b"x")])
    assert text_of(sent) == (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: x\r\n\r\n"
    )


def test_trailers_are_not_sent_to_a_client_of_http_1_0() -> None:
    sent = started(OLD).send_response(200, [], b"hi", trailers=[(b"A", b"x")])
    assert text_of(sent).endswith(b"Content-Length: 2\r\nConnection: close\r\n\r\nhi")


@pytest.mark.parametrize(
    ("request_bytes", "length", "expected"),
    [
        (GET, None, b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\nyou\r\n0\r\n\r\n"),
        (GET, 5, b"Content-Length: 5\r\n\r\nhiyou"),
        (OLD, None, b"Connection: close\r\n\r\nhiyou"),
        (OLD_KEPT, None, b"Connection: close\r\n\r\nhiyou"),
        (OLD_KEPT, 5, b"Content-Length: 5\r\nConnection: keep-alive\r\n\r\nhiyou"),
        (HEAD, None, b"Transfer-Encoding: chunked\r\n\r\n"),
        (HEAD, 5, b"Content-Length: 5\r\n\r\n"),
    ],
)
def test_a_streamed_response_is_framed(
    request_bytes: bytes, length: int | None, expected: bytes
) -> None:
    protocol = started(request_bytes)
    sent = protocol.start_response(200, [], length=length)
    assert (protocol.is_response_started, protocol.is_response_complete) == (True, False)
    sent += protocol.send_data(b"hi") + protocol.send_data(b"") + protocol.send_data(b"you")
    sent += protocol.end_response()
    assert text_of(sent) == b"HTTP/1.1 200 OK\r\n" + expected
    assert protocol.is_response_complete
    assert protocol.keep_alive is (b"close" not in expected)


def test_a_streamed_response_may_end_with_trailers() -> None:
    protocol = started(GET)
    protocol.start_response(200, [], length=None)
    assert protocol.end_response([(b"A", b"x")]) == b"0\r\nA: x\r\n\r\n"


def test_a_content_length_of_the_handlers_own_frames_a_stream() -> None:
    protocol = started(GET)
    sent = protocol.start_response(200, [(b"Content-Length", b"2")], length=None)
    assert b"\r\nContent-Length: 2\r\n" in sent
    assert protocol.send_data(b"hi") == b"hi"


def test_a_head_request_may_be_answered_without_its_declared_body() -> None:
    protocol = started(HEAD)
    protocol.start_response(200, [], length=5)
    assert protocol.end_response() == b""
    assert protocol.keep_alive


def test_the_100_is_sent_once_and_only_where_it_is_waited_for() -> None:
    protocol = started(EXPECT)
    assert protocol.send_continue() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert protocol.send_continue() == b""
    assert started(POST).send_continue() == b""
    assert started(EXPECT.replace(b"HTTP/1.1", b"HTTP/1.0")).send_continue() == b""
    assert started(EXPECT.replace(b"5", b"0")).send_continue() == b""


def test_the_100_is_not_sent_behind_the_response() -> None:
    protocol = started(EXPECT)
    protocol.start_response(200, [], length=0)
    assert protocol.send_continue() == b""


def test_a_continue_that_the_handler_sends_itself_is_the_only_one() -> None:
    protocol = started(EXPECT)
    assert protocol.send_response(100, [(b"X-Own", b"1")]) == (
        b"HTTP/1.1 100 Continue\r\nX-Own: 1\r\n\r\n"
    )
    assert protocol.send_continue() == b""


def test_interim_responses_come_before_the_final_one() -> None:
    protocol = started(GET)
    sent = protocol.send_response(103, [(b"Link", b"</a>")])
    assert sent == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert not protocol.is_response_started
    assert protocol.send_response(200, []).startswith(b"HTTP/1.1 200 OK\r\n")


def test_switching_protocols_leaves_what_came_behind_the_request() -> None:
    protocol = started(UPGRADE + b"\x81\x00")
    sent = protocol.switch_protocols([(b"Upgrade", b"websocket"), (b"X", b"y")])
    assert sent == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX: y\r\n"
        b"Connection: Upgrade\r\n\r\n"
    )
    assert protocol.last_head == sent
    assert not protocol.keep_alive
    assert protocol.next_event() is None
    protocol.receive(b"\x01")
    assert protocol.take_buffer() == b"\x81\x00\x01"
    assert protocol.take_buffer() == b""


def test_a_given_connection_field_is_not_doubled_in_a_101() -> None:
    sent = started(UPGRADE).switch_protocols([(b"Connection", b"Upgrade"), (b"Upgrade", b"x")])
    assert sent.count(b"Connection") == 1


def test_a_tunnel_begins_with_a_2xx_to_connect() -> None:
    protocol = started(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nraw")
    assert text_of(protocol.send_response(200, [])) == (b"HTTP/1.1 200 OK\r\n\r\n")
    assert protocol.next_event() is None
    assert protocol.take_buffer() == b"raw"


CHANGES = [
    (200, [(b"A", b"x\r\nB: y")], b"", "the value of header 'A' has a line end, NUL or control"),
    (200, [(b"A", b"x\n")], b"", "the value of header 'A' has a line end, NUL or control"),
    (200, [(b"A", b"x\r")], b"", "the value of header 'A' has a line end, NUL or control"),
    (200, [(b"A", b"\x00")], b"", "the value of header 'A' has a line end, NUL or control"),
    (200, [(b"A", b"\r\n"), (b"B", b"x")], b"", "the value of header 'A' has a line end"),
    (200, [(b"Connection", b"x\r\n")], b"", "the value of header 'connection' has a line end"),
    (200, [(b"", b"x")], b"", "header name '' is not a token"),
    (200, [(b"A B", b"x")], b"", "header name 'A B' is not a token"),
    (200, [(b"A:", b"x")], b"", "header name 'A:' is not a token"),
    (200, [(b"A\r\nB", b"x")], b"", "header name 'A\\r\\nB' is not a token"),
    (200, [("A", b"x")], b"", "a header must be a pair of bytes, not ('A', b'x')"),
    (200, [(b"A", b"x"), [b"B"]], b"", "a header must be a pair of bytes, not [b'B']"),
    (200, [(b"A", "x")], b"", "a header must be a pair of bytes, not (b'A', 'x')"),
    (200, [(b"A", None)], b"", "a header must be a pair of bytes, not (b'A', None)"),
    (200, [[b"A", b"x"]], b"", "a header must be a pair of bytes, not [b'A', b'x']"),
    (200, None, b"", "headers must be pairs of bytes, not None"),
    (200, [(b"Content-Length", b"3")], b"hi", "content-length is 3, but the body has 2 bytes"),
    (200, [(b"Content-Length", b"1")], b"hi", "content-length is 1, but the body has 2 bytes"),
    (200, [(b"Content-Length", b"x")], b"", "content-length must be a decimal number, not 'x'"),
    (200, [(b"Content-Length", b"0")] * 2, b"", "content-length is given more than once"),
    (200, [(b"Host", b"a")] * 2, b"", "host is given more than once"),
    (
        200,
        [(b"Content-Length", b"0"), (b"Transfer-Encoding", b"chunked")],
        b"",
        "content-length and transfer-encoding exclude each other",
    ),
    (
        200,
        [(b"Transfer-Encoding", b"gzip, chunked")],
        b"",
        "transfer-encoding is 'gzip, chunked', only a single chunked can be sent",
    ),
    (
        200,
        [(b"Transfer-Encoding", b"chunked")] * 2,
        b"",
        "transfer-encoding is 'chunked', only a single chunked can be sent",
    ),
    (204, [], b"hi", "a 204 response has no body, but 2 bytes were given"),
    (205, [], b"hi", "a 205 response has no body, but 2 bytes were given"),
    (304, [], b"hi", "a 304 response has no body, but 2 bytes were given"),
    (103, [], b"hi", "a 103 response has no body, 2 bytes given"),
    (204, [(b"Content-Length", b"0")], b"", "a 204 response has no body, so no content-length"),
    (205, [(b"Content-Length", b"9")], b"", "content-length is 9, but the body has 0 bytes"),
    (204, [(b"Transfer-Encoding", b"chunked")], b"", "a 204 response has no body, so no transfer"),
    (103, [(b"Content-Length", b"0")], b"", "a 103 response has no body, so no framing headers"),
    (101, [], b"", "a 101 response is made by switch_protocols"),
    (99, [], b"", "status must be an integer of 100 to 599, not 99"),
    (600, [], b"", "status must be an integer of 100 to 599, not 600"),
]


@pytest.mark.parametrize(("status", "headers", "body", "reason"), CHANGES)
def test_what_would_break_the_wire_is_not_sent_and_a_500_still_can_be(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes, reason: str
) -> None:
    protocol = started(GET)
    with pytest.raises(LocalProtocolError) as caught:
        protocol.send_response(status, headers, body)
    assert str(caught.value)[: len(reason)] == reason
    assert not protocol.is_response_started
    assert protocol.keep_alive
    assert protocol.send_response(500, []).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert protocol.keep_alive


def test_an_interim_response_is_not_for_http_1_0() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        started(OLD).send_response(103, [])
    assert str(caught.value) == "a 103 response cannot be sent to an http/1.0 client"


def test_an_interim_response_cannot_be_streamed() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        started(GET).start_response(103, [], length=0)
    assert str(caught.value) == "an interim response (103) has no body to be started"


def test_a_streamed_length_must_agree_with_the_field() -> None:
    protocol = started(GET)
    with pytest.raises(LocalProtocolError) as caught:
        protocol.start_response(200, [(b"Content-Length", b"3")], length=2)
    assert str(caught.value) == "content-length is 3, but the body has 2 bytes"
    assert not protocol.is_response_started


def test_a_stream_longer_than_declared_fails_at_once() -> None:
    protocol = started(GET)
    protocol.start_response(200, [], length=3)
    protocol.send_data(b"hi")
    with pytest.raises(LocalProtocolError) as caught:
        protocol.send_data(b"you")
    assert str(caught.value) == (
        "the body is longer than its content-length of 3: 3 bytes were given and 1 are left"
    )
    assert not protocol.keep_alive


def test_a_stream_shorter_than_declared_fails_at_its_end() -> None:
    protocol = started(GET)
    protocol.start_response(200, [], length=3)
    protocol.send_data(b"hi")
    with pytest.raises(LocalProtocolError) as caught:
        protocol.end_response()
    assert str(caught.value) == (
        "the body is shorter than its content-length of 3: 1 bytes are missing"
    )
    assert not protocol.keep_alive
    assert not protocol.is_response_complete


def test_a_stream_has_no_body_behind_a_204() -> None:
    protocol = started(GET)
    assert (
        text_of(protocol.start_response(204, [], length=None)) == b"HTTP/1.1 204 No Content\r\n\r\n"
    )
    with pytest.raises(LocalProtocolError, match="the body is longer than its content-length of 0"):
        protocol.send_data(b"x")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"Content-Length", "field 'Content-Length' is forbidden in trailers"),
        (b"host", "field 'host' is forbidden in trailers"),
        (b"A\n", "header name 'A\\n' is not a token"),
    ],
)
def test_malformed_trailers_are_not_sent(name: bytes, reason: str) -> None:
    protocol = started(GET)
    with pytest.raises(LocalProtocolError) as caught:
        protocol.send_response(200, [], trailers=[(name, b"x")])
    assert str(caught.value)[: len(reason)] == reason
    assert not protocol.is_response_started


def test_nothing_is_sent_twice_or_without_a_request() -> None:
    protocol = ServerProtocol()
    no_request = "no request waits for a response"
    with pytest.raises(LocalProtocolError, match=no_request):
        protocol.send_response(200, [])
    with pytest.raises(LocalProtocolError, match=no_request):
        protocol.send_response(500, [])
    protocol = started(GET)
    protocol.send_response(200, [])
    for call in (protocol.send_response, lambda *_: protocol.start_response(500, [], length=0)):
        with pytest.raises(LocalProtocolError, match=no_request):
            call(500, [])
    with pytest.raises(LocalProtocolError, match="data was given, but no response is being sent"):
        protocol.send_data(b"x")
    with pytest.raises(
        LocalProtocolError, match="the end was given, but no response is being sent"
    ):
        protocol.end_response()


def test_a_second_response_is_not_started_within_the_first() -> None:
    protocol = started(GET)
    protocol.start_response(200, [], length=None)
    with pytest.raises(LocalProtocolError) as caught:
        protocol.send_response(500, [])
    assert str(caught.value) == "a response was already started"
    protocol.end_response()


@pytest.mark.parametrize("request_bytes", [b"", OLD, POST])
def test_protocols_are_switched_only_behind_a_complete_request_of_http_1_1(
    request_bytes: bytes,
) -> None:
    protocol = started(request_bytes) if request_bytes else ServerProtocol()
    with pytest.raises(LocalProtocolError) as caught:
        protocol.switch_protocols([(b"Upgrade", b"websocket")])
    assert str(caught.value) == "no complete http/1.1 request waits for another protocol"


def test_a_101_needs_its_upgrade_field() -> None:
    protocol = started(UPGRADE)
    with pytest.raises(LocalProtocolError) as caught:
        protocol.switch_protocols([])
    assert str(caught.value) == "a 101 response needs an upgrade header"
    assert protocol.send_response(400, []).startswith(b"HTTP/1.1 400 ")


def test_the_names_that_were_checked_do_not_fill_the_memory() -> None:
    from kit.wire.http1 import serialize

    protocol = started(GET * 2000)
    for number in range(2000):
        protocol.send_response(200, [(b"X-%d" % number, b"x")])
        protocol.next_event()
    assert len(serialize._known_names) <= 1024
    assert len(serialize._known_fields) <= 256
    assert re.fullmatch(rb"X-\d+", next(iter(serialize._known_fields))[0][0])


def test_a_remembered_block_is_still_counted_against_a_smaller_limit() -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\nA: remembered\r\nB: x\r\n\r\n"
    assert parse(request).raw_headers[1] == (b"A", b"remembered")
    protocol = ServerProtocol(Limits(head_fields=2))
    protocol.receive(request)
    with pytest.raises(RemoteProtocolError) as caught:
        protocol.next_event()
    assert caught.value.status_code == 431


def test_the_blocks_that_are_remembered_are_few_and_not_shared_with_the_caller() -> None:
    from kit.wire.http1 import fields

    head = parse(GET)
    head.raw_headers.append((b"Evil", b"x"))
    assert parse(GET).raw_headers == [(b"Host", b"a")]
    for number in range(200):
        parse(b"GET / HTTP/1.1\r\nHost: a\r\nX: %d\r\n\r\n" % number)
        parse(b"GET / HTTP/1.1\r\nHost: a\r\nX: %d%b\r\n\r\n" % (number, b"x" * 1024))
    assert len(fields._known_blocks) <= 64
    assert all(len(block) <= 1024 for block in fields._known_blocks)
