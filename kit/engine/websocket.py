"""An open websocket on a channel: sending from any thread, reading by its owner.

The protocol and the way to the socket are guarded by `lock`. The owner holds
it while it reads and parses, never while a handler runs, and nobody waits for
the socket with it. So a message leaves at once, whichever thread sends it,
messages of one thread stay in order, and an error is raised where it belongs.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from kit.clock import monotonic
from kit.engine.channel import READ, WRITE, Channel
from kit.errors import ConnectionClosedError, FaultError, LimitError, LocalProtocolError
from kit.wire.streams import wait_ready
from kit.wire.websocket import Closed, Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.limits import Limits
    from kit.wire.websocket import WebSocketProtocol

RECEIVE_BYTES = 65536
PATIENCE_S = 0.1
"""A sender that waits for room looks this often whether the websocket is still there."""


class WebSocketLink:
    """Joins a websocket protocol to a channel.

    Attributes:
        lock: guards the protocol and the channel's output.
        error: the transport's error that broke the connection, if one did.
        sent_at: when the socket last took something, in monotonic seconds.
    """

    __slots__ = (
        "_blocked_on",
        "_channel",
        "_limits",
        "_may_wait",
        "error",
        "lock",
        "protocol",
        "sent_at",
    )

    def __init__(
        self,
        channel: Channel,
        protocol: WebSocketProtocol,
        limits: Limits,
        *,
        may_wait: bool = True,
    ) -> None:
        self._may_wait = may_wait
        self._channel = channel
        self._limits = limits
        self._blocked_on = READ
        self.protocol: WebSocketProtocol = protocol
        self.lock: threading.Lock = threading.Lock()
        self.error: OSError | None = None
        self.sent_at: float = 0.0

    # Any thread

    def send(self, payload: str | bytes) -> None:
        """Send a message; waits while too much lies unsent.

        Raises:
            ConnectionClosedError: the websocket is closing or closed.
            LocalProtocolError: the text has lone surrogates.
            LimitError: the peer read nothing for `Limits.write_s`; or, where nobody may
                wait, more than `Limits.message_bytes` and `output_bytes` lie unsent.
        """
        if isinstance(payload, str):
            _check_text(payload)
            self._carry_out(self.protocol.send_text, payload)
        else:
            self._carry_out(self.protocol.send_binary, payload)
        if self._channel.unsent_bytes:
            self._await_room()

    def ping(self, payload: bytes = b"") -> None:
        """Send a Ping; its Pong shows up in the record."""
        self._carry_out(self.protocol.send_ping, payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin the closing handshake; a second call does nothing.

        Raises:
            LocalProtocolError: the code or the reason cannot be sent.
        """
        try:
            self._carry_out(self.protocol.send_close, code, reason)
        except ConnectionClosedError:
            return
        # Its time limit begins: the owner must look at the deadline.
        self._channel.relay.poke(self._channel)

    def _carry_out(self, function: Callable[..., None], *arguments: object) -> None:
        with self.lock:
            if self.protocol.is_closing or self.protocol.is_closed or self.error is not None:
                raise ConnectionClosedError(self._closed_text())
            function(*arguments)
            self.transmit()
            if self.error is not None:
                raise ConnectionClosedError(self._closed_text()) from self.error
        if self._channel.unsent_bytes:
            self._channel.relay.poke(self._channel)

    def _closed_text(self) -> str:
        protocol = self.protocol
        text = "the websocket is closed"
        if protocol.close_code is not None:
            text += f" (code {protocol.close_code}"
            text += f", {protocol.close_reason!r})" if protocol.close_reason else ")"
        elif self.error is not None:
            text = f"the websocket's connection is broken ({self.error})"
        elif protocol.is_closing:
            text = "this side has begun to close the websocket"
        return f"{text}: nothing can be sent any more"

    def transmit(self) -> None:
        """Give the protocol's bytes to the socket; with the lock held."""
        data = self.protocol.data_to_send()
        if not data or self.error is not None:
            return
        before = self._channel.unsent_bytes
        try:
            self._channel.write(data)
        except OSError as error:
            self.break_off(error)
        else:
            self._note_sent(before + len(data))

    def break_off(self, error: OSError) -> None:
        """Take note that the connection is broken; the owner finds it so, and tells."""
        self.error = error
        if isinstance(error, FaultError):
            # A cut would send a FIN before the reset that was ordered.
            self._channel.relay.poke(self._channel)
        else:
            self._channel.stream.cut()

    def _note_sent(self, before: int) -> None:
        if self._channel.unsent_bytes < before:
            self.sent_at = monotonic()

    def _await_room(self) -> None:
        channel, limits = self._channel, self._limits
        if not self._may_wait or _is_in_event_loop():
            self._refuse_flood()
            return
        begun = monotonic()
        while self._is_clogged() and not channel.is_closed:
            left_s = max(begun, self.sent_at) + limits.write_s - monotonic()
            if left_s <= 0:
                channel.stream.cut()
                raise LimitError("write_s", limits.write_s, "the websocket's peer reads nothing")
            try:
                # In short waits: the owner may close the socket, or flush, meanwhile.
                event = READ if channel.is_held() else WRITE
                wait_ready(channel.stream, event, min(left_s, PATIENCE_S))
            except ValueError:
                break  # closed just now
            with self.lock:
                self.flush()
        if self.error is not None or channel.is_closed:
            raise ConnectionClosedError(self._closed_text()) from self.error

    def _refuse_flood(self) -> None:
        """Bound what lies unsent where nobody may wait: a loop serves others too."""
        limit = self._limits.message_bytes + self._limits.output_bytes
        if self._channel.unsent_bytes > limit:
            self._channel.stream.cut()
            raise LimitError("output_bytes", limit, "the websocket's peer reads too slowly")

    # The owner

    def flush(self) -> None:
        """Send on what the socket did not take before; with the lock held."""
        before = self._channel.unsent_bytes
        if before and self.error is None:
            try:
                self._channel.flush()
            except OSError as error:
                self.break_off(error)
            self._note_sent(before)

    def receive(self) -> list[Event]:
        """Read what the socket has and answer pings; the events in order."""
        with self.lock:
            self.flush()
            events = self._read() if self._may_read() else []
            self.transmit()
        return events

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes that came along with the handshake."""
        with self.lock:
            events = self.protocol.receive(data)
            self.transmit()
        return events

    def conclude(self) -> None:
        """Answer the peer's Close, as what came before it has been handled."""
        with self.lock:
            self.protocol.conclude()
            self.transmit()

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
                self.error = self.error or error
                data = b""
            if data is None:
                self._blocked_on = stream.blocked_on
                break
            self._blocked_on = READ
            events += self.protocol.receive(data) if data else self.protocol.receive_eof()
            if not stream.has_pending():
                break
        return events

    def _may_read(self) -> bool:
        # A fault that holds the output would keep the owner from hearing that the peer left.
        return not self._is_clogged() or self._channel.is_held()

    def _is_clogged(self) -> bool:
        return self.error is None and self._channel.unsent_bytes > self._limits.output_bytes

    def wants(self) -> int:
        """Return what the channel should be polled for."""
        if self._channel.unsent_bytes and self.error is None:
            if self._channel.is_held():
                return READ
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


def _is_in_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None
