"""The watch: notices a turn that keeps the leader, and promotes a deputy."""

from __future__ import annotations

import threading
from typing import Protocol

STALL_S = 0.005
"""How long a turn may keep the leader."""
IDLE_LOOKS = 20
"""After so many looks without a turn the watch goes to sleep."""


class Led(Protocol):
    """What the watch sees of a relay."""

    turns: int

    @property
    def is_busy(self) -> bool:
        """Whether a turn is under way."""
        ...

    def promote_deputy(self, turn: int) -> None: ...


class Watch:
    """A thread that looks at the leader's desk every `STALL_S`, while there is work.

    It sleeps, at no cost, while the leader is idle; the leader wakes it with
    the first turn after that. A turn is noticed after one to two `STALL_S`.
    """

    def __init__(self, relay: Led) -> None:
        self._relay = relay
        self._gate = threading.Semaphore(0)
        self._tick = threading.Lock()
        self._tick.acquire()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._look_on, name="kit-watch", daemon=True)
        self.is_asleep: bool = False

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def wake(self) -> None:
        """Look again, after having been asleep."""
        self.is_asleep = False
        self._gate.release()

    def stop(self) -> None:
        """End the thread, if the system gave one."""
        self._is_stopping = True
        self._tick.release()
        # Whether it sleeps or not: it may be about to, having seen no stop yet.
        self.wake()
        if self._thread.ident is not None:
            self._thread.join()

    def _look_on(self) -> None:
        relay, idle, seen = self._relay, 0, -1
        while not self._is_stopping:
            turn = relay.turns
            if turn != seen:
                seen, idle = turn, 0
            elif relay.is_busy:
                relay.promote_deputy(turn)
            else:
                idle += 1
            if idle < IDLE_LOOKS:
                self.pause()
            else:
                self._sleep(turn)
                idle = 0

    def pause(self) -> None:
        """Wait for `STALL_S`, or for the stop; the watch only."""
        # A lock's timeout is the one wait that no clock-freezing tool replaces.
        self._tick.acquire(timeout=STALL_S)

    def _sleep(self, turn: int) -> None:
        self.is_asleep = True
        # A turn that began before the flag was seen must not go unwatched.
        if self._relay.turns != turn and self.is_asleep:
            self.is_asleep = False
            return
        self._gate.acquire()
