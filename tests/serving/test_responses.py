from __future__ import annotations

import email.utils
import gc
import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit import ErrorResponse, Exchange, JsonResponse, Request, Resource, Response, get, post
from kit.errors import ConnectionClosedError, HandlerReturnError, LocalProtocolError
from support.deadlines import scaled
from support.raw import make_request
from support.serving import Rig, await_event, echo, hello


class Unsized(io.RawIOBase):
    """A file-like object that cannot tell its length."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 1000))


class Source:
    """An iterable of pieces that knows what became of it."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        self.closed.set()


def lines(count: int = 3) -> Iterator[str]:
    yield from (f"line {number}\n" for number in range(count))


def endless() -> Iterator[bytes]:
    while True:
        yield bytes(65536)


def fail_after(count: int) -> Iterator[bytes]:
    yield from (b"piece",) * count
    raise KeyError("no more")


# The ordinary ones


def test_a_response_has_a_date_and_an_exact_length(rig: Rig) -> None:
    rig.serve(("GET", "/", lambda _: Response("grüße")))
    answer = rig.connect().ask()
    assert (answer.status, answer.reason, answer.text) == (200, "OK", "grüße")
    assert answer.value("content-length") == "7"
    assert answer.value("content-type") == "text/plain; charset=utf-8"
    assert email.utils.parsedate_to_datetime(answer.value("date") or "").tzinfo is not None


@pytest.mark.parametrize(
    "make",
    [
        lambda: Response("hello"),
        lambda: JsonResponse({"a": 1}),
        lambda: Response(lines()),
        lambda: Response(io.BytesIO(b"file")),
        lambda: ErrorResponse("gone", 410),
    ],
)
def test_head_gets_the_head_of_get_and_no_body(rig: Rig, make: Callable[[], Response]) -> None:
    rig.serve(("GET", "/", lambda _: make()))
    client = rig.connect()
    with_body, without = client.ask(), client.ask("/", "HEAD")
    assert without.body == b""
    assert without.status == with_body.status
    for name in ("content-length", "content-type", "transfer-encoding"):
        assert without.value(name) == with_body.value(name)
    assert client.ask().body == with_body.body


def test_head_closes_a_stream_without_reading_it(rig: Rig) -> None:
    source = Source(iter([b"never"]))
    rig.serve(("GET", "/", lambda _: Response(source)))
    client = rig.connect()
    assert client.ask("/", "HEAD").status == 200
    await_event(source.closed)
    assert next(iter(source)) == b"never"


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_a_body_goes_without_one(rig: Rig, status: int) -> None:
    rig.serve(("GET", "/", lambda _: Response(None, status)))
    client = rig.connect()
    for _ in range(2):
        answer = client.ask()
        assert (answer.status, answer.body) == (status, b"")
        assert answer.value("transfer-encoding") is None
        assert answer.value("content-length") == ("0" if status == 205 else None)


@pytest.mark.parametrize("payload", [lines, lambda: Unsized(b"line 0\nline 1\nline 2\n")])
def test_a_stream_of_unknown_length_is_chunked(rig: Rig, payload: Callable[[], Any]) -> None:
    rig.serve(("GET", "/", lambda _: Response(payload())))
    client = rig.connect()
    for _ in range(2):
        answer = client.ask()
        assert answer.value("transfer-encoding") == "chunked"
        assert answer.body == b"line 0\nline 1\nline 2\n"
    assert rig.await_done(2)[0].response_body == b"line 0\nline 1\nline 2\n"


def test_a_stream_of_unknown_length_to_a_1_0_client_ends_with_the_connection(rig: Rig) -> None:
    rig.serve(("GET", "/", lambda _: Response(lines())))
    client = rig.connect()
    client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    answer = client.read_answer()
    assert answer.value("transfer-encoding") is None
    assert answer.value("content-length") is None
    assert answer.value("connection") == "close"
    assert answer.text == "line 0\nline 1\nline 2\n"


def test_a_file_of_known_size_has_its_length(rig: Rig) -> None:
    file = io.BytesIO(b"skip" + bytes(200_000))
    file.seek(4)
    rig.serve(("GET", "/", lambda _: Response(file)))
    answer = rig.connect().ask()
    assert answer.value("content-length") == "200000"
    assert answer.body == bytes(200_000)
    rig.await_done()
    assert file.closed


def test_a_long_stream_comes_through_a_slow_reader(rig: Rig) -> None:
    rig.serve(("GET", "/", lambda _: Response(bytes([n]) * 50_000 for n in range(100))))
    client = rig.connect(receive_buffer=4096)
    answer = client.ask()
    assert answer.body == b"".join(bytes([n]) * 50_000 for n in range(100))
    (exchange,) = rig.await_done()
    assert exchange.response_body_length == 5_000_000


