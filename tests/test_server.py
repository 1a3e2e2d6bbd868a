"""The server as a user holds it: arguments, life, addresses, and what the journal says."""

from __future__ import annotations

import asyncio
import errno
import http.client
import io
import os
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kit import (
    AddressError,
    ConfigurationError,
    HTTPServer,
    Journal,
    JsonResponse,
    Limits,
    PatternError,
    Request,
    Resource,
    Response,
    StateError,
    TlsFileError,
    get,
    websocket,
)
from kit.clock import monotonic
from support.authority import authority
from support.deadlines import scaled
from support.raw import RawClient

ADDR = ("127.0.0.1", 0)
T = scaled(10)


def hello(request: Request) -> Response:
    return Response(b"hello")


def fetch(url: str, context: ssl.SSLContext | None = None) -> bytes:
    with urllib.request.urlopen(url, timeout=T, context=context) as response:
        return bytes(response.read())


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(ADDR) as server:
        server.registerRoutes([("GET", "/", hello)])
        yield server


@pytest.fixture
def pem(tmp_path: Path) -> tuple[Path, Path]:
    """The paths of a certificate and its key."""
    return authority().issue_files(tmp_path / "pem")


# Arguments


@pytest.mark.parametrize(
    "addr",
    [
        "127.0.0.1:80",
        ("127.0.0.1",),
        ("127.0.0.1", 80, 0, 0),
        ("127.0.0.1", "80"),
        ("127.0.0.1", True),
        ("127.0.0.1", 65536),
        ("127.0.0.1", -1),
        ("127.0.0.1", 80.0),
        (b"127.0.0.1", 80),
        (None, 80),
        80,
        None,
    ],
)
def test_an_address_that_cannot_be_is_refused(addr: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HTTPServer(addr)
    assert str(caught.value) == (
        f"addr must be (host, port) with a port of 0 to 65535, not {addr!r}; "
        'port 0 takes a free one, for example ("127.0.0.1", 0)'
    )


def test_a_certificate_without_a_key_is_refused(pem: tuple[Path, Path]) -> None:
    with pytest.raises(TlsFileError, match="given without a private key: give privkey="):
        HTTPServer(ADDR, cert=pem[0])


def test_a_key_without_a_certificate_is_refused(pem: tuple[Path, Path]) -> None:
    with pytest.raises(TlsFileError, match="private key given without a certificate"):
        HTTPServer(ADDR, privkey=pem[1])


def test_swapped_files_are_refused(pem: tuple[Path, Path]) -> None:
    with pytest.raises(TlsFileError, match="were cert and privkey swapped"):
        HTTPServer(ADDR, privkey=pem[0], cert=pem[1])


def test_a_key_of_another_certificate_is_refused(pem: tuple[Path, Path], tmp_path: Path) -> None:
    _, other = authority().issue_files(tmp_path / "other")
    with pytest.raises(TlsFileError, match="does not match the certificate"):
        HTTPServer(ADDR, privkey=other, cert=pem[0])


def test_a_file_that_is_missing_is_refused(pem: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(TlsFileError, match="does not exist: check the path"):
        HTTPServer(ADDR, privkey=tmp_path / "no.pem", cert=pem[0])


def test_a_directory_is_no_key(pem: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(TlsFileError, match="is a directory: give the path of a PEM file"):
        HTTPServer(ADDR, privkey=tmp_path, cert=pem[0])


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="everything is readable to root"
)
def test_a_file_that_must_not_be_read_is_refused(pem: tuple[Path, Path]) -> None:
    pem[1].chmod(0)
    with pytest.raises(TlsFileError, match="cannot be read"):
        HTTPServer(ADDR, privkey=pem[1], cert=pem[0])


def test_files_and_a_context_exclude_each_other(pem: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HTTPServer(ADDR, pem[1], pem[0], ssl_context=authority().server_context())
    assert str(caught.value) == "give either privkey and cert, or ssl_context, not both"


@pytest.mark.parametrize("context", ["cert.pem", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)])
def test_a_context_that_is_not_a_servers_is_refused(context: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"must be an ssl\.SSLContext for servers"):
        HTTPServer(ADDR, ssl_context=context)


def test_an_address_in_use_is_refused_and_can_be_tried_again() -> None:
    with socket.create_server(ADDR) as taken:
        addr = taken.getsockname()
        second = HTTPServer(addr)
        with pytest.raises(AddressError) as caught:
            second.start()
        assert str(caught.value) == (
            f"cannot listen on 127.0.0.1:{addr[1]}: "
            "the address is in use: stop what listens there, or take port 0"
        )
        assert caught.value.errno == errno.EADDRINUSE
        assert caught.value.address == addr
    with second:
        assert second.is_running


def test_two_servers_cannot_share_a_port(server: HTTPServer) -> None:
    with pytest.raises(AddressError, match="the address is in use"):
        HTTPServer(server.addr).start()


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(AddressError) as caught:
        HTTPServer(("192.0.2.1", 0)).start()  # RFC 5737: nobody has it
    assert str(caught.value).endswith("this machine has no such address: take 127.0.0.1 or ::1")


@pytest.mark.parametrize("host", ["no.such.host.invalid", "x" * 64 + ".test", "nul\0", "a..b"])
def test_a_host_that_does_not_resolve_is_refused(host: str) -> None:
    with pytest.raises(AddressError, match="cannot listen on"):
        HTTPServer((host, 0)).start()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="every port is allowed to root")
def test_a_privileged_port_is_refused() -> None:
    with pytest.raises(AddressError, match="ports below 1024 need privileges"):
        HTTPServer(("127.0.0.1", 1)).start()


# Life


def test_a_second_start_is_refused(server: HTTPServer) -> None:
    with pytest.raises(StateError) as caught:
        server.start()
    assert str(caught.value) == f"{server.url} runs already: start() was called twice"
    assert fetch(server.url) == b"hello"


def test_a_start_after_the_stop_is_refused(server: HTTPServer) -> None:
    url = server.url
    server.stop()
    with pytest.raises(StateError) as caught:
        server.start()
    assert str(caught.value) == (
        f"{url} has been stopped and cannot start again: make a new HTTPServer"
    )


def test_a_stop_before_the_start_and_a_second_one_do_nothing() -> None:
    server = HTTPServer(ADDR)
    assert server.stop() == []
    assert server.stop() == []
    assert not server.is_running


def test_start_gives_the_server() -> None:
    server = HTTPServer(ADDR)
    assert server.start() is server
    assert server.stop() == []


def test_a_server_that_was_started_can_be_a_context() -> None:
    with HTTPServer(ADDR).start() as server:
        assert server.is_running
    assert not server.is_running


def test_the_port_is_free_again_after_the_stop(server: HTTPServer) -> None:
    addr = server.addr
    fetch(server.url)
    server.stop()
    with HTTPServer(addr) as again:
        assert again.addr == addr


def test_a_stopped_server_takes_no_connections(server: HTTPServer) -> None:
    server.stop()
    with pytest.raises(urllib.error.URLError):
        fetch(server.url)


def test_an_async_program_is_not_blocked() -> None:
    release = threading.Event()

    def held(request: Request) -> Response:
        assert release.wait(T)
        return Response(b"late")

    async def run() -> tuple[bytes, int]:
        ticks = 0
        async with HTTPServer(ADDR) as server:
            server.registerRoutes([("GET", "/", held)])
            fetched = asyncio.create_task(asyncio.to_thread(fetch, server.url))
            await server.journal.wait_for_async("/", timeout=T)
            stopping = asyncio.create_task(server.__aexit__(None, None, None))
            while ticks < 20:  # the loop goes round while the server waits for the handler
                await asyncio.sleep(0.001)
                ticks += 1
            assert not stopping.done()
            release.set()
            await stopping
            return await fetched, ticks

    assert asyncio.run(run()) == (b"late", 20)


def test_run_serves_until_another_thread_stops_it() -> None:
    server = HTTPServer(ADDR)
    server.registerRoutes([("GET", "/", hello)])
    server.start()
    thread = threading.Thread(target=server.run)
    thread.start()
    assert fetch(server.url) == b"hello"
    server.stop()
    thread.join(T)
    assert not thread.is_alive()


def test_run_starts_a_new_server() -> None:
    server = HTTPServer(ADDR)
    server.registerRoutes([("GET", "/", hello)])
    thread = threading.Thread(target=server.run)
    thread.start()
    pause = threading.Event()
    while not server.is_running:
        pause.wait(0.001)
    assert fetch(server.url) == b"hello"
    server.stop()
    thread.join(T)
    assert not thread.is_alive()


def test_run_returns_at_once_when_it_was_stopped_before() -> None:
    server = HTTPServer(ADDR)
    server.stop()
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    thread.join(T)
    assert not thread.is_alive()


# Addresses


def test_the_address_is_known_after_the_start() -> None:
    server = HTTPServer(ADDR)
    assert server.addr == ADDR
    with pytest.raises(StateError) as caught:
        _ = server.url
    assert str(caught.value) == "the server has no port yet: start() it first"
    for ask in (server.url_for, server.ws_url_for):
        with pytest.raises(StateError):
            ask("/")
    with server:
        assert server.host == "127.0.0.1"
        assert server.port > 0
        assert server.addr == (server.host, server.port)
        assert server.url == f"http://127.0.0.1:{server.port}"


def test_a_fixed_ports_url_is_known_before_the_start() -> None:
    assert HTTPServer(("127.0.0.1", 8080)).url == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("path", "quoted"),
    [
        ("/", "/"),
        ("", "/"),
        ("a", "/a"),
        ("/a b", "/a%20b"),
        ("/a%20b", "/a%20b"),
        ("/\xe4", "/%C3%A4"),
        ("/a?b=c d#e", "/a?b=c%20d#e"),
    ],
)
def test_urls_of_paths_are_quoted_where_needed(server: HTTPServer, path: str, quoted: str) -> None:
    assert server.url_for(path) == server.url + quoted
    assert server.ws_url_for(path) == f"ws://127.0.0.1:{server.port}{quoted}"


