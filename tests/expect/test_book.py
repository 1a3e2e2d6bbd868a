from __future__ import annotations

from typing import Any

import pytest

from kit.expect import Choice, StubBook, StubEndpoint, partial
from kit.expect.book import has_body
from kit.messages import Request, Response
from kit.routing import Endpoint, Router, post
from support.expectations import fetch, find, make_request, take


def make_router(path: str = "/:any*", max_content_length: int = 1000) -> Router:
    @post(path, max_content_length=max_content_length)
    def handler(request: Request) -> Response:
        return Response(f"route {request.matches}")

    router = Router()
    router.registerRoutes([("POST", path, handler), ("GET", path, handler)])
    return router


def resolve(book: StubBook, router: Router, request: Request) -> Endpoint:
    return book.resolve(request, lambda: router.resolve(request))


def test_a_book_without_stubs_is_told_by_an_attribute() -> None:
    book = StubBook()
    told = [book.has_stubs]
    book.expect("GET", "/")
    told.append(book.has_stubs)
    assert repr(book) == "<StubBook 1 stubs>"
    book.clear()
    told.append(book.has_stubs)
    assert told == [False, True, False]
    assert take(book, make_request()) is None


def test_numbers_go_on_after_clear() -> None:
    book = StubBook()
    book.expect("GET", "/")
    book.clear()
    assert book.expect("GET", "/").number == 2


def test_a_request_without_a_body_is_decided_upon_at_once() -> None:
    book = StubBook()
    stub = book.expect("GET", "/:id").respond("x")
    request = make_request("GET", "/7")
    assert isinstance(book.candidates(request), StubEndpoint)
    assert request.matches == {"id": "7"}
    assert stub.calls == 1


def test_a_request_with_a_body_is_counted_when_the_body_is_there() -> None:
    book = StubBook()
    stub = book.expect("POST", "/:id", json={"a": 1}).respond("x")
    request = make_request("POST", "/7", headers={"Content-Length": "7"})
    choice = book.candidates(request)
    assert isinstance(choice, Choice)
    assert choice.needs_body
    assert choice.is_match
    assert (choice.name, choice.pattern) == ("stub 1: POST /:id", "/:id")
    assert stub.calls == 0
    request.attach_body(b'{"a":1}')
    endpoint = choice.decide(request)
    assert isinstance(endpoint, StubEndpoint)
    assert endpoint.stub is stub
    assert request.matches == {"id": "7"}
    assert stub.calls == 1


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"Content-Length": "0"}, False),
        ({"Content-Length": "10"}, True),
        ({"Transfer-Encoding": "chunked"}, True),
    ],
)
def test_the_head_tells_whether_there_is_a_body(headers: dict[str, str], expected: bool) -> None:
    assert has_body(make_request(headers=headers)) == expected


def test_the_body_decides_between_stubs() -> None:
    book = StubBook()
    for n in range(3):
        book.expect("POST", "/", json={"n": n}).respond(str(n))
    book.expect("POST", "/", json=...).respond("other")
    bodies = [fetch(book, make_request("POST", "/", json={"n": n}))[1] for n in (2, 0, 7)]
    assert bodies == [b"2", b"0", b"other"]


def test_the_first_stub_that_holds_wins() -> None:
    book = StubBook()
    book.expect("POST", "/", json=partial({})).respond("first")
    book.expect("POST", "/", json={"n": 1}).respond("second")
    assert fetch(book, make_request("POST", "/", json={"n": 1})) == (200, b"first")


def test_stubs_stand_before_routes() -> None:
    book, router = StubBook(), make_router()
    book.expect("GET", "/a").respond("stub")
    request = make_request("GET", "/a")
    assert resolve(book, router, request).call(request).body == b"stub"
    request = make_request("GET", "/b")
    assert resolve(book, router, request).call(request).body == b"route {'any': 'b'}"


def test_a_used_up_stub_leaves_the_request_to_the_route() -> None:
    book, router = StubBook(), make_router()
    book.expect("GET", "/:a").respond("stub").times(1)
    bodies = []
    for _ in range(2):
        request = make_request("GET", "/x")
        bodies.append(resolve(book, router, request).call(request).body)
    assert bodies == [b"stub", b"route {'any': 'x'}"]


def test_a_body_that_no_stub_takes_goes_to_the_route_with_its_matches() -> None:
    book, router = StubBook(), make_router()
    book.expect("POST", "/:a", json={"n": 1}).respond("stub")
    request = make_request("POST", "/x", json={"n": 2})
    choice = resolve(book, router, request)
    assert isinstance(choice, Choice)
    endpoint = choice.decide(request)
    assert endpoint.name == "make_router.<locals>.handler".rpartition(".")[2]
    assert request.matches == {"any": "x"}
    assert endpoint.call(request).body == b"route {'any': 'x'}"


