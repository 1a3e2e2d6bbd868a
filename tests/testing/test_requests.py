from __future__ import annotations

import gzip
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import Exchange, HTTPClient, Response
from kit.errors import ConfigurationError
from kit.expect import partial
from kit.record.capture import trim_body
from kit.testing import assert_body, assert_request_headers
from support.deadlines import scaled
from support.exchanges import Head, answer, make_exchange
from support.failures import fail

FIELDS = [(b"Host", b"a"), (b"X-One", b"1"), (b"x-two", b"\xe9"), (b"X-One", b"2")]


def make(
    body: bytes = b"", content_type: str | None = None, *fields: tuple[bytes, bytes]
) -> Exchange:
    exchange = answer(make_exchange("POST", "/orders"), 201, b"made")
    headers = list(fields)
    if content_type is not None:
        headers.append((b"Content-Type", content_type.encode()))
    exchange.request_head = Head("POST", "/orders", "1.1", headers)
    exchange.request_content = body
    return exchange


# Header fields


@pytest.mark.parametrize(
    "expected",
    [
        FIELDS,
        [("Host", "a"), ("X-One", "1"), ("x-two", "é"), ("X-One", "2")],
        [
            ("Host", ...),
            (b"X-One", re.compile(r"\d")),
            ("x-two", re.compile(rb"\xe9")),
            (b"X-One", "2"),
        ],
        [("Host", str.islower), ("X-One", ...), ("x-two", ...), ("X-One", ...)],
    ],
)
def test_header_fields_are_compared_in_order_and_case(expected: list[Any]) -> None:
    assert_request_headers(make(b"", None, *FIELDS), expected)


@pytest.mark.parametrize(
    "expected",
    [[], [("X-One", "1")], [("X-One", "2")], [("Host", "a"), ("X-One", "2")], FIELDS],
)
def test_some_header_fields_are_enough_if_said_so(expected: list[Any]) -> None:
    assert_request_headers(make(b"", None, *FIELDS), expected, partial=True)


def test_fields_that_differ_are_told_one_by_one() -> None:
    expected = [("Host", "a"), ("x-one", "1"), ("X-Two", ...), ("X-One", "3"), ("X-None", "")]
    assert fail(assert_request_headers, make(b"", None, *FIELDS), expected) == [
        "the header fields of POST /orders are not those that were expected:",
        "  ✓ Host: a",
        "  ✗ expected x-one: 1, but in field 2 the name is written X-One",
        "  ✗ expected X-Two: ..., but in field 3 the name is written x-two",
        "  ✗ expected X-One: 3, but field 2 is X-One: 1",
        "  ✗ expected X-None: , but there is none",
        "  ✗ X-One: 1, not expected here",
        "  ✗ x-two: é, not expected here",
        "  ✗ X-One: 2, not expected here",
    ]


def test_a_field_at_another_place_is_told_as_such() -> None:
    expected = [("X-One", "2"), ("Host", "a")]
    lines = fail(assert_request_headers, make(b"", None, *FIELDS), expected, partial=True)
    assert lines[1:] == [
        "  ✗ expected X-One: 2 here, it is field 4",
        "  ✓ Host: a",
        "    X-One: 1",
        "    x-two: é",
        "    X-One: 2",
    ]


def test_fields_cannot_upset_a_terminal_or_flood_it() -> None:
    exchange = make(b"", None, (b"A", b"\x85\x9b2J"), (b"B", b"x" * 500))
    lines = fail(assert_request_headers, exchange, [])
    assert lines[1:] == [
        r"  ✗ A: \x85\x9b2J, not expected here",
        f"  ✗ B: {'x' * 200}… (500 characters), not expected here",
    ]


names = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("12")), max_size=6)


@settings(max_examples=150, deadline=None)
@given(names, names, st.booleans())
def test_fields_fit_as_a_list_or_as_a_part_of_one(
    wanted: list[tuple[str, str]], got: list[tuple[str, str]], is_partial: bool
) -> None:
    exchange = make(b"", None, *((name.encode(), value.encode()) for name, value in got))
    rest = iter(got)
    is_right = all(field in rest for field in wanted) if is_partial else wanted == got
    if is_right:
        assert_request_headers(exchange, wanted, partial=is_partial)
    else:
        lines = fail(assert_request_headers, exchange, wanted, partial=is_partial)
        assert any("✗" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((make(), "A"), "expected a list of pairs (name, value), or a dict, not str"),
        ((make(), ["A"]), "expected pairs (name, value), not 'A'"),
        (([], []), "expected an Exchange, for example server.journal[-1], not list"),
    ],
)
def test_what_is_no_list_of_fields_is_refused(arguments: Any, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_request_headers(*arguments)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"host": "a"},
        {"HOST": re.compile("a"), "X-Two": "é"},
        {"x-one": ["1", "2"], "X-None": None},
        {"Host": ..., "x-two": str.islower},
    ],
)
def test_some_header_fields_are_found_by_name_in_any_case(expected: dict[str, Any]) -> None:
    assert_request_headers(make(b"", None, *FIELDS), expected)