def test_an_ipv6_address_stands_in_brackets() -> None:
    with HTTPServer(("::1", 0)) as server:
        server.registerRoutes([("GET", "/", hello)])
        assert server.addr == ("::1", server.port)
        assert server.url == f"http://[::1]:{server.port}"
        assert server.ws_url_for("/x") == f"ws://[::1]:{server.port}/x"
        assert fetch(server.url) == b"hello"
        assert server.journal[0].connection.peer[0] == "::1"


@pytest.mark.parametrize(
    ("host", "dialed"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]")],
)
def test_the_url_of_a_server_on_every_address_can_be_dialed(host: str, dialed: str) -> None:
    with HTTPServer((host, 0)) as server:
        server.registerRoutes([("GET", "/", hello)])
        assert server.url == f"http://{dialed}:{server.port}"
        assert fetch(server.url) == b"hello"


@pytest.mark.parametrize("host", ["localhost", ""])
def test_other_ways_to_name_this_machine_work(host: str) -> None:
    with HTTPServer((host, 0)) as server:
        server.registerRoutes([("GET", "/", hello)])
        assert fetch(server.url) == b"hello"


def test_a_server_tells_what_it_is() -> None:
    server = HTTPServer(("127.0.0.1", 8080))
    assert repr(server) == "<HTTPServer http://127.0.0.1:8080 new, 0 connections>"
    with HTTPServer(ADDR) as running, RawClient(running.addr) as client:
        client.ask("/")
        assert repr(running) == f"<HTTPServer {running.url} running, 1 connections>"


