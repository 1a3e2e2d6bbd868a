"""Trailer fields of the responses that a client gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kit import ErrorResponse, HTTPClient, JsonResponse, Response
from support.deadlines import scaled

Serve = Callable[..., Any]
Connect = Callable[..., HTTPClient]
T = scaled(10)


@pytest.mark.parametrize("tls", [False, True])
def test_a_response_has_the_trailers_that_followed_it(
    serve: Serve, connect: Connect, tls: bool
) -> None:
    trailers = [("X-Sum", "6"), ("x-sum", "7")]
    route = ("GET", "/", lambda request: Response([b"one", b"two"], trailers=trailers))
    response = connect(serve(route, tls=tls)).get("/").wait(T)
    assert response.body == b"onetwo"
    assert response.trailers["X-SUM"] == [b"6", b"7"]
    assert response.trailers.raw == [(b"X-Sum", b"6"), (b"x-sum", b"7")]
    assert response.headers.get("X-Sum") is None


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: Response(b"[1]", 200, {"Content-Type": "application/json"}), JsonResponse),
        (lambda: Response(b"no", 404), ErrorResponse),
        (lambda: Response(b"x" * 5000, compress=True), Response),
    ],
)
def test_every_kind_of_response_has_its_trailers(
    serve: Serve, connect: Connect, make: Callable[[], Response], kind: type[Response]
) -> None:
    def answer(request: Any) -> Response:
        plain = make()
        return Response(
            plain.payload,
            plain.status_code,
            plain.headers,
            plain.compress,
            trailers={"X-Sum": "6"},
        )

    response = connect(serve(("GET", "/", answer))).get("/").wait(T)
    assert type(response) is kind
    assert response.body == make().body
    assert response.trailers.text("X-Sum") == "6"


def test_a_response_without_trailers_has_none(serve: Serve, connect: Connect) -> None:
    server = serve(
        ("GET", "/", lambda request: Response([b"one"])),
        (
            "GET",
            "/redirect",
            lambda request: Response("", 302, {"Location": "/"}, trailers={"A": "b"}),
        ),
    )
    client = connect(server)
    for path in ("/", "/redirect"):
        response = client.get(path).wait(T)
        assert response.body == b"one"
        assert dict(response.trailers) == {}


def test_a_response_that_never_came_has_no_trailers(
    serve: Serve, connect: Connect, gate: Any
) -> None:
    def hold(request: Any) -> Response:
        gate.pass_through()
        return Response()

    handle = connect(serve(("GET", "/", hold))).get("/")
    assert handle.cancel()
    response = handle.wait(T)
    assert response.status_code == 0
    assert dict(response.trailers) == {}


def test_a_handler_can_read_what_it_has_given() -> None:
    assert Response(trailers={"X-Sum": "6"}).trailers.text("x-sum") == "6"
    assert dict(Response(trailers=lambda: {"X-Sum": "6"}).trailers) == {}
    assert dict(JsonResponse({}).trailers) == dict(ErrorResponse("no").trailers) == {}
