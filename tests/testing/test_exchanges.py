from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import Exchange, HTTPClient, Journal, Response
from kit.errors import ConfigurationError, RemoteProtocolError
from kit.record import UnparsedHead
from kit.routing import get, post, websocket
from kit.testing import CheckedServer, assert_count, assert_exchanges, assert_no_unexpected
from support.deadlines import scaled
from support.exchanges import answer, make_connection, make_exchange, record
from support.failures import fail, hide_numbers


def make_journal(*requests: tuple[str, str, str | None, int], **bounds: int) -> Journal:
    journal = Journal(**bounds)
    for method, target, route, status in requests:
        record(journal, make_exchange(method, target, route=route), status)
    return journal


def make_shop() -> Journal:
    return make_journal(
        ("GET", "/user/bob?x=1", "/user/:name", 200),
        ("POST", "/orders", "/orders", 201),
        ("GET", "/oders", None, 404),
        ("GET", "/user/eve", "/user/:name", 200),
    )


def is_order(exchange: Exchange) -> bool:
    return exchange.path == "/orders"


def breaks(exchange: Exchange) -> bool:
    raise KeyError(exchange.path)


IS_ORDER = f"is_order (test_exchanges.py:{is_order.__code__.co_firstlineno})"
BREAKS = f"breaks (test_exchanges.py:{breaks.__code__.co_firstlineno})"

# In order


@pytest.mark.parametrize(
    "expected",
    [
        ["GET /user/:name", "POST /orders", "GET /oders", "GET /user/:name"],
        ["/user/bob", "/orders", "/oders", "/user/eve"],
        ["/user/bob?x=1", is_order, ("/oders", 404), (..., 200)],
        [..., (is_order, 201), ..., "GET http://shop.test:81/user/eve"],
    ],
)
def test_exchanges_are_expected_in_any_of_these_ways(expected: list[Any]) -> None:
    journal = make_shop()
    assert assert_exchanges(journal, expected) == list(journal)
    assert assert_exchanges(list(journal), iter(expected)) == list(journal)


def test_nothing_is_expected_by_an_empty_list() -> None:
    assert assert_exchanges(Journal(), []) == []


def test_a_failure_walks_to_where_they_part() -> None:
    expected = ["/user/:name", ("POST /orders", 200), "/oders", "/user/eve"]
    assert fail(assert_exchanges, make_shop(), expected) == [
        "the exchanges part from what was expected at exchange 2:",
        "  ✓ 1 GET /user/bob?x=1 -> 200",
        "  ✗ 2 POST /orders -> 201",
        "    expected POST /orders -> 200",
        "      ✓ method POST",
        "      ✓ route /orders, path /orders",
        "      ✗ status 201, expected 200",
        "    3 GET /oders -> 404 (not compared)",
        "    4 GET /user/eve -> 200 (not compared)",
        "    still expected after that: /oders, /user/eve",
    ]


def test_one_that_came_at_another_time_is_told_of() -> None:
    lines = fail(assert_exchanges, make_shop(), ["/orders", "/user/bob", ..., ...])
    assert lines[1:6] == [
        "  ✗ 1 GET /user/bob?x=1 -> 200",
        "    expected /orders",
        "      ✗ route /user/:name, path /user/bob, expected /orders",
        "      it came later, as exchange 2",
        "    2 POST /orders -> 201 (not compared)",
    ]


def test_one_that_is_missing_is_told_of_with_how_to_wait_for_it() -> None:
    assert fail(assert_exchanges, make_shop(), [..., ..., ..., ..., "/late", "/later"]) == [
        "the exchanges are not all that was expected:",
        "  ✓ 1 GET /user/bob?x=1 -> 200",
        "  ✓ 2 POST /orders -> 201",
        "  ✓ 3 GET /oders -> 404",
        "  ✓ 4 GET /user/eve -> 200",
        "  ✗ expected /late, but no such one came after that",
        "    still expected after that: /later",
        "journal.wait_for(count=6) waits for requests that are still on their way",
    ]


