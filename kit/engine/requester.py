"""A client's connection: one transaction after the other, or one websocket.

Phases: connect -> handshake -> exchange (send and receive) -> idle -> exchange
... -> closed; or, after a 101, a `ClientSession`. Between two transactions the
connection is parked for a moment: the pool, on the leader, then gives it the
next one or lets it idle.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Any, Protocol, cast

from kit.clock import monotonic
from kit.engine.channel import GONE, PARKED, READ, WRITE, Channel
from kit.engine.timers import NEVER
from kit.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from kit.wire.faulty import FaultyStream
from kit.wire.http1 import ClientProtocol, EndOfMessage, ResponseHead
from kit.wire.streams import SocketStream, Stream, TlsStream

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from kit.engine.relay import Relay
    from kit.engine.transaction import Origin, SocketAddress, Transaction, Upgrade
    from kit.faults.book import Injection
    from kit.limits import Limits

RECEIVE_BYTES = 65536
CONNECTING = frozenset((0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR))


class Owner(Protocol):
    """What a connection asks of its pool."""

    limits: Limits
    timeout_s: float

    def get_context(self) -> ssl.SSLContext: ...
    def next_for(self, connection: Requester) -> Transaction | None:
        """Give the next transaction of the connection's origin; the leader calls it."""
        ...

    def note_closed(self, connection: Requester) -> None: ...
    def note_switched(self, connection: Requester) -> None: ...
    def retry(self, transaction: Transaction) -> None: ...
    def end(self, transaction: Transaction, error: BaseException | None) -> None: ...


