"""What a case says about a server, and the server that all cases are sent to."""

from __future__ import annotations

import dataclasses
from typing import Any

from kit import HTTPServer, Limits, Request, Resource, Response, WebSocketOpCode, websocket
from kit.messages import ErrorResponse
from support.raw import Answer, RawClient

LIMITS = Limits(target_bytes=200, head_bytes=2000, head_fields=20, linger_s=0.2)
MAX_SMALL_BODY_BYTES = 10
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "M-SEARCH", "purge")

Status = int | tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Case:
    """Bytes for a server, and what the RFC wants to come of them.

    Attributes:
        name: a sentence, short.
        rfc: the number and section that the expectation is read from.
        sent: what the client sends; for a list, the next piece after each answer.
        statuses: those of the answers, in order; a tuple where the RFC leaves the choice.
        closes: the server closes behind the last answer; else it answers another request.
        methods: what the requests were, where an answer's body depends on it.
        body: the last answer's.
        fields: fields of the last answer; None for one that must be absent.
        ends: the client ends its side behind what it sends.
    """

    name: str
    rfc: str
    sent: bytes | list[bytes]
    statuses: tuple[Status, ...]
    closes: bool = False
    methods: tuple[str, ...] = ()
    body: bytes | None = None
    fields: dict[str, str | None] = dataclasses.field(default_factory=dict)
    ends: bool = False

    @property
    def id(self) -> str:
        return f"{self.rfc}: {self.name}"

    @property
    def pieces(self) -> list[bytes]:
        return self.sent if isinstance(self.sent, list) else [self.sent]


def ok(name: str, rfc: str, sent: bytes | list[bytes], **rest: Any) -> Case:
    """Make a case with one answer, 200."""
    return Case(name, rfc, sent, (200,), **rest)


def bad(name: str, rfc: str, sent: bytes, status: Status = 400, **rest: Any) -> Case:
    """Make a case that the server refuses, and closes the connection."""
    return Case(name, rfc, sent, (status,), closes=True, **rest)


def request(
    line: str = "GET / HTTP/1.1", *fields: str, body: bytes = b"", host: str | None = "a"
) -> bytes:
    """Return a request; the body's length is not declared."""
    lines = [line, *([] if host is None else [f"Host: {host}"]), *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def post(*fields: str, body: bytes = b"", target: str = "/") -> bytes:
    return request(f"POST {target} HTTP/1.1", *fields, body=body)


def chunked(body: bytes, target: str = "/") -> bytes:
    """Return a request with a body that is already in chunks."""
    return post("Transfer-Encoding: chunked", body=body, target=target)


PROBE = request("GET /probe HTTP/1.1")


class _Sockets(Resource):
    @websocket("/ws")
    def echo(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if opcode in (WebSocketOpCode.Text, WebSocketOpCode.Binary):
            request.send(payload)


def _tell(request: Request) -> Response:
    """Send the body back, and beside it what was understood of the head."""
    text = request.headers.get("a", [])
    headers = {
        "Seen-Method": request.method,
        "Seen-Target": request.target,
        "Seen-Path": request.path,
        "Seen-Url": request.url,
        "Seen-A": b"|".join(text),
    }
    return Response(request.read(), 200, headers)


def _answer_status(request: Request) -> Response:
    return Response(None, int(request.matches["status"]))


def _stream(request: Request) -> Response:
    return Response(iter([b"one", b"two"]))


def _fail(request: Request) -> Response:
    return ErrorResponse("no", 400)


def make_server() -> HTTPServer:
    """Make the server; `/` and what is below it echo for every known method."""
    from kit import post as post_route

    class Small(Resource):
        @post_route("/small", max_content_length=MAX_SMALL_BODY_BYTES)
        def take(self, request: Request) -> Response:
            return _tell(request)

    server = HTTPServer(("127.0.0.1", 0), limits=LIMITS)
    server.registerRoutes(Small())
    server.registerRoutes(_Sockets())
    server.registerRoutes(
        [
            ("GET", "/status/:status", _answer_status),
            ("GET", "/stream", _stream),
            ("GET", "/fail", _fail),
            ("GET", "/only-get", _tell),
        ]
    )
    server.registerRoutes([(method, "/x/:rest*", _tell) for method in METHODS])
    server.registerRoutes([(method, "/", _tell) for method in METHODS])
    server.registerRoutes([("GET", "/probe", _tell)])
    return server


def check(client: RawClient, case: Case, *, is_bytewise: bool = False) -> None:
    """Send a case's bytes and judge all that comes back."""
    send = client.send_bytewise if is_bytewise else client.send
    methods = (*case.methods, *["GET"] * len(case.statuses))
    pieces = list(case.pieces)
    send(pieces.pop(0))
    if case.ends:
        client.end()
    answers: list[Answer] = []
    for status, method in zip(case.statuses, methods, strict=False):
        answer = client.read_answer(method)
        if answer.status == 100 and status != 100:
            # RFC 9110 section 10.1.1: whether it is sent is the server's choice here.
            answer = client.read_answer(method)
        answers.append(answer)
        _check_answer(answer, status, method)
        if pieces:
            send(pieces.pop(0))
    last = answers[-1]
    if case.body is not None:
        assert last.body == case.body
    for name, value in case.fields.items():
        assert last.value(name) == value, f"{name} in {last.fields}"
    if case.closes:
        assert client.is_at_end(), "the server did not close the connection"
        # RFC 9112 section 9.6: who closes says so in the last response.
        assert "close" in (last.value("connection") or "").lower()
    elif last.status != 101:
        client.send(PROBE)
        probe = client.read_answer()
        assert (probe.status, probe.value("seen-target")) == (200, "/probe")


def _check_answer(answer: Answer, status: Status, method: str) -> None:
    wanted = status if isinstance(status, tuple) else (status,)
    assert answer.status in wanted, f"{answer.status} {answer.body[:200]!r}"
    length, coding = answer.value("content-length"), answer.value("transfer-encoding")
    # RFC 9110 section 8.6 and RFC 9112 section 6.1.
    if answer.status < 200 or answer.status == 204:
        assert length is None
        assert coding is None
        return
    assert answer.value("date") is not None  # RFC 9110 section 6.6.1
    assert length is None or coding is None  # RFC 9112 section 6.2
    if answer.status == 405:
        assert answer.value("allow") is not None  # RFC 9110 section 15.5.6
    if answer.status == 426:
        assert answer.value("upgrade") is not None  # RFC 9110 section 15.5.22