# Routes


def test_routes_can_be_registered_while_it_serves(server: HTTPServer) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(server.url_for("/later"))
    server.registerRoutes([("GET", "/later", hello)])
    assert fetch(server.url_for("/later")) == b"hello"
    assert [route[:2] for route in server.routes()] == [("GET", "/"), ("GET", "/later")]


def test_routes_can_be_registered_by_a_thread_under_load(server: HTTPServer) -> None:
    def register() -> None:
        for n in range(200):
            server.registerRoutes([("GET", f"/n{n}", hello)])

    thread = threading.Thread(target=register)
    with RawClient(server.addr) as client:
        thread.start()
        while thread.is_alive():
            assert client.ask("/").body == b"hello"
        thread.join()
        assert client.ask("/n199").body == b"hello"


def test_a_malformed_pattern_is_refused_and_the_others_stay(server: HTTPServer) -> None:
    with pytest.raises(PatternError, match="it must start with"):
        server.registerRoutes([("GET", "oops", hello)])
    assert fetch(server.url) == b"hello"


# TLS


def test_pem_files_make_a_tls_server(pem: tuple[Path, Path]) -> None:
    with HTTPServer(ADDR, str(pem[1]), str(pem[0])) as server:
        server.registerRoutes([("GET", "/", hello)])
        assert server.is_tls
        assert server.url == f"https://127.0.0.1:{server.port}"
        assert server.ws_url_for("/") == f"wss://127.0.0.1:{server.port}/"
        assert fetch(server.url, authority().client_context()) == b"hello"


def test_a_plain_request_to_a_tls_server_harms_nobody(pem: tuple[Path, Path]) -> None:
    with HTTPServer(ADDR, pem[1], pem[0]) as server:
        server.registerRoutes([("GET", "/", hello)])
        with RawClient(server.addr) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            client.read_to_end()
        assert fetch(server.url, authority().client_context()) == b"hello"