def test_one_too_many_is_told_of() -> None:
    assert fail(assert_exchanges, make_shop(), ["/user/:name", "/orders"]) == [
        "the exchanges part from what was expected at exchange 3:",
        "  ✓ 1 GET /user/bob?x=1 -> 200",
        "  ✓ 2 POST /orders -> 201",
        "  ✗ 3 GET /oders -> 404",
        "    expected the end",
        "    4 GET /user/eve -> 200 (not compared)",
    ]


@pytest.mark.parametrize(
    ("judge", "told"),
    [
        (is_order, f"{IS_ORDER} refuses it"),
        (breaks, f"{BREAKS} raised KeyError: '/user/bob'"),
    ],
)
def test_what_a_function_said_is_told(judge: Any, told: str) -> None:
    lines = fail(assert_exchanges, list(make_shop())[:1], [judge])
    assert lines[3] == f"      ✗ {told}"


def test_an_exchange_without_an_answer_is_told_as_such() -> None:
    journal = Journal()
    journal.started(make_exchange("GET", "/slow", route="/slow"))
    broken = make_exchange("GET", "/broken")
    journal.started(broken)
    journal.failed(broken, "the peer\x1b left")
    assert fail(assert_exchanges, journal, [("/slow", 200), ...])[1:] == [
        "  ✗ 1 GET /slow -> received",
        "    expected /slow -> 200",
        "      ✓ route /slow, path /slow",
        "      ✗ no status yet (received), expected 200",
        r"    2 GET /broken -> failed: the peer\x1b left (not compared)",
        "    still expected after that: any exchange",
    ]


def test_a_long_walk_is_cut() -> None:
    journal = make_journal(*[("GET", f"/{number}", None, 404) for number in range(50)])
    lines = fail(assert_exchanges, journal, [...] * 30)
    assert lines[:3] == [
        "the exchanges part from what was expected at exchange 31:",
        "  ✓ the first 10 exchanges as expected",
        "  ✓ 11 GET /10 -> 404",
    ]
    assert lines[-2:] == ["    41 GET /40 -> 404 (not compared)", "    and 9 more"]


# With others between, and in any order


def test_others_may_be_allowed() -> None:
    journal = make_shop()
    assert assert_exchanges(journal, ["/orders", "/user/:name"], allow_others=True) == [
        journal[1],
        journal[3],
    ]
    assert fail(assert_exchanges, journal, ["/oders", "/orders"], allow_others=True) == [
        "the exchanges are not all that was expected:",
        "  ✓ 3 GET /oders -> 404",
        "  ✗ expected /orders, but no such one came after that",
        "      it came earlier, as exchange 2",
        "    4 GET /user/eve -> 200 (not compared)",
    ]


def test_the_order_may_be_any() -> None:
    journal = make_shop()
    expected: list[Any] = [..., "/user/:name", "/orders", ("/user/:name", 200)]
    found = assert_exchanges(journal, expected, any_order=True)
    assert found[0] is journal[2]
    assert found[2] is journal[1]
    assert {each.id for each in found} == {each.id for each in journal}


def test_in_any_order_what_is_missing_and_what_is_left_is_told() -> None:
    expected = ["/user/:name", ("/orders", 200), "/oders"]
    assert fail(assert_exchanges, make_shop(), expected, any_order=True) == [
        "the exchanges are not those that were expected, in any order:",
        "  ✓ /user/:name: 1 GET /user/bob?x=1 -> 200",
        "  ✗ /orders -> 200: no exchange is left for it",
        "    nearest:",
        "      2 POST /orders -> 201",
        "        ✓ route /orders, path /orders",
        "        ✗ status 201, expected 200",
        "      4 GET /user/eve -> 200",
        "        ✗ route /user/:name, path /user/eve, expected /orders",
        "        ✓ status 200",
        "  ✓ /oders: 3 GET /oders -> 404",
        "  ✗ 2 POST /orders -> 201, not expected",
        "  ✗ 4 GET /user/eve -> 200, not expected",
    ]


