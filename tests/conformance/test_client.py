"""The client's role against RFC 9110, 9112 and 6455, over real sockets."""

from __future__ import annotations

import io
import urllib.error
from collections import Counter
from collections.abc import Callable

import pytest

from conformance.client_cases import CASES
from conformance.client_role import WAIT_S, Case, check, split_head
from kit import ErrorResponse, HTTPClient, LocalProtocolError, RequestHandle, Response
from support.deadlines import scaled
from support.scripted import Line, ScriptedServer

# Bytes behind a response that come one by one come too late to tell what they are.
ACCEPTED = [case for case in CASES if case.status and case.reuses]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_client_does_what_the_rfc_wants(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.id)
def test_it_does_so_however_the_bytes_arrive(case: Case) -> None:
    check(case, is_bytewise=True)


def test_no_case_is_told_twice() -> None:
    assert [name for name, count in Counter(case.id for case in CASES).items() if count > 1] == []


Ask = Callable[[HTTPClient], RequestHandle]


def record_request(ask: Ask) -> tuple[str, list[tuple[str, str]], bytes]:
    """Return what a client sends: the line, the fields, the body as it goes over the wire."""
    told: list[tuple[str, list[tuple[str, str]], bytes]] = []

    def play(line: Line) -> None:
        first, fields = split_head(line.read_head())
        size = int(dict(fields).get("content-length", "0"))
        body = line.read_body(size)
        while dict(fields).get("transfer-encoding") and not body.endswith(b"0\r\n\r\n"):
            body += line.read_body(1)
        told.append((first, fields, body))
        line.answer()
        line.await_end()

    with ScriptedServer(play) as server, HTTPClient(server.addr) as client:
        assert ask(client).wait(scaled(WAIT_S)).status_code == 200
        host = f"{server.addr[0]}:{server.addr[1]}"
    [(first, fields, body)] = told
    # RFC 9112 section 3.2: one Host, the authority without user information.
    assert [value for name, value in fields if name == "host"] == [host]
    return first, fields, body


REQUESTS: list[tuple[str, str, Ask, str, dict[str, str | None], bytes]] = [
    ("Host is the first field", "9110 7.2", lambda c: c.get("/"), "GET / HTTP/1.1", {}, b""),
    ("no framing without a body", "9110 8.6", lambda c: c.get("/"), "GET / HTTP/1.1",
     {"content-length": None, "transfer-encoding": None}, b""),
    ("nor with DELETE", "9110 8.6", lambda c: c.delete("/"), "DELETE / HTTP/1.1",
     {"content-length": None, "transfer-encoding": None}, b""),
    ("a POST without a body has a length", "9110 8.6", lambda c: c.post("/", None),
     "POST / HTTP/1.1", {"content-length": "0", "transfer-encoding": None}, b""),
    ("so has a PUT", "9110 8.6", lambda c: c.put("/", b""), "PUT / HTTP/1.1",
     {"content-length": "0"}, b""),
    ("a body has its length", "9112 6.2", lambda c: c.post("/", b"hello"), "POST / HTTP/1.1",
     {"content-length": "5", "transfer-encoding": None}, b"hello"),
    ("a length in bytes", "9110 8.6", lambda c: c.post("/", "\xe4"), "POST / HTTP/1.1",
     {"content-length": "2"}, "\xe4".encode()),
    ("a file has its length", "9112 6.2", lambda c: c.put("/", io.BytesIO(b"hello")),
     "PUT / HTTP/1.1", {"content-length": "5", "transfer-encoding": None}, b"hello"),
    ("chunks of their own", "9112 7.1",
     lambda c: c.post("/", b"hello", headers={"Transfer-Encoding": "chunked"}), "POST / HTTP/1.1",
     {"content-length": None, "transfer-encoding": "chunked"}, b"5\r\nhello\r\n0\r\n\r\n"),
    ("the fragment is not sent", "9112 3.2", lambda c: c.get("/a#b"), "GET /a HTTP/1.1", {}, b""),
    ("a query", "9112 3.2.1", lambda c: c.get("/a", {"b": "c d&"}), "GET /a?b=c+d%26 HTTP/1.1",
     {}, b""),
    ("a path is quoted", "9112 3.2.1", lambda c: c.get("/\xe4 b"), "GET /%C3%A4%20b HTTP/1.1",
     {}, b""),
    ("a quoted path stays as it is", "9110 4.2.3", lambda c: c.get("/a%2Fb"),
     "GET /a%2Fb HTTP/1.1", {}, b""),
    ("a method of its own", "9110 9.1", lambda c: c.request("BREW", "/"), "BREW / HTTP/1.1", {},
     b""),
    ("close is said", "9112 9.6", lambda c: c.get("/", headers={"Connection": "close"}),
     "GET / HTTP/1.1", {"connection": "close"}, b""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("ask", "line", "wanted", "body"),
    [pytest.param(*case[2:], id=f"{case[1]}: {case[0]}") for case in REQUESTS],
)
def test_the_client_sends_what_the_rfc_wants(
    ask: Ask, line: str, wanted: dict[str, str | None], body: bytes
) -> None:
    first, fields, sent = record_request(ask)
    assert (first, sent) == (line, body)
    assert fields[0][0] == "host"
    for name, value in wanted.items():
        assert [found for key, found in fields if key == name] == ([] if value is None else [value])


CONTROL = (
    "header A holds the control character b'{}' at index 1 of its value; only a tab is allowed"
)
NO_TOKEN = "header name b'{}' is not a token (RFC 9110 section 5.6.2)"
NO_HOST = "host is malformed: '{}', expected a name or address and a port"


def reason_of(response: Response) -> str:
    assert isinstance(response, ErrorResponse)
    assert isinstance(response.exception, urllib.error.URLError)
    return str(response.exception.reason)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"A": "b\r\nC: d"}, CONTROL.format("\\r")),
        ({"A": "b\nC: d"}, CONTROL.format("\\n")),
        ({"A": "b\0"}, CONTROL.format("\\x00")),
        ({"A\r\nB": "c"}, NO_TOKEN.format("A\\r\\nB")),
        ({"A B": "c"}, NO_TOKEN.format("A B")),
        ({"": "c"}, NO_TOKEN.format("")),
        ({"Content-Length": "7"}, "content-length is 7, but the body has 5 bytes"),
        (
            {"Content-Length": "5", "Transfer-Encoding": "chunked"},
            "content-length and transfer-encoding exclude each other",
        ),
        (
            {"Transfer-Encoding": "gzip"},
            "transfer-encoding is 'gzip', only a single chunked can be sent",
        ),
        ({"Host": "a b"}, NO_HOST.format("a b")),
        ({"Host": "a/b"}, NO_HOST.format("a/b")),
    ],
)
def test_the_client_sends_nothing_that_the_rfc_forbids(
    headers: dict[str, str], reason: str
) -> None:
    received: list[bytes] = []

    def play(line: Line) -> None:
        received.append(line.read_head())

    with ScriptedServer(play) as server, HTTPClient(server.addr) as client:
        try:
            told = reason_of(client.post("/", b"hello", headers=headers).wait(scaled(WAIT_S)))
        except (LocalProtocolError, ValueError) as error:
            told = str(error)
    assert told == reason
    assert b"".join(received) == b""
