from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kit.errors import ConfigurationError
from kit.expect import Stub, StubBook, absent, at_paths, file, files, partial
from kit.expect.file_export import export
from kit.faults import EmptyReply
from kit.messages import ErrorResponse, JsonResponse, Request, Response
from support.expectations import FORM, fetch, make_request


def export_one(book: StubBook) -> dict[str, Any]:
    (stub,) = export(book)["stubs"]
    return dict(stub)


def reload(book: StubBook, directory: Path) -> StubBook:
    path = directory / "stubs.json"
    path.write_text(json.dumps(export(book)))
    copy = StubBook()
    files.load(path, copy)
    return copy


def error_of(book: StubBook) -> str:
    with pytest.raises(ConfigurationError) as raised:
        export(book)
    return str(raised.value)


def answer(request: Request) -> Response:
    return Response("made")


def is_odd(value: Any) -> bool:
    return bool(value % 2)


EXPECTED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"query": {"a": 1, "b": ["x", "y"]}}, {"query": {"a": 1, "b": ["x", "y"]}}),
    ({"query": "a=1&b="}, {"query": {"a": ["1"], "b": [""]}}),
    ({"query": partial({"a": ...})}, {"query": {"$partial": {"a": {"$any": True}}}}),
    ({"query": {"$any": "1"}}, {"query": {"$literal": {"$any": "1"}}}),
    ({"query": {}}, {"query": {}}),
    (
        {"headers": {"X-A": None, b"X-B": b"\xe9", "X-C": absent}},
        {"headers": {"X-A": None, "X-B": "é", "X-C": None}},
    ),
    (
        {"headers": {"X-A": re.compile("a.c", re.IGNORECASE | re.DOTALL)}},
        {"headers": {"X-A": {"$regex": "(?is:a.c)"}}},
    ),
    ({"cookies": {"sid": partial("ab")}}, {"cookies": {"sid": {"$partial": "ab"}}}),
    ({"form": {"a": "1"}}, {"form": {"a": "1"}}),
    ({"body": "text"}, {"body": "text"}),
    ({"body": b"\xff"}, {"body": {"$base64": "/w=="}}),
    ({"body": re.compile("(?i)a+")}, {"body": {"$regex": "(?i)a+"}}),
    ({"body": ...}, {"body": {"$any": True}}),
    ({"json": None}, {"json": None}),
    (
        {"json": {"a": int, "b": partial([1, {"c": ...}]), "d": (True, 1.5)}},
        {
            "json": {
                "a": {"$type": "integer"},
                "b": {"$partial": [1, {"c": {"$any": True}}]},
                "d": [True, 1.5],
            }
        },
    ),
    (
        {"json": {"$ref": "x", "y": absent}},
        {"json": {"$ref": "x", "y": {"$absent": True}}},
    ),
    ({"json": {"$ref": "x"}}, {"json": {"$literal": {"$ref": "x"}}}),
    (
        {"json": at_paths({"user.id": int, "items[0]": {"a": 1}})},
        {"json": {"$paths": {"user.id": {"$type": "integer"}, "items[0]": {"a": 1}}}},
    ),
    ({"max_content_length": 10}, {"max_content_length": 10}),
]


@pytest.mark.parametrize(("given", "document"), EXPECTED)
def test_what_is_expected_is_written_and_read_back(
    tmp_path: Path, given: dict[str, Any], document: dict[str, Any]
) -> None:
    book = StubBook()
    book.expect("GET", "/", **given).respond()
    assert export_one(book) == {
        "request": {"method": "GET", "path": "/"} | document,
        "response": {},
    }
    assert export(reload(book, tmp_path)) == export(book)


def test_a_verbose_expression_keeps_its_last_comment_closed(tmp_path: Path) -> None:
    book = StubBook()
    book.expect("GET", "/", body=re.compile("a b # letters", re.VERBOSE)).respond("ok")
    copy = reload(book, tmp_path)
    assert fetch(copy, make_request("GET", "/", body=b"ab")) == (200, b"ok")


@pytest.mark.parametrize(
    ("methods", "written"), [(..., "*"), (["GET", "PUT"], ["GET", "PUT"]), ("PURGE", "PURGE")]
)
def test_methods_are_written(methods: Any, written: Any) -> None:
    book = StubBook()
    book.expect(methods, "/").respond()
    assert export_one(book)["request"]["method"] == written


RESPONSES: list[tuple[Response, dict[str, Any]]] = [
    (Response(), {}),
    (Response(b""), {"headers": {"Content-Type": "application/octet-stream"}, "text": ""}),
    (Response("hi", 201), {"status": 201, "text": "hi"}),
    (Response(b"\xff\x00"), {"base64": "/wA="}),
    (
        Response("a", headers={"content-type": "a/b"}),
        {"headers": {"content-type": "a/b"}, "text": "a"},
    ),
    (
        Response(None, 204, [("Set-Cookie", "a=1"), ("X", "1"), ("set-cookie", "b=2")]),
        {"status": 204, "headers": {"Set-Cookie": ["a=1", "b=2"], "X": "1"}},
    ),
    (JsonResponse({"a": [1, None, "ü"]}), {"json": {"a": [1, None, "ü"]}}),
    (JsonResponse({}, headers={"X": "1"}), {"headers": {"X": "1"}, "json": {}}),
    (
        Response('{"a": 1}', headers={"Content-Type": "application/json"}),
        {"headers": {"Content-Type": "application/json"}, "text": '{"a": 1}'},
    ),
    (
        Response("no", headers={"Content-Type": "application/json"}),
        {"headers": {"Content-Type": "application/json"}, "text": "no"},
    ),
    (ErrorResponse("away", 503), {"status": 503, "text": "away"}),
    (Response("x", compress=True), {"text": "x", "compress": True}),
]


