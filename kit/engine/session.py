"""A server's websocket: the handler's calls, one at a time and in order.

States: opening (the Open handler decides; the 101 leaves with the first send or
when the handler returns) -> open -> closed. Whoever refuses while opening gives
a response, and there is no Close call.
"""

from __future__ import annotations

import collections
import threading
from typing import TYPE_CHECKING, cast

from kit.clock import monotonic
from kit.engine.channel import BENCH, GONE, PARKED, RESUME
from kit.engine.handling import summarize
from kit.engine.pace import is_slow
from kit.engine.timers import NEVER
from kit.engine.websocket import WebSocketLink
from kit.errors import (
    ConnectionClosedError,
    FaultError,
    HandlerReturnError,
    LocalProtocolError,
)
from kit.messages import Response
from kit.opcodes import WebSocketOpCode
from kit.record import FrameLog
from kit.wire.websocket import Accepted, Closed, Event, Message, accept_handshake

if TYPE_CHECKING:
    from kit.engine.connection import Connection
    from kit.limits import Limits
    from kit.messages import Request
    from kit.routing import Endpoint
    from kit.wire.websocket import WebSocketProtocol

GOING_AWAY = 1001
INTERNAL_ERROR = 1011
NO_CLOSE = 1006
STOP_S = 0.5
"""How long a stopping server waits for a websocket's closing handshake."""

OPENED = Message(WebSocketOpCode.Open, "")


def accept(request: Request, endpoint: Endpoint, limits: Limits) -> Accepted:
    """Take a websocket handshake, as the endpoint wants it.

    Raises:
        HandshakeError: it is not valid.
    """
    return accept_handshake(
        request.method,
        request.http_version,
        request.raw_headers,
        subprotocols=endpoint.subprotocols,
        compress=endpoint.compress,
        max_message_bytes=endpoint.max_message_bytes or limits.message_bytes,
    )


