"""An open websocket on a channel: sending from any thread, reading by its owner.

The protocol and the way to the socket are guarded by `lock`. The owner holds
it while it reads and parses, never while a handler runs. A sender puts what it
wants sent into a queue and, if nobody holds the lock, carries the queue out
itself; otherwise whoever holds the lock does so on the way out. So a message
leaves at once, whichever thread sends it, and messages of one thread stay in
order.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kit.clock import monotonic
from kit.engine.channel import READ, WRITE, Channel
from kit.errors import ConnectionClosedError, LimitError, LocalProtocolError
from kit.wire.streams import wait_ready
from kit.wire.websocket import Closed, Event

if TYPE_CHECKING:
    from kit.limits import Limits
    from kit.wire.websocket import WebSocketProtocol

RECEIVE_BYTES = 65536

Order = tuple[Callable[..., None], tuple[Any, ...]]


class WebSocketLink:
    """Joins a websocket protocol to a channel.

    Attributes:
        lock: guards the protocol and the channel's output.
        error: the transport's error that broke the connection, if one did.
    """

    __slots__ = ("_blocked_on", "_channel", "_limits", "_orders", "error", "lock", "protocol")

    def __init__(self, channel: Channel, protocol: WebSocketProtocol, limits: Limits) -> None:
        self._channel = channel
        self._limits = limits
        self._orders: collections.deque[Order] = collections.deque()
        self._blocked_on = READ
        self.protocol = protocol
        self.lock = threading.Lock()
        self.error: OSError | None = None

    # Any thread

    def send(self, payload: str | bytes) -> None:
        """Send a message; waits while too much lies unsent.

        Raises:
            ConnectionClosedError: the websocket is closing or closed.
            LocalProtocolError: the text has lone surrogates.
            LimitError: the peer read nothing for `Limits.write_s`.
        """
        if isinstance(payload, str):
            _check_text(payload)
            self._order(self.protocol.send_text, payload)
        else:
            self._order(self.protocol.send_binary, payload)

    def ping(self, payload: bytes = b"") -> None:
        """Send a Ping; its Pong shows up in the record."""
        self._order(self.protocol.send_ping, payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin the closing handshake; a second call does nothing."""
        if not (self.protocol.is_closing or self.protocol.is_closed):
            self._order(self.protocol.send_close, code, reason)
            # Its time limit begins: the owner must look at the deadline.
            self._channel.relay.poke(self._channel)

    def _order(self, function: Callable[..., None], *arguments: object) -> None:
        if self.protocol.is_closing or self.protocol.is_closed or self.error is not None:
            raise ConnectionClosedError(self._closed_text())
        self._orders.append((function, arguments))
        self.carry_out()
        if self._channel.unsent_bytes:
            self._channel.relay.poke(self._channel)
            self._await_room()

    def _closed_text(self) -> str:
        protocol = self.protocol
        text = f"the websocket is closed (code {protocol.close_code}"
        if protocol.close_reason:
            text += f", {protocol.close_reason!r}"
        return text + "): nothing can be sent any more"

    def carry_out(self) -> None:
        """Send what is in the queue, unless whoever holds the lock will."""
        while self._orders:
            if not self.lock.acquire(blocking=False):
                return
            try:
                self._carry_out_all()
            finally:
                self.lock.release()

    def _carry_out_all(self) -> None:
        while self._orders:
            function, arguments = self._orders.popleft()
            try:
                function(*arguments)
            finally:
                self.transmit()

    def transmit(self) -> None:
        """Give the protocol's bytes to the socket; with the lock held."""
        data = self.protocol.data_to_send()
        if not data or self.error is not None:
            return
        try:
            self._channel.write(data)
        except OSError as error:
            # The owner finds the socket at its end and delivers the Close.
            self.error = error
            self._channel.stream.cut()

    def _await_room(self) -> None:
        deadline = monotonic() + self._limits.write_s
        while self._channel.unsent_bytes > self._limits.output_bytes and self.error is None:
            left_s = deadline - monotonic()
            if left_s <= 0 or not wait_ready(self._channel.stream, WRITE, left_s):
                self._channel.stream.cut()
                raise LimitError(
                    "write_s", self._limits.write_s, "the websocket's peer reads nothing"
                )
            with self.lock:
                self.flush()

    # The owner

    def flush(self) -> None:
        """Send on what the socket did not take before; with the lock held."""
        if self._channel.unsent_bytes and self.error is None:
            try:
                self._channel.flush()
            except OSError as error:
                self.error = error

    def receive(self) -> list[Event]:
        """Read what the socket has and answer pings; the events in order."""
        with self.lock:
            self.flush()
            events = [] if self._is_clogged() else self._read()
            self.transmit()
        self.carry_out()
        return events

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes that came along with the handshake."""
        with self.lock:
            events = self.protocol.receive(data)
            self.transmit()
        return events

    def end(self) -> list[Event]:
        """Take the connection as ended; gives the Closed event, once."""
        with self.lock:
            return self.protocol.receive_eof()

    def _read(self) -> list[Event]:
        events: list[Event] = []
        stream = self._channel.stream
        while not any(type(event) is Closed for event in events):
            try:
                data = stream.recv(RECEIVE_BYTES)
            except OSError as error:
                self.error = error
                data = b""
            if data is None:
                self._blocked_on = stream.blocked_on
                break
            self._blocked_on = READ
            events += self.protocol.receive(data) if data else self.protocol.receive_eof()
            if not stream.has_pending():
                break
        return events

    def _is_clogged(self) -> bool:
        return self._channel.unsent_bytes > self._limits.output_bytes

    def wants(self) -> int:
        """Return what the channel should be polled for."""
        if self._channel.unsent_bytes:
            return WRITE if self._is_clogged() else READ | WRITE
        return READ | self._blocked_on


def _check_text(payload: str) -> None:
    try:
        payload.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError(
            f"a websocket text must be valid Unicode: {error.reason} at index {error.start}; "
            "send bytes for anything else"
        ) from None
