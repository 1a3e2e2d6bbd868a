"""The proxy: real servers behind real servers, on the one relay that both share."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import websockets.exceptions
import websockets.sync.client

from kit import (
    ConfigurationError,
    HTTPClient,
    HTTPServer,
    Journal,
    Limits,
    Proxy,
    Request,
    Response,
    Router,
    StateError,
    Upstream,
    WebSocketOpCode,
    websocket,
)
from support.authority import authority
from support.deadlines import scaled

T = scaled(10)

Front = Callable[..., HTTPServer]


class Chain:
    """An upstream server, and servers in front of it; all end with the test."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.journal = Journal()

    def serve(self, *routes: Any, **options: Any) -> HTTPServer:
        server = HTTPServer(("127.0.0.1", 0), **options)
        server.registerRoutes(list(routes))
        server.start()
        self._stack.callback(server.stop, grace_s=T)
        return server

    def front(self, upstream: HTTPServer | str, path: str = "", **options: Any) -> HTTPServer:
        url = upstream if isinstance(upstream, str) else upstream.url
        options.setdefault("timeout_s", T)
        proxy = self._stack.enter_context(Upstream(url + path, **options))
        proxy.add_observer(self.journal)
        server = self.serve()
        server.fallback = proxy
        return server

    def chain(self, *routes: Any, **options: Any) -> HTTPServer:
        return self.front(self.serve(*routes), **options)


@pytest.fixture
def chain() -> Iterator[Chain]:
    with contextlib.ExitStack() as stack:
        yield Chain(stack)


def ask(
    server: HTTPServer,
    method: str = "GET",
    target: str = "/",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, list[tuple[str, str]], bytes]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=T)
    try:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read()
    finally:
        connection.close()


def dial(server: HTTPServer, **options: Any) -> websockets.sync.client.ClientConnection:
    url = server.ws_url_for("/ws")
    made = websockets.sync.client.connect(url, open_timeout=T, close_timeout=T, **options)
    return cast("websockets.sync.client.ClientConnection", made)


# Requests


def test_a_request_is_passed_on_and_its_answer_back(chain: Chain) -> None:
    def answer(request: Request) -> Response:
        text = f"{request.method} {request.target} {request.read()!r}"
        return Response(text, 201, {"X-Of-Upstream": ["a", "b"]})

    front = chain.chain(("POST", "/a/:rest*", answer))
    status, headers, body = ask(front, "POST", "/a/b%2Fc?q=1&q=2", b"hello")
    assert (status, body) == (201, b"POST /a/b%2Fc?q=1&q=2 b'hello'")
    assert [value for name, value in headers if name == "X-Of-Upstream"] == ["a", "b"]


def test_a_path_of_the_upstream_url_stands_before_each_path(chain: Chain) -> None:
    upstream = chain.serve(("GET", "/v1/items", lambda request: Response(request.target)))
    assert ask(chain.front(upstream, "/v1/"), "GET", "/items?x")[2] == b"/v1/items?x"


def test_host_is_upstreams_and_fields_of_the_connection_stay_behind(chain: Chain) -> None:
    seen: list[Request] = []

    def look(request: Request) -> Response:
        seen.append(request)
        return Response(
            "", 200, {"Connection": "X-Private-Too", "X-Private-Too": "1", "X-Kept": "1"}
        )

    upstream = chain.serve(("GET", "/", look))
    private = {"Connection": "X-Private", "X-Private": "1", "TE": "trailers", "X-Public": "2"}
    private |= {"Proxy-Authorization": "Basic eDp5", "Keep-Alive": "3"}
    _, headers, _ = ask(chain.front(upstream), headers=private)
    (request,) = seen
    names = {name.decode().lower() for name, _ in request.raw_headers}
    assert names == {"host", "accept-encoding", "x-public"}
    assert request.headers.text("host") == f"127.0.0.1:{upstream.port}"
    told = {name.lower() for name, _ in headers}
    assert "x-kept" in told
    assert "x-private-too" not in told