# Bounds


def test_no_more_connections_are_taken_than_allowed() -> None:
    with HTTPServer(ADDR, limits=Limits(connections=2)) as server:
        server.registerRoutes([("GET", "/", hello)])
        with RawClient(server.addr) as first, RawClient(server.addr) as second:
            first.ask("/")
            second.ask("/")
            with RawClient(server.addr) as third:
                third.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert len(server._connections) == 2
                first.close()
                assert third.read_answer().body == b"hello"
                assert len(server._connections) == 2


# Stopping


class Held(Resource):
    def __init__(self) -> None:
        self.release = threading.Event()

    @get("/held")
    def held(self, request: Request) -> Response:
        assert self.release.wait(T)
        return Response(b"late")

    @websocket("/ws")
    def chat(self, request: Any, opcode: Any, payload: Any) -> None: ...


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.release.set()


def test_a_stop_lets_running_handlers_finish(held: Held) -> None:
    server = HTTPServer(ADDR)
    server.registerRoutes(held)
    server.start()
    got: list[bytes] = []
    client = threading.Thread(target=lambda: got.append(fetch(server.url_for("/held"))))
    client.start()
    server.journal.wait_for("/held", timeout=T, state="handling")
    cut: list[list[str]] = []
    stopper = threading.Thread(target=lambda: cut.append(server.stop(grace_s=T)))
    stopper.start()
    held.release.set()
    stopper.join(T)
    client.join(T)
    assert cut == [[]]
    assert got == [b"late"]


def test_a_stop_names_what_it_has_cut(held: Held, caplog: pytest.LogCaptureFixture) -> None:
    def read(client: RawClient) -> None:
        received.append(client.read_to_end())
        held.release.set()  # so that the handler ends as soon as it is cut

    received: list[bytes] = []
    server = HTTPServer(ADDR)
    server.registerRoutes(held)
    server.start()
    url = server.url
    with RawClient(server.addr) as client:
        client.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        server.journal.wait_for("/held", timeout=T, state="handling")
        began = monotonic()
        reader = threading.Thread(target=read, args=(client,))
        reader.start()
        (line,) = server.stop(grace_s=0.05)
        assert monotonic() - began < scaled(3)
        host, port = client.address
        assert line.startswith(f"{host}:{port}: GET /held, in handler Held.held for 0.")
        assert f"{url} had to cut: {line}" in caplog.text
        reader.join(T)
        assert received == [b""]
    assert server.journal[0].is_failed


def test_a_stop_closes_idle_connections_at_once(server: HTTPServer) -> None:
    with RawClient(server.addr) as client:
        client.ask("/")
        began = monotonic()
        assert server.stop() == []
        assert monotonic() - began < scaled(1)
        assert client.is_at_end()


def test_a_stop_closes_websockets_with_1001(held: Held) -> None:
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    server = HTTPServer(ADDR)
    server.registerRoutes(held)
    server.start()
    with connect(server.ws_url_for("/ws")) as ws:
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        with pytest.raises(ConnectionClosed) as caught:
            ws.recv(T)
        stopper.join(T)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001


