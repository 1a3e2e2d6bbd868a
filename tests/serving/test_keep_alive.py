from __future__ import annotations

import asyncio
import threading

import pytest

from kit import Request, Resource, Response, get
from support.raw import make_request
from support.serving import Rig, await_event, echo, hello

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


class Paths(Resource):
    """Answers each target with itself; some take their time."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    @get("/n/:number")
    def number(self, request: Request) -> Response:
        return Response(request.target)

    @get("/slow")
    def slow(self, request: Request) -> Response:
        await_event(self.gate)
        return Response(request.target)

    @get("/async")
    async def asynchronous(self, request: Request) -> Response:
        await asyncio.to_thread(await_event, self.gate)
        return Response(request.target)


def test_requests_follow_each_other_on_one_connection(rig: Rig) -> None:
    rig.serve(Paths())
    client = rig.connect()
    for number in range(5):
        answer = client.ask(f"/n/{number}")
        assert answer.text == f"/n/{number}"
        assert answer.value("connection") is None
    exchanges = rig.await_done(5)
    assert [exchange.ordinal for exchange in exchanges] == [1, 2, 3, 4, 5]
    assert len({exchange.connection.id for exchange in exchanges}) == 1


def test_twenty_pipelined_requests_are_answered_in_order(rig: Rig) -> None:
    rig.serve(Paths())
    client = rig.connect()
    client.send(b"".join(make_request(f"/n/{number}") for number in range(20)))
    assert [client.read_answer().text for _ in range(20)] == [f"/n/{n}" for n in range(20)]


def test_pipelined_requests_cut_at_any_byte_are_answered_in_order(rig: Rig) -> None:
    rig.serve(Paths(), ("POST", "/", echo))
    data = make_request("/n/1") + make_request("/", "POST", body=b"two") + make_request("/n/3")
    for cut in range(1, len(data), 7):
        client = rig.connect()
        client.send_pieces([data[:cut], data[cut:]])
        assert [client.read_answer().text for _ in range(3)] == ["/n/1", "two", "/n/3"]
        client.close()


def test_pipelined_bodies_stay_with_their_requests(rig: Rig) -> None:
    rig.serve(("POST", "/", echo), ("GET", "/", hello))
    client = rig.connect()
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    counted = make_request("/", "POST", body=b"GET /smuggled HTTP/1.1\r\n\r\n")
    client.send((chunked + counted + make_request()) * 7)
    for _ in range(7):
        assert client.read_answer().body == b"abcde"
        assert client.read_answer().body == b"GET /smuggled HTTP/1.1\r\n\r\n"
        assert client.read_answer().body == b"hello"


@pytest.mark.parametrize("kind", ["/slow", "/async"])
def test_what_follows_a_slow_request_waits_for_it(rig: Rig, kind: str) -> None:
    paths = Paths()
    rig.serve(paths)
    client = rig.connect()
    targets = ["/n/1", kind, "/n/2", kind, "/n/3"]
    client.send(b"".join(map(make_request, targets)))
    assert client.read_answer().text == "/n/1"
    rig.journal.wait_for(kind, state="handling")
    assert rig.connect().ask("/n/other").text == "/n/other"
    paths.gate.set()
    assert [client.read_answer().text for _ in targets[1:]] == targets[1:]


@pytest.mark.parametrize(
    ("version", "fields", "said", "is_kept"),
    [
        ("1.1", "", None, True),
        ("1.1", "Connection: keep-alive\r\n", None, True),
        ("1.1", "Connection: close\r\n", "close", False),
        ("1.1", "Connection: CLOSE, x\r\n", "close", False),
        ("1.0", "", "close", False),
        ("1.0", "Connection: keep-alive\r\n", "keep-alive", True),
        ("1.0", "Connection: close\r\n", "close", False),
    ],
)
def test_the_client_decides_whether_the_connection_stays(
    rig: Rig, version: str, fields: str, said: str | None, is_kept: bool
) -> None:
    rig.serve(("GET", "/", hello))
    client = rig.connect()
    request = f"GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n".encode()
    client.send(request)
    answer = client.read_answer()
    assert (answer.text, answer.value("connection")) == ("hello", said)
    if is_kept:
        client.send(request)
        assert client.read_answer().text == "hello"
    else:
        assert client.is_at_end()
        rig.await_no_connections()


def test_a_handler_may_close_the_connection(rig: Rig) -> None:
    rig.serve(("GET", "/", lambda _: Response("bye", headers={"Connection": "close"})))
    client = rig.connect()
    client.send(make_request() * 3)
    answer = client.read_answer()
    assert (answer.text, answer.value("connection")) == ("bye", "close")
    assert client.is_at_end()
    assert rig.calls == ["/"]


def test_what_is_pipelined_behind_a_close_is_not_answered(rig: Rig) -> None:
    rig.serve(("GET", "/:path*", lambda _: Response(bytes(4_000_000))))
    client = rig.connect()
    client.send(make_request("/last", "GET", "Connection: close"))
    for _ in range(20):  # unread by the server when it is done: that must not reset
        client.send(make_request("/more"))
    assert len(client.read_answer().body) == 4_000_000
    assert client.is_at_end()
    assert rig.calls == ["/last"]


@pytest.mark.parametrize("path", ["/n/1", "/slow", "/async"])
def test_a_client_that_has_ended_its_side_is_answered(rig: Rig, path: str) -> None:
    paths = Paths()
    rig.serve(paths)
    client = rig.connect()
    client.send(make_request(path))
    client.end()
    if path != "/n/1":
        rig.journal.wait_for(path, state="handling")
    paths.gate.set()
    assert client.read_answer().text == path
    assert client.is_at_end()
    rig.await_no_connections()


def test_pipelined_requests_of_a_half_closed_client_are_all_answered(rig: Rig) -> None:
    paths = Paths()
    rig.serve(paths)
    client = rig.connect()
    targets = ["/n/1", "/slow", "/n/2", "/async", "/n/3"]
    client.send(b"".join(map(make_request, targets)))
    client.end()
    paths.gate.set()
    assert [client.read_answer().text for _ in targets] == targets
    assert client.is_at_end()


def test_one_empty_line_before_a_request_is_ignored(rig: Rig) -> None:
    rig.serve(("GET", "/", hello))
    client = rig.connect()
    for _ in range(3):
        client.send(b"\r\n" + make_request())
        assert client.read_answer().text == "hello"


def test_chunked_trailers_are_in_the_journal(rig: Rig) -> None:
    rig.serve(("POST", "/", echo))
    client = rig.connect()
    client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n")
    assert client.read_answer().body == b"hi"
    (exchange,) = rig.await_done()
    assert list(exchange.request_trailers) == [(b"X-Sum", b"7")]
    assert exchange.request_body == b"hi"


def test_a_client_that_waits_for_100_continue_gets_it(rig: Rig) -> None:
    rig.serve(("POST", "/", echo))
    client = rig.connect()
    for _ in range(2):
        client.send(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        interim = client.read_answer()
        assert (interim.status, interim.fields) == (100, [])
        client.send(b"hello")
        assert client.read_answer().text == "hello"


def test_a_client_that_waits_for_100_continue_gets_the_404_instead(rig: Rig) -> None:
    rig.serve(("GET", "/other", hello))
    client = rig.connect()
    client.send(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    answer = client.read_answer()
    assert (answer.status, answer.value("connection")) == (404, "close")
    assert client.is_at_end()


def test_a_client_that_waits_for_100_continue_gets_the_413_instead(rig: Rig) -> None:
    rig.serve(("POST", "/", echo))
    client = rig.connect()
    client.send(POST + b"Expect: 100-continue\r\nContent-Length: 5242881\r\n\r\n")
    answer = client.read_answer()
    assert (answer.status, answer.value("connection")) == (413, "close")
    assert client.is_at_end()
    assert rig.calls == []


def test_an_expectation_of_a_1_0_client_is_ignored(rig: Rig) -> None:
    rig.serve(("POST", "/", echo))
    client = rig.connect()
    client.send(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi")
    assert client.read_answer().text == "hi"


def test_a_large_body_comes_through_a_file(rig: Rig) -> None:
    body = bytes(range(256)) * 8192
    rig.serve(("POST", "/", echo), spool_bytes=1000)
    client = rig.connect()
    for _ in range(2):
        client.send(make_request("/", "POST", body=body))
        assert client.read_answer().body == body
