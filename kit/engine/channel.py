"""What the relay polls, and how a turn on it goes.

A channel has exactly one owner at any time: the leader, while it is registered
with the selector, or the thread that runs its turn. Only the owner touches its
protocol and stream. A turn never touches the selector: it returns what the
channel wants next, and the leader sees to that.
"""

from __future__ import annotations

import collections
import logging
from typing import TYPE_CHECKING

from kit.clock import monotonic
from kit.engine.timers import NEVER
from kit.wire.faulty import PARKED, FaultyStream
from kit.wire.streams import READ, WRITE, Stream, wait_ready

if TYPE_CHECKING:
    from kit.engine.relay import Relay

logger: logging.Logger = logging.getLogger("kit")

# PARKED, which a stream's pause is too: wants nothing, another thread will resume it.
BENCH = 4
"""Wants its next turn (RESUME) on a bench thread, as it may block."""
GONE = -1
"""Is closed; the relay forgets it."""

RESUME = 0
"""The `ready` of a turn that no readiness caused."""

EXPIRED = -2
"""The `ready` of the turn after a deadline has passed."""

HOT_S = 0.02
"""How long a bench thread stays with a slow route's connection that fell idle."""


class Channel:
    """A socket and the state machine on it.

    Subclasses implement `step`; the relay calls `turn`.

    Attributes:
        interest: what the selector watches for it (READ | WRITE); the leader's.
        deadline: monotonic time at which `expire` is called; the owner's.
        alarm: when the deadline is looked at next; the leader's.
        is_registered: whether it is in the selector; the leader's.
        is_parked: whether it waits for another thread to resume it; the leader's.
        is_poked: whether it is due a turn as soon as the leader has it again; the leader's.
    """

    __slots__ = (
        "__weakref__",
        "_unsent",
        "_unsent_bytes",
        "alarm",
        "deadline",
        "fd",
        "interest",
        "is_closed",
        "is_parked",
        "is_poked",
        "is_registered",
        "relay",
        "stream",
    )

    def __init__(self, relay: Relay, stream: Stream) -> None:
        self.relay: Relay = relay
        self.stream: Stream = stream
        self.fd: int = -1
        self.interest: int = PARKED
        self.is_registered: bool = False
        self.is_parked: bool = False
        self.is_poked: bool = False
        self.deadline: float = NEVER
        self.alarm: float = NEVER
        self.is_closed: bool = False
        self._unsent: collections.deque[memoryview] | None = None
        self._unsent_bytes = 0

    def step(self, ready: int) -> int:
        """Do what can be done without waiting; return what is wanted next."""
        raise NotImplementedError

    def expire(self) -> int:
        """Act on a deadline that has passed; return what is wanted next."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """Take note of an error that ends the channel; never raises."""

    def turn(self, ready: int) -> int:
        """Run one turn; whatever goes wrong ends the channel and nothing else."""
        if self.is_closed:
            return GONE
        try:
            return self.step(ready) if ready != EXPIRED else self.expire()
        except BaseException as error:
            return self._end_badly(error)

    def _end_badly(self, error: BaseException) -> int:
        # The leader counts on it that a turn never raises.
        try:
            self.break_off(error)
        except BaseException:
            logger.exception("unexpected error while a connection was ended")
        try:
            self.close()  # which does nothing if it was `close` that failed
        except BaseException:
            logger.exception("unexpected error while a connection was closed")
        return GONE

    def break_off(self, error: BaseException) -> int:
        """End the channel after an error."""
        self.fail(error)
        self.close()
        return GONE

    def close(self) -> None:
        """Close the stream, once; only the owner may."""
        if not self.is_closed:
            self.is_closed = True
            self.stream.close()

    def parked(self) -> int | None:
        """Start what the channel waits for; the leader, who owns it now, calls it.

        Returns:
            What to poll for after all, or None: another thread will resume it.
        """
        return None

    def came_back(self) -> None:
        """Catch up on what was asked of all channels while this one was away.

        The leader calls it whenever it begins to poll the channel.
        """

    def note_stall(self) -> None:
        """Take note that its turn has kept the leader too long; any thread."""

    def is_hot(self) -> bool:
        """Tell whether a bench thread should wait for its next request."""
        return False

    # Output: what the socket does not take at once is kept and sent on when it can.

    @property
    def unsent_bytes(self) -> int:
        """How much lies unsent."""
        return self._unsent_bytes

    def write(self, data: bytes) -> None:
        """Send now what the socket takes, and keep the rest."""
        if self._unsent_bytes:
            self._keep(memoryview(data))
            return
        sent = self.stream.send(data)
        if sent < len(data):
            self._keep(memoryview(data)[sent:])
            # Until the stream refuses, so that it knows what it is blocked on.
            self.flush()

    def _keep(self, rest: memoryview) -> None:
        if self._unsent is None:
            self._unsent = collections.deque()
        self._unsent.append(rest)
        self._unsent_bytes += len(rest)

    def flush(self) -> bool:
        """Send on what is kept; True when nothing is left."""
        unsent = self._unsent
        while unsent:
            rest = unsent[0]
            sent = self.stream.send(rest)
            if sent == 0:
                return False
            self._unsent_bytes -= sent
            if sent < len(rest):
                unsent[0] = rest[sent:]
            else:
                unsent.popleft()
        return True

    def is_held(self) -> bool:
        """Tell whether what lies unsent waits for something else than room.

        If that is a pause the channel has a turn when it is over.
        """
        stream = self.stream
        if not isinstance(stream, FaultyStream):
            return False
        pause_s = stream.take_pause()
        if pause_s is not None:
            self.relay.call_later(pause_s, lambda: self.relay.poke(self))
        return stream.is_held

    def want_both(self) -> int:
        """Return what to poll for while reading: room too if that lets the rest go on."""
        return READ | WRITE if self._unsent_bytes and not self.is_held() else READ

    def stays_hot(self, want: int) -> bool:
        """Tell whether a bench thread goes on with this; waits a little for it."""
        # Past its deadline the leader must have it, who alone sees to time limits.
        return want == READ and self.is_hot() and self.deadline > monotonic() and self.await_hot()

    def await_hot(self) -> bool:
        """Wait a little for the next request, on a bench thread."""
        return self.stream.has_pending() or wait_ready(self.stream, READ, HOT_S)


__all__ = ["BENCH", "EXPIRED", "GONE", "HOT_S", "PARKED", "READ", "RESUME", "WRITE", "Channel"]
