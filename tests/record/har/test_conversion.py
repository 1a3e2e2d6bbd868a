from __future__ import annotations

import gzip
import http.client
import zlib
from collections.abc import Iterator

import pytest

from kit import HTTPServer, Request, Response
from kit.record import BodyRecord, ConnectionInfo, Exchange, FrameLog, UnparsedHead
from kit.record.capture import StreamedBody
from kit.record.entry import Timings
from kit.record.har import conversion, entries_of
from kit.record.har.conversion import DECODED_BYTES
from support.deadlines import scaled
from support.exchanges import Head, answer, make_connection, make_exchange


def respond(exchange: Exchange, body: bytes, *fields: str) -> Exchange:
    answer(exchange, 200, body)
    head = "".join(f"{line}\r\n" for line in ("HTTP/1.1 200 Fine", *fields, ""))
    exchange.response_head = head.encode()
    return exchange


def test_a_request_and_its_answer_are_taken_as_they_were() -> None:
    exchange = answer(make_exchange("POST", "/a%2Fb?c=d", route="/:x"), 201, b"ok")
    exchange.request_content = b"body"
    [entry] = entries_of([exchange])
    request, response = entry.request, entry.response
    assert (request.method, request.url) == ("POST", "http://shop.test:81/a%2Fb?c=d")
    assert (request.http_version, request.headers) == ("HTTP/1.1", ((b"Host", b"shop.test:81"),))
    assert (request.body, request.body_size, request.headers_size) == (b"body", 4, 46)
    assert (response.status, response.reason, response.body) == (201, "Fine", b"ok")
    assert (response.headers, response.http_version) == (((b"Content-Length", b"2"),), "HTTP/1.1")
    assert response.headers_size == len(exchange.response_head)
    assert (entry.server_ip, entry.connection) == ("127.0.0.1", "1")


def test_entries_are_in_the_order_of_arrival_and_name_connections_by_it() -> None:
    one, two = make_connection(), make_connection()
    first, second, third = (
        make_exchange("GET", f"/{number}", connection=connection)
        for number, connection in enumerate((two, one, two))
    )
    entries = entries_of([third, second, first], pageref="page")
    assert [entry.request.path for entry in entries] == ["/0", "/1", "/2"]
    assert [entry.connection for entry in entries] == ["1", "2", "1"]
    assert [entry.index for entry in entries] == [0, 1, 2]
    assert {entry.pageref for entry in entries} == {"page"}


def test_what_har_has_no_place_for_is_told_beside() -> None:
    connection = ConnectionInfo(
        "server",
        ("127.0.0.1", 1),
        ("127.0.0.1", 2),
        tls_version="TLSv1.3",
        cipher="AES",
        sni="shop.test",
    )
    exchange = answer(make_exchange(route="/user/:name", connection=connection))
    exchange.matches = {"name": "bob"}
    exchange.fault = "reset after 10 bytes"
    exchange.exception = ValueError("broken")
    exchange.request_trailers = ((b"X", b"y"),)
    [entry] = entries_of([exchange], explain=lambda exchange: f"near {exchange.path}")
    assert entry.kit == {
        "role": "server",
        "state": "complete",
        "route": {"method": "GET", "pattern": "/user/:name", "handler": "Users.show"},
        "matches": {"name": "bob"},
        "near_misses": "near /user/bob",
        "fault": "reset after 10 bytes",
        "exception": "ValueError: broken",
        "ordinal": 1,
        "tls": {"version": "TLSv1.3", "cipher": "AES", "sni": "shop.test"},
        "local": "127.0.0.1:1",
        "peer": "127.0.0.1:2",
        "request_trailers": [["X", "y"]],
    }
    assert entry.request.scheme == "https"


def test_what_differs_from_run_to_run_is_left_out_when_asked() -> None:
    exchange = answer(make_exchange())
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    exchange.exception = caught.value
    [told], [kept] = entries_of([exchange]), entries_of([exchange], is_volatile=False)
    assert told.kit["exception"].startswith("Traceback")
    assert kept.kit == {
        "role": "server",
        "state": "complete",
        "exception": "ZeroDivisionError: division by zero",
        "ordinal": 1,
    }
    assert kept.server_ip == ""


