from __future__ import annotations

import pytest

from kit.limits import Limits
from support.wire import Refusal, Split, refuse, refuse_open, split_bytewise

SMALL = Limits(target_bytes=64, head_bytes=512, head_fields=8)

HOST = b"Host: example.com\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
TLS = bytes.fromhex("16030100c8010000c40303") + bytes(range(64))

NOT_A_NUMBER = "content-length is not a decimal number: "
CHUNK_SIZE = "a chunk size is not a hexadecimal number"
CHUNK_LINE = "a control character or a bare line end in a chunk line"
CODINGS_END = "transfer-encoding does not end in chunked: "


def get(fields: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\n" + HOST + fields + b"\r\n"


def line(request_line: bytes) -> bytes:
    return request_line + b"\r\n" + HOST + b"\r\n"


def host(value: bytes, target: bytes = b"/") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost:%b\r\n\r\n" % (target, value)


REQUEST_LINES = [
    (line(b" GET / HTTP/1.1"), 400, "the request line begins with a blank or is empty"),
    (line(b"\tGET / HTTP/1.1"), 400, "the method is not a token: it has '\\t'"),
    (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", 400, "the request line begins with a blank or is empty"),
    (line(b"GET  / HTTP/1.1"), 400, "the request line has no target, or more than one blank"),
    (line(b"GET /  HTTP/1.1"), 400, "the request line does not end in a version like `HTTP/1.1`"),
    (line(b"GET / HTTP/1.1 "), 400, "the request line does not end in a version like `HTTP/1.1`"),
    (line(b"GET\t/ HTTP/1.1"), 400, "the method is not a token: it has '\\t'"),
    (line(b"GET /\tHTTP/1.1"), 400, "the request target has a forbidden byte, '\\t'"),
    (line(b"GET /a b HTTP/1.1"), 400, "the request line does not end in a version"),
    (line(b"GET /#top HTTP/1.1"), 400, "the request target has a fragment: a '#' is never sent"),
    (line("GET /ä HTTP/1.1".encode()), 400, "the request target has a forbidden byte, 'Ã'"),
    (line(b"GET /\x00 HTTP/1.1"), 400, "the request target has a forbidden byte, '\\x00'"),
    (line(b"GET /\x7f HTTP/1.1"), 400, "the request target has a forbidden byte, '\\x7f'"),
    (line(b"G@T / HTTP/1.1"), 400, "the method is not a token: it has '@'"),
    (line(b"G\x00T / HTTP/1.1"), 400, "the method is not a token: it has '\\x00'"),
    (line(b"GET"), 400, "the request line has no target, or more than one blank"),
    (line(b"GET /"), 400, "the request line has no version: http/0.9 is not spoken"),
    (b"GET /\r\n", 400, "the request line has no version: http/0.9 is not spoken"),
    (line(b"GET / http/1.1"), 400, "the request line does not end in a version like `HTTP/1.1`"),
    (line(b"GET / HTTP/1.1\x00"), 400, "the request line does not end in a version"),
    (line(b"GET / HTTP/"), 400, "the request line does not end in a version like `HTTP/1.1`"),
    (line(b"GET / ICY/1.1"), 400, "the request line does not end in a version like `HTTP/1.1`"),
    (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400, "a bare LF ends the request line"),
    (b"GET / HTTP/1.1\rHost: a\r\n\r\n", 400, "the request line does not end in a version"),
    (line(b"GET / HTTP/2.0"), 505, "http version 'HTTP/2.0' is not supported, only 1.0 and 1.1"),
    (line(b"GET / HTTP/0.9"), 505, "http version 'HTTP/0.9' is not supported, only 1.0 and 1.1"),
    (line(b"GET / HTTP/1.10"), 505, "http version 'HTTP/1.10' is not supported"),
    (line(b"GET / HTTP/2"), 505, "http version 'HTTP/2' is not supported, only 1.0 and 1.1 are"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http version 'HTTP/2.0' is not supported"),
    (line(b"GET /" + b"x" * 64 + b" HTTP/1.1"), 414, "the request target is longer than the limit"),
    (line(b"M" * 257 + b" / HTTP/1.1"), 501, "the method is longer than 256 bytes"),
    (TLS, 400, "this looks like TLS (the first byte is 0x16), but the port speaks plain http"),
    (line(b"GET * HTTP/1.1"), 400, "the target of GET is '*', expected a path or an http url"),
    (line(b"GET example.com:80 HTTP/1.1"), 400, "the target of GET is 'example.com:80', expected"),
    (line(b"GET ftp://a/ HTTP/1.1"), 400, "the target of GET is 'ftp://a/', expected a path"),
    (line(b"OPTIONS x HTTP/1.1"), 400, "the target of OPTIONS is 'x', expected a path"),
    (line(b"CONNECT / HTTP/1.1"), 400, "the target of CONNECT is '/', expected `host:port`"),
    (line(b"CONNECT a HTTP/1.1"), 400, "the target of CONNECT is 'a', expected `host:port`"),
    (line(b"CONNECT a: HTTP/1.1"), 400, "the target of CONNECT is 'a:', expected `host:port`"),
    (line(b"CONNECT http://a/ HTTP/1.1"), 400, "the target of CONNECT is 'http://a/', expected"),
    (line(b"GET http:///x HTTP/1.1"), 400, "the request target has no host: 'http:///x'"),
    (line(b"GET http://u@a/ HTTP/1.1"), 400, "host is malformed: 'u@a'"),
    (line(b"GET http://a:99999/ HTTP/1.1"), 400, "host has a port over 65535: 'a:99999'"),
]

HOSTS = [
    (b"GET / HTTP/1.1\r\n\r\n", 400, "host is missing"),
    (get(HOST), 400, "host is given more than once"),
    (get(b"hOST: other\r\n"), 400, "host is given more than once"),
    (host(b" a b"), 400, "host is malformed: 'a b', expected a name or address and a port"),
    (host(b" a, b"), 400, "host is malformed: 'a, b'"),
    (host(b" user@a"), 400, "host is malformed: 'user@a'"),
    (host(b" user:pass@a"), 400, "host is malformed: 'user:pass@a'"),
    (host(b" a/b"), 400, "host is malformed: 'a/b'"),
    (host(b" a:b"), 400, "host is malformed: 'a:b'"),
    (host(b" a:-1"), 400, "host is malformed: 'a:-1'"),
    (host(b" a:80:80"), 400, "host is malformed: 'a:80:80'"),
    (host(b" a:65536"), 400, "host has a port over 65535: 'a:65536'"),
    (host(b" a:123456"), 400, "host is malformed: 'a:123456'"),
    (host(b" :80"), 400, "host has a port but no name: ':80'"),
    (host(b" [::1"), 400, "host is malformed: '[::1'"),
    (host(b" ::1"), 400, "host is malformed: '::1'"),
    (host(b" []"), 400, "host is malformed: '[]'"),
    (host(b" [::1]x"), 400, "host is malformed: '[::1]x'"),
    (host(b" [:::1]"), 400, "host has a malformed ipv6 address: ':::1'"),
    (host(b" [1.2.3.4]"), 400, "host has a malformed ipv6 address: '1.2.3.4'"),
    (host(b" [fe80::1%25eth0]"), 400, "host is malformed"),
    (host(b" a%zz"), 400, "host is malformed: 'a%zz'"),
    (host(b" \xff"), 400, "host is malformed: 'ÿ'"),
    (host(b"", b"http://a/"), 400, "host is empty, but the request target names one"),
    (b"CONNECT a:1 HTTP/1.1\r\nHost:\r\n\r\n", 400, "host is empty, but the request target names"),
    (b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400, "host is malformed: 'a b'"),
    (b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400, "host is given more than once"),
]

FIELDS = [
    (get(b"A : x\r\n"), 400, "whitespace between header name 'A' and the colon"),
    (get(b"A\t: x\r\n"), 400, "whitespace between header name 'A' and the colon"),
    (get(b": x\r\n"), 400, "header line 2 has an empty name"),
    (get(b"A\r\n"), 400, "header line 2 has no colon: 'A'"),
    (get(b"A B: x\r\n"), 400, "header name 'A B' is not a token"),
    (get(b"A@: x\r\n"), 400, "header name 'A@' is not a token"),
    (get(b"\xc3\xa4: x\r\n"), 400, "header name 'Ã¤' is not a token"),
    (get(b'"A": x\r\n'), 400, "header name '\"A\"' is not a token"),
    (get(b" folded\r\n"), 400, "whitespace at the start of header line 2 (a folded header line)"),
    (get(b"\tfolded\r\n"), 400, "whitespace at the start of header line 2 (a folded header line)"),
    (get(b" \r\n"), 400, "whitespace at the start of header line 2 (a folded header line)"),
    (
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        400,
        "whitespace at the start of header line 1 before the first header field",
    ),
    (get(b"A: x\nB: y\r\n"), 400, "a bare LF in the header block"),
    (get(b"A: x\rB: y\r\n"), 400, "a bare CR in the header block"),
    (get(b"A: x\r\r\n"), 400, "a bare CR in the header block"),
    (get(b"\nA: x\r\n"), 400, "a bare LF in the header block"),
    (get(b"A: \x00\r\n"), 400, "the control character 0x00 in the header block"),
    (get(b"A: \x01\r\n"), 400, "the control character 0x01 in the header block"),
    (get(b"A: \x0b\r\n"), 400, "the control character 0x0b in the header block"),
    (get(b"A: \x0c\r\n"), 400, "the control character 0x0c in the header block"),
    (get(b"A: \x1f\r\n"), 400, "the control character 0x1f in the header block"),
    (get(b"A: \x7f\r\n"), 400, "the control character 0x7f in the header block"),
    (get(b"A\x00: x\r\n"), 400, "the control character 0x00 in the header block"),
    (get(b"A: " + b"x" * 512 + b"\r\n"), 431, "the head or trailers are longer than the limit"),
    (get(b"A: x\r\n" * 8), 431, "more header fields than the limit head_fields of 8"),
    (get(b"Expect: 200-ok\r\n"), 417, "expectation '200-ok' is not known"),
    (get(b"Expect: 100-continue, x\r\n"), 417, "expectation '100-continue, x' is not known"),
    (get(b"Expect: 100-continue\r\n" * 2), 417, "expectation '100-continue, 100-continue' is not"),
    (get(b"Expect:\r\n"), 417, "expectation '' is not known"),
]

FRAMING = [
    (get(b"Content-Length: 5\r\nContent-Length: 6\r\n"), 400, "content-length is given more than"),
    (get(b"Content-Length: 5\r\ncontent-length: 5\r\n"), 400, "content-length is given more than"),
    (get(b"Content-Length: 5, 5\r\n"), 400, "content-length is a list: '5, 5'"),
    (get(b"Content-Length: +5\r\n"), 400, NOT_A_NUMBER + "'+5'"),
    (get(b"Content-Length: -5\r\n"), 400, NOT_A_NUMBER + "'-5'"),
    (get(b"Content-Length: 5 5\r\n"), 400, NOT_A_NUMBER + "'5 5'"),
    (get(b"Content-Length: 0x5\r\n"), 400, NOT_A_NUMBER + "'0x5'"),
    (get(b"Content-Length: 5_0\r\n"), 400, NOT_A_NUMBER + "'5_0'"),
    (get(b"Content-Length: 5.0\r\n"), 400, NOT_A_NUMBER + "'5.0'"),
    (get(b"Content-Length: \xb2\r\n"), 400, NOT_A_NUMBER + "'²'"),
    (get(b"Content-Length: five\r\n"), 400, NOT_A_NUMBER + "'five'"),
    (get(b"Content-Length:\r\n"), 400, "content-length is empty"),
    (get(b"Content-Length: " + b"9" * 19 + b"\r\n"), 400, "content-length is too large: '999"),
    (get(b"Content-Length: " + b"9" * 400 + b"\r\n"), 400, "content-length is too large: '999"),
    (
        get(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        400,
        "content-length and transfer-encoding in one message",
    ),
    (
        get(b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
        400,
        "content-length and transfer-encoding in one message",
    ),
    (get(b"Transfer-Encoding: gzip\r\n"), 400, CODINGS_END + "'gzip'"),
    (get(b"Transfer-Encoding: identity\r\n"), 400, CODINGS_END + "'identity'"),
    (get(b"Transfer-Encoding: chunked, gzip\r\n"), 400, CODINGS_END + "'chunked, gzip'"),
    (get(b"Transfer-Encoding: chunked;q=1\r\n"), 400, CODINGS_END + "'chunked;q=1'"),
    (get(b"Transfer-Encoding: xchunked\r\n"), 400, CODINGS_END + "'xchunked'"),
    (get(b'Transfer-Encoding: "chunked"\r\n'), 400, CODINGS_END),
    (get(b"Transfer-Encoding: chunked, chunked\r\n"), 400, "transfer-encoding names chunked more"),
    (get(b"Transfer-Encoding: chunked\r\n" * 2), 400, "transfer-encoding names chunked more than"),
    (get(b"Transfer-Encoding: , chunked\r\n"), 400, "transfer-encoding has an empty element"),
    (get(b"Transfer-Encoding:\r\n"), 400, "transfer-encoding has an empty element"),
    (
        get(b"Transfer-Encoding: gzip, chunked\r\n"),
        501,
        "transfer-encoding 'gzip' is not implemented, only chunked is",
    ),
    (
        get(b"Transfer-Encoding: nonsense\r\nTransfer-Encoding: chunked\r\n"),
        501,
        "transfer-encoding 'nonsense' is not implemented, only chunked is",
    ),
    (
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        "transfer-encoding in an http/1.0 request",
    ),
]

CHUNKS = [
    (CHUNKED + b"0x5\r\nhello\r\n", 400, CHUNK_SIZE),
    (CHUNKED + b"+5\r\nhello\r\n", 400, CHUNK_SIZE),
    (CHUNKED + b"-5\r\nhello\r\n", 400, CHUNK_SIZE),
    (CHUNKED + b" 5\r\nhello\r\n", 400, CHUNK_SIZE),
    (CHUNKED + b"5 \r\nhello\r\n", 400, CHUNK_SIZE),
    (CHUNKED + b"5_0\r\nhello\r\n", 400, CHUNK_SIZE),
    (CHUNKED + b"g\r\nhello\r\n", 400, CHUNK_SIZE),
    (CHUNKED + b"\r\nhello\r\n", 400, CHUNK_SIZE),
    (CHUNKED + b";a\r\nhello\r\n", 400, CHUNK_SIZE),
    (CHUNKED + b"5\nhello\r\n", 400, "a bare LF ends a chunk line"),
    (CHUNKED + b"0\n\n", 400, "a bare LF ends a chunk line"),
    (CHUNKED + b"\n0\r\n\r\n", 400, CHUNK_SIZE),
    (CHUNKED + b"5\r5\r\nhello\r\n", 400, CHUNK_LINE),
    (CHUNKED + b"5;a\nhello\r\n", 400, "a bare LF ends a chunk line"),
    (CHUNKED + b"5;a\x00\r\nhello\r\n", 400, CHUNK_LINE),
    (CHUNKED + b"5;" + b"a" * 1100 + b"\r\nhello\r\n", 400, "a chunk extension is longer than"),
    (CHUNKED + b"1;aaaaaaaa\r\nx\r\n" * 64, 400, "the chunk extensions of one body are too long"),
    (CHUNKED + b"f" * 16 + b"\r\n", 400, "a chunk size is too large"),
    (CHUNKED + b"0" * 17 + b"\r\n", 400, "a chunk size is too large"),
    (CHUNKED + b"5\r\nhelloworld\r\n", 400, "chunk data is longer than its size: CRLF expected"),
    (CHUNKED + b"5\r\nhello\n0\r\n\r\n", 400, "a bare LF behind chunk data, CRLF expected"),
    (CHUNKED + b"5\r\nhello\rX", 400, "chunk data is longer than its size: CRLF expected behind"),
    (CHUNKED + b"0\r\n A: x\r\n\r\n", 400, "whitespace at the start of header line 1"),
    (CHUNKED + b"0\r\nA: x\n\r\n\r\n", 400, "a bare LF in the header block"),
    (CHUNKED + b"0\r\nA\r\n\r\n", 400, "header line 1 has no colon: 'A'"),
    (CHUNKED + b"0\r\n" + b"A: x\r\n" * 9 + b"\r\n", 431, "more header fields than the limit"),
    (CHUNKED + b"0\r\nA: " + b"x" * 600 + b"\r\n\r\n", 431, "the head or trailers are longer than"),
    (
        CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n",
        400,
        "field 'Content-Length' is forbidden in a trailer section",
    ),
    (
        CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        "field 'Transfer-Encoding' is forbidden in a trailer section",
    ),
    (CHUNKED + b"0\r\nHost: evil\r\n\r\n", 400, "field 'Host' is forbidden in a trailer section"),
]

REFUSALS = [*REQUEST_LINES, *HOSTS, *FIELDS, *FRAMING, *CHUNKS]


@pytest.mark.parametrize(("sample", "status_code", "reason"), REFUSALS)
@pytest.mark.parametrize("feed", ["whole", "bytewise", "with bytes behind", "with CRLF before"])
def test_it_is_refused(sample: bytes, status_code: int, reason: str, feed: str) -> None:
    pieces = {
        "whole": [sample],
        "bytewise": split_bytewise(sample),
        "with bytes behind": [sample + b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"],
        "with CRLF before": [b"\r\n" + sample],
    }[feed]
    refusal = refuse_open(pieces, limits=SMALL)
    assert refusal is not None
    assert (refusal.status_code, refusal.reason[: len(reason)]) == (status_code, reason)


@pytest.mark.parametrize(("sample", "status_code", "reason"), REFUSALS)
def test_the_refusal_is_the_same_behind_a_request_on_the_same_connection(
    sample: bytes, status_code: int, reason: str
) -> None:
    first = b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n"
    refusal = refuse([first + sample], limits=SMALL)
    assert refusal is not None
    assert (refusal.status_code, refusal.reason[: len(reason)]) == (status_code, reason)


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (b"GET /" + b"x" * 65, 414),
        (b"M" * 257, 501),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 512, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: x\r\n" * 9, 431),
        (b"GET / HTTP/1.1\r\nA: x\n", 400),
        (b"GET / HTTP/1.1\r\nA: \x00", 400),
        (b"GET / HTTP/1.1\r\nA: x\ry", 400),
        (b"\x16", 400),
        (b"GET /\r\n", 400),
        (b"GET / HTTP/1.1" + b"x" * 64, 400),
        (CHUNKED + b"x", 400),
        (CHUNKED + b"12345678901234567", 400),
        (CHUNKED + b"1;" + b"a" * 1100, 400),
        (CHUNKED + b"1\r\nab", 400),
        (CHUNKED + b"0\r\n" + b"A" * 600, 431),
    ],
)
@pytest.mark.parametrize("split", [lambda sample: [sample], split_bytewise])
def test_it_is_refused_before_its_end_is_here(sample: bytes, expected: int, split: Split) -> None:
    refusal = refuse_open(split(sample), limits=SMALL)
    assert refusal is not None
    assert refusal.status_code == expected


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (b"G", "in the middle of a request head: 1 bytes of it have arrived"),
        (b"\r", "in the middle of a request head: 1 bytes of it have arrived"),
        (POST + b"\r", "in the middle of a request head: 37 bytes of it have arrived"),
        (
            POST + b"Content-Length: 5\r\n\r\nhel",
            "in the middle of a body: 2 of 5 bytes are missing",
        ),
        (CHUNKED, "in the middle of a chunked body: a chunk size is missing"),
        (CHUNKED + b"5", "in the middle of a chunked body: a chunk size is missing"),
        (CHUNKED + b"5\r\nhel", "in the middle of a chunked body: 2 bytes of a chunk are missing"),
        (CHUNKED + b"5\r\nhello", "chunked body: the CRLF behind a chunk is missing"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", "chunked body: the end of the trailers is missing"),
        (CHUNKED + b"0\r\nA: x\r\n", "chunked body: the end of the trailers is missing"),
    ],
)
@pytest.mark.parametrize("split", [lambda sample: [sample], split_bytewise])
def test_the_end_of_the_stream_in_mid_message_is_refused(
    sample: bytes, reason: str, split: Split
) -> None:
    refusal = refuse(split(sample))
    assert refusal is not None
    assert refusal.status_code == 400
    assert refusal.reason.startswith("the peer closed the connection in the middle of a ")
    assert refusal.reason.endswith(reason)


def test_limits_are_reached_exactly_and_not_passed() -> None:
    head = b"GET /" + b"x" * 63 + b" HTTP/1.1\r\n" + HOST + b"A: x\r\n" * 7
    head += b"B: " + b"x" * (512 - len(head) - 7) + b"\r\n\r\n"
    assert len(head) == 512
    limits = Limits(target_bytes=64, head_bytes=512, head_fields=9)
    for pieces in ([head], split_bytewise(head)):
        assert refuse(pieces, limits=limits) is None
    expected = Refusal(431, "more header fields than the limit head_fields of 8")
    for pieces in ([head], split_bytewise(head)):
        assert refuse(pieces, limits=SMALL) == expected
        less = Limits(target_bytes=64, head_bytes=511)
        refusal = refuse(pieces, limits=less)
        assert refusal is not None
        assert refusal.status_code == 431
        less = Limits(target_bytes=63)
        refusal = refuse(pieces, limits=less)
        assert refusal is not None
        assert refusal.status_code == 414
