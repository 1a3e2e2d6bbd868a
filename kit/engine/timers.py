"""Deadlines of channels, and calls at a time. Only the leader touches them.

A connection's deadline moves with every request, so it must cost nothing to
move it later: each channel sits in one bucket of `TICK_S`, and only when that
bucket comes due is its deadline looked at, and the channel moved on or
expired. A closed channel leaves its bucket at once, so nothing dead is kept.
"""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

TICK_S = 0.05
NEVER = float("inf")


class Expiring(Protocol):
    """What has a deadline, in monotonic seconds, and remembers its bucket."""

    deadline: float
    alarm: float


E = TypeVar("E", bound=Expiring)


class Call:
    """A function to be called at a time; `cancel` takes that back."""

    __slots__ = ("function", "when")

    def __init__(self, when: float, function: Callable[[], object]) -> None:
        self.when: float = when
        self.function: Callable[[], object] | None = function

    def cancel(self) -> None:
        """Never call; safe from any thread."""
        self.function = None


class Timers(Generic[E]):
    """The deadlines and calls of one relay."""

    def __init__(self) -> None:
        self._buckets: dict[float, set[E]] = {}
        self._bucket_times: list[float] = []
        self._calls: list[tuple[float, int, Call]] = []
        self._ordinals = itertools.count()

    def watch(self, expiring: E) -> None:
        """See to it that the deadline is looked at in time."""
        if expiring.deadline < expiring.alarm:
            self.forget(expiring)
            self._put(expiring)

    def forget(self, expiring: E) -> None:
        """Drop a channel that is gone, or about to be put elsewhere."""
        if expiring.alarm != NEVER:
            bucket = self._buckets.get(expiring.alarm)
            if bucket is not None:
                bucket.discard(expiring)
            expiring.alarm = NEVER

    def call_at(self, call: Call) -> None:
        """Have a call made when its time comes."""
        heapq.heappush(self._calls, (call.when, next(self._ordinals), call))

    def seconds_to_next(self, now: float) -> float | None:
        """Return how long nothing is due, or None for ever."""
        nearest = NEVER
        if self._bucket_times:
            nearest = self._bucket_times[0]
        if self._calls and self._calls[0][0] < nearest:
            nearest = self._calls[0][0]
        return None if nearest == NEVER else max(0.0, nearest - now)

    def take_due(self, now: float) -> tuple[list[E], list[Call]]:
        """Remove and return the channels past their deadline and the calls due."""
        expired: list[E] = []
        while self._bucket_times and self._bucket_times[0] <= now:
            bucket = self._buckets.pop(heapq.heappop(self._bucket_times))
            for expiring in bucket:
                expiring.alarm = NEVER
                if expiring.deadline <= now:
                    expired.append(expiring)
                elif expiring.deadline != NEVER:
                    self._put(expiring)
        calls: list[Call] = []
        while self._calls and self._calls[0][0] <= now:
            calls.append(heapq.heappop(self._calls)[2])
        return expired, calls

    def _put(self, expiring: E) -> None:
        # The end of the tick the deadline lies in: never early, late by a tick at most.
        alarm = (expiring.deadline // TICK_S + 1) * TICK_S
        bucket = self._buckets.get(alarm)
        if bucket is None:
            bucket = self._buckets[alarm] = set()
            heapq.heappush(self._bucket_times, alarm)
        bucket.add(expiring)
        expiring.alarm = alarm
