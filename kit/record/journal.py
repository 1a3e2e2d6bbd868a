"""The bounded record of what happened, and waiting for it to happen."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, overload

from kit.clock import monotonic
from kit.errors import ConfigurationError
from kit.limits import KIB, MIB
from kit.record.capture import DEFAULT_BODY_CAP
from kit.record.waiting import AsyncInbox, Inbox, Search, TextMatch, check_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kit.record.exchange import Exchange

DEFAULT_MAX_EXCHANGES = 10_000
DEFAULT_MAX_BYTES = 64 * MIB
DEFAULT_TIMEOUT_S = 5.0

# So many exchanges may be counted late, and so many kept beyond the bound, until
# somebody looks: a lock for each would cost more than all the rest.
_BATCH = 32
# A waiter falls behind by so many moves before the oldest are lost to it.
_MIN_INBOX = 1000
# An open websocket is measured again when it has grown by this much.
_GROWTH_STEP = 16 * KIB
# The end of the record is read in place so often, then from a copy.
_TRIES = 3


class Journal:
    """Keeps exchanges from their arrival on, in order of arrival.

    It is an `Observer`, told from any thread, and is read from any thread:
    reading works on a snapshot. When a bound is passed the exchanges that were
    done first are dropped first, and open ones only when no other is left;
    `dropped` counts them. An empty journal is false.

    Args:
        max_exchanges: how many exchanges are kept.
        max_bytes: about how much memory they may take. An open exchange counts
            from when it is done, an open websocket as its frames come.
        body_cap: bodies longer than this many bytes are cut to it, with their
            length and SHA-256 noted.

    Raises:
        ConfigurationError: a bound is not a positive whole number.
    """

    __slots__ = (
        "_bytes",
        "_done",
        "_dropped",
        "_entries",
        "_fresh",
        "_inboxes",
        "_lock",
        "_max_bytes",
        "_max_exchanges",
        "_open_bytes",
        "_tidy_at",
        "body_cap",
    )

    def __init__(
        self,
        *,
        max_exchanges: int = DEFAULT_MAX_EXCHANGES,
        max_bytes: int = DEFAULT_MAX_BYTES,
        body_cap: int = DEFAULT_BODY_CAP,
    ) -> None:
        self._max_exchanges = _check_bound("max_exchanges", max_exchanges, least=1)
        self._tidy_at = self._max_exchanges + _BATCH
        self._max_bytes = _check_bound("max_bytes", max_bytes, least=1)
        self.body_cap: int = _check_bound("body_cap", body_cap, least=0)
        self._lock = threading.Lock()
        self._entries: dict[int, Exchange] = {}
        self._fresh: deque[Exchange] = deque()
        self._done: deque[Exchange] = deque()
        self._open_bytes: dict[int, int] = {}
        self._inboxes: tuple[Inbox, ...] = ()
        self._bytes = 0
        self._dropped = 0

    # What the engine calls.

    def started(self, exchange: Exchange) -> None:
        """Take a new exchange."""
        # One store into a dict needs no lock; bounds are held to in batches.
        entries = self._entries
        entries[exchange.id] = exchange
        if len(entries) > self._tidy_at:
            self._tidy()
        # Read last: who enlists before is woken, who enlists later finds the
        # exchange among the entries.
        if self._inboxes:
            self._wake(exchange)

    def progress(self, exchange: Exchange) -> None:
        """Note that an open exchange has moved on."""
        log = exchange.frame_log
        if log is not None:
            counted = self._open_bytes.get(exchange.id, 0)
            if log.recorded_bytes - counted >= _GROWTH_STEP:
                self._count_open(exchange, log.recorded_bytes)
        if self._inboxes:
            self._wake(exchange)

    def complete(self, exchange: Exchange) -> None:
        """Note that an exchange is complete; sets its `done_at` if nobody has."""
        if exchange.done_at is None:
            exchange.done_at = monotonic()
        # Long bodies are cut and hashed at once, outside the lock. (The length of
        # a body that is cut already is that of its record, which is never long.)
        if len(exchange.request_content) + len(exchange.response_content) > self.body_cap:
            exchange.settle(self.body_cap)
        fresh = self._fresh
        fresh.append(exchange)
        if len(fresh) >= _BATCH:
            self._tidy()
        if self._inboxes:
            self._wake(exchange)

    def failed(self, exchange: Exchange, error: str) -> None:
        """Note that an exchange has failed, and why."""
        if exchange.error is None:
            exchange.error = error
        self.complete(exchange)

    # What tests call.

    @property
    def dropped(self) -> int:
        """How many exchanges were dropped since the journal was last cleared."""
        self._tidy()
        return self._dropped

    @property
    def recorded_bytes(self) -> int:
        """About how much memory the exchanges take, as held against `max_bytes`."""
        self._tidy()
        return self._bytes

    def filter(
        self,
        *,
        method: str | None = None,
        path: str | None = None,
        route: str | None = None,
        status: int | None = None,
    ) -> list[Exchange]:
        """Return the exchanges that meet every condition given.

        Args:
            method: the request's method.
            path: the request's path, undecoded, without its query.
            route: a pattern as registered, with or without a method before it.
            status: the response's status code.
        """
        wanted_route = None if route is None else TextMatch(route)
        return [
            exchange
            for exchange in self
            if (method is None or exchange.method == method)
            and (path is None or exchange.path == path)
            and (wanted_route is None or wanted_route.is_route_of(exchange))
            and (status is None or exchange.response_status == status)
        ]

    def list_since(self, received_at: float) -> list[Exchange]:
        """Return the exchanges that arrived at this time (real-monotonic seconds) or later.

        Costs no more than these, however long the record before them is.
        """
        recent: list[Exchange] = []
        for _ in range(_TRIES):
            try:
                for exchange in reversed(self._entries.values()):
                    if exchange.received_at < received_at:
                        break
                    recent.append(exchange)
            except RuntimeError:
                recent.clear()  # another one was stored meanwhile
            else:
                return recent[::-1]
        return [exchange for exchange in self if exchange.received_at >= received_at]

    def clear(self) -> None:
        """Forget everything; exchanges still open are not taken up again."""
        with self._lock:
            forgotten = (self._entries, self._fresh, self._done)
            self._entries, self._fresh, self._done = {}, deque(), deque()
            self._open_bytes = {}
            self._bytes = self._dropped = 0
        del forgotten

    def wait_for(
        self,
        match: str | Callable[[Exchange], object] | None = None,
        *,
        count: int = 1,
        timeout: float = DEFAULT_TIMEOUT_S,
        state: str = "received",
    ) -> list[Exchange]:
        """Wait until this many matching exchanges have arrived.

        Those already in the journal count. Time is real time, also where a test
        has frozen the clock.

        Args:
            match: a route's pattern as registered or a path, "/user/:name" or
                "/user/bob", with or without a method before it; or a URL; or a
                function that is asked about each exchange, in the calling
                thread, whenever the exchange has moved on; or None for any.
            count: how many there must be.
            timeout: seconds; 0 only looks.
            state: what each must have come to: "received", "handling",
                "responding", "complete" or "failed".

        Returns:
            The first `count` that match, in order of arrival.

        Raises:
            WaitTimeoutError: too few did; the text lists what did arrive.
            ConfigurationError: an argument cannot work.
        """
        search = Search(match, count=count, timeout_s=timeout, state=check_state(state))
        inbox = Inbox(self._inbox_capacity)
        deadline = monotonic() + timeout
        self._enlist(inbox)
        try:
            found = search.look_at(self)
            while found is None:
                remaining_s = deadline - monotonic()
                if remaining_s <= 0:
                    raise search.timeout_error(self, inbox.lost)
                inbox.wait(remaining_s)
                found = search.look_at(inbox.drain())
        finally:
            self._dismiss(inbox)
        return found

    async def wait_for_async(
        self,
        match: str | Callable[[Exchange], object] | None = None,
        *,
        count: int = 1,
        timeout: float = DEFAULT_TIMEOUT_S,
        state: str = "received",
    ) -> list[Exchange]:
        """Wait as `wait_for` does, without blocking the running event loop.

        `match` is asked in the loop's thread.
        """
        search = Search(match, count=count, timeout_s=timeout, state=check_state(state))
        inbox = AsyncInbox(self._inbox_capacity)
        deadline = monotonic() + timeout
        self._enlist(inbox)
        try:
            found = search.look_at(self)
            while found is None:
                remaining_s = deadline - monotonic()
                if remaining_s <= 0:
                    raise search.timeout_error(self, inbox.lost)
                await inbox.wait_async(remaining_s)
                found = search.look_at(inbox.drain())
        finally:
            self._dismiss(inbox)
            inbox.close()
        return found

    def __iter__(self) -> Iterator[Exchange]:
        self._tidy()
        # A dict's copy is made in one step, whatever other threads store meanwhile.
        return iter(self._entries.copy().values())

    def __len__(self) -> int:
        self._tidy()
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> Exchange: ...
    @overload
    def __getitem__(self, index: slice) -> list[Exchange]: ...
    def __getitem__(self, index: int | slice) -> Exchange | list[Exchange]:
        snapshot = list(self)
        try:
            return snapshot[index]
        except IndexError:
            msg = f"journal index {index} is out of range: it has {len(snapshot)} exchanges"
            raise IndexError(msg) from None

    def __repr__(self) -> str:
        self._tidy()
        exchanges = len(self._entries)
        open_ones = exchanges - len(self._done)
        dropped = f", {self._dropped} dropped" if self._dropped else ""
        return f"<Journal {exchanges} exchanges, {open_ones} open, {self._bytes} bytes{dropped}>"

    # Bounds and waiters.

    @property
    def _inbox_capacity(self) -> int:
        return max(_MIN_INBOX, self._max_exchanges)

    def _count_open(self, exchange: Exchange, recorded_bytes: int) -> None:
        with self._lock:
            if exchange.id not in self._entries or exchange.is_done:
                return
            self._bytes += recorded_bytes - self._open_bytes.get(exchange.id, 0)
            self._open_bytes[exchange.id] = recorded_bytes
            is_over = self._bytes > self._max_bytes
        if is_over:
            self._tidy()

    def _tidy(self) -> None:
        """Count what was completed since the last time, then hold to the bounds."""
        dropped: list[Exchange] = []
        with self._lock:
            self._count_fresh()
            if len(self._entries) > self._max_exchanges or self._bytes > self._max_bytes:
                self._drop_into(dropped)
        # `dropped` dies outside the lock: freeing may run anyone's finalizers.

    def _count_fresh(self) -> None:
        fresh, done, entries = self._fresh, self._done, self._entries
        total = self._bytes
        while fresh:
            exchange = fresh.popleft()
            # Measured once: journals that share it add and subtract the same.
            size = exchange.recorded_bytes or exchange.settle(self.body_cap)
            if exchange.id in entries:
                done.append(exchange)
                total += size
                if self._open_bytes:
                    total -= self._open_bytes.pop(exchange.id, 0)
        self._bytes = total

    def _drop_into(self, dropped: list[Exchange]) -> None:
        entries, done = self._entries, self._done
        while len(entries) > self._max_exchanges or self._bytes > self._max_bytes:
            if done:
                victim = done.popleft()
                self._bytes -= victim.recorded_bytes
            else:
                victim = self._release_open()
            if entries.pop(victim.id, None) is not None:
                self._dropped += 1
                dropped.append(victim)

    def _release_open(self) -> Exchange:
        """Choose an open exchange to drop, and free what it holds."""
        if len(self._entries) > self._max_exchanges:
            victim = self._find_oldest()
        else:
            victim = self._entries[next(iter(self._open_bytes))]
        self._bytes -= self._open_bytes.pop(victim.id, 0)
        # The connection holds on to its exchange, so that dropping it alone
        # would free nothing.
        if victim.frame_log is not None:
            victim.frame_log.discard()
        return victim

    def _find_oldest(self) -> Exchange:
        while True:
            try:
                return next(iter(self._entries.values()))
            except RuntimeError:
                # `started` stored another one between the two calls.
                continue

    def _enlist(self, inbox: Inbox) -> None:
        with self._lock:
            self._inboxes = (*self._inboxes, inbox)

    def _dismiss(self, inbox: Inbox) -> None:
        with self._lock:
            self._inboxes = tuple(one for one in self._inboxes if one is not inbox)

    def _wake(self, exchange: Exchange) -> None:
        for inbox in self._inboxes:
            inbox.put(exchange)


def _check_bound(name: str, value: object, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        msg = f"journal bound {name} must be a whole number of at least {least}, not {value!r}"
        raise ConfigurationError(msg)
    return value
