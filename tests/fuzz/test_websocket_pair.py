"""Both sides of a websocket, and between them a line that cuts and may corrupt."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fuzz.targets import open_websocket
from kit.errors import ConnectionClosedError
from kit.wire.websocket import Closed, Message, WebSocketProtocol

sides = st.integers(0, 1)
texts = st.text(max_size=60)
binaries = st.binary(max_size=60)


class Pair(RuleBasedStateMachine):
    """Messages arrive as they were sent, in order, and nothing comes behind a Close."""

    def __init__(self) -> None:
        super().__init__()
        self.sides: tuple[WebSocketProtocol, WebSocketProtocol]
        self.lines = bytearray(), bytearray()  # what is on its way from each side
        self.sent: tuple[list[str | bytes], list[str | bytes]] = ([], [])
        self.received: tuple[list[str | bytes], list[str | bytes]] = ([], [])
        self.closed: tuple[list[Closed], list[Closed]] = ([], [])
        self.has_ended = [False, False]
        self.is_corrupt = False

    @initialize(is_compressed=st.booleans())
    def open(self, is_compressed: bool) -> None:
        self.sides = open_websocket(is_compressed=is_compressed)

    def _is_open(self, side: int) -> bool:
        protocol = self.sides[side]
        return not (protocol.is_closed or protocol.is_closing)

    def _flush(self, side: int) -> None:
        self.lines[side].extend(self.sides[side].data_to_send())

    def _send(self, side: int, payload: str | bytes, *pieces: str | bytes) -> None:
        protocol = self.sides[side]
        was_open = self._is_open(side)
        try:
            if pieces:
                protocol.send_fragments(pieces)  # type: ignore[arg-type]
            elif isinstance(payload, str):
                protocol.send_text(payload)
            else:
                protocol.send_binary(payload)
        except ConnectionClosedError:
            assert not was_open
            return
        assert was_open, "a message behind a close frame"
        self.sent[side].append(payload)
        self._flush(side)

    @rule(side=sides, text=texts)
    def send_text(self, side: int, text: str) -> None:
        self._send(side, text)

    @rule(side=sides, data=binaries)
    def send_binary(self, side: int, data: bytes) -> None:
        self._send(side, data)

    @rule(side=sides, pieces=st.lists(texts, min_size=1, max_size=4))
    def send_fragments(self, side: int, pieces: list[str]) -> None:
        self._send(side, "".join(pieces), *pieces)

    @rule(side=sides, data=st.binary(max_size=125))
    def ping(self, side: int, data: bytes) -> None:
        if self._is_open(side):
            self.sides[side].send_ping(data)
            self._flush(side)

    @rule(side=sides, code=st.sampled_from([None, 1000, 1001, 3000, 4999]))
    def close(self, side: int, code: int | None) -> None:
        if self._is_open(side):
            self.sides[side].send_close(code)
            self._flush(side)

    @precondition(lambda self: any(self.lines))
    @rule(side=sides, size=st.integers(1, 100))
    def deliver(self, side: int, size: int) -> None:
        line = self.lines[side]
        if not self.has_ended[side]:
            self._take(1 - side, self.sides[1 - side].receive(bytes(line[:size])))
        del line[:size]

    @rule(side=sides)
    def end_a_line(self, side: int) -> None:
        if not self.has_ended[side]:
            self.has_ended[side] = True
            self._take(1 - side, self.sides[1 - side].receive_eof())
            assert self.sides[1 - side].wants_close

    def _take(self, side: int, events: Sequence[object]) -> None:
        for event in events:
            assert not self.closed[side], "an event behind the Closed"
            if isinstance(event, Message):
                self.received[side].append(event.payload)
            elif isinstance(event, Closed):
                self.closed[side].append(event)
        self._flush(side)

    @precondition(lambda self: any(self.lines))
    @rule(position=st.integers(0, 200), byte=st.integers(0, 255))
    def corrupt(self, position: int, byte: int) -> None:
        line = self.lines[0] or self.lines[1]
        line[position % len(line)] = byte
        self.is_corrupt = True

    @invariant()
    def messages_arrive_in_order(self) -> None:
        if not self.is_corrupt:
            for side in (0, 1):
                got = self.received[1 - side]
                assert got == self.sent[side][: len(got)]

    @invariant()
    def only_a_broken_line_ends_uncleanly(self) -> None:
        for side in (0, 1):
            for closed in self.closed[side]:
                assert closed.is_clean or self.is_corrupt or any(self.has_ended)


TestPair = Pair.TestCase
TestPair.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
