"""A client's websocket: messages are delivered to an inbox, and polled from there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from kit.clock import monotonic
from kit.engine.channel import GONE, PARKED, READ, WRITE
from kit.engine.timers import NEVER
from kit.engine.websocket import WebSocketLink
from kit.errors import ConnectionClosedError, StateError
from kit.opcodes import WebSocketOpCode
from kit.wire.websocket import ClientHandshake, Closed, Event, Message

if TYPE_CHECKING:
    from kit.engine.requester import Requester
    from kit.limits import Limits
    from kit.wire.http1 import ResponseHead

GOING_AWAY = 1001

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
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._is_unwanted = False
        self._is_timed = False
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

    @property
    def is_closing(self) -> bool:
        """Whether the closing handshake is under way."""
        return self._link is not None and self._link.protocol.is_closing

    def send(self, payload: str | bytes) -> None:
        """Send a message."""
        self._opened().send(payload)
        if self._connection is not None and self._connection.unsent_bytes:
            # A poke would not reach a connection that is parked for want of room.
            self.go_on()

    def ping(self, payload: bytes) -> None:
        """Send a Ping."""
        self._opened().ping(payload)

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; one that is not open yet closes once it is."""
        self._is_unwanted = True
        if self._link is not None:
            self._link.close(code, reason)
            self.go_on()

    def say_goodbye(self, reason: str) -> None:
        """Close as the client stops, without waiting for a peer that reads nothing."""
        connection = self._connection
        if connection is not None and connection.unsent_bytes:
            connection.stream.cut()
        else:
            self.close(GOING_AWAY, reason)

    def describe(self) -> str:
        """Tell in a word how far a websocket without a close code is."""
        if self._link is None:
            return "opening"
        return "closing" if self._link.protocol.is_closing else "open"

    def go_on(self) -> None:
        """Read on, as there is room again."""
        if self._connection is not None and not self._is_over.is_set():
            self._connection.relay.resume(self._connection)

    def give_up(self, error: BaseException | None) -> None:
        """Deliver the one Close of a websocket that did not open, or broke."""
        with self._lock:
            if self._is_over.is_set():
                return
            self.error = self.error or error
            self._is_over.set()
        self._deliver(WebSocketOpCode.Close, "")

    def _opened(self) -> WebSocketLink:
        if self._link is None:
            if self._is_over.is_set():
                raise ConnectionClosedError(f"the websocket did not open: {self.error}")
            raise StateError("the websocket is not open yet: wait for its Open")
        return self._link

    # The owner of the connection: from `agree` on, so that it and its link are there

    def agree(self, connection: Requester, head: ResponseHead) -> None:
        """Take the connection over after the 101."""
        protocol = self._handshake.finish(head.status, head.raw_headers)
        self._connection = connection
        self._link = WebSocketLink(connection, protocol, self._limits, may_wait=False)

    def open(self, rest: bytes) -> int:
        """Deliver the Open, and what came along with the handshake."""
        link = cast("WebSocketLink", self._link)
        self._deliver(WebSocketOpCode.Open, "")
        if self._is_unwanted:
            link.close()
        return self._take(link.feed(rest) if rest else [])

    def step(self, ready: int) -> int:
        """Read what has come and deliver it; without room only send on."""
        link = cast("WebSocketLink", self._link)
        if self._has_room() or link.protocol.is_closing:
            return self._take(link.receive())
        with link.lock:
            link.flush()
        return self._wants()

    def expire(self) -> int:
        """End a websocket whose peer does not close, or reads nothing."""
        link = cast("WebSocketLink", self._link)
        connection = cast("Requester", self._connection)
        late = link.sent_at + self._limits.write_s
        if not link.protocol.is_closing and late > monotonic():
            connection.deadline = late  # it reads slowly, but it reads
            return self._wants()
        self.error = self.error or TimeoutError("the peer did not answer in time")
        return self._take(link.end())

    def parked(self) -> int | None:
        """Wait for room, unless there is some again; the leader calls it."""
        return READ if self._has_room() or self.is_closing else None

    def break_off(self, error: BaseException) -> None:
        """Take note that the connection is broken."""
        cast("WebSocketLink", self._link).end()
        self.give_up(error)

    def _take(self, events: list[Event]) -> int:
        for event in events:
            if type(event) is Message:
                # What still comes while this side closes may find nobody who polls.
                if self._has_room() or not self.is_closing:
                    self._deliver(event.opcode, event.payload)
            elif type(event) is Closed:
                return self._end()
        return self._wants()

    def _wants(self) -> int:
        link = cast("WebSocketLink", self._link)
        connection = cast("Requester", self._connection)
        self._set_deadline(connection, link)
        if link.protocol.is_closing or self._has_room():
            return link.wants()
        if not connection.unsent_bytes or link.error is not None:
            return PARKED
        return PARKED if connection.is_held() else WRITE

    def _set_deadline(self, connection: Requester, link: WebSocketLink) -> None:
        if link.protocol.is_closing:
            if not self._is_timed:
                self._is_timed = True
                connection.deadline = monotonic() + self._limits.close_s
        elif not connection.unsent_bytes or link.error is not None:
            connection.deadline = NEVER
        elif connection.deadline == NEVER:
            connection.deadline = monotonic() + self._limits.write_s

    def _end(self) -> int:
        connection = cast("Requester", self._connection)
        connection.stream.say_goodbye()
        connection.close()
        self.give_up(cast("WebSocketLink", self._link).error)
        return GONE
