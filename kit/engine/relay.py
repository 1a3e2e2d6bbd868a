"""The relay: one leader polls all sockets and runs handlers in place.

The lead is a token. Before a turn the leader lays it on the desk, after the
turn it takes it up again. When a turn lasts too long the watch takes the token
instead and gives the lead to a deputy from the bench: whoever takes the token
has the lead, and `list.pop` is atomic, so there is no lock on the way of a
request and never a second leader. The old leader finds the desk empty, keeps
the one channel it is busy with, and goes to the bench when that is done.

What belongs to the lead (the selector, the timers, `interest` of each channel)
is touched by the leader only. Other threads put a call into the queue and wake
the leader, even for a new listener that epoll would take from anybody: its
descriptor may be that of a socket which the leader has closed and not yet
unregistered.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import errno
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

logger: logging.Logger = logging.getLogger("kit")

JOIN_S = 1.0
"""How long a stopping relay waits for its threads."""
RECOVER_S = 0.05
"""How long the leader rests after an error of the relay's own, lest it floods the log."""
MAX_POLLED = 500 if os.name == "nt" else 10_000_000
"""Windows' `select` refuses to poll anything when there are more than 512 sockets."""


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
        self._wake_lock = threading.Lock()
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
        self.turns: int = 0
        """Counts turns, so that the watch can tell one from the next."""
        self.stalls: int = 0
        """How often a deputy had to take the lead."""

    # Life

    @classmethod
    def acquire(cls, user: User) -> Relay:
        """Return the process's relay, started, and hold it for `user`."""
        with cls._shared_lock:
            relay = cls._shared
            if relay is None:
                relay = cls()
                relay.start()
                cls._shared = relay
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
        try:
            self._watch.start()
            self._bench.run_urgent(self._lead)
        except RuntimeError:
            # The system gives no thread.
            self._watch.stop()
            self._close_own()
            raise

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

    def call_next(self, function: Callable[..., object], *arguments: object) -> None:
        """Have the leader call a short function when it wakes the next time; any thread."""
        self._queue.append((function, *arguments))

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
        if not self._stopped.is_set() or channel.is_parked:
            self._hand_over(channel, self._resume, channel)

    def poke(self, channel: Channel) -> None:
        """Give a channel a turn, at once or when its owner gives it back; any thread."""
        if not self._stopped.is_set():
            self._queue.append((self._poke, channel))
            self._wake()

    def run_slow(self, job: Callable[[], None]) -> None:
        """Run something that may block on a thread of the bench; any thread."""
        self._bench.run(job)

    def run_coroutine(
        self, coroutine: Any, done: Callable[[Any, BaseException | None], None]
    ) -> None:
        """Run a coroutine on the asyncio thread; `done(result, error)` is called there."""
        if self._coroutines.is_running:
            self._coroutines.run(coroutine, done)
        else:
            # Its start imports asyncio, which takes longer than the leader has.
            self._bench.run(lambda: self._run_first_coroutine(coroutine, done))

    def _run_first_coroutine(
        self, coroutine: Any, done: Callable[[Any, BaseException | None], None]
    ) -> None:
        if self._is_stopping:
            coroutine.close()
            done(None, RuntimeError("the handler was not started, as the relay stops"))
        else:
            self._coroutines.run(coroutine, done)

    def _hand_over(self, channel: Channel, *item: Any) -> None:
        if self._stopped.is_set():
            # Nobody polls any more: the thread that brings it back closes it.
            self._orphan(channel)
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
            # Never into a descriptor that has been closed and given to somebody else.
            with self._wake_lock, contextlib.suppress(OSError):
                self._wake_out.send(b"\0")

    # The lead

    def _lead(self) -> None:
        """Poll and run turns until the lead is lost or the relay stops."""
        self._leader_id = threading.get_ident()
        while not self._is_stopping:
            try:
                if not self._round():
                    return
            except BaseException:
                # Never a handler's: a broken selector entry must not end the relay.
                logger.exception("unexpected error in the relay")
                threading.Event().wait(RECOVER_S)
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
        try:
            want = channel.turn(ready)
        except BaseException as error:
            # Without this the token would stay on the desk, for the watch to take.
            want = self._give_up(channel, error)
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
        if channel.is_registered:
            return self._take_turn(channel, RESUME)
        # Its owner may have looked already, and be about to bring it back.
        channel.is_poked = True
        return True

    def _resume(self, channel: Channel) -> bool:
        # Neither here nor parked: its owner goes on with it anyway.
        if not channel.is_parked and not channel.is_registered:
            return True
        channel.is_parked = False
        return self._take_turn(channel, RESUME)

    def settle(self, channel: Channel, want: int) -> None:
        """See to what a channel wants; the leader only."""
        try:
            if want == PARKED:
                want = self._park(channel)
            if want == GONE:
                self._forget(channel)
            elif want == BENCH:
                self._unregister(channel)
                self._send_to_bench(channel)
            elif want != PARKED:
                self._register(channel, want)
                self._timers.watch(channel)
        except Exception as error:
            # A socket that cannot be polled, say: left alone it would never end.
            self._give_up(channel, error)
            self._forget(channel)

    def _send_to_bench(self, channel: Channel) -> None:
        try:
            self._bench.run(lambda: self.finish(channel, BENCH))
        except RuntimeError as error:
            logger.warning("no thread for a slow handler, it runs in place: %s", error)
            channel.is_parked = True
            self._queue.append((self._resume, channel))

    def _register(self, channel: Channel, want: int) -> None:
        if not channel.is_registered:
            if len(self._selector.get_map()) > MAX_POLLED:
                raise OSError(errno.EMFILE, f"this system polls {MAX_POLLED} sockets at most")
            channel.fd = channel.stream.fileno()
            self._selector.register(channel.fd, want, channel)
            channel.is_registered = True
            channel.interest = want
            channel.came_back()
            if channel.is_poked:
                channel.is_poked = False
                self._queue.append((self._poke, channel))
        elif want != channel.interest:
            self._selector.modify(channel.fd, want, channel)
        channel.interest = want

    def _park(self, channel: Channel) -> int:
        want = channel.parked()
        if want is not None:
            return want
        # Not masked but unregistered: epoll reports HUP and ERR for an empty mask too.
        self._unregister(channel)
        channel.is_parked = True
        return PARKED

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
        try:
            while not self._stopped.is_set() and (want == BENCH or channel.stays_hot(want)):
                want = channel.turn(RESUME if want == BENCH else READ)
        except BaseException as error:
            # Must not reach the loop of the lead, which this thread may have lost.
            want = self._give_up(channel, error)
        self.adopt(channel, want)

    def _give_up(self, channel: Channel, error: BaseException) -> int:
        """End a channel whose own end has failed."""
        logger.error("unexpected error on %r", channel, exc_info=error)
        try:
            channel.break_off(error)
            channel.close()
        except Exception:
            logger.exception("unexpected error while closing %r", channel)
        return GONE

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
        self._appoint_deputy()

    def _appoint_deputy(self) -> None:
        is_told = False
        while not self._is_stopping:
            try:
                self._bench.run_urgent(self._lead)
            except RuntimeError as error:
                # Until there is a thread, be it the one of the handler that is busy now.
                if not is_told:
                    is_told = True
                    logger.warning("no thread to poll on: %s; trying again", error)
                self._watch.pause()
            else:
                return
        self._lead()  # which only shuts down

    # The end

    def _shut_down(self) -> None:
        self._stopped.set()
        self._break_off_queued()
        # None when closed already, in the child of a fork.
        for key in list((self._selector.get_map() or {}).values()):
            if key.data is not None:
                self._orphan(key.data)
        self._close_own()

    def _break_off_queued(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                function, *arguments = self._queue.popleft()
                # A poke comes from anybody, but who hands a channel over owns it.
                if function == self.settle or (function == self._resume and arguments[0].is_parked):
                    self._orphan(arguments[0])

    def _orphan(self, channel: Channel) -> None:
        """End a channel that nobody polls any more; its owner only."""
        try:
            channel.break_off(StateError("the relay has stopped"))
        except Exception:
            logger.exception("unexpected error while closing %r", channel)

    def _close_own(self) -> None:
        self._selector.close()
        with self._wake_lock:
            self._wake_in.close()
            self._wake_out.close()

    @classmethod
    def _forget_shared_in_child(cls) -> None:
        """Begin with none after a fork: the threads are the parent's."""
        relay, cls._shared, cls._shared_lock = cls._shared, None, threading.Lock()
        if relay is not None:
            # Another thread may have held these at the moment of the fork.
            relay._stopped, relay._wake_lock = threading.Event(), threading.Lock()
            relay._stopped.set()
            relay._is_stopping = True
            relay._bench.abandon()
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