def test_the_stream_of_a_slow_generator_delays_nobody(rig: Rig) -> None:
    gate = threading.Event()

    def wait() -> Iterator[bytes]:
        yield b"first"
        await_event(gate)
        yield b"last"

    rig.serve(("GET", "/", lambda _: Response(wait())), ("GET", "/fast", hello))
    client = rig.connect()
    client.send(make_request())
    assert b"first" in client.read_until(b"first")
    assert rig.connect().ask("/fast").text == "hello"
    gate.set()
    assert client.read_until(b"0\r\n\r\n").endswith(b"last\r\n0\r\n\r\n")


# Who may ask for what


def test_options_tells_what_is_allowed(rig: Rig) -> None:
    rig.serve(("GET", "/a", hello), ("POST", "/a", echo), ("BREW", "/pot", hello))
    client = rig.connect()
    answer = client.ask("/a", "OPTIONS")
    assert (answer.status, answer.value("allow")) == (204, "GET, HEAD, OPTIONS, POST")
    answer = client.ask("*", "OPTIONS")
    assert (answer.status, answer.value("allow")) == (204, "BREW, GET, HEAD, OPTIONS, POST")


def test_another_method_gets_405(rig: Rig) -> None:
    rig.serve(("GET", "/a", hello))
    client = rig.connect()
    answer = client.ask("/a", "DELETE")
    assert (answer.status, answer.value("allow")) == (405, "GET, HEAD, OPTIONS")
    assert "DELETE is not allowed on /a" in answer.text
    assert client.ask("/a").text == "hello"
    assert rig.calls == ["/a"]


def test_any_method_token_can_be_served(rig: Rig) -> None:
    rig.serve(("M-SEARCH", "/", lambda request: Response(request.method)))
    assert rig.connect().ask("/", "M-SEARCH").text == "M-SEARCH"


def test_the_absolute_form_finds_the_same_route(rig: Rig) -> None:
    rig.serve(("GET", "/a/:b", lambda request: Response(request.matches["b"] + request.path)))
    client = rig.connect()
    assert client.ask("http://other.test:81/a/x?q").text == "x/a/x"
    assert client.ask("http://other.test:81").status == 404
    assert rig.await_done()[0].target == "http://other.test:81/a/x?q"


def test_a_path_that_cannot_be_decoded_gets_400(rig: Rig) -> None:
    rig.serve(("GET", "/:name", hello))
    client = rig.connect()
    assert client.ask("/%ff").status == 400
    assert client.ask("/x").text == "hello"


# Responses that would break the wire


def raise_error(error: BaseException) -> Any:
    raise error