class ServerSession:
    """One websocket of a server; also the channel behind its `Request`."""

    def __init__(self, connection: Connection, accepted: Accepted) -> None:
        self._connection = connection
        self._accepted = accepted
        self._link = WebSocketLink(connection, accepted.protocol, connection.app.limits)
        # So that the handler can still answer the messages before the Close.
        accepted.protocol.defers_close = True
        self._events: collections.deque[Event] = collections.deque([OPENED])
        self._opening = threading.Lock()
        self._is_open = False
        self._is_refused = False
        self._has_failed = False
        self._returned: tuple[object, BaseException | None] | None = None
        self._wants_bench = False
        self._is_over = False
        self._has_fed = False
        self._end: Closed | None = None

    # What a handler sees, from any thread

    @property
    def protocol(self) -> WebSocketProtocol:
        """The frames' state."""
        return self._accepted.protocol

    @property
    def lock(self) -> threading.Lock:
        """Guards what is sent: the connection is closed with it held."""
        return self._link.lock

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol agreed on, if any (RFC 6455 section 1.9)."""
        return self._accepted.subprotocol

    @property
    def close_code(self) -> int | None:
        """The code of the peer's Close; 1005 without one, 1006 without a Close."""
        return self._accepted.protocol.close_code

    @property
    def close_reason(self) -> str:
        """The reason in the peer's Close."""
        return self._accepted.protocol.close_reason or ""

    def send(self, payload: str | bytes) -> None:
        """Send a message; in the Open call this accepts the websocket."""
        self._open()
        self._link.send(payload)
        self._connection.report_progress()

    def ping(self, payload: bytes = b"") -> None:
        """Send a Ping; in the Open call this accepts the websocket."""
        self._open()
        self._link.ping(payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin the closing handshake; in the Open call this accepts first."""
        self._open()
        self._link.close(code, reason)

    def _open(self) -> None:
        if self._is_open:
            return
        with self._opening:
            if self._is_refused:
                raise ConnectionClosedError("the websocket was refused: nothing can be sent on it")
            if not self._is_open:
                with self._link.lock:
                    self._send_switch()
                # Only now, as others who find it open send at once.
                self._is_open = True

    def _send_switch(self) -> None:
        try:
            head = self._connection.send_switch(self._accepted.headers)
        except OSError as error:
            self._link.break_off(error)
        else:
            self._record(head)

    def _record(self, head: bytes) -> None:
        """Have the record know of the 101 and, from now on, of every frame."""
        exchange = self._connection.exchange
        if exchange is not None:
            exchange.response_status, exchange.response_head = 101, head
            exchange.first_byte_at = monotonic()
            exchange.frame_log = log = FrameLog()
            self._accepted.protocol.tap = log.add
            self._connection.report_progress()

    def _refuse(self) -> bool:
        """Take the Open call for a refusal, unless another thread has just accepted."""
        with self._opening:
            self._is_refused = not self._is_open
            return self._is_refused

    # The owner

    def step(self, ready: int) -> int:
        """Take what has come in and call the handler for it."""
        may_block = ready == RESUME and self._wants_bench
        self._wants_bench = False
        if self._returned is not None:
            want = self._take_returned(*self._returned)
            if want is not None:
                return want
        elif not may_block:
            self._events.extend(self._receive())
        return self._deliver(may_block=may_block)

    def start(self) -> int:
        """Make the Open call."""
        return self._deliver(may_block=False)

    def expire(self) -> int:
        """End a websocket whose peer does not answer the Close, or reads nothing."""
        connection = self._connection
        late = self._link.sent_at + connection.app.limits.write_s
        if connection.unsent_bytes and late > monotonic() and not self._is_closing():
            connection.deadline = late  # it reads slowly, but it reads
            return self._wants()
        if self._is_over:
            return self._finish(has_more=False)
        self._events.extend(self._link.end())
        self._link.error = self._link.error or TimeoutError("the peer did not answer in time")
        return self._deliver(may_block=False)

    def begin_stop(self) -> None:
        """Say goodbye, as the server stops; the leader calls it between turns."""
        if self._is_open and not self._is_closing():
            self._link.close(GOING_AWAY, "the server stops")
            # A peer whose connection a fault holds is not answered anyway.
            self._connection.deadline = monotonic() + (0 if self._connection.is_held() else STOP_S)

    def _receive(self) -> list[Event]:
        if not self._is_open or self._is_over:
            return []
        events = self._link.receive()
        if events:
            self._connection.report_progress()
        return events

    def _deliver(self, *, may_block: bool) -> int:
        endpoint = self._connection.endpoint
        while self._events:
            if self._connection.is_closed:
                return GONE
            if not may_block and is_slow(endpoint) and self._has_call():
                self._wants_bench = True
                return BENCH
            want = self._handle(self._events.popleft())
            if want is not None:
                return want
        return self._wants()

    def _is_closing(self) -> bool:
        protocol = self._accepted.protocol
        return protocol.is_closing or protocol.is_closed

    def _is_gone(self) -> bool:
        return self._link.error is not None or self._accepted.protocol.is_closed

    def _has_call(self) -> bool:
        return type(self._events[0]) in (Message, Closed)

    def _handle(self, event: Event) -> int | None:
        if type(event) is Message:
            if self._has_failed:
                return None  # its handler has raised: there is only the Close for it now
            return self._call(event.opcode, event.payload)
        if type(event) is Closed:
            self._is_over = True
            self._end = event
            self._link.conclude()
            return self._call(WebSocketOpCode.Close, "")
        return None  # Ping and Pong are in the record, and answered

    def _call(self, opcode: WebSocketOpCode, payload: str | bytes) -> int | None:
        connection = self._connection
        endpoint, request = connection.endpoint, connection.request
        if endpoint.is_async:
            connection.launch(endpoint.call(request, opcode, payload), self._note_returned)
            return PARKED
        try:
            result = connection.call_handler(request, opcode, payload)
        except BaseException as error:
            return self._after_call(None, error)
        return self._after_call(result, None)

    def _note_returned(self, result: object, error: BaseException | None) -> None:
        self._returned = (result, error)

    def _take_returned(self, result: object, error: BaseException | None) -> int | None:
        self._returned = None
        return self._after_call(result, error)

    def _after_call(self, result: object, error: BaseException | None) -> int | None:
        """Act on what the handler returned or raised; a want ends the session."""
        if result is not None and error is None:
            error = self._check_result(result)
            if error is None and isinstance(result, Response):
                return self._connection.refuse_websocket(result, None)
        want = self._fail(error) if error is not None else None
        if want is None and not self._has_fed:
            self._has_fed = True
            self._open()
            # What came behind the handshake, in the same packets.
            self._events.extend(self._link.feed(self._connection.take_buffer()))
        return want

    def _check_result(self, result: object) -> BaseException | None:
        name = self._connection.endpoint.name
        if not isinstance(result, Response):
            return HandlerReturnError(name, result)
        if not self._refuse():
            return LocalProtocolError(
                f"handler {name} returned a response on an open websocket: "
                "only the Open call may refuse, and only before it sends"
            )
        return None

    def _fail(self, error: BaseException) -> int | None:
        exchange = self._connection.exchange
        if isinstance(error, ConnectionClosedError) and self._is_gone() and exchange is not None:
            exchange.exception = error  # it sent to a peer that has left: nobody's mistake
        else:
            self._connection.note_exception(error)
        if self._refuse():
            return self._connection.refuse_websocket(None, error)
        self._has_failed = True
        self._link.close(INTERNAL_ERROR, "the handler raised an exception")
        return None

    def _wants(self) -> int:
        connection = self._connection
        if connection.is_closed:
            return GONE
        if self._is_over:
            return self._wants_to_end()
        if connection.is_stopping:
            self.begin_stop()
        if connection.unsent_bytes and not connection.is_held():
            self._limit(connection.app.limits.write_s)
        elif self._accepted.protocol.is_closing:
            self._limit(connection.app.limits.close_s)
        elif not connection.is_stopping:
            connection.deadline = NEVER
        return self._link.wants()

    def _wants_to_end(self) -> int:
        connection, link = self._connection, self._link
        with link.lock:
            link.flush()
        if connection.unsent_bytes and link.error is None:
            if not connection.is_held():
                self._limit(connection.app.limits.write_s)
            # Not for what else the peer says: nobody reads that any more.
            return connection.stream.blocked_on
        return self._finish(has_more=self._has_more())

    def _finish(self, *, has_more: bool) -> int:
        connection, problem = self._connection, self._explain_end()
        exchange, connection.exchange = connection.exchange, None
        if exchange is not None:
            exchange.close_code = self.close_code
            if problem is None:
                connection.app.observer.complete(exchange)
            else:
                connection.app.observer.failed(exchange, problem)
        return connection.end_websocket(has_more=has_more)

    def _has_more(self) -> bool:
        """Tell whether the peer may still be sending, so that the Close could be lost."""
        end = cast("Closed", self._end)
        return not end.is_clean and end.code != NO_CLOSE and self._link.error is None

    def _limit(self, seconds: float) -> None:
        if self._connection.deadline == NEVER:
            self._connection.deadline = monotonic() + seconds

    def _explain_end(self) -> str | None:
        """Tell why the end was not a clean one; None if it was."""
        end, error = cast("Closed", self._end), self._link.error
        if end.is_clean and not isinstance(error, FaultError):
            return None
        if error is not None:
            return f"the websocket broke: {summarize(error)}"
        return f"the websocket ended uncleanly with {end.code}: {end.reason or 'no reason given'}"
