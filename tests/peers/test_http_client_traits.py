"""The server, asked in ways that only some clients have."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import io
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from kit import CertificateAuthority, HTTPServer
from support.deadlines import scaled
from support.http_peers import Aiohttp, AsyncHttpx, Curl, has_curl
from support.peer_app import TEXT, Shop

MIB = 1024 * 1024
needs_curl = pytest.mark.skipif(not has_curl(), reason="there is no curl on the PATH")


@pytest.fixture
def curl(server: HTTPServer, context: ssl.SSLContext | None, cafile: Path) -> Iterator[Curl]:
    with Curl(server.url, context, str(cafile)) as curl:
        yield curl


def connect(server: HTTPServer, context: ssl.SSLContext | None) -> http.client.HTTPConnection:
    timeout_s = scaled(10)
    if context is None:
        return http.client.HTTPConnection(server.host, server.port, timeout=timeout_s)
    return http.client.HTTPSConnection(server.host, server.port, context=context, timeout=timeout_s)


def open_socket(server: HTTPServer, context: ssl.SSLContext | None) -> socket.socket:
    sock = socket.create_connection(server.addr, timeout=scaled(10))
    return sock if context is None else context.wrap_socket(sock, server_hostname=server.host)


# Expect: 100-continue


@needs_curl
def test_curl_waits_for_100_and_then_sends(curl: Curl, server: HTTPServer) -> None:
    body = bytes(2 * MIB)

    # Without a 100 it would send after this long: longer than its whole request may take.
    answer = curl.run(
        *("--expect100-timeout", "1000", "--http1.1", "--header", "Expect: 100-continue"),
        *("--data-binary", "@-", server.url_for("/upload")),
        stdin=body,
    )

    told = json.loads(answer.body)
    assert told["length"] == len(body)
    assert told["sha256"] == hashlib.sha256(body).hexdigest()
    assert told["expect"] == "100-continue"


@needs_curl
def test_curl_that_waits_for_100_hears_of_413_instead(curl: Curl, server: HTTPServer) -> None:
    answer = curl.run(
        *("--expect100-timeout", "1000", "--header", "Expect: 100-continue"),
        *("--data-binary", "@-", server.url_for("/small")),
        stdin=bytes(2 * MIB),
    )

    assert answer.status == 413
    server.journal.wait_for(state="failed", timeout=scaled(10))
    assert server.journal[0].request_content == b""


def test_100_comes_before_the_body_and_not_after(
    server: HTTPServer, context: ssl.SSLContext | None
) -> None:
    with open_socket(server, context) as sock, sock.makefile("rb") as file:
        sock.sendall(
            b"POST /upload HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
        assert file.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert file.readline() == b"\r\n"
        sock.sendall(b"hello")
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"


def test_http_client_reads_over_a_100(server: HTTPServer, context: ssl.SSLContext | None) -> None:
    connection = connect(server, context)
    try:
        connection.putrequest("POST", "/upload")
        connection.putheader("Content-Length", "3")
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        connection.send(b"abc")
        response = connection.getresponse()
        assert json.loads(response.read())["length"] == 3
        connection.request("GET", "/user/bob")
        assert connection.getresponse().status == 200
    finally:
        connection.close()


def test_an_unknown_path_is_refused_without_a_100(
    server: HTTPServer, context: ssl.SSLContext | None
) -> None:
    with open_socket(server, context) as sock, sock.makefile("rb") as file:
        sock.sendall(
            b"POST /nowhere HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
            b"Content-Length: 500000\r\n\r\n"
        )
        assert file.readline() == b"HTTP/1.1 404 Not Found\r\n"
        assert b"connection: close" in file.read().lower()


# HTTP/1.0


@needs_curl
def test_HTTP_1_0_gets_a_whole_response_and_the_connection_closes(
    curl: Curl, server: HTTPServer
) -> None:
    answer = curl.run("--http1.0", server.url_for("/user/bob"))

    assert json.loads(answer.body)["name"] == "bob"
    assert server.journal[0].http_version == "1.0"


@needs_curl
def test_HTTP_1_0_gets_no_chunks(curl: Curl, server: HTTPServer) -> None:
    answer = curl.run("--http1.0", server.url_for("/stream"))

    assert answer.header("Transfer-Encoding") is None
    assert answer.header("Content-Length") is None
    assert answer.body.decode() == TEXT


@needs_curl
def test_HTTP_1_0_gets_no_chunks_when_packed_either(curl: Curl, server: HTTPServer) -> None:
    answer = curl.run("--http1.0", "--compressed", server.url_for("/packed-stream"))

    assert answer.header("Transfer-Encoding") is None
    assert answer.body.decode() == TEXT


@needs_curl
def test_HTTP_1_0_keeps_the_connection_when_it_asks_to(curl: Curl, server: HTTPServer) -> None:
    header = ("--header", "Connection: keep-alive")
    answer = curl.run(
        "--http1.0", *header, server.url_for("/user/a"), "-o", "/dev/null", server.url_for("/large")
    )

    assert answer.status == 200
    assert answer.header("Connection") == "keep-alive"
    exchanges = server.journal.wait_for(count=2, state="complete", timeout=scaled(10))
    assert [one.ordinal for one in exchanges] == [1, 2]


# More of curl


@needs_curl
def test_curl_uses_its_connection_again(curl: Curl, server: HTTPServer) -> None:
    urls = [server.url_for(f"/user/{name}") for name in "abc"]
    curl.run(urls[0], "-o", "/dev/null", urls[1], "-o", "/dev/null", urls[2])

    exchanges = server.journal.wait_for(count=3, state="complete", timeout=scaled(10))
    assert len({one.connection.id for one in exchanges}) == 1
    assert [one.ordinal for one in exchanges] == [1, 2, 3]


@needs_curl
def test_curl_keeps_its_cookies(curl: Curl, server: HTTPServer) -> None:
    jar = str(curl.folder / "jar")
    curl.run("--cookie-jar", jar, server.url_for("/cookies"))
    answer = curl.run("--cookie", jar, server.url_for("/cookies"))

    assert answer.body == b"had ['a', 'b']"


@needs_curl
def test_curl_that_is_offered_HTTP_2_makes_do(curl: Curl, server: HTTPServer) -> None:
    answer = curl.run("--http2", server.url_for("/user/bob"))

    assert json.loads(answer.body)["name"] == "bob"


@needs_curl
def test_curl_uploads_a_form(curl: Curl, server: HTTPServer) -> None:
    answer = curl.run("--form", "file=@-;filename=a.bin", server.url_for("/upload"), stdin=b"abc")

    assert json.loads(answer.body)["length"] > 3


# Redirects, cookies and errors as sessions see them


def test_a_POST_that_is_sent_on_with_303_becomes_a_GET(
    server: HTTPServer, scheme: str, cafile: Path
) -> None:
    with requests.Session() as session:
        session.trust_env, session.verify = False, str(cafile)
        answer = session.post(server.url_for("/moved"), json={"a": 1}, timeout=scaled(10))

    assert answer.json()["name"] == "ann"
    exchanges = server.journal.wait_for(count=2, state="complete", timeout=scaled(10))
    assert [(one.method, one.ordinal) for one in exchanges] == [("POST", 1), ("GET", 2)]


def test_a_session_keeps_its_cookies(server: HTTPServer, cafile: Path) -> None:
    with requests.Session() as session:
        session.trust_env, session.verify = False, str(cafile)
        session.get(server.url_for("/cookies"), timeout=scaled(10))
        answer = session.get(server.url_for("/cookies"), timeout=scaled(10))

    assert answer.text == "had ['a', 'b']"
    assert dict(session.cookies) == {"a": "1", "b": "2"}


# Many at once


@pytest.mark.parametrize("kind", [AsyncHttpx, Aiohttp])
def test_fifty_requests_at_once_each_get_their_own_answer(
    server: HTTPServer,
    context: ssl.SSLContext | None,
    cafile: Path,
    kind: type[AsyncHttpx | Aiohttp],
) -> None:
    with kind(server.url, context, str(cafile)) as peer:

        async def ask_all() -> list[object]:
            paths = [f"/{'async' if at % 2 else 'user/x'}?at={at}" for at in range(50)]
            answers = await asyncio.gather(*(peer.request_async("GET", path) for path in paths))
            return [json.loads(answer.body) for answer in answers]

        told = peer.runner.run(ask_all())

    expected: list[object] = [
        {"at": [str(at)]} if at % 2 else {"name": "x", "query": {"at": [str(at)]}}
        for at in range(50)
    ]
    assert told == expected
    assert len(server.journal.wait_for(count=50, state="complete", timeout=scaled(10))) == 50


@pytest.mark.parametrize("kind", [AsyncHttpx, Aiohttp])
def test_uploads_and_downloads_at_once_stay_apart(
    server: HTTPServer,
    context: ssl.SSLContext | None,
    cafile: Path,
    kind: type[AsyncHttpx | Aiohttp],
) -> None:
    bodies = [bytes([at]) * (at * 50_000) for at in range(1, 11)]

    with kind(server.url, context, str(cafile)) as peer:

        async def ask_all() -> tuple[list[object], list[bytes]]:
            ups = asyncio.gather(*(peer.request_async("POST", "/upload", body) for body in bodies))
            downs = asyncio.gather(*(peer.request_async("GET", "/stream") for _ in bodies))
            told = [json.loads(answer.body)["sha256"] for answer in await ups]
            return told, [answer.body for answer in await downs]

        told, texts = peer.runner.run(ask_all())

    assert told == [hashlib.sha256(body).hexdigest() for body in bodies]
    assert set(texts) == {TEXT.encode()}


def test_threads_of_sessions_are_served_side_by_side(
    server: HTTPServer, context: ssl.SSLContext | None
) -> None:
    def ask(name: int) -> list[str]:
        connection = connect(server, context)
        try:
            told = []
            for turn in range(10):
                connection.request("GET", f"/user/{name}-{turn}")
                told.append(json.loads(connection.getresponse().read())["name"])
            return told
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(ask, range(8)))

    assert results == [[f"{name}-{turn}" for turn in range(10)] for name in range(8)]


# TLS


def test_a_client_that_does_not_trust_the_authority_goes_away(
    authority: CertificateAuthority, cafile: Path
) -> None:
    with HTTPServer(("127.0.0.1", 0), ssl_context=authority.server_context()) as server:
        server.registerRoutes(Shop())
        stranger = CertificateAuthority().client_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            open_socket(server, stranger)
        # Others are served as before.
        answer = requests.get(server.url_for("/user/bob"), verify=str(cafile), timeout=scaled(10))
        assert answer.status_code == 200


def test_a_client_that_speaks_plain_HTTP_to_TLS_is_let_go(
    authority: CertificateAuthority,
) -> None:
    with HTTPServer(("127.0.0.1", 0), ssl_context=authority.server_context()) as server:
        with socket.create_connection(server.addr, timeout=scaled(10)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try:
                while sock.recv(4096):
                    pass
            except ConnectionResetError:
                pass
        assert len(server.journal) == 0


def test_PEM_files_serve_as_well_as_a_context(
    authority: CertificateAuthority, cafile: Path, tmp_path: Path
) -> None:
    cert, key = authority.issue_files(tmp_path)
    with HTTPServer(("127.0.0.1", 0), str(key), str(cert)) as server:
        server.registerRoutes(Shop())
        answer = requests.get(
            server.url_for("/user/bob").replace("127.0.0.1", "localhost"),
            verify=str(cafile),
            timeout=scaled(10),
        )
        assert answer.json()["name"] == "bob"
        assert server.journal[0].connection.sni == "localhost"


# Ends that are none


def test_a_client_that_goes_away_in_mid_download_harms_nobody(
    server: HTTPServer, context: ssl.SSLContext | None
) -> None:
    with open_socket(server, context) as sock:
        sock.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(100)
    server.journal.wait_for("/large", state="failed", timeout=scaled(10))
    connection = connect(server, context)
    connection.request("GET", "/user/bob")
    assert connection.getresponse().status == 200
    connection.close()


def test_pipelined_requests_are_answered_in_order(
    server: HTTPServer, context: ssl.SSLContext | None
) -> None:
    paths = ["/user/a", "/async?n=1", "/stream", "/user/b", "/boom", "/user/c"]
    heads = [f"GET {path} HTTP/1.1\r\nHost: a\r\n" for path in paths]
    data = "\r\n".join(heads) + "Connection: close\r\n\r\n"
    with open_socket(server, context) as sock, sock.makefile("rb") as file:
        sock.sendall(data.encode())
        tape = Tape(file.read())
    answers = [tape.read_response() for _ in paths]

    assert [status for status, _ in answers] == [200, 200, 200, 200, 500, 200]
    assert answers[2][1].decode() == TEXT
    assert json.loads(answers[3][1])["name"] == "b"
    assert tape.read() == b""
    exchanges = server.journal.wait_for(count=6, state="complete", timeout=scaled(10))
    assert [one.ordinal for one in exchanges] == [1, 2, 3, 4, 5, 6]


class Tape(io.BytesIO):
    """Responses one behind the other, played to `http.client` as a socket."""

    def read_response(self) -> tuple[int, bytes]:
        response = http.client.HTTPResponse(self)  # type: ignore[arg-type]
        response.begin()
        return response.status, response.read()

    def makefile(self, mode: str) -> Tape:
        return self

    def close(self) -> None:
        """Stay open, as there are more responses to come."""


def test_a_client_may_close_its_sending_side_after_the_request(
    server: HTTPServer, context: ssl.SSLContext | None
) -> None:
    if context is not None:
        pytest.skip("ssl sockets cannot close one side")
    with open_socket(server, context) as sock:
        sock.sendall(b"GET /async?a=b HTTP/1.1\r\nHost: a\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(sock)
        response.begin()
        assert json.loads(response.read()) == {"a": ["b"]}
        response.close()


def test_stop_during_a_download_lets_it_finish(
    server: HTTPServer, context: ssl.SSLContext | None
) -> None:
    connection = connect(server, context)
    connection.request("GET", "/large")
    response = connection.getresponse()
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    try:
        assert len(response.read()) == 8 * MIB
    finally:
        stopping.join(scaled(10))
        connection.close()


def test_the_url_has_the_servers_own_address(server: HTTPServer, scheme: str) -> None:
    parts = urlsplit(server.url)
    assert parts.scheme == ("https" if scheme == "tls" else "http")
    assert (parts.hostname, parts.port) == server.addr
