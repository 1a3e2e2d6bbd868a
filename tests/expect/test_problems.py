from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.expect import StubBook, partial
from kit.expect.problems import covers
from kit.routing import Pattern
from support.expectations import fetch, make_request


def texts(book: StubBook, *requests: Any) -> list[str]:
    return [re.sub(r" \(test_problems.py:\d+\)", "", str(each)) for each in book.problems(requests)]


def test_what_came_as_expected_is_no_problem() -> None:
    book = StubBook()
    book.expect("GET", "/a").respond()
    book.expect("GET", "/b").respond().times(2)
    book.expect("GET", "/c").optional()
    for path in ("/a", "/a", "/b", "/b"):
        fetch(book, make_request("GET", path))
    assert book.problems() == []


def test_a_stub_that_was_not_used() -> None:
    book = StubBook()
    stub = book.expect("POST", "/orders")
    (problem,) = book.problems()
    assert (problem.kind, problem.stub) == ("unused", stub)
    assert problem.text == (
        f"stub 1: POST /orders ({stub.where}) was never used, expected at least 1 request"
    )


def test_a_stub_that_was_used_too_little() -> None:
    book = StubBook()
    book.expect("GET", "/").respond().times(3)
    fetch(book, make_request())
    (problem,) = book.problems()
    assert problem.kind == "used too little"
    assert texts(book) == ["stub 1: GET / took 1 request, expected exactly 3 requests"]


def test_the_nearest_requests_are_told() -> None:
    book = StubBook()
    book.expect("POST", "/orders", json={"qty": 2})
    requests = [
        make_request("GET", "/health"),
        make_request("POST", "/order", json={"qty": 2}),
        make_request("POST", "/orders", json={"qty": 3}),
    ]
    assert texts(book, *requests) == [
        (
            "stub 1: POST /orders was never used, expected at least 1 request\n"
            "  nearest: POST /orders\n"
            "    ✓ method POST\n"
            "    ✓ path /orders\n"
            "    ✗ json: $.qty: expected 2, got 3\n"
            "  nearest: POST /order\n"
            "    ✓ method POST\n"
            '    ✗ path /order: component 1 is "order", not "orders"\n'
            "    ✓ json"
        )
    ]


def test_requests_that_have_nothing_in_common_are_not_told() -> None:
    book = StubBook()
    book.expect("POST", "/orders")
    assert texts(book, make_request("GET", "/health")) == [
        "stub 1: POST /orders was never used, expected at least 1 request"
    ]


def test_a_request_that_came_before_the_stub_is_told_as_such() -> None:
    book = StubBook()
    request = make_request()
    assert book.candidates(request) is None
    book.expect("GET", "/").respond()
    assert texts(book, request) == [
        (
            "stub 1: GET / was never used, expected at least 1 request\n"
            "  nearest: GET /\n"
            "    ✓ method GET\n"
            "    ✓ path /\n"
            "    ✗ every condition is held: the request came before the stub was registered"
        )
    ]


def test_a_request_that_came_out_of_turn_is_told_as_such() -> None:
    book = StubBook()
    first = book.expect("GET", "/a").respond()
    book.expect("GET", "/b").after(first).respond()
    early = make_request("GET", "/b")
    assert book.candidates(early) is None
    fetch(book, make_request("GET", "/a"))
    (text,) = texts(book, early)
    assert text.splitlines()[-1] == (
        "    ✗ every condition is held: the request came before the stub was registered, or when "
        "it was not the stub's turn"
    )


def test_a_stub_that_still_waits_says_for_which() -> None:
    book = StubBook()
    with book.in_order():
        book.expect("GET", "/a")
        book.expect("GET", "/b")
    assert texts(book) == [
        "stub 1: GET /a was never used, expected exactly 1 request",
        (
            "stub 2: GET /b was never used, expected exactly 1 request\n"
            "  not its turn: waits for stub 1: GET /a"
        ),
    ]


