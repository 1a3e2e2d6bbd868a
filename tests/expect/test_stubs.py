from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable
from typing import Any

import pytest

from kit.errors import ConfigurationError, StateError
from kit.expect import Stub, StubBook, json_diff
from kit.expect.stubs import KEPT_BYTES, KEPT_REQUESTS
from kit.messages import ErrorResponse, JsonResponse, Request, Response
from support.expectations import explain, failures, fetch, find, make_request, take


def expect(book: StubBook, text: str = "ok", path: str = "/") -> Stub:
    return book.expect("GET", path).respond(text)


def get(path: str = "/") -> Request:
    return make_request("GET", path)


def run(book: StubBook, count: int) -> list[bytes]:
    return [fetch(book, get())[1] for _ in range(count)]


# Answers


def test_respond_gives_text_with_status_and_headers() -> None:
    book = StubBook()
    book.expect("GET", "/").respond("hi", 201, headers={"X": "1"})
    encoded = find(book, get()).call(get()).encode()
    assert (encoded.status, encoded.body) == (201, b"hi")
    assert dict(encoded.raw_headers)[b"X"] == b"1"


def test_respond_without_arguments_is_an_empty_200() -> None:
    book = StubBook()
    book.expect("GET", "/").respond()
    assert fetch(book, get()) == (200, b"")


def test_respond_json_serializes_at_once() -> None:
    book = StubBook()
    value = {"id": 1}
    book.expect("GET", "/").respond_json(value, status_code=201)
    value["id"] = 2
    response = find(book, get()).call(get())
    assert json_diff({"id": 1}, response.json()) == []
    assert response.encode().raw_headers == [(b"Content-Type", b"application/json")]


def test_respond_json_keeps_a_given_content_type() -> None:
    book = StubBook()
    book.expect("GET", "/").respond_json({}, headers={"content-type": "application/problem+json"})
    encoded = find(book, get()).call(get()).encode()
    assert encoded.raw_headers == [(b"content-type", b"application/problem+json")]


def test_one_response_is_sent_again_and_again() -> None:
    book = StubBook()
    book.expect("GET", "/").respond_with(Response(["a", "b"]))
    for _ in range(2):
        body = find(book, get()).call(get()).encode().body
        assert b"".join(body) == b"ab"


def test_handle_calls_the_function_with_the_request() -> None:
    book = StubBook()
    book.expect("GET", "/:id").handle(lambda request: JsonResponse(request.matches))
    assert fetch(book, get("/7")) == (200, b'{"id":"7"}')


def test_handle_takes_an_async_function() -> None:
    async def answer(request: Request) -> Response:
        return Response(request.path)

    book = StubBook()
    stub = book.expect("GET", "/:id").handle(answer)
    endpoint = find(book, get("/7"))
    assert endpoint.is_async
    assert asyncio.run(endpoint.call(get("/7"))).body == b"/7"
    assert stub.calls == 1


def test_what_a_function_raises_comes_out() -> None:
    def fail(request: Request) -> Response:
        raise AssertionError("as expected")

    book = StubBook()
    book.expect("GET", "/").handle(fail)
    with pytest.raises(AssertionError, match="as expected"):
        fetch(book, get())


def test_the_last_answer_that_is_set_counts() -> None:
    book = StubBook()
    stub = expect(book, "a")
    assert run(book, 1) == [b"a"]
    stub.respond("b")
    assert run(book, 2) == [b"b", b"b"]


@pytest.mark.parametrize(
    ("then", "bodies"),
    [
        ("repeat last", [b"1", b"2", b"2", b"2", b"2"]),
        ("cycle", [b"1", b"2", b"1", b"2", b"1"]),
    ],
)
def test_a_sequence_goes_on(then: Any, bodies: list[bytes]) -> None:
    book = StubBook()
    book.expect("GET", "/").respond_sequence([Response("1"), Response("2")], then=then)
    assert run(book, 5) == bodies


def test_a_sequence_that_ends_is_used_up() -> None:
    book = StubBook()
    stub = book.expect("GET", "/").respond_sequence(
        [ErrorResponse("", 503), lambda _: Response("2")], then="error"
    )
    assert [fetch(book, get())[0] for _ in range(3)] == [503, 200, 404]
    assert stub.calls == 2
    assert explain(book, get()) == ["✗ used up: its sequence of 2 responses has ended"]