def test_a_choice_can_be_called_as_it_is() -> None:
    book, router = StubBook(), make_router()
    book.expect("POST", "/:a", json={"n": 1}).handle(lambda request: Response(request.matches["a"]))
    request = make_request("POST", "/x", json={"n": 1})
    assert resolve(book, router, request).call(request).body == b"x"


def test_a_choice_without_a_route_answers_404() -> None:
    book = StubBook()
    book.expect("POST", "/", json=1)
    request = make_request("POST", "/", json=2)
    choice = book.candidates(request)
    assert isinstance(choice, Choice)
    endpoint = choice.decide(request)
    assert not endpoint.is_match
    response = endpoint.call(request)
    assert (response.status_code, response.body) == (404, b"no stub takes POST /")


def test_a_stub_used_up_while_the_body_came_falls_through() -> None:
    book, router = StubBook(), make_router()
    book.expect("POST", "/", json=...).respond("stub").times(1)
    requests = [make_request("POST", "/", json=1) for _ in range(2)]
    choices: list[Any] = [resolve(book, router, request) for request in requests]
    answers = [
        choice.decide(request).call(request).body
        for choice, request in zip(choices, requests, strict=True)
    ]
    assert answers == [b"stub", b"route {'any': ''}"]


@pytest.mark.parametrize(
    ("json", "status"),
    [("short", 200), ("x" * 50, 413), (["x" * 50], 200)],
)
def test_a_body_is_as_long_as_its_endpoint_takes(json: Any, status: int) -> None:
    book, router = StubBook(), make_router(max_content_length=20)
    book.expect("POST", "/", json=list, max_content_length=100).respond("stub")
    request = make_request("POST", "/", json=json)
    choice = resolve(book, router, request)
    assert isinstance(choice, Choice)
    assert choice.max_content_length == 100
    response = choice.decide(request).call(request)
    assert response.status_code == status
    if status == 413:
        assert response.body == (
            b"the request body has 52 bytes, this route takes 20 (max_content_length)"
        )


def test_a_path_that_cannot_be_decoded_is_left_to_the_router() -> None:
    book, router = StubBook(), make_router()
    book.expect("GET", "/:a*").respond("stub")
    request = make_request("GET", "/%zz")
    assert resolve(book, router, request).call(request).status_code == 400


def test_a_predicate_may_use_the_book() -> None:
    book = StubBook()
    first = book.expect("GET", "/a").respond("a")

    def is_later(_: Request) -> bool:
        book.expect("GET", "/c")
        return first.calls > 0

    book.expect("GET", "/b", match=is_later).respond("b")
    assert [fetch(book, make_request("GET", path))[0] for path in ("/b", "/a", "/b")] == [
        404,
        200,
        200,
    ]


def test_every_request_is_looked_at_once_for_all_stubs() -> None:
    book = StubBook()
    for n in range(20):
        book.expect("POST", "/", json={"n": n})
    request = make_request("POST", "/", json={"n": 99})
    read: list[int] = []

    class Counting(Request):
        __slots__ = ()

        def json(self) -> Any:
            read.append(1)
            return super().json()

    counting = Counting.from_wire(
        request.client_address, "POST", "/", request.raw_headers, request.body
    )
    assert not find(book, counting).is_match
    assert len(read) == 1


class Outcome(BaseException):
    """As what `pytest.fail()` raises is no Exception."""


def cry(_: object) -> bool:
    raise Outcome("too bad")


@pytest.mark.parametrize("given", [{"query": {"a": cry}}, {"match": cry}, {"body": cry}])
@pytest.mark.parametrize("body", [b"", b"x"])
def test_what_a_function_raises_to_be_heard_is_raised_by_the_answer(
    given: dict[str, Any], body: bytes
) -> None:
    book = StubBook()
    stub = book.expect("POST", "/", **given).respond("x")
    request = make_request("POST", "/?a=1", body=body)
    endpoint = find(book, request)
    with pytest.raises(Outcome, match="too bad"):
        endpoint.call(request)
    assert (endpoint.name, endpoint.is_match, stub.calls) == ("stub 1: POST /", True, 0)


def test_an_explanation_tells_what_a_function_raises_to_be_heard() -> None:
    book = StubBook()
    book.expect("POST", "/", match=cry).respond("x")
    (near_miss,) = book.explain(make_request("GET", "/"))
    assert [check.text for check in near_miss.conditions if not check.ok] == [
        "method GET, the stub takes POST",
        "match: it raised Outcome: too bad",
    ]


def test_an_interruption_of_an_explanation_is_none_of_the_functions() -> None:
    def interrupt(_: object) -> bool:
        raise KeyboardInterrupt

    book = StubBook()
    book.expect("POST", "/", match=interrupt).respond("x")
    with pytest.raises(KeyboardInterrupt):
        book.explain(make_request("GET", "/"))