@pytest.mark.parametrize("size", [0, 1, 200_000, 3_000_000])
def test_bodies_of_any_size_go_both_ways(chain: Chain, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    front = chain.chain(("POST", "/", lambda request: Response(request.read())))
    assert ask(front, "POST", "/", body)[2] == body


def test_a_content_coding_is_left_as_it_is(chain: Chain) -> None:
    packed = gzip.compress(b"hello")
    front = chain.chain(("GET", "/", lambda _: Response(packed, 200, {"Content-Encoding": "gzip"})))
    _, headers, body = ask(front, headers={"Accept-Encoding": "gzip"})
    assert (dict(headers)["Content-Encoding"], body) == ("gzip", packed)


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("GZIP;q=0.5,identity", "GZIP;q=0.5,identity"),
        ("br", "identity"),
        ("br, identity;q=0", "gzip"),
    ],
)
def test_upstream_is_asked_for_no_coding_that_cannot_be_undone(
    chain: Chain, asked: str, passed: str
) -> None:
    front = chain.chain(("GET", "/", lambda it: Response(it.headers.text("accept-encoding", ""))))
    assert ask(front, headers={"Accept-Encoding": asked})[2] == passed.encode()


def test_where_nothing_records_upstream_is_asked_for_any_coding(chain: Chain) -> None:
    echo = ("GET", "/", lambda it: Response(it.headers.text("accept-encoding", "")))
    with Upstream(chain.serve(echo).url, timeout_s=T) as proxy:
        front = chain.serve()
        front.fallback = proxy
        assert ask(front, headers={"Accept-Encoding": "br, zstd"})[2] == b"br, zstd"


@pytest.mark.parametrize("status", [204, 304, 302, 404, 500])
def test_a_status_is_passed_on_as_it_comes(chain: Chain, status: int) -> None:
    fields = {"Location": "/elsewhere"} if status == 302 else {}
    front = chain.chain(("GET", "/", lambda _: Response(None, status, fields)))
    got, headers, body = ask(front)
    assert (got, body) == (status, b"")
    assert dict(headers).get("Location") == fields.get("Location")


def test_the_answer_to_head_keeps_its_length(chain: Chain) -> None:
    front = chain.chain(("GET", "/", lambda _: Response(b"12345")))
    _, headers, body = ask(front, "HEAD")
    assert (dict(headers)["Content-Length"], body) == ("5", b"")


def test_an_upstream_with_tls_is_trusted_by_its_authority(chain: Chain) -> None:
    upstream = chain.serve(
        ("GET", "/", lambda request: Response(request.scheme)),
        ssl_context=authority().server_context(),
    )
    front = chain.front(upstream, ssl_context=authority().client_context())
    assert ask(front)[2] == b"https"
    (exchange,) = chain.journal
    assert exchange.url == f"{upstream.url}/"
    assert exchange.connection.tls_version == "TLSv1.3"


def test_a_distrusted_upstream_is_a_502_that_says_what_to_do(chain: Chain) -> None:
    upstream = chain.serve(ssl_context=authority().server_context())
    status, _, body = ask(chain.front(upstream))
    assert status == 502
    assert body.decode().startswith(f"upstream {upstream.url} failed: SSLCertVerificationError: ")
    assert body.decode().endswith("give the client cafile= or ssl_context= to trust it\n")


def test_an_upstream_that_is_gone_is_a_502(chain: Chain) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    status, _, body = ask(chain.front(f"http://127.0.0.1:{port}"))
    assert status == 502
    text = f"upstream http://127.0.0.1:{port} failed: ConnectionRefusedError: "
    assert body.decode().startswith(text)
    (exchange,) = chain.journal
    assert (exchange.error or "").startswith("ConnectionRefusedError: ")


def test_an_upstream_that_does_not_answer_is_a_504(chain: Chain) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        status, _, body = ask(chain.front(url, timeout_s=0.2))
    assert status == 504
    assert "TimeoutError: no progress for 0.2 s while waiting for the response" in body.decode()


