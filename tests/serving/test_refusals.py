from __future__ import annotations

import pytest

from support.raw import RawClient, make_request
from support.serving import Rig, echo, hello

SMALL = {"target_bytes": 64, "head_bytes": 512, "head_fields": 8}

HOST = b"Host: a\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = make_request("/next")


def get(fields: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\n" + HOST + fields + b"\r\n"


def line(request_line: bytes) -> bytes:
    return request_line + b"\r\n" + HOST + b"\r\n"


REFUSALS = [
    (get(b"Content-Length: 5\r\nContent-Length: 6\r\n"), 400, "content-length is given more than"),
    (get(b"Content-Length: 5\r\nContent-Length: 5\r\n"), 400, "content-length is given more than"),
    (get(b"Content-Length: 5, 5\r\n"), 400, "content-length is a list: '5, 5'"),
    (get(b"Content-Length: +5\r\n"), 400, "content-length is not a decimal number: '+5'"),
    (
        get(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        400,
        "content-length and transfer-encoding in one message",
    ),
    (get(b"Transfer-Encoding: gzip, chunked\r\n"), 501, "transfer-encoding 'gzip' is not impl"),
    (get(b"Transfer-Encoding: gzip\r\n"), 400, "transfer-encoding does not end in chunked"),
    (get(b"Transfer-Encoding: chunked\r\n" * 2), 400, "transfer-encoding names chunked more than"),
    (CHUNKED + b"0x5\r\nhello\r\n", 400, "a chunk size is not a hexadecimal number"),
    (CHUNKED + b"-5\r\nhello\r\n", 400, "a chunk size is not a hexadecimal number"),
    (CHUNKED + b"f" * 16 + b"\r\n", 400, "a chunk size is too large"),
    (CHUNKED + b"5\r\nhelloworld\r\n", 400, "chunk data is longer than its size"),
    (CHUNKED + b"0\r\nHost: evil\r\n\r\n", 400, "field 'Host' is forbidden in a trailer section"),
    (get(b"A: x\nB: y\r\n"), 400, "a bare LF in the header block"),
    (get(b"A: x\rB: y\r\n"), 400, "a bare CR in the header block"),
    (get(b"A: \x00\r\n"), 400, "the control character 0x00 in the header block"),
    (get(b"A : x\r\n"), 400, "whitespace between header name 'A' and the colon"),
    (get(b" folded\r\n"), 400, "whitespace at the start of header line 2 (a folded header line)"),
    (b"GET / HTTP/1.1\r\n\r\n", 400, "host is missing"),
    (get(HOST), 400, "host is given more than once"),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "host is malformed: 'a b'"),
    (line(b"GET  / HTTP/1.1"), 400, "the request line has no target, or more than one blank"),
    (line(b"G@T / HTTP/1.1"), 400, "the method is not a token: it has '@'"),
    (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400, "a bare LF ends the request line"),
    (b"GET /\r\n", 400, "the request line has no version: http/0.9 is not spoken"),
    (line(b"GET / HTTP/2.0"), 505, "http version 'HTTP/2.0' is not supported"),
    (line(b"GET /" + b"x" * 64 + b" HTTP/1.1"), 414, "the request target is longer than the limit"),
    (get(b"A: " + b"x" * 512 + b"\r\n"), 431, "the head or trailers are longer than the limit"),
    (get(b"A: x\r\n" * 8), 431, "more header fields than the limit head_fields of 8"),
    (get(b"Expect: 200-ok\r\n"), 417, "expectation '200-ok' is not known"),
]


def check_refused(
    rig: Rig, client: RawClient, status: int, reason: str, *, behind: int = 0
) -> None:
    answer = client.read_answer()
    assert (answer.status, answer.text[: len(reason)]) == (status, reason)
    assert answer.text.endswith("\n")
    assert answer.value("connection") == "close"
    assert answer.value("content-type") == "text/plain; charset=utf-8"
    assert answer.value("date") is not None
    assert client.is_at_end()
    (failed,) = rig.await_done(failed=True)
    assert failed.response_status == status
    assert failed.response_body == answer.body
    assert failed.error == answer.text.rstrip("\n")
    assert len(rig.journal) == behind + 1


@pytest.mark.parametrize(("sample", "status", "reason"), REFUSALS)
@pytest.mark.parametrize("feed", ["whole", "bytewise", "with a request behind", "after a request"])
def test_it_is_refused_and_the_connection_closed(
    rig: Rig, sample: bytes, status: int, reason: str, feed: str
) -> None:
    rig.serve(("GET", "/:path*", hello), ("POST", "/:path*", echo), **SMALL)
    client = rig.connect()
    behind = 0
    if feed == "bytewise":
        client.send_bytewise(sample)
    elif feed == "after a request":
        behind = 1
        assert client.ask("/first").text == "hello"
        rig.await_done()
        client.send(sample)
    else:
        client.send(sample + (NEXT if feed == "with a request behind" else b""))
    check_refused(rig, client, status, reason, behind=behind)
    assert rig.calls == ["/first"] * behind
    client.close()
    rig.await_no_connections()
    assert rig.errors == []


def test_tls_at_a_plain_port_is_told_so(plain_rig: Rig) -> None:
    plain_rig.serve()
    client = plain_rig.connect()
    client.send(bytes.fromhex("16030100c8010000c40303") + bytes(64))
    check_refused(plain_rig, client, 400, "this looks like TLS (the first byte is 0x16)")


def test_plain_http_at_a_tls_port_closes_the_connection(rig: Rig) -> None:
    rig.serve(("GET", "/", hello))
    if not rig.is_tls:
        pytest.skip("the port speaks plain http")
    with RawClient((rig.server.host, rig.server.port)) as client:
        client.send(make_request())
        assert not client.read_to_end().startswith(b"HTTP/")
    rig.await_no_connections()
    assert rig.connect().ask().text == "hello"
    assert rig.errors == []


def test_an_announced_body_too_large_is_refused_before_it_is_sent(rig: Rig) -> None:
    rig.serve(("POST", "/", echo))
    client = rig.connect()
    client.send(POST + b"Content-Length: 5242881\r\n\r\n")
    reason = "the request body has 5242881 bytes, this route takes 5242880 (max_content_length)"
    check_refused(rig, client, 413, reason)
    assert rig.calls == []


def test_a_chunked_body_too_large_is_refused_as_soon_as_it_is_passed(rig: Rig) -> None:
    rig.serve(("POST", "/", echo))
    client = rig.connect()
    client.send(CHUNKED + b"500001\r\n")  # one more byte than 5 MiB
    check_refused(rig, client, 413, "the body is longer than its limit of 5242880 bytes")
    assert rig.calls == []


def test_small_chunks_that_sum_up_to_too_much_are_refused(rig: Rig) -> None:
    rig.serve(("POST", "/", echo))
    client = rig.connect()
    client.send(CHUNKED + (b"80000\r\n" + bytes(0x80000) + b"\r\n") * 10 + b"1\r\n")
    check_refused(rig, client, 413, "the body is longer than its limit of 5242880 bytes")


def test_a_body_of_exactly_the_limit_is_taken(rig: Rig) -> None:
    rig.serve(("POST", "/", hello))
    client = rig.connect()
    client.send(POST + b"Content-Length: 5242880\r\n\r\n" + bytes(5242880))
    assert client.read_answer().text == "hello"


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_client_that_keeps_sending_gets_the_refusal_all_the_same(
    rig: Rig, is_chunked: bool
) -> None:
    rig.serve(("POST", "/", echo))
    client = rig.connect()
    size = 16 * 1024 * 1024
    if is_chunked:
        client.send(CHUNKED + b"%x\r\n" % size)
    else:
        client.send(POST + b"Content-Length: %d\r\n\r\n" % size)
    # More than all buffers on the way hold: who does not read it on resets.
    client.send(bytes(size))
    assert client.read_answer().status == 413
    assert client.is_at_end()
    assert rig.calls == []


def test_a_refused_flood_ends_with_linger_s(rig: Rig) -> None:
    rig.serve(linger_s=0.1)
    client = rig.connect()
    client.send(b"\r\n\r\n")
    assert client.read_answer().status == 400
    # Still open on this side, and yet the server forgets it.
    rig.await_no_connections()
    with pytest.raises(OSError):
        for _ in range(10_000):
            client.send(bytes(65536))


def test_a_request_without_a_route_is_told_so_although_its_body_is_too_large(rig: Rig) -> None:
    rig.serve(("GET", "/", hello))
    client = rig.connect()
    client.send(b"POST /nowhere HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999\r\n\r\n")
    answer = client.read_answer()
    assert answer.status == 404
    assert answer.value("connection") == "close"
    client.send(bytes(1_000_000))
    assert client.is_at_end()


@pytest.mark.parametrize("sample", [b"GET / HT", POST + b"Content-Length: 5\r\n\r\nhel", CHUNKED])
def test_a_client_that_ends_its_side_in_mid_request_is_told_so(rig: Rig, sample: bytes) -> None:
    rig.serve(("POST", "/", echo))
    client = rig.connect()
    client.send(sample)
    client.end()
    check_refused(rig, client, 400, "the peer closed the connection in the middle of a ")


def test_the_refused_bytes_are_in_the_journal(plain_rig: Rig) -> None:
    plain_rig.serve()
    client = plain_rig.connect()
    client.send(get(b"A : x\r\n"))
    check_refused(plain_rig, client, 400, "whitespace between header name 'A' and the colon")
    assert plain_rig.journal[0].request_head.raw == get(b"A : x\r\n")
