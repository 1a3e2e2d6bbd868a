"""The server, asked by HTTP clients that no one here wrote."""

from __future__ import annotations

import gzip
import hashlib
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit import Exchange, HTTPServer
from support.deadlines import scaled
from support.http_peers import PEERS, Peer, drip, has_curl
from support.peer_app import TEXT, Teapot

MIB = 1024 * 1024


@pytest.fixture(params=sorted(PEERS))
def peer(
    request: pytest.FixtureRequest,
    server: HTTPServer,
    context: ssl.SSLContext | None,
    cafile: Path,
) -> Iterator[Peer]:
    if request.param == "curl" and not has_curl():
        pytest.skip("there is no curl on the PATH")
    with PEERS[request.param](server.url, context, str(cafile)) as peer:  # type: ignore[attr-defined]
        yield peer


def wait_complete(server: HTTPServer, count: int = 1) -> list[Exchange]:
    return server.journal.wait_for(count=count, state="complete", timeout=scaled(10))


def test_a_GET_gets_its_path_parameter_and_its_query(peer: Peer, server: HTTPServer) -> None:
    answer = peer.request("GET", "/user/J%C3%BCrgen%2F1?a=1&a=2&b=%20x&c=")

    assert answer.status == 200
    assert answer.header("Content-Type") == "application/json"
    query = {"a": ["1", "2"], "b": [" x"], "c": [""]}
    assert json.loads(answer.body) == {"name": "Jürgen/1", "query": query}
    exchange = wait_complete(server)[0]
    assert exchange.method == "GET"
    assert exchange.path == "/user/J%C3%BCrgen%2F1"


def test_what_crossed_TLS_is_recorded_so(peer: Peer, server: HTTPServer, scheme: str) -> None:
    peer.request("GET", "/user/bob")

    connection = wait_complete(server)[0].connection
    assert connection.tls_version == ("TLSv1.3" if scheme == "tls" else None)
    assert connection.is_tls is (scheme == "tls")


def test_a_JSON_POST_arrives(peer: Peer) -> None:
    body = json.dumps({"a": [1, 2, {"b": "ü"}]}).encode()

    answer = peer.request("POST", "/json", body, {"Content-Type": "application/json"})

    assert answer.status == 201
    assert json.loads(answer.body) == {"got": {"a": [1, 2, {"b": "ü"}]}}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe"])
def test_a_body_that_is_no_JSON_gets_400(peer: Peer, body: bytes) -> None:
    answer = peer.request("POST", "/json", body, {"Content-Type": "application/json"})

    assert answer.status == 400
    assert b"JSON" in answer.body


