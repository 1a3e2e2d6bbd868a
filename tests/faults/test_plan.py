"""Which requests have a fault, and that the same seed chooses the same ones."""

from __future__ import annotations

import inspect
import threading
from typing import Any

import pytest

from kit import ConfigurationError, HTTPClient, HTTPServer, PatternError, faults
from kit.faults import FaultBook, FaultRule

RESET = faults.Reset()


def make_book(*rules: FaultRule, seed: int | str = 1) -> FaultBook:
    book = FaultBook("server")
    book.seed = seed
    for rule in rules:
        book.order(rule)
    return book


def choose(book: FaultBook, times: int, method: str = "GET", path: str = "/") -> list[int]:
    """Return the numbers of the requests that have a fault, from 1."""
    return [number for number in range(1, times + 1) if book.choose(method, path) is not None]


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"nth": 3}, [3]),
        ({"nth": (2, 5)}, [2, 5]),
        ({"nth": range(6, 9)}, [6, 7, 8]),
        ({"every": 3}, [3, 6]),
        ({"share": 0}, []),
        ({"share": 1}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"times": 2}, [1, 2]),
        ({"every": 2, "times": 3}, [2, 4, 6]),
    ],
    ids=str,
)
def test_a_rule_chooses(given: dict[str, Any], chosen: list[int]) -> None:
    rule = FaultRule(RESET, **given)

    assert choose(make_book(rule), 8) == chosen
    assert rule.seen == 8
    assert rule.applied == len(chosen)


@pytest.mark.parametrize(
    ("method", "pattern", "taken"),
    [
        (None, None, ["GET /a", "GET /b/c", "POST /a", "GET /%ff"]),
        ("GET", None, ["GET /a", "GET /b/c", "GET /%ff"]),
        (None, "/a", ["GET /a", "POST /a"]),
        ("GET", "/:any*", ["GET /a", "GET /b/c"]),
        ("POST", "/:one", ["POST /a"]),
    ],
)
def test_a_rule_takes_requests_by_method_and_pattern(
    method: str | None, pattern: str | None, taken: list[str]
) -> None:
    book = make_book(FaultRule(RESET, method, pattern))
    asked = ["GET /a", "GET /b/c", "POST /a", "GET /%ff"]

    assert [line for line in asked if book.choose(*line.split()) is not None] == taken


def test_requests_a_rule_does_not_take_are_not_counted() -> None:
    rule = FaultRule(RESET, "GET", "/a", nth=2)
    book = make_book(rule)

    assert choose(book, 5, "GET", "/b") == []
    assert rule.seen == 0
    assert choose(book, 5, "GET", "/a") == [2]


def test_the_first_rule_that_chooses_a_request_is_applied_and_all_count_it() -> None:
    first, second = FaultRule(RESET, every=2), FaultRule(faults.EmptyReply(), every=3)
    book = make_book(first, second)
    chosen = [injection and injection.fault for injection in (book.choose() for _ in range(6))]

    assert chosen == [None, RESET, faults.EmptyReply(), RESET, None, RESET]
    assert (first.seen, first.applied) == (6, 3)
    assert (second.seen, second.applied) == (6, 1)


def test_close_on_reuse_counts_only_requests_on_a_used_connection() -> None:
    rule = FaultRule(faults.CloseOnReuse())
    book = make_book(rule)

    assert book.choose("GET", "/", is_reuse=False) is None
    assert book.choose("GET", "/", is_reuse=True) is not None
    assert (rule.seen, rule.applied) == (1, 1)


@pytest.mark.parametrize(
    "fault",
    [
        faults.CloseWithoutFrame(),
        faults.InvalidUtf8(),
        faults.NeverAnswerClose(),
        faults.OversizedFrame(),
        faults.RefuseHandshake(),
        faults.ResetMidMessage(),
        faults.StalledFragment(),
        faults.UnaskedPong(),
        faults.WrongAccept(),
        faults.WrongMask(),
    ],
    ids=repr,
)
def test_a_websockets_fault_counts_only_handshakes(fault: faults.Fault) -> None:
    own, stubs = FaultRule(fault, nth=1), FaultRule(fault, nth=1)
    book = make_book(own)

    assert book.choose("GET", "/", more=[stubs]) is None
    assert (own.seen, stubs.seen) == (0, 0)
    assert book.choose("GET", "/", is_handshake=True) is not None
    assert book.choose_among([stubs], is_reuse=False, is_handshake=True) is not None


