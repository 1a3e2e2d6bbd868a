from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import Exchange, HTTPClient, Journal, Response
from kit.errors import ConfigurationError
from kit.record import ConnectionInfo
from kit.testing import assert_connections, assert_retries, assert_tls
from support.authority import authority
from support.deadlines import scaled
from support.exchanges import Head, answer, make_connection, make_exchange, record
from support.failures import fail, hide_numbers


def make_on(connection: ConnectionInfo, ordinal: int, target: str) -> Exchange:
    return answer(Exchange(connection, ordinal, Head("GET", target)))


# Connections


def make_three() -> list[Exchange]:
    first, second, third = (make_connection() for _ in range(3))
    return [
        make_on(first, 1, "/a"),
        make_on(second, 4, "/b"),
        make_on(first, 2, "/c"),
        make_on(third, 1, "/d"),
        make_on(first, 3, "/e"),
        make_on(first, 4, "/f"),
    ]


def test_connections_are_counted_by_their_first_requests() -> None:
    assert_connections(make_three(), opened=2, reused=4)
    assert_connections(make_three(), opened=2)
    assert_connections([], opened=0, reused=0)


def test_other_numbers_are_told_with_what_each_connection_carried() -> None:
    assert hide_numbers(fail(assert_connections, make_three(), opened=2, reused=3)) == [
        "the connections are not what was expected:",
        "  ✓ 2 connections opened",
        "  ✗ 4 requests on a reused connection, expected 3",
        "connection N from HOST: 4 requests: GET /a, GET /c, GET /e and 1 more",
        "connection N from HOST, opened before: 1 request: GET /b",
        "connection N from HOST: 1 request: GET /d",
    ]


def test_no_request_at_all_is_told_as_such() -> None:
    assert fail(assert_connections, Journal(), opened=1) == [
        "the connections are not what was expected:",
        "  ✗ 0 connections opened, expected 1",
        "there was no request at all",
    ]


def test_many_connections_are_cut() -> None:
    exchanges = [make_on(make_connection(), 1, "/") for _ in range(25)]
    lines = fail(assert_connections, exchanges, reused=1)
    assert len(lines) == 2 + 20 + 1
    assert lines[-1] == "and 5 connections more"


def test_a_live_client_that_keeps_its_connection_is_seen_to(serve: Any) -> None:
    server = serve(("GET", "/", lambda request: Response("hi")))
    with HTTPClient((server.host, server.port)) as client:
        for _ in range(3):
            client.get("/").wait(scaled(10))
        client.get("/", headers={"Connection": "close"}).wait(scaled(10))
        client.get("/").wait(scaled(10))
    assert_connections(server, opened=2, reused=3)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "assert_connections needs opened= or reused=, or both"),
        ({"opened": -1}, "opened must be a whole number of at least 0, not -1"),
        ({"reused": "1"}, "reused must be a whole number of at least 0, not '1'"),
    ],
)
def test_numbers_that_cannot_be_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_connections([], **options)
    assert str(caught.value) == told


def test_a_journal_with_gaps_is_not_judged() -> None:
    journal = Journal(max_exchanges=1)
    for _ in range(2):
        record(journal, make_exchange())
    (line,) = fail(assert_connections, journal, opened=2)
    assert line.startswith("1 exchange has been dropped from the journal, so that nothing can be")


# TLS


def over_tls(version: str | None = "TLSv1.3", sni: str | None = "Api.test") -> Exchange:
    ends = ("127.0.0.1", 8443), ("127.0.0.1", 50000)
    return make_exchange(connection=ConnectionInfo("server", *ends, tls_version=version, sni=sni))


@pytest.mark.parametrize(
    "options",
    [{}, {"version": "TLSv1.3"}, {"sni": "api.test"}, {"version": "TLSv1.3", "sni": "API.test"}],
)
def test_tls_is_as_expected(options: dict[str, Any]) -> None:
    assert_tls(over_tls(), **options)


def test_no_server_name_can_be_expected() -> None:
    assert_tls(over_tls(sni=None), sni=None)


@pytest.mark.parametrize(
    ("exchange", "options", "told"),
    [
        (
            over_tls(),
            {"version": "TLSv1.2", "sni": "api.test"},
            ["  ✗ version TLSv1.3, expected TLSv1.2", "  ✓ server name Api.test"],
        ),
        (over_tls(), {"sni": None}, ["  ✗ server name Api.test, expected none"]),
        (over_tls(sni=None), {"sni": "a"}, ["  ✗ server name none, expected a"]),
        (over_tls(sni="\x1b"), {"sni": "a"}, [r"  ✗ server name \x1b, expected a"]),
    ],
)
def test_another_tls_is_told_part_by_part(
    exchange: Exchange, options: dict[str, Any], told: list[str]
) -> None:
    head = "GET /user/bob went over another TLS than expected:"
    assert fail(assert_tls, exchange, **options) == [head, *told]


def test_no_tls_at_all_is_told_as_such() -> None:
    (line,) = fail(assert_tls, make_exchange())
    assert re.fullmatch(r"GET /user/bob did not go over TLS: connection \d+ is plain", line)


