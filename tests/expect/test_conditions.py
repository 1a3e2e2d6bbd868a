from __future__ import annotations

import re
from typing import Any
from unittest import mock

import pytest
import urllib3

from kit.errors import ConfigurationError, PatternError
from kit.expect import StubBook, absent, file, partial
from kit.messages import Request
from support.expectations import FORM, explain, make_request, take


def is_short(value: Any) -> bool:
    return len(value) < 3


SHORT = f"is_short (test_conditions.py:{is_short.__code__.co_firstlineno})"


def judge(request: Request, method: Any = ..., pattern: str = "/:rest*", **given: Any) -> list[str]:
    """Expect something of a request: the failed conditions, none if the stub takes it."""
    book = StubBook()
    book.expect(method, pattern, **given)
    lines = explain(book, request)
    assert (take(book, request) is None) == bool(lines)
    return lines


@pytest.mark.parametrize(
    ("method", "request_method", "lines"),
    [
        ("GET", "GET", []),
        ("GET", "HEAD", ["✗ method HEAD, the stub takes GET"]),
        ("GET", "POST", ["✗ method POST, the stub takes GET"]),
        (["PUT", "PATCH"], "PATCH", []),
        (["PUT", "PATCH"], "GET", ["✗ method GET, the stub takes PUT|PATCH"]),
        (..., "PURGE", []),
    ],
)
def test_the_method(method: Any, request_method: str, lines: list[str]) -> None:
    assert judge(make_request(request_method), method) == lines


@pytest.mark.parametrize(
    ("pattern", "path", "lines"),
    [
        ("/a", "/a", []),
        ("/a/:b", "/a/x%2Fy", []),
        ("/a/:b?", "/a", []),
        ("/a/:b+", "/a/1/2", []),
        ("/a/:b*", "/a/", []),
        ("/a", "/b", ['✗ path /b: component 1 is "b", not "a"']),
        ("/a/:id", "/a", ["✗ path /a: component 2, :id, is missing"]),
        ("/a", "/a/", ['✗ path /a/: the path goes on with a trailing "/"']),
        (
            "/a",
            "/%ff",
            ["✗ path /%ff: path component '%ff' is not UTF-8 after percent-decoding"],
        ),
    ],
)
def test_the_path(pattern: str, path: str, lines: list[str]) -> None:
    assert judge(make_request("GET", path), "GET", pattern) == lines


@pytest.mark.parametrize(
    ("query", "target", "lines"),
    [
        ({"page": "1"}, "/?page=1", []),
        ({"page": 1}, "/?page=1", []),
        ("page=1&x=", "/?x=&page=1", []),
        ("?page=1", "/?page=1", []),
        ({}, "/", []),
        ({"a": ["1", "2"]}, "/?a=1&b=3&a=2", ["✗ query b: unexpected, got '3'"]),
        (partial({"a": ["1", "2"]}), "/?a=1&b=3&a=2", []),
        ({"a": ["1", "2"]}, "/?a=2&a=1", ["✗ query a: expected ['1', '2'], got ['2', '1']"]),
        (
            {"a": ["1", ...]},
            "/?a=1",
            ["✗ query a: expected ['1', any value], got 1 value: ['1']"],
        ),
        ({"a": "1"}, "/?a=1&a=1", ["✗ query a: expected '1', got ['1', '1']"]),
        ({"a": ...}, "/?a=1&a=2", []),
        ({"a": ...}, "/", ["✗ query a: expected any value, got nothing"]),
        ({"a": "1"}, "/", ["✗ query a: expected '1', got nothing"]),
        ({"a": "1"}, "/?a=2", ["✗ query a: expected '1', got '2'"]),
        (partial({"a": None}), "/?b=1", []),
        (partial({"a": absent}), "/?a=1", ["✗ query a: expected nothing, got '1'"]),
        ({"a": re.compile(r"\d+")}, "/?a=17", []),
        (
            {"a": re.compile(r"\d+")},
            "/?a=17x",
            ["✗ query a: expected a full match of /\\d+/, got '17x'"],
        ),
        ({"a": is_short}, "/?a=12", []),
        ({"a": is_short}, "/?a=123", [f"✗ query a: expected {SHORT} to take it, got '123'"]),
        ({"a": int}, "/?a=0", []),
        (
            {"a": int},
            "/?a=x",
            [
                (
                    "✗ query a: int raised ValueError: invalid literal for int() with base 10: "
                    "'x'; got 'x'"
                ),
            ],
        ),
        ({"a": mock.ANY}, "/?a=x", []),
        ({"a": partial("ell")}, "/?a=hello", []),
        ({"a": partial("x")}, "/?a=hello", ["✗ query a: expected 'x' in it, got 'hello'"]),
        ({}, "/?a=%1b", [r"✗ query a: unexpected, got '\x1b'"]),
    ],
)
def test_the_query(query: Any, target: str, lines: list[str]) -> None:
    assert judge(make_request("GET", target), query=query) == lines