def test_in_any_order_others_may_be_allowed() -> None:
    found = assert_exchanges(make_shop(), ["/oders", "/orders"], any_order=True, allow_others=True)
    assert [each.path for each in found] == ["/oders", "/orders"]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "c", "ab", "bc", "abc"]), max_size=5),
    st.lists(st.sampled_from("abc"), max_size=5),
    st.booleans(),
)
def test_in_any_order_every_way_to_pair_them_is_tried(
    wanted: list[str], got: list[str], allow_others: bool
) -> None:
    journal = make_journal(*[("GET", f"/{letter}", None, 404) for letter in got])

    def takes(letters: str) -> Any:
        return lambda exchange: exchange.path[1:] in letters

    choices = itertools.permutations(range(len(got)), len(wanted))
    is_possible = (allow_others or len(wanted) == len(got)) and any(
        all(got[at] in letters for at, letters in zip(choice, wanted, strict=True))
        for choice in choices
    )
    try:
        found = assert_exchanges(
            journal, list(map(takes, wanted)), any_order=True, allow_others=allow_others
        )
    except AssertionError:
        assert not is_possible
    else:
        assert is_possible
        assert len({each.id for each in found}) == len(wanted)
        assert all(each.path[1:] in one for each, one in zip(found, wanted, strict=True))


# Counting


@pytest.mark.parametrize(
    ("count", "conditions"),
    [
        (4, {}),
        (3, {"method": "GET"}),
        (1, {"path": "/user/bob"}),
        (2, {"route": "/user/:name"}),
        (0, {"route": "POST /user/:name"}),
        (1, {"status": 404}),
        (0, {"status": 200, "method": "POST"}),
    ],
)
def test_exchanges_are_counted_by_conditions(count: int, conditions: dict[str, Any]) -> None:
    journal = make_shop()
    found = assert_count(journal, count, **conditions)
    assert found == journal.filter(**conditions)
    assert len(found) == count


def test_too_many_are_listed() -> None:
    assert fail(assert_count, make_shop(), 1, route="GET /user/:name") == [
        "expected 1 exchange with route GET /user/:name, got 2:",
        "  1 GET /user/bob?x=1 -> 200",
        "  4 GET /user/eve -> 200",
    ]


def test_too_few_are_listed_with_the_nearest_of_the_others() -> None:
    lines = fail(assert_count, make_shop(), 2, method="POST", path="/orders", status=201)
    assert lines[:7] == [
        "expected 2 exchanges with method POST, path /orders and status 201, got 1:",
        "  2 POST /orders -> 201",
        "nearest:",
        "  1 GET /user/bob?x=1 -> 200",
        "    ✗ method GET, expected POST",
        "    ✗ path /user/bob, expected /orders",
        "    ✗ status 200, expected 201",
    ]


def test_none_at_all_is_told_as_such() -> None:
    assert fail(assert_count, Journal(), 2) == ["expected 2 exchanges, got 0"]


def test_a_long_list_is_cut() -> None:
    journal = make_journal(*[("GET", f"/{number}", None, 404) for number in range(50)])
    lines = fail(assert_count, journal, 1)
    assert len(lines) == 1 + 20 + 1
    assert lines[-1] == "  and 30 more"


# No unexpected ones


@get("/user/:name")
def show(request: Any) -> Response:
    return Response("hi")


@post("/orders")
def order(request: Any) -> Response:
    return Response("made", 201)


@websocket("/chat")
def chat(request: Any, opcode: Any, payload: Any) -> None:
    request.send("hello")


ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/user/:name", show),
    ("POST", "/orders", order),
    ("GET", "/chat", chat),
]


def test_requests_without_a_route_are_told_with_the_nearest_routes(serve: Any) -> None:
    server = serve(ROUTES)
    with HTTPClient((server.host, server.port)) as client:
        for method, path in [("GET", "/user/bob"), ("OPTIONS", "/orders"), ("POST", "/orders")]:
            client.request(method, path).wait(scaled(10))
        assert_no_unexpected(server)
        client.request("PUT", "/oders?x=1").wait(scaled(10))
        client.request("GET", "/orders").wait(scaled(10))
    lines = hide_numbers(fail(assert_no_unexpected, server))
    assert lines[:8] == [
        "no route took 2 requests:",
        "  4 PUT /oders?x=1 -> 404",
        "    POST /orders -> order",
        "      ✗ method PUT, the route takes POST",
        '      ✗ component 1 is "oders", not "orders"',
        "    websocket /chat -> chat",
        "      ✗ method PUT, the route takes GET",
        '      ✗ component 1 is "oders", not "chat"',
    ]
    assert "    curl -X PUT 'http://HOST/oders?x=1' -H 'Accept-Encoding: gzip'" in "\n".join(lines)
    assert "  5 GET /orders -> 405" in lines


