"""A client's connections: who carries which transaction, and who waits.

Everything here runs on the leader, so there is no lock; what other threads
want goes through `relay.call`.
"""

from __future__ import annotations

import collections
import ipaddress
import socket
import threading
from typing import TYPE_CHECKING

from kit.engine.channel import GONE, WRITE
from kit.engine.requester import Requester
from kit.errors import StateError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from kit.engine.relay import Relay
    from kit.engine.transaction import Origin, SocketAddress, Transaction
    from kit.limits import Limits


class CancelledError(StateError):
    """The request was cancelled, or its client stopped."""


class Pool:
    """Kept-alive connections, at most `max_connections` to each origin.

    Args:
        get_context: gives the TLS context, when one is first needed.
        timeout_s: how long a connection may make no progress.
    """

    def __init__(
        self,
        relay: Relay,
        limits: Limits,
        *,
        get_context: Callable[[], ssl.SSLContext],
        timeout_s: float,
        max_connections: int,
    ) -> None:
        self.limits = limits
        self.timeout_s = timeout_s
        self.get_context = get_context
        self._relay = relay
        self._max_connections = max_connections
        self._idle: dict[Origin, list[Requester]] = collections.defaultdict(list)
        self._waiting: dict[Origin, collections.deque[Transaction]] = collections.defaultdict(
            collections.deque
        )
        self._counts: collections.Counter[Origin] = collections.Counter()
        self._connections: set[Requester] = set()
        self._is_closed = False
        self._emptied = threading.Event()

    # Any thread

    def submit(self, transaction: Transaction) -> None:
        """Have a transaction carried out."""
        self._relay.call(self._submit, transaction)

    def retry(self, transaction: Transaction) -> None:
        """Carry a transaction out once more, on another connection."""
        self._relay.call(self._connect, transaction)

    def cancel(self, transaction: Transaction) -> None:
        """Stop the work on a transaction."""
        transaction.is_cancelled = True
        self._relay.call(self._cancel, transaction)

    def end(self, transaction: Transaction, error: BaseException | None) -> None:
        """Hand the result over, or follow where it points."""
        transaction.connection = None
        if error is None and not transaction.is_cancelled and transaction.redirect():
            self.submit(transaction)
        else:
            transaction.finish(error)

    def note_closed(self, connection: Requester) -> None:
        """Forget a connection, and dial for who waits for one."""
        self._relay.call(self._forget, connection)

    def close(self, timeout_s: float) -> None:
        """End every transaction and connection."""
        self._relay.call(self._shut)
        self._emptied.wait(timeout_s)

    # The leader

    def next_for(self, connection: Requester) -> Transaction | None:
        """Give a free connection its next transaction, or note it as idle."""
        waiting = self._waiting[connection.origin]
        while waiting:
            transaction = waiting.popleft()
            if not transaction.is_cancelled:
                transaction.connection = connection
                return transaction
        if self._is_closed:
            self._relay.call(self._drop, connection)
        self._idle[connection.origin].append(connection)
        return None

    def _submit(self, transaction: Transaction) -> bool:
        """Start a transaction; False when its turn lost the lead."""
        if transaction.is_cancelled or self._is_closed:
            transaction.finish(CancelledError("the request was cancelled"))
            return True
        idle = self._idle[transaction.origin]
        while idle:
            connection = idle.pop()
            if connection.is_registered and not connection.is_closed:
                connection.begin(transaction)
                return self._relay.give_turn(connection)
        if self._counts[transaction.origin] >= self._max_connections:
            self._waiting[transaction.origin].append(transaction)
        else:
            self._connect(transaction)
        return True

    def _connect(self, transaction: Transaction) -> None:
        self._counts[transaction.origin] += 1
        _, host, port = transaction.origin
        if transaction.addresses:
            self._dial(transaction, None)
        elif (literal := _parse_literal(host, port)) is not None:
            transaction.addresses = [literal]
            self._dial(transaction, None)
        else:
            transaction.state = f"resolving {host}"
            self._relay.run_slow(lambda: self._resolve(transaction))

    def _resolve(self, transaction: Transaction) -> None:
        """Look the name up, on a bench thread, as that blocks."""
        _, host, port = transaction.origin
        error: OSError | None = None
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            transaction.addresses = list(dict.fromkeys((info[0], info[4]) for info in found))
        except (OSError, UnicodeError) as problem:
            error = problem if isinstance(problem, OSError) else OSError(str(problem))
        self._relay.call(self._dial, transaction, error)

    def _dial(self, transaction: Transaction, error: OSError | None) -> None:
        addresses, transaction.addresses = transaction.addresses, []
        if transaction.is_cancelled or self._is_closed:
            error = error or OSError("the request was cancelled")
        try:
            if error is not None:
                raise error
            connection = Requester(self._relay, self, transaction.origin, addresses, transaction)
        except OSError as problem:
            self._counts[transaction.origin] -= 1
            transaction.finish(problem)
            return
        transaction.connection = connection
        self._connections.add(connection)
        self._relay.settle(connection, WRITE)

    def _cancel(self, transaction: Transaction) -> None:
        connection = transaction.connection
        if connection is None:
            waiting = self._waiting[transaction.origin]
            if transaction in waiting:
                waiting.remove(transaction)
                transaction.finish(CancelledError("the request was cancelled"))
        elif connection.transaction is transaction:
            self._drop(connection)

    def _drop(self, connection: Requester) -> None:
        if connection.is_registered or connection.is_parked:
            self._relay.settle(connection, connection.break_off(CancelledError("cancelled")))
        else:
            connection.stream.cut()  # its owner finds it broken

    def _forget(self, connection: Requester) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        origin = connection.origin
        self._counts[origin] -= 1
        if connection in self._idle[origin]:
            self._idle[origin].remove(connection)
        waiting = self._waiting[origin]
        while waiting and self._counts[origin] < self._max_connections:
            self._connect(waiting.popleft())
        self._check_emptied()

    def _shut(self) -> None:
        self._is_closed = True
        for waiting in self._waiting.values():
            while waiting:
                waiting.popleft().finish(CancelledError("the client stopped"))
        for connection in list(self._connections):
            self._drop(connection)
        self._check_emptied()

    def _check_emptied(self) -> None:
        if self._is_closed and not self._connections:
            self._emptied.set()


def _parse_literal(host: str, port: int) -> SocketAddress | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if address.version == 4:
        return socket.AF_INET, (host, port)
    return socket.AF_INET6, (host, port, 0, 0)


__all__ = ["GONE", "CancelledError", "Pool"]
