"""The client, with HTTP servers that no one here wrote."""

from __future__ import annotations

import contextlib
import hashlib
import io
import socket
import ssl
import threading
import urllib.error
from collections.abc import Iterator

import pytest

from kit import (
    CertificateAuthority,
    ErrorResponse,
    HTTPClient,
    JsonResponse,
    RequestHandle,
    Response,
    Serializable,
    SerializableResponse,
)
from support.deadlines import scaled
from support.origins import ORIGINS, Book, Origin, played, read_head

MIB = 1024 * 1024


class PeerMessage(Serializable):
    """What crosses a foreign server."""

    text: str
    number: int = 0


def wait(handle: RequestHandle) -> Response:
    return handle.wait(scaled(20))


@pytest.fixture(params=sorted(ORIGINS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def origins(authority: CertificateAuthority) -> Iterator[dict[tuple[str, str], Origin]]:
    """One of each for all tests, as some take half a second to stop."""
    contexts = {"plain": None, "tls": authority.server_context()}
    with contextlib.ExitStack() as stack:
        yield {
            (kind, scheme): stack.enter_context(run(Book(), context))
            for kind, run in ORIGINS.items()
            for scheme, context in contexts.items()
        }


def fresh(origin: Origin) -> Iterator[Origin]:
    origin.book.reset()
    yield origin
    origin.book.release.set()


@pytest.fixture
def origin(kind: str, scheme: str, origins: dict[tuple[str, str], Origin]) -> Iterator[Origin]:
    yield from fresh(origins[kind, scheme])


@pytest.fixture
def client(origin: Origin, authority: CertificateAuthority) -> Iterator[HTTPClient]:
    context = authority.client_context() if origin.scheme == "https" else None
    with HTTPClient(origin.address, origin.scheme, ssl_context=context) as client:
        yield client


@pytest.fixture
def aiohttp_origin() -> Iterator[Origin]:
    with ORIGINS["aiohttp"](Book(), None) as origin:
        yield origin


# What comes back


def test_JSON_comes_back_as_a_JsonResponse(client: HTTPClient, origin: Origin) -> None:
    response = wait(client.get("/json/a b", query={"x": ["1", "2"], "y": "ü&="}))

    assert type(response) is JsonResponse
    assert response.status_code == 200
    assert response.payload["query"] == {"x": ["1", "2"], "y": ["ü&="]}
    assert response.payload["host"] == f"127.0.0.1:{origin.address[1]}"
    assert response.exception is None


def test_bytes_come_back_as_they_are(client: HTTPClient) -> None:
    response = wait(client.get("/bytes"))

    assert type(response) is Response
    assert response.payload == bytes(range(256))
    assert response.headers.text("content-type") == "application/octet-stream"


def test_eight_MiB_come_back_whole(client: HTTPClient) -> None:
    assert wait(client.get("/large")).payload == bytes(range(256)) * 32768


def test_a_sink_takes_what_comes(client: HTTPClient) -> None:
    sink = io.BytesIO()

    response = wait(client.get("/large", sink=sink))

    assert response.payload == b""
    assert sink.getvalue() == bytes(range(256)) * 32768


def test_a_streamed_response_comes_back_whole(client: HTTPClient, origin: Origin) -> None:
    response = wait(client.get("/streamed"))

    assert response.payload == b"0123456789" * 100_000
    if origin.streams_chunked:
        assert response.headers.text("transfer-encoding") == "chunked"


@pytest.mark.parametrize("path", ["/packed", "/packed-streamed"])
def test_gzip_is_undone(client: HTTPClient, path: str) -> None:
    assert wait(client.get(path)).text() == "grüße\n" * 10_000


def test_a_message_goes_and_comes_back(client: HTTPClient) -> None:
    response = wait(client.post("/echo", PeerMessage("grüße", 7)))

    assert type(response) is SerializableResponse
    assert response.payload == PeerMessage("grüße", 7)


@pytest.mark.parametrize("status", [400, 401, 404, 409, 418, 500, 503])
def test_an_error_comes_back_as_urllib_has_it(
    client: HTTPClient, origin: Origin, status: int
) -> None:
    response = wait(client.get(f"/status/{status}"))

    assert type(response) is ErrorResponse
    assert response.status_code == status
    assert response.payload == {"status": status}
    error = response.exception
    assert isinstance(error, urllib.error.HTTPError)
    with error:
        assert error.code == status
        assert error.url == origin.url(f"/status/{status}")
        assert error.read() == b'{"status": %d}' % status


@pytest.mark.parametrize("status", [201, 204, 304])
def test_a_status_below_400_is_no_error(client: HTTPClient, status: int) -> None:
    response = wait(client.get(f"/status/{status}"))

    assert response.status_code == status
    assert not isinstance(response, ErrorResponse)
    assert response.body == (b"" if status in (204, 304) else b'{"status": 201}')
    # Nothing of it is left in the way of the next.
    assert wait(client.get("/json")).status_code == 200


def test_every_Set_Cookie_comes_back(client: HTTPClient) -> None:
    response = wait(client.get("/cookies"))

    assert response.headers.get(b"set-cookie") == [b"a=1", b"b=2; Path=/"]


def test_HEAD_has_no_body_to_wait_for(client: HTTPClient) -> None:
    response = wait(client.request("HEAD", "/bytes"))

    assert (response.status_code, response.body) == (200, b"")
    assert wait(client.get("/bytes")).payload == bytes(range(256))


# What is sent


@pytest.mark.parametrize(
    ("payload", "sent", "content_type"),
    [
        ({"a": "ü"}, b'{"a":"\xc3\xbc"}', "application/json"),
        ([1, None], b"[1,null]", "application/json"),
        (b"\x00\xff", b"\x00\xff", "application/octet-stream"),
        ("grüße", "grüße".encode(), "text/plain; charset=utf-8"),
        (b"", b"", "application/octet-stream"),
    ],
)
@pytest.mark.parametrize("method", ["post", "put"])
def test_a_payload_is_sent_by_its_kind(
    client: HTTPClient, origin: Origin, method: str, payload: object, sent: bytes, content_type: str
) -> None:
    told = wait(getattr(client, method)("/json", payload)).json()

    assert told["method"] == method.upper()
    assert told["type"] == content_type
    assert origin.book.asked[0].body == sent


def test_a_file_is_sent_with_its_length(client: HTTPClient) -> None:
    body = bytes(range(256)) * (8 * MIB // 256)
    file = io.BytesIO(b"skipped" + body)
    file.seek(7)

    told = wait(client.put("/json", file)).json()

    assert told["length"] == len(body)
    assert told["sha256"] == hashlib.sha256(body).hexdigest()
    assert told["coding"] is None


def test_a_file_of_unknown_length_is_sent_in_chunks(client: HTTPClient, origin: Origin) -> None:
    if not origin.takes_chunked:
        pytest.skip("this server takes no chunked requests")
    read_end, write_end = socket.socketpair()
    body = bytes(range(256)) * 4096

    def write() -> None:
        with write_end:
            write_end.sendall(body)

    writer = threading.Thread(target=write)
    with read_end, read_end.makefile("rb") as file:
        writer.start()
        told = wait(client.post("/json", file)).json()
        writer.join(scaled(10))

    assert told["length"] == len(body)
    assert told["sha256"] == hashlib.sha256(body).hexdigest()
    assert told["coding"] == "chunked"


def test_DELETE_carries_its_headers(client: HTTPClient, origin: Origin) -> None:
    headers = {"Authorization": "Bearer x", "X-Odd": "grüße".encode("latin-1")}

    told = wait(client.delete("/json", headers=headers)).json()

    assert (told["method"], told["authorization"]) == ("DELETE", "Bearer x")
    assert origin.book.asked[0].header("x-odd") is not None


# Connections


def test_a_connection_is_used_again(client: HTTPClient, origin: Origin) -> None:
    for path in ("/json", "/streamed", "/status/404", "/status/204", "/packed", "/json"):
        wait(client.get(path))
    wait(client.post("/json", {"a": 1}))

    ports = {asked.peer[1] for asked in origin.book.asked}
    assert len(ports) == (1 if origin.keeps_alive else 7)


def test_a_connection_that_the_server_closes_is_not_used_again(
    client: HTTPClient, origin: Origin
) -> None:
    assert wait(client.get("/closing")).payload == b"bye"
    assert wait(client.post("/json", "x")).status_code == 200

    assert len({asked.peer[1] for asked in origin.book.asked}) == 2


def test_a_hundred_in_flight_each_get_their_own(client: HTTPClient, origin: Origin) -> None:
    handles = [client.get("/json", query={"n": str(at)}) for at in range(100)]

    told = [wait(handle).json()["query"]["n"] for handle in handles]

    assert told == [[str(at)] for at in range(100)]
    assert client.pending() == 100
    assert sum(1 for _ in client.getResponses()) == 100
    assert client.pending() == 0
    if origin.keeps_alive:
        assert len({asked.peer[1] for asked in origin.book.asked}) <= 16


def test_callbacks_run_in_update_on_the_callers_thread(client: HTTPClient) -> None:
    seen: list[tuple[int, int]] = []

    def note(response: Response) -> None:
        seen.append((threading.get_ident(), response.status_code))

    handles = [client.get(f"/status/{status}", callback=note) for status in (200, 404, 500)]
    for handle in handles:
        wait(handle)
    assert seen == []

    client.update()

    assert {ident for ident, _ in seen} == {threading.get_ident()}
    assert sorted(status for _, status in seen) == [200, 404, 500]


def test_a_request_in_flight_can_be_cancelled(client: HTTPClient, origin: Origin) -> None:
    called: list[Response] = []
    handle = client.get("/held", callback=called.append)
    assert origin.book.arrived.wait(scaled(20))

    assert handle.cancel()

    origin.book.release.set()
    assert handle.cancelled()
    assert handle.done()
    assert client.pending() == 0
    assert wait(client.get("/json")).status_code == 200
    client.update()
    assert called == []


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_GET_is_followed(client: HTTPClient, origin: Origin, status: int) -> None:
    headers = {"Authorization": "Bearer x", "Cookie": "a=1"}
    handle = client.get(f"/redirect/{status}", {"to": "/json/there?a=b"}, headers)

    response = wait(handle)

    told = response.json()
    assert (told["path"], told["query"]) == ("/json/there", {"a": ["b"]})
    assert (told["authorization"], told["cookie"]) == ("Bearer x", "a=1")
    assert response.url == origin.url("/json/there?a=b")


@pytest.mark.parametrize(
    ("status", "method"),
    [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")],
)
def test_a_redirect_of_POST_keeps_its_body_or_becomes_GET(
    client: HTTPClient, status: int, method: str
) -> None:
    told = wait(client.post(f"/redirect/{status}", {"a": 1}, {"to": "/json"})).json()

    assert told["method"] == method
    assert told["length"] == (0 if method == "GET" else len(b'{"a":1}'))
    assert told["type"] == (None if method == "GET" else "application/json")


def test_307_sends_a_file_once_more(client: HTTPClient) -> None:
    body = bytes(range(256)) * 1024
    told = wait(client.put("/redirect/307", io.BytesIO(body), {"to": "/json"})).json()

    assert told["method"] == "PUT"
    assert told["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_redirect_to_another_origin_does_not_carry_what_is_private(
    client: HTTPClient, origin: Origin, aiohttp_origin: Origin
) -> None:
    headers = {"Authorization": "Bearer x", "Cookie": "a=1", "X-Public": "yes"}
    there = aiohttp_origin.url("/json")

    response = wait(client.get("/redirect/302", {"to": there}, headers))

    told = response.json()
    assert (told["authorization"], told["cookie"]) == (None, None)
    assert told["host"] == "{}:{}".format(*aiohttp_origin.address)
    assert aiohttp_origin.book.asked[0].header("x-public") == "yes"
    assert response.url == there
    assert origin.book.asked[0].header("authorization") == "Bearer x"


def test_a_loop_of_redirects_ends(client: HTTPClient, origin: Origin) -> None:
    response = wait(client.get("/loop"))

    assert type(response) is ErrorResponse
    assert "max_redirects" in str(response.exception)
    assert len(origin.book.asked) == 11


@pytest.mark.parametrize("where", ["/json/a%20b?c=%C3%BC", "/json/a b?c=ü"])
def test_a_Location_may_need_quoting(client: HTTPClient, kind: str, where: str) -> None:
    told = wait(client.get("/redirect/302", {"to": where})).json()

    assert told["path"].replace("%20", " ") == "/json/a b"


# Transports that fail


def reason_of(response: Response) -> BaseException:
    assert type(response) is ErrorResponse
    assert response.status_code == 0
    error = response.exception
    assert isinstance(error, urllib.error.URLError)
    assert isinstance(error.reason, BaseException)
    return error.reason


@pytest.fixture
def closed_port() -> Iterator[int]:
    # Bound and not listening: nobody else can take it meanwhile.
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_a_refused_connection_is_a_URLError(closed_port: int, protocol: str) -> None:
    with HTTPClient(("127.0.0.1", closed_port), protocol) as client:
        assert isinstance(reason_of(wait(client.get("/"))), ConnectionRefusedError)
        assert isinstance(reason_of(wait(client.post("/", b"x"))), ConnectionRefusedError)


@pytest.mark.parametrize("kind", ["werkzeug", "aiohttp"])
def test_a_certificate_that_is_not_trusted_is_a_URLError(
    kind: str, authority: CertificateAuthority
) -> None:
    with ORIGINS[kind](Book(), authority.server_context()) as origin:
        stranger = CertificateAuthority().client_context()
        for context in (None, stranger):
            with HTTPClient(origin.address, "https", ssl_context=context) as client:
                reason = reason_of(wait(client.get("/json")))
            assert isinstance(reason, ssl.SSLCertVerificationError)
        assert origin.book.asked == []


def test_a_certificate_of_another_name_is_a_URLError(authority: CertificateAuthority) -> None:
    context = authority.server_context("elsewhere.test")
    with (
        ORIGINS["aiohttp"](Book(), context) as origin,
        HTTPClient(origin.address, "https", ssl_context=authority.client_context()) as client,
    ):
        reason = reason_of(wait(client.get("/json")))
    assert isinstance(reason, ssl.SSLCertVerificationError)
    assert "not valid for '127.0.0.1'" in str(reason)


def test_TLS_to_a_plain_server_is_a_URLError(aiohttp_origin: Origin) -> None:
    with HTTPClient(aiohttp_origin.address, "https") as client:
        assert isinstance(reason_of(wait(client.get("/json"))), ssl.SSLError)


def test_plain_HTTP_to_a_TLS_server_fails_one_way_or_the_other(
    authority: CertificateAuthority,
) -> None:
    with (
        ORIGINS["aiohttp"](Book(), authority.server_context()) as origin,
        HTTPClient(origin.address) as client,
    ):
        assert isinstance(wait(client.get("/json")), ErrorResponse)


def test_a_server_that_does_not_answer_in_time_is_a_URLError(aiohttp_origin: Origin) -> None:
    book = aiohttp_origin.book
    with HTTPClient(aiohttp_origin.address, timeout_s=scaled(0.2)) as client:
        try:
            reason = reason_of(wait(client.get("/held")))
            assert isinstance(reason, TimeoutError)
            assert "waiting for the response" in str(reason)
            assert wait(client.get("/json")).status_code == 200
        finally:
            book.release.set()


# Connections that go stale: played by hand, as no server closes at a given moment


def say(connection: socket.socket, body: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def test_a_kept_alive_connection_that_closes_on_the_next_request_is_made_up_for() -> None:
    def first(connection: socket.socket) -> None:
        read_head(connection)
        say(connection, b"one")
        read_head(connection)  # and close without an answer

    def second(connection: socket.socket) -> None:
        read_head(connection)
        say(connection, b"two")

    with played(first, second) as address, HTTPClient(address) as client:
        assert wait(client.get("/")).payload == b"one"
        assert wait(client.get("/")).payload == b"two"


def test_a_POST_is_not_sent_twice() -> None:
    def only(connection: socket.socket) -> None:
        read_head(connection)
        say(connection, b"one")
        read_head(connection)

    with played(only) as address, HTTPClient(address) as client:
        assert wait(client.get("/")).payload == b"one"
        assert "closed the connection" in str(reason_of(wait(client.post("/", b""))))


def test_a_connection_closed_while_idle_is_made_up_for_by_POST_too() -> None:
    closed = threading.Event()

    def first(connection: socket.socket) -> None:
        read_head(connection)
        say(connection, b"one")
        connection.close()
        closed.set()

    def second(connection: socket.socket) -> None:
        read_head(connection)
        say(connection, b"two")

    with played(first, second) as address, HTTPClient(address) as client:
        assert wait(client.get("/")).payload == b"one"
        assert closed.wait(scaled(20))
        assert wait(client.post("/", b"")).payload == b"two"


def test_a_new_connection_that_closes_at_once_is_a_URLError() -> None:
    def only(connection: socket.socket) -> None:
        read_head(connection)

    with played(only) as address, HTTPClient(address) as client:
        assert "closed the connection" in str(reason_of(wait(client.get("/"))))


def test_a_body_that_ends_early_is_a_URLError() -> None:
    def only(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")

    with played(only) as address, HTTPClient(address) as client:
        reason_of(wait(client.get("/")))


def test_an_early_refusal_of_a_large_upload_is_heard() -> None:
    def only(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    with played(only) as address, HTTPClient(address) as client:
        response = wait(client.post("/", bytes(32 * MIB)))
    assert (response.status_code, response.payload) == (413, b"no")


def test_a_slow_but_steady_reader_is_not_timed_out() -> None:
    received: list[int] = []
    pause = threading.Event()

    def only(connection: socket.socket) -> None:
        count = len(read_head(connection).partition(b"\r\n\r\n")[2])
        while count < 16 * MIB:
            if count < 8 * MIB:
                # In all twice the time limit; what the kernel holds at the end comes at once.
                pause.wait(scaled(0.03))
            piece = connection.recv(256 * 1024)
            if not piece:
                return
            count += len(piece)
        received.append(count)
        say(connection, b"done")

    with played(only) as address, HTTPClient(address, timeout_s=scaled(0.5)) as client:
        assert wait(client.post("/", bytes(16 * MIB))).payload == b"done"
    assert received == [16 * MIB]
