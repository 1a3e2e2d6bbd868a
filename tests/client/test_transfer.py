"""What goes over the wire and comes back."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import socket
import ssl
import struct
import sys
import threading
import urllib.error
from collections.abc import Callable
from typing import Any

import pytest

from kit import (
    BodyError,
    ErrorResponse,
    HTTPClient,
    JsonResponse,
    LimitError,
    Limits,
    LocalProtocolError,
    Request,
    Response,
    Serializable,
    SerializableResponse,
)
from support.authority import authority
from support.deadlines import scaled
from support.scripted import Line, ScriptedServer

Serve = Callable[..., Any]
Connect = Callable[..., HTTPClient]
T = scaled(10)


class Parcel(Serializable):
    weight: int


def tell(request: Request) -> Response:
    return JsonResponse(
        {
            "method": request.method,
            "target": request.target,
            "params": request.params,
            "body": request.read().decode("latin-1"),
            "headers": {
                name.decode(): [value.decode("latin-1") for value in values]
                for name, values in request.headers.items()
            },
        }
    )


@pytest.fixture
def client(serve: Serve, connect: Connect) -> HTTPClient:
    methods = ("GET", "POST", "PUT", "DELETE", "PATCH")
    return connect(serve(*[(method, "/:any*", tell) for method in methods]))


def reason_of(response: Response) -> Any:
    assert isinstance(response, ErrorResponse), response
    assert response.status_code == 0
    assert isinstance(response.exception, urllib.error.URLError)
    return response.exception.reason


# Requests


@pytest.mark.parametrize(
    ("payload", "body", "kind"),
    [
        (b"\0\xff", "\0\xff", "application/octet-stream"),
        (bytearray(b"ab"), "ab", "application/octet-stream"),
        (memoryview(b"ab"), "ab", "application/octet-stream"),
        ("\xe4", "\xc3\xa4", "text/plain; charset=utf-8"),
        ({"a": [1, None]}, '{"a":[1,null]}', "application/json"),
        ([], "[]", "application/json"),
        (Parcel(weight=3), Parcel(weight=3).dumpb().decode("latin-1"), "application/vnd.msgpack"),
        (io.BytesIO(b"file"), "file", "application/octet-stream"),
    ],
)
def test_each_kind_of_payload_has_its_content_type(
    client: HTTPClient, payload: Any, body: str, kind: str
) -> None:
    told = client.post("/", payload).wait(T).payload
    assert told["body"] == body
    assert told["headers"]["content-type"] == [kind]
    assert told["headers"]["content-length"] == [str(len(body))]


def test_no_payload_has_no_content_type(client: HTTPClient) -> None:
    told = client.post("/", None).wait(T).payload
    assert told["body"] == ""
    assert told["headers"]["content-length"] == ["0"]
    assert "content-type" not in told["headers"]


def test_a_content_type_that_is_given_stays(client: HTTPClient) -> None:
    told = client.put("/", "a,b", headers={"content-type": "text/csv"}).wait(T).payload
    assert told["headers"]["content-type"] == ["text/csv"]
    assert told["method"] == "PUT"


@pytest.mark.parametrize("name", ["Accept-Encoding", "User-Agent"])
def test_a_usual_header_that_is_given_replaces_the_clients_own(
    client: HTTPClient, name: str
) -> None:
    usual = client.get("/").wait(T).payload["headers"]
    told = client.get("/", headers={name.upper(): "of my own"}).wait(T).payload["headers"]
    assert told == {**usual, name.lower(): ["of my own"]}


@pytest.mark.parametrize(
    ("query", "target"),
    [
        (None, "/p"),
        ({}, "/p"),
        ({"a": 1, "b": "x y&z"}, "/p?a=1&b=x+y%26z"),
        ({"a": [1, 2]}, "/p?a=1&a=2"),
        ([("a", 1), ("a", "\xe4")], "/p?a=1&a=%C3%A4"),
        ("a=1&b=2", "/p?a=1&b=2"),
        ("a=b c&\xe4=100%", "/p?a=b%20c&%C3%A4=100%25"),
    ],
)
def test_a_query_may_be_given_in_several_forms(client: HTTPClient, query: Any, target: str) -> None:
    assert client.get("/p", query).wait(T).payload["target"] == target


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/a b", "/a%20b"),
        ("/a%20b", "/a%20b"),
        ("/\xe4", "/%C3%A4"),
        ("/100%", "/100%25"),
        ("/a#part", "/a"),
        ("/a?b=1#part", "/a?b=1"),
        ('/"<>', "/%22%3C%3E"),
        ("/a\r\nX: 1", "/a%0D%0AX:%201"),
    ],
)
def test_a_path_is_quoted_where_needed(client: HTTPClient, path: str, target: str) -> None:
    assert client.get(path).wait(T).payload["target"] == target


def test_a_query_is_added_to_the_one_in_the_path(client: HTTPClient) -> None:
    assert client.get("/p?a=1", {"b": 2}).wait(T).payload["params"] == {"a": ["1"], "b": ["2"]}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-One": "1", "X-Two": ["2", "3"]},
        {b"X-One": b"1", b"X-Two": [b"2", b"3"]},
        [("X-One", "1"), ("X-Two", "2"), ("x-two", "3")],
    ],
)
def test_headers_may_be_given_in_several_forms(client: HTTPClient, headers: Any) -> None:
    told = client.get("/", headers=headers).wait(T).payload["headers"]
    assert told["x-one"] == ["1"]
    assert told["x-two"] == ["2", "3"]


def test_a_host_that_is_given_replaces_the_usual_one(client: HTTPClient) -> None:
    told = client.get("/", headers={"Host": "shop.test"}).wait(T).payload["headers"]
    assert told["host"] == ["shop.test"]


def test_a_host_that_is_given_twice_is_an_error(client: HTTPClient) -> None:
    handle = client.get("/", headers=[("Host", "a.test"), ("host", "b.test")])
    assert str(reason_of(handle.wait(T))) == "host is given more than once"


def test_a_length_that_is_given_right_is_sent_once(client: HTTPClient) -> None:
    told = client.post("/", b"abc", headers={"Content-Length": "3"}).wait(T).payload
    assert told["headers"]["content-length"] == ["3"]


def test_a_length_that_is_given_wrong_is_an_error_and_the_client_goes_on(
    client: HTTPClient,
) -> None:
    for _ in range(3):
        handle = client.put("/", b"abc", headers={"Content-Length": "4"})
        reason = reason_of(handle.wait(T))
        assert isinstance(reason, LocalProtocolError)
        assert str(reason) == "content-length is 4, but the body has 3 bytes"
    assert client.get("/").wait(T).status_code == 200


def test_a_file_is_sent_from_where_it_stands(client: HTTPClient) -> None:
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    assert client.post("/", file).wait(T).payload["body"] == "456789"


class Pipe:
    """A file that can only be read, and only once."""

    def __init__(self, *blocks: Any) -> None:
        self._blocks = list(blocks)

    def read(self, _size: int = -1) -> Any:
        block = self._blocks.pop(0) if self._blocks else b""
        if isinstance(block, BaseException):
            raise block
        return block


def test_a_file_of_unknown_length_is_sent_in_chunks(client: HTTPClient) -> None:
    told = client.post("/", Pipe(b"one", b"two")).wait(T).payload  # type: ignore[arg-type]
    assert told["body"] == "onetwo"
    assert told["headers"]["transfer-encoding"] == ["chunked"]


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (OSError(5, "disk gone"), "the payload's file cannot be read: OSError: [Errno 5] disk"),
        ("text", "the payload's file cannot be read: TypeError: string argument"),
    ],
)
def test_a_file_that_cannot_be_read_fails_its_request_alone(
    client: HTTPClient, block: Any, text: str
) -> None:
    assert client.get("/").wait(T).status_code == 200
    reason = reason_of(client.put("/", Pipe(b"a", block)).wait(T))  # type: ignore[arg-type]
    assert str(reason).startswith(text)
    assert client.get("/").wait(T).status_code == 200


def test_a_file_that_shrinks_fails_its_request(client: HTTPClient) -> None:
    class Shrinking(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            return b""

    reason = reason_of(client.post("/", Shrinking(b"abc")).wait(T))
    assert str(reason) == "the body is shorter than its content-length of 3: 3 bytes are missing"


def test_any_method_can_be_used(client: HTTPClient) -> None:
    assert client.request("PATCH", "/", "x").wait(T).payload["method"] == "PATCH"
    assert client.delete("/").wait(T).payload["method"] == "DELETE"


# Responses


def respond(response: Callable[[], Response]) -> Any:
    return ("GET", "/", lambda _: response())


def test_json_messages_and_errors_have_their_classes(serve: Serve, connect: Connect) -> None:
    server = serve(
        ("GET", "/json", lambda _: JsonResponse({"a": 1})),
        ("GET", "/message", lambda _: SerializableResponse(Parcel(weight=1))),
        ("GET", "/error", lambda _: ErrorResponse({"why": "no"}, 409)),
    )
    client = connect(server)
    made = client.get("/json").wait(T)
    assert isinstance(made, JsonResponse)
    assert made.payload == {"a": 1}
    message = client.get("/message").wait(T)
    assert isinstance(message, SerializableResponse)
    assert message.payload == Parcel(weight=1)
    error = client.get("/error").wait(T)
    assert isinstance(error, ErrorResponse)
    assert isinstance(error.exception, urllib.error.HTTPError)
    assert (error.status_code, error.payload) == (409, {"why": "no"})


def test_a_response_larger_than_the_limit_is_an_error_that_names_it(
    serve: Serve, connect: Connect
) -> None:
    server = serve(respond(lambda: Response(bytes(1001))))
    client = connect(server, limits=Limits(response_bytes=1000))
    reason = reason_of(client.get("/").wait(T))
    assert isinstance(reason, LimitError)
    assert str(reason) == (
        f"the response of {server.url}/ is too large to be held (give a sink to write it to): "
        "the limit response_bytes is 1000"
    )


def test_a_response_as_large_as_the_limit_is_held(serve: Serve, connect: Connect) -> None:
    server = serve(respond(lambda: Response(bytes(1000))))
    client = connect(server, limits=Limits(response_bytes=1000))
    assert client.get("/").wait(T).payload == bytes(1000)


def test_a_gzip_bomb_is_not_unpacked(serve: Serve, connect: Connect) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    server = serve(respond(lambda: Response(bomb, headers={"Content-Encoding": "gzip"})))
    client = connect(server, limits=Limits(response_bytes=1_000_000))
    reason = reason_of(client.get("/").wait(T))
    assert isinstance(reason, LimitError)
    assert reason.name == "response_bytes"


def test_a_body_that_is_no_gzip_as_it_says_is_an_error(serve: Serve, connect: Connect) -> None:
    server = serve(respond(lambda: Response(b"plain", headers={"Content-Encoding": "gzip"})))
    assert isinstance(reason_of(connect(server).get("/").wait(T)), BodyError)


def test_a_compressed_response_is_unpacked(serve: Serve, connect: Connect) -> None:
    server = serve(respond(lambda: Response(b"abc" * 1000, compress=True)))
    response = connect(server).get("/").wait(T)
    assert response.payload == b"abc" * 1000
    assert response.headers.text("content-encoding") == "gzip"


def test_a_head_response_has_no_body_though_it_says_gzip(serve: Serve, connect: Connect) -> None:
    server = serve(respond(lambda: Response(b"abc" * 1000, compress=True)))
    response = connect(server).request("HEAD", "/").wait(T)
    assert (response.status_code, response.payload) == (200, b"")


def test_a_sink_takes_more_than_could_be_held(serve: Serve, connect: Connect) -> None:
    server = serve(respond(lambda: Response(bytes([n % 256]) * 1000 for n in range(5000))))
    client = connect(server, limits=Limits(response_bytes=1000))
    sink = io.BytesIO()
    response = client.get("/", sink=sink).wait(T)
    assert (response.status_code, response.payload) == (200, b"")
    assert sink.getvalue() == b"".join(bytes([n % 256]) * 1000 for n in range(5000))


def test_what_goes_to_a_sink_is_asked_for_as_it_is(serve: Serve, connect: Connect) -> None:
    server = serve(respond(lambda: Response(b"abc" * 1000, compress=True)))
    sink = io.BytesIO()
    assert connect(server).get("/", sink=sink).wait(T).status_code == 200
    assert sink.getvalue() == b"abc" * 1000


def test_an_error_does_not_go_to_the_sink(serve: Serve, connect: Connect) -> None:
    server = serve(respond(lambda: ErrorResponse("no", 404)))
    sink = io.BytesIO()
    assert connect(server).get("/", sink=sink).wait(T).payload == b"no"
    assert sink.getvalue() == b""


def test_a_sink_that_raises_fails_the_request_alone(serve: Serve, connect: Connect) -> None:
    class Full(io.BytesIO):
        def write(self, _data: Any) -> int:
            raise OSError(28, "No space left on device")

    client = connect(serve(respond(lambda: Response(b"abc"))))
    reason = reason_of(client.get("/", sink=Full()).wait(T))
    assert str(reason) == "[Errno 28] No space left on device"
    assert client.get("/").wait(T).payload == b"abc"


def test_a_sink_that_takes_little_at_a_time_gets_everything(serve: Serve, connect: Connect) -> None:
    taken: list[bytes] = []

    class Narrow(io.RawIOBase):
        def write(self, data: Any) -> int:
            taken.append(bytes(data[:3]))
            return len(taken[-1])

    client = connect(serve(respond(lambda: Response(b"0123456789"))))
    client.get("/", sink=Narrow()).wait(T)  # type: ignore[arg-type]
    assert b"".join(taken) == b"0123456789"


def test_a_sink_that_takes_no_more_fails_the_request_alone(serve: Serve, connect: Connect) -> None:
    class Stuck(io.RawIOBase):
        def write(self, data: Any) -> int:
            return 0

    client = connect(serve(respond(lambda: Response(b"abc"))))
    reason = reason_of(client.get("/", sink=Stuck()).wait(T))  # type: ignore[arg-type]
    assert str(reason) == "the sink takes no more bytes"
    assert client.get("/").wait(T).payload == b"abc"


# Odd servers


def script(connect: Connect, *scripts: Any, **options: Any) -> tuple[ScriptedServer, HTTPClient]:
    server = ScriptedServer(*scripts)
    return server, connect(server.addr, **options)


def one_answer(data: bytes) -> Callable[[Line], None]:
    def run(line: Line) -> None:
        line.read_head()
        line.send(data)

    return run


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 10,
    ],
)
def test_interim_responses_are_passed_over(connect: Connect, interim: bytes) -> None:
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with ScriptedServer(one_answer(interim + final)) as server:
        assert connect(server.addr).get("/").wait(T).payload == b"ok"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "the peer closed the connection without a response"),
        (b"HTTP/1.1 20", "in the middle of a response head"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "3 "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab", ""),
        (b"hello\r\n\r\n", ""),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "asked for no upgrade"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 100, "more than 64 interim responses"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n", ""),
    ],
)
def test_a_response_that_breaks_the_protocol_is_an_error(
    connect: Connect, data: bytes, text: str
) -> None:
    with ScriptedServer(one_answer(data)) as server:
        assert text in str(reason_of(connect(server.addr).get("/").wait(T)))


def test_a_body_may_end_with_the_connection(connect: Connect) -> None:
    with ScriptedServer(one_answer(b"HTTP/1.0 200 OK\r\n\r\nall of it")) as server:
        assert connect(server.addr).get("/").wait(T).payload == b"all of it"


def test_an_early_refusal_of_an_upload_is_the_response(serve: Serve, connect: Connect) -> None:
    def never(request: Request) -> Response:
        raise AssertionError("the handler was called")

    server = serve(("POST", "/", never))
    client = connect(server)
    for _ in range(3):
        response = client.post("/", bytes(20_000_000)).wait(T)
        assert response.status_code == 413, response


def test_an_early_refusal_leaves_no_broken_connection_behind(connect: Connect) -> None:
    def refuse(line: Line) -> None:
        line.read_head()
        line.answer(b"no", "403 Forbidden")
        with contextlib.suppress(OSError):  # the client may be content, and gone
            line.sock.shutdown(socket.SHUT_WR)
            line.await_end()

    def again(line: Line) -> None:
        line.read_head()
        line.answer(b"next")

    with ScriptedServer(refuse, again) as server:
        client = connect(server.addr, max_connections=1)
        assert client.post("/", bytes(20_000_000)).wait(T).status_code == 403
        assert client.post("/", b"").wait(T).payload == b"next"


class Paused(io.RawIOBase):
    """A file whose second block is there when an event is set."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event
        self._blocks = [b"", b"second", b"first"]

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = self._blocks.pop()
        if block == b"second":
            assert self._event.wait(T)
        return block