def test_fields_by_name_that_differ_are_told_one_by_one() -> None:
    expected = {"host": "b", "X-TWO": ..., "x-none": "1"}
    assert fail(assert_request_headers, make(b"", None, *FIELDS), expected) == [
        "the header fields of POST /orders are not those that were expected:",
        "  ✗ header host: expected 'b', got 'a'",
        "  ✗ header x-none: expected '1', got nothing",
        "  ✓ header x-two: 'é'",
    ]


def test_a_name_that_is_no_field_name_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_request_headers(make(), {"a b": "1"})
    assert str(caught.value) == "headers takes field names such as \"X-Token\", not 'a b'"


# Bodies


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (make(b'{"a": [1.0, null]}'), {"json": {"a": [1, None]}}),
        (make(b"null"), {"json": None}),
        (make(b'{"a": 1, "b": 2}'), {"json": partial({"a": 1})}),
        (make(gzip.compress(b"[]"), None, (b"Content-Encoding", b"gzip")), {"json": []}),
        (make(b"a=1&b=&a=2"), {"form": {"a": ["1", "2"], "b": ""}}),
        (make(b"a=1&b=&a=2"), {"form": [("a", "1"), ("b", ""), ("a", "2")]}),
        (make(b"a=%C3%A9+%26"), {"form": {"a": re.compile("é .")}}),
        (make(b"a=1&a=2"), {"form": {"a": [..., str.isdigit]}}),
        (make(b"\xe9", "text/plain; charset=latin-1"), {"text": "é"}),
        (make("é\n".encode()), {"text": re.compile(r"\w\s")}),
        (make(b"\x00\xff"), {"bytes": b"\x00\xff"}),
        (make(b"\x00\xff"), {"bytes": bytearray(b"\x00\xff")}),
        (make(b""), {"text": ""}),
    ],
)
def test_a_body_is_compared_in_four_forms(exchange: Exchange, expected: dict[str, Any]) -> None:
    assert_body(exchange, **expected)


def test_the_response_can_be_looked_at_too() -> None:
    assert_body(make(), text="made", of="response")
    assert fail(assert_body, make(), bytes=b"kept", of="response") == [
        "the response body of POST /orders is not the bytes that were expected:",
        "  they part at index 0: expected b'kept', got b'made'",
    ]


@pytest.mark.parametrize(
    ("exchange", "expected", "told"),
    [
        (
            make(b'{"qty": 3, "tags": ["x"]}', "application/json"),
            {"json": {"qty": 2, "tags": ["x", "y"]}},
            [
                "is not the JSON that was expected:",
                "  ✗ $.qty: expected 2, got 3",
                '  ✗ $.tags[1]: missing, expected "y"',
                """  it came as application/json: '{"qty": 3, "tags": ["x"]}'""",
            ],
        ),
        (
            make(b"a=\x1b", "text/x"),
            {"json": {}},
            [
                "is not JSON: Expecting value: line 1 column 1 (char 0)",
                r"  it came as text/x: 'a=\x1b'",
            ],
        ),
        (make(b""), {"json": {}}, ["is empty, expected JSON", "  it is empty"]),
        (
            make(b"\xff", "application/json"),
            {"json": 1},
            [
                (
                    "is not JSON: 'utf-8' codec can't decode byte 0xff in position 0: "
                    "invalid start byte"
                ),
                r"  it came as application/json: b'\xff'",
            ],
        ),
        (
            make(b"no gzip", None, (b"Content-Encoding", b"gzip")),
            {"json": 1},
            [
                (
                    "cannot be unpacked: the body is not gzip, as its Content-Encoding says: "
                    "Error -3 while decompressing data: incorrect header check"
                )
            ],
        ),
        (
            make(b"one"),
            {"text": "two"},
            ["is not the text that was expected:", "  expected 'two'", "  got 'one'"],
        ),
        (
            make(b"a\nb\nc\nd\ne\nf\n"),
            {"text": "a\nb\nc\nD\ne\nf\n"},
            [
                "is not the text that was expected:",
                r"  --- expected\n",
                r"  +++ got\n",
                r"  @@ -2,5 +2,5 @@\n",
                r"   b\n",
                r"   c\n",
                r"  -D\n",
                r"  +d\n",
                r"   e\n",
                r"   f\n",
            ],
        ),
        (
            make(b"x" * 300 + b"a"),
            {"text": "x" * 300 + "b"},
            [
                "is not the text that was expected:",
                f"  they part at index 300: expected …'{'x' * 20}b', got …'{'x' * 20}a'",
            ],
        ),
        (make(b"ab"), {"text": re.compile("b")}, ["is not text matching 'b':", "  it came: 'ab'"]),
        (
            make(b"ab", "text/plain; charset=klingon"),
            {"text": "ab"},
            [
                (
                    "cannot be read: the body's charset 'klingon' is not known; "
                    "expected one such as utf-8"
                )
            ],
        ),
        (
            make(b"abc"),
            {"bytes": b"ab"},
            [
                "has 3 bytes, expected 2:",
                "  they part at index 2: expected the end (2 bytes), got b'abc'",
            ],
        ),
        (
            make(b"a=1&b=2&a=3"),
            {"form": {"a": "1", "b": "2", "c": ["x", ...]}},
            [
                "is not the form that was expected:",
                "  ✗ 'a' is ['1', '3'], expected '1'",
                "  ✓ 'b' is '2'",
                "  ✗ 'c' is missing, expected ['x', ...]",
                "  it came: 'a=1&b=2&a=3'",
            ],
        ),
        (
            make(b"a=1&b=2"),
            {"form": {"a": "1"}},
            [
                "is not the form that was expected:",
                "  ✓ 'a' is '1'",
                "  ✗ 'b' is '2', not expected at all",
                "  it came: 'a=1&b=2'",
            ],
        ),
        (
            make(b"b=2&a=1&c=3"),
            {"form": [("a", "1"), ("a", "1")]},
            [
                "is not the form that was expected:",
                "  ✗ 1 'b' is '2', expected 'a' to be '1'",
                "  ✓ 2 'a' is '1'",
                "  ✗ 3 'c' is '3', expected the end",
                "  it came: 'b=2&a=1&c=3'",
            ],
        ),
        (
            make(b""),
            {"form": [("a", "1")]},
            [
                "is not the form that was expected:",
                "  ✗ 1 there is no more, expected 'a' to be '1'",
                "  it is empty",
            ],
        ),
        (
            make(b"{}", "application/json"),
            {"form": {}},
            ["is application/json, not application/x-www-form-urlencoded"],
        ),
        (
            make(b"a=%ff"),
            {"form": {}},
            [
                (
                    "is not a form: 'utf-8' codec can't decode byte 0xff in position 0: "
                    "invalid start byte"
                )
            ],
        ),
    ],
)
def test_a_body_that_is_another_is_told_with_where_it_parts(
    exchange: Exchange, expected: dict[str, Any], told: list[str]
) -> None:
    told[0] = f"the request body of POST /orders {told[0]}"
    assert fail(assert_body, exchange, **expected) == told


