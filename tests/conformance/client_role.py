"""What a case says about a client, and the scripted server that plays it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

from kit import ErrorResponse, HTTPClient, Limits, Response
from support.deadlines import scaled
from support.scripted import Line, ScriptedServer

WAIT_S = 10.0
LIMITS = Limits(head_bytes=2000, head_fields=20, response_bytes=1000)

SECOND = b"the second"


@dataclasses.dataclass(frozen=True)
class Case:
    """Bytes for a client that waits for a response, and what the RFC wants to come of them.

    Attributes:
        name: a sentence, short.
        rfc: the number and section that the expectation is read from.
        sent: what the server sends.
        status: of the response; 0 where it is not to be taken.
        body: what the caller gets.
        reuses: the next request comes over the same connection.
        fields: fields of the response.
        method: the request's.
        ends: the server closes behind what it sends.
    """

    name: str
    rfc: str
    sent: bytes
    status: int
    body: bytes = b""
    reuses: bool = True
    fields: dict[str, bytes] = dataclasses.field(default_factory=dict)
    method: str = "GET"
    ends: bool = False

    @property
    def id(self) -> str:
        return f"{self.rfc}: {self.name}"


def ok(name: str, rfc: str, sent: bytes, body: bytes = b"", **rest: Any) -> Case:
    """Make a case with a response that is taken, 200 unless told otherwise."""
    return Case(name, rfc, sent, rest.pop("status", 200), body, **rest)


def bad(name: str, rfc: str, sent: bytes, **rest: Any) -> Case:
    """Make a case whose response is refused, and its connection not used again."""
    return Case(name, rfc, sent, 0, reuses=False, **rest)


def response(line: str = "HTTP/1.1 200 OK", *fields: str, body: bytes = b"") -> bytes:
    """Return a response; the body's length is not declared."""
    return "\r\n".join([line, *fields, "", ""]).encode("latin-1") + body


def sized(*fields: str, body: bytes = b"hello") -> bytes:
    return response("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *fields, body=body)


def chunked(body: bytes, *fields: str) -> bytes:
    """Return a response with a body that is already in chunks."""
    return response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *fields, body=body)


class Play:
    """A server for one case: the case's bytes, then `SECOND` to whatever comes next.

    Attributes:
        heads: of all requests, with the number of their connection.
    """

    def __init__(self, pieces: list[bytes], *, ends: bool) -> None:
        self._pieces = pieces
        self._ends = ends
        self.heads: list[tuple[int, bytes]] = []
        self.first_ended = threading.Event()

    def server(self) -> ScriptedServer:
        return ScriptedServer(self._play_first, self._play_second)

    def _play_first(self, line: Line) -> None:
        self.heads.append((1, line.read_head()))
        try:
            for piece in self._pieces:
                line.send(piece)
            if self._ends:
                return
            self._answer_all(line, 1)
        except (ConnectionResetError, BrokenPipeError):
            pass  # the client has refused what it got
        finally:
            self.first_ended.set()

    def _play_second(self, line: Line) -> None:
        self._answer_all(line, 2)

    def _answer_all(self, line: Line, number: int) -> None:
        while head := line.read_head():
            self.heads.append((number, head))
            line.answer(SECOND)


def check(case: Case, *, is_bytewise: bool = False) -> None:
    """Play a case to a client and judge what it makes of it."""
    pieces = [case.sent]
    if is_bytewise:
        pieces = [case.sent[index : index + 1] for index in range(len(case.sent))]
    play = Play(pieces, ends=case.ends)
    with play.server() as server, HTTPClient(server.addr, limits=LIMITS) as client:
        first = client.request(case.method, "/first").wait(scaled(WAIT_S))
        _check_response(first, case)
        second = client.get("/second").wait(scaled(WAIT_S))
        assert (second.status_code, second.payload) == (200, SECOND)
        if not case.reuses:
            assert play.first_ended.wait(scaled(WAIT_S)), "the connection was not closed"
    assert [number for number, _ in play.heads] == [1, 1 if case.reuses else 2]


def _check_response(got: Response, case: Case) -> None:
    assert got.status_code == case.status, got.payload
    if case.status == 0:
        assert isinstance(got, ErrorResponse)
        return
    assert got.body == case.body
    for name, value in case.fields.items():
        assert b"|".join(got.headers.get(name, [])) == value


def split_head(head: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Return a request's line, and its fields."""
    line, *fields = head.decode("latin-1").split("\r\n")[:-2]
    return line, list(_split_fields(fields))


def _split_fields(fields: list[str]) -> Iterator[tuple[str, str]]:
    for field in fields:
        name, colon, value = field.partition(":")
        assert colon
        assert value.startswith(" ")
        yield name.lower(), value[1:]
