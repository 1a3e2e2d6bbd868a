"""Redirects, between our own servers (RFC 9110 section 15.4)."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from kit import ErrorResponse, HTTPClient, JsonResponse, LimitError, Request, Response
from support.deadlines import scaled

Serve = Callable[..., Any]
Connect = Callable[..., HTTPClient]
T = scaled(10)

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")


def point_to(location: str, status: int = 302) -> Callable[[Request], Response]:
    return lambda _: Response(b"moved", status, {"Location": location})


def tell(request: Request) -> Response:
    """Tell what has arrived."""
    return JsonResponse(
        {
            "method": request.method,
            "target": request.target,
            "body": request.read().decode(),
            "headers": {
                name.decode(): [value.decode() for value in values]
                for name, values in request.headers.items()
            },
        }
    )


def everything(pattern: str, handler: Callable[[Request], Response]) -> list[Any]:
    return [(method, pattern, handler) for method in METHODS]


@pytest.mark.parametrize(
    ("status", "method", "after"),
    [
        *[(status, "GET", "GET") for status in (301, 302, 303, 307, 308)],
        *[(status, "POST", "GET") for status in (301, 302, 303)],
        *[(status, "POST", "POST") for status in (307, 308)],
        *[(status, "PUT", "PUT") for status in (301, 302, 307, 308)],
        (303, "PUT", "GET"),
        (303, "DELETE", "GET"),
        (307, "DELETE", "DELETE"),
    ],
)
def test_the_method_and_the_body_go_along_where_they_should(
    serve: Serve, connect: Connect, status: int, method: str, after: str
) -> None:
    server = serve(*everything("/a", point_to("/b", status)), *everything("/b", tell))
    payload = {"n": 1} if method in ("POST", "PUT") else None
    response = connect(server).request(method, "/a", payload).wait(T)
    assert response.status_code == 200
    assert response.payload["method"] == after
    keeps_body = payload is not None and after == method
    assert response.payload["body"] == ('{"n":1}' if keeps_body else "")
    assert ("content-type" in response.payload["headers"]) == keeps_body
    assert response.url == server.url_for("/b")


def test_a_head_stays_a_head(serve: Serve, connect: Connect) -> None:
    server = serve(("GET", "/a", point_to("/b", 303)), ("GET", "/b", tell))
    response = connect(server).request("HEAD", "/a").wait(T)
    assert response.status_code == 200
    assert [exchange.method for exchange in server.journal] == ["HEAD", "HEAD"]


def test_a_file_is_sent_again_from_where_it_stood(serve: Serve, connect: Connect) -> None:
    server = serve(*everything("/a", point_to("/b", 307)), *everything("/b", tell))
    file = io.BytesIO(b"skipped|body")
    file.seek(8)
    assert connect(server).post("/a", file).wait(T).payload["body"] == "body"


def test_a_body_that_cannot_be_read_again_is_not_redirected(serve: Serve, connect: Connect) -> None:
    class Pipe:
        def __init__(self) -> None:
            self.left = [b"once", b""]

        def read(self, _size: int = -1) -> bytes:
            return self.left.pop(0)

    server = serve(*everything("/a", point_to("/b", 307)), *everything("/b", tell))
    response = connect(server).post("/a", Pipe()).wait(T)  # type: ignore[arg-type]
    assert response.status_code == 307


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b?x=1&y=2", "/b?x=1&y=2"),
        ("b", "/deep/b"),
        ("../b", "/b"),
        ("?q=1", "/deep/a?q=1"),
        ("/b#part", "/b"),
        ("/two words", "/two%20words"),
        ("/done%20already?a=%2F", "/done%20already?a=%2F"),
        ("/\xc3\xa9", "/%C3%A9"),
    ],
)
def test_a_location_may_be_relative_and_sloppy(
    serve: Serve, connect: Connect, location: str, target: str
) -> None:
    def handler(request: Request) -> Response:
        if request.target == "/deep/a":
            return Response(b"", 302, {"Location": location})
        return Response(request.target)

    client = connect(serve(("GET", "/:any*", handler)))
    assert client.get("/deep/a").wait(T).payload == target.encode()


SECRETS = {"Authorization": "Bearer s", "Cookie": "a=b", "Proxy-Authorization": "p", "X-Own": "1"}


def test_what_is_private_stays_with_its_origin(serve: Serve, connect: Connect) -> None:
    other = serve(("GET", "/b", tell))
    server = serve(("GET", "/a", point_to(other.url_for("/b"))))
    headers = connect(server).get("/a", headers=SECRETS).wait(T).payload["headers"]
    assert {"authorization", "cookie", "proxy-authorization"}.isdisjoint(headers)
    assert headers["x-own"] == ["1"]
    assert headers["host"] == [f"127.0.0.1:{other.port}"]


def test_what_is_private_goes_along_within_its_origin(serve: Serve, connect: Connect) -> None:
    server = serve(("GET", "/a", point_to("/b")), ("GET", "/b", tell))
    headers = connect(server).get("/a", headers=SECRETS).wait(T).payload["headers"]
    assert headers["authorization"] == ["Bearer s"]
    assert headers["cookie"] == ["a=b"]


def test_another_scheme_is_another_origin(serve: Serve, connect: Connect) -> None:
    from support.authority import authority

    secure = serve(("GET", "/b", tell), tls=True)
    server = serve(("GET", "/a", point_to(secure.url_for("/b"))))
    client = connect(server, ssl_context=authority().client_context())
    response = client.get("/a", headers=SECRETS).wait(T)
    assert response.url == secure.url_for("/b")
    assert "authorization" not in response.payload["headers"]


def test_a_host_that_was_given_is_not_taken_to_another_origin(
    serve: Serve, connect: Connect
) -> None:
    other = serve(("GET", "/b", tell))
    server = serve(("GET", "/a", point_to(other.url_for("/b"))))
    headers = connect(server).get("/a", headers={"Host": "shop.test"}).wait(T).payload["headers"]
    assert headers["host"] == [f"127.0.0.1:{other.port}"]


def test_more_redirects_than_allowed_are_an_error_that_says_so(
    serve: Serve, connect: Connect
) -> None:
    server = serve(("GET", "/loop", point_to("/loop")))
    response = connect(server, max_redirects=3).get("/loop").wait(T)
    assert isinstance(response, ErrorResponse)
    reason = response.exception.reason  # type: ignore[union-attr]
    assert isinstance(reason, LimitError)
    assert str(reason) == f"{server.url}/loop redirects once more: the limit max_redirects is 3"
    assert len(server.journal) == 4


def test_as_many_redirects_as_allowed_are_followed(serve: Serve, connect: Connect) -> None:
    def count_down(request: Request) -> Response:
        left = int(request.matches["n"])
        return Response(b"", 302, {"Location": f"/{left - 1}"}) if left else Response(b"end")

    client = connect(serve(("GET", "/:n", count_down)), max_redirects=3)
    assert client.get("/3").wait(T).payload == b"end"
    assert isinstance(client.get("/4").wait(T), ErrorResponse)


def test_with_no_redirects_allowed_they_are_given_as_they_are(
    serve: Serve, connect: Connect
) -> None:
    client = connect(serve(("GET", "/a", point_to("/b"))), max_redirects=0)
    response = client.get("/a").wait(T)
    assert not isinstance(response, ErrorResponse)
    assert (response.status_code, response.payload) == (302, b"moved")
    assert response.headers.text("location") == "/b"


@pytest.mark.parametrize(
    "location", ["ftp://127.0.0.1/x", "http://[::1", "http://h:99999/", "mailto:a@b"]
)
def test_a_location_that_leads_nowhere_is_given_as_it_is(
    serve: Serve, connect: Connect, location: str
) -> None:
    client = connect(serve(("GET", "/a", point_to(location))))
    response = client.get("/a").wait(T)
    assert (response.status_code, response.payload) == (302, b"moved")


@pytest.mark.parametrize("status", [300, 304, 305, 306])
def test_other_statuses_are_not_followed(serve: Serve, connect: Connect, status: int) -> None:
    server = serve(("GET", "/a", lambda _: Response(None, status, {"Location": "/b"})))
    assert connect(server).get("/a").wait(T).status_code == status


def test_a_sink_gets_nothing_of_the_redirects_own_body(serve: Serve, connect: Connect) -> None:
    server = serve(("GET", "/a", point_to("/b")), ("GET", "/b", lambda _: Response(b"body")))
    sink = io.BytesIO()
    connect(server).get("/a", sink=sink).wait(T)
    assert sink.getvalue() == b"body"
