"""A server that goes wrong as ordered: what the wire carries, and what the record says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator

import pytest

from kit import Request, Response, faults
from kit.errors import ConfigurationError, ConnectionClosedError
from kit.faults import Fault
from kit.record import Exchange
from kit.testing import format_timeline
from kit.wire.faulty import FaultyStream
from support.deadlines import scaled
from support.raw import RawClient, make_request
from support.serving import Rig, echo, hello

LARGE = bytes(range(256)) * 4096
"""More than one piece that a tamper is given."""


def stream(request: Request) -> Response:
    return Response(iter([b"one", b"two", b"three"]))


def large(request: Request) -> Response:
    return Response(LARGE)


async def hello_async(request: Request) -> Response:
    await asyncio.sleep(0)
    return Response("hello")


def hello_slowly(request: Request) -> Response:
    time.sleep(0.02)  # long enough to be moved to the bench
    return Response("hello")


def read_raw(client: RawClient, size: int) -> bytes:
    """Read exactly so many bytes, with no thought of what they mean."""
    return client.read_exactly(size)


def expect_break(client: RawClient) -> None:
    """Read a reset: the connection ends with an error and not in good order."""
    with pytest.raises(ConnectionClosedError, match=r"ConnectionResetError|SSLEOFError"):
        client.receive_strictly()


def expect_end(client: RawClient) -> None:
    """Read the end in good order."""
    assert client.receive_strictly() == b""


def send_on(client: RawClient, is_over: threading.Event) -> None:
    """Send a byte now and then, until the server has closed the connection."""
    with contextlib.suppress(OSError, ConnectionClosedError):
        while not is_over.wait(0.005):
            client.send(b"x")


def await_fault(rig: Rig) -> Exchange:
    exchange = rig.await_done()[-1]
    assert exchange.fault is not None
    return exchange


# Broken and silent connections


def test_a_reset_before_the_response_breaks_the_connection(rig: Rig) -> None:
    server = rig.serve(("GET", "/", hello))
    rule = server.fault(faults.Reset())
    client = rig.connect()
    client.send(make_request())

    expect_break(client)
    exchange = await_fault(rig)
    assert exchange.error == "fault: reset before the first byte"
    assert exchange.fault == faults.Reset()
    assert rig.calls == ["/"]
    assert (rule.seen, rule.applied) == (1, 1)


def test_a_reset_in_mid_response_comes_after_so_many_bytes(rig: Rig) -> None:
    rig.serve(("GET", "/", hello)).fault(faults.Reset(after=12))
    client = rig.connect()
    client.send(make_request())

    assert read_raw(client, 12) == b"HTTP/1.1 200"
    expect_break(client)
    assert await_fault(rig).error == "fault: reset after 12 bytes"


def test_a_reset_may_come_after_the_response(rig: Rig) -> None:
    rig.serve(("GET", "/", hello)).fault(faults.Reset(after="end"))
    client = rig.connect()

    assert client.ask("/").text == "hello"
    expect_break(client)
    exchange = await_fault(rig)
    assert exchange.is_complete
    assert str(exchange.fault) == "reset after the last byte"


def test_an_empty_reply_ends_the_connection_in_good_order(rig: Rig) -> None:
    rig.serve(("GET", "/", hello)).fault(faults.EmptyReply())
    client = rig.connect()
    client.send(make_request())

    expect_end(client)
    client.close()
    assert await_fault(rig).error == "fault: empty reply"


@pytest.mark.parametrize(
    "handler", [hello, hello_async, hello_slowly], ids=lambda each: each.__name__
)
def test_a_truncated_response_ends_in_good_order(rig: Rig, handler: object) -> None:
    rig.serve(("GET", "/", handler)).fault(faults.Truncate(12))
    for _ in range(3):  # so that a slow route is known to be one
        with rig.connect() as client:
            client.send(make_request())
            assert read_raw(client, 12) == b"HTTP/1.1 200"
            expect_end(client)

    assert {each.error for each in rig.await_done(3)} == {"fault: truncated after 12 bytes"}


def test_a_streamed_response_is_cut_and_its_source_closed(rig: Rig) -> None:
    closed = threading.Event()

    def produce() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(1000)
        finally:
            closed.set()

    rig.serve(("GET", "/", lambda _: Response(produce()))).fault(faults.Reset(after=100_000))
    client = rig.connect()
    client.send(make_request())

    assert len(read_raw(client, 100_000)) == 100_000
    expect_break(client)
    assert await_fault(rig).error == "fault: reset after 100000 bytes"
    assert closed.wait(scaled(10))


@pytest.mark.parametrize("fault", [faults.Stall(12), faults.NeverAnswer()], ids=repr)
def test_a_stalled_connection_stays_open_until_the_client_leaves(rig: Rig, fault: Fault) -> None:
    rig.serve(("GET", "/", hello)).fault(fault)
    client = rig.connect()
    client.send(make_request())
    if isinstance(fault, faults.Stall):
        assert read_raw(client, 12) == b"HTTP/1.1 200"

    rig.journal.wait_for(lambda each: each.handled_at is not None, timeout=scaled(10))
    client.send(make_request("/more"))
    assert not rig.journal[0].is_done
    client.close()
    assert await_fault(rig).error == f"fault: {fault}"
    rig.await_no_connections()
    assert rig.calls == ["/"]


@pytest.mark.parametrize(
    "fault",
    [faults.Stall(12), faults.NeverAnswer(), faults.StopReading(), faults.Delay(3000)],
    ids=repr,
)
def test_a_server_stops_at_once_though_a_fault_holds_a_connection(rig: Rig, fault: Fault) -> None:
    server = rig.serve(("GET", "/", hello))
    server.fault(fault)
    client = rig.connect()
    client.send(make_request())
    # Its bytes have been given to the stream, or it will never be handled.
    rig.journal.wait_for(
        lambda each: each.first_byte_at or isinstance(fault, faults.StopReading),
        timeout=scaled(10),
    )

    assert server.stop(grace_s=scaled(60)) == []
    assert await_fault(rig).error == f"fault: {fault}"


# Slow responses


@pytest.mark.parametrize(
    ("handler", "body"), [(hello, b"hello"), (stream, b"onetwothree"), (hello_async, b"hello")]
)
def test_a_dribbled_response_arrives_whole(rig: Rig, handler: object, body: bytes) -> None:
    rig.serve(("GET", "/", handler)).fault(faults.Dribble(size=16, interval_s=0.001))
    client = rig.connect()

    assert client.ask("/").body == body
    assert client.ask("/").body == body
    assert all(each.is_complete for each in rig.await_done(2))


def test_a_large_response_is_dribbled_whole(rig: Rig) -> None:
    rig.serve(("GET", "/", large)).fault(faults.Dribble(size=50_000, interval_s=0.0))

    assert rig.connect().ask("/").body == LARGE
    assert await_fault(rig).is_complete


@pytest.mark.parametrize("handler", [hello, hello_async, hello_slowly, stream])
def test_a_delayed_response_comes_late(rig: Rig, handler: object) -> None:
    rig.serve(("GET", "/", handler)).fault(faults.Delay(0.05))
    client = rig.connect()
    begun = time.monotonic()

    assert client.ask("/").status == 200
    assert time.monotonic() - begun >= 0.05
    assert client.ask("/").status == 200


def test_a_delay_holds_up_nobody_else(rig: Rig) -> None:
    rig.serve(("GET", "/", hello)).fault(faults.Delay(3000), nth=1)
    slow, quick = rig.connect(), rig.connect()
    slow.send(make_request("/"))
    rig.journal.wait_for(lambda each: each.handled_at is not None, timeout=scaled(10))

    assert quick.ask("/").text == "hello"


def test_each_chunk_may_be_delayed(rig: Rig) -> None:
    rig.serve(("GET", "/", stream)).fault(faults.ChunkDelay(0.01))
    client = rig.connect()
    begun = time.monotonic()

    assert client.ask("/").text == "onetwothree"
    assert time.monotonic() - begun >= 0.04


# HTTP out of order


def test_a_malformed_chunk_takes_the_place_of_the_body(rig: Rig) -> None:
    rig.serve(("GET", "/", hello)).fault(faults.MalformedChunk())
    client = rig.connect()
    client.send(make_request())
    data = client.read_to_end()

    head, _, rest = data.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert b"content-length" not in head.lower()
    assert rest == b"not-a-size\r\nand no chunk\r\n"


@pytest.mark.parametrize(("by", "length"), [(3, 8), (-3, 2), (-9, 0)])
def test_a_wrong_length_is_off_and_the_connection_closes(rig: Rig, by: int, length: int) -> None:
    rig.serve(("GET", "/", hello)).fault(faults.WrongLength(by))
    client = rig.connect()
    client.send(make_request())
    head, _, body = client.read_to_end().partition(b"\r\n\r\n")

    assert b"\r\nContent-Length: %d\r\n" % length in head + b"\r\n"
    assert body == b"hello"
    assert await_fault(rig).is_complete


@pytest.mark.parametrize(("by", "size"), [(100, b"67"), (-1, b"2"), (-9, b"0")])
def test_a_chunked_response_has_a_first_chunk_of_the_wrong_size(
    rig: Rig, by: int, size: bytes
) -> None:
    rig.serve(("GET", "/", stream)).fault(faults.WrongLength(by))
    client = rig.connect()
    client.send(make_request())
    head, _, body = client.read_to_end().partition(b"\r\n\r\n")

    assert b"content-length" not in head.lower()
    assert body == size + b"\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"


def test_a_chunked_response_to_HEAD_has_its_head(rig: Rig) -> None:
    rule = rig.serve(("GET", "/", stream)).fault(faults.WrongLength(3))
    client = rig.connect()
    client.send(make_request(method="HEAD"))

    assert client.read_answer("HEAD").status == 200
    assert client.ask("/", "HEAD").status == 200  # nothing was wrong: it is used again
    assert (rule.seen, rule.applied) == (2, 0)


def test_garbage_may_stand_before_the_head_or_behind_it(rig: Rig) -> None:
    server = rig.serve(("GET", "/", hello))
    server.fault(faults.Garbage("before", b"<<<"), nth=1)
    server.fault(faults.Garbage("after", b"<<<"), nth=2)
    received = []
    for _ in range(2):
        client = rig.connect()
        client.send(make_request())
        received.append(client.read_to_end())

    assert received[0].startswith(b"<<<HTTP/1.1 200 OK\r\n")
    assert received[1].endswith(b"\r\n\r\n<<<hello")


def test_literal_bytes_take_the_place_of_a_response(rig: Rig) -> None:
    rig.serve(("POST", "/", echo)).fault(faults.RawBytes(b"220 smtp.test\r\n"))
    client = rig.connect()
    client.send(make_request("/", "POST", body=b"data"))

    assert client.read_to_end() == b"220 smtp.test\r\n"
    assert await_fault(rig).request_body == b"data"


def test_literal_bytes_may_leave_the_connection_open(rig: Rig) -> None:
    server = rig.serve(("GET", "/", hello))
    server.fault(faults.RawBytes(b"HTTP/1.1 204 No\r\n\r\n", close=False), times=1)
    client = rig.connect()

    assert client.ask("/").status == 204
    assert client.ask("/").text == "hello"
    assert rig.await_done(2)[0].connection.id == rig.journal[1].connection.id


def test_an_early_response_comes_before_the_upload_and_calls_no_handler(rig: Rig) -> None:
    rig.serve(("POST", "/", echo)).fault(faults.EarlyResponse(503, b"busy"))
    client = rig.connect()
    client.send(make_request("/", "POST", "Content-Length: 1000000"))
    answer = client.read_answer()

    assert (answer.status, answer.text, answer.value("Connection")) == (503, "busy", "close")
    client.close()
    exchange = await_fault(rig)
    assert (exchange.response_status, exchange.error) == (503, "fault: early response 503")
    assert rig.calls == []


def test_a_client_that_never_leaves_is_left_after_a_while(rig: Rig) -> None:
    rig.serve(("GET", "/", hello), linger_s=0.05).fault(faults.EmptyReply())
    client = rig.connect()
    client.send(make_request())

    assert await_fault(rig).error == "fault: empty reply"


def test_a_client_that_never_stops_sending_is_left_after_a_while(rig: Rig) -> None:
    rig.serve(("POST", "/", echo), linger_s=0.05).fault(faults.EarlyResponse(503))
    client = rig.connect()
    client.send(make_request("/", "POST", "Content-Length: 1000000000"))
    is_over = threading.Event()
    sender = threading.Thread(target=send_on, args=(client, is_over))
    sender.start()
    try:
        assert await_fault(rig).error == "fault: early response 503"
        rig.await_no_connections()
    finally:
        is_over.set()
        sender.join()


def test_an_upload_is_read_no_more(rig: Rig) -> None:
    rig.serve(("POST", "/", echo)).fault(faults.StopReading())
    client = rig.connect()
    client.send(make_request("/", "POST", "Content-Length: 100000000"))
    client.timeout_s = 0.2

    with pytest.raises(TimeoutError):
        for _ in range(1000):
            client.send(bytes(100_000))
    assert rig.calls == []


def test_a_100_passes_before_what_goes_wrong(rig: Rig) -> None:
    rig.serve(("POST", "/", echo)).fault(faults.Truncate(12))
    client = rig.connect()
    client.send(make_request("/", "POST", "Content-Length: 4", "Expect: 100-continue"))

    assert client.read_answer().status == 100
    client.send(b"body")
    assert client.read_to_end() == b"HTTP/1.1 200"


def test_interim_responses_come_before_the_final_one(rig: Rig) -> None:
    rig.serve(("GET", "/", hello)).fault(faults.InterimBurst(3, 102))
    client = rig.connect()
    client.send(make_request())

    assert [client.read_answer().status for _ in range(4)] == [102, 102, 102, 200]
    assert client.ask("/").status == 102


def test_endless_headers_end_at_their_bound(rig: Rig) -> None:
    rig.serve(("GET", "/", hello)).fault(faults.EndlessHeaders(max_bytes=300_000))
    client = rig.connect()
    client.send(make_request())
    data = client.read_to_end()

    lines = data.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert all(line.startswith(b"X-Endless-") for line in lines[1:-1])
    assert 300_000 <= len(data) < 320_000
    assert b"\r\n\r\n" not in data


def test_endless_headers_end_when_the_client_leaves(rig: Rig) -> None:
    rig.serve(("GET", "/", hello)).fault(faults.EndlessHeaders())
    client = rig.connect(receive_buffer=4096)
    client.send(make_request())
    assert len(read_raw(client, 100_000)) == 100_000
    client.close()

    assert await_fault(rig).is_failed
    rig.await_no_connections()


def test_a_kept_alive_connection_is_closed_as_it_is_used_again(rig: Rig) -> None:
    rule = rig.serve(("GET", "/", hello)).fault(faults.CloseOnReuse())
    client = rig.connect()

    assert client.ask("/").text == "hello"
    client.send(make_request())
    expect_end(client)
    client.close()
    assert rig.await_done(2)[1].error == "fault: closed on reuse"
    assert rig.calls == ["/"]
    assert (rule.seen, rule.applied) == (1, 1)


# Which requests


def test_one_request_on_a_connection_goes_wrong_and_the_others_do_not(rig: Rig) -> None:
    server = rig.serve(("GET", "/:any", hello))
    rule = server.fault(faults.Delay(0.01), "GET", "/b")
    client = rig.connect()
    client.send(b"".join(make_request(target) for target in ("/a", "/b", "/c", "/b")))

    assert [client.read_answer().text for _ in range(4)] == ["hello"] * 4
    faulty = [each.target for each in rig.await_done(4) if each.fault is not None]
    assert faulty == ["/b", "/b"]
    assert (rule.seen, rule.applied) == (2, 2)


def test_pipelined_requests_behind_a_fault_are_answered_in_order(rig: Rig) -> None:
    server = rig.serve(("GET", "/:any", lambda request: Response(request.path)))
    server.fault(faults.Dribble(size=30, interval_s=0.001), nth=2)
    client = rig.connect()
    client.send(b"".join(make_request(f"/{number}") for number in range(6)))

    assert [client.read_answer().text for _ in range(6)] == [f"/{number}" for number in range(6)]


def test_every_third_request_goes_wrong(plain_rig: Rig) -> None:
    plain_rig.serve(("GET", "/", hello)).fault(faults.EmptyReply(), every=3)
    told = []
    for _ in range(6):
        with plain_rig.connect() as client:
            client.send(make_request())
            told.append(client.receive() != b"")

    assert told == [True, True, False, True, True, False]


def test_a_share_of_requests_is_chosen_alike_for_the_same_seed(plain_rig: Rig) -> None:
    server = plain_rig.serve(("GET", "/", hello))
    chosen = []
    for _ in range(2):
        server.clear_faults()
        plain_rig.journal.clear()
        server.fault(faults.Delay(0), share=0.5, seed=5)
        client = plain_rig.connect()
        for _ in range(20):
            client.ask("/")
        chosen.append([each.fault is not None for each in plain_rig.await_done(20)])

    assert chosen[0] == chosen[1]
    assert 3 < sum(chosen[0]) < 17


def test_without_a_fault_the_stream_is_not_wrapped(rig: Rig) -> None:
    server = rig.serve(("GET", "/", hello))
    rule = server.fault(faults.Delay(0), nth=2)
    client = rig.connect()
    client.ask("/")
    (connection,) = server._connections
    assert not isinstance(connection.stream, FaultyStream)

    client.ask("/")
    assert isinstance(connection.stream, FaultyStream)
    rule.remove()
    assert client.ask("/").text == "hello"


def test_faults_are_cleared_while_the_server_runs(rig: Rig) -> None:
    server = rig.serve(("GET", "/", hello))
    server.fault(faults.EmptyReply())
    server.clear_faults()

    assert rig.connect().ask("/").text == "hello"


def test_a_request_that_nothing_takes_may_go_wrong_too(rig: Rig) -> None:
    rig.serve(("GET", "/", hello)).fault(faults.Truncate(12), "GET", "/nowhere")
    client = rig.connect()
    client.send(make_request("/nowhere"))

    assert client.read_to_end() == b"HTTP/1.1 404"


# Stubs


def test_a_stub_goes_wrong(rig: Rig) -> None:
    server = rig.serve()
    stub = server.expect("GET", "/").respond("hello").fault(faults.Truncate(12), nth=2)
    answers = []
    for _ in range(3):
        client = rig.connect()
        client.send(make_request("/", "GET", "Connection: close"))
        answers.append(client.read_to_end())

    assert [answer == b"HTTP/1.1 200" for answer in answers] == [False, True, False]
    assert [str(rule.fault) for rule in stub.fault_rules] == ["truncated after 12 bytes"]
    assert stub.calls == 3


def test_a_stub_that_is_chosen_by_the_body_goes_wrong(rig: Rig) -> None:
    server = rig.serve()
    server.expect("POST", "/", json={"a": 1}).respond("one").fault(faults.Truncate(12))
    server.expect("POST", "/", json={"a": 2}).respond("two")
    answers = []
    for number in (2, 1):
        client = rig.connect()
        body = json.dumps({"a": number}).encode()
        client.send(make_request("/", "POST", "Connection: close", body=body))
        answers.append(client.read_to_end())

    assert answers[0].endswith(b"two")
    assert answers[1] == b"HTTP/1.1 200"


def test_a_stubs_fault_goes_before_the_servers(rig: Rig) -> None:
    server = rig.serve()
    rule = server.fault(faults.EmptyReply())
    server.expect("GET", "/").respond("hello").fault(faults.Truncate(12))
    client = rig.connect()
    client.send(make_request())

    assert client.read_to_end() == b"HTTP/1.1 200"
    assert (rule.seen, rule.applied) == (1, 0)


def test_a_stub_chosen_by_the_body_keeps_the_servers_fault(rig: Rig) -> None:
    server = rig.serve()
    server.fault(faults.Truncate(12))
    stub = server.expect("POST", "/", body="x").respond("hello").fault(faults.EmptyReply())
    client = rig.connect()
    client.send(make_request("/", "POST", body=b"x"))

    assert client.read_to_end() == b"HTTP/1.1 200"
    assert [(rule.seen, rule.applied) for rule in stub.fault_rules] == [(1, 0)]


def test_a_fault_that_needs_no_handler_takes_a_stub_over_that_the_body_chose(rig: Rig) -> None:
    server = rig.serve()
    handled: list[Request] = []
    server.expect("POST", "/", body="x").handle(handled.append).fault(faults.EarlyResponse(503))
    client = rig.connect()
    client.send(make_request("/", "POST", body=b"x"))

    assert client.read_answer().status == 503
    assert handled == []


# The report


def test_the_timeline_tells_the_fault(plain_rig: Rig) -> None:
    plain_rig.serve(("GET", "/", hello)).fault(faults.Reset(after=10))
    client = plain_rig.connect()
    client.send(make_request())
    client.read_to_end()
    await_fault(plain_rig)

    timeline = format_timeline(plain_rig.journal)
    assert "\n    fault: reset after 10 bytes\n" in timeline
    assert "failed: fault: reset after 10 bytes" in timeline


def test_nothing_that_was_ordered_is_logged_as_an_error(rig: Rig) -> None:
    rig.serve(("GET", "/", hello)).fault(faults.Reset(after=10))
    client = rig.connect()
    client.send(make_request())
    client.read_to_end()
    await_fault(rig)
    rig.await_no_connections()

    assert rig.errors == []


# What is ordered and does not take place


MISSED = [
    (
        faults.Truncate(10_000),
        "truncated after 10000 bytes",
        "only {size} bytes came before the end",
    ),
    (faults.Stall(10_000), "stalled after 10000 bytes", "only {size} bytes came before the end"),
    (faults.Reset(10_000), "reset after 10000 bytes", "only {size} bytes came before the end"),
    (
        faults.Dribble(10_000),
        "dribbled, 10000 bytes each 0.01 s",
        "no more than 10000 bytes came",
    ),
    (faults.WrongLength(-5), "length off by -5", "the message had no length to change"),
]


@pytest.mark.parametrize(("fault", "text", "reason"), MISSED, ids=str)
def test_a_fault_that_finds_nothing_to_do_is_not_counted_and_says_why(
    rig: Rig, fault: Fault, text: str, reason: str
) -> None:
    rule = rig.serve(("GET", "/", lambda _: Response(b""))).fault(fault, times=1)
    client = rig.connect()
    client.send(make_request())
    answer = client.read_answer()
    exchange = rig.await_done()[0]

    assert answer.status == 200
    told = reason.format(size=len(exchange.response_head))
    assert str(exchange.fault) == f"{text}: has not taken place, as {told}"
    assert repr(exchange.fault) == f"<MissedFault {fault!r}>"
    assert f"fault: {exchange.fault}" in format_timeline(rig.journal)
    assert (rule.seen, rule.applied) == (1, 0)


@pytest.mark.parametrize(
    "fault", [faults.Truncate(12), faults.Stall(12), faults.Reset(12)], ids=str
)
def test_a_fault_in_mid_response_is_counted_before_the_client_sees_it(
    rig: Rig, fault: Fault
) -> None:
    rule = rig.serve(("GET", "/", hello)).fault(fault)
    client = rig.connect()
    client.send(make_request())

    assert client.read_exactly(12) == b"HTTP/1.1 200"
    assert (rule.seen, rule.applied) == (1, 1)


def test_a_fault_after_the_last_byte_is_counted_before_the_client_has_that(rig: Rig) -> None:
    rule = rig.serve(("GET", "/", hello)).fault(faults.Reset("end"))
    client = rig.connect()

    assert client.ask("/").text == "hello"
    assert rule.applied == 1


# A stub's rules


@pytest.mark.parametrize(
    "fault", [faults.WrongAccept(), faults.NeverAnswerClose(), faults.InvalidUtf8(2)], ids=repr
)
def test_a_stub_takes_no_fault_that_needs_a_websocket(plain_rig: Rig, fault: Fault) -> None:
    stub = plain_rig.serve().expect("GET", "/").respond("hello").optional()
    with pytest.raises(ConfigurationError) as caught:
        stub.fault(fault)

    assert str(caught.value) == (
        f"{type(fault).__name__} needs a websocket, which a stub never opens: order it by the "
        "server's fault(), for the path of a route that does"
    )
    assert stub.fault_rules == ()


def test_a_stub_may_refuse_a_handshake(plain_rig: Rig) -> None:
    stub = plain_rig.serve().expect("GET", "/").respond("hello")
    stub.fault(faults.RefuseHandshake(401))
    client = plain_rig.connect()
    client.send(make_request("/", "GET", "Connection: Upgrade", "Upgrade: websocket"))

    assert client.read_answer().status == 401
    assert stub.fault_rules[0].applied == 1


def test_a_rule_of_a_stub_can_be_removed(rig: Rig) -> None:
    stub = rig.serve().expect("GET", "/").respond("hello")
    stub.fault(faults.Truncate(12)).fault(faults.Delay(0.001))
    for rule in stub.fault_rules:
        rule.remove()

    assert stub.fault_rules == ()
    assert rig.connect().ask("/").text == "hello"


def test_the_rules_of_two_stubs_do_not_choose_alike(plain_rig: Rig) -> None:
    server = plain_rig.serve()
    server.fault_seed = 1
    fault = faults.Delay(0)
    stubs = [server.expect("GET", f"/{name}").respond("x").fault(fault, share=0.5) for name in "ab"]
    client = plain_rig.connect()
    for _ in range(40):
        assert client.ask("/a").status == client.ask("/b").status == 200
    chosen = [
        [each.fault is not None for each in plain_rig.await_done(80) if each.path == path]
        for path in ("/a", "/b")
    ]

    assert [stub.fault_rules[0].seen for stub in stubs] == [40, 40]
    assert chosen[0] != chosen[1]
