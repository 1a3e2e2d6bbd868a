"""What clients do sloppily, noted from what servers have recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from kit import HTTPServer, Request, Response, WebSocketOpCode, get, post, websocket
from kit.errors import ConfigurationError
from kit.routing import Resource
from kit.testing import LINT_RULES, CheckedServer, RawClient, VerificationError, format_lint
from support.authority import authority
from support.deadlines import scaled

MARK = b"HTTP/1.1\r\nHost: h\r\n"


class Site(Resource):
    @get("/")
    def read(self, request: Request) -> Response:
        request.read()
        return Response("x")

    @get("/close")
    def close(self, request: Request) -> Response:
        return Response("x", headers={"Connection": "close"})

    @get("/cookie")
    def bake(self, request: Request) -> Response:
        return Response("x", headers={"Set-Cookie": "plain=1; Path=/; Secure"})

    @post("/")
    def write(self, request: Request) -> Response:
        return Response(str(len(request.read())))

    @websocket("/ws")
    def talk(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if payload == "close":
            request.close()


def make_server(*, is_tls: bool = False) -> CheckedServer:
    context = authority().server_context() if is_tls else None
    server = CheckedServer(("127.0.0.1", 0), ssl_context=context)
    server.registerRoutes(Site())
    return server


@pytest.fixture
def server() -> Iterator[CheckedServer]:
    with make_server() as server:
        yield server


def send(server: HTTPServer, data: bytes) -> None:
    """Send requests on a connection of their own, and read all that comes."""
    with RawClient(server.addr, timeout_s=scaled(20)) as client:
        client.send(data)
        client.end()
        client.read_to_end()
    await_done(server)


def await_done(server: HTTPServer) -> None:
    started = len(server.journal)
    server.journal.wait_for(lambda each: each.is_done, count=started, timeout=scaled(20))


def names(server: CheckedServer) -> list[str]:
    return [note.name for note in server.lint()]


def ask(server: CheckedServer, *fields: str, target: str = "/") -> None:
    context = authority().client_context() if server.is_tls else None
    with RawClient(server.addr, context, timeout_s=scaled(20)) as client:
        client.request("GET", target, *fields)
        client.request("GET", target, *fields)  # so that the connection is used again


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", []),
        (b"POST / " + MARK + b"Content-Length: 1\r\n\r\nx", []),
        (b"POST / " + MARK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\n\r\n", []),
        (b"GET / HTTP/1.1\r\n\r\n", ["missing-host"]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", ["repeated-host"]),
        (b"GET / HTTP/1.1\nHost: a\n\n", ["bare-lf"]),
        (b"GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n", ["bare-lf"]),
        (b"GET / HTTP/1.1\n\n", ["missing-host", "bare-lf"]),
        (
            b"POST / " + MARK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ["length-and-chunked"],
        ),
        (b"GET / " + MARK + b"A: b\r\n c\r\n\r\n", ["folded-header"]),
        (b"GET / " + MARK + b"Content-Length: 1\r\n\r\nx", ["body-on-get"]),
        (b"GET / " + MARK + b"Content-Length: 0\r\n\r\n", []),
        (b"GET / HTTP/1.0\r\n\r\n", ["http-1.0"]),
        (b"\x16\x03\x01\n\n nonsense", []),
        (b"GET / HTTP/1.1\r\nHo", []),
        # What stands behind a broken head is not part of it.
        (b"GET / HTTP/1.1\r\nA : b\r\nHost: a\r\n\r\nHost: b\n folded\n", []),
    ],
)
def test_sloppy_heads_are_noted(server: CheckedServer, data: bytes, expected: list[str]) -> None:
    send(server, data)

    assert names(server) == expected


def unmask(client: RawClient) -> None:
    client.send_frame(WebSocketOpCode.Text, b"x", is_masked=False)
    client.read_frame()


def close_well(client: RawClient) -> None:
    client.send_close()
    client.read_frame()


def leave_when_asked(client: RawClient) -> None:
    client.send_frame(WebSocketOpCode.Text, b"close")
    client.read_frame()


def answer_when_asked(client: RawClient) -> None:
    leave_when_asked(client)
    client.send_close()


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (close_well, []),
        (answer_when_asked, []),
        (unmask, ["unmasked-frame"]),
        (RawClient.end, ["no-close-frame"]),
        (leave_when_asked, ["no-close-frame"]),
    ],
)
def test_sloppy_websockets_are_noted(
    server: CheckedServer, act: Callable[[RawClient], None], expected: list[str]
) -> None:
    with RawClient(server.addr, timeout_s=scaled(20)) as client:
        client.upgrade("/ws")
        act(client)
        client.end()
        client.read_to_end()
    await_done(server)

    assert names(server) == expected


def test_a_websocket_that_the_server_ends_is_not_noted() -> None:
    with make_server() as server, RawClient(server.addr, timeout_s=scaled(20)) as client:
        client.upgrade("/ws")
        server.stop()

    assert names(server) == []


# Connections


def test_a_connection_for_each_request_is_noted(server: CheckedServer) -> None:
    for _ in range(5):
        send(server, b"GET / " + MARK + b"\r\n")

    (note,) = server.lint()
    assert note.name == "new-connection"
    assert note.detail == ""


def test_a_client_that_asks_to_close_is_told_so(server: CheckedServer) -> None:
    for _ in range(5):
        send(server, b"GET / " + MARK + b"Connection: close\r\n\r\n")

    (note,) = server.lint()
    assert re.fullmatch(r"[1-4] requests? asked for that by Connection: close", note.detail)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / " + MARK + b"\r\nGET / " + MARK + b"\r\n",
        b"GET /close " + MARK + b"\r\n",
    ],
)
def test_a_connection_with_reason_is_not_noted(server: CheckedServer, data: bytes) -> None:
    for _ in range(3):
        send(server, data)

    assert names(server) == []


def test_clients_are_told_apart_by_their_name(server: CheckedServer) -> None:
    for name in (b"a", b"b", b"c"):
        send(server, b"GET / " + MARK + b"User-Agent: " + name + b"\r\n\r\n")

    assert names(server) == []


def test_a_second_connection_beside_a_busy_one_is_not_noted(server: CheckedServer) -> None:
    with RawClient(server.addr) as first, RawClient(server.addr) as second:
        first.request()
        second.request()

    assert names(server) == []


# Credentials


@pytest.fixture
def two() -> Iterator[tuple[CheckedServer, CheckedServer]]:
    with make_server() as first, make_server(is_tls=True) as second:
        for server in (first, second):
            server.find_neighbours = lambda: [first, second]
        yield first, second


def test_credentials_that_go_to_a_second_server_are_noted_there(
    two: tuple[CheckedServer, CheckedServer],
) -> None:
    first, second = two
    ask(first, "Authorization: Bearer secret-token")
    ask(second, "Authorization: Bearer secret-token")

    assert first.lint() == []
    (note,) = second.lint()
    assert note.name == "credentials-elsewhere"
    assert str(note) == (
        "credentials-elsewhere: credentials that another server got first "
        "(RFC 9110 section 15.4)\n"
        f"Authorization was sent to {first.url} before\nGET / -> 200\nGET / -> 200"
    )


def test_credentials_of_their_own_are_not_noted(two: tuple[CheckedServer, CheckedServer]) -> None:
    first, second = two
    ask(first, "Authorization: Bearer one")
    ask(second, "Authorization: Bearer two")

    assert names(second) == []


@pytest.mark.parametrize(
    ("host", "expected"), [("first.test:1", []), ("second.test", ["credentials-elsewhere"])]
)
def test_a_cookie_is_of_a_host_whatever_its_port(
    two: tuple[CheckedServer, CheckedServer], host: str, expected: list[str]
) -> None:
    first, second = two
    ask(first, "Host: first.test:80", "Cookie: a=b; colour=blue")
    ask(second, f"Host: {host}", "Cookie: colour=blue")

    assert names(second) == expected


@pytest.mark.parametrize(
    ("cookie", "detail"),
    [
        ("sessionid=1", "cookie sessionid, by its name a secret"),
        ("a=b; __Host-x=1", "cookie __Host-x, by its name a secret"),
        ("connect.sid=1", "cookie connect.sid, by its name a secret"),
        ("colour=blue", None),
        ("aside=1", None),
    ],
)
def test_a_cookie_that_is_a_secret_is_noted_over_plain_HTTP(
    two: tuple[CheckedServer, CheckedServer], cookie: str, detail: str | None
) -> None:
    plain, encrypted = two
    ask(encrypted, f"Cookie: {cookie}")
    ask(plain, f"Cookie: {cookie}")

    assert names(encrypted) == []
    assert [note.detail for note in plain.lint() if note.name == "cookie-over-plain"] == (
        [] if detail is None else [detail]
    )


def test_a_cookie_that_was_set_as_Secure_is_noted_over_plain_HTTP(
    two: tuple[CheckedServer, CheckedServer],
) -> None:
    plain, encrypted = two
    ask(encrypted, target="/cookie")
    ask(plain, "Cookie: plain=1")

    (note,) = plain.lint()
    assert note.detail == "cookie plain, which was set as Secure"


# What is told


def test_the_notes_of_a_server_are_told(server: CheckedServer) -> None:
    for _ in range(5):
        send(server, b"GET / HTTP/1.1\r\n\r\n")
    send(server, b"GET / " + MARK + b"A: b\r\n \x1bc\r\n\r\n")

    assert format_lint(server.url, server.lint()) == (
        f"2 notes on the clients of {server.url}:\n"
        "missing-host: HTTP/1.1 without a Host field (RFC 9112 section 3.2)\n"
        + "    b'GET / HTTP/1.1' -> 400, failed: host is missing\n"
        * 3
        + "    and 2 more\n"
        "folded-header: a header field is folded over lines (RFC 9112 section 5.2)\n"
        "    b'GET / HTTP/1.1' -> 400, failed: the control character 0x1b in the header block"
    )


def test_every_rule_names_what_it_stands_on() -> None:
    assert all(re.search(r"\(RFC \d{4} section [\d.]+\)$", text) for text in LINT_RULES.values())


def test_a_strict_server_fails_for_its_clients(server: CheckedServer) -> None:
    send(server, b"GET / HTTP/1.0\r\n\r\n")
    server.verify()
    server.strict = True
    with pytest.raises(VerificationError) as caught:
        server.verify()

    assert str(caught.value) == (
        f"1 problem on {server.url}:\n"
        "1 http-1.0: HTTP/1.0, without Host and keep-alive (RFC 9112 section 2.3)\n"
        "    GET / -> 200\n"
        "where that is meant to happen: server.allow(lint=['http-1.0'])"
    )
    server.allow(lint=["http-1.0"])
    server.verify()


def test_what_is_malformed_is_allowed_beside_the_rule_it_breaks(server: CheckedServer) -> None:
    send(server, b"GET / HTTP/1.1\r\n\r\n")
    server.strict = True
    with pytest.raises(VerificationError) as caught:
        server.verify()

    assert str(caught.value).endswith("server.allow(malformed=True, lint=['missing-host'])")


def test_rules_may_be_allowed_from_the_start() -> None:
    server = CheckedServer(("127.0.0.1", 0), strict=True, allow_lint=["http-1.0"])
    server.registerRoutes(Site())
    with server:
        send(server, b"GET / HTTP/1.0\r\n\r\n")
        server.verify()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["http-2"], f"there is no lint rule 'http-2': expected {', '.join(LINT_RULES)}"),
        (
            "http-1.0",
            "lint rules are given as a list of names, such as [\"http-1.0\"], not 'http-1.0'",
        ),
    ],
)
def test_a_rule_that_there_is_not_is_refused(
    server: CheckedServer, given: list[str], text: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        server.allow(lint=given)

    assert str(caught.value) == text


def test_a_journal_that_was_cleared_still_tells_of_what_failed(server: CheckedServer) -> None:
    send(server, b"GET / HTTP/1.1\r\n\r\n")
    server.journal.clear()

    assert names(server) == ["missing-host"]
