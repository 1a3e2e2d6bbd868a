"""A recorded answer is compared with the present one; tests/plugin has whole cassettes."""

from __future__ import annotations

import pytest

import kit
from kit.record.entry import RecordedRequest, RecordedResponse
from kit.record.ignoring import Ignoring
from kit.record.verifying import compare_entries
from support.deadlines import scaled


class Talk(kit.Resource):
    """Says what it is told to, on each websocket."""

    def __init__(self, *said: str | bytes) -> None:
        self._said = said

    @kit.websocket("/talk")
    def talk(self, request: kit.Request, opcode: kit.WebSocketOpCode, payload: str | bytes) -> None:
        if opcode is kit.WebSocketOpCode.Open:
            for each in self._said:
                request.send(each)
            request.close()


def talk_once(*said: str | bytes) -> kit.har.Entry:
    """Have one websocket's exchange in a recording."""
    with kit.HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes(Talk(*said))
        client = kit.HTTPClient(server.addr)
        client.start()
        socket = client.websocket("/talk")
        while socket.receive(scaled(30))[0] is not kit.WebSocketOpCode.Close:
            pass
        client.stop()
        server.journal.wait_for(state="complete", timeout=scaled(30))
        (entry,) = kit.har.entries_of(server.journal)
    return entry


def compare(recorded: kit.har.Entry, present: kit.har.Entry, *rules: str) -> list[str]:
    told = compare_entries(recorded, present, Ignoring(rules), set())
    return [] if told is None else [line.strip() for line in told.splitlines()[1:]]


def test_websockets_on_which_the_same_was_said_are_the_same() -> None:
    assert compare(talk_once("a", b"b"), talk_once("a", b"b")) == []


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (("a", "c"), "message 2"),
        (("a",), "messages: expected 2, got 1"),
        (("a", b"b"), "message 2: expected receive 1, got receive 2"),
    ],
    ids=["another text", "one less", "another kind"],
)
def test_what_is_said_otherwise_is_told(now: tuple[str | bytes, ...], told: str) -> None:
    lines = compare(talk_once("a", "b"), talk_once(*now))
    assert [line for line in lines if told in line]


def answer(body: bytes, kind: str, *fields: tuple[bytes, bytes], port: int = 1) -> kit.har.Entry:
    return kit.har.Entry(
        started_at=0.0,
        request=RecordedRequest(method="GET", url=f"http://127.0.0.1:{port}/a"),
        response=RecordedResponse(
            status=200, headers=((b"Content-Type", kind.encode()), *fields), body=body
        ),
    )


EVENTS, NDJSON = "text/event-stream", "application/x-ndjson"


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        (EVENTS, b'data: {"id": 1, "n": 2}\n\n', b': hello\r\ndata:{"n":2,"id":3}\r\n\r\n'),
        (EVENTS, b"event: a\ndata: x\ndata: y\n\n", b"event: a\ndata: x\ndata: y\n\n:\n\n"),
        (NDJSON, b'{"id": 1, "n": 2}\n{"n": 3}\n', b'{"n":2,"id":9}\r\n{"n": 3, "id": 4}'),
        ("application/json-seq", b'\x1e{"n": 1}\n', b'\x1e{"n":1,"id":2}\n'),
    ],
)
def test_streams_are_compared_by_value_piece_by_piece(
    kind: str, before: bytes, after: bytes
) -> None:
    ignored: set[str] = set()
    told = compare_entries(
        answer(before, kind), answer(after, kind), Ignoring(["json:id"]), ignored
    )
    assert told is None


def test_what_is_ignored_in_a_stream_is_told() -> None:
    first, second = (answer(b'data: {"id": %d}\n\n' % number, EVENTS) for number in (1, 2))
    ignored: set[str] = set()
    assert compare_entries(first, second, Ignoring(["json:id"]), ignored) is None
    assert ignored == {"json:id"}


@pytest.mark.parametrize(
    ("kind", "before", "after", "told"),
    [
        (
            NDJSON,
            b'{"n":1}\n{"n":2}',
            b'{"n":1}\n{"n":3}',
            ["✗ event 2: json: $.n: expected 2, got 3"],
        ),
        (NDJSON, b"{}\n{}", b"{}", ["✗ events: expected 2, got 1"]),
        (
            EVENTS,
            b"event: a\ndata: 1\n\n",
            b"event: b\ndata: 1\n\n",
            ["✗ event 1: expected event a, got event b"],
        ),
        (EVENTS, b"id: 1\ndata: 1\n\n", b"data: 1\n\n", ["✗ event 1: expected id 1, got data"]),
    ],
)
def test_a_piece_that_differs_is_told(
    kind: str, before: bytes, after: bytes, told: list[str]
) -> None:
    assert compare(answer(before, kind), answer(after, kind)) == told


def test_of_streams_that_have_nothing_in_common_the_first_pieces_are_told() -> None:
    streams = (b"".join(b'{"n":%d}\n' % (each + more) for each in range(1000)) for more in (0, 1))
    before, after = (answer(each, NDJSON) for each in streams)
    lines = compare(before, after)
    assert len(lines) == 20


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("/a", "/b", ["✗ header Location: expected /a, got /b"]),
        ("http://127.0.0.1:1/a", "http://127.0.0.1:2/a", []),
        ("http://127.0.0.1:1/a", "/a", []),
        (
            "http://127.0.0.1:11/a",
            "http://127.0.0.1:22/a",
            ["✗ header Location: expected http://127.0.0.1:11/a, got http://127.0.0.1:22/a"],
        ),
    ],
)
def test_where_an_answer_points_to_is_compared(before: str, after: str, told: list[str]) -> None:
    first = answer(b"", "text/plain", (b"Location", before.encode()), port=1)
    second = answer(b"", "text/plain", (b"Location", after.encode()), port=2)
    assert compare(first, second) == told
    assert compare(first, second, "header:LOCATION") == []


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        ("text/html; charset=utf-8", "Text/HTML;charset=UTF-8", True),
        ("multipart/mixed; boundary=a", "multipart/mixed; boundary=b", True),
        ("text/html", "text/plain", False),
        ("text/html; charset=utf-8", "text/html; charset=latin-1", False),
    ],
)
def test_the_content_type_is_compared(before: str, after: str, is_same: bool) -> None:
    lines = compare(answer(b"x", before), answer(b"x", after))
    assert lines == [] if is_same else [f"✗ header Content-Type: expected {before}, got {after}"]
    assert compare(answer(b"x", before), answer(b"x", after), "header:content-type") == []


def test_a_header_that_is_ignored_is_told_if_it_differs() -> None:
    rules, ignored = Ignoring(["header:Content-Type", "header:Location"]), set[str]()
    assert compare_entries(answer(b"", "a/b"), answer(b"", "a/c"), rules, ignored) is None
    assert ignored == {"header:content-type"}