class SilentError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("make", "text", "kind"),
    [
        (
            lambda: Response("x", headers={"A": "b\r\nSet-Cookie: c"}),
            "header A holds the control character",
            Exception,
        ),
        (lambda: Response("x", headers={"A\n": "b"}), "A\\n", Exception),
        (lambda: Response("body", 204), "a 204 response has no body", LocalProtocolError),
        (lambda: Response("body", 304), "a 304 response has no body", LocalProtocolError),
        (lambda: Response(lines(), 204), "a 204 response has no body", LocalProtocolError),
        (lambda: Response(None, 100), "status 100, which is not final", LocalProtocolError),
        (lambda: Response("x", 103), "status 103, which is not final", LocalProtocolError),
        (lambda: Response(None, 101), "status 101, which is not final", LocalProtocolError),
        (
            lambda: Response("four", headers={"Content-Length": "5"}),
            "content-length is 5, but the body has 4 bytes",
            LocalProtocolError,
        ),
        (
            lambda: Response("four", headers={"Content-Length": "3"}),
            "content-length is 3, but the body has 4 bytes",
            LocalProtocolError,
        ),
        (
            lambda: Response(io.BytesIO(b"four"), headers={"Content-Length": "5"}),
            "content-length is 5, but the body has 4 bytes",
            LocalProtocolError,
        ),
        (
            lambda: Response("x", headers=[("Content-Length", "1"), ("Content-Length", "1")]),
            "content-length is given more than once",
            LocalProtocolError,
        ),
        (
            lambda: Response("x", headers={"Transfer-Encoding": "gzip"}),
            "transfer-encoding is 'gzip', only a single chunked can be sent",
            LocalProtocolError,
        ),
        (lambda: JsonResponse({"a": object()}), "object", Exception),
        (lambda: {"a": 1}, "returned dict, expected a kit.Response", HandlerReturnError),
        (lambda: None, "returned NoneType, expected a kit.Response", HandlerReturnError),
        (lambda: "text", "returned str, expected a kit.Response", HandlerReturnError),
        (lambda: Response, "returned type, expected a kit.Response", HandlerReturnError),
        (lambda: raise_error(KeyError("boom")), "raised KeyError: 'boom'", KeyError),
        (lambda: raise_error(ValueError("\ud800")), "raised ValueError: \\ud800", ValueError),
        (lambda: raise_error(ValueError("a\r\nb: c")), "raised ValueError: a\r\nb: c", ValueError),
        (
            lambda: raise_error(SilentError()),
            "raised SilentError: (its text cannot be told",
            SilentError,
        ),
        (lambda: raise_error(SystemExit(3)), "raised SystemExit: 3", SystemExit),
        (lambda: raise_error(KeyboardInterrupt()), "raised KeyboardInterrupt", KeyboardInterrupt),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_what_cannot_be_sent_becomes_a_500_and_the_connection_goes_on(
    plain_rig: Rig,
    make: Callable[[], Any],
    text: str,
    kind: type[BaseException],
    is_async: bool,
) -> None:
    def faulty(request: Request) -> Any:
        return make()

    async def faulty_async(request: Request) -> Any:
        return make()

    handler: Any = faulty_async if is_async else faulty
    plain_rig.serve(("GET", "/faulty", handler), ("GET", "/", hello))
    client = plain_rig.connect()
    client.send(make_request("/faulty") + make_request())
    answer = client.read_answer()
    assert answer.status == 500
    assert text in answer.text
    assert handler.__name__ in answer.text
    assert client.read_answer().text == "hello"
    exchange = plain_rig.await_done(2)[0]
    assert isinstance(exchange.exception, kind)
    assert exchange.is_complete
    (record,) = plain_rig.errors
    assert record.getMessage() == f"GET /faulty: handler {handler.__name__} raised an exception"
    assert record.exc_info is not None
    assert record.exc_info[1] is exchange.exception
    assert record.exc_text is not None
    assert record.exc_text.encode()  # no lone surrogates, whatever was raised
    plain_rig.errors.clear()


def test_a_stream_that_cannot_be_sent_is_closed(plain_rig: Rig) -> None:
    source = Source(iter([b"x"]))
    plain_rig.serve(("GET", "/", lambda _: Response(source, headers={"Transfer-Encoding": "x"})))
    assert plain_rig.connect().ask().status == 500
    await_event(source.closed)


def test_a_body_that_does_not_parse_gets_400_and_is_no_error_of_the_handler(rig: Rig) -> None:
    rig.serve(("POST", "/", lambda request: JsonResponse(request.json())))
    client = rig.connect()
    client.send(make_request("/", "POST", body=b"{"))
    answer = client.read_answer()
    assert answer.status == 400
    assert "JSON" in answer.text
    assert rig.errors == []


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: Response(fail_after(3)), KeyError, "no more"),
        (lambda: Response([b"a", "b", b"c"] * 3, headers={"Content-Length": "10"}), Exception, "m"),
        (lambda: Response([b"abc"], headers={"Content-Length": "2"}), LocalProtocolError, "longer"),
        (lambda: Response(iter([b"a", 5])), LocalProtocolError, "int"),
        (lambda: Response(iter([b"a", "\ud800"])), UnicodeEncodeError, "surrogates"),
    ],
)
def test_a_stream_that_fails_on_its_way_is_cut(
    rig: Rig,
    make: Callable[[], Response],
    kind: type[BaseException],
    text: str,
) -> None:
    rig.serve(("GET", "/", lambda _: make()), ("GET", "/other", hello))
    client = rig.connect()
    client.send(make_request())
    head = client.read_until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    body = client.read_to_end()
    assert not body.endswith(b"0\r\n\r\n")
    assert len(body) < 100
    (exchange,) = rig.await_done(failed=True)
    assert isinstance(exchange.exception, kind)
    assert text in str(exchange.exception)
    assert exchange.response_status == 200
    assert rig.connect().ask("/other").text == "hello"


def test_a_failed_stream_to_a_1_0_client_does_not_look_complete(rig: Rig) -> None:
    rig.serve(("GET", "/", lambda _: Response(fail_after(3))))
    client = rig.connect()
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    # Its only end is the connection's, so that must not be a good one.
    kind = "SSLEOFError" if rig.is_tls else "ConnectionResetError"
    with pytest.raises(ConnectionClosedError, match=kind):
        while client.receive_strictly():
            pass


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_generator_is_closed_when_the_client_leaves(rig: Rig, leave: str) -> None:
    closed = threading.Event()

    def produce() -> Iterator[bytes]:
        try:
            yield from endless()
        finally:
            closed.set()

    rig.serve(("GET", "/", lambda _: Response(produce())))
    client = rig.connect()
    client.send(make_request())
    client.read_exactly(1_000_000)
    if leave == "reset":
        client.reset()
    else:
        client.close()
    await_event(closed)
    (exchange,) = rig.await_done(failed=True)
    assert exchange.exception is None
    rig.await_no_connections()
    assert rig.errors == []