def make_long(body: bytes) -> Exchange:
    exchange = make(b"", "text/plain")
    exchange.request_content = trim_body(body, 10)
    return exchange


def test_of_a_body_that_was_cut_the_bytes_are_compared_by_their_digest() -> None:
    body = b"0123456789" * 10
    assert_body(make_long(body), bytes=body)
    assert fail(assert_body, make_long(body), bytes=body[:-1] + b"x")[1:] == [
        "  they part behind what was kept (only 10 of 100 bytes were kept)"
    ]
    assert fail(assert_body, make_long(body), bytes=b"x" + body[1:])[1:] == [
        (
            "  they part at index 0: expected b'x123456789', got b'0123456789' "
            "(only 10 of 100 bytes were kept)"
        )
    ]
    assert fail(assert_body, make_long(body), bytes=b"0123")[0].endswith(
        "has 100 bytes, expected 4:"
    )


@pytest.mark.parametrize("expected", [{"json": 1}, {"form": {}}, {"text": "0" * 100}])
def test_a_body_that_was_cut_cannot_be_read_in_other_forms(expected: dict[str, Any]) -> None:
    assert fail(assert_body, make_long(b"0" * 100), **expected) == [
        (
            "the request body of POST /orders was recorded only in part, 10 of 100 bytes: "
            "give the server a Journal with a larger body_cap"
        )
    ]


def test_a_long_difference_of_lines_is_cut() -> None:
    expected = "".join(f"{number}\n" for number in range(100))
    lines = fail(assert_body, make(expected.replace("\n", "!\n").encode()), text=expected)
    assert len(lines) == 22
    assert re.fullmatch(r"  and \d+ more lines", lines[-1])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "assert_body takes one of json, form, text and bytes, not none of them"),
        (
            {"json": 1, "text": ""},
            "assert_body takes one of json, form, text and bytes, not json and text",
        ),
        ({"json": 1, "of": "both"}, "of must be 'request' or 'response', not 'both'"),
        ({"bytes": "text"}, "bytes takes bytes, not str"),
        ({"form": "a=1"}, "form takes a mapping or pairs (name, value), not 'a=1'"),
        ({"form": ["a"]}, "form takes a mapping or pairs (name, value), not ['a']"),
    ],
)
def test_arguments_that_cannot_work_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_body(make(b"1"), **options)
    assert str(caught.value) == told


def test_what_is_no_json_is_refused_before_the_body_is_looked_at() -> None:
    with pytest.raises(ConfigurationError):
        assert_body(make(b""), json={"a": b"bytes"})


def test_a_live_request_is_asserted_on(serve: Any) -> None:
    server = serve(("POST", "/orders", lambda request: Response("made", 201)))
    with HTTPClient((server.host, server.port)) as client:
        client.post("/orders", {"sku": "a"}, headers=[("X-Trace", "7")]).wait(scaled(10))
    (exchange,) = server.journal
    assert_body(exchange, json={"sku": "a"})
    assert_request_headers(exchange, [("X-Trace", "7")], partial=True)