def test_near_misses_are_told_by_who_knows_them() -> None:
    [entry] = entries_of([make_exchange()], explain=lambda exchange: f"near {exchange.path}")
    assert entry.kit["near_misses"] == "near /user/bob"


def test_an_exchange_without_an_answer_is_taken_too() -> None:
    exchange = make_exchange()
    exchange.error = "the client went away"
    exchange.done_at = exchange.received_at + 0.5
    [entry] = entries_of([exchange])
    assert (entry.response.status, entry.response.error) == (0, "the client went away")
    assert (entry.response.headers, entry.response.http_version) == ((), "")
    assert (entry.kit["state"], entry.kit["error"]) == ("failed", "the client went away")
    assert entry.timings == Timings(wait=500.0)


def test_a_request_that_does_not_parse_is_told_beside() -> None:
    exchange = Exchange(make_connection(), 1, UnparsedHead(b"GET\xff"))
    [entry] = entries_of([exchange])
    assert (entry.request.method, entry.request.http_version) == ("", "")
    assert entry.kit["unparsed"] == "GET\xff"


def test_the_time_of_a_server_is_waited_for_and_received() -> None:
    [entry] = entries_of([answer(make_exchange())])
    assert entry.timings == Timings(send=0, wait=3.0, receive=1.0)


def test_the_time_until_the_handler_is_that_of_sending_a_body() -> None:
    exchange = answer(make_exchange("POST"))
    exchange.request_content = b"x"
    [entry] = entries_of([exchange])
    assert entry.timings == Timings(send=1.0, wait=2.0, receive=1.0)


@pytest.mark.parametrize(("ordinal", "connect", "before"), [(1, 30.0, 0.03), (2, -1, 0.0)])
def test_a_client_counts_its_connection_with_the_first_request(
    ordinal: int, connect: float, before: float
) -> None:
    connection = ConnectionInfo(
        "client", ("127.0.0.1", 1), ("127.0.0.9", 2), connect_s=0.01, handshake_s=0.02
    )
    exchange = answer(Exchange(connection, ordinal, Head()))
    [entry] = entries_of([exchange])
    tls = 20.0 if ordinal == 1 else -1
    assert entry.timings == Timings(connect=connect, ssl=tls, send=2.0, wait=1.0, receive=1.0)
    assert entry.started_at == round(exchange.started_at - before, 3)
    assert entry.server_ip == "127.0.0.9"


# Bodies


@pytest.mark.parametrize(
    ("coding", "packed"),
    [("gzip", gzip.compress(b"hello", mtime=0)), ("deflate", zlib.compress(b"hello"))],
)
def test_a_packed_body_is_unpacked(coding: str, packed: bytes) -> None:
    exchange = respond(make_exchange(), packed, f"Content-Encoding: {coding}")
    [entry] = entries_of([exchange])
    response = entry.response
    assert (response.body, response.body_size) == (b"hello", len(packed))
    assert not response.is_encoded


@pytest.mark.parametrize(
    ("coding", "body"), [("br", b"\x8b\x02"), ("gzip", b"no gzip"), ("gzip, zstd", b"x")]
)
def test_a_body_that_cannot_be_unpacked_stays_as_it_is(coding: str, body: bytes) -> None:
    exchange = respond(make_exchange(), body, f"Content-Encoding: {coding}")
    [entry] = entries_of([exchange])
    assert (entry.response.body, entry.response.is_encoded) == (body, True)


def test_a_body_that_would_unpack_to_a_huge_one_stays_packed() -> None:
    packed = gzip.compress(bytes(DECODED_BYTES + 1), 1)
    exchange = respond(make_exchange(), packed, "Content-Encoding: gzip")
    [entry] = entries_of([exchange])
    assert (entry.response.body, entry.response.is_encoded) == (packed, True)


