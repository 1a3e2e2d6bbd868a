"""A client's and a server's side, and between them a line that cuts and may corrupt."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kit.errors import LocalProtocolError, RemoteProtocolError
from kit.wire.http1 import (
    ClientProtocol,
    EndOfMessage,
    PeerClosed,
    RequestHead,
    ResponseHead,
    ServerProtocol,
)

HOST = [(b"Host", b"a")]
bodies = st.binary(max_size=50)
sizes = st.integers(1, 80)


class Pair(RuleBasedStateMachine):
    """Each side says what it understood; on a sound line that is what the other said."""

    def __init__(self) -> None:
        super().__init__()
        self.client, self.server = ClientProtocol(), ServerProtocol()
        self.to_server, self.to_client = bytearray(), bytearray()
        self.is_corrupt = self.has_server_failed = self.has_client_failed = False
        self.is_over = False  # the server has said that this was the last response
        self.is_complete = False  # a request is there as a whole, its response not begun
        self.is_streaming = False
        self.asked: list[tuple[str, bytes]] = []
        self.understood: list[tuple[str, bytes]] = []
        self.answered: list[bytes] = []
        self.received: list[bytes] = []
        self.responses = 0  # begun by the server

    # The client

    @precondition(lambda self: self.client.can_reuse)
    @rule(method=st.sampled_from(["GET", "POST", "HEAD"]), body=bodies, pieces=st.booleans())
    def ask(self, method: str, body: bytes, pieces: bool) -> None:
        target = f"/{len(self.asked)}"
        if pieces:
            self.to_server += self.client.start_request(method, target, HOST, length=None)
            self.to_server += self.client.send_data(body)
            self.to_server += self.client.end_request()
        else:
            self.to_server += self.client.send_request(method, target, HOST, body)
        self.asked.append((target, body))

    @precondition(lambda self: not self.client.is_idle and self.client.last_head)
    @rule()
    def ask_too_early(self) -> None:
        try:
            self.client.send_request("GET", "/early", HOST)
        except LocalProtocolError:
            return
        raise AssertionError("a second request was sent before the first was answered")

    @precondition(lambda self: self.to_client)
    @rule(size=sizes)
    def read_at_the_client(self, size: int) -> None:
        self.client.receive(bytes(self.to_client[:size]))
        del self.to_client[:size]
        try:
            while (event := self.client.next_event()) is not None:
                self._note_at_the_client(event)
        except RemoteProtocolError:
            assert self.is_corrupt, "a correct response was refused"
            self.has_client_failed = True
            assert not self.client.can_reuse

    def _note_at_the_client(self, event: object) -> None:
        assert not self.has_client_failed, "an event behind an error"
        if isinstance(event, ResponseHead):
            self.received.append(b"")
        elif isinstance(event, bytes):
            self.received[-1] += event

    # The server

    @precondition(lambda self: self.to_server)
    @rule(size=sizes)
    def read_at_the_server(self, size: int) -> None:
        self.server.receive(bytes(self.to_server[:size]))
        del self.to_server[:size]
        self._pull_at_the_server()

    def _pull_at_the_server(self) -> None:
        try:
            while (event := self.server.next_event()) is not None:
                self._note_at_the_server(event)
        except RemoteProtocolError as error:
            assert self.is_corrupt, "a correct request was refused"
            if not self.has_server_failed:
                self._answer_a_mistake(error)

    def _answer_a_mistake(self, error: RemoteProtocolError) -> None:
        self.has_server_failed = self.is_over = True
        self.is_complete = False
        if not self.is_streaming:
            self.to_client += self.server.send_response(error.status_code, [])
            assert b"\r\nConnection: close\r\n" in self.server.last_head
        self.is_streaming = False
        assert not self.server.keep_alive

    def _note_at_the_server(self, event: object) -> None:
        assert not self.has_server_failed, "an event behind an error"
        assert not self.is_complete, "a request before the last one was answered"
        assert not isinstance(event, PeerClosed)
        if isinstance(event, RequestHead):
            self.understood.append((event.target, b""))
            self.is_complete = not event.has_body
        elif isinstance(event, bytes):
            target, body = self.understood[-1]
            self.understood[-1] = target, body + event
        elif isinstance(event, EndOfMessage):
            self.is_complete = True

    @precondition(lambda self: self.is_complete and not self.is_streaming)
    @rule(body=bodies, status=st.sampled_from([200, 404, 503]), close=st.booleans())
    def answer(self, body: bytes, status: int, close: bool) -> None:
        self.to_client += self.server.send_response(status, [], body, close=close)
        self._note_answer(body)

    @precondition(lambda self: self.is_complete and not self.is_streaming)
    @rule(close=st.booleans())
    def begin_a_stream(self, close: bool) -> None:
        self.to_client += self.server.start_response(200, [], length=None, close=close)
        self.is_streaming = True
        self.answered.append(b"")

    @precondition(lambda self: self.is_streaming)
    @rule(data=bodies)
    def go_on_with_the_stream(self, data: bytes) -> None:
        self.to_client += self.server.send_data(data)
        self.answered[-1] += data

    @precondition(lambda self: self.is_streaming)
    @rule()
    def end_the_stream(self) -> None:
        self.to_client += self.server.end_response()
        self.is_streaming = False
        self._note_answer(None)

    def _note_answer(self, body: bytes | None) -> None:
        if body is not None:
            self.answered.append(body)
        self.is_complete = False
        self.is_over = not self.server.keep_alive
        self._pull_at_the_server()

    @precondition(lambda self: not self.is_complete and not self.is_streaming)
    @rule()
    def answer_nobody(self) -> None:
        if self.server._request is not None or self.has_server_failed:
            return
        try:
            self.server.send_response(200, [])
        except LocalProtocolError:
            return
        raise AssertionError("a response was sent without a request")

    # The line

    @precondition(lambda self: self.to_server or self.to_client)
    @rule(position=st.integers(0, 200), byte=st.integers(0, 255))
    def corrupt(self, position: int, byte: int) -> None:
        line = self.to_server or self.to_client
        line[position % len(line)] = byte
        self.is_corrupt = True

    @invariant()
    def what_is_understood_was_said(self) -> None:
        if self.is_corrupt:
            return
        done = self.understood if self.is_complete else self.understood[:-1]
        assert done == self.asked[: len(done)]
        for said, got in zip(self.answered, self.received, strict=False):
            assert got == b"" or said.startswith(got)

    @invariant()
    def there_are_no_more_answers_than_requests(self) -> None:
        if not self.is_corrupt:
            assert len(self.received) <= len(self.answered) <= len(self.understood)


TestPair = Pair.TestCase
TestPair.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