def test_two_threads_may_stop_it(server: HTTPServer) -> None:
    threads = [threading.Thread(target=server.stop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(T)
    assert not server.is_running


# Observers and the journal


class Seen:
    """Notes what an observer is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def started(self, exchange: Any) -> None:
        self.told.append(("started", exchange.target))

    def progress(self, exchange: Any) -> None:
        self.told.append(("progress", exchange.target))

    def complete(self, exchange: Any) -> None:
        self.told.append(("complete", exchange.target))

    def failed(self, exchange: Any, error: str) -> None:
        self.told.append(("failed", error))


def test_observers_are_told_beside_the_journal(server: HTTPServer) -> None:
    first, second = Seen(), Seen()
    server.add_observer(first)
    server.add_observer(second)
    fetch(server.url_for("/"))
    server.journal.wait_for("/", timeout=T, state="complete")
    server.stop()
    assert first.told == second.told
    assert [what for what, _ in first.told] == ["started", "progress", "complete"]


def test_a_journal_can_be_shared_by_servers() -> None:
    journal = Journal()
    with HTTPServer(ADDR, journal=journal) as one, HTTPServer(ADDR, journal=journal) as two:
        for server in (one, two):
            server.registerRoutes([("GET", "/", hello)])
            fetch(server.url)
        exchanges = journal.wait_for("/", count=2, timeout=T)
        assert [exchange.connection.local for exchange in exchanges] == [one.addr, two.addr]


def assert_times_ascend(exchange: Any) -> None:
    times = [
        exchange.connection.opened_at,
        exchange.received_at,
        exchange.handler_started_at,
        exchange.handled_at,
        exchange.first_byte_at,
        exchange.done_at,
    ]
    assert times == sorted(times)


def test_the_journal_tells_everything_about_a_plain_exchange(server: HTTPServer) -> None:
    def echo(request: Request) -> Response:
        return JsonResponse({"got": request.read().decode()}, 201, {"X-Answer": "yes"})

    server.registerRoutes([("POST", "/user/:name", echo)])
    with RawClient(server.addr) as client:
        client.send(
            b"POST /user/bob?x=1 HTTP/1.1\r\nHost: shop.test\r\nX-Ask: 1\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"
        )
        assert client.read_answer().status == 201
        local = client.address
        client.ask("/")
    exchange, second = server.journal.wait_for(count=2, timeout=T, state="complete")
    assert (exchange.method, exchange.target) == ("POST", "/user/bob?x=1")
    assert exchange.route == "/user/:name"
    assert exchange.matches == {"name": "bob"}
    assert exchange.request_headers.text("x-ask") == "1"
    assert bytes(exchange.request_body) == b"abc"
    assert exchange.request_trailers == [(b"X-Sum", b"6")]
    assert exchange.response_status == 201
    assert exchange.response_headers.text("x-answer") == "yes"
    assert bytes(exchange.response_body) == b'{"got":"abc"}'
    connection = exchange.connection
    assert (connection.role, connection.local, connection.peer) == ("server", server.addr, local)
    assert (connection.tls_version, connection.cipher, connection.sni) == (None, None, None)
    assert (exchange.ordinal, second.ordinal) == (1, 2)
    assert second.connection is connection
    for one in (exchange, second):
        assert_times_ascend(one)


def test_the_journal_tells_everything_about_a_tls_exchange() -> None:
    with HTTPServer(ADDR, ssl_context=authority().server_context()) as server:
        server.registerRoutes([("GET", "/", hello)])
        context = authority().client_context()
        client = http.client.HTTPSConnection("localhost", server.port, timeout=T, context=context)
        client.connect()
        client.request("GET", "/")
        assert client.getresponse().read() == b"hello"
        sock: Any = client.sock
        (exchange,) = server.journal.wait_for("/", timeout=T, state="complete")
        connection = exchange.connection
        assert connection.is_tls
        assert connection.tls_version == sock.version()
        assert connection.cipher == sock.cipher()[0]
        assert connection.sni == "localhost"
        assert connection.alpn == "http/1.1"
        assert connection.handshake_s is not None
        assert connection.handshake_s > 0
        assert_times_ascend(exchange)
        client.close()


def test_the_journal_has_an_exchange_while_its_handler_still_runs(held: Held) -> None:
    with HTTPServer(ADDR) as server:
        server.registerRoutes(held)
        with RawClient(server.addr) as client:
            client.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
            (exchange,) = server.journal.wait_for("/held", timeout=T)
            server.journal.wait_for("/held", timeout=T, state="handling")
            assert exchange.response_status is None
            assert not exchange.is_done
            held.release.set()
            assert client.read_answer().body == b"late"
        server.journal.wait_for("/held", timeout=T, state="complete")
        assert exchange.response_status == 200


def test_handlers_are_found_by_anybody_who_asks(server: HTTPServer) -> None:
    ask: Callable[[Request], Response] = server.router.dispatch
    request = Request(("127.0.0.1", 1), "GET", "/", {}, "", {}, io.BytesIO())
    assert ask(request).payload == b"hello"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"limits": 5}, "limits must be a kit.Limits, such as Limits(), not 5"),
        ({"journal": 5}, "journal must be a kit.Journal, not 5"),
        ({"cert": 5, "privkey": 7}, "certificate must be the path of a PEM file, not 5"),
    ],
)
def test_a_server_names_the_argument_that_cannot_work(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HTTPServer(("127.0.0.1", 0), **arguments)
    assert str(caught.value) == text


def test_a_stop_refuses_a_grace_that_is_no_time_and_goes_on_serving() -> None:
    with HTTPServer(("127.0.0.1", 0)) as server:
        with pytest.raises(ConfigurationError, match=r"grace_s must be seconds, such as 2\.5, not"):
            server.stop(grace_s="x")  # type: ignore[arg-type]
        assert server.is_running
        with pytest.raises(ConfigurationError, match="path must be a str"):
            server.url_for(5)  # type: ignore[arg-type]
