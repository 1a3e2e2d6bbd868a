"""What is said of a comparison of the project's own objects that failed."""

from __future__ import annotations

from typing import Any

import pytest

from kit import Headers, HTTPServer, Journal, JsonResponse, Request, Response, Serializable
from kit import WebSocketOpCode as Op
from kit.record import FrameRecord
from kit.testing import Problem
from kit.testing.explain import explain_comparison
from support.exchanges import answer, make_exchange
from support.failures import hide_numbers


class Position(Serializable):
    x: int
    y: int = 0


class Speed(Serializable):
    v: int


def explain(left: object, right: object) -> list[str]:
    """Explain why they are not equal; only what is below the first line."""
    lines = explain_comparison("==", left, right)
    assert lines is not None
    return lines[1:]


def make_frame(direction: str, opcode: int, payload: bytes = b"") -> FrameRecord:
    return FrameRecord(direction, opcode, True, payload, len(payload), 1.0)


def test_the_first_line_is_the_comparison_in_short() -> None:
    lines = explain_comparison("==", Headers({"A": "1"}), {"A": "2" * 100})
    assert lines is not None
    assert lines[0].startswith("<Headers A: 1> == {'A': '222")
    assert lines[0].endswith("… (109 characters)")


@pytest.mark.parametrize(
    ("operator", "left", "right"),
    [
        ("!=", Headers({"A": "1"}), {"A": "1"}),
        ("in", "A", Headers({"B": "1"})),
        ("==", [1], [2]),
        ("==", "a", b"a"),
        ("==", [], []),
    ],
)
def test_nothing_is_said_of_anything_else(operator: str, left: object, right: object) -> None:
    assert explain_comparison(operator, left, right) is None


def test_header_fields_are_told_apart_by_name() -> None:
    headers = Headers([("A", "1"), ("b", "2"), ("B", "3"), ("C", "4")])
    assert explain(headers, {"a": "1", "B": "2", "D": ["5"]}) == [
        "  ✗ b is ['2', '3'], expected '2'",
        "  ✗ c is '4', not expected at all",
        "  ✗ d is missing, expected '5'",
        "  ✓ 1 other equal",
    ]
    assert explain({"A": "1"}, Headers({"A": "2"})) == ["  ✗ a is '1', expected '2'"]


def test_a_list_of_fields_is_never_equal() -> None:
    assert explain(Headers({"A": "1"}), [("A", "1")]) == [
        "header fields and a list are never equal: compare headers.raw, or a dict"
    ]
    assert explain(Headers({"A": "1"}), 7) == [
        "which can be no header fields: headers must be a dict or a list of pairs, not 7"
    ]


def test_responses_are_told_apart_by_what_they_hold() -> None:
    left = JsonResponse({"a": 1}, 201, {"X": "1"})
    assert explain(left, JsonResponse({"a": 2}, 200, {"X": "1"})) == [
        "  ✗ status_code is 201, expected 200",
        "  ✗ payload is {'a': 1}, expected {'a': 2}",
        "  ✓ 2 others equal",
    ]
    assert explain(Response("a"), Response("a")) == [
        (
            "they differ in nothing, but a Response equals itself alone: compare its .status_code, "
            ".headers or .payload, or what .json() or .text() gives"
        )
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            Response("a"),
            (
                "a Response never equals an int: compare its .status_code, .headers or .payload, "
                "or what .json() or .text() gives"
            ),
        ),
        (
            make_exchange(),
            (
                "an Exchange never equals an int: compare its .status, .path, .request_headers or "
                ".request_body, or use assert_body"
            ),
        ),
        (
            Request(("a", 1), "GET", "/", {}, "", {}, None),
            (
                "a Request never equals an int: compare its .method, .path, .params or .headers, "
                "or what .json() gives"
            ),
        ),
    ],
)
def test_something_else_is_never_equal(value: object, text: str) -> None:
    assert explain(value, 200) == [text]
    assert explain(200, value) == [text]