def test_large_bodies_are_unpacked_as_long_as_all_of_them_have_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversion, "DECODED_TOTAL_BYTES", 5000)
    monkeypatch.setattr(conversion, "SPARE_BYTES", 10)
    bodies = [bytes(4000), bytes(4000), b"small"]
    entries = entries_of(
        respond(make_exchange(), gzip.compress(body), "Content-Encoding: gzip") for body in bodies
    )
    assert [entry.response.is_encoded for entry in entries] == [False, True, False]


def test_a_body_that_was_cut_says_so() -> None:
    exchange = answer(make_exchange())
    exchange.response_content = BodyRecord(b"abc", 10, "00ff")
    [entry] = entries_of([exchange])
    response = entry.response
    assert (response.body, response.body_size, response.sha256) == (b"abc", 10, "00ff")
    assert response.is_truncated


def test_the_pieces_of_a_streamed_body_are_told_with_their_times() -> None:
    exchange = answer(make_exchange())
    start = exchange.received_at
    body = StreamedBody.make(b"abcde", [(start + 0.5, 2), (start + 1, 3)])
    exchange.response_content = body
    [entry] = entries_of([exchange])
    assert entry.response.marks == ((0.5, 2), (1.0, 3))
    assert type(entry.response.body) is bytes


def test_the_pieces_of_a_packed_stream_are_those_of_what_it_holds() -> None:
    packer = zlib.compressobj(wbits=31)
    pieces = [packer.compress(each) + packer.flush(zlib.Z_SYNC_FLUSH) for each in (b"ab", b"cde")]
    pieces.append(packer.flush())
    exchange = respond(make_exchange(), b"", "Content-Encoding: gzip")
    start = exchange.received_at
    marks = [(start + index, len(piece)) for index, piece in enumerate(pieces)]
    exchange.response_content = StreamedBody.make(b"".join(pieces), marks)
    [entry] = entries_of([exchange])
    assert entry.response.body == b"abcde"
    assert entry.response.marks == ((0.0, 2), (1.0, 3))


# Websockets


def make_websocket(role: str) -> Exchange:
    exchange = answer(make_exchange(connection=make_connection(role)), 101)
    exchange.frame_log = log = FrameLog()
    log.add("received", 1, True, b"hi")
    log.add("sent", 8, True, b"\x03\xe8")
    exchange.close_code = 1000
    return exchange


@pytest.mark.parametrize(
    ("role", "directions"), [("server", ["send", "receive"]), ("client", ["receive", "send"])]
)
def test_frames_are_seen_from_the_client(role: str, directions: list[str]) -> None:
    [entry] = entries_of([make_websocket(role)])
    frames = entry.frames or ()
    assert [frame.direction for frame in frames] == directions
    assert [(frame.opcode, frame.data) for frame in frames] == [(1, b"hi"), (8, b"\x03\xe8")]
    assert all(frame.offset_s >= 0 for frame in frames)
    assert (entry.request.scheme, entry.resource_type) == ("ws", "websocket")
    assert entry.kit["close_code"] == 1000


# With a server


def test_a_streamed_response_of_a_server_keeps_its_pieces() -> None:
    def stream(request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            yield b"data: 1\n\n"
            yield b"data: 22\n\n"

        return Response(pieces(), headers={"Content-Type": "text/event-stream"})

    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes([("GET", "/events", stream)])
        client = http.client.HTTPConnection(server.host, server.port, timeout=scaled(10))
        client.request("GET", "/events")
        assert client.getresponse().read() == b"data: 1\n\ndata: 22\n\n"
        client.close()
        exchanges = server.journal.wait_for(state="complete", timeout=scaled(10))
    [entry] = entries_of(exchanges)
    chunks = entry.response.chunks
    assert [chunk.data for chunk in chunks] == [b"data: 1\n\n", b"data: 22\n\n"]
    assert 0 <= chunks[0].offset_s <= chunks[1].offset_s