class OneTwo:
    """Equal to the texts "1" and "2"; whatever else it is compared with raises."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if other not in ("0", "1", "2"):
            raise TypeError
        return other != "0"

    def __repr__(self) -> str:
        return "OneTwo"


@pytest.mark.parametrize("value", ["1", "2"])
def test_an_object_with_its_own_equality_is_asked(value: str) -> None:
    assert judge(make_request("GET", f"/?a={value}"), query={"a": OneTwo()}) == []


@pytest.mark.parametrize("value", ["0", "x"])
def test_an_object_that_is_not_equal_or_cannot_tell_takes_nothing(value: str) -> None:
    assert judge(make_request("GET", f"/?a={value}"), query={"a": OneTwo()}) == [
        f"✗ query a: expected OneTwo, got '{value}'"
    ]


@pytest.mark.parametrize(
    ("headers", "lines"),
    [
        ({"X-Token": "a"}, []),
        ({"x-token": b"a", "Accept": "x, y"}, []),
        ({"accept": ["x", "y"]}, []),
        ({b"x-TOKEN": ...}, []),
        ({"x-token": "b"}, ["✗ header x-token: expected 'b', got 'a'"]),
        ({"X-Other": "b"}, ["✗ header x-other: expected 'b', got nothing"]),
        ({"X-Other": None}, []),
        ({"x-token": None}, ["✗ header x-token: expected nothing, got 'a'"]),
        ({"accept": ["y", b"x"]}, ["✗ header accept: expected ['y', 'x'], got ['x', 'y']"]),
        ({"accept": "x"}, ["✗ header accept: expected 'x', got 'x, y'"]),
        (partial({"x-token": re.compile("[a-c]")}), []),
    ],
)
def test_the_headers(headers: Any, lines: list[str]) -> None:
    request = make_request(headers=[("x-TOKEN", "a"), ("Accept", "x"), ("accept", "y")])
    assert judge(request, headers=headers) == lines


@pytest.mark.parametrize(
    ("cookies", "lines"),
    [
        ({"sid": "1"}, []),
        ({"sid": "2"}, ["✗ cookie sid: expected '2', got '1'"]),
        ({"theme": ...}, []),
        ({"other": "x"}, ["✗ cookie other: expected 'x', got nothing"]),
    ],
)
def test_the_cookies(cookies: Any, lines: list[str]) -> None:
    assert judge(make_request(headers={"Cookie": "sid=1; theme=dark"}), cookies=cookies) == lines


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ({"sku": "a", "qty": 2}, []),
        ({"sku": "a", "qty": 3}, ["✗ json: $.qty: expected 3, got 2"]),
        (
            {"sku": "b", "qty": 3},
            ["✗ json:", '    $.sku: expected "b", got "a"', "    $.qty: expected 3, got 2"],
        ),
        (partial({"qty": int}), []),
        (None, ['✗ json: $: expected null, got {"sku": "a", "qty": 2}']),
        (..., []),
    ],
)
def test_the_json(body: Any, lines: list[str]) -> None:
    assert judge(make_request("POST", json={"sku": "a", "qty": 2}), json=body) == lines


def test_a_body_that_is_no_json() -> None:
    assert judge(make_request("POST", body=b"{"), json={}) == [
        (
            "✗ json: the body is not JSON: Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1)"
        )
    ]
    assert judge(make_request("POST"), json=...) == ["✗ json: the body is empty, expected JSON"]


@pytest.mark.parametrize(
    ("form", "body", "lines"),
    [
        ({"a": "1", "b": "x y"}, b"b=x+y&a=1", []),
        ({"a": ["1", "2"]}, b"a=1&a=2", []),
        ({"a": "1"}, b"a=1&b=2", ["✗ form field b: unexpected, got '2'"]),
        (partial({"a": "1"}), b"a=1&b=2", []),
        ({"a": None, "b": ...}, b"b=2", []),
        ({"a": "1"}, b"a=%ff", ["✗ form: the form is not UTF-8 text"]),
    ],
)
def test_the_form(form: Any, body: bytes, lines: list[str]) -> None:
    request = make_request("POST", body=body, headers={"Content-Type": FORM})
    found = judge(request, form=form)
    assert len(found) == len(lines)
    assert all(line.startswith(start) for line, start in zip(found, lines, strict=True))


def test_a_form_of_another_type() -> None:
    request = make_request("POST", body=b"a=1", headers={"Content-Type": "text/plain"})
    assert judge(request, form={"a": "1"}) == [
        "✗ form: the body is text/plain, expected application/x-www-form-urlencoded"
    ]


UPLOAD = urllib3.encode_multipart_formdata(
    [
        ("title", "hi"),
        ("tag", "a"),
        ("tag", "b"),
        ("pic", ("a.png", b"\x89PNG", "image/png")),
        ("doc", ("a.txt", b"text", "text/plain; charset=utf-8")),
    ]
)


@pytest.mark.parametrize(
    ("multipart", "lines"),
    [
        (
            {"title": "hi", "tag": ["a", "b"], "pic": b"\x89PNG", "doc": file(filename="a.txt")},
            [],
        ),
        (partial({"title": re.compile("h."), "doc": "text"}), []),
        (
            partial({"title": is_short, "pic": file(content=is_short)}),
            [f"✗ part pic: expected {SHORT} to take it, got b'\\x89PNG'"],
        ),
        (partial({"pic": file(filename=re.compile(".*png"), content_type="image/png")}), []),
        (partial({"doc": file(content_type="text/plain", content="text")}), []),
        (partial({"doc": file(content=partial(b"ex"))}), []),
        (partial({"pic": file(content=re.compile(rb"\x89.*"))}), []),
        (partial({"tag": ..., "other": None}), []),
        (partial({"title": "ho"}), ["✗ part title: expected 'ho', got 'hi'"]),
        (partial({"other": "x"}), ["✗ part other: expected 'x', got nothing"]),
        (
            partial({"other": file(filename="x")}),
            [
                (
                    "✗ part other: expected a file (filename 'x', content_type any value, "
                    "content any value), got nothing"
                )
            ],
        ),
        (partial({"title": None}), ["✗ part title: expected nothing, got one"]),
        (partial({"tag": "a"}), ["✗ part tag: expected 'a', got 2 parts"]),
        (
            partial({"tag": ["b", "a"]}),
            ["✗ part tag: expected 'b', got 'a'; expected 'a', got 'b'"],
        ),
        (
            partial({"title": file()}),
            ["✗ part title: expected a file, got a field without a filename"],
        ),
        (
            partial({"pic": file(filename="b", content_type="x/y", content=b"")}),
            [
                (
                    "✗ part pic: filename: expected 'b', got 'a.png'; content type: expected "
                    "'x/y', got 'image/png'; expected b'', got b'\\x89PNG'"
                )
            ],
        ),
        (
            partial({"pic": "text"}),
            ["✗ part pic: expected 'text', got bytes that are not UTF-8: b'\\x89PNG'"],
        ),
        (
            {"title": "hi", "tag": ...},
            [
                "✗ part pic: unexpected, got file 'a.png', 4 bytes",
                "✗ part doc: unexpected, got file 'a.txt', 4 bytes",
            ],
        ),
    ],
)
def test_the_multipart_form(multipart: Any, lines: list[str]) -> None:
    body, content_type = UPLOAD
    request = make_request("POST", body=body, headers={"Content-Type": content_type})
    assert judge(request, multipart=multipart) == lines


def test_a_body_that_is_no_multipart_form() -> None:
    assert judge(make_request("POST", json=1), multipart={"a": "1"}) == [
        "✗ multipart: the body is of no stated type, expected multipart/form-data"
    ]


@pytest.mark.parametrize(
    ("expected", "body", "lines"),
    [
        ("grün", "grün".encode(), []),
        (b"ab", b"ab", []),
        (b"", b"", []),
        (bytearray(b"ab"), b"ab", []),
        (re.compile("a+"), b"aaa", []),
        (re.compile(b"a+"), b"aaa", []),
        (partial("b"), b"abc", []),
        (partial(b"b"), b"abc", []),
        (is_short, b"ab", []),
        (..., b"a", []),
        (..., b"", ["✗ body: expected any body, got none"]),
        ("a", b"b", ["✗ body: expected 'a', got 'b'"]),
        (b"a", b"b", ["✗ body: expected b'a', got b'b'"]),
        (partial("x"), b"abc", ["✗ body: expected 'x' in it, got 'abc'"]),
        (is_short, b"abc", [f"✗ body: expected {SHORT} to take it, got b'abc'"]),
        (
            "a",
            b"\xff",
            [
                (
                    "✗ body: the body is not utf-8 text: 'utf-8' codec can't decode byte 0xff in "
                    "position 0: invalid start byte"
                )
            ],
        ),
    ],
)
def test_the_body(expected: Any, body: bytes, lines: list[str]) -> None:
    assert judge(make_request("POST", body=body), body=expected) == lines


def test_the_text_of_a_body_is_read_by_its_charset() -> None:
    headers = {"Content-Type": "text/plain; charset=latin-1"}
    assert judge(make_request("POST", body=b"gr\xfcn", headers=headers), body="grün") == []


def is_first_page(request: Request) -> bool:
    return request.params["page"] == ["1"]


def test_a_function_of_the_request() -> None:
    name = f"is_first_page (test_conditions.py:{is_first_page.__code__.co_firstlineno})"
    assert judge(make_request("GET", "/?page=1"), match=is_first_page) == []
    assert judge(make_request("GET", "/?page=2"), match=is_first_page) == [
        f"✗ match: expected {name} to take it, got GET / with params {{'page': ['2']}}"
    ]
    assert judge(make_request("GET", "/"), match=is_first_page) == [
        f"✗ match: {name} raised KeyError: 'page'; got GET /"
    ]


def test_a_function_of_the_request_is_told_the_start_of_a_long_one() -> None:
    request = make_request("POST", f"/{'a' * 500}?{'b' * 500}=1")
    (line,) = judge(request, method="POST", pattern="/:any", match=is_first_page)
    assert "got POST /aaa" in line
    assert "a… with params" in line
    assert len(line) < 600


def test_all_conditions_must_be_held() -> None:
    request = make_request("POST", "/a?x=1", json=1, headers={"X-A": "1"})
    assert judge(request, "POST", "/a", query={"x": "1"}, headers={"X-A": "2"}, json=2) == [
        "✗ header x-a: expected '2', got '1'",
        "✗ json: $: expected 2, got 1",
    ]


def test_many_names_are_counted() -> None:
    target = "/?" + "&".join(f"k{n}=1" for n in range(20))
    lines = judge(make_request("GET", target), query={"x": "1"})
    assert lines[0] == "✗ query x: expected '1', got nothing"
    assert lines[-1] == "✗ query: 9 more"
    assert len(lines) == 13


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "get"}, "HTTP methods are case-sensitive: write \"GET\", not 'get'"),
        ({"method": "A B"}, "an HTTP method is a token such as \"GET\", not 'A B'"),
        ({"method": []}, 'a method is a str such as "GET", a list of them, or ... for any, not []'),
        (
            {"method": None},
            'a method is a str such as "GET", a list of them, or ... for any, not None',
        ),
        ({"method": "*"}, 'any method is ..., not "*": expect(..., "/a"), and in a file no method'),
        ({"query": ["a"]}, "query takes a dict of values by name, not ['a']"),
        (
            {"query": b"a=1"},
            "query takes a dict of values by name, not b'a=1': write it as a str",
        ),
        (
            {"query": int},
            (
                "query takes a dict of values by name, not <class 'int'>: a function of the whole "
                "request is given as match="
            ),
        ),
        ({"query": {1: "a"}}, "query takes names of str, not 1"),
        (
            {"query": {"a": True}},
            'query \'a\': True is not text: write it as the request does, "true" or "True"',
        ),
        (
            {"query": {"a": b"x"}},
            (
                "query 'a' is text: expected a str, a compiled pattern, a function, partial(...) "
                "or ..., not b'x'"
            ),
        ),
        ({"query": {"a": []}}, "query 'a': an empty list of values; None says: must be absent"),
        (
            {"form": {"a": re.compile(b"x")}},
            "form 'a' is text: give a pattern of str, not re.compile(b'x')",
        ),
        ({"form": {"a": partial(1)}}, "form 'a': partial() of a text takes a str, not partial(1)"),
        ({"headers": {"a b": "x"}}, "headers takes field names such as \"X-Token\", not 'a b'"),
        ({"headers": "x"}, "headers takes a dict of values by name, not 'x'"),
        (
            {"cookies": {"a": {}}},
            (
                "cookies 'a' is text: expected a str, a compiled pattern, "
                "a function, partial(...) or ..., not {}"
            ),
        ),
        (
            {"multipart": {"a": []}},
            "multipart 'a': an empty list of parts; None says: must be absent",
        ),
        (
            {"multipart": {"a": file(filename=b"")}},
            (
                "multipart 'a': filename is text: expected a "
                "str, a compiled pattern, a function, partial(...) or ..., not b''"
            ),
        ),
        (
            {"body": {"a": 1}},
            (
                "body takes str, bytes, a compiled pattern, a function of the bytes, "
                "partial(...) or ..., not {'a': 1}: for a JSON document there is json="
            ),
        ),
        ({"match": "x"}, "match takes a function of one argument, not 'x'"),
        (
            {"json": 1, "body": "1"},
            "a body is expected as one thing, not as json and body: leave one out, or use match=",
        ),
        (
            {"json": None, "form": {}, "multipart": {}},
            (
                "a body is expected as one thing, not as "
                "json and form and multipart: leave one out, or use match="
            ),
        ),
        (
            {"max_content_length": -1},
            "max_content_length is a number of bytes, an int of 0 or more, not -1",
        ),
        (
            {"json": {1: 1}},
            (
                "the expected JSON cannot be compared at $: a member's name is a str: "
                'write "1", not 1'
            ),
        ),
    ],
)
def test_what_no_request_can_hold_is_refused(given: dict[str, Any], message: str) -> None:
    book = StubBook()
    with pytest.raises(ConfigurationError) as caught:
        book.expect(given.pop("method", "GET"), "/", **given)
    assert str(caught.value) == message
    assert len(book) == 0


def test_a_query_in_the_pattern_is_refused_with_advice() -> None:
    with pytest.raises(PatternError) as caught:
        StubBook().expect("GET", "/a?x=1")
    assert str(caught.value) == (
        "pattern '/a?x=1' is wrong at index 2: \"?\" is not part of a path: give the query "
        "as query={...}"
    )
    with pytest.raises(PatternError, match="it must start with"):
        StubBook().expect("GET", "a")