def test_a_stub_without_a_response_says_so() -> None:
    book = StubBook()
    stub = book.expect("GET", "/")
    with pytest.raises(StateError) as caught:
        fetch(book, get())
    assert str(caught.value) == (
        f"stub 1: GET / ({stub.where}) has no response: call respond(), respond_json(), "
        "respond_with(), respond_sequence() or handle() on it"
    )


@pytest.mark.parametrize(
    ("set_answer", "message"),
    [
        (
            lambda stub: stub.respond({"a": 1}),
            "respond() takes bytes or str, not dict: for JSON there is respond_json()",
        ),
        (
            lambda stub: stub.respond(5),
            (
                "respond(): payload is int, expected bytes, str, a file-like object or an iterable "
                "of bytes or str: wrap it in JsonResponse(...) or SerializableResponse(...)"
            ),
        ),
        (
            lambda stub: stub.respond("", 99),
            "status_code must be an int from 100 to 599, not 99",
        ),
        (
            lambda stub: stub.respond("", headers={"X": "a\nb"}),
            (
                "respond(): header X holds the control character b'\\n' at index 1 of its value; "
                "only a tab is allowed"
            ),
        ),
        (
            lambda stub: stub.respond("", headers="X: 1"),
            "respond(): headers must be a dict or a list of pairs, not 'X: 1'",
        ),
        (
            lambda stub: stub.respond(io.BytesIO(b"x")),
            (
                "respond(): a response streamed from BytesIO can be sent only once: give bytes, or "
                "a function that makes a new one: handle(lambda request: Response(open(...)))"
            ),
        ),
        (
            lambda stub: stub.respond_with(Response(iter(["a"]))),
            (
                "respond_with(): a response streamed from list_iterator can be sent only once: "
                "give bytes, or a function that makes a new one: "
                "handle(lambda request: Response(open(...)))"
            ),
        ),
        (lambda stub: stub.respond_with("x"), "respond_with() takes a kit.Response, not 'x'"),
        (
            lambda stub: stub.respond_json(object()),
            "respond_json(): cannot send object as JSON: object has no JSON form; convert it first",
        ),
        (
            lambda stub: stub.handle(Response("x")),
            "handle() takes a function: for a response there is respond_with()",
        ),
        (lambda stub: stub.handle("x"), "handle() takes a function of the request, not 'x'"),
        (
            lambda stub: stub.respond_sequence([], then="cycle"),
            "respond_sequence() takes at least one response, not none",
        ),
        (
            lambda stub: stub.respond_sequence([Response(), 5], then="cycle"),
            "respond_sequence()[1] takes a kit.Response, not 5",
        ),
        (
            lambda stub: stub.respond_sequence("abc", then="cycle"),
            "respond_sequence() takes a list of responses, not 'abc'",
        ),
        (
            lambda stub: stub.respond_sequence([Response()], then="stop"),
            'then is one of "repeat last", "cycle", "error", not \'stop\'',
        ),
        (lambda stub: stub.delay(-1), "delay() takes seconds, 0 or more, not -1"),
        (lambda stub: stub.delay("1"), "delay() takes seconds, 0 or more, not '1'"),
        (
            lambda stub: stub.times(0),
            (
                "times takes a whole number of at least 1, not 0; leave a stub out to expect no "
                "request"
            ),
        ),
        (
            lambda stub: stub.at_least(1.5),
            "at_least takes a whole number of at least 1, not 1.5",
        ),
        (lambda stub: stub.after("x"), "after() takes another stub, not 'x'"),
        (
            lambda stub: stub.after(stub),
            "stub 1: GET / and stub 1: GET / would wait for each other",
        ),
        (lambda stub: stub.until(stub), "stub 1: GET / cannot last until itself: use times(1)"),
        (
            lambda stub: stub.until(StubBook().expect("GET", "/x")),
            "until() takes a stub of the same server: stub 1: GET /x",
        ),
    ],
)
def test_what_cannot_work_is_refused_at_once(set_answer: Any, message: str) -> None:
    stub = StubBook().expect("GET", "/")
    with pytest.raises(ConfigurationError) as caught:
        set_answer(stub)
    assert str(caught.value) == message


def test_then_must_be_given() -> None:
    with pytest.raises(ConfigurationError) as caught:
        StubBook().expect("GET", "/").respond_sequence([Response()])
    assert str(caught.value) == (
        "respond_sequence() takes then=, what follows the last response: one of "
        '"repeat last", "cycle", "error"'
    )


