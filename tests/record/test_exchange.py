from __future__ import annotations

import hashlib
import re
import sys

import pytest
from freezegun import freeze_time

from kit.record import BodyRecord, ConnectionInfo, Exchange, FrameLog, UnparsedHead
from kit.record.connection import format_address
from support.exchanges import Head, TakenBy, answer, make_connection, make_exchange


def test_exchanges_are_numbered_in_order_of_arrival() -> None:
    first, second = make_exchange(), make_exchange()
    assert second.id > first.id


def test_a_new_exchange_knows_its_request_and_no_answer() -> None:
    exchange = make_exchange("POST", "/a/b?x=1")
    assert (exchange.method, exchange.path, exchange.query) == ("POST", "/a/b", "x=1")
    assert (exchange.status, exchange.response_body, exchange.reason) == (None, b"", "")
    assert (exchange.state, exchange.is_done, exchange.frames) == ("received", False, [])


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/a%2Fb", "/a%2Fb", ""),
        ("/a?b?c", "/a", "b?c"),
        ("/a?u=http://x/y", "/a", "u=http://x/y"),
        ("http://shop.test/a/b?c=d", "/a/b", "c=d"),
        ("http://shop.test", "/", ""),
        ("http://shop.test?c", "/", "c"),
        ("*", "*", ""),
        ("/a#b?c", "/a", ""),
    ],
)
def test_path_and_query_come_from_the_target(target: str, path: str, query: str) -> None:
    exchange = make_exchange(target=target)
    assert (exchange.path, exchange.query) == (path, query)


@pytest.mark.parametrize(
    ("target", "tls", "headers", "role", "url"),
    [
        ("/a?b", None, [(b"host", b"shop.test")], "server", "http://shop.test/a?b"),
        ("/a", "TLSv1.3", [(b"Host", b"shop.test")], "server", "https://shop.test/a"),
        ("/a", None, [], "server", "http://127.0.0.1:8080/a"),
        ("/a", None, [], "client", "http://127.0.0.1:50123/a"),
        ("*", None, [(b"Host", b"shop.test")], "server", "http://shop.test"),
        ("http://other.test/a", None, [(b"Host", b"shop.test")], "server", "http://other.test/a"),
    ],
)
def test_the_url_is_absolute(
    target: str, tls: str | None, headers: list[tuple[bytes, bytes]], role: str, url: str
) -> None:
    connection = ConnectionInfo(role, ("127.0.0.1", 8080), ("127.0.0.1", 50123), tls_version=tls)
    assert Exchange(connection, 1, Head(target=target, raw_headers=headers)).url == url


def test_header_fields_keep_their_order_and_case() -> None:
    exchange = make_exchange()
    exchange.request_head.raw_headers.append((b"X-One", b"1"))
    exchange.response_head = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie:  b \r\nEmpty:\r\n\r\n"
    )
    assert exchange.request_headers.raw == [(b"Host", b"shop.test:81"), (b"X-One", b"1")]
    assert exchange.response_headers.raw == [
        (b"Set-Cookie", b"a"),
        (b"set-cookie", b"b"),
        (b"Empty", b""),
    ]


def test_the_reason_is_the_one_that_was_sent() -> None:
    exchange = make_exchange()
    exchange.response_head = b"HTTP/1.1 404 Nothing To See\r\n\r\n"
    assert exchange.reason == "Nothing To See"


@pytest.mark.parametrize(("status", "reason"), [(404, "Not Found"), (599, "")])
def test_without_a_head_the_reason_is_the_standard_one(status: int, reason: str) -> None:
    exchange = make_exchange()
    exchange.response_status = status
    assert exchange.reason == reason


def test_an_exchange_goes_through_its_states() -> None:
    exchange = make_exchange()
    seen = [exchange.state]
    exchange.handler_started_at = 1.0
    seen.append(exchange.state)
    exchange.first_byte_at = 2.0
    seen.append(exchange.state)
    exchange.done_at = 3.0
    seen.append(exchange.state)
    assert seen == ["received", "handling", "responding", "complete"]


def test_a_failed_exchange_has_reached_only_what_came_before() -> None:
    exchange = make_exchange()
    exchange.handler_started_at = 1.0
    exchange.error = "connection reset by peer"
    exchange.done_at = 2.0
    reached = {
        state: exchange.has_reached(state)
        for state in ("received", "handling", "responding", "complete", "failed")
    }
    assert reached == {
        "received": True,
        "handling": True,
        "responding": False,
        "complete": False,
        "failed": True,
    }
    assert (exchange.is_done, exchange.is_complete, exchange.is_failed) == (True, False, True)


def test_an_exchange_answered_without_a_handler_has_reached_all_states() -> None:
    exchange = make_exchange()
    exchange.done_at = exchange.received_at
    assert all(
        exchange.has_reached(state) for state in ("received", "handling", "responding", "complete")
    )


def test_the_route_is_the_pattern_that_took_the_request() -> None:
    exchange = make_exchange(route="/user/:name")
    assert (exchange.route, exchange.handler) == ("/user/:name", "Users.show")


