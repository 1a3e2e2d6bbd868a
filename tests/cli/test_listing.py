from __future__ import annotations

import re
from typing import Any

import pytest

from kit.cli.listing import describe_stubs, format_size, format_stubs
from kit.expect import StubBook


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1025, "1025 B"),
        (5 << 20, "5 MiB"),
        (3 << 30, "3 GiB"),
        (5 << 40, "5120 GiB"),
    ],
)
def test_a_size_is_written_exactly(size: int, text: str) -> None:
    assert format_size(size) == text


def test_stubs_are_shown_as_a_table() -> None:
    book = StubBook()
    book.expect(..., "/a").times(1)
    book.expect(["GET", "PUT"], "/b/:id", query={"a": "1"}, json={}).optional()
    table = re.sub(r"test_listing\.py:\d+", "HERE", format_stubs(book))
    assert table == (
        "STUB  METHOD      PATTERN  ASKS FOR     EXPECTED    FROM\n"
        "1     any method  /a       -            once        HERE\n"
        "2     GET|PUT     /b/:id   query, json  any number  HERE"
    )


@pytest.mark.parametrize(
    ("set_calls", "text"),
    [
        (lambda stub: stub, "1 or more"),
        (lambda stub: stub.at_least(3), "3 or more"),
        (lambda stub: stub.times(2), "2 times"),
        (lambda stub: stub.times(2).optional(), "up to 2 times"),
        (lambda stub: stub.times(1).optional(), "at most once"),
    ],
)
def test_how_often_a_stub_is_expected_is_told(set_calls: Any, text: str) -> None:
    book = StubBook()
    set_calls(book.expect("GET", "/"))
    assert f"  {text}  " in format_stubs(book)


def test_stubs_are_told_as_json_has_it() -> None:
    book = StubBook()
    book.expect("GET", "/", headers={"X": "1"}).times(2)
    (stub,) = describe_stubs(book)
    assert stub.pop("where").startswith("test_listing.py:")
    assert stub == {
        "number": 1,
        "methods": ["GET"],
        "pattern": "/",
        "conditions": ["headers"],
        "min_calls": 2,
        "max_calls": 2,
    }