# The endpoint


def test_the_endpoint_is_what_an_engine_needs() -> None:
    book = StubBook()
    stub = book.expect(["GET", "PUT"], "/a/:b", max_content_length=7).respond("x").delay(0.2)
    endpoint = take(book, get("/a/1"))
    assert endpoint is not None
    assert endpoint.name == "stub 1: GET|PUT /a/:b"
    assert (endpoint.method, endpoint.pattern) == ("GET|PUT", "/a/:b")
    assert endpoint.max_content_length == 7
    assert endpoint.delay_s == 0.2
    assert endpoint.stub is stub
    assert endpoint.is_match
    assert not (endpoint.is_async)
    assert not (endpoint.is_websocket)
    assert repr(endpoint) == "<StubEndpoint GET|PUT /a/:b stub 1: GET|PUT /a/:b>"


def test_a_delay_set_before_the_response_holds_too() -> None:
    book = StubBook()
    book.expect("GET", "/").delay(0.2).respond("x")
    endpoint = take(book, get())
    assert endpoint is not None
    assert endpoint.delay_s == 0.2


def test_one_endpoint_serves_all_requests_of_a_response() -> None:
    book = StubBook()
    expect(book)
    assert take(book, get()) is take(book, get())


# How often


def test_requests_beyond_times_fall_through() -> None:
    book = StubBook()
    first = expect(book, "a").times(2)
    second = expect(book, "b")
    assert run(book, 4) == [b"a", b"a", b"b", b"b"]
    assert (first.calls, second.calls) == (2, 2)
    assert repr(first) == "<Stub stub 1: GET /, 2 requests>"


def test_a_used_up_stub_says_so() -> None:
    book = StubBook()
    expect(book).times(2)
    assert [fetch(book, get())[0] for _ in range(3)] == [200, 200, 404]
    assert explain(book, get()) == ["✗ used up: it answered its 2 requests"]


@pytest.mark.parametrize("say", [lambda stub: stub.at_least(2), Stub.optional])
def test_at_least_and_optional_do_not_bound(say: Callable[[Stub], Stub]) -> None:
    book = StubBook()
    say(expect(book))
    assert run(book, 3) == [b"ok"] * 3


@pytest.mark.parametrize(
    "say", [lambda stub: stub.times(1).optional(), lambda stub: stub.optional().times(1)]
)
def test_optional_and_times_bound_and_expect_nothing_in_any_order(
    say: Callable[[Stub], Stub],
) -> None:
    book = StubBook()
    stub = say(expect(book))
    assert stub.is_satisfied
    assert [fetch(book, get())[0] for _ in range(2)] == [200, 404]


def test_what_is_said_again_replaces_what_was_said() -> None:
    stub = expect(StubBook()).times(3).times(2)
    assert (stub.min_calls, stub.max_calls) == (2, 2)
    stub = expect(StubBook()).at_least(3).at_least(2)
    assert (stub.min_calls, stub.max_calls) == (2, None)


@pytest.mark.parametrize(
    ("say", "calls"),
    [
        (lambda stub: stub.times(2).at_least(1), "times(2) and at_least(1)"),
        (lambda stub: stub.at_least(1).times(2), "at_least(1) and times(2)"),
        (lambda stub: stub.at_least(1).optional(), "at_least(1) and optional()"),
        (lambda stub: stub.optional().at_least(1), "optional() and at_least(1)"),
    ],
)
def test_numbers_that_contradict_each_other_are_refused(
    say: Callable[[Stub], Stub], calls: str
) -> None:
    stub = expect(StubBook())
    with pytest.raises(ConfigurationError) as caught:
        say(stub)
    assert str(caught.value) == f"stub 1: GET /: {calls} contradict each other: say one of them"


def test_threads_never_get_more_than_times() -> None:
    book = StubBook()
    stub = expect(book).times(50)
    start = threading.Barrier(8)
    taken: list[bool] = []

    def work() -> None:
        start.wait()
        taken.extend(take(book, get()) is not None for _ in range(25))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), sum(taken)) == (200, 50)
    assert stub.calls == 50


