"""What clients do sloppily, noted from what servers have recorded."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit import HTTPServer, Request, Response, WebSocketOpCode, get, post, websocket
from kit.errors import ConfigurationError
from kit.record import Exchange
from kit.record.heads import parse_fields
from kit.routing import Resource
from kit.testing import (
    LINT_RULES,
    CheckedServer,
    RawClient,
    VerificationError,
    find_lint,
    format_lint,
)
from support.authority import authority
from support.deadlines import scaled
from support.exchanges import Head, answer, make_connection, make_exchange

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
        return Response("x", headers={"Set-Cookie": request.params["set"][0]})

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
        (b"POST / " + MARK + b"Transfer-Encoding: chunked\r\n\r\n0\n\n", ["bare-lf"]),
        (b"POST / " + MARK + b"Transfer-Encoding: chunked\r\n\r\n1;a\nx\r\n", ["bare-lf"]),
        (b"POST / " + MARK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\n0\r\n", ["bare-lf"]),
        (
            b"POST / " + MARK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ["length-and-chunked"],
        ),
        ("GET /\xe4 HTTP/1.1\r\n\r\n".encode("latin-1"), ["missing-host"]),
        (b"POST / " + MARK + b"Content-Length: 2\r\n\r\n\n ", []),
        (b"GET / " + MARK + b"A: b\r\n c\r\n\r\n", ["folded-header"]),
        (b"GET / " + MARK + b"A: b\r\n\t\r\nB: c\r\n\r\n", ["folded-header"]),
        (b"GET / " + MARK + b"Content-Length: 1\r\n\r\nx", ["body-on-get"]),
        (b"HEAD / " + MARK + b"Content-Length: 1\r\n\r\nx", ["body-on-get"]),
        (b"GET /nowhere " + MARK + b"Content-Length: 1\r\n\r\nx", ["body-on-get"]),
        (b"GET / " + MARK + b"Content-Length: 9000000\r\n\r\nx", ["body-on-get"]),
        (
            b"GET / " + MARK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            ["body-on-get"],
        ),
        (b"GET / " + MARK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []),
        (b"GET / " + MARK + b"Content-Length: 0\r\n\r\n", []),
        (b"DELETE / " + MARK + b"Content-Length: 1\r\n\r\nx", []),
        (b"GET / HTTP/1.0\r\n\r\n", ["http-1.0"]),
        (b"GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", ["http-1.0"]),
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


def test_connections_that_are_open_at_once_are_not_noted(server: CheckedServer) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(RawClient(server.addr, timeout_s=scaled(20))).request()

    assert names(server) == []


def play(
    *, opened: float, closed: float | None, end: str | None, field: bytes = b"X-A: b"
) -> list[Exchange]:
    """Make two exchanges on connections of their own: one is done at 1 s, one comes at 5 s."""
    made = []
    for at, opened_at in ((0.9, 0.0), (5.0, opened)):
        connection = make_connection()
        connection.opened_at, connection.requests = opened_at, 1
        exchange = make_exchange(connection=connection)
        raw = b"GET / HTTP/1.1\r\nHost: h\r\n" + field + b"\r\n\r\n"
        exchange.request_head = Head(raw_headers=parse_fields(raw), raw=raw)
        exchange.received_at = at
        answer(exchange).done_at = at + 0.1
        made.append(exchange)
    first = made[0].connection
    first.closed_at, first.end = closed, end
    return made


@pytest.mark.parametrize(
    ("options", "is_noted"),
    [
        ({"opened": 2.0, "closed": 1.5, "end": "by the peer"}, True),
        ({"opened": 2.0, "closed": 1.5, "end": "by the peer, with a reset"}, True),
        # It was told of in the same breath, after the new one.
        ({"opened": 1.1, "closed": 1.2, "end": "by the peer"}, True),
        (
            {
                "opened": 2.0,
                "closed": 1.5,
                "end": "after the response",
                "field": b"Connection: close",
            },
            True,
        ),
        # It was in use when the new one was opened.
        ({"opened": 0.5, "closed": 1.5, "end": "by the peer"}, False),
        # It stayed open beside the new one.
        ({"opened": 2.0, "closed": None, "end": None}, False),
        ({"opened": 2.0, "closed": 5.5, "end": "by the peer"}, False),
        # The client had no use for it for some time.
        ({"opened": 4.0, "closed": 2.5, "end": "by the peer"}, False),
        # It was the server that closed it.
        ({"opened": 2.0, "closed": 1.5, "end": "as it was idle for 0.4 s"}, False),
        ({"opened": 2.0, "closed": 1.5, "end": "as the server stopped"}, False),
    ],
)
def test_a_new_connection_is_noted_if_the_last_one_was_thrown_away(
    options: dict[str, Any], is_noted: bool
) -> None:
    expected = ["new-connection"] if is_noted else []

    assert [note.name for note in find_lint(play(**options))] == expected


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
        ("apikey=1", "cookie apikey, by its name a secret"),
        ("a=1; db_password=2", "cookie db_password, by its name a secret"),
        ("PHPSESSID=1", "cookie PHPSESSID, by its name a secret"),
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
    ask(encrypted, target="/cookie?set=plain%3D1%3B+Path%3D/%3B+Secure")
    ask(plain, "Cookie: plain=1")

    (note,) = plain.lint()
    assert note.detail == "cookie plain, which was set as Secure"


@pytest.mark.parametrize(
    ("baked", "sent", "expected"),
    [
        ("sid%3D1", "sid=1", []),
        ("sid%3D%221%22", 'sid="1"', []),
        ("sid%3D1", "sid=2", ["cookie-over-plain"]),
        ("sid%3D1%3B+Secure", "sid=1", ["cookie-over-plain"]),
    ],
)
def test_a_client_that_sends_back_what_plain_HTTP_gave_it_is_not_noted(
    server: CheckedServer, baked: str, sent: str, expected: list[str]
) -> None:
    ask(server, target=f"/cookie?set={baked}")
    ask(server, f"Cookie: {sent}")

    assert names(server) == expected


@pytest.mark.parametrize(
    ("baked", "hosts", "expected"),
    [
        # Both servers have set the same.
        ("lang%3Den", ("first.test", "second.test"), []),
        ("lang%3Dde", ("first.test", "second.test"), ["credentials-elsewhere"]),
    ],
)
def test_a_cookie_that_a_server_has_set_itself_is_its_own(
    two: tuple[CheckedServer, CheckedServer],
    baked: str,
    hosts: tuple[str, str],
    expected: list[str],
) -> None:
    first, second = two
    ask(first, f"Host: {hosts[0]}", "Cookie: lang=en")
    ask(second, f"Host: {hosts[1]}", target=f"/cookie?set={baked}")
    ask(second, f"Host: {hosts[1]}", "Cookie: lang=en")

    assert names(second) == expected


@pytest.mark.parametrize(
    ("domain", "host", "expected"),
    [
        ("shop.test", "b.shop.test", []),
        (".Shop.test", "shop.test:8443", []),
        ("shop.test", "b.other.test", ["credentials-elsewhere"]),
        # A domain that does not hold the host that says it is none.
        ("other.test", "b.other.test", ["credentials-elsewhere"]),
    ],
)
def test_a_cookie_may_be_of_a_whole_domain(
    two: tuple[CheckedServer, CheckedServer], domain: str, host: str, expected: list[str]
) -> None:
    first, second = two
    ask(first, "Host: a.shop.test", target=f"/cookie?set=lang%3Den%3B+Domain%3D{domain}")
    ask(first, "Host: a.shop.test", "Cookie: lang=en")
    ask(second, f"Host: {host}", "Cookie: lang=en")

    assert names(second) == expected


@pytest.mark.parametrize(
    ("baked", "host", "expected"),
    [
        ("sid%3D1%3B+Domain%3Dshop.test", "b.shop.test", []),
        ("sid%3D1%3B+Domain%3Dshop.test", "a.shop.test", []),
        ("sid%3D1%3B+Domain%3Dshop.test", "b.other.test", ["cookie-over-plain"]),
        ("sid%3D2%3B+Domain%3Dshop.test", "b.shop.test", ["cookie-over-plain"]),
        ("sid%3D1%3B+Domain%3Dother.test", "b.other.test", ["cookie-over-plain"]),
        ("sid%3D1%3B+Secure%3B+Domain%3Dshop.test", "b.shop.test", ["cookie-over-plain"]),
        ("sid%3D1", "b.shop.test", ["cookie-over-plain"]),
    ],
)
def test_a_cookie_of_a_domain_may_go_to_all_of_its_hosts_over_plain_HTTP(
    server: CheckedServer, baked: str, host: str, expected: list[str]
) -> None:
    ask(server, "Host: a.shop.test", target=f"/cookie?set={baked}")
    ask(server, f"Host: {host}", "Cookie: sid=1")

    assert names(server) == expected


def test_credentials_that_were_here_first_are_not_noted(
    two: tuple[CheckedServer, CheckedServer],
) -> None:
    first, second = two
    ask(second, "Authorization: Bearer secret-token")
    ask(first, "Authorization: Bearer secret-token")
    ask(second, "Authorization: Bearer secret-token")

    assert names(second) == []
    assert names(first) == ["credentials-elsewhere"]


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
        "1 http-1.0: HTTP/1.0 in place of HTTP/1.1 (RFC 9112 section 2.3)\n"
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


TEXTS = {
    "bare-lf": "a line ends in LF without CR (RFC 9112 section 2.2)",
    "length-and-chunked": "Content-Length beside Transfer-Encoding (RFC 9112 section 6.2)",
    "unmasked-frame": "a websocket frame is not masked (RFC 6455 section 5.3)",
    "no-close-frame": "a websocket was left without a Close frame (RFC 6455 section 7.1.2)",
    "cookie-over-plain": "a cookie that is a secret, over plain HTTP (RFC 6265 section 8.3)",
    "new-connection": (
        "a new connection for each request, although the last one was kept open "
        "(RFC 9112 section 9.3)"
    ),
}


@pytest.mark.parametrize("rule", sorted(TEXTS))
def test_a_rule_says_what_is_sloppy_and_where_that_is_written(rule: str) -> None:
    assert LINT_RULES[rule] == TEXTS[rule]