def test_a_live_handshake_is_recorded(serve: Any) -> None:
    server = serve(("GET", "/", lambda request: Response("hi")), tls=True)
    context = authority().client_context()
    raw = socket.create_connection((server.host, server.port), timeout=scaled(10))
    with context.wrap_socket(raw, server_hostname="localhost") as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sock.recv(65536)
        version = sock.version()
    assert_tls(server.journal[0], version=version, sni="localhost")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"version": "1.3"},
            "version must be one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3, not '1.3'",
        ),
        ({"sni": 3}, "sni must be a name, or None for no name, not 3"),
    ],
)
def test_what_tls_cannot_be_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_tls(over_tls(), **options)
    assert str(caught.value) == told


# Retries


def make_retries(*arrivals: float, path: str = "/flaky") -> list[Exchange]:
    exchanges = []
    for at in arrivals:
        exchange = make_exchange("GET", path, route=path)
        exchange.received_at = 1000.0 + at
        exchanges.append(answer(exchange, 503))
    return exchanges


def test_retries_come_when_they_are_expected() -> None:
    exchanges = make_retries(0, 0.1, 0.3, 0.7)
    assert assert_retries(exchanges, [0.1, 0.2, 0.4]) == pytest.approx([0.1, 0.2, 0.4])
    assert_retries(exchanges, [(0.05, 0.15), 0.2, (0, 1)], 0, slack_s=0.001)
    assert_retries(make_retries(0), [])


def test_retries_are_put_in_order_and_others_left_out() -> None:
    exchanges = [*make_retries(0.3, 0.1, 0), *make_retries(0.2, path="/other")]
    assert_retries(exchanges, [0.1, 0.2], path="/flaky")
    assert_retries(exchanges, [0.1, 0.2], route="GET /flaky", method="GET")


def test_retries_at_another_time_are_told() -> None:
    assert fail(assert_retries, make_retries(0, 0.1, 0.8, 0.9), [0.1, 0.2, 0.4]) == [
        "the retries did not come when they were expected:",
        "  1 GET /flaky -> 503",
        "  ✓ 2 GET /flaky -> 503 after 100.0 ms, expected 50.0 ms to 200.0 ms",
        "  ✗ 3 GET /flaky -> 503 after 700.0 ms, too late: expected 100.0 ms to 350.0 ms",
        "  ✗ 4 GET /flaky -> 503 after 100.0 ms, too early: expected 200.0 ms to 650.0 ms",
    ]


def test_retries_that_did_not_come_are_told() -> None:
    assert fail(assert_retries, make_retries(0, 0.1), [0.1, 0.2], path="/flaky") == [
        "expected 3 requests, 2 of them retries with path /flaky, got 2:",
        "  1 GET /flaky -> 503",
        "  ✓ 2 GET /flaky -> 503 after 100.0 ms, expected 50.0 ms to 200.0 ms",
        "  ✗ 3 expected after 100.0 ms to 350.0 ms, but it did not come",
    ]
    assert fail(assert_retries, [], [])[0] == "expected 1 request, 0 of them retries, got 0"


def test_a_retry_too_many_is_told() -> None:
    assert fail(assert_retries, make_retries(0, 0.1, 0.2), [0.1])[-1] == (
        "  ✗ 3 GET /flaky -> 503 after 100.0 ms, not expected"
    )


def test_many_retries_are_cut() -> None:
    lines = fail(assert_retries, make_retries(*range(30)), [1])
    assert len(lines) == 1 + 20 + 1
    assert lines[-1] == "  and 10 more"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(0, 10), min_size=1, max_size=4),
    st.lists(st.floats(-1, 1), min_size=4, max_size=4),
    st.floats(0, 1),
)
def test_a_delay_is_right_within_its_tolerance(
    delays: Sequence[float], shares: Sequence[float], tolerance: float
) -> None:
    got = [max(0.0, delay * (1 + share)) for delay, share in zip(delays, shares, strict=False)]
    arrivals = [sum(got[:number]) for number in range(len(got) + 1)]
    is_near = [abs(share) <= tolerance for share, _ in zip(shares, delays, strict=False)]
    is_far = [
        delay * (abs(share) - tolerance) > 0.01
        for share, delay in zip(shares, delays, strict=False)
    ]
    if all(is_near):
        assert_retries(make_retries(*arrivals), delays, tolerance, slack_s=0.001)
    elif any(is_far):
        with pytest.raises(AssertionError):
            assert_retries(make_retries(*arrivals), delays, tolerance, slack_s=0.001)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (([], 0.1), "delays must be a list of seconds, not 0.1"),
        (
            ([], [-1]),
            "a delay is a number of seconds, or a pair of least and greatest, not -1",
        ),
        (
            ([], [(1, "x")]),
            "a delay is a number of seconds, or a pair of least and greatest, not (1, 'x')",
        ),
        (([], [1], -0.5), "tolerance and slack_s cannot be negative: -0.5, 0.05"),
    ],
)
def test_delays_that_cannot_be_are_refused(arguments: Any, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_retries(*arguments)
    assert str(caught.value) == told


def test_retries_are_not_judged_by_a_journal_with_gaps() -> None:
    journal = Journal(max_exchanges=2)
    for number in range(3):
        record(journal, make_on(make_connection(), 1, f"/{number}"))
    (line,) = fail(assert_retries, journal, [0.0], slack_s=60)
    assert line.startswith("1 exchange has been dropped from the journal, so that nothing can be")