def test_exchanges_are_told_apart_by_what_was_asked_and_answered() -> None:
    one = answer(make_exchange("GET", "/a"), 200, b"x")
    other = answer(make_exchange("GET", "/b"), 404, b"x")
    lines = explain(one, other)
    assert lines[:2] == [
        "  ✗ request is 'GET /a', expected 'GET /b'",
        "  ✗ status is 200, expected 404",
    ]
    assert lines[-1] == "  ✓ 5 others equal"


def test_messages_are_told_apart_by_their_fields() -> None:
    assert explain(Position(1, 2), Position(1, 3)) == [
        "  ✗ y is 2, expected 3",
        "  ✓ 1 other equal",
    ]
    assert explain(Position(1), Speed(1)) == ["a Position never equals a Speed"]


def test_lists_of_opcodes_are_walked_through() -> None:
    got = [Op.Open, Op.Text, (Op.Binary, b"\0"), Op.Close]
    assert explain(got, [Op.Open, (Op.Text, "a"), Op.Binary]) == [
        "  ✓ 1 Open",
        "  ✗ 2 Text, expected Text 'a'",
        "  ✗ 3 Binary b'\\x00', expected Binary",
        "  ✗ 4 Close, not expected any more",
    ]
    assert explain([Op.Open], [1, 8]) == [
        "  ✗ 1 Open, expected 1",
        "  ✗ 2 there is no more, expected 8",
    ]


def test_a_long_list_is_shown_around_where_it_parts() -> None:
    got: list[Any] = [Op.Text] * 50
    lines = explain(got, [*got[:30], Op.Ping, *got[31:]])
    assert lines[:2] == ["  (25 equal before)", "  ✓ 26 Text"]
    assert lines[6] == "  ✗ 31 Text, expected Ping"
    assert lines[-1] == "  and 5 more"
    assert len(lines) == 22


def test_frames_and_problems_are_shown_in_a_line_each() -> None:
    assert explain([make_frame("sent", 1, b"a")], []) == [
        "  ✗ 1 sent Text b'a', not expected any more"
    ]
    assert explain([Problem("unmatched", "unmatched: GET /\nmore")], []) == [
        "  ✗ 1 unmatched: GET /, not expected any more"
    ]


def test_stubs_and_requests_are_shown_in_a_line_each() -> None:
    server = HTTPServer(("127.0.0.1", 0))
    stub = server.expect("GET", "/a")
    request = Request.from_wire(("a", 1), "GET", "/x\x1b", [], b"")
    lines = explain([stub, request], [])
    assert lines[0].startswith("  ✗ 1 stub 1: GET /a (")
    assert lines[1] == "  ✗ 2 GET /x\\x1b, not expected any more"


def test_a_journal_is_compared_as_its_list() -> None:
    journal = Journal()
    exchange = answer(make_exchange("GET", "/a"))
    journal.started(exchange)
    head = "a Journal equals itself alone: compare list(journal), or use assert_exchanges"
    assert explain(journal, []) == [head, "  ✗ 1 GET /a -> 200, not expected any more"]
    assert explain([exchange], journal) == [head, "  ✓ 1 GET /a -> 200"]
    assert explain(journal, 1) == [head]


def test_exchanges_that_look_alike_are_told_apart() -> None:
    one, other = (answer(make_exchange("GET", "/a")) for _ in range(2))
    assert hide_numbers(explain([one], [other])) == [
        "  ✗ 1 GET /a -> 200, expected another one, also GET /a -> 200"
    ]


def test_what_cannot_be_compared_differs() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError("odd")

        __hash__ = None  # type: ignore[assignment]

        def __repr__(self) -> str:
            return "odd"

    assert explain([Op.Text, Odd()], [Op.Text, 1]) == ["  ✓ 1 Text", "  ✗ 2 odd, expected 1"]


def test_many_fields_are_cut() -> None:
    lines = explain(Headers({f"N{number}": "1" for number in range(30)}), {})
    assert len(lines) == 21
    assert lines[-1] == "  and 10 more"
