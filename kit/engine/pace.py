"""How fast a route's handler runs, so that a slow one goes to the bench at once.

A route that has kept the leader too long is slow from then on; a run of quick
calls on the bench makes it quick again.
"""

from __future__ import annotations

from typing import Protocol

from kit.engine.watch import STALL_S

QUICK_RUNS = 8
"""So many quick calls in a row, and the route is tried in place again."""


class Paced(Protocol):
    """What remembers its pace: None while nothing slow was seen."""

    pace: Pace | None


class Pace:
    """The recent pace of one route that has stalled once."""

    __slots__ = ("is_slow", "quick_runs")

    def __init__(self) -> None:
        self.is_slow: bool = True
        self.quick_runs: int = 0


def is_slow(route: Paced) -> bool:
    """Tell whether a call may keep the leader."""
    return route.pace is not None and route.pace.is_slow


def note_stall(route: Paced) -> None:
    """Remember that a call has kept the leader."""
    if route.pace is None:
        route.pace = Pace()
    else:
        route.pace.is_slow = True
        route.pace.quick_runs = 0


def note_run(route: Paced, seconds: float) -> None:
    """Take how long a call took into account."""
    pace = route.pace
    if pace is None:
        return
    if seconds > STALL_S:
        pace.is_slow = True
        pace.quick_runs = 0
    else:
        pace.quick_runs += 1
        if pace.quick_runs >= QUICK_RUNS:
            pace.is_slow = False