class Requester(Channel):
    """One connection to an origin.

    Attributes:
        origin: where it leads.
        transaction: what it is busy with.
        served: how many transactions it has completed.
    """

    __slots__ = (
        "_addresses",
        "_blocks",
        "_has_fault",
        "_has_response",
        "_is_sent",
        "_phase",
        "_pool",
        "_protocol",
        "_upgrade",
        "origin",
        "served",
        "transaction",
    )

    # Assigned here too, so declared again for type checkers.
    deadline: float
    stream: Stream

    def __init__(
        self,
        relay: Relay,
        pool: Owner,
        origin: Origin,
        addresses: list[SocketAddress],
        transaction: Transaction,
    ) -> None:
        self._addresses = addresses
        self._pool = pool
        self.origin: Origin = origin
        self.transaction: Transaction | None = transaction
        self.served: int = 0
        self._protocol = ClientProtocol(pool.limits)
        self._blocks: Iterator[bytes] | None = None
        self._is_sent = False
        self._has_fault = False
        self._has_response = False
        self._upgrade: Upgrade | None = None
        transaction.state = "connecting"
        super().__init__(relay, self._dial())
        self._phase: Callable[[int], int] = self._connect
        self._extend()

    # Connecting

    def _dial(self) -> Stream:
        """Begin to connect to the first address that does not fail at once.

        Raises:
            OSError: each of them does; the last one's error.
        """
        while True:
            family, address = self._addresses.pop(0)
            try:
                return SocketStream(_begin_connect(family, address))
            except OSError:
                if not self._addresses:
                    raise

    def step(self, ready: int) -> int:
        """Go on with the present phase."""
        return self._phase(ready)

    def _connect(self, ready: int) -> int:
        sock = cast("SocketStream", self.stream).sock
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        try:
            sock.getpeername()
        except OSError:
            return WRITE  # not there yet
        scheme, host, _ = self.origin
        if scheme == "https":
            self.stream = TlsStream(sock, self._pool.get_context(), server_hostname=host)
        self._phase = self._shake
        return self._shake(ready)

    def _shake(self, ready: int) -> int:
        # A transaction that is cancelled takes its connection along: this one is there.
        cast("Transaction", self.transaction).state = "in the TLS handshake"
        if not self.stream.handshake():
            return self.stream.blocked_on
        return self._start()

    # A transaction

    def _start(self) -> int:
        """Send the request, as far as the socket takes it."""
        transaction = cast("Transaction", self.transaction)
        self._phase = self._exchange
        self._has_response = False
        transaction.state = "sending the request"
        self._extend()
        self._has_fault = transaction.injection is not None
        if transaction.injection is not None:
            self._inject(transaction.injection)
            transaction.injection = None  # not for where it is redirected to
        headers = transaction.fields()
        body = transaction.body
        whole = b"" if body is None else body.whole()
        if whole is not None:
            data = self._protocol.send_request(
                transaction.method, transaction.target, headers, whole
            )
            self._blocks, self._is_sent = None, True
        else:
            data = self._protocol.start_request(
                transaction.method, transaction.target, headers, length=body.length if body else 0
            )
            self._blocks, self._is_sent = (body.blocks() if body else None), False
        self.write(data)
        return self._send_if_taken()

    def _inject(self, injection: Injection) -> None:
        """Have the transaction's request go wrong."""
        if not isinstance(self.stream, FaultyStream):
            self.stream = FaultyStream(self.stream, is_server=False)
        self.stream.apply(str(injection.fault), injection.tamper)

    def _send_if_taken(self) -> int:
        before = self._unsent_bytes
        try:
            want = self._send_on()
        except (BrokenPipeError, ConnectionResetError):
            # The server may have answered early and stopped reading: look for it.
            self._stop_sending()
            return READ
        if self._unsent_bytes < before:
            self._extend()  # a part of a large block is progress too
        return want

    def _send_on(self) -> int:
        while not self._unsent_bytes or self.flush():
            if self._blocks is None:
                break
            block = next(self._blocks, None)
            if block is None:
                self._blocks, self._is_sent = None, True
                self.write(self._protocol.end_request())
            else:
                self.write(self._protocol.send_data(block))
            self._extend()
        if self.transaction is not None and self._is_sent and not self._unsent_bytes:
            self.transaction.state = "waiting for the response"
            if self._has_fault and self.transaction.upgrade is None:
                self._end_fault()
        return self.want_both()

    def _end_fault(self) -> None:
        if not cast("FaultyStream", self.stream).finish():
            self._is_sent = False  # the connection ends with the response, or before
            self.is_held()

    def _go_on_with_fault(self) -> None:
        cast("FaultyStream", self.stream).flush()
        self.is_held()

    def _exchange(self, ready: int) -> int:
        if self._unsent_bytes:
            self._send_if_taken()
        elif self._has_fault:
            self._go_on_with_fault()
            if cast("FaultyStream", self.stream).is_frozen:
                self._phase = self._expire_frozen
                return PARKED
        return self._receive()

    def _expire_frozen(self, ready: int) -> int:
        return self.expire()

    def _stop_sending(self) -> None:
        """Leave the rest of the request unsent; the connection ends with the response."""
        if self._unsent_bytes or self._blocks is not None:
            self._blocks, self._unsent, self._unsent_bytes = None, None, 0
            self._is_sent = False

    def _receive(self) -> int:
        while True:
            data = self.stream.recv(RECEIVE_BYTES)
            if data is None:
                return self.want_both() if self._unsent_bytes else self.stream.blocked_on
            self._extend()
            if data:
                self._protocol.receive(data)
            else:
                self._check_end()
                self._protocol.receive_eof()
            try:
                want = self._take_events()
            except RemoteProtocolError as error:
                if data:
                    raise
                raise ConnectionResetError(error.reason) from error  # as urllib has it
            if want is not None:
                return want
            if not data:
                raise ConnectionResetError("the server closed the connection before it answered")
            if not self.stream.has_pending():
                return self.want_both()

    def _check_end(self) -> None:
        # RFC 9112 section 9.8: a body that ends with the connection must end in TLS's goodbye.
        if getattr(self.stream, "was_cut", False) and self._has_response:
            raise ConnectionResetError("the TLS connection was cut off in mid-response")

    def _take_events(self) -> int | None:
        transaction = self.transaction
        while transaction is not None:
            event = self._protocol.next_event()
            if event is None:
                return None
            if isinstance(event, ResponseHead):
                want = self._take_head(transaction, event)
                if want is not None:
                    return want
            elif isinstance(event, bytes):
                transaction.take(event, self._pool.limits)
            elif isinstance(event, EndOfMessage):
                transaction.raw_trailers = event.trailers
                return self._complete(transaction)
            else:
                return None
        return None

    def _take_head(self, transaction: Transaction, head: ResponseHead) -> int | None:
        if head.status == 101:
            return self._switch(transaction, head)
        if not head.is_informational:
            self._has_response = True
            transaction.state = "receiving the response"
            transaction.begin_response(head.status, head.reason, head.raw_headers)
            if head.status >= 300:
                # RFC 9112 section 9.5: an answer that does not want the rest of the request.
                self._stop_sending()
        return None

    def _complete(self, transaction: Transaction) -> int:
        if self._has_fault:
            self._end_fault()  # raises where it breaks the connection: the transaction fails
        self.transaction = None
        self.served += 1
        # An answer to half a request leaves the other half on the way (RFC 9112 section 9.5).
        is_reusable = self._protocol.can_reuse and self._is_sent and not self._unsent_bytes
        if not is_reusable:
            self._leave()
        self._pool.end(transaction, None)
        return PARKED if is_reusable else GONE

    def parked(self) -> int | None:
        """Take the next transaction, or idle; the leader calls it."""
        if self._upgrade is not None:
            return self._upgrade.parked()
        if self._phase == self._expire_frozen:
            # What comes is not to be read, so it must not be polled for either.
            self.relay.call_later(self._pool.timeout_s, lambda: self.relay.resume(self))
            return None
        self.transaction = self._pool.next_for(self)
        if self.transaction is not None:
            self._phase = self._start_next
            self.relay.resume(self)
        else:
            self._rest()
        return READ

    def _rest(self) -> int:
        self._phase = self._idle
        self.deadline = monotonic() + self._pool.limits.idle_s
        return READ

    def begin(self, transaction: Transaction) -> None:
        """Take a transaction while idle; the leader calls it, then gives a turn."""
        self.transaction = transaction
        transaction.connection = self
        self._phase = self._start_next

    def is_usable(self) -> bool:
        """Look whether the server has closed meanwhile; the leader asks it while idle."""
        try:
            return self.stream.recv(1) is None
        except OSError:
            return False

    def _start_next(self, ready: int) -> int:
        return self._start()

    def _idle(self, ready: int) -> int:
        data = self.stream.recv(1)
        if data is None:
            return READ
        # The server closes, or sends what nobody asked for: either way it is of no more use.
        return self._leave()

    # Websockets

    def _switch(self, transaction: Transaction, head: ResponseHead) -> int:
        upgrade: Upgrade | None = transaction.upgrade
        if upgrade is None:
            raise RemoteProtocolError(
                "the server switched protocols (101) though it was not asked to"
            )
        self._has_response = True
        self.deadline = NEVER
        # Raises when the handshake is not valid, and then the transaction fails.
        upgrade.agree(self, head)
        self.transaction = None
        transaction.release()
        self._upgrade = upgrade
        self._phase = upgrade.step
        self._pool.note_switched(self)
        return upgrade.open(self._protocol.take_buffer())

    @property
    def is_saying_goodbye(self) -> bool:
        """Whether it is a websocket in its closing handshake."""
        return self._upgrade is not None and self._upgrade.is_closing

    # The end

    def _extend(self) -> None:
        self.deadline = monotonic() + self._pool.timeout_s

    def expire(self) -> int:
        """End what has made no progress for too long."""
        if self._upgrade is not None:
            return self._upgrade.expire()
        if self.transaction is None:
            return self._leave()
        state = self.transaction.state
        return self.break_off(
            TimeoutError(f"no progress for {self._pool.timeout_s:g} s while {state}")
        )

    def break_off(self, error: BaseException) -> int:
        """End the connection; its transaction fails, or is tried on another one."""
        transaction, self.transaction = self.transaction, None
        if self._can_dial_on(error) and transaction is not None:
            return self._dial_on(transaction)
        self.close()
        if self._upgrade is not None:
            self._upgrade.break_off(error)
        if transaction is not None:
            if self._is_stale(error) and transaction.is_repeatable():
                transaction.is_repeat = True
                self._pool.retry(transaction)
            else:
                self._pool.end(transaction, error)
        return GONE

    def _can_dial_on(self, error: BaseException) -> bool:
        return self._phase == self._connect and isinstance(error, OSError) and bool(self._addresses)

    def _dial_on(self, transaction: Transaction) -> int:
        transaction.addresses = self._addresses
        self.close()
        self._pool.retry(transaction)
        return GONE

    def _is_stale(self, error: BaseException) -> bool:
        # The server may close a kept-alive connection just as it is used again.
        return (
            self.served > 0
            and not self._has_response
            and isinstance(error, OSError | ProtocolError)
            # None of these would be any better on another connection.
            and not isinstance(error, TimeoutError | LocalProtocolError)
            and not self._has_fault
        )

    def _leave(self) -> int:
        self.stream.say_goodbye()
        self.close()
        return GONE

    def close(self) -> None:
        """Close the socket and tell the pool."""
        if not self.is_closed:
            super().close()
            self._pool.note_closed(self)


def _begin_connect(family: int, address: tuple[Any, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(address)
    except OSError:
        sock.close()
        raise
    if code not in CONNECTING:
        sock.close()
        raise OSError(code, os.strerror(code))
    return sock