def test_a_generator_that_fails_when_it_is_closed_harms_nobody(rig: Rig) -> None:
    def produce() -> Iterator[bytes]:
        try:
            yield from endless()
        finally:
            raise KeyError("in finally")

    rig.serve(("GET", "/", lambda _: Response(produce())), ("GET", "/other", hello))
    client = rig.connect()
    client.send(make_request())
    client.read_exactly(1_000_000)
    client.reset()
    rig.await_done(failed=True)
    rig.await_no_connections()
    assert rig.connect().ask("/other").text == "hello"
    (record,) = rig.errors
    assert "handler" in record.getMessage()


def test_a_generator_that_fails_when_head_closes_it_harms_nobody(rig: Rig) -> None:
    class Sticky(Source):
        def close(self) -> None:
            raise KeyError("in close")

    rig.serve(("GET", "/", lambda _: Response(Sticky(iter([b"x"])))), ("GET", "/other", hello))
    client = rig.connect()
    assert client.ask("/", "HEAD").status == 200
    assert client.ask("/other").text == "hello"
    assert isinstance(rig.await_done(2)[0].exception, KeyError)


def test_a_client_that_leaves_while_its_handler_runs_harms_nobody(rig: Rig) -> None:
    gate = threading.Event()

    def wait(request: Request) -> Response:
        await_event(gate)
        return Response(bytes(10_000_000))

    rig.serve(("GET", "/wait", wait), ("GET", "/", hello))
    client = rig.connect()
    client.send(make_request("/wait"))
    rig.journal.wait_for("/wait", state="handling")
    client.reset()
    gate.set()
    rig.await_done(failed=True)
    rig.await_no_connections()
    assert rig.connect().ask().text == "hello"
    assert rig.errors == []


def test_a_gzipped_stream_is_unpacked_to_the_same(rig: Rig) -> None:
    import gzip

    rig.serve(("GET", "/", lambda _: Response(lines(100), compress=True)))
    client = rig.connect()
    answer = client.ask("/", "GET", "Accept-Encoding: gzip")
    assert answer.value("content-encoding") == "gzip"
    assert gzip.decompress(answer.body).count(b"\n") == 100
    assert client.ask().body.count(b"\n") == 100


def test_many_requests_leave_no_cycles_behind(plain_rig: Rig) -> None:
    class Things(Resource):
        @get("/")
        def get_it(self, request: Request) -> Response:
            return Response("x")

        @post("/")
        def post_it(self, request: Request) -> Response:
            return Response(request.read())

    plain_rig.serve(Things())
    client = plain_rig.connect()
    client.ask()
    gc.collect()
    before = len([o for o in gc.get_objects() if type(o) in (Request, Response)])
    gc.disable()
    try:
        for _ in range(50):
            client.ask()
            client.send(make_request("/", "POST", body=b"x"))
            client.read_answer()
        plain_rig.await_done(101)
        after = len([o for o in gc.get_objects() if type(o) in (Request, Response)])
    finally:
        gc.enable()
    assert after - before < 5


# On record before their end


def endless_after(looked: threading.Event) -> Response:
    looked.wait(scaled(10))
    return Response(endless())


def large_after(looked: threading.Event) -> Response:
    looked.wait(scaled(10))
    return Response(bytes(30_000_000))


@pytest.mark.parametrize("respond", [endless_after, large_after])
def test_who_waits_for_the_beginning_of_a_response_hears_of_it(
    rig: Rig, respond: Callable[[threading.Event], Response]
) -> None:
    """Also who has looked already while the handler was at work."""
    looked = threading.Event()
    rig.serve(("GET", "/", lambda _: respond(looked)))
    client = rig.connect()
    client.send(make_request())

    def has_begun(exchange: Exchange) -> bool:
        has_begun = exchange.first_byte_at is not None
        looked.set()
        return has_begun

    [exchange] = rig.journal.wait_for(has_begun, timeout=scaled(10))
    assert exchange.state == "responding"


def test_who_has_the_whole_answer_finds_its_body_on_record(rig: Rig) -> None:
    bodies: list[bytes] = []
    rig.serve(("GET", "/", lambda _: Response("hello")))
    client = rig.connect()
    for count in range(1, 200):
        assert client.ask().body == b"hello"
        bodies.append(rig.journal[-1].response_body)
        assert len(rig.journal) == count
    assert set(bodies) == {b"hello"}


def test_the_record_of_an_answer_to_head_has_no_body(rig: Rig) -> None:
    rig.serve(("GET", "/", lambda _: Response("hello")))
    assert rig.connect().ask("/", "HEAD").value("content-length") == "5"
    [exchange] = rig.await_done()
    assert exchange.response_body == b""