# Seeds


def test_a_share_is_the_same_for_the_same_seed() -> None:
    first = choose(make_book(FaultRule(RESET, share=0.3), seed="one"), 300)

    assert first == choose(make_book(FaultRule(RESET, share=0.3), seed="one"), 300)
    assert first != choose(make_book(FaultRule(RESET, share=0.3), seed="two"), 300)
    assert 60 < len(first) < 120


def test_a_rules_own_seed_goes_before_the_books() -> None:
    first = choose(make_book(FaultRule(RESET, share=0.3, seed=7), seed=1), 100)

    assert first == choose(make_book(FaultRule(RESET, share=0.3, seed=7), seed=2), 100)


def test_two_rules_of_a_book_do_not_choose_alike() -> None:
    book = FaultBook("server")
    book.seed = 1
    first = book.order(FaultRule(RESET, "GET", share=0.5))
    second = book.order(FaultRule(RESET, "POST", share=0.5))

    assert choose(book, 100, "GET") != choose(book, 100, "POST")
    assert first.number == 1
    assert second.number == 2


def test_a_server_its_connections_and_a_client_do_not_choose_alike() -> None:
    books = [FaultBook("server"), FaultBook("client"), FaultBook("server", is_for_connections=True)]
    for book in books:
        book.seed = 1
        book.order(FaultRule(RESET, share=0.5))
    chosen = [choose(book, 64) for book in books]

    assert chosen[0] != chosen[1] != chosen[2] != chosen[0]


def test_a_book_without_a_seed_draws_one_and_keeps_it() -> None:
    book = FaultBook("server")

    assert isinstance(book.seed, int)
    assert book.seed == book.seed
    assert len({FaultBook("server").seed for _ in range(5)}) > 1


def test_a_servers_connections_choose_by_the_servers_seed() -> None:
    server = HTTPServer(("127.0.0.1", 0))
    server.fault_seed = "mine"

    assert server.fault_seed == server.faults.seed == server.connection_faults.seed == "mine"


def test_a_seed_must_be_an_int_or_a_str() -> None:
    with pytest.raises(ConfigurationError, match=r"^seed is an int or a str, not 1\.5$"):
        FaultBook("server").seed = 1.5  # type: ignore[assignment]
    with pytest.raises(ConfigurationError, match=r"^seed is an int or a str, not 1\.5$"):
        FaultRule(RESET, seed=1.5)  # type: ignore[arg-type]


# Removing


def test_a_rule_that_is_removed_chooses_no_more() -> None:
    rule = FaultRule(RESET)
    book = make_book(rule)
    assert book.has_faults
    assert book.rules == [rule]

    rule.remove()
    rule.remove()

    assert book.choose() is None
    assert book.rules == []


def test_a_book_is_cleared() -> None:
    book = make_book(FaultRule(RESET), FaultRule(faults.EmptyReply()))
    book.clear()

    assert not book.has_faults


def test_a_rule_tells_what_it_does() -> None:
    rule = FaultRule(faults.Reset(after=10), "GET", "/a", nth=(3, 1))
    make_book(rule).choose("GET", "/a")

    assert repr(rule) == "<FaultRule reset after 10 bytes: GET /a, number 1, 3; 0 of 1>"
    rule.note_applied()
    assert repr(rule) == "<FaultRule reset after 10 bytes: GET /a, number 1, 3; 1 of 1>"
    assert repr(FaultRule(RESET, every=2, times=1)) == (
        "<FaultRule reset before the first byte: any method any path, "
        "every 2., 1 time at most; 0 of 0>"
    )
    assert FaultRule(RESET, share=0.25).where == "a share of 0.25"
    assert FaultRule(RESET).where == "all"