def test_eight_MiB_are_uploaded_whole(peer: Peer) -> None:
    body = bytes(range(256)) * (8 * MIB // 256)

    answer = peer.request("POST", "/upload", body)

    told = json.loads(answer.body)
    assert told["length"] == 8 * MIB
    assert told["sha256"] == hashlib.sha256(body).hexdigest()
    assert told["coding"] == ""


def test_a_body_of_unknown_length_is_uploaded_in_chunks(peer: Peer) -> None:
    answer = peer.request("PUT", "/upload", drip(512, 16384))

    told = json.loads(answer.body)
    assert told["length"] == 8 * MIB
    assert told["sha256"] == hashlib.sha256(b"".join(drip(512, 16384))).hexdigest()
    assert told["coding"] == "chunked"


def test_eight_MiB_are_downloaded_whole(peer: Peer) -> None:
    answer = peer.request("GET", "/large")

    assert answer.header("Content-Length") == str(8 * MIB)
    assert answer.body == bytes(8 * MIB)


def test_a_streamed_response_arrives_in_chunks(peer: Peer) -> None:
    answer = peer.request("GET", "/stream")

    assert answer.header("Transfer-Encoding") == "chunked"
    assert answer.header("Content-Length") is None
    assert answer.body.decode() == TEXT


@pytest.mark.parametrize("path", ["/packed", "/packed-stream"])
def test_a_response_is_packed_for_who_accepts_gzip(peer: Peer, path: str) -> None:
    answer = peer.request("GET", path, headers={"Accept-Encoding": "gzip"})

    assert answer.header("Vary") == "Accept-Encoding"
    assert answer.header("Content-Encoding") == "gzip"
    body = answer.body if peer.unpacks else gzip.decompress(answer.body)
    assert body.decode() == TEXT


@pytest.mark.parametrize("path", ["/packed", "/packed-stream"])
def test_a_response_is_not_packed_for_who_does_not_accept_gzip(peer: Peer, path: str) -> None:
    answer = peer.request("GET", path, headers={"Accept-Encoding": "identity"})

    assert answer.header("Vary") == "Accept-Encoding"
    assert answer.header("Content-Encoding") is None
    assert answer.body.decode() == TEXT


@pytest.mark.parametrize("path", ["/user/bob", "/stream", "/packed", "/packed-stream", "/boom"])
def test_HEAD_gets_the_head_of_GET_and_the_connection_goes_on(
    peer: Peer, server: HTTPServer, path: str
) -> None:
    head = peer.request("HEAD", path)
    full = peer.request("GET", path)

    assert head.status == full.status
    assert head.body == b""
    assert head.header("Content-Type") == full.header("Content-Type")
    if full.header("Content-Length"):
        assert head.header("Content-Length") == full.header("Content-Length")
    if peer.keeps_alive:
        assert [one.ordinal for one in wait_complete(server, 2)] == [1, 2]


def test_a_connection_is_used_again(peer: Peer, server: HTTPServer) -> None:
    if not peer.keeps_alive:
        pytest.skip("this client makes a connection for each request")
    for path in ("/user/a", "/stream", "/nowhere", "/empty", "/boom", "/async", "/packed"):
        peer.request("GET", path)
    peer.request("POST", "/upload", b"x" * 100_000)
    peer.request("PUT", "/upload", drip(3, 1000))

    exchanges = wait_complete(server, 9)
    assert len({one.connection.id for one in exchanges}) == 1
    assert [one.ordinal for one in exchanges] == list(range(1, 10))


def test_an_unknown_path_gets_404_and_is_told_why(peer: Peer) -> None:
    answer = peer.request("GET", "/nowhere")

    assert answer.status == 404
    assert b"/nowhere" in answer.body


def test_another_method_gets_405_with_Allow(peer: Peer) -> None:
    answer = peer.request("PUT", "/user/bob", b"x")

    assert answer.status == 405
    assert answer.header("Allow") == "DELETE, GET, HEAD, OPTIONS"


def test_a_204_has_no_body_and_no_length(peer: Peer) -> None:
    answer = peer.request("DELETE", "/user/bob")

    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("Content-Length") is None
    assert answer.header("Transfer-Encoding") is None


def test_an_error_response_arrives_as_its_JSON(peer: Peer) -> None:
    answer = peer.request("GET", "/refused")

    assert (answer.status, json.loads(answer.body)) == (409, {"why": "no"})


def test_a_handler_that_raises_gets_500_and_is_recorded(peer: Peer, server: HTTPServer) -> None:
    answer = peer.request("GET", "/boom")

    assert answer.status == 500
    assert b"Teapot: short and stout" in answer.body
    exchange = wait_complete(server)[0]
    assert isinstance(exchange.exception, Teapot)


def test_every_Set_Cookie_arrives(peer: Peer) -> None:
    answer = peer.request("GET", "/cookies")

    assert answer.all("Set-Cookie") == ["a=1; Path=/; HttpOnly", "b=2; Path=/"]


def test_a_redirect_is_followed(peer: Peer, server: HTTPServer) -> None:
    if type(peer).__name__ == "HttpClient":
        pytest.skip("http.client follows no redirects")
    answer = peer.request("GET", "/moved")

    assert json.loads(answer.body) == {"name": "ann", "query": {"from": ["moved"]}}
    assert [one.response_status for one in wait_complete(server, 2)] == [302, 200]


def test_Connection_close_closes(peer: Peer, server: HTTPServer) -> None:
    first = peer.request("GET", "/user/a", headers={"Connection": "close"})
    second = peer.request("GET", "/user/b")

    assert first.header("Connection") == "close"
    assert (first.status, second.status) == (200, 200)
    exchanges = wait_complete(server, 2)
    assert exchanges[0].connection.id != exchanges[1].connection.id


def test_an_upload_that_is_too_large_gets_413(peer: Peer) -> None:
    answer = peer.request("POST", "/small", b"x" * 1001)

    assert answer.status == 413
    assert b"1001" in answer.body


def test_an_async_handler_answers(peer: Peer) -> None:
    answer = peer.request("GET", "/async?a=b")

    assert json.loads(answer.body) == {"a": ["b"]}