def test_threads_get_each_response_of_a_sequence_once() -> None:
    book = StubBook()
    responses = [Response(str(n)) for n in range(100)]
    book.expect("GET", "/").respond_sequence(responses, then="error")
    start = threading.Barrier(4)
    bodies: list[bytes] = []

    def work() -> None:
        start.wait()
        bodies.extend(run(book, 25))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(bodies, key=int) == [str(n).encode() for n in range(100)]


# What it keeps


def test_the_answered_requests_are_kept_with_their_bodies() -> None:
    book = StubBook()
    stub = book.expect("POST", "/").respond()
    request = make_request("POST", "/", body=b"abc")
    fetch(book, request)
    assert stub.requests == [request]
    assert stub.requests[0].body == b"abc"


def test_a_body_in_a_file_is_kept_beyond_the_file() -> None:
    book = StubBook()
    stub = book.expect("POST", "/").respond()
    stream = io.BytesIO(b"abc")
    request = make_request("POST", "/")
    request.attach_body(stream)
    fetch(book, request)
    stream.close()
    assert stub.requests[0].body == b"abc"


def test_only_the_last_requests_are_kept() -> None:
    book = StubBook()
    stub = expect(book)
    run(book, KEPT_REQUESTS + 3)
    assert len(stub.requests) == KEPT_REQUESTS
    assert stub.dropped_requests == 3


def test_large_bodies_are_dropped_but_for_the_last() -> None:
    book = StubBook()
    stub = book.expect("POST", "/").respond()
    small = make_request("POST", "/", body=b"x")
    large = make_request("POST", "/", body=b"x" * (KEPT_BYTES + 1))
    for request in (small, large, small, small):
        fetch(book, request)
        assert stub.requests[-1] is request
    assert stub.requests == [small, small]
    assert stub.dropped_requests == 2


# When


def test_after_waits_for_the_other() -> None:
    book = StubBook()
    login = expect(book, path="/login").times(2)
    expect(book).after(login, times=2)
    assert fetch(book, get())[0] == 404
    assert explain(book, get()) == [
        "✗ not its turn: waits for stub 1: GET /login (0 of 2 requests)"
    ]
    fetch(book, get("/login"))
    assert fetch(book, get())[0] == 404
    fetch(book, get("/login"))
    assert fetch(book, get())[0] == 200


@pytest.mark.parametrize(
    "say",
    [
        lambda stub, first, last: stub.after(last).until(last),
        lambda stub, first, last: stub.until(last).after(last),
        lambda stub, first, last: stub.until(last).after(last, times=2),
    ],
)
def test_a_stub_that_begins_when_it_ends_is_refused(say: Callable[..., Stub]) -> None:
    book = StubBook()
    first, last, stub = expect(book, path="/1"), expect(book, path="/2"), expect(book)
    with pytest.raises(ConfigurationError) as caught:
        say(stub, first, last)
    assert str(caught.value) == (
        "stub 3: GET / could never be used: it waits for stub 2: GET /2, and ends when "
        "stub 2: GET /2 is used: leave after() or until() out"
    )


@pytest.mark.parametrize(
    "say",
    [
        lambda stub, first, last: stub.after(last).until(first),
        lambda stub, first, last: stub.until(first).after(last),
    ],
)
def test_a_stub_that_begins_after_its_end_is_refused(say: Callable[..., Stub]) -> None:
    book = StubBook()
    first, last, stub = expect(book, path="/1"), expect(book, path="/2"), expect(book)
    last.after(first)
    with pytest.raises(ConfigurationError) as caught:
        say(stub, first, last)
    assert str(caught.value) == (
        "stub 3: GET / could never be used: it waits for stub 2: GET /2, which comes after "
        "stub 1: GET /1, and ends when stub 1: GET /1 is used: leave after() or until() out"
    )


def test_a_stub_may_begin_with_one_and_end_with_the_next() -> None:
    book = StubBook()
    first, last = expect(book, path="/1"), expect(book, path="/2")
    stub = expect(book).after(first).until(last)
    assert explain(book, get()) == ["✗ not its turn: waits for stub 1: GET /1"]
    fetch(book, get("/1"))
    assert fetch(book, get())[0] == 200
    assert stub.calls == 1