def test_the_nearest_stub_of_an_unexpected_request_is_told() -> None:
    with CheckedServer(("127.0.0.1", 0)) as server:
        stub = server.expect("GET", "/orders").respond("x").optional()
        with HTTPClient(server.addr) as client:
            client.request("PUT", "/oders").wait(scaled(10))
        lines = fail(assert_no_unexpected, server)
    assert lines[1:3] == ["  1 PUT /oders -> 404", f"    {stub}"]
    assert "method PUT" in lines[3]


def test_a_request_that_does_not_parse_is_unexpected() -> None:
    journal = Journal()
    exchange = Exchange(make_connection(), 1, UnparsedHead(b"GET\r\n"))
    answer(exchange, 400)
    journal.started(exchange)
    journal.failed(exchange, str(RemoteProtocolError("the request line has no target")))
    assert fail(assert_no_unexpected, journal) == [
        "no route took 1 request:",
        "  1 a request that does not parse -> 400, failed: the request line has no target",
        "    # the request does not parse, so that curl cannot send it",
        "    printf %s R0VUDQo= | base64 --decode | nc 127.0.0.1 8080",
    ]


def test_of_many_unexpected_ones_some_are_only_listed() -> None:
    journal = make_journal(*[("GET", f"/{number}", None, 404) for number in range(50)])
    lines = fail(assert_no_unexpected, journal)
    assert lines[0] == "no route took 50 requests:"
    assert lines[-1] == "  and 20 more"
    assert sum("curl" in line for line in lines) == 10


def test_a_curl_line_without_measure_is_left_out() -> None:
    exchange = answer(make_exchange("POST", "/x"), 404)
    exchange.request_content = b"x" * 5000
    assert fail(assert_no_unexpected, [exchange]) == [
        "no route took 1 request:",
        "  1 POST /x -> 404",
    ]


# What cannot be judged


@pytest.mark.parametrize(
    "judge",
    [
        lambda journal: assert_exchanges(journal, [...]),
        lambda journal: assert_count(journal, 1),
        assert_no_unexpected,
    ],
)
def test_a_journal_with_gaps_is_not_judged(judge: Any) -> None:
    journal = make_journal(*[("GET", "/", "/", 200)] * 3, max_exchanges=1)
    assert fail(judge, journal) == [
        (
            "2 exchanges have been dropped from the journal, so that nothing can be told of all of "
            "them: give the server a Journal with larger bounds"
        )
    ]


@pytest.mark.parametrize(
    ("judge", "told"),
    [
        (
            lambda: assert_count(3, 1),  # type: ignore[arg-type]
            "expected a server, a Journal or a list of exchanges, not int",
        ),
        (
            lambda: assert_count(["GET /"], 1),  # type: ignore[list-item]
            "expected a server, a Journal or a list of exchanges, not list",
        ),
        (
            lambda: assert_count([], -1),
            "expected must be a whole number of at least 0, not -1",
        ),
        (
            lambda: assert_exchanges([], "GET /"),
            "expected a list of exchanges, not 'GET /': put it into a list",
        ),
        (
            lambda: assert_exchanges([], [("GET", "/")]),  # type: ignore[list-item]
            (
                "('GET', '/') does not say which exchange is expected: give text such as "
                '"GET /user/:name", a function, or ..., or a pair of one of these and the status'
            ),
        ),
    ],
)
def test_arguments_that_cannot_work_are_refused(judge: Any, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        judge()
    assert str(caught.value) == told


def test_text_that_names_no_exchange_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_exchanges([], ["user"])
    assert re.match("match 'user' is not understood: expected a route's pattern", str(caught.value))