def is_any(value: Any) -> bool:
    return True


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({}, {"json": 1}),
        ({"pattern": "/:any"}, {}),
        ({"method": ...}, {}),
        ({"method": ["GET", "PUT"]}, {"method": "PUT"}),
        ({"query": {"a": "1"}}, {"query": {"a": "1"}, "headers": {"x": "1"}}),
        ({"match": is_any}, {"match": is_any, "query": {}}),
        ({"json": partial({"a": 1})}, {"json": partial({"a": 1})}),
    ],
)
def test_a_hidden_stub_is_told(first: dict[str, Any], second: dict[str, Any]) -> None:
    book = StubBook()
    for given_ in (first, second):
        values = {"method": "GET", "pattern": "/a", **given_}
        book.expect(values.pop("method"), values.pop("pattern"), **values).optional()
    (problem,) = book.problems()
    one, other = book
    assert (problem.kind, problem.stub) == ("hidden", other)
    assert problem.text == (
        f"{other} can never be used: {one} takes all its requests; register the narrower one "
        "first, or bound the other with times()"
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"method": "PUT"}, {}),
        ({"method": "GET"}, {"method": ...}),
        ({"pattern": "/b"}, {}),
        ({}, {"pattern": "/:any"}),
        ({"json": 1}, {"json": 2}),
        ({"json": 1}, {"json": True}),
        ({"query": {}}, {}),
        ({"match": is_any}, {"match": lambda _: True}),
        ({"query": {"a": "1"}}, {"headers": {"a": "1"}}),
    ],
)
def test_a_stub_that_may_be_reached_is_not_hidden(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    book = StubBook()
    for given_ in (first, second):
        values = {"method": "GET", "pattern": "/a", **given_}
        book.expect(values.pop("method"), values.pop("pattern"), **values).optional()
    assert book.problems() == []


@pytest.mark.parametrize(
    "bound",
    [
        lambda stub, other: stub.times(5),
        lambda stub, other: stub.after(other),
        lambda stub, other: stub.until(other),
        lambda stub, other: stub.respond_sequence([lambda _: None], then="error"),
    ],
)
def test_what_ends_or_waits_hides_nothing(bound: Any) -> None:
    book = StubBook()
    other = book.expect("PUT", "/x").optional()
    bound(book.expect("GET", "/:a"), other).optional()
    book.expect("GET", "/a").optional()
    assert book.problems() == []


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("/a", "/a", True),
        ("/a", "/%61", True),
        ("/:x", "/a", True),
        ("/:x", "/:y", True),
        ("/:x", "/", False),
        ("/a", "/:x", False),
        ("/:x*", "/a/:b/c", True),
        ("/:x*", "/a/", False),
        ("/:x*", "/", True),
        ("/:x*", "/:y?", True),
        ("/:x?", "/:y*", False),
        ("/:x+", "/:y*", False),
        ("/:x+", "/a", True),
        ("/:x+", "/a/:y+", True),
        ("/:x+", "/a/:y*", False),
        ("/:x?", "/:y", True),
        ("/:x?", "/a/b", False),
        ("/a/:x*", "/a", True),
        ("/a/:x*", "/a/", True),
        ("/a/:x+", "/a/", False),
        ("/a/b", "/a", False),
    ],
)
def test_a_pattern_covers_another(one: str, other: str, expected: bool) -> None:
    assert covers(Pattern(one), Pattern(other)) == expected


COMPONENTS = st.sampled_from(["a", "b", "", ":x", ":y"])


@st.composite
def patterns(draw: st.DrawFn) -> Pattern:
    parts = draw(st.lists(COMPONENTS, max_size=3))
    names = iter("pqrs")
    named = [f":{next(names)}" if part.startswith(":") else part for part in parts]
    run = draw(st.sampled_from(["", ":z?", ":z+", ":z*"]))
    return Pattern("/" + "/".join([*named, run] if run else named))


@given(patterns(), patterns(), st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=5))
@settings(max_examples=400)
def test_what_covers_matches_all_that_the_other_does(
    one: Pattern, other: Pattern, parts: list[str]
) -> None:
    path = "/" + "/".join(parts)
    if covers(one, other) and other.match(path) is not None:
        assert one.match(path) is not None