def test_many_threads_do_not_miscount() -> None:
    rule = FaultRule(RESET, every=4)
    book = make_book(rule)
    threads = [threading.Thread(target=choose, args=(book, 500)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (rule.seen, rule.applied) == (2000, 500)


# What cannot be ordered


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"nth": 1, "every": 2}, "give one of nth, every and share, not nth and every"),
        ({"every": 2, "share": 0.1}, "give one of nth, every and share, not every and share"),
        ({"nth": 0}, "nth is a whole number of at least 1, not 0"),
        ({"nth": []}, "nth is a number from 1 on, or several, not []"),
        ({"nth": "1"}, "nth is a number from 1 on, or several, not '1'"),
        ({"nth": [1, "2"]}, "nth is a whole number of at least 1, not '2'"),
        ({"every": 0}, "every is a whole number of at least 1, not 0"),
        ({"share": 1.5}, "share is a number of 0 to 1, not 1.5"),
        ({"share": "half"}, "share is a number of 0 to 1, not 'half'"),
        ({"times": 0}, "times is a whole number of at least 1, not 0"),
        ({"method": 5}, 'an HTTP method is a token such as "GET", not 5'),
        ({"method": ""}, """an HTTP method is a token such as "GET", not ''"""),
        ({"method": "get"}, """HTTP methods are case-sensitive: write "GET", not 'get'"""),
        (
            {"method": "/rates"},
            (
                "'/rates' is no method but a path, which comes behind it: give None, for any "
                "method, and then '/rates'"
            ),
        ),
    ],
    ids=str,
)
def test_a_choice_that_cannot_work_is_told(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        HTTPServer(("127.0.0.1", 0)).fault(RESET, **given)
    assert str(raised.value) == text


def test_a_rule_knows_the_line_that_has_ordered_it() -> None:
    server = HTTPServer(("127.0.0.1", 0))
    line = inspect.currentframe().f_lineno + 1  # type: ignore[union-attr]
    assert server.fault(RESET).ordered_at == f"test_plan.py:{line}"


def test_a_malformed_pattern_is_told() -> None:
    with pytest.raises(PatternError, match="pattern 'orders' is wrong at index 0"):
        HTTPServer(("127.0.0.1", 0)).fault(RESET, "GET", "orders")


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("reset", "a fault of kit.faults is expected, not 'reset'"),
        (
            faults.Reset,
            (
                "a fault of kit.faults is expected, not <class 'kit.faults.transport.Reset'>: "
                "make one, such as Reset()"
            ),
        ),
        (faults.Refuse(), "Refuse is for connections: order it by fault_connections()"),
    ],
    ids=str,
)
def test_what_a_request_cannot_have_is_refused(fault: Any, text: str) -> None:
    server = HTTPServer(("127.0.0.1", 0))
    for order in (server.fault, server.expect("GET", "/").fault):
        with pytest.raises(ConfigurationError) as raised:
            order(fault)
        assert str(raised.value) == text


@pytest.mark.parametrize("fault", [faults.Reset(after=1), faults.Delay(1), faults.WrongAccept()])
def test_what_a_connection_cannot_have_is_refused(fault: faults.Fault) -> None:
    with pytest.raises(ConfigurationError) as raised:
        HTTPServer(("127.0.0.1", 0)).fault_connections(fault)
    assert str(raised.value) == (
        f"{fault!r} is a fault of requests: order it by fault(); a connection can have "
        "Refuse(), Reset(), EmptyReply() or NeverAnswer()"
    )


@pytest.mark.parametrize(
    "fault", [faults.EmptyReply(), faults.NeverAnswer(), faults.WrongAccept()], ids=repr
)
def test_what_a_client_cannot_have_is_refused(fault: faults.Fault) -> None:
    with pytest.raises(ConfigurationError) as raised:
        HTTPClient(("127.0.0.1", 80)).fault(fault)
    assert str(raised.value) == f"{type(fault).__name__} is no fault of a client's"
