"""The relay: one leader polls all sockets and runs handlers in place.

The lead is a token. Before a turn the leader lays it on the desk, after the
turn it takes it up again. When a turn lasts too long the watch takes the token
instead and gives the lead to a deputy from the bench: whoever takes the token
has the lead, and `list.pop` is atomic, so there is no lock on the way of a
request and never a second leader. The old leader finds the desk empty, keeps
the one channel it is busy with, and goes to the bench when that is done.

What belongs to the lead (the selector, the timers, `interest` of each channel)
is touched by the leader only. Other threads put a call into the queue and wake
the leader.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import logging
import os
import selectors
import socket
import threading
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from kit.clock import monotonic
from kit.engine.bench import Bench
from kit.engine.channel import BENCH, EXPIRED, GONE, PARKED, READ, RESUME, Channel
from kit.engine.coroutines import Coroutines
from kit.engine.timers import Call, Timers
from kit.engine.watch import Watch
from kit.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("kit")

JOIN_S = 1.0
"""How long a stopping relay waits for each of its threads."""


class User(Protocol):
    """What holds the shared relay, and must let go of its sockets after a fork."""

    def abandon(self) -> None:
        """Close this process's copies of the sockets, touching nothing else."""


class Relay:
    """Polls channels and gives each its turns. One is shared by a process.

    Use `Relay.acquire(user)` and `relay.release(user)`: it starts with its
    first user and stops with its last.
    """

    _shared: Relay | None = None
    _shared_lock = threading.Lock()

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._selector.register(self._wake_in, READ, None)
        self._queue: collections.deque[tuple[Any, ...]] = collections.deque()
        self._is_woken = False
        self._leader_id = 0
        self._is_stopping = False
        self._timers: Timers[Channel] = Timers()
        self._bench = Bench("kit-bench")
        self._watch = Watch(self)
        self._coroutines = Coroutines()
        self._users: weakref.WeakSet[User] = weakref.WeakSet()
        self._stopped = threading.Event()
        self.desk: list[Channel] = []
        """Holds the channel whose turn it is, as the token of the lead."""
        self.turns = 0
        """Counts turns, so that the watch can tell one from the next."""
        self.stalls = 0
        """How often a deputy had to take the lead."""

    # Life

    @classmethod
    def acquire(cls, user: User) -> Relay:
        """Return the process's relay, started, and hold it for `user`."""
        with cls._shared_lock:
            relay = cls._shared
            if relay is None:
                relay = cls._shared = cls()
                relay.start()
            relay._users.add(user)
            return relay

    def release(self, user: User) -> None:
        """Let go of the relay; with its last user it stops."""
        cls = type(self)
        with cls._shared_lock:
            self._users.discard(user)
            is_last = not self._users and cls._shared is self
            if is_last:
                cls._shared = None
        if is_last:
            self.stop()

    def start(self) -> None:
        """Begin to poll, on a thread of the bench."""
        self._bench.run_urgent(self._lead)
        self._watch.start()

    def stop(self) -> None:
        """Stop polling and end the threads; handlers still running are left behind."""
        self._is_stopping = True
        self._wake()
        self._stopped.wait(JOIN_S)
        self._watch.stop()
        self._coroutines.stop(JOIN_S)
        busy = self._bench.close(JOIN_S)
        if busy:
            logger.warning("handlers still running when the relay stopped, on %s", ", ".join(busy))

    # Requests of other threads

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Have the leader call a short function between turns; any thread."""
        if self._stopped.is_set():
            raise StateError("the relay has stopped: start the server or client again")
        self._queue.append((function, *arguments))
        self._wake()

    def call_later(self, delay_s: float, function: Callable[[], object]) -> Call:
        """Have the leader call a short function after `delay_s`; any thread."""
        call = Call(monotonic() + delay_s, function)
        self.call(self._timers.call_at, call)
        return call

    def adopt(self, channel: Channel, want: int) -> None:
        """Hand a channel over to the leader, by the thread that owns it."""
        self._hand_over(channel, self.settle, channel, want)

    def resume(self, channel: Channel) -> None:
        """Give a parked channel its next turn; any thread."""
        self._hand_over(channel, self._resume, channel)

    def poke(self, channel: Channel) -> None:
        """Give a channel a turn if the leader has it; else its owner will look."""
        self._hand_over(channel, self._poke, channel)

    def run_slow(self, job: Callable[[], None]) -> None:
        """Run something that may block on a thread of the bench; any thread."""
        self._bench.run(job)

    def run_coroutine(
        self, coroutine: Any, done: Callable[[Any, BaseException | None], None]
    ) -> None:
        """Run a coroutine on the asyncio thread; `done(result, error)` is called there."""
        self._coroutines.run(coroutine, done)

    def _hand_over(self, channel: Channel, *item: Any) -> None:
        if self._stopped.is_set():
            # Nobody polls any more: the thread that brings it back closes it.
            channel.break_off(StateError("the relay has stopped"))
            return
        self._queue.append(item)
        self._wake()
        if self._stopped.is_set():
            self._break_off_queued()

    def _wake(self) -> None:
        # The leader looks into the queue before it polls. Whoever was it a moment ago
        # has put his item there before he read this, so his deputy finds it.
        if not self._is_woken and self._leader_id != threading.get_ident():
            self._is_woken = True
            with contextlib.suppress(OSError):
                self._wake_out.send(b"\0")

    # The lead

    def _lead(self) -> None:
        """Poll and run turns until the lead is lost or the relay stops."""
        self._leader_id = threading.get_ident()
        while not self._is_stopping:
            try:
                if not self._round():
                    return
            except Exception:
                # Never a handler's: a broken selector entry must not end the relay.
                logger.exception("unexpected error in the relay")
        self._shut_down()

    def _round(self) -> bool:
        """Poll once and run what is due; False when the lead was lost."""
        now = monotonic()
        timeout = 0.0 if self._queue else self._timers.seconds_to_next(now)
        ready = self._selector.select(timeout)
        for key, events in ready:
            channel = key.data
            if channel is None:
                self._hear_wake()
            elif channel.is_registered and not self._take_turn(channel, events):
                return False
        return self._run_queue() and self._run_due()

    def _hear_wake(self) -> None:
        with contextlib.suppress(OSError):
            self._wake_in.recv(4096)
        # Cleared before the queue is read: a later call wakes anew.
        self._is_woken = False

    def _run_queue(self) -> bool:
        for _ in range(len(self._queue)):
            function, *arguments = self._queue.popleft()
            if function(*arguments) is False:
                return False
        return True

    def _run_due(self) -> bool:
        now = monotonic()
        next_s = self._timers.seconds_to_next(now)
        if next_s is None or next_s > 0:
            return True
        expired, calls = self._timers.take_due(now)
        for call in calls:
            if call.function is not None:
                call.function()
        while expired:
            channel = expired.pop()
            if channel.is_registered and not self._take_turn(channel, EXPIRED):
                # The deputy does not know of the others: let them come due again.
                for other in expired:
                    self._queue.append((self._timers.watch, other))
                self._wake()
                return False
        return True

    def _take_turn(self, channel: Channel, ready: int) -> bool:
        """Run a channel's turn; False when the lead was lost meanwhile."""
        desk = self.desk
        self.turns += 1
        if self._watch.is_asleep:
            self._watch.wake()
        desk.append(channel)
        want = channel.turn(ready)
        try:
            desk.pop()
        except IndexError:
            self.finish(channel, want)
            return False
        if want != channel.interest or want == PARKED or channel.deadline < channel.alarm:
            self.settle(channel, want)
        return True

    def give_turn(self, channel: Channel) -> bool:
        """Give a registered channel a turn now; the leader only, and it returns the result."""
        return self._take_turn(channel, RESUME)

    def _poke(self, channel: Channel) -> bool:
        return not channel.is_registered or self._take_turn(channel, RESUME)

    def _resume(self, channel: Channel) -> bool:
        # Neither here nor parked: its owner goes on with it anyway.
        if not channel.is_parked and not channel.is_registered:
            return True
        channel.is_parked = False
        return self._take_turn(channel, RESUME)

    def settle(self, channel: Channel, want: int) -> None:
        """See to what a channel wants; the leader only."""
        if want == GONE:
            self._forget(channel)
        elif want == BENCH:
            self._unregister(channel)
            self._bench.run(lambda: self.finish(channel, channel.turn(RESUME)))
        else:
            self._register(channel, want)
            self._timers.watch(channel)

    def _register(self, channel: Channel, want: int) -> None:
        if want == PARKED:
            # Not masked but unregistered: epoll reports HUP and ERR for an empty mask too.
            self._park(channel)
            return
        if not channel.is_registered:
            channel.fd = channel.stream.fileno()
            self._selector.register(channel.fd, want, channel)
            channel.is_registered = True
        elif want != channel.interest:
            self._selector.modify(channel.fd, want, channel)
        channel.interest = want

    def _park(self, channel: Channel) -> None:
        want = channel.parked()
        if want is None:
            self._unregister(channel)
            channel.is_parked = True
        elif want == GONE:
            self._forget(channel)
        else:
            self._register(channel, want)

    def _unregister(self, channel: Channel) -> None:
        if channel.is_registered:
            channel.is_registered = False
            channel.interest = PARKED
            # By number, as the turn may have closed the socket already.
            self._selector.unregister(channel.fd)

    def _forget(self, channel: Channel) -> None:
        self._unregister(channel)
        self._timers.forget(channel)

    # Bench threads

    def finish(self, channel: Channel, want: int) -> None:
        """Go on with a channel on the bench thread that owns it, then give it back."""
        while True:
            if want == BENCH or (want == READ and channel.is_hot() and channel.await_hot()):
                want = channel.turn(RESUME if want == BENCH else READ)
            else:
                break
        self.adopt(channel, want)

    @property
    def is_busy(self) -> bool:
        """Whether a turn is under way."""
        return bool(self.desk)

    def promote_deputy(self, turn: int) -> None:
        """Take the lead from a leader whose turn has lasted too long; the watch only."""
        if self.turns != turn:
            return
        try:
            channel = self.desk.pop()
        except IndexError:
            return  # the turn ended just now
        # A new lead has a new desk, so that the old leader finds its own one empty.
        self.desk = []
        self.stalls += 1
        # The token is here, so the selector is ours until the deputy has it.
        self._unregister(channel)
        channel.note_stall()
        self._bench.run_urgent(self._lead)

    # The end

    def _shut_down(self) -> None:
        self._stopped.set()
        self._break_off_queued()
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                key.data.break_off(StateError("the relay has stopped"))
        self._close_own()

    def _break_off_queued(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                for argument in self._queue.popleft()[1:]:
                    if isinstance(argument, Channel):
                        argument.break_off(StateError("the relay has stopped"))

    def _close_own(self) -> None:
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()

    @classmethod
    def _forget_shared_in_child(cls) -> None:
        """Begin with none after a fork: the threads are the parent's."""
        relay, cls._shared, cls._shared_lock = cls._shared, None, threading.Lock()
        if relay is not None:
            relay._stopped.set()
            for user in list(relay._users):
                user.abandon()
            relay._close_own()

    @classmethod
    def _stop_shared(cls) -> None:
        relay, cls._shared = cls._shared, None
        if relay is not None:
            relay.stop()


atexit.register(Relay._stop_shared)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Relay._forget_shared_in_child)
