"""A client's websocket: messages are delivered to an inbox, and polled from there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from kit.clock import monotonic
from kit.engine.channel import GONE, PARKED, READ
from kit.engine.timers import NEVER
from kit.engine.websocket import WebSocketLink
from kit.errors import ConnectionClosedError, StateError
from kit.opcodes import WebSocketOpCode
from kit.wire.websocket import ClientHandshake, Closed, Event, Message

if TYPE_CHECKING:
    from kit.engine.requester import Requester
    from kit.limits import Limits
    from kit.wire.http1 import ResponseHead

Deliver = Callable[[WebSocketOpCode, "str | bytes"], None]


class ClientSession:
    """One websocket of a client.

    Args:
        deliver: takes each (opcode, payload), on the relay's threads, in order:
            Open once, then messages, then Close once.
        has_room: whether more may be delivered; while not, nothing is read,
            and `go_on` is to be called when there is room again.

    Attributes:
        error: what broke the websocket, if anything did.
    """

    def __init__(
        self,
        handshake: ClientHandshake,
        limits: Limits,
        deliver: Deliver,
        has_room: Callable[[], bool],
    ) -> None:
        self._handshake = handshake
        self._limits = limits
        self._deliver = deliver
        self._has_room = has_room
        self._connection: Requester | None = None
        self._link: WebSocketLink | None = None
        self._is_over = threading.Event()
        self.error: BaseException | None = None

    # Any thread

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol agreed on, if any."""
        return None if self._link is None else self._link.protocol.subprotocol

    @property
    def close_code(self) -> int | None:
        """The code the websocket was closed with; None while it is open."""
        if self._link is None:
            return 1006 if self._is_over.is_set() else None
        return self._link.protocol.close_code

    @property
    def close_reason(self) -> str:
        """The reason it was closed with."""
        return "" if self._link is None else self._link.protocol.close_reason or ""

    @property
    def is_over(self) -> bool:
        """Whether it is closed, or could not be opened."""
        return self._is_over.is_set()

    def send(self, payload: str | bytes) -> None:
        """Send a message."""
        self._opened().send(payload)

    def ping(self, payload: bytes) -> None:
        """Send a Ping."""
        self._opened().ping(payload)

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""
        self._opened().close(code, reason)

    def go_on(self) -> None:
        """Read on, as there is room again."""
        if self._connection is not None and not self._is_over.is_set():
            self._connection.relay.resume(self._connection)

    def give_up(self, error: BaseException | None) -> None:
        """Deliver the one Close of a websocket that did not open, or broke."""
        if not self._is_over.is_set():
            self.error = self.error or error
            self._is_over.set()
            self._deliver(WebSocketOpCode.Close, "")

    def _opened(self) -> WebSocketLink:
        if self._link is None:
            if self._is_over.is_set():
                raise ConnectionClosedError(f"the websocket did not open: {self.error}")
            raise StateError("the websocket is not open yet: wait for its Open")
        return self._link

    # The owner of the connection

    def open(self, connection: Requester, head: ResponseHead, rest: bytes) -> int:
        """Take the connection over after the 101."""
        protocol = self._handshake.finish(head.status, head.raw_headers)
        self._connection = connection
        self._link = link = WebSocketLink(connection, protocol, self._limits)
        self._deliver(WebSocketOpCode.Open, "")
        return self._take(link.feed(rest) if rest else [])

    def step(self, ready: int) -> int:
        """Read what has come and deliver it."""
        if self._link is None:
            return GONE
        return self._take(self._link.receive())

    def expire(self) -> int:
        """End a websocket whose peer does not close, or reads nothing."""
        if self._link is None:
            return GONE
        self.error = self.error or TimeoutError("the peer did not answer in time")
        return self._take(self._link.end())

    def parked(self) -> int | None:
        """Wait for room, unless there is some again; the leader calls it."""
        return READ if self._has_room() else None

    def break_off(self, error: BaseException) -> None:
        """Take note that the connection is broken."""
        if self._link is not None:
            self._link.end()
        self.give_up(error)

    def _take(self, events: list[Event]) -> int:
        for event in events:
            if type(event) is Message:
                self._deliver(event.opcode, event.payload)
            elif type(event) is Closed:
                return self._end()
        return self._wants()

    def _wants(self) -> int:
        link, connection = self._link, self._connection
        if link is None or connection is None:
            return GONE
        if connection.unsent_bytes or link.protocol.is_closing:
            if connection.deadline == NEVER:
                is_closing = link.protocol.is_closing
                limit_s = self._limits.close_s if is_closing else self._limits.write_s
                connection.deadline = monotonic() + limit_s
        else:
            connection.deadline = NEVER
        return link.wants() if self._has_room() or link.protocol.is_closing else PARKED

    def _end(self) -> int:
        if self._connection is not None:
            self._connection.stream.say_goodbye()
            self._connection.close()
        if self._link is not None:
            self.give_up(self._link.error)
        return GONE