def test_a_response_with_a_wrong_status_is_a_502(chain: Chain) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:

        def answer() -> None:
            line, _ = sock.accept()
            with line:
                line.recv(65536)
                line.sendall(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n")
                line.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        status, _, body = ask(chain.front(f"http://127.0.0.1:{sock.getsockname()[1]}"))
        thread.join(T)
    assert status == 502
    assert "999" in body.decode()


def test_a_body_above_the_limit_is_refused(chain: Chain) -> None:
    front = chain.chain(("POST", "/", lambda request: Response()), max_content_length=10)
    assert ask(front, "POST", "/", b"x" * 11)[0] == 413


def test_a_tunnel_is_not_made(chain: Chain) -> None:
    upstream = chain.serve()
    front = chain.front(upstream)
    with socket.create_connection(front.addr, T) as sock:
        sock.sendall(b"CONNECT other:80 HTTP/1.1\r\nHost: other:80\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 501 Not Implemented\r\n")
    assert answer.endswith(f"a proxy of {upstream.url} alone has not\n".encode())
    assert not upstream.journal


def test_more_requests_than_a_leader_could_hold_pass_at_once(chain: Chain) -> None:
    barrier = threading.Barrier(12)

    def meet(request: Request) -> Response:
        barrier.wait(T)
        return Response("met")

    front = chain.chain(("GET", "/", meet))
    got: list[bytes] = []
    threads = [threading.Thread(target=lambda: got.append(ask(front)[2])) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(T)
    assert got == [b"met"] * 12


def test_a_proxy_of_a_proxy_passes_on(chain: Chain) -> None:
    middle = chain.chain(("GET", "/", lambda _: Response("far")))
    assert ask(chain.front(middle))[2] == b"far"


# Streams


def test_a_stream_comes_piece_by_piece_before_its_end(chain: Chain) -> None:
    go_on, ended = threading.Event(), threading.Event()

    def stream(request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            yield b"data: 1\n\n"
            assert go_on.wait(T)
            yield b"data: 2\n\n"
            ended.set()

        return Response(pieces(), 200, {"Content-Type": "text/event-stream"})

    front = chain.chain(("GET", "/", stream))
    connection = http.client.HTTPConnection(front.host, front.port, timeout=T)
    connection.request("GET", "/")
    response = connection.getresponse()
    assert response.getheader("Content-Type") == "text/event-stream"
    assert response.read1(65536) == b"data: 1\n\n"
    assert not ended.is_set()
    go_on.set()
    assert response.read() == b"data: 2\n\n"
    connection.close()


def test_the_trailers_of_a_stream_are_passed_on(chain: Chain) -> None:
    front = chain.chain(("GET", "/", lambda _: Response(["a", "b"], trailers={"X-Sum": "2"})))
    with HTTPClient(front.addr) as client:
        response = client.get("/").wait(T)
    assert response.body == b"ab"
    assert response.trailers.text("X-Sum") == "2"
    [upstream] = chain.journal.wait_for(state="complete", timeout=T)
    assert upstream.response_trailers == [(b"X-Sum", b"2")]


def test_a_stream_that_breaks_upstream_breaks_here(chain: Chain) -> None:
    def stream(request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            yield b"one"
            raise ConnectionAbortedError("on purpose")

        return Response(pieces())

    front = chain.chain(("GET", "/", stream))
    with pytest.raises(http.client.IncompleteRead):
        ask(front)


def test_a_client_that_leaves_ends_the_stream_upstream(chain: Chain) -> None:
    closed = threading.Event()

    def stream(request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            try:
                while True:
                    yield b"x" * 10_000
            finally:
                closed.set()

        return Response(pieces())

    front = chain.chain(("GET", "/", stream))
    connection = http.client.HTTPConnection(front.host, front.port, timeout=T)
    connection.request("GET", "/")
    response = connection.getresponse()
    assert response.read(10_000)
    response.close()
    connection.close()
    assert closed.wait(T)


# Websockets


class Peer:
    """A websocket at the upstream's end, told by a script; its calls are kept."""

    def __init__(self, **options: Any) -> None:
        self.calls: list[tuple[str, str | bytes]] = []
        self.ended = threading.Event()
        self.request: Request

        @websocket("/ws", **options)
        def handle(request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> Any:
            self.request = request
            self.calls.append((opcode.name, payload))
            return self.answer(request, opcode, payload)

        self.route = ("GET", "/ws", handle)

    def answer(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> Any:
        if opcode == WebSocketOpCode.Close:
            self.ended.set()
        elif opcode == WebSocketOpCode.Text and payload == "close":
            request.close(4000, "as you wish")
        elif opcode == WebSocketOpCode.Text and payload == "ping":
            request.ping(b"from upstream")
        elif opcode != WebSocketOpCode.Open:
            request.send(payload)
        return None


def test_messages_of_both_kinds_go_both_ways(chain: Chain) -> None:
    peer = Peer()
    with dial(chain.chain(peer.route)) as socket_:
        for message in ("grüße", b"\0\xff", "x" * 100_000):
            socket_.send(message)
            assert socket_.recv(T) == message


def test_many_messages_stay_in_order(chain: Chain) -> None:
    peer = Peer()
    with dial(chain.chain(peer.route)) as socket_:
        for number in range(300):
            socket_.send(str(number))
        assert [socket_.recv(T) for _ in range(300)] == [str(number) for number in range(300)]


def test_the_close_of_the_client_reaches_upstream(chain: Chain) -> None:
    peer = Peer()
    with dial(chain.chain(peer.route)) as socket_:
        socket_.close(4001, "enough")
    assert peer.ended.wait(T)
    assert (peer.request.close_code, peer.request.close_reason) == (4001, "enough")


def test_the_close_of_upstream_reaches_the_client(chain: Chain) -> None:
    peer = Peer()
    with dial(chain.chain(peer.route)) as socket_:
        socket_.send("close")
        with pytest.raises(websockets.exceptions.ConnectionClosedError) as caught:
            socket_.recv(T)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4000, "as you wish")


def test_a_client_that_vanishes_closes_upstream(chain: Chain) -> None:
    peer = Peer()
    with dial(chain.chain(peer.route)) as socket_:
        socket_.socket.shutdown(socket.SHUT_RDWR)
    assert peer.ended.wait(T)
    assert peer.request.close_code == 1001


def test_pings_are_passed_on_in_both_directions(chain: Chain) -> None:
    peer = Peer()
    upstream = chain.serve(peer.route)
    front = chain.front(upstream)
    with dial(front) as socket_:
        socket_.send("ping")
        socket_.ping(b"from the client").wait(T)
        socket_.send("after")
        assert socket_.recv(T) == "after"

    def pinged(server: HTTPServer, direction: str, payload: bytes) -> None:
        server.wait_for(
            lambda exchange: any(
                (frame.direction, frame.opcode, frame.payload) == (direction, 9, payload)
                for frame in exchange.frames
            ),
            timeout=T,
        )

    pinged(front, "sent", b"from upstream")
    pinged(upstream, "received", b"from the client")


def test_the_subprotocol_is_the_one_that_upstream_chooses(chain: Chain) -> None:
    peer = Peer(subprotocols=["V1.Chat"])
    with dial(chain.chain(peer.route), subprotocols=["a", "V1.Chat"]) as socket_:
        assert socket_.subprotocol == "V1.Chat"
        socket_.send("x")
        assert socket_.recv(T) == "x"


def test_a_refused_handshake_is_refused_here(chain: Chain) -> None:
    peer = Peer()
    peer.answer = lambda *_: Response("not you", 403, {"X-Why": "because"})  # type: ignore[method-assign]
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
        dial(chain.chain(peer.route))
    response = caught.value.response
    assert (response.status_code, response.body, response.headers["X-Why"]) == (
        403,
        b"not you",
        "because",
    )


def test_a_websocket_to_nobody_is_a_502(chain: Chain) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
        dial(chain.front(f"http://127.0.0.1:{port}"))
    assert caught.value.response.status_code == 502
    assert b"ConnectionRefusedError" in (caught.value.response.body or b"")


def test_headers_of_a_websockets_request_are_passed_on(chain: Chain) -> None:
    peer = Peer()
    with dial(chain.chain(peer.route), additional_headers={"X-Mine": "1"}) as socket_:
        socket_.send("x")
        socket_.recv(T)
    assert peer.request.headers.text("x-mine") == "1"


# What observers are told


def test_an_observer_is_told_of_what_upstream_gave(chain: Chain) -> None:
    front = chain.chain(("POST", "/a", lambda _: Response("yes", 201)))
    ask(front, "POST", "/a?b", b"body")
    (exchange,) = chain.journal.wait_for(state="complete", timeout=T)
    assert exchange.connection.role == "client"
    assert (exchange.method, exchange.target, exchange.request_body) == ("POST", "/a?b", b"body")
    assert (exchange.status, exchange.response_body) == (201, b"yes")
    assert exchange.reason == "Created"
    assert exchange.url.startswith("http://127.0.0.1:")


def test_an_observer_is_told_of_every_frame(chain: Chain) -> None:
    peer = Peer()
    with dial(chain.chain(peer.route)) as socket_:
        socket_.send("one")
        socket_.recv(T)
        socket_.send("close")
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            socket_.recv(T)
    (exchange,) = chain.journal.wait_for(state="complete", timeout=T)
    assert [(frame.direction, frame.name) for frame in exchange.frames] == [
        ("sent", "Text"),
        ("received", "Text"),
        ("sent", "Text"),
        ("received", "Close"),
        ("sent", "Close"),
    ]
    assert (exchange.status, exchange.close_code) == (101, 4000)


def test_an_observer_can_be_taken_off(chain: Chain) -> None:
    upstream = chain.serve(("GET", "/", lambda _: Response()))
    with HTTPClient(upstream.addr) as client:
        proxy = Proxy(client, observer=chain.journal)
        front = chain.serve()
        front.fallback = proxy
        proxy.remove_observer(chain.journal)
        assert ask(front)[0] == 200
    assert not chain.journal


# Arguments

NO_UPSTREAM = 'an upstream is told by its base URL, such as "https://api.example.com/v1", not {}'


def test_routes_and_stubs_stand_before_the_fallback(chain: Chain) -> None:
    front = chain.chain(("GET", "/:any", lambda _: Response("upstream")))
    front.registerRoutes([("GET", "/route", lambda _: Response("route"))])
    front.expect("GET", "/stub").respond("stub")
    assert [ask(front, "GET", path)[2] for path in ("/route", "/stub", "/other")] == [
        b"route",
        b"stub",
        b"upstream",
    ]
    front.fallback = None
    assert ask(front, "GET", "/other")[0] == 404


def test_a_stub_that_the_body_decides_leaves_the_rest_to_the_fallback(chain: Chain) -> None:
    front = chain.chain(("POST", "/", lambda request: Response(request.read())))
    front.expect("POST", "/", body="mine").respond("stub")
    assert ask(front, "POST", "/", b"mine")[2] == b"stub"
    assert ask(front, "POST", "/", b"theirs")[2] == b"theirs"


def test_a_router_without_a_server_has_a_fallback_too(chain: Chain) -> None:
    upstream = chain.serve(("GET", "/a", lambda _: Response("upstream")))
    with Upstream(upstream.url, timeout_s=T) as proxy:
        router = Router()
        router.fallback = proxy
        assert (
            router.dispatch(Request(("127.0.0.1", 1), "GET", "/a", {}, "", {}, b"")).status_code
            == 200
        )
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
        asked = Request(("127.0.0.1", 1), "GET", "/a", {}, "", upgrade, b"")
        assert router.resolve(asked).is_websocket


def test_a_stopped_upstream_is_a_502(chain: Chain) -> None:
    upstream = Upstream("http://127.0.0.1:9")
    front = chain.serve()
    front.fallback = upstream
    upstream.stop()
    status, _, body = ask(front)
    assert status == 502
    assert b"StateError: it has been stopped: make a new kit.Upstream" in body


def test_a_proxy_of_a_stopped_client_says_so(chain: Chain) -> None:
    client = HTTPClient(("127.0.0.1", 9), limits=Limits())
    front = chain.serve()
    front.fallback = Proxy(client)
    assert StateError.__name__.encode() in ask(front)[2]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Proxy("x"), "client must be a kit.HTTPClient, not 'x'"),  # type: ignore[arg-type]
        (
            lambda: Proxy(HTTPClient(("h", 1)), path="v1"),
            'path must be "" or begin with "/", as "/v1", not \'v1\'',
        ),
        (
            lambda: Upstream("ftp://x"),
            NO_UPSTREAM.format("'ftp://x'"),
        ),
        (
            lambda: Upstream("https://user:hush@api.test:81/v1"),
            (
                "the URL of the upstream api.test holds credentials, which no request would carry: "
                "leave them out, and have the client send an Authorization header"
            ),
        ),
        (
            lambda: Upstream("http://x:y/"),
            NO_UPSTREAM.format("'http://x:y/'"),
        ),
        (
            lambda: setattr(HTTPServer(("127.0.0.1", 0)), "fallback", "x"),
            "a fallback is a kit.Cassette, a kit.Proxy or None, not 'x'",
        ),
    ],
)
def test_arguments_that_cannot_be_are_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert str(caught.value) == text


def test_reprs_name_the_upstream() -> None:
    assert repr(Proxy(HTTPClient(("::1", 80)), path="/v1")) == "<Proxy of http://[::1]:80/v1>"
    assert repr(Upstream("https://h/v1/")) == "<Upstream https://h:443/v1>"
