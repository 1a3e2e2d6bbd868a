"""Trailer fields (RFC 9110 section 6.5), of requests and of responses."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit import Request, Response
from kit.errors import LocalProtocolError
from kit.headers import Headers
from support.raw import make_request
from support.serving import Rig

CLOSE = "Connection: close"
PIECES = [b"one", b"two"]
SPLIT = "the value of header 'X-A' has a line end, NUL or control character: 'b\\r\\nX-Evil: c'"
CHUNKS = b"3\r\none\r\n3\r\ntwo\r\n0\r\n"


def answer_with(
    rig: Rig, response: Callable[[], Response], *fields: str, method: str = "GET"
) -> Any:
    rig.serve(("GET", "/", lambda _: response()))
    client = rig.connect()
    client.send(make_request("/", method, *fields, CLOSE))
    head, _, body = client.read_to_end().partition(b"\r\n\r\n")
    return head, body


def digested() -> Response:
    digest = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        for piece in PIECES:
            digest.update(piece)
            yield piece

    return Response(pieces(), trailers=lambda: {"X-Digest": digest.hexdigest()})


# Of responses


def test_a_function_gives_the_trailers_when_the_last_piece_is_out(rig: Rig) -> None:
    head, body = answer_with(rig, digested)
    digest = hashlib.sha256(b"onetwo").hexdigest()
    assert b"transfer-encoding: chunked" in head.lower()
    assert b"\r\ntrailer" not in head.lower()
    assert body == CHUNKS + f"X-Digest: {digest}\r\n\r\n".encode()
    (exchange,) = rig.await_done()
    assert exchange.response_trailers == [(b"X-Digest", digest.encode())]
    assert exchange.response_body == b"onetwo"


def test_trailers_that_are_known_are_announced(rig: Rig) -> None:
    trailers = [("X-Sum", "6"), ("X-Note", "a"), ("X-Note", "b")]
    head, body = answer_with(rig, lambda: Response(PIECES, trailers=trailers))
    assert b"Trailer: X-Sum, X-Note" in head.split(b"\r\n")
    assert body == CHUNKS + b"X-Sum: 6\r\nX-Note: a\r\nX-Note: b\r\n\r\n"


def test_an_announcement_of_the_handler_stays_as_it_is(plain_rig: Rig) -> None:
    headers = {"trailer": "Later"}
    head, _ = answer_with(
        plain_rig, lambda: Response(PIECES, headers=headers, trailers={"X-Sum": "6"})
    )
    assert head.lower().count(b"trailer:") == 1
    assert b"trailer: Later" in head


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (lambda: b"onetwo", b"6\r\nonetwo\r\n0\r\n"),
        (lambda: "onetwo", b"6\r\nonetwo\r\n0\r\n"),
        (lambda: b"", b"0\r\n"),
        (lambda: None, b"0\r\n"),
        (lambda: io.BytesIO(b"onetwo"), b"6\r\nonetwo\r\n0\r\n"),
    ],
)
def test_trailers_make_any_payload_chunked(
    plain_rig: Rig, payload: Callable[[], Any], body: bytes
) -> None:
    head, got = answer_with(plain_rig, lambda: Response(payload(), trailers={"X-Sum": "6"}))
    assert b"content-length" not in head.lower()
    assert got == body + b"X-Sum: 6\r\n\r\n"


def test_a_function_may_give_no_trailers(plain_rig: Rig) -> None:
    _, body = answer_with(plain_rig, lambda: Response(PIECES, trailers=dict))
    assert body == CHUNKS + b"\r\n"


def test_the_connection_goes_on_behind_trailers(rig: Rig) -> None:
    rig.serve(("GET", "/", lambda _: digested()))
    client = rig.connect()
    for _ in range(3):
        client.send(make_request())
        assert client.read_answer().body == b"onetwo"
    assert len({exchange.connection.id for exchange in rig.await_done(3)}) == 1


def test_an_answer_to_head_has_no_trailers(plain_rig: Rig) -> None:
    _, body = answer_with(plain_rig, digested, method="HEAD")
    assert body == b""
    (exchange,) = plain_rig.await_done()
    assert exchange.response_trailers == ()


def test_a_client_of_http_1_0_gets_no_trailers(plain_rig: Rig) -> None:
    plain_rig.serve(("GET", "/", lambda _: digested()))
    client = plain_rig.connect()
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert client.read_to_end().partition(b"\r\n\r\n")[2] == b"onetwo"
    (exchange,) = plain_rig.await_done()
    assert exchange.response_trailers == ()


def test_packed_pieces_have_trailers_too(plain_rig: Rig) -> None:
    head, body = answer_with(
        plain_rig,
        lambda: Response(b"x" * 1000, compress=True, trailers={"X-Sum": "6"}),
        "Accept-Encoding: gzip",
    )
    assert b"Content-Encoding: gzip" in head
    assert body.endswith(b"\r\n0\r\nX-Sum: 6\r\n\r\n")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Response(b"abc", headers={"Content-Length": "3"}, trailers={"X-A": "b"}),
            "trailers follow a chunked body, which has no Content-Length: leave that header out",
        ),
        (
            lambda: Response(PIECES, trailers={"X A": "b"}),
            "header name b'X A' is not a token (RFC 9110 section 5.6.2)",
        ),
    ],
)
def test_trailers_that_cannot_be_sent_are_answered_with_500(
    plain_rig: Rig, make: Callable[[], Response], message: str
) -> None:
    head, _ = answer_with(plain_rig, make)
    assert head.startswith(b"HTTP/1.1 500 ")
    (exchange,) = plain_rig.await_done()
    assert isinstance(exchange.exception, LocalProtocolError)
    assert str(exchange.exception) == message


@pytest.mark.parametrize(
    ("trailers", "kind", "message"),
    [
        (
            lambda: {"X-A": "b\r\nX-Evil: c"},
            LocalProtocolError,
            SPLIT,
        ),
        (
            lambda: {"Content-Length": "3"},
            LocalProtocolError,
            "field 'Content-Length' is forbidden in trailers",
        ),
        (
            {"Set-Cookie": "a=b"},
            LocalProtocolError,
            "field 'Set-Cookie' is forbidden in trailers",
        ),
        (lambda: Headers()["missing"], KeyError, "'missing'"),
        (
            lambda: 3,
            TypeError,
            "headers must be a dict or a list of pairs, not 3",
        ),
    ],
)
def test_trailers_that_go_wrong_behind_the_body_end_the_connection_in_it(
    plain_rig: Rig, trailers: Any, kind: type[Exception], message: str
) -> None:
    _, body = answer_with(plain_rig, lambda: Response(PIECES, trailers=trailers))
    assert body == CHUNKS.removesuffix(b"0\r\n")
    (exchange,) = plain_rig.await_done(failed=True)
    assert type(exchange.exception) is kind
    assert str(exchange.exception) == message


# Of requests


def test_the_handler_sees_the_trailers_of_a_request(rig: Rig) -> None:
    seen: list[Any] = []

    def take(request: Request) -> Response:
        seen.append((request.read(), request.trailers))
        return Response("ok")

    rig.serve(("POST", "/", take))
    client = rig.connect()
    chunked = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n"
    client.send(chunked + b"X-Sum: 3\r\nx-sum: 4\r\n\r\n" + chunked + b"\r\n")
    assert [client.read_answer().text for _ in range(2)] == ["ok", "ok"]
    client.send(make_request("/", "POST", body=b"one"))
    assert client.read_answer().text == "ok"
    assert [body for body, _ in seen] == [b"one"] * 3
    assert seen[0][1]["X-SUM"] == [b"3", b"4"]
    assert [dict(trailers) for _, trailers in seen[1:]] == [{}, {}]


def test_a_request_made_by_hand_has_no_trailers() -> None:
    request = Request(("127.0.0.1", 1), "GET", "/", {}, "", {}, io.BytesIO())
    assert dict(request.trailers) == {}
