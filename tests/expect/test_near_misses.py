from __future__ import annotations

import re
import time
from typing import Any

import pytest

from kit.expect import StubBook, format_unmatched
from kit.messages import Request
from kit.routing import NearMiss, Router
from support.deadlines import scaled
from support.expectations import fetch, make_request


def describe(book: StubBook, request: Request, router: Router | None = None) -> str:
    near: list[NearMiss] = router.explain(request.method, request.path) if router else []
    text = format_unmatched(request, near, book.explain(request), stub_count=len(book))
    return re.sub(r"(test_\w+.py):\d+", r"\1:1", text)


def handler(request: Any) -> Any:
    return request


def test_the_whole_text() -> None:
    book, router = StubBook(), Router()
    book.expect("POST", "/orders", headers={"X-Token": "a"}, json={"sku": "a", "qty": 2})
    book.expect("GET", "/orders/:id", query={"page": "1"})
    router.registerRoutes([("GET", "/health", handler)])
    request = make_request(
        "POST",
        "/orders?x=1",
        json={"sku": "b", "qty": 3},
        headers={"Content-Type": "application/json"},
    )
    assert describe(book, request, router) == (
        """\
no stub and no route takes POST /orders?x=1

its body, 22 bytes, application/json: {"sku": "b", "qty": 3}

of 2 stubs the nearest are

stub 1: POST /orders (test_near_misses.py:1)
  ✓ method POST
  ✓ path /orders
  ✗ header x-token: expected 'a', got nothing
  ✗ json:
      $.sku: expected "a", got "b"
      $.qty: expected 2, got 3

the route is

GET /health -> handler
  ✗ method POST, the route takes GET
  ✗ component 1 is "orders", not "health"
"""
    )


def test_one_stub_and_no_route() -> None:
    book = StubBook()
    book.expect("GET", "/a").respond().times(1)
    fetch(book, make_request("GET", "/a"))
    assert describe(book, make_request("GET", "/a")) == (
        """\
no stub takes GET /a

the stub is

stub 1: GET /a (test_near_misses.py:1)
  ✓ method GET
  ✓ path /a
  ✗ used up: it answered its 1 request
"""
    )


def test_nothing_registered() -> None:
    assert describe(StubBook(), make_request("GET", "/a")) == (
        "no stub and no route takes GET /a: none is registered\n"
    )


def test_only_routes() -> None:
    router = Router()
    router.registerRoutes([("GET", f"/r{n}", handler) for n in range(9)])
    text = describe(StubBook(), make_request("GET", "/r"), router)
    assert text.startswith("no route takes GET /r\n\nof 9 routes the nearest are\n\nGET /r0 -> ")
    assert text.count("->") == 3


def near(book: StubBook, request: Request) -> list[int]:
    return [near_miss.stub.number for near_miss in book.explain(request)]


def test_the_nearest_stub_is_the_one_that_is_off_by_the_least() -> None:
    book = StubBook()
    book.expect("GET", "/other")
    book.expect("PUT", "/orders")
    book.expect("POST", "/orders", json={"a": 1, "b": 2})
    book.expect("POST", "/orders", json={"a": 1, "b": 3})
    assert near(book, make_request("POST", "/orders", json={"a": 1, "b": 4, "c": 0})) == [3, 4, 2]
    assert near(book, make_request("POST", "/orders", json={"a": 1, "b": 3, "c": 0})) == [4, 3, 2]


def test_a_stub_that_is_only_used_up_is_nearest() -> None:
    book = StubBook()
    book.expect("GET", "/a", query={"x": "1"})
    book.expect("GET", "/a").respond().times(1)
    fetch(book, make_request("GET", "/a"))
    assert near(book, make_request("GET", "/a")) == [2, 1]


def test_of_stubs_with_another_path_the_one_spelt_alike_is_nearest() -> None:
    book = StubBook()
    for path in ("/zebra", "/orders", "/users"):
        book.expect("GET", path)
    assert near(book, make_request("GET", "/order"))[0] == 2


def test_stubs_that_have_nothing_in_common_are_shown_only_if_there_is_nothing_else() -> None:
    book = StubBook()
    book.expect("PUT", "/b")
    request = make_request("GET", "/a")
    assert near(book, request) == [1]
    book.expect("GET", "/c")
    assert near(book, request) == [2]


def test_a_near_miss_tells_whether_it_matches() -> None:
    book = StubBook()
    book.expect("GET", "/a")
    (hit,), (miss,) = (book.explain(make_request("GET", path)) for path in ("/a", "/b"))
    assert hit.is_match
    assert not miss.is_match
    assert [check.ok for check in miss.conditions] == [True, False]


def test_what_the_peer_sent_is_escaped() -> None:
    book = StubBook()
    book.expect("POST", "/", body="x", headers={"X": "1"}, query={})
    request = make_request(
        "POST", "/?a=%1b%0a", body=b"\x1b[31m\n\xff", headers={"X": "\x9b", "Content-Type": "\x80"}
    )
    text = describe(book, request)
    assert all(line.isprintable() for line in text.split("\n"))
    assert r"its body, 7 bytes, \x80: b'\x1b[31m\n\xff'" in text
    assert r"✗ header x: expected '1', got '\x9b'" in text
    assert r"✗ query a: unexpected, got '\x1b\n'" in text


def test_a_text_body_is_escaped_too() -> None:
    text = describe(StubBook(), make_request("POST", "/", body=b"a\x1b\r\nb"))
    assert r"its body, 5 bytes, no Content-Type: a\x1b\r\nb" in text


def test_hundreds_of_stubs_and_megabytes_give_a_short_text_in_little_time() -> None:
    book = StubBook()
    for n in range(300):
        book.expect("POST", "/orders", json={"n": n, "items": ["x" * 100] * 1000})
    document = {"n": -1, "items": ["y" * 100] * 20_000}
    request = make_request("POST", "/orders?" + "q" * 10_000, json=document)
    began = time.perf_counter()
    text = describe(book, request)
    assert time.perf_counter() - began < scaled(5)
    assert "of 300 stubs the nearest are" in text
    assert "\n      and more than 1000 more differences\n" in text
    assert len(text) < 12_000


def test_the_text_is_cut_at_its_bound() -> None:
    book = StubBook()
    for n in range(3):
        expected = {f"k{i}": "x" * 1000 for i in range(50)}
        book.expect(
            "POST",
            "/" + "p" * 1000,
            headers={f"h{i}-{n}": "v" * 1000 for i in range(20)},
            cookies={f"c{i}": "v" * 1000 for i in range(20)},
            query={f"q{i}": re.compile("v" * 1000) for i in range(20)},
            json=expected,
        )
    text = describe(book, make_request("POST", "/" + "p" * 1000, json={}))
    assert len(text) < 16 * 1024 + 60
    assert re.search(r"\n… cut here: \d+ characters more\n$", text)


class Mute:
    """A value of a test's own that cannot be shown."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return False

    def __repr__(self) -> str:
        raise ValueError("not made whole")


@pytest.mark.parametrize("expected", [{"query": {"a": Mute()}}, {"json": {"a": Mute()}}])
def test_an_expected_object_without_a_repr_is_told_by_its_type(expected: dict[str, Any]) -> None:
    book = StubBook()
    book.expect("POST", "/", **expected).respond("x")
    request = make_request("POST", "/?a=1", json={"a": 1})
    text = format_unmatched(request, [], book.explain(request))
    assert "<Mute that has no repr: ValueError>" in text