def test_until_ends_with_the_other() -> None:
    book = StubBook()
    paid = book.expect("POST", "/pay").respond()
    book.expect("GET", "/status").respond("open").until(paid)
    book.expect("GET", "/status").respond("paid").after(paid)
    assert fetch(book, get("/status")) == (200, b"open")
    assert fetch(book, make_request("POST", "/pay"))[0] == 200
    assert fetch(book, get("/status")) == (200, b"paid")
    ended, _ = sorted(book.explain(get("/status")), key=lambda each: each.is_match)
    assert failures(ended) == ["✗ not its turn: it ended when stub 1: POST /pay was used"]


def test_stubs_that_wait_for_each_other_are_refused() -> None:
    book = StubBook()
    one, two, three = (expect(book, path=f"/{n}") for n in range(3))
    two.after(one)
    three.after(two)
    with pytest.raises(ConfigurationError) as caught:
        one.after(three)
    assert str(caught.value) == "stub 1: GET /0 and stub 3: GET /2 would wait for each other"


def test_stubs_in_order_are_used_one_after_the_other() -> None:
    book = StubBook()
    with book.in_order():
        expect(book, path="/a")
        expect(book, path="/b").times(2)
        expect(book, path="/c")
    expect(book, "free", path="/d")

    def status(path: str) -> int:
        return fetch(book, get(path))[0]

    assert status("/b") == 404
    assert explain(book, get("/b")) == ["✗ not its turn: waits for stub 1: GET /a"]
    assert [status("/a"), status("/a")] == [200, 404]
    assert [status("/d"), status("/b"), status("/c"), status("/b")] == [200, 200, 404, 200]
    assert [status("/c"), status("/d")] == [200, 200]


def test_equal_requests_in_order_get_one_answer_each() -> None:
    book = StubBook()
    with book.in_order():
        for text in "abc":
            expect(book, text)
    assert run(book, 3) == [b"a", b"b", b"c"]
    assert fetch(book, get())[0] == 404


def test_an_optional_step_may_be_left_out_and_is_over_then() -> None:
    book = StubBook()
    with book.in_order():
        expect(book, path="/a").optional()
        expect(book, path="/b").at_least(1)
        expect(book, path="/c")
    assert [fetch(book, get(path))[0] for path in ("/b", "/a", "/b", "/c", "/b")] == [
        200,
        404,
        200,
        200,
        404,
    ]
    assert explain(book, get("/a")) == ["✗ not its turn: it ended when stub 3: GET /c was used"]


def test_an_order_in_an_order_is_refused() -> None:
    book = StubBook()
    with book.in_order():
        with pytest.raises(ConfigurationError) as caught, book.in_order():
            pass
        assert str(caught.value) == ("in_order() stands in another in_order(): end that one first")
        expect(book)
        expect(book)
    with book.in_order():
        expect(book)
        expect(book)


@pytest.mark.parametrize(("number", "told"), [(0, "0 stubs"), (1, "1 stub")])
def test_an_order_of_fewer_than_two_stubs_is_refused(number: int, told: str) -> None:
    book = StubBook()
    with pytest.raises(ConfigurationError) as caught, book.in_order():
        for _ in range(number):
            expect(book)
    assert str(caught.value) == (
        f"in_order() holds {told}, which is no order: register all that are to come one after "
        "the other inside one `with` block"
    )


def test_an_order_that_fails_inside_tells_its_own_error() -> None:
    book = StubBook()
    with pytest.raises(ZeroDivisionError), book.in_order():
        raise ZeroDivisionError
    with book.in_order():
        expect(book)
        expect(book)


def test_another_thread_registers_outside_the_order() -> None:
    book = StubBook()
    with book.in_order():
        expect(book, path="/a")
        expect(book, path="/b")
        thread = threading.Thread(target=expect, args=(book, "free", "/free"))
        thread.start()
        thread.join()
    assert fetch(book, get("/free"))[0] == 200
    assert fetch(book, get("/free"))[0] == 200


def test_a_failed_expect_leaves_no_gap_in_the_order() -> None:
    book = StubBook()
    with book.in_order():
        with pytest.raises(ConfigurationError):
            book.expect("GET", "/", query=5)
        expect(book)
        expect(book)
    assert run(book, 2) == [b"ok", b"ok"]
    assert [stub.name for stub in book] == ["stub 1: GET /", "stub 2: GET /"]


def test_a_stub_knows_where_it_was_registered() -> None:
    stub = StubBook().expect("GET", "/")
    file, _, line = stub.where.partition(":")
    assert file == "test_stubs.py"
    assert int(line) > 1
    assert str(stub) == f"stub 1: GET / ({stub.where})"
