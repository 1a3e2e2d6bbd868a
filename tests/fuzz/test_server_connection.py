"""A whole connection of a running server: any requests and any garbage, in any pieces."""

from __future__ import annotations

import itertools
import logging
import threading

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from kit import HTTPServer, Limits, Request, Response
from support.raw import RawClient, make_request

LIMITS = Limits(linger_s=0.2, head_bytes=2000)
MALFORMED = [
    *(b"GET  / HTTP/1.1\r\n\r\n", b"\0", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/3.0\r\n"),
    *(b"GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n"),
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
]

bodies = st.binary(max_size=200)
cuts = st.lists(st.integers(1, 60), max_size=6)


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def echo(request: Request) -> Response:
    return Response(request.matches["number"].encode() + b":" + request.read())


def stream(request: Request) -> Response:
    number = request.matches["number"]
    return Response(iter([number, ":", "stream"]))


def refuse(request: Request) -> Response:
    return Response(request.matches["number"] + ":", 418)


class Connection(RuleBasedStateMachine):
    """Sends to one connection, and knows which answers must come, in which order."""

    def __init__(self) -> None:
        super().__init__()
        self.errors = _Errors()
        logging.getLogger("kit").addHandler(self.errors)
        self.died: list[object] = []
        self.hook, threading.excepthook = threading.excepthook, self.died.append
        self.server = HTTPServer(("127.0.0.1", 0), limits=LIMITS)
        self.server.registerRoutes([
            ("GET", "/echo/:number", echo),
            ("POST", "/echo/:number", echo),
            ("GET", "/stream/:number", stream),
            ("GET", "/refuse/:number", refuse),
        ])  # fmt: skip
        self.server.start()
        self.client = RawClient(self.server.addr)
        self.numbers = itertools.count()
        self.expected: list[tuple[int, bytes, str]] = []  # status, body, method
        self.is_open = True  # more requests may be answered
        self.is_broken = False  # a mistake was sent behind the expected requests
        self.has_ended = False

    def _send(self, data: bytes, sizes: list[int]) -> None:
        """Send in pieces; the server may have closed already, for good reasons only."""
        try:
            for size in sizes:
                self.client.send(data[:size])
                data = data[size:]
            self.client.send(data)
        except OSError:
            assert not self.is_open, "the server closed a connection that it should keep"

    def _ask(
        self,
        path: str,
        method: str,
        body: bytes,
        sizes: list[int],
        *fields: str,
        status: int = 200,
        answer: bytes = b"",
    ) -> None:
        """Send a request; `answer` is what comes back behind its number."""
        number = next(self.numbers)
        data = make_request(f"/{path}/{number}", method, *fields) + body
        if self.is_open:
            self.expected.append((status, b"%d:%b" % (number, answer), method))
        self._send(data, sizes)

    @precondition(lambda self: not (self.has_ended or self.is_broken))
    @rule(method=st.sampled_from(["GET", "HEAD"]), sizes=cuts)
    def ask(self, method: str, sizes: list[int]) -> None:
        self._ask("echo", method, b"", sizes)

    @precondition(lambda self: not (self.has_ended or self.is_broken))
    @rule(body=bodies, sizes=cuts)
    def ask_with_a_body(self, body: bytes, sizes: list[int]) -> None:
        self._ask("echo", "POST", body, sizes, f"Content-Length: {len(body)}", answer=body)

    @precondition(lambda self: not (self.has_ended or self.is_broken))
    @rule(pieces=st.lists(bodies.filter(bool), max_size=4), sizes=cuts)
    def ask_with_chunks(self, pieces: list[bytes], sizes: list[int]) -> None:
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        coding = "Transfer-Encoding: chunked"
        body = chunks + b"0\r\n\r\n"
        self._ask("echo", "POST", body, sizes, coding, answer=b"".join(pieces))

    @precondition(lambda self: not (self.has_ended or self.is_broken))
    @rule(sizes=cuts)
    def ask_for_a_stream(self, sizes: list[int]) -> None:
        self._ask("stream", "GET", b"", sizes, answer=b"stream")

    @precondition(lambda self: not (self.has_ended or self.is_broken))
    @rule(sizes=cuts)
    def ask_and_be_refused(self, sizes: list[int]) -> None:
        self._ask("refuse", "GET", b"", sizes, status=418)

    @precondition(lambda self: not (self.has_ended or self.is_broken))
    @rule(sizes=cuts)
    def ask_for_the_last_time(self, sizes: list[int]) -> None:
        self._ask("echo", "GET", b"", sizes, "Connection: close")
        self.is_open = False

    @precondition(lambda self: not (self.has_ended or self.is_broken))
    @rule(data=st.sampled_from(MALFORMED), sizes=cuts)
    def send_a_mistake(self, data: bytes, sizes: list[int]) -> None:
        self.is_broken = self.is_open
        self.is_open = False
        self._send(data, sizes)

    @precondition(lambda self: not (self.has_ended or self.is_broken))
    @rule(data=st.binary(min_size=1, max_size=100), sizes=cuts)
    def send_garbage_at_the_end(self, data: bytes, sizes: list[int]) -> None:
        self.is_broken = self.is_open
        self.is_open = False
        self._send(data, sizes)

    @precondition(lambda self: not self.has_ended)
    @rule()
    def end_this_side(self) -> None:
        self.has_ended = True
        try:
            self.client.end()
        except OSError:
            assert not self.is_open

    @rule()
    def ask_over_another_connection(self) -> None:
        with RawClient(self.server.addr) as client:
            assert client.ask("/echo/other").body == b"other:"

    @precondition(lambda self: self.expected)
    @rule()
    def read_an_answer(self) -> None:
        status, body, method = self.expected.pop(0)
        answer = self.client.read_answer(method)
        assert answer.status == status
        assert answer.body == (b"" if method == "HEAD" else body), "not the answer to its request"

    def teardown(self) -> None:
        try:
            while self.expected:
                self.read_an_answer()
            if not self.has_ended:
                self.end_this_side()
            if self.is_broken:
                self._read_refusal()
            else:
                assert self.client.read_to_end() == b"", "more answers than requests"
        finally:
            self.client.close()
            self.server.stop(grace_s=5)
            threading.excepthook = self.hook
            logging.getLogger("kit").removeHandler(self.errors)
        assert self.errors.texts == []
        assert self.died == []

    def _read_refusal(self) -> None:
        """Read one refusal at most: a peer that sends on may lose it to a reset."""
        rest = self.client.read_to_end()
        if rest:
            assert rest.startswith(b"HTTP/1.1 ")
            assert rest[9:10] in (b"4", b"5")
            assert rest.count(b"HTTP/1.1 ") == 1, "something was sent behind the refusal"


TestConnection = Connection.TestCase
TestConnection.settings = settings(
    max_examples=60,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