@pytest.mark.parametrize(("response", "document"), RESPONSES)
def test_a_response_is_written_and_read_back(
    tmp_path: Path, response: Response, document: dict[str, Any]
) -> None:
    book = StubBook()
    book.expect("GET", "/").respond_with(response)
    assert export_one(book)["response"] == document
    copy = reload(book, tmp_path)
    assert export(copy) == export(book)
    assert fetch(copy, make_request("GET", "/")) == (response.status_code, response.body)


@pytest.mark.parametrize("then", ["repeat last", "cycle", "error"])
def test_a_sequence_is_written_with_its_end(tmp_path: Path, then: Any) -> None:
    book = StubBook()
    book.expect("GET", "/").respond_sequence([Response("a"), Response("b")], then=then)
    copy = reload(book, tmp_path)
    assert export_one(book)["responses"] == [{"text": "a"}, {"text": "b"}]
    asked = [[fetch(each, make_request("GET", "/"))[1] for _ in range(2)] for each in (book, copy)]
    assert asked == [[b"a", b"b"]] * 2
    assert export_one(copy)["then"] == then


def set_nothing(stub: Stub) -> Stub:
    return stub


@pytest.mark.parametrize(
    ("set_calls", "document"),
    [
        (set_nothing, {}),
        (lambda stub: stub.times(3), {"times": 3}),
        (lambda stub: stub.at_least(2), {"at_least": 2}),
        (lambda stub: stub.optional(), {"optional": True}),
        (lambda stub: stub.times(2).optional(), {"times": 2, "optional": True}),
        (lambda stub: stub.delay(0.5), {"delay_s": 0.5}),
    ],
)
def test_how_often_and_how_late_is_written(
    tmp_path: Path, set_calls: Any, document: dict[str, Any]
) -> None:
    book = StubBook()
    set_calls(book.expect("GET", "/").respond())
    written = export_one(book)
    assert {name: written[name] for name in written if name not in ("request", "response")} == (
        document
    )
    assert export(reload(book, tmp_path)) == export(book)


# What a file cannot hold


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"match": is_odd}, "match=, the function is_odd (test_file_export.py:"),
        (
            {"multipart": {"a": file(filename="b")}},
            "multipart= cannot be written to a file",
        ),
        ({"json": {"a": [is_odd]}}, "json.a[0]: the function is_odd (test_file_export.py:"),
        ({"query": {"a": is_odd}}, "query 'a': the function is_odd (test_file_export.py:"),
        ({"query": {"a": int}}, "query 'a': int cannot be written to a file"),
        ({"headers": {"A": Path("b")}}, "headers 'A': PosixPath('b') cannot be written to a file"),
        (
            {"body": re.compile(b"a")},
            "body: the expression b'a' of bytes cannot be written to a file: give one of str",
        ),
        (
            {"body": re.compile("(?i)a", re.DOTALL)},
            (
                "body: the flags of re.compile('(?i)a', re.IGNORECASE|re.DOTALL) cannot be written "
                "to a file: set all of them in its text"
            ),
        ),
    ],
)
def test_an_expectation_that_a_file_cannot_hold_is_named(given: Any, text: str) -> None:
    book = StubBook()
    book.expect("GET", "/a", **given).respond()
    told = error_of(book)
    assert told.startswith("stub 1: GET /a (test_file_export.py:")
    assert f": {text}" in told


def test_a_handler_cannot_be_written() -> None:
    book = StubBook()
    book.expect("GET", "/").handle(answer)
    assert ": the handler answer (test_file_export.py:" in error_of(book)


def test_a_handler_in_a_sequence_cannot_be_written() -> None:
    book = StubBook()
    book.expect("GET", "/").respond_sequence([Response("a"), answer], then="cycle")
    assert ": the handler answer (test_file_export.py:" in error_of(book)


def test_a_streamed_response_cannot_be_written() -> None:
    book = StubBook()
    book.expect("GET", "/").respond_with(Response(["a", "b"]))
    assert "> cannot be written to a file: the payload is streamed from list" in error_of(book)


def test_a_stub_without_a_response_cannot_be_written() -> None:
    book = StubBook()
    book.expect("GET", "/")
    assert error_of(book).endswith(": it has no response")


def test_an_order_cannot_be_written() -> None:
    book = StubBook()
    with book.in_order():
        book.expect("GET", "/").respond()
        book.expect("GET", "/").respond()
    assert error_of(book).endswith(": in_order() cannot be written to a file")


def test_a_turn_cannot_be_written() -> None:
    book = StubBook()
    first = book.expect("GET", "/").respond()
    book.expect("GET", "/b").respond().after(first)
    assert error_of(book).endswith(": after() cannot be written to a file")
    book.clear()
    book.expect("GET", "/c").respond().until(first)
    assert error_of(book).endswith(": until() cannot be written to a file")


def test_a_fault_cannot_be_written() -> None:
    book = StubBook()
    book.expect("GET", "/").respond().fault(EmptyReply())
    assert error_of(book).endswith(": fault() cannot be written to a file")


def test_a_form_that_was_written_takes_the_same_requests(tmp_path: Path) -> None:
    book = StubBook()
    book.expect("POST", "/", form=partial({"a": re.compile("[0-9]+")})).respond("ok")
    copy = reload(book, tmp_path)
    good = make_request("POST", "/", body=b"a=12&b=x", headers={"Content-Type": FORM})
    bad = make_request("POST", "/", body=b"a=z", headers={"Content-Type": FORM})
    assert (fetch(copy, good)[0], fetch(copy, bad)[0]) == (200, 404)
