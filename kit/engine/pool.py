"""A client's connections: who carries which transaction, and who waits.

What is below "The leader" runs on the leader alone, so there is no lock; what
other threads want goes through the relay's queue.
"""

from __future__ import annotations

import collections
import functools
import ipaddress
import socket
import threading
from typing import TYPE_CHECKING

from kit.engine.channel import WRITE
from kit.engine.requester import Requester
from kit.errors import KitError, StateError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from kit.engine.relay import Relay
    from kit.engine.transaction import Origin, SocketAddress, Transaction
    from kit.limits import Limits

GOODBYE_S = 0.5
"""How long a stopping client waits for the closing handshakes of its websockets."""


class CancelledError(StateError):
    """The request was cancelled, or its client stopped."""


class Pool:
    """Kept-alive connections, at most `max_connections` to each origin.

    A connection that has become a websocket does not count: it would keep its
    place for as long as it is open.

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
        self._switched: set[Requester] = set()
        self._is_closed = False
        self._emptied = threading.Event()

    # Any thread

    def submit(self, transaction: Transaction) -> None:
        """Have a transaction carried out."""
        if not self._ask(self._submit, transaction):
            transaction.finish(_cancelled())

    def retry(self, transaction: Transaction) -> None:
        """Carry a transaction out once more, on another connection."""
        transaction.connection = None
        if not self._ask(self._retry, transaction):
            transaction.finish(_cancelled())

    def cancel(self, transaction: Transaction) -> None:
        """Stop the work on a transaction."""
        transaction.is_cancelled = True
        self._ask(self._cancel, transaction)

    def end(self, transaction: Transaction, error: BaseException | None) -> None:
        """Hand the result over, or follow where it points."""
        transaction.connection = None
        try:
            goes_on = error is None and not transaction.is_cancelled and transaction.redirect()
        except KitError as problem:
            goes_on, error = False, problem
        if goes_on:
            self.submit(transaction)
        else:
            transaction.finish(error)

    def note_closed(self, connection: Requester) -> None:
        """Forget a connection, and dial for who waits for one."""
        self._ask(self._forget, connection)

    def note_switched(self, connection: Requester) -> None:
        """Give its place to others, as the connection is a websocket now."""
        self._ask(self._uncount, connection)

    def close(self, timeout_s: float) -> None:
        """End every transaction and connection."""
        if self._ask(self._shut):
            self._emptied.wait(timeout_s)

    def abandon(self) -> None:
        """Close this process's copies of the sockets, after a fork."""
        for connection in list(self._connections):
            connection.stream.close()

    def _ask(self, function: Callable[..., object], *arguments: object) -> bool:
        """Have the leader call a function; False when the relay has stopped."""
        try:
            self._relay.call(function, *arguments)
        except StateError:
            return False
        return True

    # The leader

    def next_for(self, connection: Requester) -> Transaction | None:
        """Give a free connection its next transaction, or note it as idle."""
        if self._is_closed:
            self._ask(self._drop, connection)
            return None
        waiting = self._waiting[connection.origin]
        while waiting:
            transaction = waiting.popleft()
            if transaction.is_cancelled:
                transaction.finish(_cancelled())
                continue
            transaction.connection = connection
            return transaction
        self._idle[connection.origin].append(connection)
        return None

    def _submit(self, transaction: Transaction) -> bool:
        """Start a transaction; False when its turn lost the lead."""
        if transaction.is_cancelled or self._is_closed:
            transaction.finish(_cancelled())
            return True
        idle = self._idle[transaction.origin]
        while idle:
            connection = idle.pop()
            if not connection.is_registered or connection.is_closed:
                continue
            if connection.is_usable():
                connection.begin(transaction)
                return self._relay.give_turn(connection)
            self._drop(connection)
        self._connect_or_wait(transaction)
        return True

    def _retry(self, transaction: Transaction) -> None:
        """Give a transaction a new connection, before those who still wait for a first one."""
        if transaction.is_cancelled or self._is_closed:
            transaction.finish(_cancelled())
            return
        origin = transaction.origin
        if self._counts[origin] < self._max_connections:
            self._connect(transaction)
            return
        transaction.state = "waiting for a connection"
        self._waiting[origin].appendleft(transaction)
        if self._idle[origin]:
            # As old as the one that has just failed; its place is taken by a new one.
            self._drop(self._idle[origin].pop())

    def _connect_or_wait(self, transaction: Transaction) -> None:
        if self._counts[transaction.origin] < self._max_connections:
            self._connect(transaction)
        else:
            transaction.state = "waiting for a connection"
            self._waiting[transaction.origin].append(transaction)

    def _connect(self, transaction: Transaction) -> None:
        self._counts[transaction.origin] += 1
        _, host, port = transaction.origin
        if transaction.addresses:
            self._dial(transaction, None)
        elif (literal := _parse_literal(host, port)) is not None:
            transaction.addresses = [literal]
            self._dial(transaction, None)
        else:
            self._begin_to_resolve(transaction)

    def _begin_to_resolve(self, transaction: Transaction) -> None:
        transaction.state = f"resolving {transaction.origin[1]}"
        # The system's resolver takes its time, and nothing can interrupt it.
        transaction.alarm = self._relay.call_later(
            self.timeout_s, functools.partial(self._give_up_resolving, transaction)
        )
        try:
            self._relay.run_slow(functools.partial(self._resolve, transaction))
        except RuntimeError as error:
            self._dial(transaction, OSError(f"no thread to resolve a name on: {error}"))

    def _give_up_resolving(self, transaction: Transaction) -> None:
        transaction.finish(
            TimeoutError(f"no progress for {self.timeout_s:g} s while {transaction.state}")
        )

    def _resolve(self, transaction: Transaction) -> None:
        """Look the name up, on a bench thread, as that blocks."""
        _, host, port = transaction.origin
        error: OSError | None = None
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            transaction.addresses = list(dict.fromkeys((info[0], info[4]) for info in found))
        except OSError as problem:
            error = problem
        except ValueError as problem:  # a name that cannot be encoded
            error = OSError(f"{host!r} is not a host name: {problem}")
        if not self._ask(self._dial, transaction, error):
            transaction.finish(_cancelled())

    def _dial(self, transaction: Transaction, error: BaseException | None) -> None:
        """Begin to connect to the first address; the place is given back if that fails."""
        addresses, transaction.addresses = transaction.addresses, []
        alarm, transaction.alarm = transaction.alarm, None
        if alarm is not None:
            alarm.cancel()
        origin = transaction.origin
        if transaction.is_cancelled or self._is_closed:
            error = _cancelled()
        if error is None and not transaction.is_finished:
            try:
                connection = Requester(self._relay, self, origin, addresses, transaction)
            except OSError as problem:
                error = problem
            else:
                transaction.connection = connection
                self._connections.add(connection)
                self._relay.settle(connection, WRITE)
                return
        transaction.finish(error)
        self._counts[origin] -= 1
        # Not from here: with many waiting for an address that fails at once it would go deep.
        self._ask(self._serve, origin)

    def _serve(self, origin: Origin) -> None:
        """Dial for those who wait, as there may be a place."""
        waiting = self._waiting[origin]
        while waiting and self._counts[origin] < self._max_connections:
            transaction = waiting.popleft()
            if transaction.is_cancelled:
                transaction.finish(_cancelled())
            else:
                self._connect(transaction)

    def _cancel(self, transaction: Transaction) -> None:
        connection = transaction.connection
        if connection is None:
            waiting = self._waiting[transaction.origin]
            if transaction in waiting:
                waiting.remove(transaction)
            # Who is being resolved finds itself cancelled when the name is known.
            transaction.finish(_cancelled())
        elif connection.transaction is transaction:
            self._drop(connection)

    def _drop(self, connection: Requester) -> None:
        if connection.is_registered or connection.is_parked:
            self._relay.settle(connection, connection.break_off(_cancelled()))
        else:
            connection.stream.cut()  # its owner finds it broken

    def _uncount(self, connection: Requester) -> None:
        if connection in self._connections and connection not in self._switched:
            self._switched.add(connection)
            self._counts[connection.origin] -= 1
            self._serve(connection.origin)

    def _forget(self, connection: Requester) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        origin = connection.origin
        if connection in self._switched:
            self._switched.discard(connection)
        else:
            self._counts[origin] -= 1
        if connection in self._idle[origin]:
            self._idle[origin].remove(connection)
        self._serve(origin)
        self._check_emptied()

    def _shut(self) -> None:
        self._is_closed = True
        for waiting in self._waiting.values():
            while waiting:
                waiting.popleft().finish(_cancelled())
        for connection in list(self._connections):
            if not connection.is_saying_goodbye:
                self._drop(connection)
        if self._connections:
            self._relay.call_later(GOODBYE_S, self._drop_all)
        self._check_emptied()

    def _drop_all(self) -> None:
        for connection in list(self._connections):
            self._drop(connection)

    def _check_emptied(self) -> None:
        if self._is_closed and not self._connections:
            self._emptied.set()


def _cancelled() -> CancelledError:
    return CancelledError("the request was cancelled")


def _parse_literal(host: str, port: int) -> SocketAddress | None:
    if "%" in host:
        return None  # only the system's resolver knows the number of an IPv6 zone
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if address.version == 4:
        return socket.AF_INET, (host, port)
    return socket.AF_INET6, (host, port, 0, 0)


__all__ = ["CancelledError", "Pool"]