@pytest.mark.skipif(sys.platform != "linux", reason="a reset may overtake the response elsewhere")
def test_a_refusal_is_read_though_the_server_has_broken_off_the_upload(connect: Connect) -> None:
    broken = threading.Event()

    def refuse(line: Line) -> None:
        line.read_head()
        line.answer(b"no", "403 Forbidden")
        line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.sock.close()  # which resets
        broken.set()

    with ScriptedServer(refuse) as server:
        client = connect(server.addr)
        response = client.post("/", Paused(broken)).wait(T)  # type: ignore[arg-type]
        assert (response.status_code, response.payload) == (403, b"no"), response


def test_a_response_that_begins_early_does_not_end_the_upload(connect: Connect) -> None:
    size = 8_000_000

    def echo_while_reading(line: Line) -> None:
        line.read_head()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        left = size
        while left:
            step = min(left, 65536)
            line.send(line.read_body(step))
            left -= step
        line.await_end()

    with ScriptedServer(echo_while_reading) as server:
        client = connect(server.addr)
        payload = bytes(range(256)) * (size // 256)
        assert client.post("/", payload).wait(T).payload == payload
        client.stop()


def test_a_server_that_makes_no_progress_runs_into_the_time_limit(connect: Connect) -> None:
    with ScriptedServer(Line.await_end, Line.await_end) as server:
        client = connect(server.addr, timeout_s=0.1)
        reason = reason_of(client.get("/").wait(T))
        assert isinstance(reason, TimeoutError)
        assert str(reason) == "no progress for 0.1 s while waiting for the response"


def test_the_time_limit_holds_in_mid_response(connect: Connect) -> None:
    def stall(line: Line) -> None:
        line.read_head()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        line.await_end()

    with ScriptedServer(stall) as server:
        client = connect(server.addr, timeout_s=0.1)
        assert str(reason_of(client.get("/").wait(T))) == (
            "no progress for 0.1 s while receiving the response"
        )


def test_the_time_limit_holds_for_an_upload_that_nobody_reads(connect: Connect) -> None:
    stop = threading.Event()

    def deaf(line: Line) -> None:
        assert stop.wait(T)

    with ScriptedServer(deaf) as server:
        client = connect(server.addr, timeout_s=0.1)
        reason = reason_of(client.post("/", bytes(50_000_000)).wait(T))
        stop.set()
        assert str(reason) == "no progress for 0.1 s while sending the request"


def test_the_time_limit_holds_in_the_tls_handshake(connect: Connect) -> None:
    with ScriptedServer(Line.await_end) as server:
        context = authority().client_context()
        client = connect(server.addr, protocol="https", ssl_context=context, timeout_s=0.1)
        assert str(reason_of(client.get("/").wait(T))) == (
            "no progress for 0.1 s while in the TLS handshake"
        )


# TLS and addresses


def test_a_certificate_that_nobody_vouches_for_is_an_ssl_error(
    serve: Serve, connect: Connect
) -> None:
    server = serve(respond(lambda: Response(b"x")), tls=True)
    reason = reason_of(connect(server, ssl_context=None).get("/").wait(T))
    assert isinstance(reason, ssl.SSLCertVerificationError)


def test_a_certificate_for_another_name_is_an_ssl_error(serve: Serve, connect: Connect) -> None:
    server = serve(respond(lambda: Response(b"x")), tls=True)
    context = authority().client_context()
    client = connect(("127.0.0.2", server.port), protocol="https", ssl_context=context)
    with socket.create_server(("127.0.0.2", 0)):  # that the address is there at all
        reason = reason_of(client.get("/").wait(T))
    assert isinstance(reason, ssl.SSLError | ConnectionRefusedError)


def test_a_ca_file_makes_a_certificate_valid(serve: Serve, connect: Connect, tmp_path: Any) -> None:
    server = serve(respond(lambda: Response(b"x")), tls=True)
    cafile = authority().write_pem(tmp_path / "ca.pem")
    client = connect(server.addr, protocol="https", cafile=cafile)
    assert client.get("/").wait(T).payload == b"x"


def test_a_tls_response_that_is_cut_off_is_an_error(connect: Connect) -> None:
    def cut(line: Line) -> None:
        line.read_head()
        line.send(b"HTTP/1.0 200 OK\r\n\r\nhalf")
        socket.socket.shutdown(line.sock, socket.SHUT_RDWR)

    with ScriptedServer(cut, context=authority().server_context()) as server:
        client = connect(server.addr, protocol="https", ssl_context=authority().client_context())
        assert str(reason_of(client.get("/").wait(T))) == (
            "the TLS connection was cut off in mid-response"
        )


@pytest.mark.parametrize("tls", [False, True])
def test_ipv6_is_spoken(serve: Serve, connect: Connect, tls: bool) -> None:
    server = serve(("GET", "/:any*", tell), host="::1", tls=tls)
    told = connect(server).get("/").wait(T)
    assert told.payload["headers"]["host"] == [f"[::1]:{server.port}"]
    assert told.url == server.url_for("/")


def test_a_host_name_is_resolved(serve: Serve, connect: Connect) -> None:
    server = serve(("GET", "/:any*", tell))
    told = connect(("localhost", server.port)).get("/").wait(T)
    assert told.payload["headers"]["host"] == [f"localhost:{server.port}"]


@pytest.mark.parametrize(
    ("host", "sent"), [("b\xfccher.test", "xn--bcher-kva.test"), ("\xfc" * 64, "?" * 64)]
)
def test_a_host_name_beyond_ascii_is_sent_in_its_ascii_form(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, host: str, sent: str
) -> None:
    server = serve(("GET", "/", tell))
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", server.addr)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    response = connect((host, server.port)).get("/").wait(T)
    if "?" in sent:  # no name that a resolver can know, so that it is seen in errors alone
        assert f"http://{sent}:{server.port}/" in response.url
    else:
        assert response.payload["headers"]["host"] == [f"{sent}:{server.port}"]


def test_what_tls_has_decrypted_already_is_not_waited_for(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.engine.requester.RECEIVE_BYTES", 100)
    body = bytes(range(256)) * 40  # with its head in one TLS record
    client = connect(serve(respond(lambda: Response(body)), tls=True))
    assert client.get("/").wait(T).payload == body


def test_large_bodies_go_both_ways_over_tls(serve: Serve, connect: Connect) -> None:
    from kit import Resource, post

    class Echo(Resource):
        @post("/echo", max_content_length=20_000_000)
        def echo(self, request: Request) -> Response:
            return Response(request.read())

    client = connect(serve(Echo(), tls=True))
    payload = json.dumps(list(range(1_000_000))).encode()
    handles = [client.post("/echo", payload) for _ in range(3)]
    assert all(handle.wait(T).payload == payload for handle in handles)