def test_an_endpoint_that_stands_for_no_route_is_none() -> None:
    exchange = make_exchange()
    exchange.endpoint = TakenBy("", "(answers 404)", is_match=False)
    assert (exchange.route, exchange.handler) == (None, None)


def test_the_start_follows_frozen_time_and_the_duration_does_not() -> None:
    with freeze_time("2020-01-02 03:04:05") as frozen:
        exchange = make_exchange()
        frozen.tick(3600)
        assert exchange.started_at == 1577934245.0
        assert 0 <= exchange.duration_s < 600


def test_the_duration_is_that_from_arrival_to_the_last_byte() -> None:
    assert answer(make_exchange()).duration_s == pytest.approx(0.004)


def test_a_short_body_is_kept_by_reference() -> None:
    exchange = answer(make_exchange(), body=b"hello")
    body = exchange.response_content
    exchange.settle(5)
    assert exchange.response_content is body


def test_a_long_body_is_cut_when_the_exchange_settles() -> None:
    exchange = answer(make_exchange(), body=b"hello")
    exchange.request_content = b"request"
    exchange.settle(4)
    assert exchange.response_content == BodyRecord(b"hell", 5, hashlib.sha256(b"hello").hexdigest())
    assert (exchange.response_body, exchange.response_body_length) == (b"hell", 5)
    assert (exchange.request_body, exchange.request_body_length) == (b"requ", 7)


def test_a_body_that_is_cut_already_stays_as_it_is() -> None:
    exchange = answer(make_exchange())
    exchange.request_content = record = BodyRecord(b"abc", 100, "00")
    exchange.settle(1)
    assert exchange.request_content is record


def test_the_settled_size_counts_head_bodies_and_frames() -> None:
    bare = answer(make_exchange()).settle(10_000)
    exchange = answer(make_exchange(), body=bytes(5000))
    exchange.frame_log = FrameLog()
    exchange.frame_log.add("sent", 2, True, bytes(3000))
    assert exchange.settle(10_000) == exchange.recorded_bytes
    assert 8000 <= exchange.recorded_bytes - bare <= 8500


def test_an_exchange_without_bodies_takes_less_than_two_kib() -> None:
    exchange = answer(make_exchange())
    held = sys.getsizeof(exchange)
    held += sum(sys.getsizeof(getattr(exchange, slot)) for slot in ("started_at", "done_at")) * 3
    assert held < 1024
    assert exchange.settle(1000) < 2048


def test_a_request_that_does_not_parse_is_kept_as_it_came() -> None:
    exchange = Exchange(make_connection(), 1, UnparsedHead(b"\x16\x03\x01"))
    exchange.response_status = 400
    exchange.done_at = exchange.received_at
    assert exchange.request_head.raw == b"\x16\x03\x01"
    assert (exchange.method, exchange.path, list(exchange.request_headers)) == ("", "", [])
    assert repr(exchange) == f"<Exchange {exchange.id} unparsed request -> 400 (0.0 ms)>"


def shown(exchange: Exchange) -> str:
    return re.sub(r"\d+\.\d ms", "T", repr(exchange)).replace(f" {exchange.id} ", " N ")


def test_the_repr_tells_request_status_and_duration() -> None:
    exchange = answer(make_exchange())
    assert repr(exchange) == f"<Exchange {exchange.id} GET /user/bob -> 200 (4.0 ms)>"


def test_the_repr_of_an_open_exchange_tells_its_state() -> None:
    assert shown(make_exchange()) == "<Exchange N GET /user/bob -> received (T)>"


def test_the_repr_of_a_failed_exchange_tells_why() -> None:
    exchange = make_exchange()
    exchange.error = "connection reset by peer"
    assert shown(exchange) == ("<Exchange N GET /user/bob -> failed: connection reset by peer (T)>")


def test_the_repr_of_a_websocket_tells_frames_and_close_code() -> None:
    exchange = answer(make_exchange("GET", "/ws"), 101)
    exchange.frame_log = FrameLog()
    exchange.frame_log.add("sent", 1, True, b"x")
    assert shown(exchange) == "<Exchange N GET /ws -> 101 websocket, 1 frames, open (T)>"
    exchange.close_code = 1000
    assert shown(exchange) == "<Exchange N GET /ws -> 101 websocket, 1 frames, closed 1000 (T)>"


def test_the_repr_cuts_a_long_target() -> None:
    assert shown(make_exchange(target="/" + "a" * 500)) == (
        f"<Exchange N GET /{'a' * 79}… -> received (T)>"
    )


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("127.0.0.1", 80), "127.0.0.1:80"),
        (("::1", 80, 0, 0), "[::1]:80"),
        (("/run/x.sock",), "/run/x.sock"),
        ((), "(no address)"),
    ],
)
def test_addresses_are_shown_as_in_a_url(address: tuple[object, ...], text: str) -> None:
    assert format_address(address) == text


def test_the_repr_of_a_connection_tells_both_ends() -> None:
    connection = make_connection(tls_version="TLSv1.3")
    connection.requests = 2
    assert repr(connection) == (
        f"<ConnectionInfo {connection.id} server 127.0.0.1:8080 peer 127.0.0.1:50123, "
        "2 requests, TLSv1.3>"
    )
